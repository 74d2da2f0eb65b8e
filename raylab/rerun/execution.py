"""One trial, run here as a worker runs it, but that what it raises passes; and the rows that a worker would send of it.

Must never run outside of `apart`: it loads modules, and seeds the global generators.
"""

from __future__ import annotations

import os
import pdb
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, time
from typing import Any

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
from raylab.worker.threads import limit_threads, named
from raylab.worker.unpack import Opened
from raylab.worker.working_folder import back_again


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A trial that is to be run.

    Attributes:
        code: what travelled of its experiment.
        folder: where the modules are unpacked that travelled with it.
        segments: of its sweep.
        segment: the one that brought the trial.
        trial: the trial alone.
        policy: how it is run.
        threads: how many BLAS, OpenMP and torch have.
        version: of the code.
        attempt: the `_attempt` of its rows.
        debugger: whether the experiment's own function begins in the debugger.
    """

    code: Opened
    folder: Path | None
    segments: Sequence[Segment]
    segment: Segment
    trial: Block
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
    """What came of it.

    Attributes:
        params: the trial's point.
        raised: what the experiment raised, or what an epyc experiment caught and reports; then there is nothing else.
        result: what the experiment returned, as it is.
        batch: the rows that a worker would send.
    """

    params: Mapping[str, Any]
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
    """A trial that is ready to run.

    Args:
        task: which; its code is loaded here.

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
        """Run it. What the experiment raises is a part of what came of it: to pass through the contexts around us it
        would have to be changed, and exceptions may forbid that."""
        task = self._task
        with imports_apart(draws=True):
            design = Design.loads(task.segment.design, imports=True)
            earlier = [Design.loads(text, imports=True) for text in earlier_designs(task.segments, task.segment)]
        params, pending = design[int(task.trial.points[0])], self._pending(Parameters(design, earlier))
        seed, number = int(task.trial.seeds[0]), int(task.trial.numbers[0])
        pid = os.getpid()
        with back_again(), imports_apart(draws=self._ready.draws):
            try:
                made = self._ready.runner.run(params, seed, (task.segment.seed, number))
            except BaseException as error:
                end_child(pid, error)
                return Execution(params=params, raised=error)
        end_child(pid)
        failed = isinstance(made, Outcome) and made.status != "done"
        if failed and (caught := reported(self._noting.returned)) is not None:
            return Execution(params=params, raised=caught)
        pending.results.append(pending.note(0, made) if isinstance(made, Outcome) else made)
        pending.ended.append(perf_counter())
        batch, _ = make_batch(pending, attempt=task.attempt, pid=pid, busy_s=0.0, version=task.version)
        return Execution(params=params, result=self._noting.returned, batch=batch)

    def _pending(self, parameters: Parameters) -> Pending:
        now = perf_counter()
        return Pending(
            first=0,
            parameters=parameters,
            first_point=self._task.segment.first_point,
            since=now,
            epoch=time() - now,
            asked=asked(self._task.policy),
            blocks=[self._task.trial],
        )

    def end(self) -> None:
        """It is run no more."""
        if self._ready.workplace is not None:
            self._ready.workplace.remove()
