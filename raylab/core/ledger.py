"""The ledger: which trials are asked for, out, in hand, recorded; what to do when something happens.

Rules of this file:

1. `handle(event, now)` is the only way to change the ledger. It returns instructions, to be carried out in order;
   what comes of them returns as events. No Ray, no disk, no clock: the same events give the same instructions.
2. A trial is ready only when `RowsCommitted` says so. A batch is kept only if its lease is out and the batch begins
   exactly where the lease's last one ended, so that however often a trial runs, one execution of it is recorded.
3. Positions of a lease are free again only when its stream has ended (`LeaseEnded`). `Stop` asks for that end.
4. A new ledger knows no lease of an older one; it starts from `SweepOpened`, whether just submitted or found on disk.
5. What names a lease or rows that are nobody's any more is no error: the shell is late by nature. To ask something of
   a sweep that is not open is one: it raises and changes nothing.
6. `check()` holds after every event, and tells the story of the last ones where it does not. What an event costs goes
   with the sweeps that have something to lease, and not with the finished ones, the leases that are out or the trials.
7. What requests say of a sweep follows one path: its record, with `SweepOpened` after a restart, `SweepChanged` live.

The states of a trial are drawn in `core/queue.py`; who gets the next lease is decided in `core/window.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from raylab.core import schedule
from raylab.core.deadlines import Deadlines
from raylab.core.events import (
    BatchArrived,
    CountRun,
    Death,
    Enlarge,
    Event,
    Instruction,
    Keep,
    Launch,
    LeaseEnded,
    LeaseStarted,
    Pause,
    PressureChanged,
    RecordDeath,
    Refuse,
    RowsCommitted,
    ShortageSeen,
    SlotsChanged,
    Stop,
    SweepChanged,
    SweepDropped,
    SweepOpened,
    SweepResumed,
    Ticked,
    Wake,
)
from raylab.core.lane import Place
from raylab.core.lease import Lease
from raylab.core.pace import Pace
from raylab.core.queue import Queue
from raylab.core.status import Counts, State, infeasible
from raylab.core.strikes import Strikes
from raylab.core.window import Window

STORY = 300
"""How many of the last events are kept, each with what came of it: some kB each, a few seconds of a busy lab."""


class Ledger:
    """The state of all sweeps of one lab, each under the folder of its results."""

    def __init__(self) -> None:
        self.queues: dict[str, Queue] = {}
        self._leases: dict[int, Lease] = {}
        self._last_lease = 0
        self._window = Window()
        self._pace = Pace()
        self._pressure = False
        self._wake: float | None = None  # the time we asked to be woken at
        self._deadlines = Deadlines()
        self._story: deque[tuple[float, Event, tuple[Instruction, ...]]] = deque(maxlen=STORY)

    def handle(self, event: Event, now: float) -> list[Instruction]:
        """Take note of an event; say what to do.

        Raises:
            KeyError: the event speaks of a sweep that is not open.
            ValueError: it opens a sweep that is open already.
        """
        orders = self._handle(event, now)
        if not self._pressure:
            orders += self._stop([*self._deadlines.overdue(now), *self._window.in_the_way(now)])
            orders += self._launches(now)
        self._story.append((now, event, tuple(orders)))
        return orders

    def _handle(self, event: Event, now: float) -> list[Instruction]:
        match event:
            case BatchArrived():
                return self._on_batch(event, now)
            case RowsCommitted():
                return self._on_committed(event)
            case LeaseStarted():
                return self._on_started(event, now)
            case LeaseEnded():
                return self._on_ended(event, now)
            case SlotsChanged():
                return self._on_slots(event)
            case ShortageSeen():
                return self._on_shortage_seen(event)
            case PressureChanged():
                return self._on_pressure(event, now)
            case Ticked():
                self._wake = None
                return []
            case SweepOpened():
                return self._on_opened(event)
            case SweepChanged():
                return self._on_changed(event)
            case SweepResumed():
                return self._on_resumed(event)
            case SweepDropped():
                return self._on_dropped(event)
            case _:
                raise TypeError(f"the ledger knows no event {event!r}")

    def story(self) -> list[str]:
        """The last events in a line each, with what was to be done about them."""
        return [f"{now:12.3f}  {event}  ->  {', '.join(map(str, orders)) or '-'}" for now, event, orders in self._story]

    # sweeps come and go -----------------------------------------------------------------------------------------

    def _on_opened(self, event: SweepOpened) -> list[Instruction]:
        if event.sweep in self.queues:
            raise ValueError(f"the sweep {event.sweep!r} is open already")
        queue = Queue(event.record, slots=event.slots)
        queue.restore(event.recorded, event.by_status, event.seconds, event.error)
        self.queues[event.sweep] = queue
        return [*self._judge(event.sweep), *self._settle(event.sweep)]

    def _on_changed(self, event: SweepChanged) -> list[Instruction]:
        """Leases that have not begun were asked for with the old code, or under the old policy, which may never be
        satisfied. Those that have begun end by themselves, unless nobody wants what they bring."""
        queue = self.queues[event.sweep]
        before, now = queue.record, event.record
        queue.change(now)
        queue.resize(event.slots)
        for strand in queue.strands.values():
            limit = now.policy.at(strand.need).time_limit
            for lease in strand.leases.values():
                self._deadlines.file(lease, limit, strand.slots)
        orders = [*self._judge(event.sweep), *self._settle(event.sweep)]
        if queue.cancelled:
            return [*orders, *self._stop_all(queue)]
        asked = (before.policy.of_trials, before.versions)
        if queue.pause_reason or (now.policy.of_trials, now.versions) != asked:
            return [*orders, *self._withdraw(queue)]
        return [*orders, *self._stop(queue.excess)]

    def _on_resumed(self, event: SweepResumed) -> list[Instruction]:
        self.queues[event.sweep].resume()
        return self._settle(event.sweep)

    def _on_dropped(self, event: SweepDropped) -> list[Instruction]:
        queue = self.queues[event.sweep]
        orders = self._stop_all(queue)
        del self.queues[event.sweep]
        self._window.drop(event.sweep, queue)
        for ident in queue.leases:
            self._deadlines.drop(ident)
            del self._leases[ident]  # from now on its batches are refused and its end is no news
        return orders

    def _on_slots(self, event: SlotsChanged) -> list[Instruction]:
        if event.totals:
            self._window.resize(event.totals)
        known = [sweep for sweep in event.slots if sweep in self.queues]
        for sweep in known:
            self.queues[sweep].resize(event.slots[sweep])
        orders: list[Instruction] = []
        for sweep in self.queues if event.totals else known:
            self._window.file(sweep, self.queues[sweep])
            orders += self._stop(self.queues[sweep].excess)  # a class that no node could run may run now
            orders += self._look(sweep)
        return orders

    def _on_pressure(self, event: PressureChanged, now: float) -> list[Instruction]:
        self._pressure = event.high
        if not event.high:  # nothing was taken meanwhile, so silence says nothing
            for queue in self.queues.values():
                queue.wait_anew(now)
        return []

    # leases come and go -----------------------------------------------------------------------------------------

    def _on_started(self, event: LeaseStarted, now: float) -> list[Instruction]:
        """A suspect's run counts as soon as it begins: the lab may die with it a moment later."""
        lease = self._leases.get(event.lease)
        if lease is None:
            return []
        queue = self.queues[lease.sweep]
        if queue.begin(lease, now) and lease.alone and not lease.ending:
            return [CountRun(sweep=lease.sweep, position=lease.start, strikes=queue.strikes[lease.start])]
        return []

    def _on_batch(self, event: BatchArrived, now: float) -> list[Instruction]:
        lease = self._leases.get(event.lease)
        if lease is None or self.queues[lease.sweep].cancelled:
            return [Refuse(lease=event.lease, reason="no such lease is out")]
        if event.first != lease.next or not 1 <= event.count <= lease.left:
            batch, rest = f"[{event.first}, {event.first + event.count})", f"[{lease.next}, {lease.stop})"
            return [Refuse(lease=event.lease, reason=f"positions {batch} do not go on where {rest} begins")]
        queue = self.queues[lease.sweep]
        queue.accept(lease, event.count, event.busy_s, now)
        keep = Keep(lease=lease.ident, sweep=lease.sweep, first=event.first, count=event.count)
        queue.came(event.by_status, event.error)
        return [keep, *self._judge(lease.sweep)]

    def _on_committed(self, event: RowsCommitted) -> list[Instruction]:
        queue = self.queues.get(event.sweep)
        if queue is None:
            return []
        queue.commit(event.first, event.count, event.by_status)
        return self._look(event.sweep)

    def _on_shortage_seen(self, event: ShortageSeen) -> list[Instruction]:
        queue = self.queues.get(event.sweep)
        if queue is None:
            return []
        queue.shortage.looked(event.spent)
        return [*self._judge(event.sweep), *self._look(event.sweep)]

    def _on_ended(self, event: LeaseEnded, now: float) -> list[Instruction]:
        lease = self._leases.pop(event.lease, None)
        self._deadlines.drop(event.lease)
        if lease is None:
            return []
        queue = self.queues[lease.sweep]
        old = lease.version != queue.record.version  # what it died of may be mended
        if not lease.left or lease.ending or old or event.end in ("lost", "stopped"):
            queue.give_back(lease)
        elif event.end == "environment" or not lease.began:
            queue.give_back(lease)
            queue.fail(event.detail or "a worker process ended before its first trial", now)
        elif event.end != "out_of_memory" and queue.outlived(lease, now - event.late_s):
            return self._time_out(queue, lease)
        else:
            queue.split(lease, out_of_memory=event.end == "out_of_memory")
        return self._settle(lease.sweep, event.detail)

    def _time_out(self, queue: Queue, lease: Lease) -> list[Instruction]:
        queue.give_up_last(lease)
        error = (
            f"it took longer than its time limit of {lease.time_limit:g} s and could not be interrupted, so its "
            f"process was ended{queue.tried(lease.next, 'timed_out')}"
        )
        return [*self._bury(lease.sweep, lease.next, "timed_out", error), *self._settle(lease.sweep)]

    # what follows -----------------------------------------------------------------------------------------------

    def _settle(self, sweep: str, last_words: str = "") -> list[Instruction]:
        """Judge the sweep's new suspects, if it is to go on, and file it: they run alone, unless they did too often."""
        queue = self.queues[sweep]
        orders: list[Instruction] = []
        while queue.suspects and not queue.cancelled and not queue.pause_reason:
            position = queue.suspects.pop(0)
            held = queue.strikes.get(position, Strikes())
            status: Death = "out_of_memory" if held.out_of_memory else "crashed"
            if held.enough or queue.grows(queue.segment(position).need, status):  # more memory helps, no other try does
                queue.give_up(position)
                orders += self._bury(sweep, position, status, _crash(held, last_words) + queue.tried(position, status))
            else:
                queue.run_alone(position)
        self._window.file(sweep, queue)
        return [*orders, *self._look(sweep)]

    def _look(self, sweep: str) -> list[Instruction]:
        """Have somebody see to what had too little, if it is time."""
        queue = self.queues[sweep]
        if not queue.look_due:
            return []
        queue.shortage.looking = True
        return [Enlarge(sweep=sweep)]

    def _bury(self, sweep: str, position: int, status: Death, error: str) -> list[Instruction]:
        """Record a trial that its process died with."""
        queue = self.queues[sweep]
        record = RecordDeath(
            sweep=sweep,
            position=position,
            attempt=queue.last_attempt(position),
            status=status,
            error=error,
            version=queue.record.version,
        )
        queue.came({status: 1}, error)
        return [record, *self._judge(sweep)]

    def _judge(self, sweep: str) -> list[Instruction]:
        """Pause the sweep, if too much of it failed."""
        queue = self.queues[sweep]
        if not queue.judge():
            return []
        self._window.file(sweep, queue)
        return [Pause(sweep=sweep, reason=queue.pause_reason), *self._withdraw(queue)]

    def _stop_all(self, queue: Queue) -> list[Instruction]:
        return self._stop(queue.leases.values())

    def _withdraw(self, queue: Queue) -> list[Instruction]:
        return self._stop(lease for lease in queue.leases.values() if not lease.began)

    def _stop(self, leases: Iterable[Lease]) -> list[Instruction]:
        going = [lease for lease in leases if not lease.ending]
        for lease in going:
            self.queues[lease.sweep].stop(lease)
        return [Stop(lease=lease.ident) for lease in going]

    def _launches(self, now: float) -> Iterator[Instruction]:
        """Fill the window, no faster than the lab can follow."""
        place = self._window.next(now)
        while place is not None and self._pace.opens <= now:
            yield self._launch(place, now)
            self._pace.spend(now, self._window.line)
            place = self._window.next(now)
        at = self._window.wake(now) if place is None else self._pace.wake
        times = [time for time in (at, self._deadlines.wake()) if time is not None]
        if times and min(times) != self._wake:
            self._wake = min(times)
            yield Wake(at=self._wake)

    def _launch(self, place: Place, now: float) -> Launch:
        queue = self.queues[place.sweep]
        strand = queue.strands[place.need]
        self._last_lease += 1
        length = schedule.lease_length(
            waiting=strand.available,
            slots=queue.width(strand),
            seconds=strand.pace.expected(now, queue.width(strand)),
            longest=strand.pace.longest,
            load=self._window.load(place),
        )
        lease = queue.take(strand, self._last_lease, place.sweep, length)
        self._leases[lease.ident] = lease
        self._window.file(place.sweep, queue)
        return Launch(
            lease=lease.ident,
            sweep=place.sweep,
            segment=lease.segment,
            start=lease.start,
            stop=lease.stop,
            attempt=queue.next_attempt(lease.start),
            version=lease.version,
        )

    # asking -----------------------------------------------------------------------------------------------------

    def counts(self, sweep: str) -> Counts:
        """The sweep in numbers."""
        queue = self.queues[sweep]
        done, ready = queue.by_status["done"], queue.ready
        rest = queue.total - ready - queue.running
        return Counts(
            total=queue.total,
            done=done,
            failed=ready - done,
            cancelled=rest if queue.cancelled else 0,
            running=queue.running,
            waiting=0 if queue.cancelled else rest,
            retrying=0 if queue.cancelled else queue.retrying,
            by_status=dict(sorted((queue.by_status - queue.short).items())),
            eta_s=self._eta(sweep),
        )

    def _eta(self, name: str) -> float | None:
        queue = self.queues[name]
        if not queue.outstanding:
            return 0.0
        if queue.cancelled or queue.pause_reason:
            return None
        if not any(strand.left for strand in queue.strands.values()):
            return None  # all is recorded, and some is tried again
        found = 0.0  # the strands take their time one after the other
        for strand in queue.strands.values():
            if strand.left and (strand.pace.seconds is None or strand.slots < 1):
                return None
            if strand.left and strand.pace.seconds is not None:
                share = self._window.share(Place(name, strand.need))
                if not share:
                    return None  # when its turn comes, nobody knows
                found += strand.left * strand.pace.seconds / max(1.0, min(strand.slots * share, queue.most))
        return found

    def standing(self, sweep: str) -> tuple[State, str]:
        """The sweep's state as a word and a reason, as far as the queue knows."""
        queue = self.queues[sweep]
        if queue.complete:
            return "ready", ""
        if queue.cancelled:
            return "cancelled", "cancelled; resume() or submitting it again goes on"
        if queue.pause_reason:
            return "paused", queue.pause_reason
        left = [strand for strand in queue.strands.values() if strand.left]
        stuck = [strand.need for strand in left if strand.slots < 1]
        if stuck and len(stuck) == len(left):
            return "infeasible", infeasible(queue.record, stuck)
        return "running", queue.trouble or (infeasible(queue.record, stuck) if stuck else "")

    def sweep_of(self, lease: int) -> str | None:
        """The sweep of a lease that is out."""
        found = self._leases.get(lease)
        return found.sweep if found else None

    def check(self) -> None:
        """State the invariants, and tell the story where one does not hold (for tests)."""
        try:
            self._check()
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), "the story:", *self.story()])) from error

    def _check(self) -> None:
        out: dict[int, Lease] = {}
        for name, queue in self.queues.items():
            queue.check()
            out |= queue.leases
            assert all(lease.sweep == name for lease in queue.leases.values())
            assert not queue.cancelled or all(each.ending for each in queue.leases.values())
            assert not queue.pause_reason or all(each.ending or each.began for each in queue.leases.values())
            assert not queue.excess, "more is out than may be"
            assert queue.cancelled or queue.pause_reason or not queue.suspects, "suspects are judged at once"
            counts = self.counts(name)
            assert counts.total == counts.ready + counts.cancelled + counts.outstanding, counts
        assert self._leases == out
        self._deadlines.check(out)
        self._window.check(self.queues)


def _crash(held: Strikes, last_words: str) -> str:
    """Why a trial is recorded as crashed, or out of memory."""
    if held.deaths >= schedule.STRIKES:
        why = f"its worker process died {held.deaths} times while it ran alone"
    elif held.deaths == held.runs == 1:
        why = "its worker process died while it ran alone"
    else:
        why = f"it ran alone {held.runs} times, and each time its worker process or the whole lab died"
    return f"{why}; the last time: {last_words}" if last_words else why
