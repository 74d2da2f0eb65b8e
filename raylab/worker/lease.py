"""What a lease does in a worker process: load the experiment once, run its positions, send rows back in batches.

Promises: trials run in the main thread, one after the other, in the order of their positions; a batch holds whole
trials; nothing that an experiment does or raises ends the lease, but for the death of the process.
Knows no Ray, no ledger: it is a generator, whoever drives it.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from functools import cache
from itertools import repeat
from pathlib import Path
from time import perf_counter, time
from types import FrameType

from raylab.core.block import Block, block
from raylab.core.design import Design
from raylab.core.policy import Policy
from raylab.core.provenance import Environment
from raylab.core.segment import Segment, earlier_designs
from raylab.notebook.parameters import Parameters
from raylab.notebook.rows import Asked
from raylab.worker import voices
from raylab.worker.batch import BATCH_BYTES, FIRST_ROWS, NODE, Batch, Pending, asked, grown, make_batch
from raylab.worker.capture import Capture, capturing
from raylab.worker.environment import environment
from raylab.worker.experiment import Runner
from raylab.worker.generators import imports_apart
from raylab.worker.outcome import Outcome, Row
from raylab.worker.peak_memory import LONG_S, PeakMemory
from raylab.worker.ray_guard import guarded
from raylab.worker.ready import make_ready
from raylab.worker.shown_warnings import PRINTED, Heard, forget, hearing
from raylab.worker.threads import limit_threads, named
from raylab.worker.time_limit import Alarm, rang
from raylab.worker.unpack import load, unpack
from raylab.worker.working_folder import back_again, private_folder

WIRE = 12
"""The version of what lab and workers say to each other; a worker of another one refuses the lease."""

BLOCK = 4_096
"""Positions that are prepared at a time."""

HEAVY_S = 1e-4
"""A trial that took less has not made much: only the results of longer ones are weighed while they wait."""


class Segments:
    """The segments of a sweep on their way: pickled, since a process that has loaded them need not read a selection of
    10^5 runs again for each lease."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._pickled = pickle.dumps(tuple(segments), protocol=5)
        self._count = len(segments)

    def __len__(self) -> int:
        return self._count

    def load(self) -> tuple[Segment, ...]:
        """All of them."""
        found: tuple[Segment, ...] = pickle.loads(self._pickled)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """All that workers need of a sweep."""

    key: str  # unique to the sweep and its code; what is loaded is kept by it
    segments: Segments
    pickle: bytes
    modules: bytes | None = None
    wire: int = WIRE


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseOrder:
    """What one lease is asked to do: which positions of which segment, under which policy."""

    lease: int
    start: int
    stop: int
    segment: int = 0
    attempt: int = 1  # the `_attempt` of its first try at each trial
    version: int = 1  # of the sweep's code
    flush_s: float
    policy: Policy = field(default_factory=Policy)
    tried: str = ""  # what is said of the time limits before, where a trial takes too long
    environments: tuple[str, ...] = ()  # the digests of those that the lab knows of workers
    logs_full: bool = False  # what trials print is only counted
    of: str = ""  # which sweep's it is, where Ray shows it
    positions: int = 0  # how many that sweep has

    @property
    def threads(self) -> int:
        """How many BLAS, OpenMP and torch may have."""
        return max(1, int(self.policy.resources.get("CPU", 0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first thing a lease sends: its process is up, the experiment is loaded, the first trial is next."""

    node: str
    pid: int
    node_id: str = ""  # Ray's own name of the node
    worker_id: str = ""  # and of the process
    sent: float = 0.0  # when, by the node's clock, in seconds of the epoch
    version: int = 1  # of the code
    digest: str = ""  # of what this process has installed
    environment: Environment | None = None  # that itself, where the lab does not know it
    log: str = ""  # the file there that has what its trials print until a batch brings it; empty where nothing is kept


class _Ending:
    """Whether this process was asked to end. Ray raises SystemExit in the middle of a trial then; that is no failure
    of the trial, which must run again elsewhere."""

    asked = False
    _watched = False

    @classmethod
    def watch(cls) -> Callable[[], bool]:
        if not cls._watched and threading.current_thread() is threading.main_thread():
            cls._watched = True
            before = signal.getsignal(signal.SIGTERM)

            def on_signal(number: int, frame: FrameType | None) -> None:
                cls.asked = True
                if callable(before):
                    before(number, frame)
                else:
                    raise SystemExit(128 + number)

            signal.signal(signal.SIGTERM, on_signal)
        return lambda: cls.asked


class Part:
    """A segment of a sweep as it is loaded in this process."""

    def __init__(self, segment: Segment, design: Design, earlier: Sequence[Design]) -> None:
        self.segment = segment
        self.design = design
        self.parameters = Parameters(design, earlier)

    def pending(self, first: int, epoch: float, asked: Asked, unsaid: int | None, sent: set[str]) -> Pending:
        """What waits from this position on: nothing yet."""
        return Pending(
            first=first,
            parameters=self.parameters,
            first_point=self.segment.first_point,
            since=perf_counter(),
            epoch=epoch,
            asked=asked,
            unsaid=unsaid,
            sent=sent,
        )

    def outcomes(self, runner: Runner, trials: Block, alarm: Alarm) -> Iterator[Row | Outcome]:
        """What comes of these trials: each runs when it is asked for."""
        given = trials.seeds.tolist()
        keys = zip(repeat(self.segment.seed), trials.numbers.tolist(), strict=False)
        if not self.design.is_plain or not self.design.parameters or alarm.limit is not None:
            points = self.design.points_at(trials.points)
            return map(alarm.around(runner.attempt), points, given, keys)
        columns = {name: self.design.column(name, trials.points) for name in self.design.parameters}
        return runner.attempts(columns, given, keys)


class Job:
    """A sweep as it is loaded in this process."""

    def __init__(self, package: Package, folder: Path) -> None:
        if package.wire != WIRE:
            raise RuntimeError(
                f"this node's raylab speaks version {WIRE} with the lab, the lab speaks {package.wire}; "
                "install the same raylab on all nodes and start the lab again"
            )
        segments = package.segments.load()
        path = None if package.modules is None else unpack(package.modules, folder)
        ending, pid = _Ending.watch(), os.getpid()
        made = make_ready(
            lambda: load(package.pickle, path),
            path,
            segments[0].seed,
            is_cancelled=lambda: ending() or rang() or os.getpid() != pid,
        )
        self.draws, self.workplace, self.runner = made.draws, made.workplace, made.runner
        with imports_apart(draws=True):
            self.parts: list[Part] = []
            self.grow(segments)
        self.max_rows = FIRST_ROWS

    def grow(self, segments: tuple[Segment, ...]) -> None:
        """Load those of the sweep's segments that are new here."""
        designs = {part.segment.design: part.design for part in self.parts}
        for segment in segments[len(self.parts) :]:
            if segment.design not in designs:
                designs[segment.design] = Design.loads(segment.design, imports=True)
            earlier = [designs[text] for text in earlier_designs(segments, segment)]
            self.parts.append(Part(segment, designs[segment.design], earlier))


_jobs: dict[str, Job] = {}


def job(package: Package) -> Job:
    """Load a sweep, once per process."""
    found = _jobs.get(package.key)
    if found is None:
        while len(_jobs) >= 8:  # a process serves many sweeps in its life; what it holds of them is bounded
            dropped = _jobs.pop(next(iter(_jobs)))
            if dropped.workplace is not None:
                dropped.workplace.remove()
        found = _jobs[package.key] = Job(package, private_folder("code"))
    elif len(found.parts) < len(package.segments):
        with imports_apart(draws=True):
            found.grow(package.segments.load())
    return found


def run_lease(order: LeaseOrder, package: Package) -> Iterator[Header | Batch]:
    """Work through a lease.

    Yields:
        A Header, then Batches that together hold each of its positions once, in order.

    Raises:
        Exception: what keeps the experiment from being loaded, before anything is yielded.
    """
    capture = capturing(order.policy.capture, full=order.logs_full)
    is_done = False
    try:
        yield from _run_lease(order, package, capture)
        is_done = True
    finally:
        if capture is not None:
            capture.close(left=_Ending.asked and not is_done)


def _run_lease(order: LeaseOrder, package: Package, capture: Capture | None) -> Iterator[Header | Batch]:
    own = named(order.policy.runtime_env.get("env_vars", {}))
    limit_threads(order.threads, own)
    with guarded(), nullcontext() if capture is None else capture.loading():
        loaded = job(package)
    limit_threads(order.threads, own)  # what came with the experiment
    heard: Heard = {}
    with back_again(), closing(_run(order, loaded, heard, capture)) as items:
        while True:
            # Not while it waits: what trials get to see is not for whoever drives it.
            listening, most = (nullcontext(), PRINTED) if capture is None else (capture.listening(), sys.maxsize)
            with guarded(), imports_apart(draws=loaded.draws), listening, hearing(heard, most=most):
                item = next(items, None)
            if item is None:
                return
            yield item


@cache
def _environment() -> tuple[str, Environment]:
    """What this process has installed: nothing comes to a worker while it lives."""
    here = environment()
    return here.digest, here


def _run(
    order: LeaseOrder, loaded: Job, heard: Heard, capture: Capture | None
) -> Generator[Header | Batch, None, None]:
    pid = os.getpid()
    digest, here = _environment()
    new = None if digest in order.environments else here
    log = "" if capture is None else str(capture.path)
    yield Header(node=NODE, pid=pid, version=order.version, digest=digest, environment=new, log=log)
    alarm = Alarm(order.policy.time_limit, _Ending.watch(), order.tried, file=None if capture is None else 2)
    try:
        yield from _work(order, loaded, alarm, pid, heard, capture)
    except BaseException as error:
        end_child(pid, error)
        raise
    finally:
        alarm.rest()


def _work(
    order: LeaseOrder, loaded: Job, alarm: Alarm, pid: int, heard: Heard, capture: Capture | None
) -> Iterator[Batch]:
    """Run the trials, and send what has come as soon as it is due."""
    epoch = time() - perf_counter()
    part, runner, retries = loaded.parts[order.segment], loaded.runner, order.policy.retries
    wanted, memory = asked(order.policy), PeakMemory()
    memory.reset()
    said: list[None] = [] if capture is None else voices.said
    unsaid = 0 if capture is not None and capture.of_all else None
    sent: set[str] = set()
    pending = part.pending(order.start, epoch, wanted, unsaid, sent)
    due = pending.since + order.flush_s
    for start in range(order.start, order.stop, BLOCK):
        trials = block(part.segment, start, min(start + BLOCK, order.stop))
        outcomes = part.outcomes(runner, trials, alarm)
        pending.blocks.append(trials)
        kept = 0  # trials of this block that were sent already
        results, ended = pending.results, pending.ended
        pending.started[len(results)] = then = perf_counter()
        for at, made in enumerate(outcomes, 1):
            if type(made) is not dict:
                attempt = order.attempt
                while isinstance(made, Outcome) and made.status == "failed" and attempt < order.attempt + retries:
                    if capture is not None:
                        pending.log(len(results), capture.look(failed=True), attempt)
                    attempt += 1
                    if heard:
                        forget(heard)
                    pending.attempts[len(results)] = attempt
                    pending.started[len(results)] = perf_counter()  # the record is the last attempt's alone
                    made = next(part.outcomes(runner, trials.part(at - 1, at), alarm))
                if isinstance(made, Outcome):
                    if made.status != "done" and capture is not None:
                        said.append(None)  # also what it has printed by C counts
                    made = pending.note(len(results), made)
            now = perf_counter()
            if heard:
                pending.warned(len(results), heard, int(trials.points[at - 1]), int(trials.repeats[at - 1]))
                forget(heard)
            results.append(made)
            ended.append(now)
            if now - then > HEAVY_S or said:
                known = pending.nbytes
                if pending.weigh(made):
                    due = now
                if capture is not None:
                    last = len(results) - 1
                    # A record of such a size may be refused, which makes it a failure.
                    failed = last in pending.failures or pending.nbytes - known >= BATCH_BYTES
                    pending.log(last, capture.look(failed), pending.attempts.get(last, order.attempt))
                if now - then >= LONG_S:
                    if (peak := memory.peak()) is not None:
                        pending.peaks[len(results) - 1] = peak
                    memory.reset()
            then = now
            if now >= due or len(results) >= loaded.max_rows:
                pending.blocks[-1] = trials.part(kept, at)
                kept = at
                alarm.rest()
                yield _batch(pending, loaded, order, pid, capture)
                pending = part.pending(start + at, epoch, wanted, unsaid, sent)
                pending.blocks.append(trials)
                results, ended = pending.results, pending.ended
                pending.started[0] = then = pending.since
                due = then + order.flush_s
        pending.blocks[-1] = trials.part(kept, None)
    if pending.results:
        alarm.rest()
        yield _batch(pending, loaded, order, pid, capture)


def _batch(pending: Pending, loaded: Job, order: LeaseOrder, pid: int, capture: Capture | None) -> Batch:
    end_child(pid)
    busy_s = perf_counter() - pending.since
    batch, nbytes = make_batch(pending, attempt=order.attempt, version=order.version, pid=pid, busy_s=busy_s)
    loaded.max_rows = grown(loaded.max_rows, batch.count, nbytes)
    if capture is not None:
        capture.begin()
    return batch


def end_child(pid: int, error: BaseException | None = None) -> None:
    """A child that a trial forked ends here; it must not go on with its parent's lease."""
    if os.getpid() != pid:
        code = error.code if isinstance(error, SystemExit) else int(error is not None)
        os._exit(code if isinstance(code, int) else int(code is not None))
