"""The loop of a lab: opens the notebook, carries out what the ledger decides, feeds back what happened.

Order of the promises, for every sweep: request on disk → acknowledged → leased → rows on disk → counted.

Rules of this file: everything runs in the actor's one loop, the disk in threads; making one does nothing that can
fail; user code is never unpickled, rows never decoded.
"""

from __future__ import annotations

import asyncio
import getpass
import logging
import math
import os
import platform
import time
from collections.abc import Coroutine
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import ray

from raylab.cluster import pool as cluster
from raylab.cluster.bulletin import Bulletin
from raylab.cluster.places import remember
from raylab.cluster.pool import Pool
from raylab.cluster.recorder import Recorder, Written
from raylab.cluster.worker import Batch, LeaseOrder, Package
from raylab.core import events as ev
from raylab.core.design import Design
from raylab.core.ledger import Ledger
from raylab.core.order import Order, seeds
from raylab.core.plan import flush_interval, slots
from raylab.core.request import Request, SweepRecord, fold
from raylab.errors import LabFenced, NameRefused, RaylabError
from raylab.notebook import layout
from raylab.notebook.records import Parameters, Trials, wire
from raylab.notebook.writer import Writer

log = logging.getLogger(__name__)

LOOK_S = 5.0
"""How often the cluster's size is looked at."""


class Conductor:
    """One lab's notebook, ledger and leases at work.

    Args:
        name: the lab's.
        notebook: the folder, on this node.
        user: who created the lab.
        version: of raylab.
    """

    def __init__(self, name: str, notebook: Path, user: str, version: str) -> None:
        self.name = name
        self.notebook = notebook
        self.user = user
        self.ledger = Ledger()
        self.sweeps: dict[str, SweepRecord] = {}
        self.rows: dict[str, int] = {}
        self.broken: dict[str, str] = {}  # sweeps whose table cannot be opened, and why
        self.first_errors: dict[str, str] = {}
        self.identity: layout.Identity | None = None
        self.opening = 0  # the number of our opening of the request table
        self.refusal: RaylabError | None = None  # why the lab cannot work: fenced, or its notebook cannot be opened
        self.opened = asyncio.Event()
        self.bulletin = Bulletin()
        self.nodes: list[dict[str, float]] = []
        self._packages: dict[str, Any] = {}  # object refs, by folder
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._taken: set[str] = set()  # folders whose table was opened, or is being
        self.writer = Writer(notebook, _who(version))
        self.recorder = Recorder(
            self.writer,
            on_written=self._on_written,
            on_pressure=lambda high: self.happened(ev.PressureChanged(high=high)),
            on_fenced=self.fence,
            on_broken=self._on_broken,
        )
        self.pool = Pool(
            on_header=lambda lease, _: self.happened(ev.LeaseStarted(lease=lease)),
            on_batch=self._on_batch,
            on_end=lambda lease, end, words: self.happened(ev.LeaseEnded(lease=lease, end=end, detail=words)),
            room=self.recorder.room,
        )
        self.spawn(self._live())

    # opening ----------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        """Open the notebook, take up its sweeps, then watch the cluster's size for ever."""
        try:
            await self._open()
        except LabFenced as error:
            self.fence(error)
        except RaylabError as error:
            self.refusal = error
        finally:
            self.opened.set()
        while self.refusal is None:
            await self._look()
            await asyncio.sleep(LOOK_S)

    async def _open(self) -> None:
        self.identity = await self._establish()
        if ray.get_runtime_context().was_current_actor_reconstructed:
            await self._check_still_ours()
        await self.recorder.do(lambda: remember(self.name, self.notebook))
        requests = await self.recorder.do(self.writer.open_requests)
        self.opening = self.writer.opening
        self.sweeps = fold(requests)
        self.nodes = await asyncio.to_thread(cluster.node_resources)
        for name, sweep in self.sweeps.items():
            try:
                found = await self.recorder.do(partial(self.writer.survey, sweep.folder))
            except RaylabError as error:
                self._break(name, error)
                continue
            recorded = sum(stop - start for start, stop in found["positions"])
            if recorded == sweep.total or sweep.cancelled:
                self._take_up(sweep, found)
            else:
                await self.activate(name)

    async def _establish(self) -> layout.Identity:
        """Make or find the notebook. A folder that cannot be made is the caller's to correct; one that was there
        and cannot be used now is tried again and again."""
        try:
            return await asyncio.to_thread(self.writer.establish, self.name, self.user)
        except OSError as error:
            if not await asyncio.to_thread((self.notebook / layout.NOTEBOOK).exists):
                raise NameRefused(
                    f"the notebook cannot be made in {self.notebook} on {platform.node()}: {error}; give another folder"
                ) from error
        return await self.recorder.do(lambda: self.writer.establish(self.name, self.user))

    async def _check_still_ours(self) -> None:
        """Ray started this actor again by itself: it must not take back what a person gave to another lab."""
        last = await self.recorder.do(self.writer.last_writer)
        if last is not None and last.get("actor") != self.writer.writer["actor"]:
            raise LabFenced(
                f"the lab {self.name!r} was taken over by {last.get('user')} on {last.get('host')} (process "
                f"{last.get('pid')}) while this one was down; this one writes nothing any more. To take it back here, "
                "shut this one down and attach again"
            )

    async def activate(self, name: str) -> None:
        """Open a sweep's table, so that nobody else writes it any more, and let its trials be leased.

        Once in this lab's life: a second opening would fence the first.
        """
        sweep = self.sweeps[name]
        if sweep.folder in self._taken:
            return
        self._taken.add(sweep.folder)
        try:
            code = await self.recorder.do(lambda: self.writer.code(sweep.code, sweep.modules))
            table = await self.recorder.do(lambda: self.writer.open_sweep(sweep.folder))
        except LabFenced as error:
            self.fence(error)
            return
        except RaylabError as error:
            self._break(name, error)
            return
        if self.sweeps[name].folder != sweep.folder:
            return  # replaced meanwhile
        self.broken.pop(name, None)
        self.recorder.tables[sweep.folder] = table
        self._packages[sweep.folder] = ray.put(self._package(sweep, *code))
        self._take_up(self.sweeps[name], table.summary)

    def _package(self, sweep: SweepRecord, pickle: bytes, modules: bytes | None) -> Package:
        return Package(
            key=f"{self.identity.id if self.identity else ''}/{sweep.folder}/{sweep.code}",
            segment=sweep.segment,
            pickle=pickle,
            modules=modules,
            modules_hash=sweep.modules,
        )

    def _on_broken(self, folder: str, error: Exception) -> None:
        for name, sweep in self.sweeps.items():
            if sweep.folder == folder:
                self._break(name, error)

    def _break(self, name: str, error: Exception) -> None:
        """A sweep that cannot be worked on stands still with the reason; the others go on."""
        log.warning("%s: %s", name, error)
        self.broken[name] = str(error)
        self.bulletin.post(name, urgent=True)

    async def resume(self, name: str) -> None:
        """It was submitted again: what was paused or cancelled goes on."""
        queue = self.ledger.queues.get(name)
        if self.sweeps[name].folder in self._taken:
            if queue is not None:
                self.happened(ev.SweepResumed(sweep=name))
        elif queue is None or queue.recorded.count < queue.total:
            await self.activate(name)

    def _take_up(self, sweep: SweepRecord, found: dict[str, Any]) -> None:
        self.forget(sweep.name)
        self.rows[sweep.name] = found["rows"]
        if found["error"]:
            self.first_errors[sweep.name] = found["error"]
        event = ev.SweepOpened(
            sweep=sweep.name,
            total=sweep.total,
            group=sweep.modules or "",
            recorded=tuple((start, stop) for start, stop in found["positions"]),
            by_status=found["by_status"],
            seconds=found["seconds"],
            strikes=sweep.strikes,
            cancelled=sweep.cancelled,
            paused=sweep.paused,
            slots=slots(self.nodes, sweep.policy.resources),
        )
        self.happened(event)
        self.bulletin.post(sweep.name, urgent=True)

    def forget(self, name: str) -> None:
        """Drop what is known of a sweep that is replaced or taken up afresh."""
        if name in self.ledger.queues:
            self.happened(ev.SweepReplaced(sweep=name))

    async def _look(self) -> None:
        self.nodes = await asyncio.to_thread(cluster.node_resources)
        queues = self.ledger.queues
        open_ones = [name for name, queue in queues.items() if queue.recorded.count < queue.total]
        now = {name: slots(self.nodes, self.sweeps[name].policy.resources) for name in open_ones}
        changed = {name: count for name, count in now.items() if queues[name].slots != count}
        if changed:
            self.happened(ev.SlotsChanged(slots=changed))
            for name in changed:
                self.bulletin.post(name)

    # what happens, and what is done about it --------------------------------------------------------------------

    def happened(self, event: ev.Event, batch: Batch | None = None) -> None:
        """Tell the ledger, and carry out what it says, in order."""
        if isinstance(self.refusal, LabFenced):
            return
        for order in self.ledger.handle(event, time.monotonic()):
            match order:
                case ev.Launch():
                    if not self._closing:
                        self._launch(order)
                case ev.Keep():
                    assert batch is not None
                    if batch.error:
                        self.first_errors.setdefault(order.sweep, batch.error)
                    self.recorder.keep(self.sweeps[order.sweep].folder, batch)
                case ev.Refuse():
                    log.warning("a batch of lease %s was dropped: %s", order.lease, order.reason)
                case ev.Stop():
                    self.pool.stop(order.lease)
                case ev.NoteStrike():
                    self.spawn(self._note_strike(order, self.sweeps[order.sweep].folder))
                case ev.RecordCrash():
                    self.spawn(self._record_crash(order))
                case ev.Pause():
                    folder = self.sweeps[order.sweep].folder
                    self.spawn(self.note(Request(kind="paused", sweep=order.sweep, folder=folder, reason=order.reason)))
                    self.bulletin.post(order.sweep, urgent=True)
                case ev.Wake():
                    self._wake_at(order.at)
                case _:
                    raise TypeError(f"nobody carries out {order!r}")

    def _on_batch(self, lease: int, batch: Batch) -> None:
        event = ev.BatchArrived(
            lease=lease,
            first=batch.first,
            count=batch.count,
            by_status=batch.by_status,
            busy_s=batch.busy_s,
            error=batch.error,
        )
        self.happened(event, batch)

    def _on_written(self, written: Written) -> None:
        name = next((name for name, sweep in self.sweeps.items() if sweep.folder == written.folder), None)
        if name is None:
            return  # replaced meanwhile
        self.rows[name] = written.info.seq + written.info.rows
        for batch in written.batches:
            event = ev.RowsCommitted(sweep=name, first=batch.first, count=batch.count, by_status=batch.by_status)
            self.happened(event)
        ended = name in self.ledger.queues and not self.ledger.queues[name].outstanding
        self.bulletin.post(name, urgent=ended)
        if ended:
            self.spawn(self._put_away(name, written.folder))

    async def _put_away(self, name: str, folder: str) -> None:
        """All is in: one file for the journal, and nothing of the sweep in memory but its counts."""
        await self.recorder.seal(folder)
        queue = self.ledger.queues.get(name)
        if queue is not None and queue.recorded.count == queue.total:
            self.recorder.tables.pop(folder, None)
            self._packages.pop(folder, None)

    def _launch(self, order: ev.Launch) -> None:
        sweep = self.sweeps[order.sweep]
        lease = LeaseOrder(
            lease=order.lease,
            start=order.start,
            stop=order.stop,
            flush_s=flush_interval(self.ledger.queues[order.sweep].slots),
            retries=sweep.policy.retries,
            deaths=order.deaths,
        )
        self.pool.launch(lease, self._packages[sweep.folder], cluster.options(sweep.policy, sweep.modules))

    async def _note_strike(self, order: ev.NoteStrike, folder: str) -> None:
        position = order.position
        row = Request(kind="strike", sweep=order.sweep, folder=folder, position=position, strikes=order.strikes)
        await self.note(row)
        if self.sweeps[order.sweep].folder == folder:  # else it was replaced meanwhile
            self.happened(ev.StrikeNoted(sweep=order.sweep, position=position))

    async def _record_crash(self, order: ev.RecordCrash) -> None:
        """The row of a trial that killed its process each time, written as any other batch."""
        batch = crash_batch(self.sweeps[order.sweep], order, self.writer.writer["host"])
        self.recorder.keep(self.sweeps[order.sweep].folder, batch)

    async def note(self, *requests: Request) -> None:
        """Write requests; when this returns they are durable and in force."""
        stamped = [_stamped(request) for request in requests]
        await self.recorder.add(*stamped)
        self.sweeps = fold(stamped, self.sweeps)

    async def keep_code(self, pickle: bytes, modules: bytes | None) -> tuple[str, str | None]:
        """Put an experiment into the notebook; its hashes."""
        return await self.recorder.do(lambda: self.writer.put_code(pickle, modules))

    async def retire(self) -> None:
        """End all work: what came is written, what runs is cancelled and will run again another day."""
        self._closing = True
        self.pool.stop_all()
        await self.recorder.idle()
        for folder in list(self.recorder.tables):
            await self.recorder.seal(folder)
        self.recorder.close()

    def fence(self, error: LabFenced) -> None:
        """Another lab has the notebook: stop everything, for good."""
        if isinstance(self.refusal, LabFenced):
            return
        log.warning("%s", error)
        self.refusal = error
        self.pool.stop_all()
        for name in self.sweeps:
            self.bulletin.post(name, urgent=True)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside; what it raises is logged, since nobody awaits it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, LabFenced):
                self.fence(error)
            else:
                log.error("the lab met an error of its own", exc_info=error)

    def _wake_at(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay = max(0.0, at - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay, self.happened, ev.Ticked())


def crash_batch(sweep: SweepRecord, order: ev.RecordCrash, node: str) -> Batch:
    """The record of a crashed trial."""
    segment = sweep.segment
    run = order.position - segment.first_position
    trials = Order(segment.order, segment.total, segment.key).trials(run, run + 1)
    points = trials // segment.repeats
    rows = wire(
        Trials(
            points=points,
            repeats=trials - points * segment.repeats,
            seeds=seeds(segment.key, trials + segment.first_position),
            started=[time.time()],
            elapsed=[math.nan],
            results=[{}],
            failures={0: ("crashed", order.error, None)},
            attempt=order.attempts,
            first_point=segment.first_point,
        ),
        Parameters(Design.loads(segment.design)),
        node,
        0,
    )
    return Batch(
        first=order.position,
        count=1,
        rows=rows,
        by_status={"crashed": 1},
        busy_s=0.0,
        trial_s=0.0,
        error=order.error,
    )


def _stamped(request: Request) -> Request:
    return replace(request, time_us=time.time_ns() // 1_000, user=request.user or getpass.getuser())


def _who(version: str) -> dict[str, str]:
    """Who writes, for the openings: a restarted lab finds itself there, a fenced one names the other."""
    return {
        "user": getpass.getuser(),
        "host": platform.node(),
        "pid": str(os.getpid()),
        "actor": ray.get_runtime_context().get_actor_id() or "",
        "raylab": version,
    }
