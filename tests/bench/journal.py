"""The notebook alone, without the actor and without Ray: commits, seals, and the opening of a long journal.

Commits are measured as the lab makes them: wire batches of a real sweep's shape (two parameters, two results, all
metadata), through the sweep's table, each durable before the next. Beside them the same Arrow tables written plainly:
Arrow IPC into memory, a temporary file, fsync, rename, fsync of the folder. What is beyond that is the notebook's own:
the schema in force, `_seq`, the sha256, what the file says about itself, put-if-absent.

Seals are taken apart, at the length at which the lab makes them; beside them the same journal files read, hashed and
written as one file plainly. An opening reads and verifies the whole journal above the last part; beside it the same
files read and hashed. Neither has a target of its own: the one has to cost little of the commits' time, and the other
is a part of a restart.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from figures import Figure, Run, in_turns, ratio

from raylab.core.design import Factorial
from raylab.core.summary import Summary
from raylab.notebook.parameters import Parameters
from raylab.notebook.rows import Trials, wire
from raylab.notebook.schema import Schema
from raylab.notebook.table import SEAL_BYTES, SEAL_COMMITS
from raylab.notebook.writer import SweepTable, Writer

ROW = "9"
SIZES = {10: 300, 1_000: 200, 100_000: 10}
"""Commits in a round, by the rows of one."""

LEASE = 5_000
"""Rows of a wire batch at most: a commit of many rows is made of several."""

WHO = {"user": "bench", "host": "here", "pid": "1", "actor": "none", "raylab": "0"}

_numbers = itertools.count()


def measure(run: Run) -> Iterator[Figure]:
    writer = Writer(run.folder / "journal", WHO)
    writer.establish("journal", "bench")
    writer.open_requests()
    for rows, count in SIZES.items():
        yield from commits(run, writer, rows, run.size(count, 5))
    for rows in SIZES:
        yield from seals(run, writer, rows)
    yield opening(run, writer)


def commits(run: Run, writer: Writer, rows: int, count: int) -> Iterator[Figure]:
    """Rows per second of `count` commits of `rows` rows each, and of the same tables written plainly."""
    batches = wire_batches(rows)
    table = new_table(writer)
    plain = plain_table(batches)
    folder = run.folder / f"plain-{rows}"
    folder.mkdir()

    def ours() -> float:
        began = time.perf_counter()
        for _ in range(count):
            table.commit(batches, said(table, rows))
        took = time.perf_counter() - began
        table.seal()  # so that no round has a longer journal than another
        return rows * count / took

    def theirs() -> float:
        began = time.perf_counter()
        for number in range(count):
            write_plainly(folder / f"{number}.arrow", arrow_bytes(plain))
        took = time.perf_counter() - began
        for path in folder.iterdir():
            path.unlink()
        return rows * count / took

    table.commit(batches, said(table, rows))
    found = in_turns(ours, theirs, run.rounds)
    than = "the same Arrow tables written plainly, with fsync of file and folder"
    yield ratio(ROW, f"commits of {rows:,} rows", *found, than=than, unit="rows/s", least=0.5)


def seals(run: Run, writer: Writer, rows: int) -> Iterator[Figure]:
    """Megabytes of journal per second that become a part, and the share this is of what the commits took."""
    batches = wire_batches(rows)
    folder = run.folder / f"sealed-{rows}"
    folder.mkdir()
    shares, speeds, plain = [], [], []
    for _ in range(1 if run.quick else run.rounds):
        table = new_table(writer)
        began = time.perf_counter()
        while not (table.table.should_seal or (run.quick and table.table.number > 5)):
            table.commit(batches, said(table, rows))
        committed = time.perf_counter() - began
        journal = journal_of(writer, table)
        size = sum(path.stat().st_size for path in journal) / 1e6
        plain.append(size / seal_plainly(journal, folder / "part"))
        began = time.perf_counter()
        table.seal()
        sealed = time.perf_counter() - began
        speeds.append(size / sealed)
        shares.append(sealed / committed)
    long = f"{SEAL_COMMITS:,} commits or {SEAL_BYTES >> 20} MB"
    what = f"sealing a journal of {long}, in commits of {rows:,} rows"
    yield ratio(ROW, what, speeds, plain, than="the same files read, hashed and written as one plainly", unit="MB/s")
    what = f"sealing commits of {rows:,} rows"
    yield Figure(row=ROW, what=what, value=statistics.median(shares), unit="of the commits' time", rounds=shares)


def opening(run: Run, writer: Writer) -> Figure:
    """Seconds to open a sweep with a thousand commits that are not sealed."""
    count = run.size(1_000, 50)
    table = new_table(writer)
    batches = wire_batches(10)
    for _ in range(count):
        table.commit(batches, said(table, 10))
    folder = table.table.folder

    def ours() -> float:
        began = time.perf_counter()
        writer.open_sweep(folder)
        return time.perf_counter() - began

    def theirs() -> float:
        began = time.perf_counter()
        for path in journal_of(writer, table):
            hashlib.sha256(path.read_bytes()).digest()
        return time.perf_counter() - began

    found = in_turns(ours, theirs, run.rounds)
    what = f"opening with {count:,} commits of 10 rows that are not sealed"
    return ratio(ROW, what, *found, than="reading and hashing the same files", unit="s")


# -- the lab's side


def new_table(writer: Writer) -> SweepTable:
    return writer.open_sweep(f"sweeps/{next(_numbers)}")


def wire_batches(rows: int) -> list[pa.RecordBatch]:
    """What workers send: two parameters, two results, all metadata."""
    parameters = Parameters(Factorial(p=[i / 1_000 for i in range(1_000)], n=range(1_000)))
    return [_wire(parameters, np.arange(at, min(at + LEASE, rows))) for at in range(0, rows, LEASE)]


def _wire(parameters: Parameters, points: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.RecordBatch:
    trials = Trials(
        points=points,
        repeats=np.zeros(len(points), np.int64),
        seeds=points * 48_271 % (2**31 - 1) + 1,
        started=1.7e9 + points * 1e-6,
        elapsed=np.full(len(points), 1e-6),
        results=[{"x": n / 3, "y": n / 7} for n in points.tolist()],
    )
    return wire(trials, parameters, "a-node", 4_321)


def said(table: SweepTable, rows: int) -> Summary:
    """What the lab says of a commit."""
    first = table.table.seq
    return Summary(
        positions=[(first, first + rows)],
        by_status={"done": rows},
        rows=rows,
        seconds=0.01,
        error=None,
        warnings=[],
        names=[],
        causes=[],
        attempt=1,
        versions=[1],
    )


def journal_of(writer: Writer, table: SweepTable) -> list[Path]:
    return sorted((Path(writer.place) / table.table.folder / "journal").iterdir())


# -- the plain side


def plain_table(batches: list[pa.RecordBatch]) -> pa.Table:
    """The rows as the notebook writes them, in one piece."""
    table = Schema().concat(batches)
    return table.add_column(0, "_seq", pa.array(np.arange(table.num_rows))).combine_chunks()


def arrow_bytes(table: pa.Table) -> memoryview:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return memoryview(sink.getvalue())


def write_plainly(path: Path, data: bytes | memoryview) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb", buffering=0) as file:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
    temporary.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def seal_plainly(journal: list[Path], into: Path) -> float:
    """Seconds to read and hash these files, and to write their bytes as one."""
    began = time.perf_counter()
    pieces = [path.read_bytes() for path in journal]
    for piece in pieces:
        hashlib.sha256(piece).digest()
    write_plainly(into, b"".join(pieces))
    took = time.perf_counter() - began
    into.unlink()
    return took
