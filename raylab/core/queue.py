"""The trials of one sweep: which wait, which are out, in hand, recorded. Positions only, never parameters or results.

    waiting ──► out ──► in hand ──► recorded          cancelled = what is none of these, once the sweep is cancelled
       ▲         │
       └─────────┘  the lease ended before it came to them

Ten million trials are not ten million objects: waiting, in hand and recorded are runs of positions, what is out is a
handful of leases. What comes back of leases that died waits apart: runs with a limit on the length of their next lease,
and suspects, which run alone, each after a row that says so.

Everything that the ledger asks on each event is a counter kept up to date; only `check()` looks at everything.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from raylab.core import schedule
from raylab.core.intervals import Intervals
from raylab.core.strikes import Strikes

FADE = 5
"""How many batches count towards what a trial takes, on a cluster of fewer slots."""


@dataclass(slots=True, kw_only=True)
class Lease:
    """A run of positions that one task works through; `next` is where its next batch must begin."""

    ident: int
    sweep: str
    start: int
    stop: int
    next: int
    limit: int = 0  # of a run that came back from a lease that died: how long its leases may be; 0 for any length
    alone: bool = False  # a suspect: there must be a row before it runs
    holding: bool = False  # its process waits for that row
    told: bool = False  # the row is durable, and nobody knows yet what becomes of the run
    time_limit: float | None = None  # what one of its trials may take
    since: float = 0.0  # when it came to its first trial, or its last batch arrived
    started: bool = False
    stopping: bool = False

    @property
    def left(self) -> int:
        """Trials that no batch has brought yet."""
        return self.stop - self.next


class Queue:
    """The queue of one sweep. Changed only by the ledger."""

    def __init__(self, total: int, *, group: str, slots: int, cancelled: bool = False) -> None:
        self.total = total
        self.group = group
        self.slots = slots
        self.cancelled = cancelled
        self.time_limit: float | None = None
        self.waiting = Intervals([(0, total)])
        self.in_hand = Intervals()
        self.recorded = Intervals()
        self.by_status: Counter[str] = Counter()
        self.leases: dict[int, Lease] = {}
        self.latest = 0  # its newest lease; their numbers grow
        self.returned: list[tuple[int, int, int]] = []  # (start, stop, longest next lease), a heap
        self.suspects: list[int] = []  # to be judged: those with too many strikes are not run again
        self.lone: deque[int] = deque()  # suspects that may run, alone
        self.noting: set[int] = set()  # those whose row is being written
        self.told: set[int] = set()  # those whose row is durable, and that did not run after all
        self.strikes: dict[int, Strikes] = {}  # by position
        self.pause_reason = ""
        self.trouble = ""  # why its environment could not be built
        self.troubles = 0
        self.not_before = 0.0
        self.bad_start = 0  # executions that failed, as long as nothing succeeded; -1 once something has
        self.first_error = ""
        self.longest = 0
        self.starting = 0  # leases that have not started
        self._started_left = 0  # trials that started leases still hold
        self._returned_count = 0
        self._busy_s = 0.0
        self._measured = 0.0
        self._batches = 0
        self._silent = 0  # started leases that have brought nothing yet
        self._silent_since = 0.0  # the sum of their starts

    # what is known ----------------------------------------------------------------------------------------------

    @property
    def seconds(self) -> float | None:
        """What one trial takes, recent ones weighing more; None before the first has come back."""
        return self._busy_s / self._measured if self._measured else None

    def expected(self, now: float) -> float | None:
        """What the next trial may take; None as long as too little is known. Quick trials come back first: until each
        slot has had the time to bring something, what runs and has brought nothing counts with its time so far."""
        if self._batches >= self.slots:
            return self.seconds
        if self._batches <= self._silent:
            return None
        return (self._busy_s + self._silent * now - self._silent_since) / self._measured

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
        return self.in_hand.count if self.cancelled else self.total - self.recorded.count

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
            run = self.waiting.first(max(length, 1))
            assert run is not None, "take() without anything available"
            start, stop = run
            self.waiting.remove(start, stop)
        lease = Lease(
            ident=ident,
            sweep=sweep,
            start=start,
            stop=stop,
            next=start,
            limit=limit,
            alone=alone,
            time_limit=self.time_limit,
        )
        if alone and start in self.told:
            self.told.remove(start)
            lease.told = True
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

    def begin(self, lease: Lease, now: float) -> None:
        """The lease has come to its first trial; so its environment is sound."""
        if not lease.started:
            lease.started = True
            lease.since = now
            self.starting -= 1
            self._started_left += lease.left
            self._silent += 1
            self._silent_since += now
            self._recover()

    def accept(self, lease: Lease, count: int, busy_s: float, now: float) -> None:
        """A batch that fits: its positions are in hand."""
        self.begin(lease, now)
        self._hear(lease)
        lease.since = now
        self.in_hand.add(lease.next, lease.next + count)
        lease.next += count
        self._started_left -= count
        self.longest = max(self.longest, lease.next - lease.start)
        # Older measurements fade, so that the estimate follows a sweep whose trials grow; weighing by trials lets the
        # first one, with its imports, be forgotten at once. What each slot has brought last counts in any case.
        keep = 1 - 1 / max(FADE, self.slots)
        self._busy_s = keep * self._busy_s + busy_s
        self._measured = keep * self._measured + count
        self._batches += 1

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
            if lease.told:  # its row still says the truth: the next run is the same try
                self.told.add(lease.start)
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
        if lease.started and lease.next == lease.start:
            self._silent -= 1
            self._silent_since -= lease.since

    def _close(self, lease: Lease) -> None:
        del self.leases[lease.ident]
        self._hear(lease)
        if lease.started:
            self._started_left -= lease.left
        else:
            self.starting -= 1

    # the sweep as a whole ---------------------------------------------------------------------------------------

    def restore(
        self,
        runs: Iterable[tuple[int, int]],
        by_status: Mapping[str, int],
        strikes: Mapping[int, Strikes],
        seconds: float,
    ) -> None:
        """Take up what the notebook says: recorded positions, suspects that were about to run alone, time spent."""
        for start, stop in runs:
            self.waiting.remove(start, stop)
            self.recorded.add(start, stop)
        self.by_status.update(by_status)
        if self.by_status["done"]:
            self.bad_start = -1
        for position, held in strikes.items():
            if position not in self.recorded:
                self.waiting.remove(position, position + 1)
                self.strikes[position] = held
                self.suspects.append(position)
        if self.recorded.count and seconds > 0:
            self._busy_s, self._measured, self._batches = seconds / self.recorded.count, 1.0, self.recorded.count

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
        self._silent_since = self._silent * now

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
        self.pause_reason, self.first_error, self.cancelled = "", "", False
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
        assert at == self.total, f"positions end at {at}, not at {self.total}"
        assert self.recorded.count == sum(self.by_status.values()), "the counts by status differ from what is recorded"
        for lease in self.leases.values():
            assert lease.start <= lease.next <= lease.stop, lease
            assert not lease.alone or lease.stop - lease.start == 1, lease
        assert all(limit >= 1 and a < b for a, b, limit in self.returned)
        assert not any(position in self.recorded for position in self.strikes)
        assert self.told <= {*self.suspects, *self.lone}
        assert self._returned_count == sum(b - a for a, b, _ in self.returned)
        assert self._started_left == sum(lease.left for lease in self.leases.values() if lease.started)
        assert self.starting == sum(not lease.started for lease in self.leases.values())
        silent = [lease.since for lease in self.leases.values() if lease.started and lease.next == lease.start]
        assert self._silent == len(silent)
        assert abs(self._silent_since - sum(silent)) < 1e-6 * (1 + abs(sum(silent)))
