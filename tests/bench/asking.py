"""What it costs to ask: `progress()`, and `update_results()` with nothing new, in a sweep of 10,000,000 rows.

Beside a call to a bare asynchronous actor that returns the counts of one sweep: first with nothing else going on, then
with another sweep of the same lab at full speed, so that both compete for the same busy cores while the lab's actor
works besides. Both are asked in turns, one call each, and it is the medians of a hundred calls that make a pair.
The bare actor's answer is as large as the lab's.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import large
from bare import bare_actor
from figures import Figure, Run, ratio
from trials import trivial

PAUSE_S = 0.002
"""Between two calls: nobody asks without taking breath."""


def measure(run: Run) -> Iterator[Figure]:
    import ray

    import raylab

    large.made(run)
    with large.cluster(run):
        lab = raylab.Lab(large.NAME)
        sweep = lab.sweep(large.NAME)
        sweep.update_results()
        counts = ray.get(ray.get_actor(large.NAME, namespace="raylab").overview.remote([large.NAME]))
        bare = bare_actor("bare", counts)

        def call() -> None:
            ray.get(bare.ask.remote([large.NAME]))

        yield from figures(run, sweep, call, "nothing else going on")
        other = lab.submit(trivial, raylab.Factorial(p=range(1_000), n=range(-1_000_000, 0)), name="beside")
        while not other.number_of_results():
            time.sleep(PAUSE_S)
        yield from figures(run, sweep, call, "another sweep at full speed")
        assert other.progress().running, other.progress()
        other.cancel()  # the notebook is used by others


def figures(run: Run, sweep: Any, call: Callable[[], object], load: str) -> Iterator[Figure]:
    for name, verb, most in (("progress()", sweep.progress, 1.5), ("update_results()", sweep.update_results, 2.0)):
        ours, theirs = [], []
        for _ in range(run.rounds):
            a, b = in_turns_ms(verb, call, run.size(100, 30))
            ours.append(a)
            theirs.append(b)
        yield ratio(
            "4",
            f"{name} in a sweep of {large.rows(run):,} rows, {load}",
            ours,
            theirs,
            than="a call to a bare async actor",
            unit="ms",
            most=most,
        )


def in_turns_ms(ours: Callable[[], object], theirs: Callable[[], object], times: int) -> tuple[float, float]:
    """The median milliseconds of each, called in turns."""
    took: dict[Callable[[], object], list[float]] = {ours: [], theirs: []}
    for verb, _ in itertools.product((ours, theirs), range(3)):
        verb()
    for turn in range(times):
        for verb in (ours, theirs)[:: -1 if turn % 2 else 1]:
            began = time.perf_counter()
            verb()
            took[verb].append(1_000 * (time.perf_counter() - began))
            time.sleep(PAUSE_S)
    return statistics.median(took[ours]), statistics.median(took[theirs])
