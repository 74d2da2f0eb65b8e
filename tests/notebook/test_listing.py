"""What readers see of a table while others write: whole, without gap, or damaged and named."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from tables import combine, opened, rows

from raylab.errors import NotebookDamaged
from raylab.notebook.listing import Known, listing
from raylab.notebook.store import Store
from raylab.notebook.table import Table


class Counting(Store):
    """Tells what was fetched; may change the folder between listing and fetching."""

    fetched: list[str] | None = None
    meanwhile: Table | None = None

    def get_many(self, paths: Iterable[str]) -> list[bytes]:
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
    assert [f.info.path for f in listing(reader, "t", known)] == list(known.files)
    assert reader.fetched is None
    new = table.commit(rows(2), {"n": 1})
    assert len(listing(reader, "t", known)) == 3
    assert reader.fetched == [new.path]


def test_files_that_are_sealed_while_being_read_are_listed_again(tmp_path: Path) -> None:
    table = opened(tmp_path)
    table.commit(rows(1), {"n": 1})
    table.commit(rows(2), {"n": 1})
    reader = Counting(tmp_path)
    reader.meanwhile = table
    assert [x for f in listing(reader, "t") for x in f.table["x"].to_pylist()] == [1, 2]


def test_a_table_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    assert listing(Store(tmp_path), "no/such") == []


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
    assert len(listing(table.store, "t")) == 2
    opened(tmp_path)
    assert (tmp_path / "t" / "journal" / "x.arrow").exists()
