"""A cluster in simulated time: slots, workers and the lab's loop as a few figures, the deciding as it is.

Real are `Ledger`, `plan` and `Order`, asked as the conductor and the workers ask them. Simulated, event by event, are

* the lab's loop: one thing after the other, each at its price, so that ten thousand first leases queue up before it;
* Ray: leases wait in a line for a free slot, a slot's first process takes a second, the next lease 5 ms;
* workers: every single trial has a length of its own; a batch goes when the flush interval has passed or the rows are
  too many for a first one; a worker waits while the lab is two items behind;
* the disk: one commit at a time, at most ten a second; what came meanwhile is the next one.
"""

from __future__ import annotations

import heapq
import itertools
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import thread_time
from typing import Any

import numpy as np
from asked import submitted, sweeps
from numpy.typing import NDArray

from raylab.core import events as ev
from raylab.core import schedule
from raylab.core.ledger import Ledger
from raylab.core.order import Order

Lengths = Callable[[NDArray[np.int64], np.random.Generator], NDArray[np.float64]]
"""How many seconds each of these trials takes."""

LAUNCH_S, HEADER_S, BATCH_S, END_S = 0.4e-3, 0.4e-3, 0.75e-3, 0.7e-3
"""What they cost the lab's loop: 440 leases of one batch a second, 1,300 batches, as measured with Ray 2.60."""

PROCESS_S, GAP_S = 1.0, 5e-3
"""Before the first lease of a new process, and between two leases of one."""

COMMIT_S, SPACING_S = 0.05, 0.1
FIRST_ROWS, MORE_ROWS, MAX_ROWS = 16, 8, 65_536

SWEEP = "sweep"

LOOK = 20_000
"""Events from one look at the ledger to the next."""


@dataclass(slots=True)
class Slot:
    """A worker process."""

    new: bool = True
    max_rows: int = FIRST_ROWS


@dataclass(slots=True)
class Running:
    """A lease, as its worker sees it."""

    order: ev.Launch
    slot: Slot
    lengths: NDArray[np.float64]
    ends: NDArray[np.float64]  # when each of its trials has ended, in seconds of work
    trials: NDArray[np.int64]
    dies_at: float  # in seconds of work
    at: int = 0
    upto: int = 0  # where the batch ends that is worked on
    worked: float = 0.0
    taken: float = 0.0  # when the lab had taken the item before


@dataclass(slots=True)
class Found:
    """What was seen."""

    busy: array[float] = field(default_factory=lambda: array("d"))  # begin, end, begin, end, ...
    launched: list[int] = field(default_factory=list)  # in each second
    batches: list[int] = field(default_factory=list)
    deciding: list[float] = field(default_factory=list)  # seconds of CPU
    decisions: int = 0
    tail: float | None = None  # when the first slot found no more work
    end: float = 0.0
    longest: float = 0.0  # trial
    sum_of_trials: int = 0  # of those recorded
    lost: int = 0
    work: float = 0.0
    wasted: float = 0.0


class Simulation:
    """One sweep on one cluster.

    Args:
        slots: how many trials run at once.
        trials: of the sweep.
        lengths: of its trials.
        lost: the share of leases that end in the middle, half of them with their node, half by themselves.
        seed: of all that is drawn.
        look: called now and then with the ledger.
    """

    def __init__(
        self,
        *,
        slots: int,
        trials: int,
        lengths: Lengths,
        lost: float = 0.0,
        seed: int = 0,
        kind: str = "random",
        look: Callable[[Ledger], None] | None = None,
    ) -> None:
        self.ledger = Ledger()
        self.order = Order(kind, trials, key=seed)
        self.slots, self.trials, self.lengths, self.lost = slots, trials, lengths, lost
        self.flush_s = schedule.flush_interval(slots)
        self.found = Found()
        self._look = look
        self._rng = np.random.default_rng(seed)
        self._number = itertools.count()
        self._events: list[tuple[float, int, Callable[..., None], Any]] = []
        self._loop_free = 0.0  # when the lab's loop has done what has come
        self._line: deque[ev.Launch] = deque()
        self._free: deque[Slot] = deque(Slot() for _ in range(slots))
        self._running: dict[int, Running] = {}
        self._kept: list[tuple[int, int]] = []
        self._writing = False
        self._wake = 0

    def run(self) -> Found:
        """Until the last trial is recorded."""
        record = sweeps(submitted(SWEEP, size=self.trials, repeats=1))[SWEEP]
        self._tell(ev.SweepOpened(sweep=SWEEP, record=record, slots=dict.fromkeys(record.needs, self.slots)), 0.0, 0.0)
        done = self.ledger.queues[SWEEP].recorded
        for handled in itertools.count(1):
            if done.count == self.trials:
                break
            at, _, act, about = heapq.heappop(self._events)
            act(at, about)
            if self._look is not None and handled % LOOK == 0:
                self._look(self.ledger)
        assert self.found.sum_of_trials == self.trials * (self.trials - 1) // 2, "each trial is recorded once"
        return self.found

    def _later(self, at: float, act: Callable[..., None], about: Any) -> None:
        heapq.heappush(self._events, (at, next(self._number), act, about))

    # the lab ----------------------------------------------------------------------------------------------------

    def _tell(self, event: ev.Event, at: float, price: float) -> float:
        """The lab's loop takes an event when it has done what came before; when it has done this one."""
        now = max(at, self._loop_free)
        began = thread_time()
        orders = self.ledger.handle(event, now)
        took = thread_time() - began
        _count(self.found.deciding, now, took)
        self.found.decisions += 1
        self._loop_free = now + price
        done = self._loop_free
        for order in orders:
            self._carry_out(order)
        return done

    def _carry_out(self, order: ev.Instruction) -> None:
        match order:
            case ev.Launch():
                self._loop_free += LAUNCH_S
                _count(self.found.launched, self._loop_free, 1)
                self._line.append(order)
                self._hand_out(self._loop_free)
            case ev.Keep():
                self._kept.append((order.first, order.count))
                if not self._writing:
                    self._write(self._loop_free, None)
            case ev.RecordDeath() | ev.Stop() | ev.Pause() | ev.Refuse():
                raise AssertionError(f"nothing here calls for {order}")
            case ev.CountRun():
                """Nobody waits for the row."""
            case ev.Wake():
                self._wake += 1
                self._later(max(order.at, self._loop_free), self._ticked, self._wake)

    def _ticked(self, at: float, wake: int) -> None:
        if wake == self._wake:
            self._tell(ev.Ticked(), at, 0.0)

    def _write(self, at: float, _: None) -> None:
        self._writing = bool(self._kept)
        if self._kept:
            self._later(at + COMMIT_S, self._written, self._kept)
            self._kept = []

    def _written(self, at: float, kept: list[tuple[int, int]]) -> None:
        for first, count in kept:
            self._tell(ev.RowsCommitted(sweep=SWEEP, first=first, count=count, by_status={"done": count}), at, 0.0)
        self._later(at + SPACING_S, self._write, None)

    # Ray and its workers ----------------------------------------------------------------------------------------

    def _hand_out(self, at: float) -> None:
        while self._line and self._free:
            order, slot = self._line.popleft(), self._free.popleft()
            lease = self._running[order.lease] = self._lease(order, slot)
            self._later(at + (PROCESS_S if slot.new else GAP_S), self._item, lease)
            slot.new = False

    def _lease(self, order: ev.Launch, slot: Slot) -> Running:
        trials = self.order.trials(order.start, order.stop)
        lengths = self.lengths(trials, self._rng)
        ends = lengths.cumsum()
        dies = self._rng.random() if self.lost and self._rng.random() < self.lost else np.inf
        return Running(order, slot, lengths, ends, trials, dies * float(ends[-1]))

    def _item(self, at: float, lease: Running) -> None:
        """A worker sends a header or a batch, then goes on."""
        ident = lease.order.lease
        before = lease.taken
        if lease.upto == lease.at:
            lease.taken = self._tell(ev.LeaseStarted(lease=ident), at, HEADER_S)
        else:
            lease.taken = self._send(at, lease)
        goes_on = max(at, before)
        if lease.at == len(lease.ends):
            self._later(goes_on, self._ended, (lease, "normal"))
        else:
            self._work(goes_on, lease)

    def _send(self, at: float, lease: Running) -> float:
        first, count = lease.order.start + lease.at, lease.upto - lease.at
        here = slice(lease.at, lease.upto)
        end = float(lease.ends[lease.upto - 1])
        event = ev.BatchArrived(
            lease=lease.order.lease, first=first, count=count, by_status={"done": count}, busy_s=end - lease.worked
        )
        found = self.found
        found.sum_of_trials += int(lease.trials[here].sum())
        found.longest = max(found.longest, float(lease.lengths[here].max()))
        found.work += end - lease.worked
        _count(found.batches, at, 1)
        lease.at, lease.worked = lease.upto, end
        lease.slot.max_rows = min(MAX_ROWS, MORE_ROWS * lease.slot.max_rows)
        found.end = max(found.end, at)
        return self._tell(event, at, BATCH_S)

    def _work(self, at: float, lease: Running) -> None:
        """Up to the next batch, or to the death of the process."""
        due = int(np.searchsorted(lease.ends, lease.worked + self.flush_s)) + 1
        lease.upto = min(due, lease.at + lease.slot.max_rows, len(lease.ends))
        end = float(lease.ends[lease.upto - 1])
        if lease.dies_at < end:
            self.found.lost += 1
            self.found.wasted += lease.dies_at - lease.worked
            stop = at + lease.dies_at - lease.worked
            self._later(stop, self._ended, (lease, "lost" if self.found.lost % 2 else "died"))
        else:
            stop = at + end - lease.worked
            self._later(stop, self._item, lease)
        self.found.busy.extend((at, stop))

    def _ended(self, at: float, about: tuple[Running, ev.End]) -> None:
        lease, end = about
        del self._running[lease.order.lease]
        self._free.append(lease.slot if end == "normal" else Slot())
        self._hand_out(at)
        self._tell(ev.LeaseEnded(lease=lease.order.lease, end=end), at, END_S)
        waits = any(strand.available for strand in self.ledger.queues[SWEEP].strands.values())
        if self.found.tail is None and self._free and not self._line and not waits:
            self.found.tail = at


def _count(seconds: list[Any], at: float, amount: float) -> None:
    second = int(at)
    if second >= len(seconds):
        seconds.extend([0] * (second + 1 - len(seconds)))
    seconds[second] += amount


def busy_share(found: Found, slots: int, since: float, until: float) -> float:
    """The share of the slots' time that went into trials."""
    spans = np.frombuffer(found.busy).reshape(-1, 2).clip(since, until)
    return float((spans[:, 1] - spans[:, 0]).sum()) / (slots * (until - since))
