"""The ledger: which trials are asked for, out, in hand, recorded; what to do when something happens.

Rules of this file:

1. `handle(event, now)` is the only way to change the ledger. It returns instructions, to be carried out in order;
   what comes of them returns as events. No Ray, no disk, no clock: the same events give the same instructions.
2. A trial is ready only when `RowsCommitted` says so. A batch is kept only if its lease is out and the batch begins
   exactly where the lease's last one ended, so that however often a trial runs, one execution of it is recorded.
3. Positions of a lease are free again only when its stream has ended (`LeaseEnded`). `Stop` asks for that end.
4. A new ledger knows no lease of an older one; it starts from `SweepOpened`, whether just submitted or found on disk.
5. `check()` holds after every event.

The states of a trial are drawn in `core/queue.py`; `docs/architecture.md` shows them with the order of the promises.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from raylab.core import plan
from raylab.core.events import (
    BatchArrived,
    Event,
    Instruction,
    Keep,
    Launch,
    LeaseEnded,
    LeaseStarted,
    NoteStrike,
    Pause,
    PressureChanged,
    RecordCrash,
    Refuse,
    RowsCommitted,
    SlotsChanged,
    Stop,
    StrikeNoted,
    SweepCancelled,
    SweepOpened,
    SweepReplaced,
    SweepResumed,
    Ticked,
    Wake,
)
from raylab.core.queue import Lease, Queue


class Ledger:
    """The state of all sweeps of one lab.

    Example:
        >>> from raylab.core.events import SweepOpened
        >>> ledger = Ledger()
        >>> ledger.handle(SweepOpened(sweep="coarse", total=10, slots=1), now=0.0)
        [Launch(lease=1, sweep='coarse', start=0, stop=1, deaths=0), Launch(lease=2, sweep='coarse', start=1, stop=2, deaths=0)]
    """

    def __init__(self) -> None:
        self.queues: dict[str, Queue] = {}
        self._leases: dict[int, Lease] = {}
        self._last_lease = 0
        self._pressure = False
        self._turn = ""  # the group whose sweeps have the slots now
        self._turn_since = float("-inf")

    def handle(self, event: Event, now: float) -> list[Instruction]:
        """Take note of an event; say what to do."""
        match event:
            case SweepOpened():
                orders = self._on_opened(event)
            case SweepResumed():
                orders = self._on_resumed(event)
            case SweepCancelled():
                orders = self._on_cancelled(event)
            case SweepReplaced():
                orders = self._on_replaced(event)
            case SlotsChanged():
                orders = self._on_slots(event)
            case PressureChanged():
                self._pressure, orders = event.high, []
            case LeaseStarted():
                orders = self._on_started(event)
            case BatchArrived():
                orders = self._on_batch(event)
            case RowsCommitted():
                orders = self._on_committed(event)
            case LeaseEnded():
                orders = self._on_ended(event, now)
            case StrikeNoted():
                orders = self._on_noted(event)
            case Ticked():
                orders = []
            case _:
                raise TypeError(f"the ledger knows no event {event!r}")
        return [*orders, *self._launches(now)]

    # events -----------------------------------------------------------------------------------------------------

    def _on_opened(self, event: SweepOpened) -> list[Instruction]:
        if event.sweep in self.queues:
            raise ValueError(f"the sweep {event.sweep!r} is open already")
        queue = Queue(event.total, group=event.group, slots=event.slots, cancelled=event.cancelled)
        queue.restore(event.recorded, event.by_status, event.strikes)
        queue.seed_measurement(event.seconds, queue.recorded.count)
        queue.pause_reason = event.paused
        self.queues[event.sweep] = queue
        orders: list[Instruction] = []
        for position in [p for p, deaths in queue.strikes.items() if deaths >= plan.STRIKES]:
            del queue.noted[position]
            queue.in_hand.add(position, position + 1)
            detail = "the lab ended while this trial ran alone for the last time"
            orders.append(self._crash(event.sweep, position, queue.strikes[position], detail))
        return [*orders, *self._notes(event.sweep)]

    def _on_resumed(self, event: SweepResumed) -> list[Instruction]:
        self.queues[event.sweep].resume()
        return self._notes(event.sweep)

    def _on_cancelled(self, event: SweepCancelled) -> list[Instruction]:
        queue = self.queues[event.sweep]
        queue.cancelled = True
        return self._stop_all(queue)

    def _on_replaced(self, event: SweepReplaced) -> list[Instruction]:
        queue = self.queues.pop(event.sweep)
        return self._stop_all(queue)

    def _on_slots(self, event: SlotsChanged) -> list[Instruction]:
        for sweep, slots in event.slots.items():
            if sweep in self.queues:
                self.queues[sweep].slots = slots
        return []

    def _on_started(self, event: LeaseStarted) -> list[Instruction]:
        lease = self._leases.get(event.lease)
        if lease is not None:
            lease.started = True
        return []

    def _on_batch(self, event: BatchArrived) -> list[Instruction]:
        lease = self._leases.get(event.lease)
        queue = self._queue_of(lease)
        if lease is None or queue is None or queue.cancelled:
            return [Refuse(lease=event.lease, reason="no such lease is out")]
        if event.first != lease.next or event.count < 1 or event.first + event.count > lease.stop:
            reason = (
                f"positions {event.first}+{event.count} do not follow {lease.next} of [{lease.start}, {lease.stop})"
            )
            return [Refuse(lease=event.lease, reason=reason)]
        lease.started = True
        queue.accept(lease, event.count, event.busy_s)
        orders: list[Instruction] = [Keep(lease=lease.ident, sweep=lease.sweep, first=event.first, count=event.count)]
        if queue.judge(event.by_status, event.error):
            orders.append(Pause(sweep=lease.sweep, reason=queue.pause_reason))
            orders += self._stop_all(queue)
        return orders

    def _on_committed(self, event: RowsCommitted) -> list[Instruction]:
        queue = self.queues.get(event.sweep)
        if queue is not None:
            queue.commit(event.first, event.count, event.by_status)
        return []

    def _on_ended(self, event: LeaseEnded, now: float) -> list[Instruction]:
        lease = self._leases.pop(event.lease, None)
        queue = self._queue_of(lease)
        if lease is None or queue is None:
            return []
        complete = lease.next == lease.stop
        if complete or lease.stopping or event.end in ("lost", "stopped"):
            queue.give_back(lease)
        elif event.end == "environment" or not lease.started:
            queue.give_back(lease)
            queue.troubles += 1
            queue.trouble = event.detail or "a worker process ended before its first trial"
            queue.not_before = now + plan.backoff(queue.troubles)
        else:
            crashed = queue.split(lease)
            if crashed is not None:
                position, deaths = crashed
                return [self._crash(lease.sweep, position, deaths, event.detail)]
        return self._notes(lease.sweep)

    def _on_noted(self, event: StrikeNoted) -> list[Instruction]:
        queue = self.queues.get(event.sweep)
        if queue is not None and event.position in queue.noted:
            queue.noted[event.position] = True
        return []

    # pieces -----------------------------------------------------------------------------------------------------

    def _queue_of(self, lease: Lease | None) -> Queue | None:
        """The lease's queue, unless the sweep was replaced since."""
        queue = self.queues.get(lease.sweep) if lease else None
        return queue if queue is not None and lease is not None and queue.leases.get(lease.ident) is lease else None

    def _stop_all(self, queue: Queue) -> list[Instruction]:
        orders: list[Instruction] = []
        for lease in queue.leases.values():
            if not lease.stopping:
                lease.stopping = True
                orders.append(Stop(lease=lease.ident))
        return orders

    def _crash(self, sweep: str, position: int, deaths: int, detail: str) -> RecordCrash:
        error = (
            f"its worker process died {deaths} times while it ran alone; the last time: {detail or 'no reason given'}"
        )
        return RecordCrash(sweep=sweep, position=position, attempts=deaths, error=error)

    def _notes(self, sweep: str) -> list[Instruction]:
        """A row for each suspect before it runs alone, so that its strike counts even if the lab dies with it."""
        queue = self.queues[sweep]
        if queue.cancelled:
            return []
        return [
            NoteStrike(sweep=sweep, position=position, strikes=queue.strikes.get(position, 0) + 1)
            for position in queue.unnoted
        ]

    # launching --------------------------------------------------------------------------------------------------

    def _launches(self, now: float) -> Iterator[Instruction]:
        """Fill the window of leases in flight, sharing the slots between the sweeps that want some."""
        if self._pressure:
            return
        while True:
            ready = {name: queue for name, queue in self.queues.items() if self._wants(queue, now)}
            name = self._next_sweep(ready, now)
            if name is None:
                break
            yield self._launch(name)
        later = [
            q.not_before for q in self.queues.values() if q.not_before > now and q.available and not q.pause_reason
        ]
        if self._turn_over_at(now):
            later.append(self._turn_since + plan.TURN_S)
        if later:
            yield Wake(at=min(later))

    def _wants(self, queue: Queue, now: float) -> bool:
        if queue.cancelled or queue.pause_reason or now < queue.not_before or not queue.available:
            return False
        if queue.slots < 1:  # infeasible: one lease stands in Ray's queue, so that an autoscaler sees the demand
            return not queue.leases
        return True

    def _next_sweep(self, ready: dict[str, Queue], now: float) -> str | None:
        infeasible = [name for name, queue in ready.items() if queue.slots < 1]
        if infeasible:
            return infeasible[0]
        if not ready or self.load() > plan.WINDOW - 1e-9:
            return None
        groups = {queue.group for queue in ready.values()}
        if self._turn not in groups or (len(groups) > 1 and now >= self._turn_since + plan.TURN_S):
            self._turn = self._next_group(groups)
            self._turn_since = now
        return min(
            (name for name, queue in ready.items() if queue.group == self._turn),
            key=lambda name: (len(ready[name].leases) / ready[name].slots, name),
        )

    def _next_group(self, groups: set[str]) -> str:
        """Round robin by name."""
        after = sorted(group for group in groups if group > self._turn)
        return after[0] if after else min(groups)

    def _turn_over_at(self, now: float) -> bool:
        groups = {queue.group for queue in self.queues.values() if queue.slots >= 1 and self._wants(queue, now)}
        return len(groups) > 1 and self._turn_since + plan.TURN_S > now

    def load(self) -> float:
        """Leases in flight, each as a share of the cluster's slots for its sweep; 1.0 fills the cluster."""
        return sum(len(queue.leases) / queue.slots for queue in self.queues.values() if queue.slots >= 1)

    def _launch(self, name: str) -> Launch:
        queue = self.queues[name]
        self._last_lease += 1
        length = plan.lease_length(
            waiting=queue.available, slots=queue.slots, seconds=queue.seconds, longest=queue.longest
        )
        lease = queue.take(self._last_lease, name, length)
        self._leases[lease.ident] = lease
        return Launch(
            lease=lease.ident,
            sweep=name,
            start=lease.start,
            stop=lease.stop,
            deaths=queue.strikes.get(lease.start, 0),
        )

    # asking -----------------------------------------------------------------------------------------------------

    def counts(self, sweep: str) -> dict[str, Any]:
        """The sweep in numbers: total = done + failed + cancelled + running + waiting."""
        queue = self.queues[sweep]
        done = queue.by_status["done"]
        recorded = queue.recorded.count
        running = queue.running if not queue.cancelled else queue.in_hand.count
        rest = queue.total - recorded - running
        return {
            "total": queue.total,
            "done": done,
            "failed": recorded - done,
            "cancelled": rest if queue.cancelled else 0,
            "running": running,
            "waiting": 0 if queue.cancelled else rest,
            "retrying": 0 if queue.cancelled else queue.retrying,
            "by_status": {status: count for status, count in sorted(queue.by_status.items()) if count},
            "eta_s": self._eta(queue),
        }

    def _eta(self, queue: Queue) -> float | None:
        left = queue.outstanding
        if not left:
            return 0.0
        if queue.seconds is None or queue.cancelled or queue.pause_reason or queue.slots < 1:
            return None
        # Slots are shared between the sweeps that want some, so each has its share of them.
        sharing = sum(1 for other in self.queues.values() if other.leases) or 1
        return left * queue.seconds / max(1.0, queue.slots / sharing)

    def standing(self, sweep: str) -> tuple[str, str]:
        """The sweep's state as a word and a reason, as far as the queue knows."""
        queue = self.queues[sweep]
        if queue.recorded.count == queue.total:
            return "ready", ""
        if queue.cancelled:
            return "cancelled", "cancelled; submit it again to go on"
        if queue.pause_reason:
            return "paused", queue.pause_reason
        if queue.slots < 1:
            return "infeasible", "no node of the cluster has what one trial asks for"
        return "running", queue.trouble

    def outstanding(self) -> int:
        """Trials of all sweeps still to be recorded."""
        return sum(queue.outstanding for queue in self.queues.values())

    def check(self) -> None:
        """State the invariants (for tests)."""
        seen: set[int] = set()
        for name, queue in self.queues.items():
            queue.check()
            for ident, lease in queue.leases.items():
                assert lease.sweep == name
                assert self._leases.get(ident) is lease, f"lease {ident} is not in the ledger's list"
                seen.add(ident)
            assert not queue.cancelled or all(lease.stopping for lease in queue.leases.values())
        assert all(ident in seen or lease.stopping for ident, lease in self._leases.items())
