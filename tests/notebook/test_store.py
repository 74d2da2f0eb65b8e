"""Put-if-absent: whole or not at all, once, durably."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from faulty import Faulty

from raylab.errors import NameRefused
from raylab.notebook.posix import PosixStore, SystemCalls


@pytest.fixture
def store(tmp_path: Path) -> PosixStore:
    return PosixStore(tmp_path / "lab")


def warmed(root: Path, calls: SystemCalls | None = None) -> PosixStore:
    """A store that has written in the folder `a`."""
    store = PosixStore(root)
    store.put("a/0", b"0", b"0")
    store.calls = calls or store.calls
    return store


def test_the_first_put_wins_and_the_second_changes_nothing(store: PosixStore) -> None:
    assert store.put("a/b/1", b"one-x", b"x")
    assert not store.put("a/b/1", b"two-y", b"y")
    assert store.get("a/b/1") == b"one-x"
    assert store.names("tmp") == []


def test_a_put_whose_own_file_is_there_already_succeeds(store: PosixStore) -> None:
    assert store.put("a/b/1", b"one-x", b"x")
    assert store.put("a/b/1", b"one-x", b"x")


def test_a_link_that_was_made_but_reported_as_existing_is_recognised(tmp_path: Path) -> None:
    lost = warmed(tmp_path, Faulty(0, only="link", after=True, error=FileExistsError))
    assert lost.put("a/1", b"x", b"x")
    assert lost.get("a/1") == b"x"


def test_reading(store: PosixStore) -> None:
    store.put("a/b/2", b"2", b"2")
    store.put("a/b/1", b"1", b"1")
    assert store.names("a/b") == ["1", "2"]
    assert store.names("a") == ["b/"]
    assert store.names("") == ["a/", "tmp/"]
    assert store.names("no/such") == []
    assert list(store.get_many(["a/b/2", "a/b/1"])) == [b"2", b"1"]
    store.put("a/b/long", b"abcdef", b"abcdef")
    assert store.pieces("a/b/long", (0, 2), (-2, 2), (3, 2)) == ([b"ab", b"ef", b"de"], 6)
    assert store.pieces("a/b/long", (0, 9), (-9, 9), (6, 1)) == ([b"abcdef", b"abcdef", b""], 6)
    with pytest.raises(FileNotFoundError):
        store.get("a/b/3")
    with pytest.raises(FileNotFoundError):
        list(store.get_many(["a/b/1", "a/b/3"]))
    with pytest.raises(FileNotFoundError):
        store.pieces("a/b/3", (0, 2))


def test_a_file_that_another_machine_deleted_is_just_gone(tmp_path: Path) -> None:
    class Stale(SystemCalls):
        def read(self, path: Path) -> bytes:
            raise OSError(errno.ESTALE, "stale")

    with pytest.raises(FileNotFoundError):
        PosixStore(tmp_path, Stale()).get("x")


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a\0b"])
def test_a_path_out_of_the_store_is_refused(store: PosixStore, path: str) -> None:
    with pytest.raises(NameRefused, match="inside the notebook"):
        store.get(path)


def test_all_is_for_its_owner_alone(store: PosixStore) -> None:
    old = os.umask(0)
    try:
        store.put("c/1", b"x", b"x")
    finally:
        os.umask(old)
    assert stat.S_IMODE(store.path("c").stat().st_mode) == 0o700
    assert stat.S_IMODE(store.path("c/1").stat().st_mode) == 0o600


def test_every_failing_operation_leaves_no_half_file_and_can_be_repeated(tmp_path: Path) -> None:
    good = Faulty()
    warmed(tmp_path, good).put("a/good", b"x" * 100, b"x")
    for number, name in enumerate(good.names):
        for after in (False, True):
            store = warmed(tmp_path, Faulty(number, after=after))
            path = f"a/{number}{after}"
            try:
                done = store.put(path, b"x" * 100, b"x")
            except OSError:
                done = False
            assert done == (name == "unlink")  # tidying up is no reason to fail
            assert not store.path(path).exists() or store.get(path) == b"x" * 100
            assert store.put(path, b"x" * 100, b"x")
            store.ready()
            assert store.names("tmp") == []


def test_cleaning_leaves_alone_what_is_being_written(tmp_path: Path) -> None:
    store = warmed(tmp_path)
    store.path("tmp/left").write_bytes(b"half")

    def clean(number: int, name: str) -> None:
        if name == "link":
            store.ready()

    store.calls = Faulty(hook=clean)
    assert store.put("a/1", b"x", b"x")
    assert store.names("tmp") == []


def test_a_folder_is_made_durable_with_all_above_it(tmp_path: Path) -> None:
    synced: list[Path] = []

    class Watched(SystemCalls):
        def sync_folder(self, path: Path) -> None:
            synced.append(path)
            super().sync_folder(path)

    root = tmp_path / "x" / "lab"
    PosixStore(root, Watched()).put("a/b/1", b"x", b"x")
    made = {tmp_path, tmp_path / "x", root, root / "a", root / "a" / "b"}
    assert set(synced) >= made
    synced.clear()
    PosixStore(root, Watched()).put("a/b/2", b"y", b"y")
    assert set(synced) >= made - {tmp_path}, "whoever made them may have died before they were durable"


def test_a_file_where_a_folder_should_be_is_named(store: PosixStore) -> None:
    store.put("a/f", b"x", b"x")
    with pytest.raises(NameRefused, match="a/f is a file"):
        store.put("a/f/g", b"x", b"x")


def test_removing_twice_is_fine(store: PosixStore) -> None:
    store.put("a/1", b"x", b"x")
    store.remove("a/1")
    store.remove("a/1")
    assert store.names("a") == []


def test_probe_accepts_this_file_system(store: PosixStore) -> None:
    store.ready(new=True)
    assert store.names("tmp") == []


def test_probe_refuses_links_that_replace(tmp_path: Path) -> None:
    class Replacing(SystemCalls):
        def link(self, source: Path, target: Path) -> None:
            target.write_bytes(source.read_bytes())

    with pytest.raises(NameRefused, match="hard links"):
        PosixStore(tmp_path, Replacing()).ready(new=True)


def test_probe_refuses_a_file_system_without_links_but_not_a_full_disk(tmp_path: Path) -> None:
    class Without(SystemCalls):
        code = errno.EPERM

        def link(self, source: Path, target: Path) -> None:
            raise OSError(self.code, "no")

    files = Without()
    with pytest.raises(NameRefused, match="hard links"):
        PosixStore(tmp_path, files).ready(new=True)
    files.code = errno.ENOSPC
    with pytest.raises(OSError, match="no"):
        PosixStore(tmp_path, files).ready(new=True)


def test_a_copied_notebook_without_tmp_still_works(store: PosixStore) -> None:
    store.put("a/0", b"x", b"x")
    store.path("tmp").rmdir()
    assert store.put("a/1", b"x", b"x")
