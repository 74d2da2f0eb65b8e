"""The trials of one sweep: which wait, which are out, in hand, recorded. Positions only, never parameters or results.

    waiting ──► out ──► in hand ──► recorded          cancelled = what is none of these, once the sweep is cancelled
       ▲         │
       └─────────┘  the lease ended before it came to them

Ten million trials are not ten million objects: the four sets are runs of positions, and what came back of leases that
died is a small heap of runs with a limit on the length of their next lease.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from raylab.core.intervals import Intervals
from raylab.core.plan import PAUSE_AFTER, SPLIT, STRIKES


@dataclass(slots=True, kw_only=True)
class Lease:
    """A run of positions that one task works through; `next` is where its next batch must begin."""

    ident: int
    sweep: str
    start: int
    stop: int
    next: int
    alone: bool = False  # a suspect, whose strike is noted
    started: bool = False
    stopping: bool = False


class Queue:
    """The queue of one sweep. Changed only by the ledger."""

    def __init__(self, total: int, *, group: str, slots: int, cancelled: bool = False) -> None:
        self.total = total
        self.group = group
        self.slots = slots
        self.cancelled = cancelled
        self.waiting = Intervals([(0, total)])
        self.in_hand = Intervals()
        self.recorded = Intervals()
        self.by_status: Counter[str] = Counter()
        self.leases: dict[int, Lease] = {}
        self.returned: list[tuple[int, int, int]] = []  # (start, stop, longest next lease), a heap
        self.strikes: dict[int, int] = {}  # deaths alone, by position
        self.noted: dict[int, bool] = {}  # suspects about to run alone: is the row that says so durable?
        self.pause_reason = ""
        self.trouble = ""  # why its environment could not be built
        self.troubles = 0
        self.not_before = 0.0
        self.bad_start = 0  # failures, as long as nothing succeeded
        self.first_error = ""
        self.longest = 0
        self._busy_s = 0.0
        self._measured = 0.0

    # what is known ----------------------------------------------------------------------------------------------

    @property
    def seconds(self) -> float | None:
        """What one trial takes, recent ones weighing more; None before the first has come back."""
        return self._busy_s / self._measured if self._measured else None

    @property
    def out(self) -> int:
        return sum(lease.stop - lease.next for lease in self.leases.values())

    @property
    def running(self) -> int:
        """Trials of leases that have started, and those in hand."""
        started = sum(lease.stop - lease.next for lease in self.leases.values() if lease.started)
        return started + self.in_hand.count

    @property
    def available(self) -> int:
        """Trials that could be leased now."""
        return (
            0 if self.cancelled else self.waiting.count + sum(b - a for a, b, _ in self.returned) + self._ready_suspects
        )

    @property
    def _ready_suspects(self) -> int:
        return sum(self.noted.values())

    @property
    def unnoted(self) -> list[int]:
        return [position for position, durable in self.noted.items() if not durable]

    @property
    def retrying(self) -> int:
        return sum(b - a for a, b, _ in self.returned) + len(self.noted)

    @property
    def outstanding(self) -> int:
        """Trials still to be recorded."""
        unrecorded = self.total - self.recorded.count
        return self.in_hand.count if self.cancelled else unrecorded

    # what happens -----------------------------------------------------------------------------------------------

    def restore(
        self, runs: Iterable[tuple[int, int]], by_status: Mapping[str, int], strikes: Mapping[int, int]
    ) -> None:
        """Take up what the notebook says: recorded positions, and suspects that were about to run alone."""
        for start, stop in runs:
            self.waiting.remove(start, stop)
            self.recorded.add(start, stop)
        self.by_status.update(by_status)
        if self.by_status["done"]:
            self.bad_start = -1
        for position, count in strikes.items():
            if position not in self.recorded:
                self.waiting.remove(position, position + 1)
                self.strikes[position] = count
                self.noted[position] = False

    def take(self, ident: int, sweep: str, length: int) -> Lease:
        """Make the next lease: noted suspects first, then what came back, then new positions."""
        for position, durable in self.noted.items():
            if durable:
                del self.noted[position]
                lease = Lease(ident=ident, sweep=sweep, start=position, stop=position + 1, next=position, alone=True)
                break
        else:
            start, stop = self._next_run(length)
            lease = Lease(ident=ident, sweep=sweep, start=start, stop=stop, next=start)
        self.leases[ident] = lease
        return lease

    def _next_run(self, length: int) -> tuple[int, int]:
        if self.returned:
            start, stop, limit = heapq.heappop(self.returned)
            cut = min(stop, start + min(limit, max(length, 1)))
            if cut < stop:
                heapq.heappush(self.returned, (cut, stop, limit))
            return start, cut
        run = self.waiting.first(length)
        assert run is not None, "take() without anything available"
        self.waiting.remove(*run)
        return run

    def accept(self, lease: Lease, count: int, busy_s: float) -> None:
        """A batch that fits: its positions are in hand."""
        self.in_hand.add(lease.next, lease.next + count)
        lease.next += count
        self.longest = max(self.longest, lease.next - lease.start)
        # Older measurements fade, so that the estimate follows a sweep whose trials grow; weighing by trials lets the
        # first one, with its imports, be forgotten at once.
        self._busy_s = 0.8 * self._busy_s + busy_s
        self._measured = 0.8 * self._measured + count
        self.trouble, self.troubles, self.not_before = "", 0, 0.0

    def seed_measurement(self, seconds: float, count: int) -> None:
        """Start from what the notebook says trials took."""
        if count and seconds > 0:
            self._busy_s, self._measured = seconds / count, 1.0

    def judge(self, by_status: Mapping[str, int], error: str | None) -> bool:
        """Count towards the pause of a sweep of which nothing works; True when it pauses now."""
        if by_status.get("done") or self.bad_start < 0:
            self.bad_start = -1  # something succeeded: never again
            return False
        if error and not self.first_error:
            self.first_error = error
        self.bad_start += sum(by_status.values())
        if self.bad_start < PAUSE_AFTER or self.pause_reason:
            return False
        self.pause_reason = (
            f"the first {self.bad_start} executions all failed, the first with {self.first_error or 'no message'}; "
            "fix the experiment and submit it again"
        )
        return True

    def resume(self) -> None:
        self.pause_reason, self.first_error, self.cancelled = "", "", False
        self.bad_start = min(self.bad_start, 0)
        self.trouble, self.troubles, self.not_before = "", 0, 0.0

    def commit(self, first: int, count: int, by_status: Mapping[str, int]) -> None:
        self.in_hand.remove(first, first + count)
        self.recorded.add(first, first + count)
        self.by_status.update(by_status)
        for position in [p for p in self.strikes if first <= p < first + count]:
            del self.strikes[position]

    def give_back(self, lease: Lease) -> None:
        """The lease is over and nobody is to blame: what it did not come to waits again."""
        del self.leases[lease.ident]
        if lease.next == lease.stop:
            return
        if lease.alone:
            self.noted[lease.start] = False  # the note counts this run as a death; it is written afresh
        else:
            self.waiting.add(lease.next, lease.stop)

    def split(self, lease: Lease) -> tuple[int, int] | None:
        """The lease died on its own. Returns (position, deaths) of a trial that has now died alone too often.

        Whoever held more than one unrecorded trial blames none of them: the first comes back alone, the rest in
        small leases. A trial that was alone has a strike.
        """
        del self.leases[lease.ident]
        left = lease.stop - lease.next
        position = lease.next
        if left == 1:
            deaths = self.strikes.get(position, 0) + 1
            self.strikes[position] = deaths
            if deaths >= STRIKES:
                self.in_hand.add(position, position + 1)  # its record is being written
                return position, deaths
        elif left > 1:
            rest = left - 1
            heapq.heappush(self.returned, (position + 1, lease.stop, -(-rest // SPLIT)))
        if left:
            self.noted[position] = False
        return None

    # what must always hold --------------------------------------------------------------------------------------

    def check(self) -> None:
        """Every position is in exactly one place. For tests: it looks at everything."""
        pieces: list[tuple[int, int]] = [*self.waiting, *self.in_hand, *self.recorded]
        pieces += [(a, b) for a, b, _ in self.returned]
        pieces += [(p, p + 1) for p in self.noted]
        pieces += [(lease.next, lease.stop) for lease in self.leases.values() if lease.next < lease.stop]
        pieces.sort()
        at = 0
        for start, stop in pieces:
            assert start == at, f"positions {at} to {start} are in {'no' if start > at else 'more than one'} place"
            at = stop
        assert at == self.total, f"positions end at {at}, not at {self.total}"
        assert self.recorded.count == sum(self.by_status.values()), "the counts by status differ from what is recorded"
        for lease in self.leases.values():
            assert lease.start <= lease.next <= lease.stop, lease
            assert not lease.alone or lease.stop - lease.start == 1, lease
        assert all(limit >= 1 and a < b for a, b, limit in self.returned)
        assert not (set(self.strikes) & {p for a, b in self.recorded for p in self.strikes if a <= p < b})
