"""The loop of a lab: carries out what the ledger decides, feeds back what happened.

Order of the promises, for every sweep: request on disk → acknowledged → leased → rows on disk → counted.

Rules of this file: everything runs in the actor's one loop, the disk in threads; making one does nothing that can
fail; user code is never unpickled, rows never decoded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from raylab.core import events as ev
from raylab.core.causes import merged
from raylab.core.design import Design
from raylab.core.lease_name import whose
from raylab.core.ledger import Ledger
from raylab.core.request import Request, SweepRecord
from raylab.core.schedule import flush_interval, slots, totals
from raylab.core.segment import Need, earlier_designs
from raylab.core.trial import trial_at
from raylab.errors import LabFenced, LabUnavailable, RaylabError, told
from raylab.notebook.file import FileInfo
from raylab.notebook.parameters import Parameters
from raylab.notebook.writer import Writer
from raylab.server.at_work import AtWork
from raylab.server.enlarging import see_to
from raylab.server.environments import Environments
from raylab.server.last_words import LastWords
from raylab.server.news import News
from raylab.server.pool import Ended
from raylab.server.recorder import Recorder
from raylab.server.surroundings import Surroundings
from raylab.server.sweeps import Sweeps
from raylab.worker.batch import Batch, Pending, asked, make_batch
from raylab.worker.lease import Header, LeaseOrder

log = logging.getLogger(__name__)

IDLE_S = 20.0
"""How long a lab that is shut down waits for its last rows to be written."""

LOOK_S = 2.0
"""How often the cluster's size is looked at. It is the last part of the time in which a dead host is missed: 12 s until
Ray says so (`terminal/settings.py`), and 2 s until the lab asks, are 14 s. One look costs some milliseconds."""


class Conductor:
    """One lab's sweeps, ledger and leases at work.

    Args:
        name: the lab's.
        writer: its notebook.
        user: who created the lab.
        surroundings: what the lab runs in.
    """

    def __init__(self, name: str, writer: Writer, user: str, surroundings: Surroundings) -> None:
        self.ledger = Ledger()
        self.news = News()
        self.nodes: list[Mapping[str, float]] = []
        self._totals: Mapping[str, float] = {}  # of what they have
        self.refusal: RaylabError | None = None  # why the lab cannot work: fenced, or its notebook cannot be opened
        self.opened = asyncio.Event()
        self.closing = False
        self.changing = asyncio.Lock()  # one change of sweeps at a time, as they came: none is overtaken by a later one
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._restarted = surroundings.restarted
        self.recorder = Recorder(
            writer,
            on_written=self._on_written,
            on_pressure=lambda high: self.happened(ev.PressureChanged(high=high)),
            on_fenced=self.fence,
            on_broken=lambda sweep, error: self.sweeps.break_off(sweep, error),
        )
        self.pool = surroundings.make_pool(self._on_lease, self.recorder.room)
        self._last_words = LastWords(self.pool.fetch, self.recorder.note)
        self.sweeps = Sweeps(
            name,
            user,
            writer,
            self.recorder,
            remember=surroundings.remember,
            hold=self.pool.hold,
            tell=self.happened,
            slots=self.fits,
            post=lambda sweep: self.news.post(sweep, urgent=True),
        )
        self.environments = Environments(self.sweeps, self.spawn)
        self.spawn(self._live())

    async def _live(self) -> None:
        """Open the notebook, take up its sweeps, then watch the cluster's size for ever."""
        try:
            await self.sweeps.open(restarted=await asyncio.to_thread(self._restarted))
            await self.look()
            await self.sweeps.find_all()
            log.info("the lab %r is open: %s", self.sweeps.name, self.sweeps.writer.place)
        except LabFenced as error:
            self.fence(error)
        except RaylabError as error:
            self.refusal = error
        except Exception as error:  # whatever it is, every call must say so: an empty lab would look like lost results
            log.exception("the lab could not start")
            self.refusal = LabUnavailable(
                f"the lab could not start: {told(error)}. Mend that, shut the lab down, attach again"
            )
        finally:
            self.opened.set()
        while self.refusal is None and not self.closing:
            try:
                await self.look()
                await self.sweeps.try_again()
            except LabFenced as error:
                self.fence(error)
            except Exception:  # a lab that does not look any more would see no node join
                log.exception("the lab met an error of its own")
            await asyncio.sleep(LOOK_S)

    # the cluster's size -----------------------------------------------------------------------------------------

    async def look(self) -> None:
        """See how large the cluster is now."""
        await self._count_nodes()
        queues = self.ledger.queues
        now = {key: self.fits(queue.record) for key, queue in queues.items() if not queue.complete}
        changed = {key: counts for key, counts in now.items() if queues[key].slots != counts}
        before, self._totals = self._totals, totals(self.nodes)
        if changed or self._totals != before:
            self.happened(ev.SlotsChanged(slots=changed, totals=self._totals))
            for key in changed:
                self.news.post(self.sweeps.of(key))

    async def _count_nodes(self) -> None:
        try:
            found = await asyncio.to_thread(self.pool.nodes)
            self.nodes = list(found.values())
            self.pool.keep_to(found)
        except Exception as error:  # the cluster does not say how large it is; it will again
            log.warning("the cluster's size is not known at the moment: %s", error)

    def fits(self, record: SweepRecord) -> dict[Need, int]:
        """How many trials of each class of a sweep the cluster could run at once, were it empty."""
        return {need: slots(self.nodes, record.policy.at(need).resources) for need in record.needs}

    # what happens, and what is done about it --------------------------------------------------------------------

    def happened(self, event: ev.Event, batch: Batch | None = None) -> None:
        """Tell the ledger, and carry out what it says, in order."""
        if isinstance(self.refusal, LabFenced):
            return
        for order in self.ledger.handle(event, asyncio.get_running_loop().time()):
            match order:
                case ev.Launch():
                    if not self.closing:
                        self._launch(order)
                case ev.Keep():
                    assert batch is not None
                    self.recorder.keep(self.sweeps.of(order.sweep), batch)
                case ev.Refuse():
                    log.warning("a batch of lease %s was dropped: %s", order.lease, order.reason)
                case ev.Stop():
                    self.pool.stop(order.lease)
                case ev.CountRun():
                    self.spawn(self._count_run(order, self.sweeps.of(order.sweep)))
                case ev.RecordDeath():
                    self.spawn(self._record_death(order, self.sweeps.of(order.sweep)))
                case ev.Pause():
                    sweep = self.sweeps.of(order.sweep)
                    self.spawn(self._note_pause(order, sweep))
                    self.news.post(sweep, urgent=True)
                case ev.Enlarge():
                    self.spawn(self._enlarge(self.sweeps.of(order.sweep)))
                case ev.Wake():
                    self._wake_at(order.at)
                case _:
                    raise TypeError(f"nobody carries out {order!r}")

    def _on_lease(self, lease: int, what: Header | Batch | Ended) -> None:
        key = self.ledger.sweep_of(lease)
        match what:
            case Batch():
                event = ev.BatchArrived(
                    lease=lease,
                    first=what.first,
                    count=what.count,
                    by_status=what.by_status,
                    busy_s=what.busy_s,
                    error=what.error,
                )
                self.happened(event, what)
                return
            case Header():
                if key is not None:
                    self.sweeps.of(key).where[lease] = what.node
                    self.environments.heard(self.sweeps.of(key), what)
                self.happened(ev.LeaseStarted(lease=lease))
            case Ended():
                if key is not None:
                    self.sweeps.of(key).where.pop(lease, None)
                if what.left is not None and key is not None:
                    self._last_words.ask(self.sweeps.of(key), what.left)
                self.happened(ev.LeaseEnded(lease=lease, end=what.end, detail=what.words, late_s=what.late_s))
        if key is not None:
            self.news.post(self.sweeps.of(key))

    def _on_written(self, sweep: AtWork, batches: Sequence[Batch], info: FileInfo) -> None:
        if not sweep.queued:
            return  # set aside, or broken, meanwhile
        sweep.rows += info.rows
        new = (each.counted(each.by_status) for batch in batches for each in batch.causes)
        sweep.causes = merged([*sweep.causes, *new])
        sweep.first_error = sweep.first_error or next((batch.error for batch in batches if batch.error), None)
        for batch in batches:
            event = ev.RowsCommitted(sweep=sweep.key, first=batch.first, count=batch.count, by_status=batch.by_status)
            self.happened(event)
        self._counted(sweep)

    def _counted(self, sweep: AtWork) -> None:
        """More of a sweep is ready, and it may be complete."""
        queue = self.ledger.queues[sweep.key]
        self.news.post(sweep, urgent=not queue.outstanding)
        if queue.complete:
            self.spawn(self.sweeps.put_away(sweep, queue.record.positions))

    def _launch(self, order: ev.Launch) -> None:
        sweep = self.sweeps.of(order.sweep)
        need = sweep.record.segments[order.segment].need
        lease = LeaseOrder(
            lease=order.lease,
            segment=order.segment,
            start=order.start,
            stop=order.stop,
            attempt=order.attempt,
            version=order.version,
            flush_s=flush_interval(self.ledger.queues[order.sweep].strands[need].slots),
            policy=sweep.record.policy.at(need),
            tried=sweep.record.policy.tried(need, "timed_out"),
            environments=self.environments.known,
            logs_full=sweep.table is not None and sweep.table.logs_full,
            of=whose(self.sweeps.name, sweep.name),
            positions=sweep.record.positions,
        )
        self.pool.launch(lease, sweep.package, sweep.record.modules)

    async def _note_pause(self, order: ev.Pause, sweep: AtWork) -> None:
        def lifted() -> bool:
            queue = self.ledger.queues.get(sweep.key)
            return queue is None or queue.pause_reason != order.reason

        row = Request(kind="paused", sweep=sweep.name, folder=sweep.key, body={"reason": order.reason})
        await self.sweeps.note(row, unless=lifted)
        self.news.post(sweep)

    async def _count_run(self, order: ev.CountRun, sweep: AtWork) -> None:
        body = {"position": order.position, "strikes": asdict(order.strikes)}
        await self.sweeps.note(Request(kind="ran_alone", sweep=sweep.name, folder=sweep.key, body=body))

    async def _enlarge(self, sweep: AtWork) -> None:
        """Have what had too little tried again with more; what the disk does not let happen now, later."""
        spent: Mapping[str, int] = {}
        try:
            async with self.changing:
                queue = self.ledger.queues.get(sweep.key)
                if queue is not None and queue.short and not queue.pause_reason:
                    spent = await see_to(self.sweeps, sweep, queue, self.nodes)
        except LabFenced:
            raise
        except RaylabError as error:
            log.warning("%s: nothing is tried again with more for now: %s", sweep.name, error)
            await asyncio.sleep(LOOK_S)
        self.happened(ev.ShortageSeen(sweep=sweep.key, spent=spent))
        if sweep.queued:
            self._counted(sweep)

    async def _record_death(self, order: ev.RecordDeath, sweep: AtWork) -> None:
        """The row of a trial that its process died with, written as any other batch."""
        table = sweep.table
        words = await self._last_words.of(sweep, order.position)
        if words.remark and order.status == "crashed":  # of the others it is known what ended them
            order = replace(order, error=f"{order.error}; {words.remark}")
        batch = await asyncio.to_thread(death_batch, sweep.record, order, words.printed)
        if sweep.table is table:  # else it was taken up afresh, and the trial waits again
            self.recorder.keep(sweep, batch)

    # the end ----------------------------------------------------------------------------------------------------

    async def retire(self) -> None:
        """End all work: what came is written, what runs is cancelled and will run again another day."""
        self.closing = True
        self.pool.stop_all()
        with contextlib.suppress(TimeoutError):  # a disk that takes nothing: what is in hand runs again another day
            await asyncio.wait_for(self._put_down(), IDLE_S)
        self.recorder.close()

    async def _put_down(self) -> None:
        await self.recorder.idle()
        for sweep in self.sweeps.in_force():
            await self.recorder.seal(sweep)

    def fence(self, error: LabFenced) -> None:
        """Another lab has the notebook: stop everything, for good."""
        if isinstance(self.refusal, LabFenced):
            return
        log.warning("%s", error)
        self.refusal = error
        self.pool.stop_all()
        for sweep in self.sweeps.in_force():
            self.news.post(sweep, urgent=True)

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
        self._timer = asyncio.get_running_loop().call_at(at, self.happened, ev.Ticked())


def death_batch(record: SweepRecord, order: ev.RecordDeath, printed: int | None = None) -> Batch:
    """The record of a trial that its process died with, having printed so many bytes."""
    segment, trial = trial_at(record, order.position)
    earlier = earlier_designs(record.segments, segment)
    pending = Pending(
        first=order.position,
        parameters=Parameters(Design.loads(segment.design), list(map(Design.loads, earlier)), partly=True),
        first_point=segment.first_point,
        since=0.0,
        epoch=time.time(),
        blocks=[trial],
        results=[{}],
        ended=[math.nan],
        failures={0: (order.status, order.error, None)},
        asked=asked(record.policy.at(segment.need)),
        unsaid=printed,
    )
    batch, _ = make_batch(pending, attempt=order.attempt, version=order.version, pid=0, busy_s=0.0)
    return batch
