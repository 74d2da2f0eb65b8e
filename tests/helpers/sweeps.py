"""Sweeps for tests, without Ray: packed as a client does, worked through as a worker does, written as a lab does."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from asked import submitted, sweeps

from raylab.code.pack import Code, pack
from raylab.core.design import Design
from raylab.core.policy import Policy
from raylab.core.segment import Segment
from raylab.notebook.layout import sweep_folder
from raylab.notebook.posix import PosixStore
from raylab.notebook.schema import Schema
from raylab.notebook.writer import SweepTable, Writer
from raylab.server.at_work import AtWork
from raylab.worker.batch import Batch, summary
from raylab.worker.lease import Header, LeaseOrder, Package, Segments, run_lease

WHO = {"user": "ada", "host": "here", "pid": "1", "actor": "a", "raylab": "0"}
NEVER = 1e9

_keys = itertools.count()


def packaged(experiment: Any, design: Design, *, repeats: int = 1, seed: int = 1, order: str = "random") -> Package:
    """A sweep as workers get it. The folder of the tests, which would count as the user's own code, stays here."""
    segment = Segment(design=design.dumps(), size=design.size, repeats=repeats, order=order, key=seed, seed=seed)
    code = experiment if isinstance(experiment, Code) else pack(experiment)
    return Package(key=f"test-{next(_keys)}", segments=Segments([segment]), pickle=code.pickle)


def leased(
    package: Package,
    start: int = 0,
    stop: int | None = None,
    *,
    segment: int = 0,
    flush_s: float = NEVER,
    attempt: int = 1,
    **policy: Any,
) -> list[Batch]:
    """The batches of one lease, which began with a header and nothing else."""
    order = LeaseOrder(
        lease=1,
        start=start,
        stop=package.segments.load()[segment].stop if stop is None else stop,
        segment=segment,
        attempt=attempt,
        flush_s=flush_s,
        policy=Policy(**policy),
    )
    header, *batches = run_lease(order, package)
    assert isinstance(header, Header)
    assert all(isinstance(batch, Batch) for batch in batches)
    return [batch for batch in batches if isinstance(batch, Batch)]


def at_work(name: str) -> AtWork:
    """A sweep as a lab knows it, without a table."""
    return AtWork(sweeps(submitted(name))[name])


def table_of(batches: Iterable[Batch]) -> pa.Table:
    """All rows in the columns that a lab gives them."""
    return Schema().concat([batch.rows for batch in batches])


def rows_of(experiment: Any, design: Design, **words: Any) -> list[dict[str, Any]]:
    """The rows of a whole sweep as a lab would write them, in the order of the design's trials."""
    lease = {
        name: words.pop(name) for name in ("retries", "time_limit", "attempt", "flush_s", "capture") if name in words
    }
    rows: list[dict[str, Any]] = table_of(leased(packaged(experiment, design, **words), **lease)).to_pylist()
    return sorted(rows, key=lambda row: (row["_point"], row["_repeat"]))


class Bench:
    """A notebook that is written by hand: requests, and commits of leases where a test wants them."""

    def __init__(self, root: Path, name: str = "lab", store: PosixStore | None = None) -> None:
        self.root = root
        self.writer = Writer(root, WHO, store)
        self.identity = self.writer.establish(name, "ada")
        self.requests = self.writer.open_requests()
        self._packages: dict[str, tuple[Package, SweepTable]] = {}
        self._generations: dict[str, int] = {}

    def submit(self, name: str, experiment: Any, design: Design, *, repeats: int = 1, seed: int = 1) -> SweepTable:
        """Ask for a sweep and open its table; the same name again replaces it."""
        generation = self._generations[name] = self._generations.get(name, 0) + 1
        package = replace(
            packaged(experiment, design, repeats=repeats, seed=seed), key=f"{self.root}/{name}/{generation}"
        )
        request = submitted(
            name,
            folder=sweep_folder(name, generation),
            time_us=1_000_000 * len(self._packages),
            label="f",
            design=design.dumps(),
            shape=repr(design),
            size=design.size,
            repeats=repeats,
            seed=seed,
            code=self.writer.put_code(package.pickle, None)[0],
            ingredients={},
        )
        self.writer.add([request])
        table = self.writer.open_sweep(sweep_folder(name, generation), request.plain())
        self._packages[name] = package, table
        return table

    def run(self, name: str, start: int = 0, stop: int | None = None, **words: Any) -> None:
        """Work through some positions and commit what comes, in one commit."""
        package, _ = self._packages[name]
        self.commit(name, leased(package, start, stop, **words))

    def commit(self, name: str, batches: list[Batch]) -> None:
        if logs := [batch.logs for batch in batches if batch.logs is not None]:
            self._packages[name][1].log(logs)
        self._packages[name][1].commit([batch.rows for batch in batches], summary(batches))

    def seal(self, name: str) -> None:
        self._packages[name][1].seal()


def sweep(root: Path, experiment: Any, design: Design, **words: Any) -> Bench:
    """A notebook with one sweep called SWEEP, all of it recorded."""
    bench = Bench(root)
    bench.submit("SWEEP", experiment, design, **words)
    bench.run("SWEEP")
    return bench
