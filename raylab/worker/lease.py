"""What a lease does in a worker process: load the experiment once, run its positions, send rows back in batches.

Promises: trials run in the main thread, one after the other, in the order of their positions; a batch holds whole
trials; nothing that an experiment does or raises ends the lease, but for the death of the process.
Knows no Ray, no ledger: it is a generator, whoever drives it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from time import perf_counter, time
from types import FrameType
from typing import Any

from raylab.core.design import Design
from raylab.core.order import Order
from raylab.core.request import Segment
from raylab.notebook.parameters import Parameters
from raylab.worker.batch import FIRST_ROWS, NODE, Batch, Pending, grown, make_batch, trials_at
from raylab.worker.experiment import Outcome, Runner, adapt
from raylab.worker.generators import imports_apart, seed_all
from raylab.worker.outcome import Row
from raylab.worker.ray_guard import guarded
from raylab.worker.shown_warnings import Heard, forget, hearing
from raylab.worker.threads import limit_threads
from raylab.worker.time_limit import Alarm, rang
from raylab.worker.unpack import load, unpack
from raylab.worker.working_folder import Workplace, back_again, private_folder

WIRE = 3
"""The version of what lab and workers say to each other; a worker of another one refuses the lease."""

AHEAD = 2
"""How many items a lease may be ahead of the lab."""

BLOCK = 4_096
"""Positions that are prepared at a time."""

HEAVY_S = 1e-4
"""A trial that took less has not made much: only the results of longer ones are weighed while they wait."""


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
    alone: bool = False  # it holds before its trial, until the lab has read its first header
    threads: int = 0  # of BLAS, OpenMP and torch; 0 leaves them as they are
    own_threads: Mapping[str, str] = field(default_factory=dict)  # what the sweep's own environment says of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first thing a lease sends: its process is up and the experiment is loaded."""

    node: str
    pid: int
    runs: bool = True  # whether the first trial is next, whatever the lab does
    node_id: str = ""  # Ray's own name of the node


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
        with imports_apart(draws=True):
            # What modules and classes draw while they are made must be the same in every process.
            seed_all(segment.key)
            found = load(package.pickle, path)
            self.draws = bool(found.seeds)
            self.workplace = Workplace(path, found.files) if path is not None and found.files else None
            self.runner: Runner = adapt(
                found.experiment,
                is_cancelled=lambda: ending() or rang() or os.getpid() != pid,
                seeds=found.seeds,
                enter=None if self.workplace is None else self.workplace.enter,
            )
            self.design = Design.loads(segment.design, imports=True)
        self.order = Order(segment.order, segment.total, segment.key)
        self.segment = segment
        self.parameters = Parameters(self.design)
        self.max_rows = FIRST_ROWS

    def pending(self, first: int, epoch: float) -> Pending:
        """What waits from this position on: nothing yet."""
        return Pending(
            first=first,
            parameters=self.parameters,
            first_point=self.segment.first_point,
            since=perf_counter(),
            epoch=epoch,
        )

    def outcomes(self, points: Any, own_seeds: Any, trials: Any, alarm: Alarm) -> Iterator[Row | Outcome]:
        """What comes of these trials: each runs when it is asked for."""
        given, keys = own_seeds.tolist(), zip(repeat(self.segment.key), trials.tolist(), strict=False)
        if not self.design.is_plain or not self.design.parameters or alarm.limit is not None:
            return map(alarm.around(self.runner.attempt), map(self.design.__getitem__, points.tolist()), given, keys)
        columns = {name: self.design.column(name, points) for name in self.design.parameters}
        return self.runner.attempts(columns, given, keys)


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
    return found


def run_lease(order: LeaseOrder, package: Package) -> Iterator[Header | Batch]:
    """Work through a lease.

    Yields:
        A Header (three for one that is alone), then Batches that together hold each of its positions once, in order.

    Raises:
        Exception: what keeps the experiment from being loaded, before anything is yielded.
    """
    limit_threads(order.threads, order.own_threads)
    with guarded():
        loaded = job(package)
    limit_threads(order.threads, order.own_threads)  # what came with the experiment
    heard: Heard = {}
    with back_again(), closing(_run(order, loaded, heard)) as items:
        while True:
            # Not while it waits: what trials get to see is not for whoever drives it.
            with guarded(), imports_apart(draws=loaded.draws), hearing(heard):
                item = next(items, None)
            if item is None:
                return
            yield item


def _run(order: LeaseOrder, loaded: Job, heard: Heard) -> Generator[Header | Batch, None, None]:
    pid = os.getpid()
    for _ in range(AHEAD if order.alone else 0):  # the next yield then waits until the lab has read on
        yield Header(node=NODE, pid=pid, runs=False)
    yield Header(node=NODE, pid=pid)
    alarm = Alarm(order.time_limit, _Ending.watch())
    try:
        yield from _work(order, loaded, alarm, pid, heard)
    except BaseException as error:
        _end_child(pid, error)
        raise
    finally:
        alarm.rest()


def _work(order: LeaseOrder, loaded: Job, alarm: Alarm, pid: int, heard: Heard) -> Iterator[Batch]:
    """Run the trials, and send what has come as soon as it is due."""
    epoch = time() - perf_counter()
    pending = loaded.pending(order.start, epoch)
    due = pending.since + order.flush_s
    for start in range(order.start, order.stop, BLOCK):
        trials, points, repeats, own_seeds = trials_at(
            loaded.segment, loaded.order, start, min(start + BLOCK, order.stop)
        )
        outcomes = loaded.outcomes(points, own_seeds, trials, alarm)
        pending.blocks.append((points, repeats, own_seeds))
        kept = 0  # trials of this block that were sent already
        results, ended = pending.results, pending.ended
        pending.started[len(results)] = then = perf_counter()
        for at, made in enumerate(outcomes, 1):
            if type(made) is not dict:
                attempt = 1
                while isinstance(made, Outcome) and made.status == "failed" and attempt <= order.retries:
                    attempt += 1
                    if heard:
                        forget(heard)
                    pending.attempts[len(results)] = order.deaths + attempt
                    pending.started[len(results)] = perf_counter()  # the record is the last attempt's alone
                    made = next(
                        loaded.outcomes(points[at - 1 : at], own_seeds[at - 1 : at], trials[at - 1 : at], alarm)
                    )
                if isinstance(made, Outcome):
                    made = pending.note(len(results), made)
            now = perf_counter()
            if heard:
                pending.warned(len(results), heard, int(points[at - 1]), int(repeats[at - 1]))
                forget(heard)
            results.append(made)
            ended.append(now)
            if now - then > HEAVY_S and pending.weigh(made):
                due = now
            then = now
            if now >= due or len(results) >= loaded.max_rows:
                pending.blocks[-1] = tuple(array[kept:at] for array in (points, repeats, own_seeds))
                kept = at
                alarm.rest()
                yield _batch(pending, loaded, order.deaths + 1, pid)
                pending = loaded.pending(start + at, epoch)
                pending.blocks.append((points, repeats, own_seeds))
                results, ended = pending.results, pending.ended
                pending.started[0] = then = pending.since
                due = then + order.flush_s
        pending.blocks[-1] = (points[kept:], repeats[kept:], own_seeds[kept:])
    if pending.results:
        alarm.rest()
        yield _batch(pending, loaded, order.deaths + 1, pid)


def _batch(pending: Pending, loaded: Job, attempt: int, pid: int) -> Batch:
    _end_child(pid)
    batch, nbytes = make_batch(pending, attempt=attempt, pid=pid, busy_s=perf_counter() - pending.since)
    loaded.max_rows = grown(loaded.max_rows, batch.count, nbytes)
    return batch


def _end_child(pid: int, error: BaseException | None = None) -> None:
    """A child that a trial forked ends here; it must not go on with its parent's lease."""
    if os.getpid() != pid:
        code = error.code if isinstance(error, SystemExit) else int(error is not None)
        os._exit(code if isinstance(code, int) else int(code is not None))
