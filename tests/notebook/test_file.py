"""One file: what is written is read, what is damaged is named."""

from __future__ import annotations

import pyarrow as pa
import pytest
from tables import rows

from raylab.errors import NotebookDamaged, VersionMismatch
from raylab.notebook import file as file_module
from raylab.notebook.file import encode, ends_bytes, header_of_ends, load

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


def test_a_file_is_read_as_it_was_written() -> None:
    table = pa.table({"x": [1, 2], "s": ["a", None]})
    data = encode(table, FIELDS)
    assert load(data, "f").table.equals(table)
    for info in (load(data, "t/f").info, header_of_ends(*both_ends(data), "t/f")):
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
    assert load(encode(table, FIELDS | {"raylab.meta": '{"z": "' + "0" * 64 + '"}'}), "f").table.equals(table)


def test_the_hash_can_be_checked_in_three_lines() -> None:
    """As a stranger would, with the words of the README."""
    import hashlib

    data = encode(rows(1, 2), FIELDS)
    claimed = pa.ipc.open_file(data).schema.metadata[b"raylab.sha256"]
    assert hashlib.sha256(bytes(data).replace(claimed, b"0" * 64)).hexdigest().encode() == claimed


def test_every_truncation_and_every_flipped_byte_is_found_and_named() -> None:
    data = encode(pa.table({"x": [1, 2], "s": ["long enough", "to hurt"]}), FIELDS)
    for cut in range(len(data)):
        with pytest.raises(NotebookDamaged, match="some/file"):
            load(data[:cut], "some/file")
    for place in range(len(data)):
        sick = bytearray(data)
        sick[place] ^= 1 << (place % 8)
        with pytest.raises(NotebookDamaged, match="some/file"):
            load(bytes(sick), "some/file")


def test_zeroed_and_empty_files_are_found() -> None:
    data = encode(pa.table({"x": range(2000)}), FIELDS | {"raylab.rows": "2000"})
    for page in range(0, len(data), 4096):
        sick = bytearray(data)
        sick[page : page + 4096] = bytes(len(sick[page : page + 4096]))
        with pytest.raises(NotebookDamaged):
            load(bytes(sick), "f")
    for read in (lambda: load(b"", "f").info, lambda: header_of_ends(b"", b"", 0, "f")):
        with pytest.raises(NotebookDamaged, match="empty"):
            read()


def both_ends(data: bytes | memoryview) -> tuple[bytes, bytes, int]:
    """What is needed of a file to know what it is."""
    count = ends_bytes(bytes(data[:100]), bytes(data[-100:]))
    return bytes(data[:count]), bytes(data[-count:]), len(data)


def test_a_flipped_byte_in_what_a_file_says_of_itself_is_found_in_its_ends() -> None:
    data = encode(pa.table({"x": range(2000)}), FIELDS | {"raylab.rows": "2000"})
    begin, end, size = both_ends(data)
    assert len(begin) + len(end) < size / 4
    for healthy in (begin, end):
        for place in range(healthy.index(b"raylab.meta"), healthy.index(b"raylab.meta") + 40):
            sick = bytearray(healthy)
            sick[place] ^= 1
            ends = (bytes(sick), end) if healthy is begin else (begin, bytes(sick))
            with pytest.raises(NotebookDamaged):
                header_of_ends(*ends, size, "f")


def test_the_hash_stands_once_at_either_end_and_nowhere_else() -> None:
    """A file that has been put together otherwise is damaged, even if it fits a hash."""
    data = bytes(encode(rows(1, 2), FIELDS))
    claimed = pa.ipc.open_file(data).schema.metadata[b"raylab.sha256"]
    assert data.count(claimed) == 2
    for place in (data.index(claimed), data.rindex(claimed)):
        with pytest.raises(NotebookDamaged, match="sha256"):
            load(data[:place] + b"0" * 64 + data[place + 64 :], "f")


def test_another_arrow_file_is_not_taken_for_ours() -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, rows(1).schema) as writer:
        writer.write_table(rows(1))
    with pytest.raises(NotebookDamaged, match="sha256"):
        load(sink.getvalue().to_pybytes(), "f")
    with pytest.raises(NotebookDamaged, match=r"raylab\.version"):
        header_of_ends(*both_ends(sink.getvalue().to_pybytes()), "f")


def test_a_newer_format_asks_for_an_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_module, "FORMAT", 2)
    data = encode(rows(1, 2), FIELDS)
    monkeypatch.setattr(file_module, "FORMAT", 1)
    with pytest.raises(VersionMismatch, match="install that one or a later one"):
        load(data, "f")


def test_batches_are_small_enough_to_stream() -> None:
    data = encode(pa.table({"x": range(70_000)}), FIELDS | {"raylab.rows": "70000"})
    assert pa.ipc.open_file(data).num_record_batches == 2
