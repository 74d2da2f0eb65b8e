"""One file of a table: Arrow rows, what the file says about itself, and its own sha256.

Promises: what does not fit the sha256 is never returned as data; an error names the file. Bytes in, bytes out: nothing
here writes to a disk or knows of other files.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from raylab.errors import NotebookDamaged, VersionMismatch

FORMAT = 1
OPENING, DATA, PART = "opening", "data", "part"

MAX_BATCH_ROWS = 65_536
SMALL_BYTES = 2**20

ZEROS = b"0" * 64

WAY_OUT = "put back a copy of it, or let `raylab copy OLD NEW --salvage` make a new notebook of all that is whole"
_UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError)

# An Arrow file begins with its magic, padded; then comes a stream, the first of whose messages is the schema.
# Of that come four bytes that say "message" and four with its length. At the end stand the footer, four bytes with its
# length, and the magic again.
_MAGIC_BYTES = 8
_LENGTH_AT = slice(12, 16)
_FOOT_END = 10
_FOOT_LENGTH_AT = slice(-10, -6)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInfo:
    """What a file says about itself."""

    path: str
    """Where it lies in the notebook."""
    kind: str
    """`opening`, `data` or `part`."""
    first: int
    last: int
    """The commits it holds."""
    seq: int
    """The `_seq` of its first row, or of the next row if it has none. An opening cannot know: 0."""
    rows: int
    ident: str
    """The uuid of this write."""
    table: str
    """The folder of the table that it was written for; "" if it does not say."""
    writer: dict[str, str]
    time: str
    meta: dict[str, Any]
    """The caller's own."""
    schema: Any
    """Its columns, a pyarrow.Schema; none for an opening."""
    size: int
    """Its bytes."""

    @property
    def stop(self) -> int:
        """The `_seq` of the row after it."""
        return self.seq + self.rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A file that was read and verified."""

    info: FileInfo
    table: pa.Table


def encode(table: pa.Table, metadata: Mapping[str, str]) -> memoryview:
    """An Arrow file with this schema metadata and its own sha256 (taken with 64 zeros in its place)."""
    mark = secrets.token_hex(32).encode()  # of its own, because other metadata may well hold 64 zeros
    stamped = {**metadata, "raylab.version": str(FORMAT), "raylab.sha256": mark.decode()}
    table = table.replace_schema_metadata(stamped)
    data = memoryview(_ipc(table)).cast("B")
    places = _places(data, mark)
    assert places is not None
    digest = _sha256(data, places)
    for place in places:
        data[place : place + len(digest)] = digest
    return data.toreadonly()


def _ipc(table: pa.Table) -> pa.Buffer:
    """The table as a file. A stream that grows as it must takes three times the memory, so a large one is measured."""
    if table.get_total_buffer_size() < SMALL_BYTES:  # nbytes takes as long as hashing a small table
        sink = pa.BufferOutputStream()
        _write(table, sink)
        return sink.getvalue()
    size = pa.MockOutputStream()
    _write(table, size)
    buffer = pa.allocate_buffer(size.size())
    _write(table, pa.FixedSizeBufferWriter(buffer))
    return buffer


def _write(table: pa.Table, sink: Any) -> None:
    """The rows, in batches of whole size."""
    with pa.ipc.new_file(sink, table.schema) as writer:
        for start in range(0, table.num_rows, MAX_BATCH_ROWS):
            piece = table if table.num_rows <= MAX_BATCH_ROWS else table.slice(start, MAX_BATCH_ROWS)
            batches = piece.to_batches()  # nearly always one; to combine a small one costs as much as to write it
            for batch in batches if len(batches) == 1 else piece.combine_chunks().to_batches():
                writer.write_batch(batch)


def load(data: bytes | memoryview, path: str) -> Loaded:
    """A file, verified; its rows without a copy.

    Raises:
        NotebookDamaged: the file is not what was written.
        VersionMismatch: a newer raylab wrote it.
    """
    reader, fields = _opened(pa.BufferReader(data), path, len(data))
    claimed = fields.get("raylab.sha256", "").encode()
    places = _places(memoryview(data), claimed)
    if places is None or _sha256(memoryview(data), places) != claimed:
        raise damaged(path, "its bytes do not fit its own sha256")
    info = _info(fields, path, reader.schema, len(data))
    try:
        table = reader.read_all()
    except _UNREADABLE as error:
        raise damaged(path, str(error)) from error
    if table.num_rows != info.rows:
        raise damaged(path, f"it says it has {info.rows} rows, and has {table.num_rows}")
    return Loaded(info=info, table=table)


def ends_bytes(begin: bytes, end: bytes) -> int:
    """How many bytes at either end of a file say what it is, going by a few that are there."""
    head, foot = int.from_bytes(begin[_LENGTH_AT], "little"), int.from_bytes(end[_FOOT_LENGTH_AT], "little")
    return max(_LENGTH_AT.stop + head, _FOOT_END + foot)


def header_of_ends(begin: bytes, end: bytes, size: int, path: str) -> FileInfo:
    """What a file says about itself: it says so at both ends, and only these are needed.

    Args:
        begin, end: at least `ends_bytes` of either.
        size: of the file.
        path: of the file.

    Raises:
        NotebookDamaged: that much is not readable, or the ends differ.
        VersionMismatch: a newer raylab wrote it.
    """
    reader, fields = _opened(pa.BufferReader(begin + end), path, size)
    head = _head(begin)
    # Nobody reads the sums of a part's commits with its rows; a flipped bit in them would be believed.
    if head is None or not head.equals(reader.schema, check_metadata=True):
        raise damaged(path, "what it says about itself at its beginning differs from what it says at its end")
    return _info(fields, path, reader.schema, size)


def glimpse(data: bytes, path: str) -> FileInfo | None:
    """What is left of what a damaged file said about itself, at either end; None if nothing, or if they differ."""
    found = {}
    for schema in (_head(data), _foot(data)):
        if schema is None:
            continue
        try:
            info = _info(_decoded(schema), path, schema, len(data))
        except (NotebookDamaged, VersionMismatch, *_UNREADABLE):
            continue
        found[repr(schema.metadata)] = info
    return next(iter(found.values())) if len(found) == 1 else None


def _head(data: bytes) -> Any:
    """The schema at a file's beginning; None if it cannot be read."""
    try:
        return pa.ipc.read_schema(pa.py_buffer(data[_MAGIC_BYTES:]))
    except (*_UNREADABLE, EOFError):
        return None


def _foot(data: bytes) -> Any:
    try:
        return pa.ipc.open_file(pa.BufferReader(data)).schema
    except _UNREADABLE:
        return None


def _decoded(schema: Any) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}


def _opened(source: Any, path: str, size: int) -> tuple[Any, dict[str, str]]:
    """The reader of a file's rows, and its metadata."""
    try:
        reader = pa.ipc.open_file(source)
        return reader, _decoded(reader.schema)
    except _UNREADABLE as error:
        raise damaged(path, "it is empty" if size == 0 else f"{type(error).__name__}: {error}") from error


def _info(fields: Mapping[str, str], path: str, schema: Any, size: int) -> FileInfo:
    try:
        if int(fields["raylab.version"]) > FORMAT:
            raise VersionMismatch(_newer(fields, path))
        return told(fields, path, schema, size)
    except (KeyError, ValueError) as error:
        raise damaged(path, f"its metadata lack something: {error}") from error


def told(fields: Mapping[str, str], path: str, schema: Any, size: int) -> FileInfo:
    """What a file with this metadata says about itself; ValueError or KeyError if it does not."""
    return FileInfo(
        path=path,
        kind=fields["raylab.kind"],
        first=int(fields["raylab.first"]),
        last=int(fields["raylab.last"]),
        seq=int(fields["raylab.seq"]),
        rows=int(fields["raylab.rows"]),
        ident=fields["raylab.id"],
        table=fields.get("raylab.table", ""),
        writer=json.loads(fields["raylab.writer"]),
        time=fields["raylab.time"],
        meta=json.loads(fields["raylab.meta"]),
        schema=schema.remove_metadata(),
        size=size,
    )


def _newer(fields: Mapping[str, str], path: str) -> str:
    try:
        by = f"raylab {json.loads(fields['raylab.writer'])['raylab']}"
    except (KeyError, TypeError, ValueError):
        by = "a later raylab"
    return (
        f"{path} has format {fields['raylab.version']}, and this raylab reads up to {FORMAT}; "
        f"{by} wrote it: install that one or a later one"
    )


def _places(data: memoryview, mark: bytes) -> tuple[int, int] | None:
    """Where the mark stands: once in the schema at the file's beginning, and once in the footer at its end."""
    head = bytes(data[: _LENGTH_AT.stop + int.from_bytes(data[_LENGTH_AT], "little")])
    foot = bytes(data[-_FOOT_END - int.from_bytes(data[_FOOT_LENGTH_AT], "little") :])
    if len(mark) != len(ZEROS) or head.count(mark) != 1 or foot.count(mark) != 1:
        return None
    return head.index(mark), len(data) - len(foot) + foot.index(mark)


def _sha256(data: memoryview, places: Iterable[int]) -> bytes:
    """Of a file, with zeros where the mark stands."""
    digest, start = hashlib.sha256(), 0
    for place in places:
        digest.update(data[start:place])
        digest.update(ZEROS)
        start = place + len(ZEROS)
    digest.update(data[start:])
    return digest.hexdigest().encode()


def damaged(path: str, what: str) -> NotebookDamaged:
    """The error that names a file which is not what was written."""
    return NotebookDamaged(f"{path} is damaged: {what}. Nothing of it was used; {WAY_OUT}")
