"""What the lab's actor holds: with 10,000,000 rows recorded, and with a sweep of 10^9 points at work.

Its own memory is what the kernel calls anonymous (`/proc/PID/smaps_rollup`): what it shares with other processes is
not in it, neither libraries nor Ray's object store, in which the rows lie on their way to the disk. Idle is the same
actor before anybody asked anything of it but its name. What code and memory pools take when they are used for the
first time belongs to what is measured.

The growth with the size of a design is taken beside a sweep of a million points in the same actor, both at full speed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import large
from figures import Figure, Run, number
from trials import trivial

MOST_ABOVE_IDLE_MB = 150
MOST_GROWTH_MB = 20
LOOK_S = 0.1


def own_mb(pid: int) -> float:
    """A process's own memory."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {key: int(words.split()[0]) / 1024 for key, words in (line.split(":", 1) for line in lines)}["Anonymous"]


def measure(run: Run) -> Iterator[Figure]:
    seen: list[float] = []
    large.make(run, lambda info: seen.append(own_mb(info["pid"])))
    idle, *during, after = seen
    for what, value in (("most while they come in", max(during)), ("after them", after)):
        yield Figure(
            row="6",
            what=f"the actor's memory above idle with {large.rows(run):,} rows: {what}",
            value=value - idle,
            most=MOST_ABOVE_IDLE_MB,
            unit="MB",
            beside=f"idle: {number(idle)} MB",
        )
    yield from growth(run)


def growth(run: Run) -> Iterator[Figure]:
    """A sweep of 10^9 points beside one of 10^6, until a million of its points are recorded."""
    import raylab

    points = run.size(1_000_000, 50_000)
    with large.cluster(run):
        lab = raylab.Lab("growth")
        held = {}
        for name, across in (("first", 1_000), ("small", 1_000), ("vast", 1_000_000)):
            sweep = lab.submit(trivial, raylab.Factorial(p=range(1_000), n=range(1 - across, 1)), name=name)
            held[name] = watched(lab.info()["pid"], sweep, points)
            sweep.cancel()
    yield Figure(
        row="3",
        what=f"the actor's memory with 10^9 points, {points:,} of them recorded, above that with 10^6",
        value=held["vast"] - held["small"],
        most=MOST_GROWTH_MB,
        unit="MB",
        beside=f"a sweep of 10^6 at the same speed before it: {number(held['small'])} MB",
    )


def watched(pid: int, sweep: Any, points: int) -> float:
    """A process's own memory until so many points of a sweep are recorded: the lower quartile, because what the making
    of a file takes comes and goes."""
    held = []
    while sweep.number_of_results() < points:
        held.append(own_mb(pid))
        time.sleep(LOOK_S)
    return statistics.quantiles(held, n=4)[0]
