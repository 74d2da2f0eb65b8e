"""Row 2: the share of the cores' time that is spent in points, beside a loop over bare Ray tasks.

Points of 1, 10, 100 and 1000 ms of pure computation and a log-normal mixture of such, `WORK_S` seconds of work in all,
the very same points on both sides. The baseline is what a careful user writes by hand: chunks of about `CHUNK_S` of
work as Ray tasks, all submitted at once so that no worker waits for the driver, every result in the driver's hands at
the end. The lab's time goes from `submit` to the last row durable. Both begin when their worker processes are up.

The share of the slots' time in points is measured in the points themselves, so what other people do on the machine
stretches both it and the rest alike. What it does not show is what the lab's own processes take from the points while
these run: the ratio of the times, loop by lab, has that in it too, and needs a quiet machine.

The idle tail is read from the rows: from the last moment at which all slots were in a trial to the end of the last
trial. The longest trial is taken off: no scheduler can know that it comes last.
"""

from __future__ import annotations

import itertools
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from busy import chunk, trial, turns_per_ms
from driving import driver
from figures import Figure, Run, in_turns, ratio

if TYPE_CHECKING:
    import polars as pl

    import raylab

SLOTS = 2
WORK_S = 40.0
CHUNK_S = 0.25
MOST_ROUNDS = 3
"""Of 20 s each, on both sides and for each length of point."""

LEVELS = 40
TAIL_S = 1.0
_numbers = itertools.count()

LEAST = {1: 0.92, 10: 0.97, 100: 0.97, 1000: 0.97}


def log_normal() -> list[float]:
    """The middles of `LEVELS` equal parts of a log-normal distribution, in ms: from 2 ms to 0.5 s, 61 ms on average."""
    normal = statistics.NormalDist()
    lengths = [30 * 2.718281828 ** (1.2 * normal.inv_cdf((i + 0.5) / LEVELS)) for i in range(LEVELS)]
    return [min(1_000.0, max(1.0, each)) for each in lengths]


class Sides:
    """The two sides of a pair, on points of these lengths."""

    def __init__(self, lab: raylab.Lab, lengths_ms: Sequence[float], work_s: float) -> None:
        per_ms = turns_per_ms()
        self.turns = [max(1, round(each * per_ms)) for each in lengths_ms]
        self.each = max(SLOTS, round(work_s * 1_000 / sum(lengths_ms)))
        self.in_chunk = max(1, round(CHUNK_S * 1_000 / statistics.fmean(lengths_ms)))
        self.took: dict[str, list[float]] = {"lab": [], "loop": []}
        self.tails: list[float] = []
        self._lab = lab

    def ours(self) -> float:
        """The share of the slots' time that is in trials, in a sweep."""
        self._submit([1], 1_000).wait(progress=False)  # both processes are up, with this code
        began = time.perf_counter()
        sweep = self._submit(self.turns, self.each)
        assert sweep.wait(progress=False)
        took = time.perf_counter() - began
        rows = sweep.results(metadata=True)
        assert rows.height == len(self.turns) * self.each
        self.tails.append(idle_tail(rows) - rows["_elapsed_s"].max())
        self.took["lab"].append(took)
        return float(rows["_elapsed_s"].sum()) / SLOTS / took

    def _submit(self, turns: Sequence[int], each: int) -> raylab.Sweep:
        import raylab

        return self._lab.submit(trial, raylab.Factorial(turns=turns, n=range(each)), name=f"sweep-{next(_numbers)}")

    def theirs(self) -> float:
        """The share of the slots' time that is in points, in the bare loop."""
        import ray

        points = [(turns, n) for turns in self.turns for n in range(self.each)]
        random.Random(1).shuffle(points)
        task = ray.remote(chunk)
        ray.get([task.remote([(1, n)]) for n in range(100)])
        began = time.perf_counter()
        chunks = [points[at : at + self.in_chunk] for at in range(0, len(points), self.in_chunk)]
        found = ray.get([task.remote(each) for each in chunks])
        took = time.perf_counter() - began
        assert sum(len(results) for results, _ in found) == len(points)
        self.took["loop"].append(took)
        return sum(seconds for _, seconds in found) / SLOTS / took


def idle_tail(rows: pl.DataFrame) -> float:
    """Seconds from the last moment at which all slots ran a trial to the end of the last one."""
    started = rows["_started"].dt.epoch("us") / 1e6
    ended = started + rows["_elapsed_s"]
    steps = sorted([*((at, 1) for at in started), *((at, -1) for at in ended)])
    running, last = 0, steps[0][0]
    for at, step in steps:
        if running >= SLOTS and step < 0:
            last = at
        running += step
    return steps[-1][0] - last


def measure(run: Run) -> Iterator[Figure]:
    import raylab

    with driver(SLOTS):
        lab = raylab.Lab("efficiency")
        cases: dict[str, Sequence[float]] = {f"points of {ms} ms": [ms] for ms in LEAST}
        for name, lengths in {**cases, "points of 2 to 400 ms, log-normal": log_normal()}.items():
            sides = Sides(lab, lengths, run.size(int(WORK_S), 4))
            least = LEAST.get(int(lengths[0]), 0.97) if len(lengths) == 1 else 0.97
            yield from figures_of(sides, name, least, min(run.rounds, MOST_ROUNDS))


def figures_of(sides: Sides, name: str, least: float, rounds: int) -> Iterator[Figure]:
    """The figures of points of these lengths."""
    ours, theirs = in_turns(sides.ours, sides.theirs, rounds)
    yield ratio("2", f"efficiency, {name}", ours, theirs, than="bare loop", unit="of the slots' time", least=least)
    clock = f"efficiency by the clock, {name}"
    yield ratio("2", clock, sides.took["loop"], sides.took["lab"], than="bare loop and lab", unit="s")
    yield Figure(
        row="2",
        what=f"idle tail beyond the longest trial, {name}",
        value=max(sides.tails),
        most=TAIL_S,
        unit="s",
        beside="the worst of the rounds",
        rounds=sides.tails,
    )
