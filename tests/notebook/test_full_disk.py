"""A disk that is truly full, out of inodes, or read-only: nothing false is said, nothing half is left, and it goes on.

The disk is a small tmpfs. Without the right to mount one, each test runs once more in a namespace of its own, where
its user has that right; where that is not allowed either it is skipped, with the reason.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from lives import WHO, A, Life, asked, batches, check, check_plain, points, read
from sweeps import at_work

from raylab.errors import NameRefused
from raylab.notebook.file import load
from raylab.notebook.posix import PosixStore, SystemCalls
from raylab.notebook.writer import Writer
from raylab.server import recorder as recorder_module
from raylab.server.recorder import Recorder

pytestmark = pytest.mark.usefixtures("hasty")

INSIDE = "RAYLAB_TESTS_IN_NAMESPACE"
OPTIONS = "size=1m,nr_inodes=200"
FULL = os.strerror(errno.ENOSPC)


def _mount(*words: object) -> str:
    """What went wrong; nothing if nothing did."""
    if shutil.which("mount") is None:
        return "there is no mount on this machine"
    ran = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True, check=False)
    return ran.stderr.strip() if ran.returncode else ""


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A small disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    trouble = _mount("-t", "tmpfs", "-o", OPTIONS, "raylab-tests", place)
    if trouble:
        _elsewhere(request, trouble)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def _elsewhere(request: pytest.FixtureRequest, trouble: str) -> None:
    """The same test in a namespace where it may mount; then there is nothing left to do here."""
    inside = ["unshare", "-rm", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    test = f"{request.path}::{request.node.name}"
    if INSIDE in os.environ or subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip(f"no small disk can be mounted here: {trouble}")
    told = {**os.environ, INSIDE: "1"}
    command = [*inside, "--rootdir", str(request.config.rootpath), test]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=told, cwd=request.config.rootpath)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    pytest.skip("it passed in a namespace of its own" if " passed" in ran.stdout else f"no small disk: {ran.stdout}")


def _no_room(disk: Path) -> Callable[[], None]:
    """Fill what is left; the caller makes room again."""
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (65536, 4096, 1):
            with pytest.raises(OSError, match=FULL):
                _forever(partial(file.write, bytes(size)))
    return ballast.unlink


def _no_inodes(disk: Path) -> Callable[[], None]:
    folder = disk / "ballast"
    folder.mkdir()
    numbers = itertools.count()
    with pytest.raises(OSError, match=FULL):
        _forever(lambda: (folder / str(next(numbers))).touch())
    return lambda: shutil.rmtree(folder)


def _forever(act: Callable[[], object]) -> None:
    while True:
        act()


def _read_only(disk: Path) -> Callable[[], None]:
    assert not _mount("-o", "remount,ro", disk)

    def writable() -> None:
        assert not _mount("-o", f"remount,rw,{OPTIONS}", disk)

    return writable


TROUBLES = [_no_room, _no_inodes, _read_only]
each_trouble = pytest.mark.parametrize("trouble", TROUBLES, ids=["full", "no inodes", "read-only"])


def _nothing_half(root: Path) -> None:
    for path in root.rglob("*.arrow"):
        load(path.read_bytes(), path.name)
    assert not [path for path in (root / "tmp").rglob("*") if path.is_file()]


@each_trouble
def test_a_writer_on_a_disk_that_refuses_says_so_and_goes_on(
    disk: Path, trouble: Callable[[Path], Callable[[], None]]
) -> None:
    root = disk / "lab"
    life = Life(root, SystemCalls())
    life.open()
    life.add("a")
    life.keep_code()
    life.commit(A, 0, 1)
    cure = trouble(disk)
    for act in (lambda: life.commit(A, 2), lambda: life.seal(A), lambda: life.add("b")):
        for _ in range(3):
            with pytest.raises(OSError) as caught:  # noqa: PT011  (its number is what counts)
                act()
            assert caught.value.errno in (errno.ENOSPC, errno.EROFS)
    assert read(PosixStore(root), A) == points([0, 1])
    check_plain(root, A, points([0, 1]))
    _nothing_half(root)
    cure()
    life.add("b")
    life.commit(A, 2)
    life.seal(A)
    assert read(PosixStore(root), A) == points([0, 1, 2])
    _nothing_half(root)
    check(root, life.claims)


def test_a_writer_that_fills_the_disk_itself_has_all_that_it_was_told(disk: Path) -> None:
    """Commit after commit until there is no room: whatever operation of whatever commit that hits."""
    root = disk / "lab"
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(600_000))
    life = Life(root, SystemCalls())
    life.open()
    numbers = itertools.count()

    def commit() -> None:
        k = next(numbers)
        life.commit(A, k)
        if k % 10 == 9:
            life.seal(A)

    with pytest.raises(OSError, match=FULL):
        _forever(commit)
    done = life.claims.commits[A]
    assert len(done) > 10
    assert read(PosixStore(root), A) == points(done)
    _nothing_half(root)
    ballast.unlink()
    (again,) = life.claims.doubtful[A] or [len(done)]
    life.commit(A, again)
    life.seal(A)
    assert read(PosixStore(root), A) == points(range(again + 1))
    _nothing_half(root)


@each_trouble
def test_a_notebook_is_not_made_on_such_a_disk_and_nothing_of_it_is_taken_for_one(
    disk: Path, trouble: Callable[[Path], Callable[[], None]]
) -> None:
    cure = trouble(disk)
    for _ in range(2):
        with pytest.raises(OSError) as caught:  # noqa: PT011
            Writer(disk / "lab", WHO).establish("lab", "ada")
        assert not isinstance(caught.value, NameRefused)
    assert not (disk / "lab/notebook.json").exists()
    cure()
    assert Writer(disk / "lab", WHO).establish("lab", "ada").name == "lab"


@each_trouble
def test_a_recorder_keeps_what_it_has_says_why_and_goes_on_by_itself(
    disk: Path, monkeypatch: pytest.MonkeyPatch, trouble: Callable[[Path], Callable[[], None]]
) -> None:
    monkeypatch.setattr(recorder_module, "SPACING_S", 0.001)
    monkeypatch.setattr(recorder_module, "AGAIN_S", 0.01)
    monkeypatch.setattr(recorder_module, "LIMIT_BYTES", 3 * batches(0)[0].rows.nbytes)
    root = disk / "lab"

    async def until(condition: Callable[[], object]) -> None:
        while not condition():
            await asyncio.sleep(0.001)

    async def story() -> None:
        writer = Writer(root, WHO)
        writer.establish("lab", "ada")
        writer.open_requests()
        written: list[object] = []
        pressure: list[bool] = []
        recorder = Recorder(
            writer,
            on_written=lambda sweep, batches, info: written.append(info),
            on_pressure=pressure.append,
            on_fenced=lambda error: pytest.fail(str(error)),
            on_broken=lambda sweep, error: pytest.fail(str(error)),
        )
        sweep = at_work("a")
        sweep.table = writer.open_sweep(A)
        recorder.keep(sweep, batches(0)[0])
        await recorder.idle()
        cure = trouble(disk)
        for k in range(1, 6):
            recorder.keep(sweep, batches(k)[0])
        adding = asyncio.create_task(recorder.add(*asked("a")))
        await until(lambda: recorder.trouble)
        assert (os.strerror(errno.EROFS) if trouble is _read_only else FULL) in recorder.trouble
        assert pressure == [True]
        assert (len(written), adding.done()) == (1, False)
        assert read(PosixStore(root), A) == points([0])
        cure()
        await recorder.idle()
        await adding
        assert (recorder.trouble, pressure) == ("", [True, False])
        recorder.close()

    asyncio.run(asyncio.wait_for(story(), 30))
    assert sorted(read(PosixStore(root), A)) == points(range(6))
    _nothing_half(root)
