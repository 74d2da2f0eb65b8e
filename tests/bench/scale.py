"""Decisions at scale: 10,000 slots, 10^8 points, in simulated time, because nobody here has such a cluster.

The ledger, the plan and the run order are the real ones; slots, workers, Ray and the disk are those of `simulated.py`,
every single trial with a length of its own: a log-normal mixture over an axis of eight levels, the longest of them
several hundred times as long as the median. One lease in a hundred is lost, half of them with their node, half
by a death of their process. What a decision costs is CPU time inside `Ledger.handle`, so a busy machine does no harm.

The end of a sweep is measured apart, without losses and on clusters of several sizes, and compared with its longest
trial, since nothing can end earlier. The last tables are what decisions cost as things grow, one thing at a time.
"""

from __future__ import annotations

import gc
import statistics
import sys
from collections.abc import Iterator
from time import thread_time
from typing import Any

import numpy as np
from asked import submitted, sweeps
from figures import Figure, Run
from numpy.typing import NDArray
from simulated import SWEEP, Found, Lengths, Simulation, busy_share

from raylab.core import events as ev
from raylab.core import schedule
from raylab.core.ledger import Ledger
from raylab.core.order import Order

SLOTS, POINTS = 10_000, 10**8
LOST = 0.01
TAIL_S = 1.0
"""What the end of a sweep may take beyond its longest trial."""


def measure(run: Run) -> Iterator[Figure]:
    slots, points = run.size(SLOTS, 100), run.size(POINTS, 10**5)
    yield from whole(slots, points)
    for many in (2, 16, 100):
        yield from tails(many, run)
    yield from growth(run)


# a whole sweep --------------------------------------------------------------------------------------------------


def mixture(trials: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Eight levels, the slowest 17 times as slow as the quickest; each trial's own share is log-normal. 0.2 s on
    average, 0.08 s in the median."""
    return 0.02 * 1.5 ** (trials % 8) * np.exp(rng.standard_normal(len(trials)))


def whole(slots: int, points: int) -> Iterator[Figure]:
    sizes: list[int] = []
    simulation = Simulation(
        slots=slots, trials=points, lengths=mixture, lost=LOST, look=lambda ledger: sizes.append(size_of(ledger))
    )
    found = simulation.run()
    tail = found.tail or found.end
    what = f"{slots:,} slots, {points:,} points"
    told = f"{found.end:,.0f} s of simulated time, {found.lost:,} leases lost, {found.decisions:,} decisions"
    yield Figure(
        row="10", what=f"{what}: slots busy, until the tail", value=busy_share(found, slots, 0, tail), least=0.98,
        unit="of the time", beside=told,
    )  # fmt: skip
    spent = sum(found.deciding)
    yield Figure(
        row="10", what=f"{what}: deciding", value=spent / found.end, most=0.2, unit="cores",
        beside=f"{spent / found.decisions * 1e6:.1f} µs a decision; the worst 10 s {worst(found.deciding):.3f} cores",
    )  # fmt: skip
    yield from rates(found, slots, tail)
    half = len(sizes) // 2
    first, second = max(sizes[:half]), max(sizes[half:])
    yield Figure(
        row="10", what=f"{what}: memory in the second half, beside the first", value=second / first, most=1.2,
        beside=f"{second / 1e6:.1f} MB beside {first / 1e6:.1f} MB: {second / slots / 1e3:.2f} kB for each slot",
    )  # fmt: skip


def rates(found: Found, slots: int, tail: float) -> Iterator[Figure]:
    """What goes through the actor, from when all slots have their first long leases to the last of them."""
    aim = max(schedule.LEASE_S, slots / (schedule.PLANNED * schedule.LEASES_PER_S))
    start, stop = int(min(2 * aim, tail / 4)), int(max(tail - 3 * aim, tail * 3 / 4))
    for what, counts, most in (
        ("leases", found.launched, schedule.LEASES_PER_S),
        ("batches", found.batches, schedule.BATCHES_PER_S),
    ):
        told = f"the worst 10 s: {worst(counts[start:stop]):,.0f}; at the start {worst(counts[:start]):,.0f}"
        yield Figure(
            row="10", what=f"{what} through the actor", value=statistics.mean(counts[start:stop]), most=most,
            unit="a second", beside=f"{told}, at the end {worst(counts[stop:]):,.0f}",
        )  # fmt: skip


def worst(counts: list[Any], seconds: int = 10) -> float:
    """The highest mean over so many seconds."""
    spans = np.convolve(counts, np.ones(seconds) / seconds, "valid") if len(counts) >= seconds else np.array(counts)
    return float(spans.max()) if spans.size else 0.0


def size_of(ledger: Ledger) -> int:
    """The bytes of all that a ledger holds."""
    seen: set[int] = set()
    todo: list[Any] = [vars(ledger)]
    size = 0
    while todo:
        thing = todo.pop()
        if id(thing) in seen or isinstance(thing, type):
            continue
        seen.add(id(thing))
        size += sys.getsizeof(thing)
        todo += gc.get_referents(thing)
    return size


# the end of a sweep ---------------------------------------------------------------------------------------------


def equal(seconds: float) -> Lengths:
    return lambda trials, _: np.full(len(trials), seconds)


def by_level(trials: NDArray[np.int64], _: np.random.Generator) -> NDArray[np.float64]:
    return 10.0 ** (trials % 4 - 3)


def rare(trials: NDArray[np.int64], _: np.random.Generator) -> NDArray[np.float64]:
    return np.where(trials % 1_000 == 0, 1.0, 1e-3)


def log_normal(median: float, sigma: float) -> Lengths:
    return lambda trials, rng: median * np.exp(sigma * rng.standard_normal(len(trials)))


LENGTHS: dict[str, Lengths] = {
    "1 ms": equal(1e-3),
    "10 ms": equal(1e-2),
    "100 ms": equal(0.1),
    "1 s": equal(1.0),
    "1, 10, 100, 1,000 ms": by_level,
    "1 ms, one in 1,000 1 s": rare,
    "log-normal, sigma 1": log_normal(0.05, 1.0),
    "log-normal, sigma 2": log_normal(0.02, 2.0),
}


def tails(slots: int, run: Run) -> Iterator[Figure]:
    """The worst over all lengths, each several times. Beyond 300 slots the lab cannot answer each trial by itself."""
    over: dict[str, list[float]] = {}
    for name, lengths in LENGTHS.items():
        mean = float(lengths(np.arange(20_000), np.random.default_rng(0)).mean())
        seconds = max(run.size(20, 5), slots / 10)
        for seed in range(run.size(3, 1)):
            found = Simulation(slots=slots, trials=int(slots * seconds / mean), lengths=lengths, seed=seed).run()
            over.setdefault(name, []).append(found.end - (found.tail or found.end) - found.longest)
    worst_of = max(over, key=lambda name: max(over[name]))
    yield Figure(
        row="2", what=f"{slots:,} slots: the idle tail, less the longest trial", value=max(over[worst_of]),
        most=TAIL_S, unit="s", beside=f"the worst of {len(over)} kinds of sweeps: trials of {worst_of}",
    )  # fmt: skip


# how it grows ---------------------------------------------------------------------------------------------------


def growth(run: Run) -> Iterator[Figure]:
    """What one event costs in a ledger with so many of each, beside the same event in a small one."""
    base = cost(run)
    for what, sizes in {
        "slots": {"slots": 10_000},
        "points": {"points": 10**12},
        "finished sweeps": {"finished": 1_000},
        "active sweeps": {"active": 100},
        "runs of recorded positions": {"runs": 10_000},
    }.items():
        here = cost(run, **sizes)
        yield Figure(
            row="10", what=f"a decision with {next(iter(sizes.values())):,} {what}", value=here / base,
            beside=f"{here * 1e6:.1f} µs beside {base * 1e6:.1f} µs with one sweep on 16 slots",
        )  # fmt: skip
    order, many = Order("random", 10**9, key=1), run.size(10**6, 10**5)
    began = thread_time()
    for start in range(0, many, 4_096):
        order.trials(start, start + 4_096)
    yield Figure(row="10", what="the run order", value=(thread_time() - began) / many * 1e9, unit="ns a trial")


def cost(run: Run, *, slots: int = 16, points: int = 10**9, finished: int = 0, active: int = 1, runs: int = 1) -> float:
    """Seconds of CPU for an event: leases that start, bring a batch that is committed, and end; the best of three."""
    ledger = Ledger()
    out: dict[int, ev.Launch] = {}
    now = 0.0

    def tell(event: ev.Event) -> None:
        out.update((each.lease, each) for each in ledger.handle(event, now) if isinstance(each, ev.Launch))

    for number in range(finished):
        recorded = ((0, 1),)
        tell(_opened(f"old{number}", 1, recorded, slots))
    for number in range(active):
        name = SWEEP if not number else f"{SWEEP}{number}"
        recorded = tuple((10 * each, 10 * each + 1) for each in range(runs)) if runs > 1 else ()
        tell(_opened(name, points, recorded, slots))
    while len(out) < schedule.WINDOW * slots:
        now += 1.0
        tell(ev.Ticked())
    took = []
    for _ in range(3):
        began, told = thread_time(), 0
        for lease in list(out.values())[: run.size(5_000, 50)] * (1 if slots > 1_000 else run.size(20, 1)):
            if lease.lease not in out:
                continue
            now += 0.01
            told += _serve(tell, out.pop(lease.lease))
        took.append((thread_time() - began) / told)
    return min(took)


def _opened(sweep: str, points: int, recorded: tuple[tuple[int, int], ...], slots: int) -> ev.SweepOpened:
    record = sweeps(submitted(sweep, size=points, repeats=1))[sweep]
    done = {"done": len(recorded)}
    return ev.SweepOpened(
        sweep=sweep, record=record, recorded=recorded, by_status=done, slots=dict.fromkeys(record.needs, slots)
    )


def _serve(tell: Any, lease: ev.Launch) -> int:
    count = lease.stop - lease.start
    tell(ev.LeaseStarted(lease=lease.lease))
    tell(
        ev.BatchArrived(
            lease=lease.lease, first=lease.start, count=count, by_status={"done": count}, busy_s=count * 0.01
        )
    )
    tell(ev.RowsCommitted(sweep=lease.sweep, first=lease.start, count=count, by_status={"done": count}))
    tell(ev.LeaseEnded(lease=lease.lease, end="normal"))
    return 4
