"""Row 3: what it takes to run again 10^5 trials that failed here and there among 10^6, in the random order.

Beside a new sweep of as many trials of the same function. Each round begins with a new sweep in which every tenth trial
fails, as long as a file is there; that is not measured.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

from driving import driver
from figures import Figure, Run, in_turns, ratio
from trials import fragile

import raylab

MOST = 1.3
SLOTS = 2

_numbers = itertools.count()


def again(lab: raylab.Lab, trials: int, mark: Path) -> float:
    """Seconds from `retry` to the last row durable."""
    mark.touch()
    sweep = submit(lab, range(trials // 1000), mark)
    assert sweep.wait(progress=False)
    assert sweep.progress().failed == trials // 10
    mark.unlink()
    began = time.perf_counter()
    assert sweep.retry() == trials // 10
    assert sweep.wait(progress=False)
    took = time.perf_counter() - began
    assert sweep.progress().done == trials
    return took


def new(lab: raylab.Lab, trials: int, mark: Path) -> float:
    """Seconds of a new sweep of as many, from submit to the last row durable."""
    began = time.perf_counter()
    sweep = submit(lab, range(3, trials // 1000, 10), mark)
    assert sweep.wait(progress=False)
    took = time.perf_counter() - began
    assert sweep.progress().done == trials // 10
    return took


def submit(lab: raylab.Lab, numbers: range, mark: Path) -> raylab.Sweep:
    design = raylab.Factorial(p=[i / 1000 for i in range(1000)], n=numbers, mark=str(mark))
    return lab.submit(fragile, design, name=f"sweep-{next(_numbers)}")


def measure(run: Run) -> Iterator[Figure]:
    trials, mark = run.size(1_000_000, 20_000), run.folder / "fails"
    with driver(SLOTS):
        lab = raylab.Lab("retry")
        again(lab, 20_000, mark)
        ours, theirs = in_turns(lambda: again(lab, trials, mark), lambda: new(lab, trials, mark), run.rounds)
    what = f"{trials // 10:,} failed of {trials:,} run again"
    yield ratio("3", what, ours, theirs, than="a new sweep of as many trials", unit="s", most=MOST)
