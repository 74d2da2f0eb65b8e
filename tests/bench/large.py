"""The large notebook: a lab named "large" with a sweep "large" of 10,000,000 recorded rows, made once in a run.

A real sweep on a real cluster, of a function that costs nothing. Its points run in the design's order, and the last
thousand of them take a second each: when all the rest is recorded they are given up. So the sweep stands still for who
asks and reads, and goes on, at a slow pace, when it is submitted again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clusters import Cluster
from driving import connected
from figures import Run
from trials import trivial

if TYPE_CHECKING:
    import raylab

NAME = "large"
"""Of the lab, of its sweep, and of the folder in the run's."""

ACROSS = 1_000
LOOK_S = 0.2


def rows(run: Run) -> int:
    return run.size(10_000_000, 100_000)


def submit(lab: raylab.Lab, run: Run) -> raylab.Sweep:
    """Ask for the sweep; for one that is there, ask for the rest."""
    import raylab

    design = raylab.Factorial(n=range(1 - rows(run) // ACROSS, 2), p=[i / ACROSS for i in range(ACROSS)])
    return lab.submit(trivial, design, name=NAME, seed=1, order="design")


@contextmanager
def cluster(run: Run) -> Iterator[Cluster]:
    """A cluster of two slots whose labs are those of `made`, and this process connected to it."""
    with Cluster(env={"RAYLAB_HOME": str(run.folder / NAME)}) as started, connected(started.address):
        yield started


def make(run: Run, watch: Callable[[dict[str, Any]], object] = lambda info: None) -> float:
    """Make the notebook; `watch` gets the lab's `info()`: before it, meanwhile and after it. Rows per second."""
    import raylab

    with cluster(run):
        lab = raylab.Lab(NAME)
        info = lab.info()
        watch(info)
        began = time.perf_counter()
        sweep = submit(lab, run)
        while sweep.number_of_results() < rows(run):
            assert sweep.progress().state == "running", sweep.progress()
            watch(info)
            time.sleep(LOOK_S)
        took = time.perf_counter() - began
        sweep.cancel()
        while sweep.progress().running:
            time.sleep(0.1)
        watch(info)
        lab.shutdown(force=True)
    _mark(run).touch()
    return rows(run) / took


def made(run: Run) -> tuple[Path, str]:
    """Where the labs of the large notebook are (a RAYLAB_HOME with the lab "large" in it), and the sweep's name."""
    if not _mark(run).exists():
        make(run)
    return run.folder / NAME, NAME


def _mark(run: Run) -> Path:
    return run.folder / "large-is-made"
