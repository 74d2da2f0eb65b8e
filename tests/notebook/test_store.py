"""Put-if-absent: whole or not at all, once, durably."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from faulty import Faulty

from raylab.errors import NameRefused
from raylab.notebook.store import Files, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "lab")
    store.make_folder("a/b")
    return store


def test_the_first_put_wins_and_the_second_changes_nothing(store: Store) -> None:
    assert store.put("a/b/1", b"one-x", b"x")
    assert not store.put("a/b/1", b"two-y", b"y")
    assert store.get("a/b/1") == b"one-x"
    assert store.names("tmp") == []


def test_a_put_whose_own_file_is_there_already_succeeds(store: Store) -> None:
    assert store.put("a/b/1", b"one-x", b"x")
    assert store.put("a/b/1", b"one-x", b"x")


def test_a_link_that_was_made_but_reported_as_existing_is_recognised(tmp_path: Path) -> None:
    Store(tmp_path).make_folder("a")
    Store(tmp_path).make_folder("tmp")
    names = Faulty()
    Store(tmp_path, names).put("a/0", b"x", b"x")
    lost = Store(tmp_path, Faulty(names.names.index("link"), after=True, error=FileExistsError))
    assert lost.put("a/1", b"x", b"x")
    assert lost.get("a/1") == b"x"


def test_reading(store: Store) -> None:
    store.put("a/b/2", b"2", b"2")
    store.put("a/b/1", b"1", b"1")
    assert store.names("a/b") == ["1", "2"]
    assert store.names("a") == []  # folders are not files
    assert store.names("no/such") == []
    assert list(store.get_many(["a/b/2", "a/b/1"])) == [b"2", b"1"]
    store.put("a/b/long", b"abcdef", b"abcdef")
    assert store.ends("a/b/long", 2) == (b"ab", b"ef", 6)
    assert store.ends("a/b/long", 9) == (b"abcdef", b"abcdef", 6)
    with pytest.raises(FileNotFoundError):
        store.get("a/b/3")
    with pytest.raises(FileNotFoundError):
        list(store.get_many(["a/b/1", "a/b/3"]))
    with pytest.raises(FileNotFoundError):
        store.ends("a/b/3", 2)


def test_a_file_that_another_machine_deleted_is_just_gone(tmp_path: Path) -> None:
    class Stale(Files):
        def read(self, path: Path) -> bytes:
            raise OSError(errno.ESTALE, "stale")

    with pytest.raises(FileNotFoundError):
        Store(tmp_path, Stale()).get("x")


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a\0b"])
def test_a_path_out_of_the_store_is_refused(store: Store, path: str) -> None:
    with pytest.raises(NameRefused, match="inside the notebook"):
        store.get(path)


def test_all_is_for_its_owner_alone(store: Store) -> None:
    old = os.umask(0)
    try:
        store.make_folder("c")
        store.put("c/1", b"x", b"x")
    finally:
        os.umask(old)
    assert stat.S_IMODE(store.path("c").stat().st_mode) == 0o700
    assert stat.S_IMODE(store.path("c/1").stat().st_mode) == 0o600


def test_every_failing_operation_leaves_no_half_file_and_can_be_repeated(tmp_path: Path) -> None:
    Store(tmp_path).make_folder("a")
    Store(tmp_path).make_folder("tmp")
    good = Faulty()
    Store(tmp_path, good).put("a/good", b"x" * 100, b"x")
    for number, name in enumerate(good.names):
        for after in (False, True):
            store = Store(tmp_path, Faulty(number, after=after))
            path = f"a/{number}{after}"
            try:
                done = store.put(path, b"x" * 100, b"x")
            except OSError:
                done = False
            assert done == (name == "unlink")  # tidying up is no reason to fail
            assert not store.path(path).exists() or store.get(path) == b"x" * 100
            assert store.put(path, b"x" * 100, b"x")
            store.clean_tmp()
            assert store.names("tmp") == []


def test_cleaning_leaves_alone_what_is_being_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.make_folder("a")
    store.make_folder("tmp")
    store.path("tmp/left").write_bytes(b"half")

    def clean(number: int, name: str) -> None:
        if name == "link":
            store.clean_tmp()

    store.files = Faulty(hook=clean)
    assert store.put("a/1", b"x", b"x")
    assert store.names("tmp") == []


def test_a_folder_is_made_durable_with_all_above_it(tmp_path: Path) -> None:
    synced: list[Path] = []

    class Watched(Files):
        def sync_folder(self, path: Path) -> None:
            synced.append(path)
            super().sync_folder(path)

    root = tmp_path / "x" / "lab"
    Store(root, Watched()).make_folder("a/b")
    assert set(synced) >= {tmp_path, tmp_path / "x", root, root / "a"}
    assert (root / "a" / "b").is_dir()


def test_a_file_where_a_folder_should_be_is_named(store: Store) -> None:
    store.put("a/f", b"x", b"x")
    with pytest.raises(NameRefused, match="a/f is a file"):
        store.make_folder("a/f/g")


def test_removing_twice_is_fine(store: Store) -> None:
    store.put("a/1", b"x", b"x")
    store.remove("a/1")
    store.remove("a/1")
    assert store.names("a") == []


def test_probe_accepts_this_file_system(store: Store) -> None:
    store.probe()
    assert store.names("tmp") == []


def test_probe_refuses_links_that_replace(tmp_path: Path) -> None:
    class Replacing(Files):
        def link(self, source: Path, target: Path) -> None:
            target.write_bytes(source.read_bytes())

    with pytest.raises(NameRefused, match="hard links"):
        Store(tmp_path, Replacing()).probe()


def test_probe_refuses_a_file_system_without_links_but_not_a_full_disk(tmp_path: Path) -> None:
    class Without(Files):
        code = errno.EPERM

        def link(self, source: Path, target: Path) -> None:
            raise OSError(self.code, "no")

    files = Without()
    with pytest.raises(NameRefused, match="hard links"):
        Store(tmp_path, files).probe()
    files.code = errno.ENOSPC
    with pytest.raises(OSError, match="no"):
        Store(tmp_path, files).probe()


def test_a_copied_notebook_without_tmp_still_works(store: Store) -> None:
    assert not store.path("tmp").exists()
    assert store.put("a/1", b"x", b"x")
