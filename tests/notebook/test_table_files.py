"""What readers see of a table while others write: whole, without gap, or damaged and named."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from tables import combine, opened, rows

from raylab.errors import NotebookDamaged
from raylab.notebook.file import FileInfo
from raylab.notebook.posix import PosixStore
from raylab.notebook.table import Table
from raylab.notebook.table_files import END_BYTES, Known, file_header, listing


class Counting(PosixStore):
    """Tells what was fetched; may change the folder between listing and fetching."""

    fetched: list[str] | None = None
    meanwhile: Table | None = None

    def get_many(self, paths: Iterable[str]) -> Iterable[bytes]:
        paths = list(paths)
        self.fetched = (self.fetched or []) + paths
        if self.meanwhile is not None:
            self.meanwhile, table = None, self.meanwhile
            table.seal(combine)
        return super().get_many(paths)


def test_what_is_known_is_not_fetched_again(tmp_path: Path) -> None:
    table = opened(tmp_path)
    table.commit(rows(1), {"n": 1})
    reader = Counting(tmp_path)
    known = Known()
    listing(reader, "t", known)
    reader.fetched = None
    assert [f.info.path for f in listing(reader, "t", known)] == list(known.files)[1:]  # but for the opening
    assert reader.fetched is None
    new = table.commit(rows(2), {"n": 1})
    assert len(listing(reader, "t", known)) == 2
    assert reader.fetched == [new.path]


def long_table(root: Path) -> tuple[Table, list[FileInfo]]:
    """Two parts, openings among them, and a journal of five commits of two rows."""
    for count in (3, 3, 5):
        table = opened(root)
        for _ in range(count):
            table.commit(rows(1, 2), {"n": 1})
        if count == 3:
            table.seal(combine)
    return table, [file.info for file in listing(table.store, "t")]


def test_from_a_cursor_on_all_rows_come_and_little_else(tmp_path: Path) -> None:
    table, infos = long_table(tmp_path)
    parts, journal = infos[:2], [info for info in infos if info.kind == "data"]
    for since in range(1, table.seq + 3):
        reader, known = Counting(tmp_path), Known()
        found = listing(reader, "t", known, since)
        seqs = [seq for file in found for seq in file.table["_seq"].to_pylist()]
        assert seqs == list(range(seqs[0], table.seq))
        assert seqs[0] <= since or since > table.seq
        fetched = set(reader.fetched or ())
        assert not fetched & {part.path for part in parts if part.stop <= since}
        behind = sum(info.stop > since for info in journal)
        assert sum(info.path in fetched for info in journal) <= 2 * behind + 1
        reader.fetched = None
        assert listing(reader, "t", known, since) == found
        assert reader.fetched is None


def test_who_has_followed_a_table_does_not_fetch_the_part_that_its_journal_becomes(tmp_path: Path) -> None:
    table, _ = long_table(tmp_path)
    reader, known = Counting(tmp_path), Known()
    listing(reader, "t", known)
    part = table.seal(combine)
    assert part is not None
    new = table.commit(rows(3), {"n": 1})
    reader.fetched = None
    assert [file.info for file in listing(reader, "t", known, part.stop)][-1] == new
    assert reader.fetched == [new.path]
    assert not [path for path in known.files if "/journal/" in path and path != new.path], (
        "what a part covers is let go"
    )
    assert [file.info.kind for file in listing(reader, "t", known)].count("part") == 3
    assert reader.fetched == [new.path, part.path]


def test_from_a_cursor_on_a_gap_and_a_damaged_file_are_found(tmp_path: Path) -> None:
    table, infos = long_table(tmp_path)
    for info in infos[2:-1]:  # the newest may be missing: nobody can tell
        whole = table.store.get(info.path)
        table.store.remove(info.path)
        with pytest.raises(NotebookDamaged, match=f"commits {info.first} to {info.first} are missing"):
            listing(table.store, "t", since=infos[1].stop)
        table.store.path(info.path).write_bytes(whole[:-20] + b"x" + whole[-19:])
        with pytest.raises(NotebookDamaged, match=info.path):
            listing(table.store, "t", since=infos[1].stop)
        table.store.path(info.path).write_bytes(whole)
    last = table.store.path(infos[1].path)
    last.write_bytes(last.read_bytes().replace(b'"n": 3', b'"n": 4', 1))
    with pytest.raises(NotebookDamaged, match="differs"):
        listing(table.store, "t", since=infos[1].stop)


def test_a_file_that_says_very_much_of_itself_is_known_by_its_ends(tmp_path: Path) -> None:
    table = opened(tmp_path)
    info = table.commit(rows(1), {"n": 1, "error": "x" * 2 * END_BYTES})
    assert file_header(table.store, info.path) == info


def test_files_that_are_sealed_while_being_read_are_listed_again(tmp_path: Path) -> None:
    table = opened(tmp_path)
    table.commit(rows(1), {"n": 1})
    table.commit(rows(2), {"n": 1})
    reader = Counting(tmp_path)
    reader.meanwhile = table
    assert [x for f in listing(reader, "t") for x in f.table["x"].to_pylist()] == [1, 2]


def test_a_table_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    assert listing(PosixStore(tmp_path), "no/such") == []


def test_a_missing_file_is_named_by_its_numbers(tmp_path: Path) -> None:
    table = opened(tmp_path)
    for k in range(4):
        table.commit(rows(k), {"n": 1})
    table.store.remove("t/journal/000000000003.arrow")
    table.store.remove("t/journal/000000000004.arrow")
    for act in (lambda: listing(table.store, "t"), lambda: opened(tmp_path)):
        with pytest.raises(NotebookDamaged, match="commits 3 to 4 are missing"):
            act()
    with pytest.raises(NotebookDamaged, match="is gone, and no part has it"):
        table.seal(combine)


@pytest.mark.parametrize("sealed", [False, True], ids=["journal", "part"])
def test_a_damaged_file_is_never_returned(tmp_path: Path, sealed: bool) -> None:
    table = opened(tmp_path)
    table.commit(rows(1), {"n": 1})
    info = table.seal(combine) if sealed else listing(table.store, "t")[-1].info
    assert info is not None
    path = table.store.path(info.path)
    good = path.read_bytes()
    for sick in (b"", good[:-1], good.replace(b"host", b"hose"), good[:400] + b"\xff" + good[401:]):
        path.write_bytes(sick)
        with pytest.raises(NotebookDamaged, match=info.path):
            listing(table.store, "t")


def test_files_under_each_others_names_are_found(tmp_path: Path) -> None:
    table = opened(tmp_path)
    one = table.store.path(table.commit(rows(1), {"n": 1}).path)
    two = table.store.path(table.commit(rows(2), {"n": 1}).path)
    one.write_bytes(two.read_bytes())
    with pytest.raises(NotebookDamaged, match="not what its name says"):
        listing(table.store, "t")


def test_strange_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    table = opened(tmp_path)
    table.commit(rows(1), {"n": 1})
    (tmp_path / "t" / "README.md").write_text("hello")
    (tmp_path / "t" / "journal" / "x.arrow").write_text("hello")
    assert len(listing(table.store, "t")) == 1
    opened(tmp_path)
    assert (tmp_path / "t" / "journal" / "x.arrow").exists()
