"""A copy is the notebook: whole, without gap, whenever it was taken and wherever it was cut."""

from __future__ import annotations

import contextlib
import random
import shutil
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from faulty import Faulty, Image, PowerLoss, lay_out
from harm import SWEEPS, Truth, files, go_on, harms, made, newest, store_of, truth
from polars.testing import assert_frame_equal
from sweeps import WHO, Bench

from raylab.client.remote import RemoteReader
from raylab.core.design import Factorial
from raylab.errors import LabNotFound, NameRefused, NotebookDamaged
from raylab.notebook import layout
from raylab.notebook.copy import Copying, copy
from raylab.notebook.posix import PosixStore
from raylab.notebook.writer import Writer
from raylab.offline import Notebook
from raylab.server import pieces

pytestmark = pytest.mark.usefixtures("without_pauses")

OWN = {layout.NOTEBOOK, layout.README}
"""What a copy does not take over."""


def copied(old: Path, new: Path) -> Copying:
    return copy(store_of(old), store_of(new))


def assert_same(old: Path, new: Path, told: Truth) -> None:
    """The same rows, and the same files but for those of its own."""
    assert Notebook(new).verify().is_empty()
    assert set(files(new)) - OWN == set(files(old)) - OWN
    for file in set(files(new)) - OWN:
        assert (new / file).read_bytes() == (old / file).read_bytes()
    for name, frame in truth(new).items():
        assert_frame_equal(frame, told[name])


def test_a_copy_has_all_and_an_identity_of_its_own_that_names_its_origin(
    base: tuple[Path, Truth], tmp_path: Path
) -> None:
    old, new = base[0], tmp_path / "made" / "copy"
    found = copied(old, new)
    assert_same(old, new, base[1])
    assert found.files == len(files(new)) - 1  # beside README.md
    one, other = Notebook(old).identity, Notebook(new).identity
    assert other.id not in ("", one.id)
    assert (other.origins, other.salvaged, other.name, other.user) == ((one.id,), False, one.name, one.user)
    copied(new, tmp_path / "again")
    assert Notebook(tmp_path / "again").identity.origins == (other.id, one.id)


@pytest.mark.usefixtures("unmeasured")
def test_a_copy_is_a_notebook_with_which_a_lab_goes_on(base: tuple[Path, Truth], tmp_path: Path) -> None:
    root, new = tmp_path / "lab", tmp_path / "copy"
    shutil.copytree(base[0], root)
    copied(root, new)
    for name in SWEEPS:
        values = [go_on(each, name).drop("_started", "_elapsed_s") for each in (root, new)]
        assert_frame_equal(*values)
        assert Notebook(new).progress(name).waiting == 0
    assert Notebook(new).verify().is_empty()


def test_repeated_it_takes_only_what_is_new(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    bench = Bench(old, store=store_of(old))
    bench.submit("plain", made(), SWEEPS["plain"])
    bench.run("plain", 0, 2)
    copied(old, new)
    ident = Notebook(new).identity
    assert copied(old, new).files == 0
    bench.run("plain", 2, 3)
    assert copied(old, new).files == 1
    bench.seal("plain")
    bench.run("plain", 3, 4)
    bench.submit("sealed", made(), SWEEPS["sealed"])
    assert copied(old, new).files == 2 + 2  # the part and the commit; the opening and the request; no code
    assert_same(old, new, truth(old))
    assert Notebook(new).identity == ident


def test_from_a_lab_elsewhere_it_comes_in_pieces(
    base: tuple[Path, Truth], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PIECE_BYTES", 3_000)  # less than most of the files

    there = RemoteReader(partial(pieces.serve, str(base[0])), "somewhere")
    copy(there, store_of(tmp_path / "copy"))
    assert_same(base[0], tmp_path / "copy", base[1])


def test_the_notebook_itself_copies_and_is_given_back(base: tuple[Path, Truth], tmp_path: Path) -> None:
    new = Notebook(base[0]).copy(tmp_path / "copy")
    assert new.place == str(tmp_path / "copy")
    assert_same(base[0], tmp_path / "copy", base[1])


# -- cut


def images(old: Path, folder: Path, rng: random.Random | None) -> Iterator[tuple[Path, Image]]:
    """A copy into an empty disk, and at each of its operations the disk as an end there would leave it."""
    disk = folder / "disk"
    disk.mkdir(parents=True)
    model = PowerLoss(disk)
    found: dict[int, Image] = {}

    def look(number: int = 0, name: str = "link") -> None:
        if name not in ("link", "unlink", "mkdir", "sync_folder"):  # else only a temporary file changes
            return
        image = model.killed() if rng is None else model.lost(rng)
        found.setdefault(hash(tuple(sorted(image.items()))), image)

    model.halfway = look
    copy(store_of(old), PosixStore(disk / "copy", Faulty(hook=look, under=model)))
    for number, image in enumerate(found.values()):
        lay_out(image, folder / str(number))
        yield folder / str(number) / "copy", image


@pytest.mark.parametrize("power", [False, True], ids=["killed", "power loss"])
def test_cut_at_any_operation_it_goes_on_when_it_is_repeated(
    base: tuple[Path, Truth], tmp_path: Path, power: bool
) -> None:
    ends = 0
    for new, image in images(base[0], tmp_path, random.Random(1) if power else None):
        ends += 1
        if f"copy/{layout.NOTEBOOK}" in image and not power:  # its name comes last
            assert_same(base[0], new, base[1]) if layout.COPYING not in files(new) else None
        copied(base[0], new)
        assert set(files(new)) - OWN == set(files(base[0])) - OWN
        if ends % 10 == 0:
            assert_same(base[0], new, base[1])
        shutil.rmtree(new.parent)
    assert ends > 40


def test_a_copy_that_was_cut_is_no_notebook_yet(base: tuple[Path, Truth], tmp_path: Path) -> None:
    for new, image in images(base[0], tmp_path, None):
        if f"copy/{layout.NOTEBOOK}" not in image and f"copy/{layout.COPYING}" in image:
            with pytest.raises(LabNotFound):
                Notebook(new)
            return
    raise AssertionError("it was never cut")


def test_a_disk_that_refuses_anywhere_leaves_what_the_next_one_completes(
    base: tuple[Path, Truth], tmp_path: Path
) -> None:
    whole = Faulty()
    copy(store_of(base[0]), PosixStore(tmp_path / "whole", whole))
    for at in range(0, whole.count, 11):
        new = tmp_path / str(at)
        with contextlib.suppress(OSError):
            copy(store_of(base[0]), PosixStore(new, Faulty(at)))
        copied(base[0], new)  # also where only a temporary file was not removed
        assert_same(base[0], new, base[1])
        shutil.rmtree(new)


# -- beside a lab


@pytest.mark.parametrize("pace", [1, 2, 5])
def test_beside_a_lab_that_commits_and_seals_and_takes_sweeps_on(tmp_path: Path, pace: int) -> None:
    """Before each few of the copy's reads the lab does something more."""
    old, new = tmp_path / "old", tmp_path / "new"
    bench = Bench(old, store=store_of(old))
    bench.submit("first", made(), Factorial(p=range(40)))

    def works() -> Iterator[None]:
        for step in range(40):
            bench.run("first", step, step + 1)
            yield
            if step % 4 == 3:
                bench.seal("first")
                yield
            if step % 10 == 9:
                bench.submit(f"later-{step}", made(), SWEEPS["plain"])
                bench.run(f"later-{step}", 0, 2)
                yield

    steps, reads = works(), count(1)
    for _ in range(7):
        next(steps)

    def meanwhile(number: int, name: str) -> None:
        if next(reads) % pace == 0:
            next(steps, None)

    least = Notebook(old).progress().ready
    looks = 0
    while True:
        copy(PosixStore(old, Faulty(hook=meanwhile)), store_of(new))
        looks += 1
        assert Notebook(new).verify().is_empty()
        now, then = truth(old), truth(new)
        for name, frame in then.items():
            assert_frame_equal(frame.sort("_seq"), now[name].sort("_seq").head(frame.height).select(frame.columns))
        ready = Notebook(new).progress().ready
        assert ready >= least, "what was there when the copy began is in it"
        least = Notebook(old).progress().ready
        if next(steps, "done") == "done":
            break
    copied(old, new)
    assert_same(old, new, truth(old))
    assert looks > 1


def test_what_comes_while_it_copies_is_left_for_the_next_time(tmp_path: Path) -> None:
    """A lab that commits faster than the copy takes must not keep it for ever."""
    old = tmp_path / "old"
    bench = Bench(old, store=store_of(old))
    bench.submit("first", made(), Factorial(p=range(500)))
    bench.run("first", 0, 1)
    steps = iter(range(1, 500))

    def meanwhile(number: int, name: str) -> None:
        step = next(steps)
        bench.run("first", step, step + 1)
        if name == "read":  # so the journal is gone before it is read
            bench.seal("first")

    copy(PosixStore(old, Faulty(hook=meanwhile)), store_of(tmp_path / "new"))
    assert Notebook(tmp_path / "new").progress().ready < 20


# -- refused


def test_where_something_else_lies_nothing_is_copied(base: tuple[Path, Truth], tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.tex").write_text("mine")
    with pytest.raises(NameRefused, match="lies something else: give a new folder"):
        copied(base[0], full)
    assert files(full) == ["thesis.tex"]
    Bench(tmp_path / "other")
    for new in (tmp_path / "other", base[0]):
        before = files(new)
        with pytest.raises(NameRefused, match="lies another notebook, which is no copy of"):
            copied(base[0], new)
        assert files(new) == before
    with pytest.raises(LabNotFound, match="there is no notebook in"):
        copied(full, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_copy_with_which_a_lab_has_gone_on_is_left_alone(base: tuple[Path, Truth], tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    shutil.copytree(base[0], old)
    copied(old, new)
    writer = Writer(new, WHO, store_of(new))
    writer.establish("lab", "ada")
    writer.open_requests()
    before = files(new)
    for _ in range(2):
        with pytest.raises(NameRefused, match="was written on since it was copied"):
            copied(old, new)
        assert files(new) == before
        go_on(old, "plain")


def test_a_damaged_notebook_is_not_copied_and_the_file_and_the_way_out_are_named(
    base: tuple[Path, Truth], tmp_path: Path
) -> None:
    rng = random.Random(5)
    for at, file in enumerate(files(base[0])):
        old, new = tmp_path / f"old{at}", tmp_path / f"new{at}"
        shutil.copytree(base[0], old)
        good = (old / file).read_bytes()
        (old / file).write_bytes(rng.choice(list(harms(good, rng)))[1])
        for missing in (False, True):
            if missing:
                (old / file).unlink()
            if missing and (file in newest(base[0]) or file in COVERED):
                continue
            with pytest.raises(NotebookDamaged, match=r"--salvage` make a new") as error:
                copied(old, new)
            assert file in str(error.value) or missing
        (old / file).write_bytes(good)
        copied(old, new)  # from a notebook that was mended with a backup it goes on
        assert_same(old, new, base[1])


COVERED = {f"sweeps/sealed/journal/{number:012d}.arrow" for number in (1, 5)}
"""Openings that a part covers: nothing misses them."""
