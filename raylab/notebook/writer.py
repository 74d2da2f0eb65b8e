"""The one writer of a notebook: makes or opens it, adds requests, keeps code, opens the tables of sweeps.

It does what it is told and decides nothing; every method may block on the disk and raises OSError when the disk does.
After an OSError the same call can be made again, and must be before any other of its table: nobody knows yet whether
the rows are in.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import logging
import os
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from raylab.core.request import Removed, Request
from raylab.core.summary import Summary, together
from raylab.errors import LabFenced, NameRefused, NotebookDamaged
from raylab.notebook import label_columns, layout
from raylab.notebook.code_files import CODE_WAY_OUT, read_code
from raylab.notebook.demolition import demolish, end
from raylab.notebook.file import FileInfo
from raylab.notebook.log_table import LogTable
from raylab.notebook.place import store_at
from raylab.notebook.removal import clear
from raylab.notebook.requests import from_rows, to_rows
from raylab.notebook.schema import Schema
from raylab.notebook.store import Store
from raylab.notebook.survey import combined, summaries, survey
from raylab.notebook.table import Table
from raylab.notebook.table_files import last_opening, listing

log = logging.getLogger(__name__)

IDENTITY = "notebook"
"""Under which name an opening of the requests repeats `notebook.json`."""

REQUEST = "request"
"""Under which name an opening of a sweep's table repeats what was asked, if the opening before said something else."""

DIGEST = "request_sha256"
"""Under which name each opening of a sweep's table has the digest of what was asked."""

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""glibc's; other libraries have none."""


def _give_back() -> None:
    """Return free memory to the system: Arrow and glibc would keep for ever what the largest part took."""
    pa.default_memory_pool().release_unused()
    if _trim is not None:
        _trim(0)


@dataclass(slots=True)
class SweepTable:
    """A sweep's results, open for writing."""

    writer: Writer
    request: Mapping[str, Any]
    table: Table
    schema: Schema
    summary: Summary
    _logs: LogTable | None = None
    _lost: str = ""  # why no logs are kept any more
    _labels: set[str] = field(default_factory=set)  # the digests of the labels' contents that it has
    _bringing: Sequence[str] = ()  # those that are pending

    def __post_init__(self) -> None:
        self._labels.update(self.summary.labels)

    @property
    def logs_full(self) -> bool:
        """Whether what trials print is only counted, as far as is known."""
        return self._logs is not None and self._logs.full

    def log(self, logs: Sequence[pa.RecordBatch]) -> None:
        """Add what trials printed, before their rows; the same again after an OSError. Their table is opened when there
        is something to add.

        Raises:
            NotebookDamaged: it cannot be added to; the rows can.
        """
        if self._lost:
            raise NotebookDamaged(self._lost)
        try:
            self._log(logs)
        except LabFenced:
            if not self.writer.is_ours():
                raise
            self._logs = None  # taken by a lab that was stopped before it was taken over; see `Writer.retake`
            self._log(logs)
        except NotebookDamaged as error:
            self._lost = str(error)
            raise

    def _log(self, logs: Sequence[pa.RecordBatch]) -> None:
        if self._logs is None:
            self._logs = self.writer.open_logs(self.table.folder)
        self._logs.commit(logs)

    def commit(self, batches: Sequence[pa.RecordBatch], summary: Summary) -> FileInfo:
        """Add wire batches in the columns in force, in one commit; the same again after an OSError."""
        try:
            return self._commit(batches, summary)
        except LabFenced:
            if not self.writer.retake(self):
                raise
            return self._commit(batches, summary)

    def _commit(self, batches: Sequence[pa.RecordBatch], summary: Summary) -> FileInfo:
        if self.table.pending:
            info = self.table.resume()
        else:
            batches, new = label_columns.without(batches, self._labels)
            self._bringing = new[: label_columns.MAX_KNOWN - len(self._labels)]
            info = self.table.commit(self.schema.concat(batches), replace(summary, labels=self._bringing).dumps())
        self._labels.update(self._bringing)
        return info

    def seal(self) -> FileInfo | None:
        """Put the journal into one part."""
        try:
            if self._logs is not None:
                self._logs.seal()
            return self.table.seal(combined)
        except LabFenced:
            if not self.writer.is_ours():
                raise
            return None  # the next commit takes it back
        finally:
            _give_back()


class Writer:
    """The notebook in a place, for the lab that owns it."""

    def __init__(self, place: str | os.PathLike[str], writer: dict[str, str], store: Store | None = None) -> None:
        self.store = store or store_at(os.fspath(place))
        self.place = self.store.place
        self.writer = writer
        self.opening = 0  # the number of our opening of the requests
        self._id = ""  # the notebook's
        self._requests: Table | None = None
        self._adding: Sequence[Request] = ()  # what is pending, if something is

    def establish(self, name: str, user: str) -> layout.Identity:
        """Make the notebook if there is none; say whose it is.

        Raises:
            NameRefused: the notebook there is another lab's, or a new one would lie where everybody may write.
            NotebookDamaged, VersionMismatch: it cannot be used.
        """
        if layout.is_removing(self.store):  # whoever deleted the one before did not come to the end
            while not demolish(self.store, self.writer):
                pass
            end(self.store)
        if layout.NOTEBOOK not in self.store.names(""):
            self._found(name, user)
        identity = layout.Identity.loads(self.store.get(layout.NOTEBOOK), self.place)
        if identity.name != name:
            raise NameRefused(
                f"{self.place} is the notebook of the lab {identity.name!r}, not of {name!r}; "
                f"attach to {identity.name!r}, or give another folder"
            )
        self.store.ready(owner=identity.id)
        self._id = identity.id
        return identity

    def check_there(self) -> None:
        """Look whether the notebook is there still, where something was missing.

        Raises:
            LabFenced: it was deleted.
        """
        if not self._id:
            return
        try:
            there = layout.Identity.loads(self.store.get(layout.NOTEBOOK), self.place).id
        except FileNotFoundError:
            there = ""
        if there != self._id:
            raise LabFenced(f"the notebook in {self.place} was deleted; this lab writes nothing any more: shut it down")

    def is_there(self) -> bool:
        """Whether there is a notebook, or may be: a disk that is sick does not say."""
        try:
            return layout.NOTEBOOK in self.store.names("")
        except OSError as error:
            return error.errno == errno.EIO

    def _found(self, name: str, user: str) -> None:
        """Make the notebook, unless somebody else is quicker."""
        self.store.ready(new=True)
        text = layout.readme(name).encode()
        self.store.put(layout.README, text, text)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        version = self.writer.get("raylab", "")
        identity = layout.Identity(id=uuid.uuid4().hex, name=name, user=user, created=created, raylab=version)
        self.store.put(layout.NOTEBOOK, identity.dumps(), identity.id.encode())  # last: now it is a notebook

    def last_writer(self) -> dict[str, str] | None:
        """Who opened the requests last; None if nobody ever did."""
        opening = last_opening(self.store, layout.REQUESTS)
        return opening.writer if opening else None

    def open_requests(self, allowed: Callable[[], None] = lambda: None) -> list[Request]:
        """Take the notebook over; return all that was asked of it.

        Args:
            allowed: asked before it is taken from another writer; what it raises ends this.
        """
        table = Table(self.store, layout.REQUESTS, self.writer)
        table.open({IDENTITY: self._identity()}, allowed=allowed)
        self.opening = table.number - 1
        self._requests = table
        return [request for loaded in listing(self.store, layout.REQUESTS) for request in from_rows(loaded.table)]

    def _identity(self) -> dict[str, Any]:
        """What `notebook.json` says: each opening of the requests repeats it, so that it can be made again."""
        return asdict(layout.Identity.loads(self.store.get(layout.NOTEBOOK), self.place))

    def add(self, requests: Sequence[Request]) -> None:
        """Write requests; when this returns they are durable."""
        assert self._requests is not None, "open_requests() comes first"
        again = self._requests.pending and requests is self._adding
        if self._requests.pending:
            self._requests.resume()
        if not again:
            self._adding = requests
            self._requests.commit(to_rows(requests), {"rows": len(requests)})
        if self._requests.should_seal:
            try:
                self._requests.seal(lambda metas: {"rows": sum(meta["rows"] for meta in metas)})
            except (OSError, NotebookDamaged) as error:  # what was asked is durable all the same
                log.warning("the journal of the requests stays as it is for now: %s", error)

    def put_code(self, pickle: bytes, modules: bytes | None) -> tuple[str, str | None]:
        """Keep an experiment and its modules; return their hashes.

        Raises:
            NotebookDamaged: a file of the name that one of them must have is there, with other bytes.
        """
        digest = self._put(layout.pickle_path, pickle)
        return digest, None if modules is None else self._put(layout.modules_path, modules)

    def put_diff(self, diff: bytes) -> str:
        """Keep what a working tree differed in from its commit; return the hash.

        Raises:
            NotebookDamaged: as `put_code`.
        """
        return self._put(layout.diff_path, diff)

    def _put(self, path_of: Callable[[str], str], data: bytes) -> str:
        """Have a file of code there, durably, and tell its hash; what is there already is not written once more."""
        digest = hashlib.sha256(data).hexdigest()
        path, found = path_of(digest), None
        with suppress(FileNotFoundError):
            found = self.store.get(path)
        if found is None and self.store.put(path, data, data):
            return digest
        if found != data:  # or another writer was quicker, with other bytes
            raise NotebookDamaged(f"{path} is not what was written; {CODE_WAY_OUT}")
        self.store.settle(layout.CODE)  # whoever made it may have died before its name was durable
        return digest

    def code(self, digest: str, modules: str | None) -> tuple[bytes, bytes | None]:
        """The bytes that these hashes name.

        Raises:
            NotebookDamaged: a file is missing, or not what its name says.
        """
        return read_code(self.store, digest, modules)

    def has_code(self, digest: str, modules: str | None) -> bool:
        """Whether the bytes that these hashes name are there, whole."""
        try:
            self.code(digest, modules)
        except NotebookDamaged:
            return False
        return True

    def free_generation(self, name: str, least: int) -> int:
        """The first generation of a name, from `least` on, in whose folder nothing lies.

        Something does where a request was lost: its rows must not become those of another sweep.
        """
        while any(self.store.names(each) for each in layout.folders(layout.sweep_folder(name, least))):
            least += 1
        return least

    def survey(self, folder: str) -> Summary:
        """What a sweep's table holds, without taking it over."""
        return survey(self.store, folder)

    def open_sweep(self, folder: str, request: Mapping[str, Any] | None = None) -> SweepTable:
        """Take a sweep's table over; what it holds is read afresh.

        Args:
            folder: the table's.
            request: what was asked, as JSON has it. The opening repeats it, so that a lost request loses no sweep.

        Raises:
            LabFenced: another lab has opened the requests: one that was stopped for a while must not take from it
                a table that it had not opened before.
        """
        request = request or {}
        table, files = self._take(folder, request)
        schema = Schema(info.schema for info in files)
        return SweepTable(self, request, table, schema, together(summaries(files)))

    def open_logs(self, folder: str) -> LogTable:
        """Take over the table of what the trials of a sweep print, whose results lie in a folder.

        Raises:
            LabFenced: as `open_sweep`.
        """
        return LogTable(*self._opened(layout.log_folder(folder), {}))

    def clear(self, removed: Removed) -> bool:
        """Delete a removed sweep's files, as far as one call goes; whether nothing is left. Its code stays."""
        return clear(self.store, removed, self.writer)

    def remove_code(self, hashes: Iterable[str]) -> None:
        """Delete the files of code with these hashes.

        Raises:
            LabFenced: another lab has the notebook, and may need them.
        """
        wanted = {path_of(each) for each in hashes for path_of in layout.CODE_PATHS}
        for path in layout.code_paths(self.store):
            if path in wanted:
                self._check_ours()
                self.store.remove(path)

    def retake(self, sweep: SweepTable) -> bool:
        """Open a sweep's table again that was taken from us although the notebook was not.

        A lab that was stopped in the middle of `open_sweep`, and taken over meanwhile, does that when it goes on. It
        then finds that the requests are not its own any more, and writes nothing.

        Returns:
            Whether it is ours again, as we left it.

        Raises:
            LabFenced: the notebook was taken as well.
        """
        if not self.is_ours():
            return False
        table, _ = self._take(sweep.table.folder, sweep.request)
        if table.seq != sweep.table.seq:
            return False
        sweep.table = table
        return True

    def is_ours(self) -> bool:
        """Whether nobody else has opened the requests since this lab did."""
        try:
            self._check_ours()
        except LabFenced:
            return False
        return self._requests is not None

    def _take(self, folder: str, request: Mapping[str, Any]) -> tuple[Table, list[FileInfo]]:
        return self._opened(folder, self._repeated(folder, request))

    def _opened(self, folder: str, said: Mapping[str, Any]) -> tuple[Table, list[FileInfo]]:
        self._check_ours()
        table = Table(self.store, folder, self.writer)
        files = table.open(said)
        self._check_ours()  # another lab may have come in between
        return table, files

    def _repeated(self, folder: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """What an opening says of the request: all of it if the opening before said something else. A request may have
        64 MB, and each start of a lab opens the tables of what is not complete."""
        digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        before = last_opening(self.store, folder)
        known = before is not None and before.meta.get(DIGEST) == digest
        return {DIGEST: digest} if known else {DIGEST: digest, REQUEST: request}

    def _check_ours(self) -> None:
        if self._requests is not None:
            self._requests.check_ours()
