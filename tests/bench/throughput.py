"""Row 1: points per second of a trivial function with two parameters, from `submit` to the last row durable.

Beside two things that a user could write instead, on the same cluster of two slots, in turns with the lab: the same
function in hand-made chunks of bare Ray tasks that return the list of its results, nothing recorded; and one Ray task
per point (fewer of them, they are slow). The lab's time has its seals in it. Where the cores' time went is measured
for both, by process, while they run.
"""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import ray
from clusters import Cluster
from driving import driver
from figures import Figure, Run, in_turns, ratio
from trivial import chunk, trivial

import raylab

CHUNK = 5_000
SLOTS = 2

_numbers = itertools.count()


def points_of(trials: int) -> list[tuple[float, int]]:
    return [(i / 1000, i % 1000) for i in range(trials)]


def per_second(points: int, work: Callable[[], int]) -> float:
    """Points per second of what does so many, and returns how many it did."""
    began = time.perf_counter()
    done = work()
    took = time.perf_counter() - began
    assert done == points
    return points / took


def bare_chunks(trials: int) -> float:
    """Points per second of hand-made chunks, every result in the driver's hands at the end."""
    task = ray.remote(chunk)
    points = points_of(trials)
    parts = range(0, trials, CHUNK)
    return per_second(trials, lambda: sum(map(len, ray.get([task.remote(points[at : at + CHUNK]) for at in parts]))))


def bare_singles(trials: int) -> float:
    """Points per second of one Ray task per point."""
    task = ray.remote(trivial)
    return per_second(trials, lambda: len(ray.get([task.remote(p, n) for p, n in points_of(trials)])))


def lab_sweep(lab: raylab.Lab, trials: int) -> float:
    """Points per second of a sweep, from submit to the last row durable."""
    design = raylab.Factorial(p=[i / 1000 for i in range(1000)], n=range(trials // 1000))
    began = time.perf_counter()
    sweep = lab.submit(trivial, design, name=f"sweep-{next(_numbers)}")
    assert sweep.wait(progress=False)
    elapsed = time.perf_counter() - began
    assert sweep.number_of_results() == design.size
    return design.size / elapsed


class CoresTime:
    """Seconds of the cores' time in this process and the cluster's, by what they are."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._spent: Counter[str] = Counter()
        self.points = 0

    def of(self, measured: Callable[[int], float], points: int) -> float:
        """Measure something, and note what it took of the cores."""
        before = self._now()
        found = measured(points)
        self._spent.update(self._now() - before)
        self.points += points
        return found

    def each(self) -> float:
        """Microseconds a point."""
        return statistics.fsum(self._spent.values()) / self.points * 1e6

    def split(self) -> str:
        """Microseconds a point, by process."""
        each = {kind: spent / self.points * 1e6 for kind, spent in self._spent.items()}
        return ", ".join(f"{kind} {each[kind]:.2f}" for kind in sorted(each, key=each.__getitem__, reverse=True))

    def _now(self) -> Counter[str]:
        found: Counter[str] = Counter(driver=sum(os.times()[:2]))  # type: ignore[call-overload]
        for pid in self._cluster.pids():
            found[_kind(pid)] += _seconds(pid)
        return found


def _kind(pid: int) -> str:
    command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    if command.startswith("ray::"):
        return "the lab" if "Lab" in command else "workers"
    return "ray"


def _seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(run: Run) -> Iterator[Figure]:
    trials, singles = run.size(1_000_000, 20_000), run.size(4_000, 200)
    with driver(SLOTS) as cluster:
        lab = raylab.Lab("throughput")
        ours, theirs = CoresTime(cluster), CoresTime(cluster)
        lab_sweep(lab, 20_000)
        bare_chunks(20_000)
        labs, chunks = in_turns(
            lambda: ours.of(lambda n: lab_sweep(lab, n), trials), lambda: theirs.of(bare_chunks, trials), run.rounds
        )
        ones = [bare_singles(singles) for _ in range(run.rounds)]
    than = f"hand-made chunks of {CHUNK:,}, nothing recorded"
    yield ratio("1", "throughput beside hand-made chunks", labs, chunks, than=than, unit="points/s", least=0.5)
    yield ratio(
        "1", "throughput beside single tasks", labs, ones, than="one Ray task per point", unit="points/s", least=200
    )
    yield Figure(
        row="1", what="the cores' time for a point of the lab", value=ours.each(), unit="µs", beside=ours.split()
    )
    yield Figure(row="1", what="the same in chunks", value=theirs.each(), unit="µs", beside=theirs.split())
