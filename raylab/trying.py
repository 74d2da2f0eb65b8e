"""The first points of a design in this process, before anything is submitted. No Ray, no lab, nothing is written."""

from __future__ import annotations

import copy
import os
import secrets
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from raylab.client.handback import without_metadata
from raylab.client.plan import check_plan, check_size, doubled
from raylab.client.speech import say
from raylab.code.rehearsal import rehearse
from raylab.core.block import block
from raylab.core.design import Design, as_design
from raylab.core.kinds import is_whole
from raylab.core.policy import Policy
from raylab.core.request import SweepRecord, draw_seed
from raylab.core.segment import Segment
from raylab.display.forecast import forecast
from raylab.errors import DesignError, ExperimentError
from raylab.notebook.frames import results
from raylab.notebook.unwritten import unwritten
from raylab.rerun.apart import apart
from raylab.rerun.execution import Execution, Staged, Task
from raylab.rerun.raised import explain
from raylab.rerun.report import shown
from raylab.worker.experiment import check_parameters, label
from raylab.worker.unpack import Loaded


def run_here(
    experiment: object,
    design: Any,
    *,
    n: int = 3,
    seed: int | None = None,
    repeats: int = 1,
    metadata: bool | Sequence[str] = False,
) -> pl.DataFrame:
    """Run the first points of a design here, in this process, and say in a line what all of it would take.

    What `submit` would refuse is refused here: parameters that the experiment does not take, a value that no notebook
    keeps, an experiment that cannot travel. What a trial raises is raised, as it is, so that a debugger
    (`python -m pdb`, `%debug`, `breakpoint()`) is in the experiment's code; a note on it says which point it was. What
    trials print is printed. Trials run one after the other, with one thread for BLAS and OpenMP, as `num_cpus=1`
    gives them; each is given values and seeds as on the cluster. Afterwards the process is as it was: its random
    generators, folder, environment, filters of warnings. Of an object with state a copy runs, as on the cluster.

    Args:
        experiment: a function, a `raylab.Experiment`, or an object with epyc's `set` and `run`.
        design: as `Lab.submit` takes it: a design, a frame, a list of dicts or a dict of levels.
        n: how many points, from the design's first one on, each in all its repeats.
        seed: of the sweep, 0 ≤ seed < 2^63; with the same one, `submit` gives these trials the same seeds and numbers.
            Drawn if None; the line says which it was.
        repeats: independent runs of each point.
        metadata: as of `Sweep.results`: True for all columns about trials, or some of their names.

    Returns:
        The rows, with the columns of `Sweep.results`: by point, then by repeat.

    Raises:
        BaseException: what a trial raises.
        DesignError: the design, n, seed or repeats cannot be used.
        ExperimentError: the experiment cannot be run over this design, or cannot travel; or a result cannot be kept.
        ValueError: there is no such metadata.

    Example:
        >>> frame = raylab.run_here(lambda p, L: {"area": p * L**2}, raylab.Factorial(p=[0.5, 0.6], L=[64, 128]), n=2)
        >>> frame.rows()
        [(0.5, 64, 2048.0), (0.5, 128, 8192.0)]
    """
    given, remarks = without_metadata(design)
    points = as_design(given)
    check_plan(points, repeats, seed, "design")
    if not is_whole(n) or n < 1:
        raise DesignError(f"n is how many points are run here, a whole number from 1 on; got {n!r}")
    check_parameters(experiment, points.parameters, points.optional)
    rehearse(experiment)
    own = draw_seed(secrets.token_bytes(16)) if seed is None else int(seed)
    record = _record(experiment, points.settled(own), int(repeats), own)
    results(record, [], metadata=metadata)  # refused now, not once all has run
    for warning in [*remarks, *doubled(points)]:
        warnings.warn(warning, stacklevel=2)
    count = min(int(n), record.points) * record.repeats
    done = _run(experiment, record, count)
    if done.raised is not None:
        raise done.raised
    frame, elapsed = _rows(record, done, metadata)
    drawn = f"; seed={own} draws the same random numbers again" if seed is None else ""
    say(forecast(elapsed, record.total, _cores()) + drawn)
    return frame


def _record(experiment: object, design: Design, repeats: int, seed: int) -> SweepRecord:
    """The sweep that nobody submitted.

    Raises:
        DesignError: its design cannot be kept, or is too large to be.
    """
    text = design.dumps()
    check_size(len(text), design)
    segment = Segment(design=text, size=design.size, repeats=repeats, order="design", key=seed, seed=seed)
    name = label(experiment)
    return SweepRecord(
        name=name,
        folder="",
        user="",
        time_us=0,
        label=name,
        shape="",
        segments=(segment,),
        seed=seed,
        seed_given=True,
        versions=(),
        policy=Policy(),
    )


@dataclass(frozen=True, slots=True)
class _Given:
    """An experiment as it was given, for `Staged`."""

    experiment: object

    def load(self, modules: Path | None, /) -> Loaded:
        """Functions and classes are themselves; of an object a copy runs, as in each process of a cluster.

        All global generators are seeded: which of them an experiment may draw from is known only of a pickle, and
        where none is drawn from, seeding changes no result.
        """
        return Loaded(experiment=copy.deepcopy(self.experiment), seeds=("random", "numpy"))


def _run(experiment: object, record: SweepRecord, count: int) -> Execution:
    """Run the first trials of a sweep; what one raises bears a note."""
    (segment,) = record.segments
    task = Task(
        code=_Given(experiment),
        folder=None,
        segments=record.segments,
        segment=segment,
        trials=block(segment, 0, count),
        policy=record.policy,
        threads=1,
        version=1,
        attempt=1,
    )
    with apart(None, (), {}):
        staged = Staged(task)
        try:
            done = staged.run()
        finally:
            staged.end()
        if done.raised is not None:
            point, repeat = int(task.trials.points[done.at]), int(task.trials.repeats[done.at])
            trial = f"point {point}, repeat {repeat}" if record.repeats > 1 else f"point {point}"
            explain(done.raised, f"{trial} of {record.name!r}, seed={record.seed}: {shown(done.params)}", False)
    return done


def _rows(record: SweepRecord, done: Execution, metadata: bool | Sequence[str]) -> tuple[pl.DataFrame, list[float]]:
    """The rows as the sweep would have them, and the seconds of each trial.

    Raises:
        ExperimentError: a result cannot be kept.
    """
    assert done.batch is not None
    if done.batch.error is not None:
        raise ExperimentError(f"{record.name}: {done.batch.error}")
    file = unwritten([], done.batch.rows, done.batch.summary)
    trials = results(record, [file], metadata=["_point", "_repeat", "_elapsed_s"])
    each = trials.unique(["_point", "_repeat"], maintain_order=True)
    return results(record, [file], metadata=metadata), each["_elapsed_s"].to_list()


def _cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
