"""The trials of one sweep: which wait, which are out, in hand, recorded. Positions only, never parameters or results.

    waiting ──► out ──► in hand ──► recorded          cancelled = what is none of these, once the sweep is cancelled
       ▲         │
       └─────────┘  the lease ended before it came to them

Ten million trials are not ten million objects: waiting, in hand and recorded are runs of positions, what is out is a
handful of leases. What comes back of leases that died waits apart: runs with a limit on the length of their next lease,
and suspects, which run alone.

A lease lies inside one segment. The segments of a sweep take turns.

Everything that the ledger asks on each event is a counter kept up to date; only `check()` looks at everything.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Mapping

from raylab.core import schedule
from raylab.core.box import Run
from raylab.core.intervals import Intervals
from raylab.core.lease import Lease
from raylab.core.request import SweepRecord
from raylab.core.segment import Segment, segment_at
from raylab.core.strikes import Strikes
from raylab.core.trial_pace import TrialPace
from raylab.core.waiting import Waiting


class Queue:
    """The queue of one sweep. Changed only by the ledger."""

    def __init__(self, record: SweepRecord, *, slots: int) -> None:
        self.record = record
        self.slots = slots
        self.cancelled = record.cancelled
        self.pause_reason = record.paused
        self.waiting = Waiting()
        self.in_hand = Intervals()
        self.recorded = Intervals()
        self.by_status: Counter[str] = Counter()  # without what is taken back, to be run again
        self.leases: dict[int, Lease] = {}
        self.latest = 0  # its newest lease; their numbers grow
        self.returned: list[tuple[int, int, int]] = []  # (start, stop, longest next lease), a heap
        self.suspects: list[int] = []  # to be judged: those with too many strikes are not run again
        self.lone: deque[int] = deque()  # suspects that may run, alone
        self.strikes: dict[int, Strikes] = {}  # by position
        self.trouble = ""  # why its environment could not be built
        self.troubles = 0
        self.not_before = 0.0
        self.bad_start = 0  # executions that failed, as long as nothing succeeded; -1 once something has
        self.first_error = ""
        self.pace = TrialPace()
        self.starting = 0  # leases that have not begun
        self._started_left = 0  # trials that leases still hold which began
        self._returned_count = 0
        self._append(record.segments)

    def _append(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            self.waiting.append(segment.first_position, segment.stop)
            self.by_status.subtract(segment.taken_back)

    # what is known ----------------------------------------------------------------------------------------------

    @property
    def total(self) -> int:
        """How many trials the sweep has."""
        return self.record.total

    @property
    def ready(self) -> int:
        """How many trials are recorded and not to be run again."""
        return sum(self.by_status.values())

    @property
    def complete(self) -> bool:
        """Whether every position is recorded."""
        return self.recorded.count == self.record.positions

    @property
    def group(self) -> str:
        """Sweeps of one group share worker processes: those that bring the same modules."""
        return self.record.modules or ""

    @property
    def running(self) -> int:
        """Trials of leases that have started, and those in hand; only the latter count once it is cancelled."""
        return self.in_hand.count + (0 if self.cancelled else self._started_left)

    @property
    def available(self) -> int:
        """Trials that could be leased now, were the sweep neither cancelled nor paused."""
        return self.waiting.count + self._returned_count + len(self.lone)

    @property
    def hungry(self) -> bool:
        """Whether it has something to lease and may."""
        return not self.cancelled and not self.pause_reason and self.available > 0

    def next_attempt(self, position: int) -> int:
        """The `_attempt` of the next run of a trial."""
        segment = self.record.segments[segment_at(self.record.segments, position)]
        return segment.attempt + self.strikes.get(position, Strikes()).runs

    def last_attempt(self, position: int) -> int:
        """The `_attempt` of the run that a trial's process died in; nobody counts a run that had company."""
        return self.next_attempt(position) - (position in self.strikes)

    def rested(self, now: float) -> bool:
        """Whether its environment may be tried: after a pause, and once it failed twice by one lease at a time."""
        return now >= self.not_before and not (self.troubles > 1 and self.starting)

    @property
    def retrying(self) -> int:
        """Waiting trials that were in a lease that died."""
        return self._returned_count + len(self.suspects) + len(self.lone)

    @property
    def outstanding(self) -> int:
        """Trials still to be recorded."""
        return self.in_hand.count if self.cancelled else self.total - self.ready

    # leases come and go -----------------------------------------------------------------------------------------

    def take(self, ident: int, sweep: str, length: int) -> Lease:
        """Make the next lease: suspects first, then what came back, then new positions."""
        limit, alone = 0, bool(self.lone)
        if alone:
            start = self.lone.popleft()
            stop = start + 1
        elif self.returned:
            start, stop, limit = self._cut_returned(length)
        else:
            start, stop = self.waiting.take(max(length, 1))
        lease = Lease(
            ident=ident,
            sweep=sweep,
            segment=segment_at(self.record.segments, start),
            start=start,
            stop=stop,
            next=start,
            limit=limit,
            alone=alone,
            time_limit=self.record.policy.time_limit,
        )
        self.leases[ident] = lease
        self.latest = ident
        self.starting += 1
        return lease

    def _cut_returned(self, length: int) -> tuple[int, int, int]:
        start, stop, limit = heapq.heappop(self.returned)
        cut = min(stop, start + min(limit, max(length, 1)))
        if cut < stop:
            heapq.heappush(self.returned, (cut, stop, limit))
        self._returned_count -= cut - start
        return start, cut, limit

    def begin(self, lease: Lease, now: float) -> bool:
        """The lease has come to its first trial, so its environment is sound; whether that is news."""
        if lease.began:
            return False
        lease.move("stopping" if lease.ending else "running")
        lease.since = now
        self.starting -= 1
        self._started_left += lease.left
        self.pace.begun(now)
        self._recover()
        if lease.alone:
            self.strikes[lease.start] = self.strikes.get(lease.start, Strikes()).begun()
        return True

    def accept(self, lease: Lease, count: int, busy_s: float, now: float) -> None:
        """A batch that fits: its positions are in hand."""
        self.begin(lease, now)
        self._hear(lease)
        lease.since = now
        self.in_hand.add(lease.next, lease.next + count)
        lease.next += count
        self._started_left -= count
        self.pace.measure(count, busy_s, slots=self.slots, run=lease.next - lease.start)

    def commit(self, first: int, count: int, by_status: Mapping[str, int]) -> None:
        """Rows are durable. What is not in hand was the rows of another sweep that had this name: no news."""
        if not self.in_hand.covers(first, first + count):
            return
        self.in_hand.remove(first, first + count)
        self.recorded.add(first, first + count)
        self.by_status.update(by_status)
        for position in [p for p in self.strikes if first <= p < first + count]:
            del self.strikes[position]

    def give_back(self, lease: Lease) -> None:
        """The lease is over and nobody is to blame: what it did not come to waits again, as it waited before."""
        self._close(lease)
        if not lease.left:
            return
        if lease.alone:
            self.lone.append(lease.start)
            if lease.began:
                self.strikes[lease.start] = self.strikes[lease.start].excused()
        elif lease.limit:
            self._return(lease.next, lease.stop, lease.limit)
        else:
            self.waiting.add(lease.next, lease.stop)

    def outlived(self, lease: Lease, now: float) -> bool:
        """Whether the lease died of the one trial it was left with, at that trial's time limit.

        A worker ends itself GRACE_S after the limit, and cannot say so any more; the time tells. A trial that had run
        for so long is to blame, however its process ended.
        """
        limit = lease.time_limit
        return limit is not None and lease.left == 1 and now - lease.since >= limit + schedule.GRACE_S / 2

    def split(self, lease: Lease, *, out_of_memory: bool = False) -> None:
        """The lease died with trials that no batch had brought.

        Whoever held more than one of them blames none: the first comes back alone, the rest in small leases. A trial
        that was alone has a strike.
        """
        self._close(lease)
        position = lease.next
        if lease.left == 1:
            self.strikes[position] = self.strikes.get(position, Strikes()).died(out_of_memory=out_of_memory)
        else:
            rest = lease.left - 1
            self._return(position + 1, lease.stop, -(-rest // schedule.SPLIT))
        self.suspects.append(position)

    def _return(self, start: int, stop: int, limit: int) -> None:
        heapq.heappush(self.returned, (start, stop, limit))
        self._returned_count += stop - start

    def _hear(self, lease: Lease) -> None:
        """It is silent no longer."""
        if lease.began and lease.next == lease.start:
            self.pace.heard(lease.since)

    def _close(self, lease: Lease) -> None:
        del self.leases[lease.ident]
        self._hear(lease)
        if lease.began:
            self._started_left -= lease.left
        else:
            self.starting -= 1

    # the sweep as a whole ---------------------------------------------------------------------------------------

    def restore(self, runs: Iterable[Run], by_status: Mapping[str, int], seconds: float) -> None:
        """Take up what the notebook says: recorded positions, suspects that were about to run alone, time spent."""
        for start, stop in runs:
            self.waiting.remove(start, stop)
            self.recorded.add(start, stop)
        self.by_status.update(by_status)
        if self.by_status["done"]:
            self.bad_start = -1
        for position, held in self.record.strikes.items():
            if position not in self.recorded:
                self.waiting.remove(position, position + 1)
                self.strikes[position] = held
                self.suspects.append(position)
        self.pace.restore(self.recorded.count, seconds)

    def change(self, record: SweepRecord) -> None:
        """Take up what requests have made of the sweep. Only a person lets a paused one go on: see `resume`."""
        self._append(record.segments[len(self.record.segments) :])
        self.record = record
        self.cancelled = record.cancelled
        self.pause_reason = record.paused or self.pause_reason

    def give_up(self, position: int) -> None:
        """A suspect has died alone too often: it is in hand, its record is being written."""
        self.in_hand.add(position, position + 1)

    def give_up_last(self, lease: Lease) -> None:
        """The lease is over, and the one trial it was left with is in hand: its record is being written."""
        self._close(lease)
        self.give_up(lease.next)

    def wait_anew(self, now: float) -> None:
        """No lease was heard of for a while because nobody listened."""
        for lease in self.leases.values():
            lease.since = now
        self.pace.wait_anew(now)

    def fail(self, why: str, now: float) -> None:
        """A lease ended before its first trial. Those launched before the pause began do not prolong it."""
        if now >= self.not_before:
            self.troubles += 1
            self.not_before = now + schedule.backoff(self.troubles)
        self.trouble = why

    def _recover(self) -> None:
        self.trouble, self.troubles, self.not_before = "", 0, 0.0

    def judge(self, by_status: Mapping[str, int], error: str | None) -> bool:
        """Count towards the pause of a sweep of which nothing works; True when it pauses now."""
        if by_status.get("done") or self.bad_start < 0:
            self.bad_start = -1  # something succeeded: never again
            return False
        if error and not self.first_error:
            self.first_error = error
        self.bad_start += sum(by_status.values())
        if self.bad_start < schedule.PAUSE_AFTER or self.pause_reason:
            return False
        self.pause_reason = (
            f"the first {self.bad_start} executions all failed, the first with {self.first_error or 'no message'}; "
            "fix the experiment and submit it again"
        )
        return True

    @property
    def only_failed(self) -> bool:
        """Whether something failed, as the notebook tells, and nothing succeeded, be it still in hand."""
        return self.bad_start >= 0 and not self.by_status["done"] and bool(self.recorded.count or self.pause_reason)

    def resume(self) -> None:
        """A person wants it to go on: what made it stand still is forgotten."""
        self.pause_reason, self.first_error = "", ""
        self.bad_start = min(self.bad_start, 0)
        self._recover()

    # what must always hold --------------------------------------------------------------------------------------

    def check(self) -> None:
        """Every position is in exactly one place, every counter is right. For tests: it looks at everything."""
        alone = [*self.suspects, *self.lone]
        pieces: list[tuple[int, int]] = [*self.waiting, *self.in_hand, *self.recorded]
        pieces += [(a, b) for a, b, _ in self.returned]
        pieces += [(p, p + 1) for p in alone]
        pieces += [(lease.next, lease.stop) for lease in self.leases.values() if lease.left]
        at = 0
        for start, stop in sorted(pieces):
            assert start == at, f"positions {at} to {start} are in {'no' if start > at else 'more than one'} place"
            at = stop
        assert at == self.record.positions, f"positions end at {at}, not at {self.record.positions}"
        assert self.recorded.count - self.ready == self.record.positions - self.total, "counts by status are wrong"
        self.waiting.check()
        for lease in self.leases.values():
            segment = self.record.segments[lease.segment]
            assert segment.first_position <= lease.start <= lease.next <= lease.stop <= segment.stop, lease
            assert not lease.alone or lease.stop - lease.start == 1, lease
        assert all(limit >= 1 and a < b for a, b, limit in self.returned)
        assert not any(position in self.recorded for position in self.strikes)
        assert self._returned_count == sum(b - a for a, b, _ in self.returned)
        assert self._started_left == sum(lease.left for lease in self.leases.values() if lease.began)
        assert self.starting == sum(not lease.began for lease in self.leases.values())
        self.pace.check([each.since for each in self.leases.values() if each.began and each.next == each.start])
