"""The window of leases in flight: which sweep gets the next one.

Rules of this file:

1. A lease weighs 1/slots of its sweep, so that 1.0 is the cluster full and `schedule.WINDOW` is as much as is ever out.
2. Sweeps of which the cluster holds equally many trials stand in one lane, and each lane has a window of its own: what
   waits for the only GPU must not keep a hundred CPUs idle. Lanes that do want the same slots share them evenly, since
   Ray serves them in the order in which they came.
3. Sweeps of one group, which share worker processes, share a lane evenly; of equals it is the turn of the one that has
   waited longest. Groups take turns of at least `schedule.TURN_S`, since a process for other code costs a second or
   two; a group that wants nothing gives up its turn at once.
4. A sweep that no node can run has one lease out, so that an autoscaler sees what is wanted. It weighs nothing.
5. What is finished, cancelled, paused or wholly out costs nothing: only sweeps with something to lease are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from raylab.core import schedule
from raylab.core.queue import Queue


@dataclass(slots=True)
class Lane:
    """The sweeps of which the cluster holds the same number of trials."""

    slots: int
    out: dict[str, int] = field(default_factory=dict)  # leases, by sweep that has some
    leases: int = 0
    hungry: dict[str, Queue] = field(default_factory=dict)
    turn: str = ""  # the group whose sweeps have the slots now
    turn_since: float = float("-inf")

    @property
    def load(self) -> float:
        """Leases in flight for each slot; counted, not summed up, since adding thirds drifts."""
        return self.leases / self.slots

    def next(self, now: float) -> tuple[float, int, str] | None:
        """What speaks for the sweep that is next here, less for the later; None if the window is full or none is."""
        if not self.hungry or self.load >= schedule.WINDOW:
            return None
        ready = [(name, queue) for name, queue in self.hungry.items() if queue.rested(now)]
        if not ready:
            return None
        self._take_turns({queue.group for _, queue in ready}, now)
        return min(
            (len(queue.leases) / self.slots, queue.latest, name) for name, queue in ready if queue.group == self.turn
        )

    def _take_turns(self, groups: set[str], now: float) -> None:
        """Round robin by name."""
        if self.turn in groups and (len(groups) == 1 or now < self.turn_since + schedule.TURN_S):
            return
        self.turn = min((group for group in groups if group > self.turn), default=min(groups))
        self.turn_since = now


class Window:
    """Knows of each sweep what it has out and whether it wants more; the ledger files every change."""

    def __init__(self) -> None:
        self._lanes: dict[int, Lane] = {}  # by the slots of their sweeps
        self._lane_of: dict[str, int] = {}
        self._infeasible: dict[str, Queue] = {}  # hungry too, but no node can run them

    def load(self, slots: int) -> float:
        """Leases in flight for each slot, of the sweeps with so many slots."""
        return self._lanes[slots].load if slots in self._lanes else 0.0

    @property
    def line(self) -> float:
        """How many leases wait for a slot, as far as that can be known here."""
        return sum(max(0, lane.leases - lane.slots) for lane in self._lanes.values())

    def sharing(self, slots: int) -> int:
        """How many sweeps with so many slots have leases out."""
        return len(self._lanes[slots].out) if slots in self._lanes else 0

    def file(self, name: str, queue: Queue) -> None:
        """Take note of how a sweep stands."""
        if queue.slots < 1:
            self.drop(name)
            if queue.hungry:
                self._infeasible[name] = queue
            return
        if self._lane_of.get(name) != queue.slots:
            self.drop(name)
            self._lane_of[name] = queue.slots
        lane = self._lanes.setdefault(queue.slots, Lane(queue.slots))
        lane.leases += len(queue.leases) - lane.out.pop(name, 0)
        if queue.leases:
            lane.out[name] = len(queue.leases)
        if queue.hungry:
            lane.hungry[name] = queue
        else:
            lane.hungry.pop(name, None)

    def drop(self, name: str) -> None:
        """Forget a sweep."""
        self._infeasible.pop(name, None)
        lane = self._lanes.get(self._lane_of.pop(name, 0))
        if lane is not None:
            lane.leases -= lane.out.pop(name, 0)
            lane.hungry.pop(name, None)
            if not (lane.out or lane.hungry):
                del self._lanes[lane.slots]

    def next(self, now: float) -> str | None:
        """The sweep that gets the next lease; None when the windows are full or nobody wants one."""
        for name, queue in self._infeasible.items():
            if not queue.leases and queue.rested(now):
                return name
        found = [best for lane in self._lanes.values() if (best := lane.next(now)) is not None]
        return min(found)[2] if found else None

    def wake(self, now: float) -> float | None:
        """When the first of the sweeps whose environment failed may try again; None if none waits for a time.

        Nothing else needs a clock: a full window opens when a lease ends, and a turn passes with the next lease.
        """
        hungry = [queue for lane in self._lanes.values() for queue in lane.hungry.values()]
        hungry += self._infeasible.values()
        return min((queue.not_before for queue in hungry if queue.not_before > now), default=None)

    def check(self, queues: Mapping[str, Queue]) -> None:
        """All is filed as it stands (for tests)."""
        for slots, lane in self._lanes.items():
            here = {name: queue for name, queue in queues.items() if queue.slots == slots}
            assert lane.out == {name: len(queue.leases) for name, queue in here.items() if queue.leases}
            assert lane.hungry == {name: queue for name, queue in here.items() if queue.hungry}
            assert lane.leases == sum(lane.out.values())
        busy = {queue.slots for queue in queues.values() if queue.slots >= 1 and (queue.leases or queue.hungry)}
        assert busy <= self._lanes.keys(), f"there are lanes for {[*self._lanes]} slots, and sweeps with {busy}"
        assert self._infeasible == {name: queue for name, queue in queues.items() if queue.hungry and queue.slots < 1}
