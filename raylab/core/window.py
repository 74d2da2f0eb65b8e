"""The window of leases in flight: which strand of which sweep gets the next one.

Rules of this file:

1. Strands for which the cluster has least of the same resource, and room for equally many trials, stand in line for the
   same, those of one priority in one lane (`core/lane.py`). What is out for the same has a window of its own,
   `schedule.WINDOW` times what can run: what waits for the only GPU must not keep a hundred CPUs idle.
2. A higher priority goes first. As long as something of it waits for a resource, nothing of a lower one waits there as
   well, or it would get what is free next: so much of it is out as can run beside what the higher one wants. What is
   out beyond that and has not begun is in the way, and is withdrawn.
3. A strand that no node can run has one lease out, so that an autoscaler sees what is wanted. It weighs nothing.
4. What is finished, cancelled, paused or wholly out costs nothing: only strands with something to lease are looked at,
   and, where there are several priorities, those with leases out.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Iterator, Mapping

from raylab.core import schedule
from raylab.core.lane import Claim, Lane, Line, Place
from raylab.core.lease import Lease
from raylab.core.queue import Queue
from raylab.core.strand import Strand

SLACK = 1e-9
"""What sums of shares may be off by."""


class Window:
    """Knows of each strand what it has out and whether it wants more; the ledger files every change."""

    def __init__(self) -> None:
        self._totals: Mapping[str, float] = {}
        self._lanes: dict[tuple[Line, int], Lane] = {}  # by priority, too; none is empty
        self._priorities: list[int] = []  # of the lanes, the highest first
        self._claims: dict[Place, Claim] = {}  # of all that some node can run
        self._infeasible: dict[Place, tuple[Queue, Strand]] = {}  # hungry too, but no node can run them

    def resize(self, totals: Mapping[str, float]) -> None:
        """The cluster has so much of each resource now; every sweep is to be filed anew."""
        self._totals = totals

    def load(self, place: Place) -> float:
        """What is out for what a strand stands in line for, without what is of a lower priority: 1.0 is as much as can
        run. 0.0 of a strand that stands in none."""
        claim = self._claims.get(place)
        return self._load(*claim.lane) if claim else 0.0

    def share(self, place: Place) -> float:
        """The part of its lane that a strand's sweep has, while all who have leases out go on; 0.0 of one of which
        nothing runs, since a higher priority stands in line for the same."""
        claim = self._claims.get(place)
        lane = self._lanes.get(claim.lane) if claim else None
        if claim is None or lane is None:
            return 1.0
        line, priority = claim.lane
        behind = any(its == line and at > priority for its, at in self._lanes)
        return 0.0 if behind and not claim.strand.running else lane.share(place.sweep, claim.user)

    def _load(self, line: Line, priority: int) -> float:
        same = [lane for (its, at), lane in self._lanes.items() if its == line and at >= priority]
        return sum(lane.leases for lane in same) / line.slots

    @property
    def line(self) -> float:
        """How many leases wait for a slot, as far as that can be known here."""
        lowest: dict[Line, int] = {}
        for line, priority in self._lanes:
            lowest[line] = min(lowest.get(line, priority), priority)
        return sum(max(0.0, self._load(line, least) - 1.0) * line.slots for line, least in lowest.items())

    # filing -----------------------------------------------------------------------------------------------------

    def file(self, name: str, queue: Queue) -> None:
        """Take note of how a sweep stands."""
        for strand in queue.strands.values():
            self._file(Place(name, strand.need), queue, strand)

    def _file(self, place: Place, queue: Queue, strand: Strand) -> None:
        claim, hungry = self._claims.get(place), queue.hungry(strand)
        if claim is not None and not claim.holds(self._totals):
            self._drop(place)
            claim = None
        self._infeasible.pop(place, None)
        if strand.slots < 1:
            if hungry:
                self._infeasible[place] = queue, strand
            return
        if claim is None:
            claim = self._claims[place] = Claim.of(queue, strand, place.sweep, self._totals)
        lane = self._lanes.get(claim.lane)
        if lane is None:
            if not (hungry or strand.leases):
                return
            lane = self._lanes[claim.lane] = Lane()
            self._sort()
        lane.file(claim, hungry=hungry)
        self._tidy(claim)

    def _tidy(self, claim: Claim) -> None:
        lane = self._lanes[claim.lane]
        if not (lane.out or lane.hungry):
            del self._lanes[claim.lane]
            self._sort()

    def _sort(self) -> None:
        self._priorities = sorted({priority for _, priority in self._lanes}, reverse=True)

    def drop(self, name: str, queue: Queue) -> None:
        """Forget a sweep."""
        for need in queue.strands:
            self._infeasible.pop(Place(name, need), None)
            self._drop(Place(name, need))

    def _drop(self, place: Place) -> None:
        claim = self._claims.pop(place, None)
        if claim is not None and (lane := self._lanes.get(claim.lane)) is not None:
            lane.drop(place)
            self._tidy(claim)

    # choosing ---------------------------------------------------------------------------------------------------

    def next(self, now: float) -> Place | None:
        """The strand that gets the next lease; None when the windows are full or nobody wants one."""
        for place, (queue, strand) in self._infeasible.items():
            if not strand.leases and queue.rested(strand, now):
                return place
        for priority in self._priorities:
            may, found = self._may(priority, now), list[tuple[float, int, Place]]()
            for (line, its), lane in self._lanes.items():
                load = self._load(line, its) if its == priority and lane.hungry else schedule.WINDOW
                if load < schedule.WINDOW and (claim := lane.next(now, may)) is not None:
                    found.append((load, claim.queue.latest, claim.place))
            if found:
                return min(found)[-1]
        return None

    def _may(self, priority: int, now: float) -> Callable[[Claim], bool] | None:
        """Whether one more lease of a claim of this priority is in nobody's way; None if none is."""
        room = self._room(priority, now) if priority < self._priorities[0] else {}
        if not room:
            return None
        for claim in self._those(-math.inf, priority):
            for resource in claim.shares.keys() & room.keys():
                room[resource] -= claim.runs * claim.shares[resource]
        return lambda claim: all(room[name] + SLACK >= part for name, part in claim.shares.items() if name in room)

    def _room(self, priority: int, now: float) -> dict[str, float]:
        """Which part is left for this priority of each resource that a higher one waits for, once that has what it
        wants."""
        above = self._those(priority + 1, math.inf)
        awaited = dict.fromkeys(resource for claim in above if claim.waits(now) for resource in claim.shares)
        return {
            resource: max(0.0, 1.0 - sum(claim.demand(now) * claim.shares.get(resource, 0.0) for claim in above))
            for resource in awaited
        }

    def _those(self, least: float, most: float) -> list[Claim]:
        """The claims of these priorities that have leases out or are hungry."""
        lanes = [lane for (_, priority), lane in self._lanes.items() if least <= priority <= most]
        return [claim for lane in lanes for claim in lane.claims.values()]

    def in_the_way(self, now: float) -> list[Lease]:
        """Leases that have not begun, the newest ones, and would begin before what a higher priority waits for."""
        found: dict[int, Lease] = {}
        for priority in self._priorities[1:]:  # mostly there is one
            own = self._those(priority, priority)
            for resource, left in self._room(priority, now).items():
                mine = [claim for claim in own if resource in claim.shares]
                over = sum(claim.going * claim.shares[resource] for claim in mine) - left
                for claim, lease in _newest_first(mine):
                    if over <= SLACK:
                        break
                    found[lease.ident] = lease
                    over -= claim.shares[resource]
        return list(found.values())

    def wake(self, now: float) -> float | None:
        """When the first of the sweeps whose environment failed may try again; None if none waits for a time.

        Nothing else needs a clock: a full window opens when a lease ends, and a turn passes with the next lease.
        """
        hungry = [claim.queue for lane in self._lanes.values() for claim in lane.hungry.values()]
        hungry += [queue for queue, _ in self._infeasible.values()]
        return min((queue.not_before for queue in hungry if queue.not_before > now), default=None)

    def check(self, queues: Mapping[str, Queue]) -> None:
        """All is filed as it stands (for tests)."""
        all_of_them = {
            Place(name, need): (queue, strand)
            for name, queue in queues.items()
            for need, strand in queue.strands.items()
        }
        feasible = {place: each for place, each in all_of_them.items() if each[1].slots}
        out = {place for place, (_, strand) in feasible.items() if strand.leases}
        hungry = {place for place, (queue, strand) in all_of_them.items() if queue.hungry(strand)}
        assert out == set().union(*(lane.out for lane in self._lanes.values()))
        assert hungry & feasible.keys() == set().union(*(lane.hungry for lane in self._lanes.values()))
        assert hungry - feasible.keys() == self._infeasible.keys()
        assert self._priorities == sorted({priority for _, priority in self._lanes}, reverse=True)
        for key, lane in self._lanes.items():
            assert lane.out or lane.hungry, f"the lane {key} is empty"
            for place, claim in lane.claims.items():
                queue, strand = all_of_them[place]
                assert (claim.queue, claim.strand) == (queue, strand)
                assert key == claim.lane == Claim.of(queue, strand, place.sweep, self._totals).lane


def _newest_first(claims: Iterable[Claim]) -> Iterator[tuple[Claim, Lease]]:
    """The leases of some claims that have not begun, and that nobody has withdrawn."""
    each = [[(claim, lease) for lease in reversed(claim.strand.asked.values())] for claim in claims]
    return heapq.merge(*each, key=lambda pair: -pair[1].ident)
