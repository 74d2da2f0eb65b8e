"""The window of leases in flight: which strand of which sweep gets the next one.

Rules of this file:

1. A lease weighs 1/slots of its strand, so that 1.0 is the cluster full and `schedule.WINDOW` is as much as is ever
   out.
2. Strands of which the cluster holds equally many trials stand in one lane, and each lane has a window of its own: what
   waits for the only GPU must not keep a hundred CPUs idle. Lanes that do want the same slots share them evenly, since
   Ray serves them in the order in which they came.
3. Sweeps of one group, which share worker processes, share a lane evenly, and so do the strands of one sweep its
   share; of equals it is the turn of the one that has waited longest. Groups take turns of at least
   `schedule.TURN_S`, since a process for other code costs a second or two; a group that wants nothing gives up its turn
   at once.
4. A strand that no node can run has one lease out, so that an autoscaler sees what is wanted. It weighs nothing.
5. What is finished, cancelled, paused or wholly out costs nothing: only strands with something to lease are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from raylab.core import schedule
from raylab.core.queue import Queue
from raylab.core.segment import Need
from raylab.core.strand import Strand


class Place(NamedTuple):
    """Which strand of which sweep."""

    sweep: str
    need: Need


@dataclass(slots=True)
class Lane:
    """The strands of which the cluster holds the same number of trials."""

    slots: int
    out: dict[Place, int] = field(default_factory=dict)  # leases, by strand that has some
    leases: int = 0
    hungry: dict[Place, tuple[Queue, Strand]] = field(default_factory=dict)
    turn: str = ""  # the group whose sweeps have the slots now
    turn_since: float = float("-inf")

    @property
    def load(self) -> float:
        """Leases in flight for each slot; counted, not summed up, since adding thirds drifts."""
        return self.leases / self.slots

    def next(self, now: float) -> tuple[float, int, str, int, int, Place] | None:
        """What speaks for the strand that is next here, less for the later; None if the window is full or none is."""
        if not self.hungry or self.load >= schedule.WINDOW:
            return None
        ready = [each for each in self.hungry.items() if each[1][0].rested(each[1][1], now)]
        if not ready:
            return None
        self._take_turns({queue.group for _, (queue, _) in ready}, now)
        return min(self._claim(place, *which) for place, which in ready if which[0].group == self.turn)

    def _claim(self, place: Place, queue: Queue, strand: Strand) -> tuple[float, int, str, int, int, Place]:
        held = sum(self.out.get(Place(place.sweep, need), 0) for need in queue.strands)
        return held / self.slots, queue.latest, place.sweep, len(strand.leases), strand.latest, place

    def _take_turns(self, groups: set[str], now: float) -> None:
        """Round robin by name."""
        if self.turn in groups and (len(groups) == 1 or now < self.turn_since + schedule.TURN_S):
            return
        self.turn = min((group for group in groups if group > self.turn), default=min(groups))
        self.turn_since = now


class Window:
    """Knows of each strand what it has out and whether it wants more; the ledger files every change."""

    def __init__(self) -> None:
        self._lanes: dict[int, Lane] = {}  # by the slots of their strands
        self._lane_of: dict[str, dict[Need, int]] = {}
        self._infeasible: dict[Place, tuple[Queue, Strand]] = {}  # hungry too, but no node can run them

    def load(self, slots: int) -> float:
        """Leases in flight for each slot, of the strands with so many slots."""
        return self._lanes[slots].load if slots in self._lanes else 0.0

    @property
    def line(self) -> float:
        """How many leases wait for a slot, as far as that can be known here."""
        return sum(max(0, lane.leases - lane.slots) for lane in self._lanes.values())

    def sharing(self, slots: int) -> int:
        """How many sweeps with so many slots have leases out."""
        return len({place.sweep for place in self._lanes[slots].out}) if slots in self._lanes else 0

    def file(self, name: str, queue: Queue) -> None:
        """Take note of how a sweep stands."""
        for strand in queue.strands.values():
            self._file(Place(name, strand.need), queue, strand)

    def _file(self, place: Place, queue: Queue, strand: Strand) -> None:
        known = self._lane_of.setdefault(place.sweep, {})
        hungry = queue.hungry(strand)
        if known.get(place.need) != strand.slots:
            self._drop(place)
            known[place.need] = strand.slots
        if strand.slots < 1:
            self._infeasible.pop(place, None)
            if hungry:
                self._infeasible[place] = queue, strand
            return
        lane = self._lanes.setdefault(strand.slots, Lane(strand.slots))
        lane.leases += len(strand.leases) - lane.out.pop(place, 0)
        if strand.leases:
            lane.out[place] = len(strand.leases)
        if hungry:
            lane.hungry[place] = queue, strand
        else:
            lane.hungry.pop(place, None)

    def drop(self, name: str) -> None:
        """Forget a sweep."""
        for need in list(self._lane_of.get(name, ())):
            self._drop(Place(name, need))
        self._lane_of.pop(name, None)

    def _drop(self, place: Place) -> None:
        self._infeasible.pop(place, None)
        lane = self._lanes.get(self._lane_of[place.sweep].pop(place.need, 0))
        if lane is not None:
            lane.leases -= lane.out.pop(place, 0)
            lane.hungry.pop(place, None)
            if not (lane.out or lane.hungry):
                del self._lanes[lane.slots]

    def next(self, now: float) -> Place | None:
        """The strand that gets the next lease; None when the windows are full or nobody wants one."""
        for place, (queue, strand) in self._infeasible.items():
            if not strand.leases and queue.rested(strand, now):
                return place
        found = [best for lane in self._lanes.values() if (best := lane.next(now)) is not None]
        return min(found)[-1] if found else None

    def wake(self, now: float) -> float | None:
        """When the first of the sweeps whose environment failed may try again; None if none waits for a time.

        Nothing else needs a clock: a full window opens when a lease ends, and a turn passes with the next lease.
        """
        hungry = [queue for lane in self._lanes.values() for queue, _ in lane.hungry.values()]
        hungry += [queue for queue, _ in self._infeasible.values()]
        return min((queue.not_before for queue in hungry if queue.not_before > now), default=None)

    def check(self, queues: Mapping[str, Queue]) -> None:
        """All is filed as it stands (for tests)."""
        all_of_them = {
            Place(name, need): (queue, strand)
            for name, queue in queues.items()
            for need, strand in queue.strands.items()
        }
        hungry = {place: each for place, each in all_of_them.items() if each[0].hungry(each[1])}
        for slots, lane in self._lanes.items():
            here = {place: strand for place, (_, strand) in all_of_them.items() if strand.slots == slots}
            assert lane.out == {place: len(strand.leases) for place, strand in here.items() if strand.leases}
            assert lane.hungry == {place: hungry[place] for place in here if place in hungry}
            assert lane.leases == sum(lane.out.values())
        busy = {strand.slots for place, (_, strand) in all_of_them.items() if strand.leases or place in hungry} - {0}
        assert busy <= self._lanes.keys(), f"there are lanes for {[*self._lanes]} slots, and strands with {busy}"
        assert self._infeasible == {place: each for place, each in hungry.items() if each[1].slots < 1}
