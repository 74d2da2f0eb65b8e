"""What was asked of a lab and what is in: the notebook, as a running lab knows it.

Holds the sweeps as the requests tell them, opens their tables, keeps what workers load. Everything is durable before it
is in force. Decides nothing about trials; that is the ledger's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from raylab.core.request import Request, SweepRecord, asked, fold
from raylab.errors import LabFenced, NameRefused, RaylabError, told
from raylab.notebook import layout
from raylab.notebook.writer import Writer
from raylab.server.known_labs import remember
from raylab.server.protocol import person
from raylab.server.recorder import Recorder, Unreadable, Written
from raylab.worker.lease import Package

log = logging.getLogger(__name__)

Summary = dict[str, Any]
"""What a sweep's table holds: `records.summary` makes it."""


class Register:
    """The sweeps of one lab.

    Args:
        name: the lab's.
        user: who created the lab.
        writer: its notebook.
        recorder: does the writing.
        hold: has a package ready for the leases; what it returns goes with each of them.
    """

    def __init__(
        self, name: str, user: str, writer: Writer, recorder: Recorder, hold: Callable[[Package], Any]
    ) -> None:
        self.name = name
        self.user = user
        self.writer = writer
        self.recorder = recorder
        self._hold = hold
        self.identity: layout.Identity | None = None
        self.opening = 0  # the number of our opening of the request table
        self.sweeps: dict[str, SweepRecord] = {}
        self.rows: dict[str, int] = {}
        self.first_errors: dict[str, str] = {}
        self.broken: dict[str, str] = {}  # sweeps whose table cannot be used, and why
        self.unreadable: set[str] = set()  # those of them that the disk did not give; it may later
        self.packages: dict[str, Any] = {}  # as they are held, by folder
        self._taken: set[str] = set()  # folders whose table was opened, or is being

    # opening ----------------------------------------------------------------------------------------------------

    async def open(self, *, restarted: bool) -> None:
        """Take the notebook over: after this nobody else writes its requests any more.

        Args:
            restarted: Ray started this actor again by itself; nobody asked for it.

        Raises:
            LabFenced: another lab has it, and nobody asked us to take it back.
            NameRefused: it cannot be made, or is another lab's.
            NotebookDamaged, VersionMismatch: it cannot be used.
        """
        self.identity = await self._establish()
        await self.recorder.do(lambda: remember(self.name, self.writer.place))
        allowed = self._check_still_ours if restarted else lambda: None
        requests = await self.recorder.do(lambda: self.writer.open_requests(allowed))
        self.opening = self.writer.opening
        self.sweeps = fold(requests)

    async def _establish(self) -> layout.Identity:
        """Make or find the notebook. A folder that cannot be made is the caller's to correct; one that was there
        and cannot be used now is tried again and again."""
        establish = partial(self.writer.establish, self.name, self.user)
        try:
            return await asyncio.to_thread(establish)
        except OSError as error:
            if not await asyncio.to_thread(self.writer.is_there):
                raise NameRefused(
                    f"the notebook cannot be made in {self.writer.place} on {platform.node()}: {told(error)}; give "
                    "another folder"
                ) from error
        return await self.recorder.do(establish)

    def _check_still_ours(self) -> None:
        """A part of the opening: another lab may come at any moment."""
        last = self.writer.last_writer()
        if last is not None and last.get("actor") != self.writer.writer["actor"]:
            raise LabFenced(
                f"the lab {self.name!r} was taken over by {last.get('user')} on {last.get('host')} (process "
                f"{last.get('pid')}) while this one was down; this one writes nothing any more. To take it back here, "
                "shut this one down and attach again"
            )

    async def glance(self) -> dict[str, Summary]:
        """What the sweeps' tables hold, of those that can be read at once; `survey` is for the others.

        In one go: on a busy machine a thread for each of some hundred sweeps takes longer than the reading.
        """
        folders = {name: sweep.folder for name, sweep in self.sweeps.items()}

        def look() -> dict[str, Summary]:
            found = {}
            for name, folder in folders.items():
                with contextlib.suppress(OSError, RaylabError):
                    found[name] = self.writer.survey(folder)
            return found

        found = await asyncio.to_thread(look)
        for name, summary in found.items():
            self._know(name, summary)
        return found

    async def survey(self, name: str) -> Summary | None:
        """What a sweep's table holds, without opening it; None if it cannot be read, and then the sweep is broken, or
        was replaced meanwhile."""
        folder = self.sweeps[name].folder
        try:
            found = await self.recorder.read(partial(self.writer.survey, folder))
        except RaylabError as error:
            if self.sweeps[name].folder == folder:
                self.break_off(name, error)
            return None
        if self.sweeps[name].folder != folder:
            return None
        self._know(name, found)
        return found

    async def take(self, name: str) -> Summary | None:
        """Open a sweep's table, so that nobody else writes it any more; what it holds, read afresh.

        Once in this lab's life: a second opening would fence the first. None if it is open already, was replaced
        meanwhile, or cannot be opened, and then the sweep is broken.

        Raises:
            LabFenced: another lab has the notebook.
        """
        sweep = self.sweeps[name]
        if sweep.folder in self._taken:
            return None
        self._taken.add(sweep.folder)
        try:
            code = await self.recorder.read(lambda: self.writer.code(sweep.code, sweep.modules))
            table = await self.recorder.do(lambda: self.writer.open_sweep(sweep.folder, asked(sweep)))
            if self.sweeps[name].folder != sweep.folder:
                return None
            self.packages[sweep.folder] = self._hold(self._package(sweep, *code))
        except LabFenced:
            raise
        except Exception as error:  # also Ray's, whose store may have no room for the package
            self._taken.discard(sweep.folder)  # mended, it can be submitted again
            if self.sweeps[name].folder != sweep.folder:
                return None
            self.break_off(name, error)
            return None
        self.recorder.tables[sweep.folder] = table
        self._know(name, table.summary)
        return table.summary

    def is_taken(self, name: str) -> bool:
        """Whether this lab writes, or is about to write, the sweep's table."""
        return self.sweeps[name].folder in self._taken

    def _know(self, name: str, found: Summary) -> None:
        self._mend(name)
        self.rows[name] = found["rows"]
        if found["error"]:
            self.first_errors.setdefault(name, found["error"])

    def _package(self, sweep: SweepRecord, pickle: bytes, modules: bytes | None) -> Package:
        return Package(
            key=f"{self.identity.id if self.identity else ''}/{sweep.folder}/{sweep.code}",
            segment=sweep.segment,
            pickle=pickle,
            modules=modules,
            modules_hash=sweep.modules,
        )

    # changing ---------------------------------------------------------------------------------------------------

    async def note(self, *requests: Request, unless: Callable[[], bool] | None = None) -> bool:
        """Write requests; when this returns they are durable and in force, or dropped, and then it returns False.

        Args:
            requests: of these sweeps.
            unless: asked when it is their turn to be written; True drops them.
        """
        stamped = [_stamped(request) for request in requests]
        if not await self.recorder.add(*stamped, unless=unless):
            return False
        for request in stamped:
            if request.kind == "submitted":  # what was known of an earlier sweep of this name is not of this one
                self.rows[request.sweep] = 0
                self.first_errors.pop(request.sweep, None)
                self._mend(request.sweep)
        self.sweeps = fold(stamped, self.sweeps)
        return True

    async def keep_code(self, pickle: bytes, modules: bytes | None) -> tuple[str, str | None]:
        """Put an experiment into the notebook; its hashes."""
        return await self.recorder.do(lambda: self.writer.put_code(pickle, modules))

    def written(self, written: Written) -> str | None:
        """Take note of a commit; the name of its sweep, None if that was replaced meanwhile."""
        name = self.name_of(written.folder)
        if name is not None:
            self.rows[name] += written.info.rows
            runs = [range(batch.first, batch.first + batch.count) for batch in written.batches]
            if (sweep := self.sweeps[name].acquitted(runs)) is not self.sweeps[name]:
                self.sweeps = {**self.sweeps, name: sweep}
        return name

    async def put_away(self, folder: str) -> None:
        """A sweep is complete: one file for its journal, and nothing of it in memory but its counts."""
        await self.recorder.seal(folder)
        self._drop(folder)

    def release(self, folder: str) -> None:
        """Nothing more is written there: its sweep was replaced, or cannot be written and may be taken up afresh."""
        self._drop(folder)
        self._taken.discard(folder)

    def _drop(self, folder: str) -> None:
        self.recorder.tables.pop(folder, None)
        self.packages.pop(folder, None)

    def break_off(self, name: str, error: Exception) -> None:
        """A sweep that cannot be worked on stands still with the reason; the others go on."""
        log.warning("%s: %s", name, error)
        self._mend(name)
        self.broken[name] = str(error) if isinstance(error, RaylabError) else f"it cannot be worked on: {told(error)}"
        if isinstance(error, Unreadable):
            self.unreadable.add(name)

    def _mend(self, name: str) -> None:
        self.broken.pop(name, None)
        self.unreadable.discard(name)

    def name_of(self, folder: str) -> str | None:
        """The sweep whose results lie in a folder; None for one that was replaced."""
        return next((name for name, sweep in self.sweeps.items() if sweep.folder == folder), None)


def _stamped(request: Request) -> Request:
    return replace(request, time_us=time.time_ns() // 1_000, user=request.user or person())
