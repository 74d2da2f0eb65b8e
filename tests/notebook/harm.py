"""Damage at rest: a small notebook with all kinds of files, and what disks do to files."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
from faulty import Unplugged
from sweeps import WHO, Bench, leased, packaged

from raylab.core.design import Factorial
from raylab.core.history import fold
from raylab.notebook.posix import PosixStore
from raylab.notebook.writer import Writer
from raylab.offline import Notebook
from raylab.worker.batch import summary

Truth = dict[str, pl.DataFrame]
"""The rows of each sweep, with all metadata."""


def made() -> Callable[[int], Any]:
    def halves(p: int) -> Any:
        if p == 3:
            raise ValueError("three")
        return [{"x": p / 2, "step": step} for step in range(2)] if p % 2 else {"x": p / 2}

    return halves


SWEEPS = {"sealed": Factorial(p=range(12)), "plain": Factorial(p=range(5))}


def store_of(root: Path) -> PosixStore:
    return PosixStore(root, Unplugged())


def notebook(root: Path) -> Truth:
    """Two sweeps: parts, a journal, openings of several labs, a few trials that nobody has run yet."""
    bench = Bench(root, store=store_of(root))
    for name, design in SWEEPS.items():
        bench.submit(name, made(), design)
    for start in (0, 2):
        bench.run("sealed", start, start + 2)
    bench.seal("sealed")
    bench.run("sealed", 4, 6)
    bench.run("plain", 0, 2)
    other = Bench(root, store=store_of(root))  # a lab of another day
    for name, record in fold(other.requests).items():
        bench._packages[name] = (
            bench._packages[name][0],
            other.writer.open_sweep(record.folder, record.request().plain()),
        )
    bench.seal("sealed")
    bench.run("sealed", 6, 8)
    bench.run("sealed", 8, 10)
    bench.run("plain", 2, 4)
    bench.writer.store.remove("README.md")
    return truth(root)


def truth(root: Path) -> Truth:
    found = Notebook(root)
    return {name: found.results(name, status="all", metadata=True) for name in found.sweeps()["name"]}


def files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def newest(root: Path) -> set[str]:
    """The files whose absence nobody can notice."""
    tables = ["requests", *(f"sweeps/{name}" for name in SWEEPS)]
    return {max(path for path in files(root) if path.startswith(f"{table}/journal/")) for table in tables}


def harms(data: bytes, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """What may become of a file's bytes."""
    yield "emptied", b""
    yield "foreign", b"something else altogether"
    yield "longer", data + b"\0"
    for cut in {1, len(data) - 1, *(rng.randrange(1, len(data)) for _ in range(3))}:
        yield f"cut at {cut}", data[:cut]
    for bit in (rng.randrange(8 * len(data)) for _ in range(4)):
        sick = bytearray(data)
        sick[bit // 8] ^= 1 << bit % 8
        yield f"bit {bit} flipped", bytes(sick)
    page = 4096 * rng.randrange(len(data) // 4096 + 1)
    yield f"page at {page} zeroed", data[:page] + bytes(len(data[page : page + 4096])) + data[page + 4096 :]


def go_on(root: Path, name: str) -> pl.DataFrame:
    """What a lab does that is attached again: runs what is not recorded, with the notebook's own writer."""
    writer = Writer(root, WHO | {"actor": "later"}, store_of(root))
    writer.establish("lab", "ada")
    writer.open_requests()
    table = writer.open_sweep(f"sweeps/{name}")
    recorded = {at for start, stop in table.summary.positions for at in range(start, stop)}
    package = packaged(made(), SWEEPS[name])
    for at in sorted(set(range(package.segments.load()[0].total)) - recorded):
        batches = leased(package, at, at + 1)
        table.commit([batch.rows for batch in batches], summary(batches))
    table.seal()
    return Notebook(root).results(name, status="all", metadata=True)
