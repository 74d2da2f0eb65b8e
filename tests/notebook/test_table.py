"""A table and its one writer: commits, parts, and whoever comes after."""

from __future__ import annotations

import threading
from pathlib import Path

import pyarrow as pa
import pytest
from tables import combine, opened, rows

from raylab.errors import LabFenced
from raylab.notebook import table as table_module
from raylab.notebook.posix import PosixStore
from raylab.notebook.table import Table
from raylab.notebook.table_files import infos, last_opening, listing


def test_commits_number_their_rows(tmp_path: Path) -> None:
    table = opened(tmp_path)
    one = table.commit(rows(5, 6), {"n": 1})
    two = table.commit(rows(7), {"n": 2})
    assert [(i.first, i.seq, i.rows) for i in (one, two)] == [(2, 0, 2), (3, 2, 1)]
    files = listing(PosixStore(tmp_path), "t")
    assert [file.info.kind for file in files] == ["data", "data"]
    assert files[0].info == one
    assert files[1].table.to_pydict() == {"_seq": [2], "x": [7]}


def test_opening_finds_what_is_there(tmp_path: Path) -> None:
    store = PosixStore(tmp_path)
    assert last_opening(store, "t") is None
    first = opened(tmp_path)
    first.commit(rows(1), {"n": 1})
    part = first.seal(combine)
    third = first.commit(rows(2), {"n": 2})
    second = Table(store, "t", {"host": "b"})
    found = second.open()
    assert found == [part, third]
    assert (second.seq, second.number) == (2, 5)
    newest = last_opening(store, "t")
    assert newest is not None
    assert (newest.first, newest.writer) == (4, {"host": "b"})
    assert infos(store, "t") == found


def test_a_part_takes_the_place_of_its_commits(tmp_path: Path) -> None:
    table = opened(tmp_path)
    for k in range(4):
        table.commit(rows(k), {"n": k})
    part = table.seal(combine)
    assert part is not None
    assert (part.first, part.last, part.seq, part.rows, part.meta) == (1, 5, 0, 4, {"n": 6})
    assert table.store.names("t/journal") == ["000000000001.arrow"]  # openings stay for ever
    assert table.seal(combine) is None
    table.commit(rows(9), {"n": 9})
    again = table.seal(combine)
    assert again is not None
    assert again.path == "t/000000000006.arrow"
    assert [x for f in listing(table.store, "t") for x in f.table["x"].to_pylist()] == [0, 1, 2, 3, 9]


def test_a_part_holds_columns_that_came_late_or_widened_and_keeps_field_metadata(tmp_path: Path) -> None:
    table = opened(tmp_path)
    kept = pa.schema([pa.field("x", pa.int64(), metadata={"raylab.name": "x"})])
    table.commit(pa.table({"x": [2**60 + 1]}, schema=kept), {"n": 1})
    table.commit(pa.table({"y": [[1]], "x": [2.5]}), {"n": 1})
    table.commit(pa.table({"y": [[1.5]], "x": [3.5]}), {"n": 1})
    table.seal(combine)
    (part,) = listing(table.store, "t")
    assert part.table.drop_columns("_seq").to_pydict() == {
        "x": [2.0**60, 2.5, 3.5],
        "y": [None, [1.0], [1.5]],
    }
    assert part.info.schema.field("x").metadata == {b"raylab.name": b"x"}


def test_a_commit_that_no_part_could_hold_is_refused_before_it_is_written(tmp_path: Path) -> None:
    table = opened(tmp_path)
    table.commit(rows(1), {"n": 1})
    with pytest.raises(ValueError, match="'x' is int64 in one file and string"):
        table.commit(rows("a"), {"n": 1})
    table.commit(rows(2), {"n": 1})
    assert table.seq == 2


def test_a_commit_without_rows_keeps_its_metadata(tmp_path: Path) -> None:
    table = opened(tmp_path)
    table.commit(pa.table({"x": pa.array([], pa.int64())}), {"n": 4})
    part = table.seal(combine)
    assert part is not None
    assert (part.rows, part.meta) == (0, {"n": 4})


def test_it_is_time_to_seal_after_many_commits_or_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = opened(tmp_path)
    table.commit(rows(1), {"n": 1})
    assert not table.should_seal
    monkeypatch.setattr(table_module, "SEAL_COMMITS", 1)
    assert table.should_seal
    monkeypatch.undo()
    monkeypatch.setattr(table_module, "SEAL_BYTES", 100)
    assert table.should_seal
    table.seal(combine)
    assert not table.should_seal


def test_committing_while_another_thread_seals_loses_nothing(tmp_path: Path) -> None:
    table = opened(tmp_path)
    table.commit(rows(0), {"n": 1})
    stop = threading.Event()
    errors: list[BaseException] = []

    def seal_on() -> None:
        try:
            while not stop.is_set():
                table.seal(combine)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=seal_on)
    thread.start()
    for k in range(1, 200):
        table.commit(rows(k), {"n": 1})
    stop.set()
    thread.join()
    table.seal(combine)
    assert errors == []
    assert sum(file.info.meta["n"] for file in listing(table.store, "t")) == 200
    assert [x for f in listing(table.store, "t") for x in f.table["x"].to_pylist()] == list(range(200))


def test_the_older_writer_is_fenced_and_told_by_whom(tmp_path: Path) -> None:
    old = opened(tmp_path, "old")
    opened(tmp_path, "new")
    for _ in range(2):
        with pytest.raises(LabFenced, match="host new"):
            old.commit(rows(1), {"n": 1})
    with pytest.raises(LabFenced):
        old.seal(combine)
    with pytest.raises(LabFenced):
        old.resume()
    with pytest.raises(LabFenced):
        old.open()


def test_calls_out_of_turn_are_our_own_mistakes(tmp_path: Path) -> None:
    table = Table(PosixStore(tmp_path), "t", {})
    with pytest.raises(RuntimeError, match="open it first"):
        table.commit(rows(1), {})
    table.open()
    with pytest.raises(RuntimeError, match="open already"):
        table.open()
    with pytest.raises(RuntimeError, match="no commit is pending"):
        table.resume()


def test_two_writers_that_seal_the_same_commits_agree(tmp_path: Path) -> None:
    old = opened(tmp_path, "old")
    for k in range(3):
        old.commit(rows(k), {"n": 1})
    new = opened(tmp_path, "new")
    new.commit(rows(3), {"n": 1})
    old.seal(combine)  # not yet aware that it is fenced; what it seals is true all the same
    part = new.seal(combine)
    assert part is not None
    assert (part.first, part.last, part.writer) == (1, 4, {"host": "old"})
    new.seal(combine)
    assert [x for f in listing(new.store, "t") for x in f.table["x"].to_pylist()] == [0, 1, 2, 3]
