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
from collections.abc import Callable, Coroutine
from typing import Any

from raylab.core import events as ev
from raylab.core.design import Design
from raylab.core.ledger import Ledger
from raylab.core.order import Order
from raylab.core.request import Request, Segment, SweepRecord
from raylab.core.schedule import flush_interval, slots
from raylab.core.summary import Summary
from raylab.errors import LabFenced, LabUnavailable, RaylabError, told
from raylab.notebook.parameters import Parameters
from raylab.notebook.writer import Writer
from raylab.server.news import Bulletin
from raylab.server.pool import Pool
from raylab.server.recorder import Recorder, Written
from raylab.server.register import Register
from raylab.worker.batch import Batch, Pending, make_batch, trials_at
from raylab.worker.lease import LeaseOrder
from raylab.worker.threads import named

log = logging.getLogger(__name__)

IDLE_S = 20.0
"""How long a lab that is shut down waits for its last rows to be written."""

LOOK_S = 2.0
"""How often the cluster's size is looked at. It is the last part of the time in which a dead host is missed: 12 s until
Ray says so (`terminal/settings.py`), and 2 s until the lab asks, are 14 s. One look costs some milliseconds."""


class Conductor:
    """One lab's register, ledger and leases at work.

    Args:
        name: the lab's.
        writer: its notebook.
        user: who created the lab.
        restarted: tells whether this lab was started again by itself, and nobody asked for it.
        make_pool: what runs the leases.
    """

    def __init__(
        self,
        name: str,
        writer: Writer,
        user: str,
        *,
        restarted: Callable[[], bool],
        make_pool: Callable[..., Pool] = Pool,
    ) -> None:
        self.ledger = Ledger()
        self.bulletin = Bulletin()
        self.nodes: list[dict[str, float]] = []
        self.refusal: RaylabError | None = None  # why the lab cannot work: fenced, or its notebook cannot be opened
        self.opened = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.closing = False
        self._restarted = restarted
        self.recorder = Recorder(
            writer,
            on_written=self._on_written,
            on_pressure=lambda high: self.happened(ev.PressureChanged(high=high)),
            on_fenced=self.fence,
            on_broken=self._on_broken,
        )
        self.pool = make_pool(
            on_ready=lambda lease: self._on_lease(ev.LeaseReady(lease=lease)),
            on_header=lambda lease, _: self._on_lease(ev.LeaseStarted(lease=lease)),
            on_batch=self._on_batch,
            on_end=lambda lease, end, words: self._on_lease(ev.LeaseEnded(lease=lease, end=end, detail=words)),
            room=self.recorder.room,
        )
        self.register = Register(name, user, writer, self.recorder, self.pool.hold)
        self.spawn(self._live())

    # opening ----------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        """Open the notebook, take up its sweeps, then watch the cluster's size for ever."""
        try:
            await self.register.open(restarted=await asyncio.to_thread(self._restarted))
            await self._count_nodes()
            found = await self.register.glance()
            for name in list(self.register.sweeps):
                await self._find(name, found.get(name))
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
        while self.refusal is None:
            try:
                await self.look()
                await self._try_again()
            except Exception:  # a lab that does not look any more would see no node join
                log.exception("the lab met an error of its own")
            await asyncio.sleep(LOOK_S)

    async def _try_again(self) -> None:
        """Take up the sweeps that the disk did not give, should it give them now."""
        for name in list(self.register.unreadable):
            try:
                await self._find(name, None)
            except LabFenced as error:
                self.fence(error)
            self.bulletin.post(name)

    async def _count_nodes(self) -> None:
        try:
            found = await asyncio.to_thread(self.pool.nodes)
            self.nodes = list(found.values())
            self.pool.keep_to(found)
        except Exception as error:  # the cluster does not say how large it is; it will again
            log.warning("the cluster's size is not known at the moment: %s", error)

    async def _find(self, name: str, found: Summary | None) -> None:
        """Take up a sweep that was there when the lab started; its table is opened only if there is work left."""
        found = found or await self.register.survey(name)
        if found is None or name in self.ledger.queues or self.register.is_taken(name):  # submitted again meanwhile
            return
        sweep = self.register.sweeps[name]
        if found.recorded == sweep.total or sweep.cancelled:
            self._take_up(name, found)
        else:
            await self.activate(name)

    async def activate(self, name: str) -> None:
        """Let a sweep's trials be leased."""
        found = await self.register.take(name)
        if found is not None:
            self._take_up(name, found)
        else:
            self.bulletin.post(name, urgent=True)

    async def resume(self, name: str) -> None:
        """It was submitted again: what was paused or cancelled goes on."""
        queue = self.ledger.queues.get(name)
        if self.register.is_taken(name):
            if queue is not None:
                self.happened(ev.SweepResumed(sweep=name))
        elif queue is None or queue.recorded.count < queue.total:
            await self.activate(name)

    def change_policy(self, name: str) -> None:
        """Its policy in the register is another one than before."""
        if name in self.ledger.queues:
            policy = self.register.sweeps[name].policy
            fits = slots(self.nodes, policy.resources)
            self.happened(ev.PolicyChanged(sweep=name, slots=fits, time_limit=policy.time_limit))

    def _take_up(self, name: str, found: Summary) -> None:
        sweep = self.register.sweeps[name]
        self.forget(name)
        event = ev.SweepOpened(
            sweep=name,
            total=sweep.total,
            group=sweep.modules or "",
            recorded=tuple(found.positions),
            by_status=found.by_status,
            seconds=found.seconds,
            strikes=sweep.strikes,
            cancelled=sweep.cancelled,
            paused=sweep.paused,
            time_limit=sweep.policy.time_limit,
            slots=slots(self.nodes, sweep.policy.resources),
        )
        self.happened(event)
        self.bulletin.post(name, urgent=True)

    def forget(self, name: str) -> None:
        """Drop what is known of a sweep that is replaced or taken up afresh."""
        if name in self.ledger.queues:
            self.happened(ev.SweepReplaced(sweep=name))

    async def look(self) -> None:
        """See how large the cluster is now."""
        await self._count_nodes()
        queues = self.ledger.queues
        open_ones = [name for name, queue in queues.items() if queue.recorded.count < queue.total]
        now = {name: slots(self.nodes, self.register.sweeps[name].policy.resources) for name in open_ones}
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
        for order in self.ledger.handle(event, asyncio.get_running_loop().time()):
            match order:
                case ev.Launch():
                    if not self.closing:
                        self._launch(order)
                case ev.Keep():
                    assert batch is not None
                    if batch.error:
                        self.register.first_errors.setdefault(order.sweep, batch.error)
                    self.recorder.keep(self.register.sweeps[order.sweep].folder, batch)
                case ev.Refuse():
                    log.warning("a batch of lease %s was dropped: %s", order.lease, order.reason)
                case ev.Stop():
                    self.pool.stop(order.lease)
                case ev.Go():
                    self.pool.go(order.lease)
                case ev.NoteStrike():
                    self.spawn(self._note_strike(order, self.register.sweeps[order.sweep].folder))
                case ev.RecordDeath():
                    self.spawn(self._record_death(order, self.register.sweeps[order.sweep]))
                case ev.Pause():
                    self.spawn(self._note_pause(order, self.register.sweeps[order.sweep].folder))
                    self.bulletin.post(order.sweep, urgent=True)
                case ev.Wake():
                    self._wake_at(order.at)
                case _:
                    raise TypeError(f"nobody carries out {order!r}")

    def _on_lease(self, event: ev.LeaseReady | ev.LeaseStarted | ev.LeaseEnded) -> None:
        name = self.ledger.sweep_of(event.lease)
        self.happened(event)
        if name is not None:
            self.bulletin.post(name)

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
        name = self.register.written(written)
        if name is None:
            return  # replaced meanwhile
        for batch in written.batches:
            event = ev.RowsCommitted(sweep=name, first=batch.first, count=batch.count, by_status=batch.by_status)
            self.happened(event)
        queue = self.ledger.queues.get(name)
        self.bulletin.post(name, urgent=queue is not None and not queue.outstanding)
        if queue is not None and queue.recorded.count == queue.total:
            self.spawn(self.register.put_away(written.folder))

    def _on_broken(self, folder: str, error: Exception) -> None:
        name = self.register.name_of(folder)
        if name is not None:
            self.register.break_off(name, error)
            self.forget(name)
            self.register.release(folder)
            self.bulletin.post(name, urgent=True)

    def _launch(self, order: ev.Launch) -> None:
        sweep = self.register.sweeps[order.sweep]
        lease = LeaseOrder(
            lease=order.lease,
            start=order.start,
            stop=order.stop,
            flush_s=flush_interval(self.ledger.queues[order.sweep].slots),
            retries=sweep.policy.retries,
            time_limit=sweep.policy.time_limit,
            deaths=order.deaths,
            alone=order.alone,
            threads=max(1, int(sweep.policy.resources.get("CPU", 0))),
            own_threads=named(sweep.policy.runtime_env.get("env_vars", {})),
        )
        self.pool.launch(lease, self.register.packages[sweep.folder], sweep.policy, sweep.modules)

    async def _note_pause(self, order: ev.Pause, folder: str) -> None:
        def lifted() -> bool:
            queue = self.ledger.queues.get(order.sweep)
            return queue is None or queue.pause_reason != order.reason

        row = Request(kind="paused", sweep=order.sweep, folder=folder, reason=order.reason)
        await self.register.note(row, unless=lifted)

    async def _note_strike(self, order: ev.NoteStrike, folder: str) -> None:
        position = order.position
        row = Request(kind="strike", sweep=order.sweep, folder=folder, position=position, strikes=order.strikes)
        await self.register.note(row)
        if self.register.sweeps[order.sweep].folder == folder:  # else it was replaced meanwhile
            self.happened(ev.StrikeNoted(sweep=order.sweep, position=position))

    async def _record_death(self, order: ev.RecordDeath, sweep: SweepRecord) -> None:
        """The row of a trial that its process died with, written as any other batch."""
        self.register.first_errors.setdefault(order.sweep, order.error)
        held = self.recorder.tables.get(sweep.folder)
        batch = await asyncio.to_thread(death_batch, sweep.segment, order)
        if self.recorder.tables.get(sweep.folder) is held:  # else it was taken up afresh, and the trial waits again
            self.recorder.keep(sweep.folder, batch)

    async def retire(self) -> None:
        """End all work: what came is written, what runs is cancelled and will run again another day."""
        self.closing = True
        self.pool.stop_all()
        with contextlib.suppress(TimeoutError):  # a disk that takes nothing: what is in hand runs again another day
            await asyncio.wait_for(self._put_down(), IDLE_S)
        self.recorder.close()

    async def _put_down(self) -> None:
        await self.recorder.idle()
        for folder in list(self.recorder.tables):
            await self.recorder.seal(folder)

    def fence(self, error: LabFenced) -> None:
        """Another lab has the notebook: stop everything, for good."""
        if isinstance(self.refusal, LabFenced):
            return
        log.warning("%s", error)
        self.refusal = error
        self.pool.stop_all()
        for name in self.register.sweeps:
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
        self._timer = asyncio.get_running_loop().call_at(at, self.happened, ev.Ticked())


def death_batch(segment: Segment, order: ev.RecordDeath) -> Batch:
    """The record of a trial that its process died with."""
    run = Order(segment.order, segment.total, segment.key)
    _, points, repeats, own_seeds = trials_at(segment, run, order.position, order.position + 1)
    pending = Pending(
        first=order.position,
        parameters=Parameters(Design.loads(segment.design)),
        first_point=segment.first_point,
        since=0.0,
        epoch=time.time(),
        blocks=[(points, repeats, own_seeds)],
        results=[{}],
        ended=[math.nan],
        failures={0: (order.status, order.error, None)},
    )
    batch, _ = make_batch(pending, attempt=order.attempts, pid=0, busy_s=0.0)
    return batch
