"""A table: a folder of numbered, immutable Arrow files, with one writer at a time.

Promises: a commit is the creation of the next number, so it exists whole or not at all. After another
writer's opening this one acknowledges nothing that was not in the table before. Every file carries its own
sha256, and what does not fit it is never returned as data.

Rules of this file: parts and openings are never deleted or replaced. A journal file is deleted only after a
durable part covers it. A number is never tried again with other bytes. No lock, no lease, no clock decides.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import IOBase
from typing import Any, TypeVar
from uuid import uuid4

import numpy as np
import pyarrow as pa

from raylab.errors import LabFenced, NotebookDamaged, VersionMismatch
from raylab.notebook.schema import SEQ, align, union
from raylab.notebook.store import Reader, Store

__all__ = [
    "FileInfo",
    "Loaded",
    "Opened",
    "Table",
    "decode",
    "encode",
    "header",
    "infos",
    "last_opening",
    "listing",
]

T = TypeVar("T")

log = logging.getLogger(__name__)

FORMAT = 1
OPENING, DATA, PART = "opening", "data", "part"

# A part of 1,000 commits takes 0.3 s to make; a client that reads without the lab pays 0.1 ms for every file.
SEAL_COMMITS = 1_000
SEAL_BYTES = 64 * 2**20
MAX_BATCH_ROWS = 65_536
# A listing that a seal overtook is made again. What still has a gap after so many is damaged.
TRIES = 5
PAUSE_S = 0.02
MAX_OPENINGS = 100

ZEROS = b"0" * 64
FILE_NAME = re.compile(r"\d{12}\.arrow")
_UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError)


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
    writer: dict[str, str]
    time: str
    meta: dict[str, Any]
    """The caller's own."""
    schema: Any
    """Its columns, a pyarrow.Schema; none for an opening."""
    size: int
    """Its bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A file that was read and verified."""

    info: FileInfo
    table: pa.Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What a writer found when it opened the table."""

    files: list[FileInfo]
    """Parts and data commits in force, in order."""
    openings: list[FileInfo]
    """The openings above the last part, ours last."""
    previous: FileInfo | None
    """The newest opening before ours."""
    seq: int
    """The `_seq` of the next row."""
    number: int
    """The number of our opening."""


@dataclass(frozen=True, slots=True)
class _Pending:
    info: FileInfo
    data: bytes


# -- one file


def encode(table: pa.Table, metadata: Mapping[str, str]) -> bytes:
    """An Arrow file with this schema metadata and its own sha256 (taken with 64 zeros in its place)."""
    mark = secrets.token_hex(32).encode()
    stamped = {**metadata, "raylab.version": str(FORMAT), "raylab.sha256": mark.decode()}
    table = table.combine_chunks().replace_schema_metadata(stamped)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=MAX_BATCH_ROWS)
    data = memoryview(sink.getvalue())
    # It occurs in the schema and in the footer. A mark of its own, because rows may well hold 64 zeros.
    pieces = _around(data, mark)
    assert len(pieces) == 3
    return _sha256(pieces).join(pieces)


def decode(data: bytes, path: str) -> pa.Table:
    """The rows of a file, verified, without a copy.

    Raises:
        NotebookDamaged: the file is not what was written.
    """
    return load(data, path).table


def load(data: bytes, path: str) -> Loaded:
    """A file, verified.

    Raises:
        NotebookDamaged: the file is not what was written.
        VersionMismatch: a newer raylab wrote it.
    """
    reader, fields = _opened(pa.BufferReader(data), path, len(data))
    claimed = fields.get("raylab.sha256", "").encode()
    pieces = _around(memoryview(data), claimed) if len(claimed) == len(ZEROS) else []
    if len(pieces) != 3 or _sha256(pieces) != claimed:
        raise _damaged(path, "its bytes do not fit its own sha256")
    info = _info(fields, path, reader.schema, len(data))
    try:
        table = reader.read_all()
    except _UNREADABLE as error:
        raise _damaged(path, str(error)) from error
    if table.num_rows != info.rows:
        raise _damaged(path, f"it says it has {info.rows} rows, and has {table.num_rows}")
    return Loaded(info=info, table=table)


def header(source: bytes | IOBase, path: str) -> FileInfo:
    """What a file says about itself, unverified: only its end is read.

    Raises:
        NotebookDamaged: that much is not readable.
        VersionMismatch: a newer raylab wrote it.
    """
    if isinstance(source, bytes):
        reader, fields = _opened(pa.BufferReader(source), path, len(source))
        return _info(fields, path, reader.schema, len(source))
    size = source.seek(0, 2)
    source.seek(0)
    reader, fields = _opened(pa.PythonFile(source, mode="r"), path, size)
    return _info(fields, path, reader.schema, size)


def _opened(source: Any, path: str, size: int) -> tuple[Any, dict[str, str]]:
    """The reader of a file's rows, and its metadata."""
    try:
        reader = pa.ipc.open_file(source)
        return reader, {key.decode(): value.decode() for key, value in (reader.schema.metadata or {}).items()}
    except _UNREADABLE as error:
        raise _damaged(path, "it is empty" if size == 0 else f"{type(error).__name__}: {error}") from error


def _info(fields: Mapping[str, str], path: str, schema: Any, size: int) -> FileInfo:
    try:
        if int(fields["raylab.version"]) > FORMAT:
            version = fields["raylab.version"]
            raise VersionMismatch(f"{path} has format {version}, this raylab knows {FORMAT}: update raylab")
        return FileInfo(
            path=path,
            kind=fields["raylab.kind"],
            first=int(fields["raylab.first"]),
            last=int(fields["raylab.last"]),
            seq=int(fields["raylab.seq"]),
            rows=int(fields["raylab.rows"]),
            ident=fields["raylab.id"],
            writer=json.loads(fields["raylab.writer"]),
            time=fields["raylab.time"],
            meta=json.loads(fields["raylab.meta"]),
            schema=schema.remove_metadata(),
            size=size,
        )
    except (KeyError, ValueError) as error:
        raise _damaged(path, f"its metadata lack something: {error}") from error


def _around(data: memoryview, mark: bytes) -> list[memoryview]:
    """The bytes before, between and after the places where the mark stands, without copying them."""
    pieces, start = [], 0
    for match in re.finditer(re.escape(mark), data):
        pieces.append(data[start : match.start()])
        start = match.end()
    return [*pieces, data[start:]]


def _sha256(pieces: Sequence[memoryview]) -> bytes:
    digest = hashlib.sha256(pieces[0])
    for piece in pieces[1:]:
        digest.update(ZEROS)
        digest.update(piece)
    return digest.hexdigest().encode()


def _damaged(path: str, what: str) -> NotebookDamaged:
    return NotebookDamaged(
        f"{path} is damaged: {what}. Nothing of it was used; put back a copy of this file, or move "
        "it away and have its trials run again"
    )


# -- a folder of them, for anyone


def listing(reader: Reader, folder: str, known: Mapping[str, Loaded] | None = None) -> list[Loaded]:
    """The files in force, in order: parts, then the journal above them, openings included.

    Args:
        reader: Whoever gives names and bytes.
        folder: The table's folder.
        known: What an earlier call returned, by path. None of it is fetched again.

    Returns:
        A prefix of the table without gap, whatever its writer is doing meanwhile.

    Raises:
        NotebookDamaged: A file is not what was written, or numbers are missing; the message names them.
    """
    known = known or {}

    def fetch(paths: list[str]) -> list[Loaded]:
        missing = [path for path in paths if path not in known]
        got = dict(zip(missing, reader.get_many(missing) if missing else [], strict=True))
        return [known[path] if path in known else load(got[path], path) for path in paths]

    def once() -> list[Loaded]:
        journal, parts = _names(reader, folder)  # in this order a seal leaves no gap
        loaded = fetch([f"{folder}/{name}" for name in parts])
        last = loaded[-1].info.last if loaded else 0
        return loaded + fetch([f"{folder}/journal/{name}" for name in journal if _number(name) > last])

    return _settled(once, lambda file: file.info, folder)


def infos(store: Store, folder: str) -> list[FileInfo]:
    """Parts and data commits in force, in order, without taking the table over or reading the parts' rows.

    Raises:
        NotebookDamaged: A journal file is not what was written, or numbers are missing.
    """
    files = _settled(lambda: _in_force(store, folder), lambda info: info, folder)
    return [info for info in files if info.kind != OPENING]


def _in_force(store: Store, folder: str) -> list[FileInfo]:
    """Parts by what they say, journal files above them read wholly and verified."""
    journal, parts = _names(store, folder)
    files = [_header(store, f"{folder}/{name}") for name in parts]
    last = files[-1].last if files else 0
    paths = [f"{folder}/journal/{name}" for name in journal if _number(name) > last]
    return files + [load(store.get(path), path).info for path in paths]


def _header(store: Store, path: str) -> FileInfo:
    with store.open(path) as file:
        return header(file, path)


def last_opening(reader: Reader, folder: str) -> FileInfo | None:
    """The newest opening of a table, without writing anything; None if nobody ever opened it."""
    journal, _ = _names(reader, folder)
    for name in reversed(journal):
        path = f"{folder}/journal/{name}"
        try:
            info = load(reader.get(path), path).info
        except FileNotFoundError:  # sealed meanwhile, so it was no opening
            continue
        if info.kind == OPENING:
            return info
    return None


def _names(reader: Reader, folder: str) -> tuple[list[str], list[str]]:
    """The journal's file names, and then the parts'."""
    journal = [name for name in reader.names(f"{folder}/journal") if FILE_NAME.fullmatch(name)]
    return journal, [name for name in reader.names(folder) if FILE_NAME.fullmatch(name)]


def _number(name: str) -> int:
    return int(name[:12])


def _settled(once: Callable[[], list[T]], info: Callable[[T], FileInfo], folder: str) -> list[T]:
    """What `once` lists, as soon as it has no gap: a seal may delete files while they are being listed."""
    trouble: str | None = None
    for attempt in range(TRIES):
        time.sleep(attempt * PAUSE_S)
        try:
            files = once()
        except FileNotFoundError as error:
            trouble = f"{error.filename} was listed, but is not there"
            continue
        trouble = _trouble(map(info, files))
        if trouble is None:
            return files
    raise NotebookDamaged(
        f"{folder} is damaged: {trouble}. Nothing of it was used; put back the missing files from a copy"
    )


def _trouble(files: Iterable[FileInfo]) -> str | None:
    """What is wrong with the order of these files: numbers and `_seq` run on without gap from 1 and 0."""
    number, seq = 1, 0
    for info in files:
        if info.first != _number(info.path[-18:]) or info.last < info.first:
            return f"{info.path} holds commits {info.first} to {info.last}, which is not what its name says"
        if info.first > number:
            return f"commits {number} to {info.first - 1} are missing before {info.path}"
        if info.first < number:
            return f"{info.path} begins with commit {info.first}, but those below {number} are in earlier files"
        if info.kind != OPENING and info.seq != seq:
            return f"{info.path} begins with row {info.seq}, where row {seq} is expected"
        number, seq = info.last + 1, seq + info.rows
    return None


# -- a folder of them, for its writer


class Table:
    """The one writer of a table.

    `open` first. Then one thread commits, and another may seal. After an OSError nothing is acknowledged and
    the commit is pending: `resume` until it is decided. After LabFenced every call raises it again, for good.

    Example:
        >>> import tempfile, pathlib
        >>> table = Table(Store(pathlib.Path(tempfile.mkdtemp())), "results", {"host": "here"})
        >>> table.open().number
        1
        >>> table.commit(pa.table({"x": [1, 2]}), {"trials": 2}).seq, table.seq
        (0, 2)
    """

    def __init__(self, store: Store, folder: str, writer: Mapping[str, str]) -> None:
        self.store = store
        self.folder = folder
        self.writer = dict(writer)
        self.number = 0  # of the next commit; 0 before the opening
        self.seq = 0
        self._tail: list[FileInfo] = []  # the journal above the last part, in order
        self._columns = pa.schema([])  # of the tail, united: a part must be able to hold them all
        self._pending: _Pending | None = None
        self._fenced: str | None = None
        self._lock = threading.Lock()  # for the tail, which sealing shortens in another thread

    @property
    def pending(self) -> bool:
        """Whether a commit failed whose fate is not known yet."""
        return self._pending is not None

    @property
    def should_seal(self) -> bool:
        """Whether the journal has grown long enough for a part."""
        with self._lock:
            commits = [info.size for info in self._tail if info.kind == DATA]
        return len(commits) >= SEAL_COMMITS or sum(commits) >= SEAL_BYTES

    def open(self) -> Opened:
        """Take the table over from whoever has it, by creating the next number with no rows.

        Raises:
            NotebookDamaged: A file is not what was written, or missing.
            LabFenced: Others keep opening it at the same time.
            OSError: The disk refuses; opening again is safe.
        """
        self._check_fence()
        if self.number:
            raise RuntimeError(f"{self.folder} is open already: make a new Table to open it again")
        self.store.make_folder(f"{self.folder}/journal")
        for _ in range(MAX_OPENINGS):
            number = self._last_number() + 1
            info, data = self._encoded(OPENING, number, number, 0, pa.table({SEQ: pa.array([], pa.int64())}), {})
            if not self.store.put(info.path, data, info.ident.encode()):
                continue
            files = _settled(lambda: _in_force(self.store, self.folder), lambda file: file, self.folder)
            # Else something came in between, from someone whom our opening does not fence. (The last number
            # does not tell: it may be a part's, whose maker deleted what stood where our opening is now.)
            if files[-1].ident == info.ident:
                return self._start(files, number)
        raise LabFenced(f"{self.folder} is being opened by other labs all the time: shut them down, and try again")

    def commit(self, batch: pa.RecordBatch | pa.Table, meta: Mapping[str, Any]) -> FileInfo:
        """Add rows, durably, under the next number.

        Args:
            batch: The rows; a first column `_seq` is added.
            meta: The caller's own metadata of this commit, as JSON has it.

        Raises:
            LabFenced: Another writer has the table; nothing was added.
            OSError: Nobody knows whether they were added; `resume` finds out.
            RuntimeError: An earlier commit is pending.
        """
        self._check_fence()
        if self.number == 0 or self._pending is not None:
            raise RuntimeError(f"{self.folder}: " + ("open it first" if self.number == 0 else "resume() first"))
        rows = batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
        seqs = pa.array(np.arange(self.seq, self.seq + rows.num_rows, dtype=np.int64))
        rows = rows.add_column(0, SEQ, seqs)
        with self._lock:
            known = self._columns
        columns = known if known.equals(rows.schema) else union([known, rows.schema])
        info, data = self._encoded(DATA, self.number, self.number, self.seq, rows, meta)
        with self._lock:
            self._columns = columns
        self._pending = _Pending(info, data)
        return self.resume()

    def resume(self) -> FileInfo:
        """Try the pending commit again: the very same bytes under the same number.

        Raises:
            LabFenced: Another writer took the number; the rows were not added.
            OSError: Still not known.
            RuntimeError: Nothing is pending.
        """
        self._check_fence()
        if self._pending is None:
            raise RuntimeError(f"{self.folder}: no commit is pending")
        info = self._pending.info
        if not self.store.put(info.path, self._pending.data, info.ident.encode()):
            self._pending = None
            self._fenced = self._who(info.path)
            self._check_fence()
        self._pending = None
        with self._lock:
            self._tail.append(info)
        self.number, self.seq = info.last + 1, info.seq + info.rows
        return info

    def seal(self, combine: Callable[[list[dict[str, Any]]], dict[str, Any]]) -> FileInfo | None:
        """Put the journal of this moment into one part, then delete its files.

        Args:
            combine: Makes the part's metadata of its commits'.

        Returns:
            The part; None if there is nothing to seal.

        Raises:
            NotebookDamaged: A journal file is not what was written.
            LabFenced: Another writer has the table.
            OSError: Nothing is lost; the next seal does it.
        """
        self._check_fence()
        with self._lock:
            tail = list(self._tail)
        if not any(info.kind == DATA for info in tail):
            return None
        part = self._make_part(tail, combine)
        # Only what is durably in a part may go, whoever made the part.
        self.store.sync_folder(self.folder)
        for info in tail:
            if info.kind == DATA and info.last <= part.last:
                self.store.remove(info.path)
        with self._lock:
            self._tail = [info for info in self._tail if info.first > part.last]
            self._columns = union(info.schema for info in self._tail)
        return part

    def _make_part(
        self, tail: Sequence[FileInfo], combine: Callable[[list[dict[str, Any]]], dict[str, Any]]
    ) -> FileInfo:
        """A part of these files, or the one that begins where it would: same start, same rows."""
        path = f"{self.folder}/{tail[0].first:012d}.arrow"
        data_files = [info for info in tail if info.kind == DATA]
        try:
            loaded = [load(self.store.get(info.path), info.path) for info in data_files]
        except FileNotFoundError as error:
            # An earlier writer, fenced by now, was sealing when we opened.
            if path.rpartition("/")[2] in self.store.names(self.folder):
                return _header(self.store, path)
            raise _damaged(f"{self.folder}/journal", f"{error.filename} is gone, and no part has it") from error
        for found, info in zip(loaded, data_files, strict=True):
            if found.info.ident != info.ident:
                raise _damaged(info.path, "another file lies in its place")
        rows = align([found.table.replace_schema_metadata() for found in loaded])
        meta = combine([info.meta for info in data_files])
        info, data = self._encoded(PART, tail[0].first, tail[-1].last, data_files[0].seq, rows, meta)
        return info if self.store.put(path, data, info.ident.encode()) else _header(self.store, path)

    def _encoded(
        self, kind: str, first: int, last: int, seq: int, rows: pa.Table, meta: Mapping[str, Any]
    ) -> tuple[FileInfo, bytes]:
        fields = {
            "raylab.kind": kind,
            "raylab.first": str(first),
            "raylab.last": str(last),
            "raylab.seq": str(seq),
            "raylab.rows": str(rows.num_rows),
            "raylab.id": uuid4().hex,
            "raylab.writer": json.dumps(self.writer),
            "raylab.time": datetime.now(UTC).isoformat(),
            "raylab.meta": json.dumps(meta),
        }
        data = encode(rows, fields)
        name = f"{first:012d}.arrow" if kind == PART else f"journal/{first:012d}.arrow"
        return header(data, f"{self.folder}/{name}"), data

    def _last_number(self) -> int:
        journal, parts = _names(self.store, self.folder)
        numbers = [_number(name) for name in journal[-1:]]
        if parts:
            numbers.append(_header(self.store, f"{self.folder}/{parts[-1]}").last)
        return max(numbers, default=0)

    def _start(self, files: list[FileInfo], number: int) -> Opened:
        """Take over what was found. From here on the table is ours."""
        last_part = max((info.last for info in files if info.kind == PART), default=0)
        covered = self._clean(last_part)
        tail = [info for info in files if info.kind != PART]
        openings = [info for info in tail if info.kind == OPENING]
        columns = union(info.schema for info in tail)
        seq = sum(info.rows for info in files)
        self._tail, self._columns, self.number, self.seq = tail, columns, number + 1, seq
        return Opened(
            files=[info for info in files if info.kind != OPENING],
            openings=openings,
            previous=openings[-2] if len(openings) > 1 else covered,
            seq=seq,
            number=number,
        )

    def _clean(self, last_part: int) -> FileInfo | None:
        """Delete what a crash left, and tell the newest of the openings that the parts cover."""
        self.store.clean_tmp()
        # The last part may have been made by someone who died before its name was durable.
        self.store.sync_folder(self.folder)
        newest = None
        for name in _names(self.store, self.folder)[0]:
            path = f"{self.folder}/journal/{name}"
            if _number(name) > last_part:
                break
            try:
                info = _header(self.store, path)
            except (FileNotFoundError, NotebookDamaged) as error:
                log.warning("%s is left as it is: a part covers it, and it cannot be read: %s", path, error)
                continue
            if info.kind == OPENING:
                newest = info
            else:
                self.store.remove(path)
        return newest

    def _who(self, path: str) -> str:
        """Whose file has the number that we wanted, as a sentence."""
        try:
            info = _header(self.store, path)
        except (OSError, NotebookDamaged, VersionMismatch) as error:
            return f"another lab (unknown: {error}) has taken over"
        whose = ", ".join(f"{key} {value}" for key, value in info.writer.items())
        return f"another lab ({whose}) has taken over at {info.time}"

    def _check_fence(self) -> None:
        if self._fenced is not None:
            raise LabFenced(
                f"{self.folder}: {self._fenced}. This lab writes nothing any more; attach to the other one, "
                "or shut it down and start this one again"
            )
