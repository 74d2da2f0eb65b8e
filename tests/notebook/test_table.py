"""Numbered Arrow files: what is written is read, what is damaged is named."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pytest

from raylab.errors import LabFenced, NotebookDamaged, VersionMismatch
from raylab.notebook import table as table_module
from raylab.notebook.file import decode, encode, header
from raylab.notebook.listing import infos, last_opening, listing
from raylab.notebook.store import Store
from raylab.notebook.table import Table

FIELDS = {
    "raylab.kind": "data",
    "raylab.first": "3",
    "raylab.last": "3",
    "raylab.seq": "7",
    "raylab.rows": "2",
    "raylab.id": "abc",
    "raylab.writer": '{"host": "here"}',
    "raylab.time": "now",
    "raylab.meta": '{"n": 1}',
}


def combine(metas: list[dict[str, int]]) -> dict[str, int]:
    return {"n": sum(meta["n"] for meta in metas)}


def opened(root: Path, host: str = "a") -> Table:
    table = Table(Store(root), "t", {"host": host})
    table.open()
    return table


def rows(*values: object) -> pa.Table:
    return pa.table({"x": list(values)})


# -- one file


def test_a_file_is_read_as_it_was_written() -> None:
    table = pa.table({"x": [1, 2], "s": ["a", None]})
    data = encode(table, FIELDS)
    assert decode(data, "f").equals(table)
    for source in (data, BytesIO(data)):
        info = header(source, "t/journal/000000000003.arrow")
        assert (info.kind, info.first, info.last, info.seq, info.rows) == ("data", 3, 3, 7, 2)
        assert (info.ident, info.writer, info.meta, info.size) == (
            "abc",
            {"host": "here"},
            {"n": 1},
            len(data),
        )
        assert info.schema == table.schema


def test_rows_that_hold_zeros_do_not_disturb_the_hash() -> None:
    table = pa.table({"x": ["0" * 64, "0" * 200]})
    assert decode(encode(table, FIELDS | {"raylab.meta": '{"z": "' + "0" * 64 + '"}'}), "f").equals(table)


def test_the_hash_can_be_checked_in_three_lines() -> None:
    """As a stranger would, with the words of the README."""
    import hashlib

    data = encode(rows(1, 2), FIELDS)
    claimed = pa.ipc.open_file(data).schema.metadata[b"raylab.sha256"]
    assert hashlib.sha256(data.replace(claimed, b"0" * 64)).hexdigest().encode() == claimed


def test_every_truncation_and_every_flipped_byte_is_found_and_named() -> None:
    data = encode(pa.table({"x": [1, 2], "s": ["long enough", "to hurt"]}), FIELDS)
    for cut in range(len(data)):
        with pytest.raises(NotebookDamaged, match="some/file"):
            decode(data[:cut], "some/file")
    for place in range(len(data)):
        sick = bytearray(data)
        sick[place] ^= 1 << (place % 8)
        with pytest.raises(NotebookDamaged, match="some/file"):
            decode(bytes(sick), "some/file")


def test_zeroed_and_empty_files_are_found() -> None:
    data = encode(pa.table({"x": range(2000)}), FIELDS | {"raylab.rows": "2000"})
    for page in range(0, len(data), 4096):
        sick = data[:page] + bytes(len(data[page : page + 4096])) + data[page + 4096 :]
        with pytest.raises(NotebookDamaged):
            decode(sick, "f")
    for empty in (b"", BytesIO(b"")):
        with pytest.raises(NotebookDamaged, match="empty"):
            header(empty, "f")


def test_another_arrow_file_is_not_taken_for_ours() -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, rows(1).schema) as writer:
        writer.write_table(rows(1))
    with pytest.raises(NotebookDamaged, match="sha256"):
        decode(sink.getvalue().to_pybytes(), "f")
    with pytest.raises(NotebookDamaged, match=r"raylab\.version"):
        header(sink.getvalue().to_pybytes(), "f")


def test_a_newer_format_asks_for_an_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "FORMAT", 2)
    data = encode(rows(1, 2), FIELDS)
    monkeypatch.setattr(table_module, "FORMAT", 1)
    with pytest.raises(VersionMismatch, match="update"):
        decode(data, "f")


def test_batches_are_small_enough_to_stream() -> None:
    data = encode(pa.table({"x": range(70_000)}), FIELDS | {"raylab.rows": "70000"})
    assert pa.ipc.open_file(data).num_record_batches == 2


# -- a table


def test_commits_number_their_rows(tmp_path: Path) -> None:
    table = opened(tmp_path)
    one = table.commit(rows(5, 6), {"n": 1})
    two = table.commit(pa.record_batch({"x": [7]}), {"n": 2})
    assert [(i.first, i.seq, i.rows) for i in (one, two)] == [(2, 0, 2), (3, 2, 1)]
    files = listing(Store(tmp_path), "t")
    assert [file.info.kind for file in files] == ["opening", "data", "data"]
    assert files[1].info == one
    assert files[2].table.to_pydict() == {"_seq": [2], "x": [7]}


def test_opening_finds_what_is_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert last_opening(store, "t") is None
    first = opened(tmp_path)
    first.commit(rows(1), {"n": 1})
    part = first.seal(combine)
    third = first.commit(rows(2), {"n": 2})
    second = Table(store, "t", {"host": "b"})
    found = second.open()
    assert found.files == [part, third]
    assert (found.seq, found.number, second.number) == (2, 4, 5)
    assert found.previous is not None
    assert found.previous.writer == {"host": "a"}  # its file lies below the part
    assert [info.writer for info in found.openings] == [{"host": "b"}]
    newest = last_opening(store, "t")
    assert newest is not None
    assert (newest.first, newest.writer) == (4, {"host": "b"})
    assert infos(store, "t") == found.files
    assert Table(store, "t", {"host": "c"}).open().previous == newest


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
    table = Table(Store(tmp_path), "t", {})
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


# -- reading


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
    known = {file.info.path: file for file in listing(reader, "t")}
    reader.fetched = None
    assert [f.info.path for f in listing(reader, "t", known)] == list(known)
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
