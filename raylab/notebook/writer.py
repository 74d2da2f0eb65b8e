"""The one writer of a notebook: makes or opens it, adds requests, keeps code, opens the tables of sweeps.

It does what it is told and decides nothing; every method may block on the disk and raises OSError when the disk does.
After an OSError the same call can be made again, and must be before any other of its table: nobody knows yet whether
the rows are in.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from raylab.core.request import Request
from raylab.errors import NameRefused, NotebookDamaged
from raylab.notebook import layout
from raylab.notebook.file import FileInfo
from raylab.notebook.listing import infos, last_opening, listing
from raylab.notebook.records import summary
from raylab.notebook.requests import from_rows, to_rows
from raylab.notebook.schema import Schema
from raylab.notebook.store import Store
from raylab.notebook.table import Opened, Table

log = logging.getLogger(__name__)


@dataclass(slots=True)
class SweepTable:
    """A sweep's results, open for writing."""

    table: Table
    schema: Schema
    summary: dict[str, Any]

    def commit(self, batches: Sequence[pa.RecordBatch], meta: dict[str, Any]) -> FileInfo:
        """Add wire batches in the columns in force, in one commit; the same again after an OSError."""
        if self.table.pending:
            return self.table.resume()
        return self.table.commit(self.schema.concat(batches), meta)

    def seal(self) -> FileInfo | None:
        """Put the journal into one part."""
        return self.table.seal(summary)


class Writer:
    """The notebook in `root`, for the lab that owns it."""

    def __init__(self, root: Path, writer: dict[str, str], store: Store | None = None) -> None:
        self.root = root
        self.store = store or Store(root)
        self.writer = writer
        self.opening = 0  # the number of our opening of the requests
        self._requests: Table | None = None
        self._adding: Sequence[Request] = ()  # what is pending, if something is

    def establish(self, name: str, user: str) -> layout.Identity:
        """Make the notebook if there is none; say whose it is.

        Raises:
            NameRefused: the notebook there is another lab's.
            NotebookDamaged, VersionMismatch: it cannot be used.
        """
        try:
            found = self.store.get(layout.NOTEBOOK)
        except FileNotFoundError:
            self._found(name, user)
            found = self.store.get(layout.NOTEBOOK)
        identity = layout.Identity.loads(found, str(self.root))
        if identity.name != name:
            raise NameRefused(
                f"the folder {self.root} is the notebook of the lab {identity.name!r}, not of {name!r}; "
                f"attach to {identity.name!r}, or give another folder"
            )
        self.store.clean_tmp()
        return identity

    def _found(self, name: str, user: str) -> None:
        self.store.make_folder("")
        self.store.probe()
        for folder in (layout.REQUESTS, layout.CODE, layout.SWEEPS):
            self.store.make_folder(folder)
        text = layout.readme(name).encode()
        self.store.put(layout.README, text, text)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        identity = layout.Identity(id=uuid.uuid4().hex, name=name, user=user, created=created)
        self.store.put(layout.NOTEBOOK, identity.dumps(), identity.id.encode())  # last: now it is a notebook

    def last_writer(self) -> dict[str, str] | None:
        """Who opened the requests last; None if nobody ever did."""
        opening = last_opening(self.store, layout.REQUESTS)
        return opening.writer if opening else None

    def open_requests(self) -> list[Request]:
        """Take the notebook over; return all that was asked of it."""
        table = Table(self.store, layout.REQUESTS, self.writer)
        self.opening = table.open().number
        self._requests = table
        requests: list[Request] = []
        for loaded in listing(self.store, layout.REQUESTS):
            if loaded.info.kind != "opening":
                requests += from_rows(loaded.table)
        return requests

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
        digest = hashlib.sha256(pickle).hexdigest()
        self._put(layout.pickle_path(digest), pickle)
        if modules is None:
            return digest, None
        zipped = hashlib.sha256(modules).hexdigest()
        self._put(layout.modules_path(zipped), modules)
        return digest, zipped

    def _put(self, path: str, data: bytes) -> None:
        if not self.store.put(path, data, data):
            raise NotebookDamaged(f"{path} is not what was written; put it back from a copy of the notebook")

    def code(self, digest: str, modules: str | None) -> tuple[bytes, bytes | None]:
        """The bytes that these hashes name.

        Raises:
            NotebookDamaged: a file is missing, or not what its name says.
        """
        pickle = self._bytes(layout.pickle_path(digest), digest)
        return pickle, self._bytes(layout.modules_path(modules), modules) if modules else None

    def _bytes(self, path: str, digest: str) -> bytes:
        try:
            data = self.store.get(path)
        except FileNotFoundError as error:
            raise NotebookDamaged(f"{path} is missing; put it back from a copy of the notebook") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise NotebookDamaged(f"{path} is not what was written; put it back from a copy of the notebook")
        return data

    def survey(self, folder: str) -> dict[str, Any]:
        """What a sweep's table holds, without taking it over."""
        return summary([info.meta for info in infos(self.store, folder)])

    def open_sweep(self, folder: str) -> SweepTable:
        """Take a sweep's table over; what it holds is read afresh."""
        table = Table(self.store, folder, self.writer)
        opened: Opened = table.open()
        return SweepTable(
            table=table,
            schema=Schema.from_files(opened.files),
            summary=summary([info.meta for info in opened.files]),
        )
