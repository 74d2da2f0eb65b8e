"""What a lease does in a worker process: load the experiment once, run its positions, send rows back in batches.

Promises: trials run in the main thread, one after the other, in the order of their positions; a batch holds whole
trials; nothing that an experiment does or raises ends the lease, but for the death of the process.
Knows no Ray, no ledger: it is a generator, whoever drives it.
"""

from __future__ import annotations

import os
import platform
import signal
import stat
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, time
from types import FrameType
from typing import Any

import numpy as np
import pyarrow as pa

from raylab.cluster.alarm import Alarm, rang
from raylab.code.pack import load, unpack
from raylab.core.design import Design
from raylab.core.order import Order, seeds
from raylab.core.request import Segment
from raylab.experiment import Outcome, Runner, adapt
from raylab.notebook.records import Parameters, Trials, wire

WIRE = 1
"""The version of what lab and workers say to each other; a worker of another one refuses the lease."""

BLOCK = 4_096
"""Positions that are prepared at a time."""

FIRST_ROWS = 16
"""The most rows of the first batch, whose size nobody knows yet; each later one may have 8 times as many."""

MAX_ROWS = 65_536
BATCH_BYTES = 8 * 2**20
"""What waits in a worker at most, by the size of the rows before."""

RECORD_BYTES = 64 * 2**20
"""The most that one trial may return."""

HEAVY_S = 1e-4
"""A trial that took less has not made much: only the results of longer ones are weighed while they wait."""

MAX_WORDS = 1_000

NODE = platform.node()


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """All that workers need of a sweep."""

    key: str  # unique to the sweep and its request; what is loaded is kept by it
    segment: Segment
    pickle: bytes
    modules: bytes | None = None
    modules_hash: str | None = None
    wire: int = WIRE


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseOrder:
    """What one lease is asked to do."""

    lease: int
    start: int
    stop: int
    flush_s: float
    retries: int = 0
    time_limit: float | None = None  # seconds one trial may take
    deaths: int = 0  # of processes that held the trial alone; only a lease of one trial has any


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first thing a lease sends: its process is up and the experiment is loaded."""

    node: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows of `count` trials from position `first` on."""

    first: int
    count: int
    rows: pa.RecordBatch
    by_status: dict[str, int]
    busy_s: float
    trial_s: float
    error: str | None = None


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


class Job:
    """A sweep as it is loaded in this process."""

    def __init__(self, package: Package, folder: Path) -> None:
        if package.wire != WIRE:
            raise RuntimeError(
                f"this node's raylab speaks version {WIRE} with the lab, the lab speaks {package.wire}; "
                "install the same raylab on all nodes and start the lab again"
            )
        path = None
        if package.modules is not None:
            assert package.modules_hash is not None
            path = unpack(package.modules, folder)
        segment = package.segment
        ending, pid = _Ending.watch(), os.getpid()
        self.runner: Runner = adapt(
            load(package.pickle, path), is_cancelled=lambda: ending() or rang() or os.getpid() != pid
        )
        self.design = Design.loads(segment.design)
        self.order = Order(segment.order, segment.total, segment.key)
        self.segment = segment
        self.parameters = Parameters(self.design)
        self.levels = {name: self.design.levels(name) for name in self.design.parameters}
        # Trials get the axis's own values; where one could be changed by a trial, or is missing, each gets a copy.
        plain = (bool, int, float, str, bytes, type(None))
        self.simple = all(
            isinstance(levels, range) or all(isinstance(level, plain) for level in levels)
            for levels in self.levels.values()
        )
        self.max_rows = FIRST_ROWS

    def points(self, points: Any) -> Iterator[dict[str, Any]]:
        """The parameters of these points, one dict each."""
        if not self.simple or not self.levels:
            return (self.design[point] for point in points.tolist())
        names = tuple(self.levels)
        columns = []
        for name, levels in self.levels.items():
            index = self.design.index(name, points).tolist()
            columns.append([levels[i] for i in index])
        return (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))


_jobs: dict[str, Job] = {}


def job(package: Package) -> Job:
    """Load a sweep, once per process."""
    found = _jobs.get(package.key)
    if found is None:
        while len(_jobs) >= 8:  # a process serves many sweeps in its life; what it holds of them is bounded
            _jobs.pop(next(iter(_jobs)))
        found = _jobs[package.key] = Job(package, _code_folder())
    return found


def _code_folder() -> Path:
    """Where this node's modules are unpacked: a folder that nobody else can have put code into."""
    folder = Path(tempfile.gettempdir()) / f"raylab-code-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
        return folder
    return Path(tempfile.mkdtemp(prefix="raylab-code-"))


@dataclass(slots=True)
class _Pending:
    """Trials that are done and not sent yet."""

    first: int
    blocks: list[tuple[Any, Any, Any]] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)
    started: list[float] = field(default_factory=list)
    elapsed: list[float] = field(default_factory=list)
    failures: dict[int, tuple[str, str | None, str | None]] = field(default_factory=dict)
    attempts: dict[int, int] = field(default_factory=dict)
    nbytes: int = 0  # of the results that were weighed
    times: dict[int, dict[str, float]] = field(default_factory=dict)
    metadata: dict[int, dict[str, object]] = field(default_factory=dict)

    def note(self, at: int, outcome: Outcome) -> Any:
        """Keep what an outcome says beside its rows; return the rows."""
        if outcome.status != "done":
            self.failures[at] = (outcome.status, outcome.error, outcome.traceback)
        if outcome.times is not None:
            self.times[at] = outcome.times
        if outcome.metadata is not None:
            self.metadata[at] = outcome.metadata
        return outcome.rows[0] if len(outcome.rows) == 1 else outcome.rows

    def refuse(self, at: int, why: str) -> None:
        """Make a trial whose record cannot be kept a failed one. What failed already keeps its own error."""
        self.results[at] = {}
        self.metadata.pop(at, None)
        words = f"{why}; write large results to a file and return the file's path"
        self.failures.setdefault(at, ("failed", words, None))


def run_lease(order: LeaseOrder, package: Package) -> Iterator[Header | Batch]:
    """Work through a lease.

    Yields:
        A Header, then Batches that together hold each of its positions once, in order.

    Raises:
        Exception: what keeps the experiment from being loaded, before anything is yielded.
    """
    loaded = job(package)
    pid = os.getpid()
    yield Header(node=NODE, pid=pid)
    alarm = Alarm(order.time_limit, _Ending.watch())
    try:
        yield from _work(order, loaded, alarm, pid)
    except BaseException as error:
        _end_child(pid, error)
        raise
    finally:
        alarm.rest()


def _work(order: LeaseOrder, loaded: Job, alarm: Alarm, pid: int) -> Iterator[Batch]:
    """Run the trials, and send what has come as soon as it is due."""
    attempt_trial = alarm.around(loaded.runner.attempt)
    retries, key = order.retries, loaded.segment.key
    pending = _Pending(first=order.start)
    began = then = perf_counter()
    due = began + order.flush_s
    wall = time() - began
    for start in range(order.start, order.stop, BLOCK):
        trials, points, repeats, own_seeds = _block(loaded, start, min(start + BLOCK, order.stop))
        cases = zip(loaded.points(points), own_seeds.tolist(), trials.tolist(), strict=True)
        pending.blocks.append((points, repeats, own_seeds))
        kept = 0  # trials of this block that were sent already
        then = perf_counter()
        for at, (params, seed, trial) in enumerate(cases, 1):
            made = attempt_trial(params, seed, (key, trial))
            if type(made) is not dict:
                attempt = 1
                while isinstance(made, Outcome) and made.status == "failed" and attempt <= retries:
                    attempt += 1
                    then = perf_counter()  # the record is the last attempt's alone
                    made = attempt_trial(loaded.design[points[at - 1]], seed, (key, trial))
                if attempt > 1:
                    pending.attempts[len(pending.results)] = order.deaths + attempt
                if isinstance(made, Outcome):
                    made = pending.note(len(pending.results), made)
            pending.results.append(made)
            now = perf_counter()
            pending.started.append(wall + then)
            pending.elapsed.append(now - then)
            if pending.elapsed[-1] > HEAVY_S:
                pending.nbytes += weight(made)
            then = now
            if now >= due or len(pending.results) >= loaded.max_rows or pending.nbytes >= BATCH_BYTES:
                pending.blocks[-1] = tuple(array[kept:at] for array in (points, repeats, own_seeds))
                kept = at
                alarm.rest()
                yield _batch(pending, loaded, order.deaths + 1, pid, began)
                pending = _Pending(first=start + at, blocks=[(points, repeats, own_seeds)])
                began = then = perf_counter()
                due = began + order.flush_s
        pending.blocks[-1] = (points[kept:], repeats[kept:], own_seeds[kept:])
    if pending.results:
        alarm.rest()
        yield _batch(pending, loaded, order.deaths + 1, pid, began)


def _end_child(pid: int, error: BaseException | None = None) -> None:
    """A child that a trial forked ends here; it must not go on with its parent's lease."""
    if os.getpid() != pid:
        code = error.code if isinstance(error, SystemExit) else int(error is not None)
        os._exit(code if isinstance(code, int) else int(code is not None))


def weight(result: object) -> int:
    """About how many bytes a result takes, as far as that is cheap to know."""
    rows = result if isinstance(result, list) else [result]
    values = [value for row in rows if isinstance(row, dict) for value in row.values()]
    return sum(_weight(value) for value in values)


def _weight(value: object) -> int:
    kind = type(value)  # a user's class may answer isinstance() as it likes
    if kind is np.ndarray:
        return int(value.nbytes)  # type: ignore[attr-defined]
    if kind in (str, bytes):
        return len(value)  # type: ignore[arg-type]
    return 8 * len(value) if kind in (list, tuple, dict, set) else 8  # type: ignore[arg-type]


def _block(loaded: Job, start: int, stop: int) -> tuple[Any, Any, Any, Any]:
    """Of these positions the trials by their number in the sweep, their points in the design, repeats and seeds."""
    segment = loaded.segment
    trials = loaded.order.trials(start - segment.first_position, stop - segment.first_position)
    points = trials // segment.repeats
    numbers = trials + segment.first_position
    return numbers, points, trials - points * segment.repeats, seeds(segment.key, numbers)


def _batch(pending: _Pending, loaded: Job, attempt: int, pid: int, began: float) -> Batch:
    _end_child(pid)
    count = len(pending.results)
    rows, nbytes = _rows(pending, loaded, attempt, pid)
    loaded.max_rows = max(1, min(MAX_ROWS, 8 * loaded.max_rows, BATCH_BYTES * count // max(1, nbytes)))
    by_status = Counter(status for status, _, _ in pending.failures.values())
    if len(pending.failures) < count:
        by_status["done"] = count - len(pending.failures)
    error = next(iter(pending.failures.values()))[1] if pending.failures else None
    return Batch(
        first=pending.first,
        count=count,
        rows=rows,
        by_status=dict(by_status),
        busy_s=perf_counter() - began,
        trial_s=sum(pending.elapsed),
        error=error,
    )


def _rows(pending: _Pending, loaded: Job, attempt: int, pid: int) -> tuple[pa.RecordBatch, int]:
    """The rows, records that are too large made failures; and how many bytes it all was."""
    try:
        rows = wire(_trials(pending, loaded, attempt), loaded.parameters, NODE, pid)
    except Exception as error:  # 2 GB of text in a column, no memory
        if len(pending.results) > 1:
            raise  # the lab gives the trials out again in smaller leases, in the end each alone
        pending.refuse(0, f"its result cannot be kept ({type(error).__name__}: {error})"[:MAX_WORDS])
        return wire(_trials(pending, loaded, attempt), loaded.parameters, NODE, pid), RECORD_BYTES
    nbytes: int = rows.nbytes
    if nbytes > RECORD_BYTES and _refuse_too_large(pending, rows):
        rows = wire(_trials(pending, loaded, attempt), loaded.parameters, NODE, pid)
    return rows, nbytes


def _trials(pending: _Pending, loaded: Job, attempt: int) -> Trials:
    points, repeats, own_seeds = (np.concatenate(arrays) for arrays in zip(*pending.blocks, strict=True))
    each = range(len(pending.results))
    return Trials(
        points=points,
        repeats=repeats,
        seeds=own_seeds,
        started=pending.started,
        elapsed=pending.elapsed,
        results=pending.results,
        failures=pending.failures,
        attempts=pending.attempts,
        attempt=attempt,
        first_point=loaded.segment.first_point,
        times=[pending.times.get(at, {}) for at in each] if pending.times else None,
        metadata=[pending.metadata.get(at) for at in each] if pending.metadata else None,
    )


def _refuse_too_large(pending: _Pending, rows: pa.RecordBatch) -> bool:
    """Make every record over the limit a failure that says so; whether there was one."""
    found, start = False, 0
    for at, result in enumerate(pending.results):
        count = (len(result) or 1) if isinstance(result, list) else 1
        nbytes = rows.slice(start, count).nbytes
        start += count
        if nbytes > RECORD_BYTES:
            found = True
            pending.refuse(at, f"its record has {_megabytes(nbytes)}, and can have {_megabytes(RECORD_BYTES)} at most")
    return found


def _megabytes(nbytes: int) -> str:
    return f"{nbytes / 2**20:,.1f} MB"
