"""A table: a folder of numbered, immutable Arrow files, with one writer at a time.

Promises: a commit is the creation of the next number, so it exists whole or not at all. After another
writer's opening this one acknowledges nothing that was not in the table before.

Rules of this file: parts and openings are never deleted or replaced; only with a sweep that is removed, parts go
(`removal`). A journal file is deleted only after a durable part covers it. A number is never tried again with other
bytes. No lock, no lease, no clock decides.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa

from raylab.errors import LabFenced, NotebookDamaged, VersionMismatch
from raylab.notebook.file import DATA, OPENING, PART, FileInfo, damaged, encode, load, told
from raylab.notebook.schema import SEQ, align, union
from raylab.notebook.store import Store
from raylab.notebook.table_files import ends, file_header, file_names, file_number, in_force, last_number

log = logging.getLogger(__name__)

# A part of 1,000 commits takes 0.3 s to make; a client that reads without the lab pays 0.1 ms for every file.
SEAL_COMMITS = 1_000
SEAL_BYTES = 32 * 2**20  # a part is made in memory
MAX_OPENINGS = 100


@dataclass(frozen=True, slots=True)
class _Pending:
    info: FileInfo
    data: memoryview


class Table:
    """The one writer of a table.

    `open` first. Then one thread commits, and another may seal. After an OSError nothing is acknowledged and
    the commit is pending: `resume` until it is decided. After LabFenced every call raises it again, for good.

    Example:
        >>> import tempfile
        >>> from raylab.notebook.posix import PosixStore
        >>> table = Table(PosixStore(tempfile.mkdtemp()), "results", {"host": "here"})
        >>> table.open()
        []
        >>> table.commit(pa.table({"x": [1, 2]}), {"trials": 2}).seq, table.seq
        (0, 2)
    """

    def __init__(self, store: Store, folder: str, writer: Mapping[str, str]) -> None:
        self.store = store
        self.folder = folder
        self.writer = dict(writer)
        self.number = 0  # of the next commit; 0 before the opening
        self.seq = 0  # of the next row
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

    def open(
        self, meta: Mapping[str, Any] | None = None, *, allowed: Callable[[], None] = lambda: None
    ) -> list[FileInfo]:
        """Take the table over from whoever has it, by creating the next number with no rows.

        Args:
            meta: The caller's own metadata of the opening, as JSON has it.
            allowed: Asked before each try; what it raises ends this. Whoever opened the table before, it has seen;
                whoever opens it after that takes the number that is tried.

        Returns:
            Parts and data commits in force, in order.

        Raises:
            NotebookDamaged: A file is not what was written, or missing.
            LabFenced: Others keep opening it at the same time.
            OSError: The disk refuses; opening again is safe.
        """
        self._check_fence()
        if self.number:
            raise RuntimeError(f"{self.folder} is open already: make a new Table to open it again")
        for _ in range(MAX_OPENINGS):
            number = last_number(self.store, self.folder) + 1
            # What a rival has put there may not be durable yet: after a power loss our number must not be there alone.
            self.store.settle(f"{self.folder}/journal")
            allowed()
            info, data = self._opening(number, meta or {})
            if not self.store.put(info.path, data, info.ident.encode()):
                continue
            files = in_force(self.store, self.folder)
            # Else something came in between, from someone whom our opening does not fence. (The last number
            # does not tell: it may be a part's, whose maker deleted what stood where our opening is now.)
            if files and files[-1].ident == info.ident:
                return self._start(files, number)
        raise self._contested()

    def end(self, meta: Mapping[str, Any]) -> None:
        """Put an opening above all that is there, whole or damaged, for ever: nobody who has the table goes on with it.

        Args:
            meta: The caller's own metadata of the opening, as JSON has it.

        Raises:
            LabFenced: Others keep opening it at the same time.
            OSError: The disk refuses; ending again is safe.
        """
        for _ in range(MAX_OPENINGS):
            info, data = self._opening(max(ends(self.store, self.folder)) + 1, meta)
            self.store.settle(f"{self.folder}/journal")
            if self.store.put(info.path, data, info.ident.encode()):
                last, covered = ends(self.store, self.folder)
                if last == info.first > covered:  # else something came in between, as in `open`
                    return
        raise self._contested()

    def _opening(self, number: int, meta: Mapping[str, Any]) -> tuple[FileInfo, memoryview]:
        none = pa.table({SEQ: pa.array([], pa.int64())})
        return self._written(OPENING, range(number, number + 1), 0, none, meta)

    def _contested(self) -> LabFenced:
        return LabFenced(f"{self.folder} is being opened by other labs all the time: shut them down, and try again")

    def commit(self, rows: pa.Table, meta: Mapping[str, Any]) -> FileInfo:
        """Add rows, durably, under the next number.

        Args:
            rows: What to add; a first column `_seq` is added.
            meta: The caller's own metadata of this commit, as JSON has it.

        Raises:
            LabFenced: Another writer has the table; nothing was added.
            OSError: Nobody knows whether they were added; `resume` finds out.
            RuntimeError: An earlier commit is pending.
        """
        self._check_fence()
        if self.number == 0 or self._pending is not None:
            raise RuntimeError(f"{self.folder}: " + ("open it first" if self.number == 0 else "resume() first"))
        rows = rows.add_column(0, SEQ, pa.array(np.arange(self.seq, self.seq + rows.num_rows, dtype=np.int64)))
        with self._lock:
            known = self._columns
        columns = known if known.equals(rows.schema) else union([known, rows.schema])
        info, data = self._written(DATA, range(self.number, self.number + 1), self.seq, rows, meta)
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
        self.number, self.seq = info.last + 1, info.stop
        return info

    def check_ours(self) -> None:
        """Notice another writer that opened the table and has written nothing yet where we would.

        Raises:
            LabFenced: there is one.
        """
        self._check_fence()
        known = self.number  # below it nothing is new; a file of our other thread is no opening
        for name in file_names(self.store, self.folder)[0]:
            path = f"{self.folder}/journal/{name}"
            with suppress(FileNotFoundError):  # sealed meanwhile, so it was no opening
                if file_number(name) >= known and file_header(self.store, path).kind == OPENING:
                    self._fenced = self._who(path)
                    self._check_fence()

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
        self.store.settle(self.folder)
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
                return file_header(self.store, path)
            raise damaged(f"{self.folder}/journal", f"{error.filename} is gone, and no part has it") from error
        for found, info in zip(loaded, data_files, strict=True):
            if found.info.ident != info.ident:
                raise damaged(info.path, "another file lies in its place")
        rows = align([found.table.replace_schema_metadata() for found in loaded])
        meta = combine([info.meta for info in data_files])
        commits = range(tail[0].first, tail[-1].last + 1)
        info, data = self._written(PART, commits, data_files[0].seq, rows, meta)
        return info if self.store.put(path, data, info.ident.encode()) else file_header(self.store, path)

    def _start(self, files: list[FileInfo], number: int) -> list[FileInfo]:
        """Take over what was found. From here on the table is ours."""
        self._clean(max((info.last for info in files if info.kind == PART), default=0))
        tail = [info for info in files if info.kind != PART]
        columns = union(info.schema for info in tail)
        self._tail, self._columns, self.number, self.seq = tail, columns, number + 1, max(info.stop for info in files)
        return [info for info in files if info.kind != OPENING]

    def _clean(self, last_part: int) -> None:
        """Delete what a seal left that was cut."""
        # The last part may have been made by someone who died before its name was durable.
        self.store.settle(self.folder)
        for name in file_names(self.store, self.folder)[0]:
            path = f"{self.folder}/journal/{name}"
            if file_number(name) > last_part:
                break
            try:
                kind = file_header(self.store, path).kind
            except (FileNotFoundError, NotebookDamaged) as error:
                log.warning("%s is left as it is: a part covers it, and it cannot be read: %s", path, error)
                continue
            if kind != OPENING:
                self.store.remove(path)

    def _who(self, path: str) -> str:
        """Whose file has the number that we wanted, as a sentence."""
        try:
            info = file_header(self.store, path)
        except (OSError, NotebookDamaged, VersionMismatch) as error:
            return f"another lab (unknown: {error}) has taken over"
        whose = ", ".join(f"{key} {value}" for key, value in info.writer.items())
        return f"another lab ({whose}) has taken over at {info.time}"

    def _check_fence(self) -> None:
        if self._fenced is not None:
            raise LabFenced(
                f"{self.folder}: {self._fenced}. This lab writes nothing any more; attach to the other one, "
                "or, to take it back, shut this one down and attach again"
            )

    def _written(
        self, kind: str, commits: range, seq: int, rows: pa.Table, meta: Mapping[str, Any]
    ) -> tuple[FileInfo, memoryview]:
        """A file of the table, ready to be put: a part beside the journal, all else into it.

        Args:
            kind: `opening`, `data` or `part`.
            commits: The numbers it holds.
            seq: The `_seq` of its first row.
            rows: With their `_seq`.
            meta: The caller's own metadata, as JSON has it.
        """
        fields = {
            "raylab.table": self.folder,
            "raylab.kind": kind,
            "raylab.first": str(commits.start),
            "raylab.last": str(commits.stop - 1),
            "raylab.seq": str(seq),
            "raylab.rows": str(rows.num_rows),
            "raylab.id": uuid4().hex,
            "raylab.writer": json.dumps(self.writer),
            "raylab.time": datetime.now(UTC).isoformat(),
            "raylab.meta": json.dumps(meta),
        }
        data = encode(rows, fields)
        path = f"{self.folder if kind == PART else f'{self.folder}/journal'}/{commits.start:012d}.arrow"
        return told(fields, path, rows.schema, len(data)), data
