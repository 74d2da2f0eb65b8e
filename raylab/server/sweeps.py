"""The sweeps of a lab, and the story of each: known, opened, taken up, changed by requests, put away.

Everything is durable before it is in force. What requests make of a sweep comes to the ledger on one path, after a
restart and live: as the sweep's record. Decides nothing about trials; that is the ledger's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any

from raylab.core import events as ev
from raylab.core.history import History, fold
from raylab.core.provenance import Environment
from raylab.core.request import Request, SweepRecord
from raylab.core.segment import Need
from raylab.core.summary import Summary
from raylab.errors import LabFenced, NameRefused, RaylabError, told
from raylab.notebook import layout
from raylab.notebook.writer import SweepTable, Writer
from raylab.server.at_work import AtWork, Held
from raylab.server.protocol import person
from raylab.server.recorder import Recorder, Unreadable
from raylab.worker.lease import Package, Segments

log = logging.getLogger(__name__)

PACKED = ("grown", "continued")
"""Requests after which workers need other code, or segments that they have not seen."""


class Sweeps:
    """The sweeps of one lab.

    Args:
        name: the lab's.
        user: who created the lab.
        writer: its notebook.
        recorder: does the writing.
        remember: notes where the notebook is.
        hold: has a package ready for the leases; what it returns goes with each of them.
        tell: what the ledger has to know.
        slots: how many trials of each class of a sweep the cluster could run at once.
        post: says that there is news of a sweep.
    """

    def __init__(
        self,
        name: str,
        user: str,
        writer: Writer,
        recorder: Recorder,
        *,
        remember: Callable[[str, str], None],
        hold: Callable[[Package], Any],
        tell: Callable[[ev.Event], None],
        slots: Callable[[SweepRecord], Mapping[Need, int]],
        post: Callable[[AtWork], None],
    ) -> None:
        self.name = name
        self.user = user
        self.writer = writer
        self.recorder = recorder
        self._remember = remember
        self._hold = hold
        self._tell = tell
        self._slots = slots
        self._post = post
        self.identity: layout.Identity | None = None
        self.opening = 0  # the number of our opening of the request table
        self.records = History()
        self._all: dict[str, AtWork] = {}  # by folder

    # finding ----------------------------------------------------------------------------------------------------

    def of(self, folder: str) -> AtWork:
        """The sweep whose results lie in a folder."""
        return self._all[folder]

    def named(self, name: str) -> AtWork | None:
        """The sweep in force of this name."""
        record = self.records.get(name)
        return None if record is None else self._all[record.folder]

    def in_force(self) -> list[AtWork]:
        """All sweeps but those that were set aside."""
        return [self._all[record.folder] for record in self.records.values()]

    def seen(self, archived: bool = False) -> list[AtWork]:
        """Those that verbs without a name speak of, and perhaps those that are archived."""
        return [sweep for sweep in self.in_force() if archived or not sweep.record.archived]

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
        await self.recorder.do(lambda: self._remember(self.name, self.writer.place))
        allowed = self._check_still_ours if restarted else lambda: None
        requests = await self.recorder.do(lambda: self.writer.open_requests(allowed))
        self.opening = self.writer.opening
        self._fold(requests, {})
        for record in self.records.aside.values():
            self._all[record.folder] = AtWork(record, stage="set aside")

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

    async def find_all(self) -> None:
        """Take up what was there when the lab started.

        The tables are looked at in one go: on a busy machine a thread for each of some hundred sweeps takes longer
        than the reading. Those that cannot be read at once come one by one.
        """
        sweeps = self.in_force()

        def look() -> dict[str, Held]:
            found = {}
            for sweep in sweeps:
                with contextlib.suppress(OSError, RaylabError):
                    found[sweep.key] = self._surveyed(sweep.record)
            return found

        found = await asyncio.to_thread(look)
        for sweep in sweeps:
            await self.find(sweep, found.get(sweep.key))

    def _surveyed(self, record: SweepRecord) -> Held:
        return Held.of(record, self.writer.survey(record.folder))

    async def find(self, sweep: AtWork, held: Held | None = None) -> None:
        """Take up a sweep that nobody has taken up; its table is opened only if there is work left.

        Args:
            sweep: which.
            held: what its table holds, if somebody has looked.
        """
        if held is None:
            try:
                held = await self.recorder.read(partial(self._surveyed, sweep.record))
            except LabFenced:
                raise
            except RaylabError as error:
                self.break_off(sweep, error)
                return
        if sweep.stage != "known" or sweep.queued:  # submitted again, or replaced, meanwhile
            return
        sweep.know(held)
        if held.found.recorded == sweep.record.positions or sweep.record.cancelled:
            self._take_up(sweep, held.found)
        else:
            await self.take(sweep)

    async def try_again(self) -> None:
        """Take up the sweeps that the disk did not give, should it give them now."""
        for sweep in [each for each in self.in_force() if each.passing and each.stage == "known"]:
            await self.find(sweep)
            self._post(sweep)

    async def take(self, sweep: AtWork) -> None:
        """Open a sweep's table, so that nobody else writes it any more, and let its trials be leased.

        Raises:
            LabFenced: another lab has the notebook.
        """
        if sweep.stage != "known":
            return
        sweep.stage, sweep.package = "opening", None
        record = sweep.record
        try:
            package = await self._held(record)

            def opening() -> tuple[SweepTable, Held]:
                table = self.writer.open_sweep(record.folder, record.request().plain())
                return table, Held.of(record, table.summary)

            async with sweep.writing:
                table, held = await self.recorder.do(opening, lambda: sweep.stage == "opening")
        except LabFenced:
            raise
        except Exception as error:  # also Ray's, whose store may have no room for the package
            self.break_off(sweep, error)  # mended, it can be submitted again
            return
        if sweep.is_over:
            return
        # A package that was held meanwhile is of what the sweep has grown to.
        sweep.stage, sweep.table, sweep.package = "open", table, sweep.package or package
        sweep.know(held)
        self._take_up(sweep, held.found)

    def _package(self, record: SweepRecord, pickle: bytes, modules: bytes | None) -> Package:
        notebook = self.identity.id if self.identity else ""
        return Package(
            key=f"{notebook}/{record.folder}/{record.code}/{record.modules}",
            segments=Segments(record.segments),
            pickle=pickle,
            modules=modules,
        )

    def _take_up(self, sweep: AtWork, found: Summary) -> None:
        self._drop(sweep)
        sweep.queued = True
        event = ev.SweepOpened(
            sweep=sweep.key,
            record=sweep.record,
            recorded=tuple(found.positions),
            by_status=found.by_status,
            seconds=found.seconds,
            error=found.error,
            slots=self._slots(sweep.record),
        )
        self._tell(event)
        self._post(sweep)

    # changing ---------------------------------------------------------------------------------------------------

    async def note(self, *requests: Request, unless: Callable[[], bool] | None = None) -> bool:
        """Write requests; when this returns they are durable and in force, or dropped, and then it returns False.

        Args:
            requests: of these sweeps.
            unless: asked when it is their turn to be written; True drops them.
        """
        stamped = [_stamped(request) for request in requests]
        held: dict[str, Any] = {}
        await self._hold_anew(stamped, held)  # before they are written: what cannot be held is refused
        if not await self.recorder.add(*stamped, unless=unless):
            return False
        await self._hold_anew(stamped, held)  # of what was opened meanwhile
        self._fold(stamped, held)
        return True

    async def _hold_anew(self, requests: list[Request], held: dict[str, Any]) -> None:
        """Add the packages, by folder, that leases need once these requests are in force: of sweeps at work that grow,
        or get other code."""
        after = fold(requests, self.records)
        for name in {request.sweep for request in requests if request.kind in PACKED}:
            sweep, record = self.named(name), after.get(name)
            if sweep is None or record is None or sweep.key != record.folder:
                continue
            if sweep.is_at_work and record.folder not in held:
                held[record.folder] = await self._held(record)

    async def _held(self, record: SweepRecord) -> Any:
        """A sweep's package, as the pool holds it."""
        pickle, modules = await self.recorder.read(lambda: self.writer.code(record.code, record.modules))
        return self._hold(self._package(record, pickle, modules))

    def _fold(self, requests: list[Request], held: Mapping[str, Any]) -> None:
        before, self.records = self.records, fold(requests, self.records)
        for name in {request.sweep for request in requests}:
            old, record = (each.get(name) or each.aside.get(name) for each in (before, self.records))
            if old is not None and (record is None or old.folder != record.folder):
                self._end(self._all[old.folder])
            if record is None:
                continue
            sweep = self._all.setdefault(record.folder, AtWork(record))
            was, sweep.record = sweep.record, record
            if sweep.is_at_work:
                sweep.package = held.get(sweep.key, sweep.package)
            # Of one that is not open the ledger knows the counts; its trials may be leased when it is.
            if sweep.stage == "open" and _concerns_queue(was, record):
                self._tell(ev.SweepChanged(sweep=sweep.key, record=record, slots=self._slots(record)))

    def _end(self, sweep: AtWork) -> None:
        """It was removed, or another sweep has its name."""
        self._drop(sweep)
        self.recorder.drop(sweep)
        if sweep.key in self.records.removed:
            sweep.close("removed")
        else:
            sweep.record = self.records.aside[sweep.record.name_aside]
            sweep.close("set aside")
        self._post(sweep)

    async def at_rest(self, folder: str) -> None:
        """Wait until nothing of a sweep that is over is being written any more."""
        if folder in self._all:
            async with self._all[folder].writing:
                pass

    def _drop(self, sweep: AtWork) -> None:
        """The ledger need not know it any more, or is to take it up afresh."""
        if sweep.queued:
            sweep.queued = False
            sweep.where.clear()  # of the ends of its leases nobody hears any more
            self._tell(ev.SweepDropped(sweep=sweep.key))

    async def keep_code(self, pickle: bytes, modules: bytes | None) -> tuple[str, str | None]:
        """Put an experiment into the notebook; its hashes."""
        return await self.recorder.do(lambda: self.writer.put_code(pickle, modules))

    async def keep_diff(self, diff: bytes | None) -> str:
        """Put what a working tree differed in into the notebook; its hash, empty if there is nothing."""
        return "" if diff is None else await self.recorder.do(lambda: self.writer.put_diff(diff))

    def new_environments(self, *environments: Environment | None) -> list[Request]:
        """What is to be noted of these, where nobody has noted it."""
        known = self.records.environments
        new = {each.digest: each for each in environments if each is not None}
        return [Request.environment(each) for digest, each in new.items() if digest not in known]

    async def resume(self, sweep: AtWork, *, complete: bool) -> None:
        """A person wants a sweep to go on; `complete` if nothing is left of it."""
        if sweep.stage == "open":
            self._tell(ev.SweepResumed(sweep=sweep.key))
        elif not complete:
            await self.take(sweep)

    async def put_away(self, sweep: AtWork, complete: int) -> None:
        """A sweep is complete with so many positions: one file for its journal, and nothing of it in memory but its
        counts."""
        await self.recorder.seal(sweep)
        if sweep.stage == "open" and sweep.record.positions == complete:  # else it has grown meanwhile
            sweep.close("known")

    def break_off(self, sweep: AtWork, error: Exception) -> None:
        """A sweep that cannot be worked on stands still with the reason; the others go on."""
        if sweep.is_over:
            return
        log.warning("%s: %s", sweep.name, error)
        self._drop(sweep)
        self.recorder.drop(sweep)
        sweep.close("known")
        sweep.trouble = str(error) if isinstance(error, RaylabError) else f"it cannot be worked on: {told(error)}"
        sweep.passing = isinstance(error, Unreadable)
        self._post(sweep)


def _concerns_queue(was: SweepRecord, now: SweepRecord) -> bool:
    """Whether something has changed that the ledger acts upon."""
    acted_upon = attrgetter("policy", "segments", "versions", "cancelled", "paused", "forgiven")
    return bool(acted_upon(was) != acted_upon(now))


def _stamped(request: Request) -> Request:
    return replace(request, time_us=time.time_ns() // 1_000, user=request.user or person())
