"""Trials, run here as a worker runs them, but that what one raises passes; and the rows that a worker would send.

Must never run outside of `apart`: it loads modules, and seeds the global generators.
"""

from __future__ import annotations

import os
import pdb
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, time
from typing import Any, Protocol

from raylab.core.block import Block
from raylab.core.design import Design
from raylab.core.policy import Policy
from raylab.core.segment import Segment, earlier_designs
from raylab.notebook.parameters import Parameters
from raylab.worker.batch import Batch, Pending, asked, make_batch
from raylab.worker.generators import imports_apart
from raylab.worker.lease import end_child
from raylab.worker.outcome import Outcome, reported
from raylab.worker.ready import make_ready
from raylab.worker.shown_warnings import Heard, forget, hearing
from raylab.worker.threads import limit_threads, named
from raylab.worker.unpack import Loaded
from raylab.worker.working_folder import back_again


class Code(Protocol):
    """An experiment that is not loaded yet."""

    def load(self, modules: Path | None, /) -> Loaded:
        """Load it, with the modules that are unpacked there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Trials that are to be run.

    Attributes:
        code: their experiment.
        folder: where the modules are unpacked that travelled with it.
        segments: of their sweep.
        segment: the one that brought the trials.
        trials: these alone.
        policy: how they are run.
        threads: how many BLAS, OpenMP and torch have.
        version: of the code.
        attempt: the `_attempt` of its rows.
        debugger: whether the experiment's own function begins in the debugger.
    """

    code: Code
    folder: Path | None
    segments: Sequence[Segment]
    segment: Segment
    trials: Block
    policy: Policy
    threads: int
    version: int
    attempt: int
    debugger: bool = False

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment variables that the sweep asked for."""
        found = self.policy.runtime_env.get("env_vars") or {}
        return {str(name): str(text) for name, text in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What came of them.

    Attributes:
        params: the point of the last one that was run.
        at: its place among the trials.
        raised: what it raised, or what an epyc experiment caught and reports; then there is nothing else.
        result: what the experiment returned of it, as it is.
        batch: the rows that a worker would send of all.
    """

    params: Mapping[str, Any]
    at: int
    raised: BaseException | None = None
    result: Any = None
    batch: Batch | None = None


class _Noting:
    """Calls the experiment's own function, and keeps what that returned."""

    def __init__(self, debugger: bool) -> None:
        self.returned: Any = None
        self._call: Callable[..., Any] = pdb.Pdb().runcall if debugger else lambda function, *a, **b: function(*a, **b)

    def __call__(self, function: Callable[..., Any], /, *args: Any, **words: Any) -> Any:
        self.returned = self._call(function, *args, **words)
        return self.returned


class Staged:
    """Trials that are ready to run.

    Args:
        task: which; their code is loaded here.

    Raises:
        BaseException: whatever its modules raise when they are loaded.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._noting = _Noting(task.debugger)
        own = named(task.variables)
        limit_threads(task.threads, own)
        self._ready = make_ready(
            lambda: task.code.load(task.folder), task.folder, task.segments[0].seed, by=self._noting
        )
        limit_threads(task.threads, own)  # what came with the experiment

    def run(self) -> Execution:
        """Run them one after the other, up to the first that raises. What is raised is a part of what came of it: to
        pass through the contexts around us it would have to be changed, and exceptions may forbid that."""
        task = self._task
        with imports_apart(draws=True):
            design = Design.loads(task.segment.design, imports=True)
            earlier = [Design.loads(text, imports=True) for text in earlier_designs(task.segments, task.segment)]
        pending, pid = self._pending(Parameters(design, earlier)), os.getpid()
        heard: Heard = {}
        with back_again(), imports_apart(draws=self._ready.draws), hearing(heard, most=sys.maxsize):
            for at, point in enumerate(task.trials.points.tolist()):
                params = design[point]
                raised = self._run_one(at, params, pending, pid)
                if raised is not None:
                    return Execution(params=params, at=at, raised=raised)
                if heard:
                    pending.warned(at, heard, point, int(task.trials.repeats[at]))
                    forget(heard)
        batch, _ = make_batch(pending, attempt=task.attempt, pid=pid, busy_s=0.0, version=task.version)
        return Execution(params=params, at=at, result=self._noting.returned, batch=batch)

    def _run_one(self, at: int, params: dict[str, Any], pending: Pending, pid: int) -> BaseException | None:
        """Run a trial, and keep its results; what it raises is returned."""
        trials = self._task.trials
        seed, number = int(trials.seeds[at]), int(trials.numbers[at])
        try:
            made = self._ready.runner.run(params, seed, (self._task.segment.seed, number))
        except BaseException as error:
            end_child(pid, error)
            return error
        end_child(pid)
        failed = isinstance(made, Outcome) and made.status != "done"
        if failed and (caught := reported(self._noting.returned)) is not None:
            return caught
        pending.results.append(pending.note(at, made) if isinstance(made, Outcome) else made)
        pending.ended.append(perf_counter())
        return None

    def _pending(self, parameters: Parameters) -> Pending:
        now = perf_counter()
        return Pending(
            first=0,
            parameters=parameters,
            first_point=self._task.segment.first_point,
            since=now,
            epoch=time() - now,
            asked=asked(self._task.policy),
            blocks=[self._task.trials],
        )

    def end(self) -> None:
        """They are run no more."""
        if self._ready.workplace is not None:
            self._ready.workplace.remove()
