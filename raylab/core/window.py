"""The window of leases in flight: which sweep gets the next one.

Rules of this file:

1. A lease weighs 1/slots of its sweep, so that 1.0 is the cluster full and `plan.WINDOW` is as much as is ever out.
2. Sweeps of one group, which share worker processes, share evenly. Groups take turns of at least `plan.TURN_S`, since
   a process for other code costs a second or two; a group that wants nothing gives up its turn at once.
3. A sweep that no node can run has one lease out, so that an autoscaler sees what is wanted. It weighs nothing.
4. What is finished, cancelled, paused or wholly out costs nothing: only sweeps with something to lease are looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from raylab.core import plan
from raylab.core.queue import Queue

FULL = plan.WINDOW - 1e-9
"""The window's width, less what adding thirds may leave over."""


class Window:
    """Knows of each sweep what it has out and whether it wants more; the ledger files every change."""

    def __init__(self) -> None:
        self._filed: dict[str, tuple[int, int]] = {}  # by sweep that has leases out: its slots, how many leases
        self._out: Counter[int] = Counter()  # leases out by their sweep's slots: exact, where a sum of floats drifts
        self._hungry: dict[str, Queue] = {}
        self._infeasible: dict[str, Queue] = {}  # hungry too, but no node can run them
        self._turn = ""  # the group whose sweeps have the slots now
        self._turn_since = float("-inf")

    @property
    def load(self) -> float:
        """Leases in flight, each as a share of the cluster's slots for its sweep; 1.0 fills the cluster."""
        return sum(leases / slots for slots, leases in self._out.items() if slots >= 1)

    @property
    def line(self) -> float:
        """How many leases wait for a slot, as far as that can be known here."""
        return sum(leases for slots, leases in self._out.items() if slots >= 1) * (1 - 1 / max(self.load, 1.0))

    @property
    def sharing(self) -> int:
        """How many sweeps have leases out."""
        return len(self._filed)

    def file(self, name: str, queue: Queue) -> None:
        """Take note of how a sweep stands."""
        self.drop(name)
        if queue.leases:
            self._filed[name] = queue.slots, len(queue.leases)
            self._out[queue.slots] += len(queue.leases)
        if queue.hungry:
            (self._hungry if queue.slots >= 1 else self._infeasible)[name] = queue

    def drop(self, name: str) -> None:
        """Forget a sweep."""
        slots, leases = self._filed.pop(name, (0, 0))
        if leases:
            self._out[slots] -= leases
            if not self._out[slots]:
                del self._out[slots]
        self._hungry.pop(name, None)
        self._infeasible.pop(name, None)

    def next(self, now: float) -> str | None:
        """The sweep that gets the next lease; None when the window is full or nobody wants one."""
        for name, queue in self._infeasible.items():
            if not queue.leases and queue.rested(now):
                return name
        if not self._hungry or self.load > FULL:
            return None
        ready = [(name, queue) for name, queue in self._hungry.items() if queue.rested(now)]
        if not ready:
            return None
        self._take_turns({queue.group for _, queue in ready}, now)
        shares = [(len(queue.leases) / queue.slots, name) for name, queue in ready if queue.group == self._turn]
        return min(shares)[1]

    def wake(self, now: float) -> float | None:
        """When the first of the sweeps whose environment failed may try again; None if none waits for a time.

        Nothing else needs a clock: a full window opens when a lease ends, and a turn passes with the next lease.
        """
        hungry = (*self._hungry.values(), *self._infeasible.values())
        return min((queue.not_before for queue in hungry if queue.not_before > now), default=None)

    def _take_turns(self, groups: set[str], now: float) -> None:
        """Round robin by name."""
        if self._turn in groups and (len(groups) == 1 or now < self._turn_since + plan.TURN_S):
            return
        self._turn = min((group for group in groups if group > self._turn), default=min(groups))
        self._turn_since = now

    def check(self, queues: Mapping[str, Queue]) -> None:
        """All is filed as it stands (for tests)."""
        out = {name: (queue.slots, len(queue.leases)) for name, queue in queues.items() if queue.leases}
        assert self._filed == out, f"filed as out: {self._filed}, but there are {out}"
        by_slots: Counter[int] = Counter()
        for slots, leases in out.values():
            by_slots[slots] += leases
        assert self._out == by_slots
        assert self._hungry == {name: queue for name, queue in queues.items() if queue.hungry and queue.slots >= 1}
        assert self._infeasible == {name: queue for name, queue in queues.items() if queue.hungry and queue.slots < 1}
