"""Several sweeps with different code at once, beside one sweep with the same work.

Three sweeps from three local modules: each brings its own zip, and so has its own worker processes, which take seconds
to start. The work is the same on both sides, points of 20 ms of pure computation. What counts is the share of the
slots' time in trials, by the trials' own clocks: so what other people do on the machine stretches it and the rest
alike. Both begin with worker processes that are up; and once more with modules that no process has seen, where the
three have three times as many to start (no target).
"""

from __future__ import annotations

import importlib
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import busy
from driving import driver
from figures import Figure, Run, in_turns, ratio

if TYPE_CHECKING:
    import raylab

SLOTS = 2
SWEEPS = 3
POINT_MS = 20
WORK_S = 60.0
LEAST = 0.9
MOST_ROUNDS = 3
"""Of 30 s each, on both sides, warm and cold."""

_numbers = itertools.count()


def measure(run: Run) -> Iterator[Figure]:
    import raylab

    folder = run.folder / "mixture"
    folder.mkdir()
    sys.path.insert(0, str(folder))
    rounds = min(run.rounds, MOST_ROUNDS)
    with driver(SLOTS):
        sides = Sides(raylab.Lab("mixture"), folder, run.size(int(WORK_S), 6))
        for side, words, least in ((sides.warm, "", LEAST), (sides.cold, ", none seen before", None)):
            ours, theirs = in_turns(partial(side, SWEEPS), partial(side, 1), rounds)
            what = f"{SWEEPS} codes at once{words}"
            yield ratio("mix", what, ours, theirs, than="one sweep", unit="of the slots' time", least=least)


class Sides:
    """The work in one sweep or in several."""

    def __init__(self, lab: raylab.Lab, folder: Path, work_s: float) -> None:
        self._lab = lab
        self._folder = folder
        self._turns = max(1, round(POINT_MS * busy.turns_per_ms()))
        self._points = round(work_s * 1_000 / POINT_MS)
        self._known = [self._module() for _ in range(SWEEPS)]

    def warm(self, sweeps: int) -> float:
        """The share of the slots' time in trials, when each code's worker processes are up."""
        trials = self._known[:sweeps]
        for trial in trials:
            self._run([trial], 10 * SLOTS)
        return self._run(trials, self._points)

    def cold(self, sweeps: int) -> float:
        """The same when no worker process has seen the codes."""
        return self._run([self._module() for _ in range(sweeps)], self._points)

    def _run(self, trials: list[Callable[..., Any]], points: int) -> float:
        import raylab

        design = raylab.Factorial(turns=[self._turns], n=range(points // len(trials)))
        began = time.perf_counter()
        sweeps = [self._lab.submit(trial, design, name=f"sweep-{next(_numbers)}") for trial in trials]
        assert all(sweep.wait(progress=False) for sweep in sweeps)
        took = time.perf_counter() - began
        return sum(float(sweep.results(metadata=True)["_elapsed_s"].sum()) for sweep in sweeps) / SLOTS / took

    def _module(self) -> Callable[..., Any]:
        """The trial of a module that is like no other."""
        name = f"busy_{next(_numbers)}"
        text = Path(busy.__file__).read_text() + f"\nNAME = {name!r}\n"
        (self._folder / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        trial: Callable[..., Any] = importlib.import_module(name).trial
        return trial
