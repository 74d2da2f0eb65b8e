"""How big a lease is, how long a worker may keep its rows, how many trials fit on the cluster. Arithmetic only.

One actor takes about 400 leases and 1,300 batches a second; the figures here keep it at a quarter of that at any
number of slots, while results stay young (half a second to a few) on small clusters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

LEASE_S = 2.0
"""What a lease aims at, in seconds of work: long beside the ~5 ms a Ray task costs, short enough to share slots."""

LEASES_PER_S = 100
"""At most this many leases a second through the actor; beyond 160 slots leases grow longer instead."""

RUSH_PER_S = 400
"""What it takes for a while: as long as slots stand empty, or soon may."""

LAST_PER_S = 300
"""And towards the end of a sweep, where slots ask more often."""

FLUSH_S = 0.5
"""How long a worker may hold rows back on a small cluster."""

BATCHES_PER_S = 300
"""At most this many batches a second through the actor."""

SHORTEST_S = 0.1
"""Towards the end leases shrink, but not below this, 20 times what a lease costs; each slot's last may be shorter."""

GROWTH = 8
"""A lease is at most this many times the longest run seen to come back: the first ones are single trials, and a first
measurement (imports, caches) says little."""

WINDOW = 2.0
"""Leases in flight for each slot: one that runs and one that is ready to."""

PLANNED = 0.8
"""The share of both that is planned with; the rest is for leases that are lost, for first ones and for last ones."""

LAUNCHES = 100
"""Leases made at one event at most: the lab answers in between (a Ray task takes it some 0.3 ms)."""

SPLIT = 16
"""What comes back of a lease that died returns in leases of this share of its number (first the first trial alone): a
culprit among 100,000 is alone after five deaths, and losing one lease in a hundred does not keep a lab busy."""

GRACE_S = 1.0
"""What a trial has, after its time limit, to clean up in; then its process is ended."""

STRIKES = 3
"""Deaths alone after which a trial is recorded as crashed."""

RUNS_ALONE = 6
"""Runs alone after which it is, also where the lab died too and saw no death."""

PAUSE_AFTER = 100
"""A sweep whose first executions, this many, all failed pauses itself."""

SHARE_AFTER = 100
"""A share of failures says something once so many trials are in: of ten, one that fails is a tenth."""

TURN_S = 10.0
"""Slots change between sweeps of different code in turns of at least this: a new process costs 1–2 s."""

BACKOFF_S = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
"""Pauses before an environment that could not be built is tried again; the first failure costs none (a node that
went away looks the same)."""


TROUBLES = 3
"""So many failures of an environment in a row, and whoever waits is told; the lab goes on trying."""


def lease_length(*, waiting: int, slots: int, seconds: float | None, longest: int, load: float = 1.0) -> int:
    """How many trials the next lease of a sweep takes.

    Args:
        waiting: trials that could be leased now.
        slots: how many trials of the sweep the cluster can run at once.
        seconds: what one trial takes, all in all; None when not one has come back.
        longest: the most trials one lease has brought back so far.
        load: leases in flight for each slot. The slots of a cluster that fills get shorter leases first, so that they
            do not ask for the next one all at once, round after round.
    """
    if waiting <= 1 or seconds is None:
        return min(waiting, 1)
    slots = max(slots, 1)
    each = max(seconds, 1e-9)
    aim = max(LEASE_S, slots / (PLANNED * LEASES_PER_S) * min(load, 1.0))
    share = _share(waiting * each / slots, slots)
    return max(1, min(waiting, int(aim / each), math.ceil(share / each), GROWTH * max(longest, 1)))


def _share(left: float, slots: int) -> float:
    """What the next lease may take, in seconds, of the work that is left for each slot, so that all slots end together.

    Guided self-scheduling (Polychronopoulos & Kuck 1987) takes a third of what is left, again and again. Many slots
    would ask more often than the lab can answer, so there is a shortest lease, and a last round of them: slots come to
    their last lease one by one, while the others work off theirs of that length, and each is to last as long as the
    last of those. With slots evenly spread that is the square root below.
    """
    shortest = max(SHORTEST_S, slots / LAST_PER_S)
    return max(left / 3, min(shortest, math.sqrt(2 * shortest * left)))


def launch_rate(line: float) -> float:
    """How many leases a second may be made while so many wait for a slot."""
    return RUSH_PER_S if line < LAUNCHES else LEASES_PER_S


def flush_interval(slots: int) -> float:
    """How many seconds a worker may keep finished rows before it sends them."""
    return max(FLUSH_S, slots / (PLANNED * BATCHES_PER_S))


def backoff(failures: int) -> float:
    """The pause in seconds after that many environments in a row could not be built."""
    return BACKOFF_S[min(failures, len(BACKOFF_S)) - 1]


def shares(request: Mapping[str, float], totals: Mapping[str, float], slots: int) -> dict[str, float]:
    """Which part of each resource of a cluster a trial takes. Where nobody knows how much there is of one, it is the
    trial's part of those that fit.

    Example:
        >>> shares({"CPU": 1, "GPU": 1, "memory": 0}, {"CPU": 8, "GPU": 2}, slots=2)
        {'CPU': 0.125, 'GPU': 0.5}
    """
    wanted = {name: amount for name, amount in request.items() if amount > 0}
    if not wanted:  # it runs anywhere, beside any other
        return {"": 1 / slots}
    return {name: amount / totals[name] if totals.get(name) else 1 / slots for name, amount in wanted.items()}


def totals(nodes: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """What nodes have together."""
    found: dict[str, float] = {}
    for node in nodes:
        for name, amount in node.items():
            found[name] = found.get(name, 0.0) + amount
    return found


def slots(nodes: Iterable[Mapping[str, float]], request: Mapping[str, float]) -> int:
    """How many trials that each need `request` fit on nodes with these resources; 0 means that no node can run one."""
    wanted = {name: amount for name, amount in request.items() if amount > 0}
    total = 0
    for node in nodes:
        if wanted:
            total += int(min(node.get(name, 0.0) / amount + 1e-9 for name, amount in wanted.items()))
        else:  # a trial that asks for nothing runs anywhere; count what a careful user would run there
            total += max(1, int(node.get("CPU", 1.0)))
    return total
