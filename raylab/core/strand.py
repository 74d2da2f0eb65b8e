"""A strand: what can be leased of the trials of a sweep that ask for the same, and what is out of it.

A sweep has a strand for each class of its trials; most have one. Strands differ in how many trials the cluster could
run at once and in what a trial takes, so that each has leases of its own length. What comes back of leases that died
waits apart: runs with a limit on the length of their next lease, and suspects, which run alone.

Knows positions only. Which trials are in hand and recorded, and how they ended, is the queue's.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import NamedTuple

from raylab.core.lease import Lease
from raylab.core.segment import Need, Segment
from raylab.core.trial_pace import TrialPace
from raylab.core.waiting import Waiting


class Taken(NamedTuple):
    """What the next lease of a strand holds."""

    start: int
    stop: int
    limit: int = 0
    """How long its leases may be, of a run that came back from one that died; 0 for any length."""
    alone: bool = False
    """Whether it is a suspect."""


class Strand:
    """The leases of one class of trials. Changed only by the sweep's queue.

    Attributes:
        need: which trials.
        slots: how many of them the cluster could run at once, were it empty; 0 means that no node can run one.
        left: how many of its positions are not recorded.
        latest: its newest lease; their numbers grow.
        starting: how many leases have not begun.
        asked: those of them that nobody has withdrawn, in their order.
    """

    def __init__(self, need: Need) -> None:
        self.need = need
        self.slots = 0
        self.left = 0
        self.latest = 0
        self.starting = 0
        self.asked: dict[int, Lease] = {}
        self.waiting = Waiting()
        self.returned: list[tuple[int, int, int]] = []  # (start, stop, longest next lease), a heap
        self.lone: deque[int] = deque()  # suspects that may run, alone
        self.leases: dict[int, Lease] = {}
        self.pace = TrialPace()
        self._started_left = 0  # trials that leases still hold which began
        self._returned_count = 0

    @property
    def available(self) -> int:
        """Trials that could be leased now."""
        return self.waiting.count + self.retrying

    @property
    def retrying(self) -> int:
        """Those of them that were in a lease that died."""
        return self._returned_count + len(self.lone)

    @property
    def running(self) -> int:
        """Trials of leases that have started, and have not come back."""
        return self._started_left

    def append(self, segment: Segment) -> None:
        """One more segment of its trials: all of it waits."""
        self.waiting.append(segment.first_position, segment.stop)
        self.left += segment.total

    def take(self, length: int) -> Taken:
        """What the next lease holds: suspects first, then what came back, then new positions."""
        if self.lone:
            start = self.lone.popleft()
            return Taken(start, start + 1, alone=True)
        if self.returned:
            return self._cut_returned(length)
        return Taken(*self.waiting.take(max(length, 1)))

    def _cut_returned(self, length: int) -> Taken:
        start, stop, limit = heapq.heappop(self.returned)
        cut = min(stop, start + min(limit, max(length, 1)))
        if cut < stop:
            heapq.heappush(self.returned, (cut, stop, limit))
        self._returned_count -= cut - start
        return Taken(start, cut, limit)

    def put(self, start: int, stop: int, limit: int) -> None:
        """These positions come back of a lease that died."""
        heapq.heappush(self.returned, (start, stop, limit))
        self._returned_count += stop - start

    def launched(self, lease: Lease) -> None:
        """A lease was made."""
        self.leases[lease.ident] = lease
        self.latest = lease.ident
        self.starting += 1
        self.asked[lease.ident] = lease

    def begun(self, lease: Lease, now: float) -> None:
        """A lease has come to its first trial."""
        self.starting -= 1
        self.asked.pop(lease.ident, None)
        self._started_left += lease.left
        self.pace.begun(now)

    def brought(self, lease: Lease, count: int, busy_s: float) -> None:
        """A lease brings so many trials, which are still its own."""
        self._hear(lease)
        self._started_left -= count
        self.pace.measure(count, busy_s, slots=self.slots, run=lease.next + count - lease.start)

    def ended(self, lease: Lease) -> None:
        """A lease is over."""
        del self.leases[lease.ident]
        self._hear(lease)
        if lease.began:
            self._started_left -= lease.left
        else:
            self.starting -= 1
            self.asked.pop(lease.ident, None)

    def _hear(self, lease: Lease) -> None:
        """It is silent no longer."""
        if lease.began and lease.next == lease.start:
            self.pace.heard(lease.since)

    def wait_anew(self, now: float) -> None:
        """No lease was heard of for a while because nobody listened."""
        for lease in self.leases.values():
            lease.since = now
        self.pace.wait_anew(now)

    def places(self) -> list[tuple[int, int]]:
        """The runs of positions that are here, out or not (for tests)."""
        found = [*self.waiting, *((start, stop) for start, stop, _ in self.returned)]
        found += [(position, position + 1) for position in self.lone]
        return found + [(lease.next, lease.stop) for lease in self.leases.values() if lease.left]

    def check(self) -> None:
        """Every counter is right (for tests)."""
        self.waiting.check()
        assert all(limit >= 1 and a < b for a, b, limit in self.returned)
        assert self._returned_count == sum(b - a for a, b, _ in self.returned)
        assert self._started_left == sum(lease.left for lease in self.leases.values() if lease.began)
        assert self.asked == {ident: lease for ident, lease in self.leases.items() if lease.state == "asked"}
        assert self.starting == sum(not lease.began for lease in self.leases.values())
        self.pace.check([each.since for each in self.leases.values() if each.began and each.next == each.start])
