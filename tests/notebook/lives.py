"""A lab's life with its notebook, without Ray: what it was told is durable, and what must then be true of the disk.

`Life` does what a lab does to its notebook and writes down in `Claims` what it was told. `check` reads a notebook
afresh, by raylab and by polars alone, compares it with the claims, and has a next lab go on with it. What may happen
to a life is in `hazards`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from asked import noted
from faulty import Unplugged
from sweeps import WHO, leased, packaged

from raylab.core.design import Factorial
from raylab.core.request import Request
from raylab.errors import RaylabError
from raylab.notebook import layout
from raylab.notebook.posix import PosixStore, SystemCalls
from raylab.notebook.store import Reader
from raylab.notebook.table_files import listing
from raylab.notebook.writer import SweepTable, Writer
from raylab.worker.batch import Batch, summary
from raylab.worker.lease import Package

A, B = "sweeps/a", "sweeps/b"
COMMITS = {A: 5, B: 3}


def _sizes(k: int) -> tuple[int, int]:
    """The positions of commit number k: one to three, so that half a commit would show."""
    begin = sum(j % 3 + 1 for j in range(k))
    return begin, begin + k % 3 + 1


@cache
def package() -> Package:
    def echo(p: int) -> dict[str, Any]:
        return {"x": p * p} if p < 5 else {"x": p * p, "late": f"since {p}"}

    return packaged(echo, Factorial(p=range(10_000)), order="design")


@cache
def batches(k: int) -> list[Batch]:
    """Commit number k as it comes from a worker."""
    return leased(package(), *_sizes(k))


def points(commits: Iterable[int]) -> list[int]:
    return [p for k in commits for p in range(*_sizes(k))]


def asked(*sweeps: str) -> list[Request]:
    return [noted("locked", sweep) for sweep in sweeps]


def persist(act: Callable[[], Any], patience: int) -> Any:
    """Make a call, and again as often as `patience` says if the disk refuses."""
    for left in reversed(range(patience + 1)):
        try:
            return act()
        except OSError:
            if not left:
                raise
    raise AssertionError


@dataclass(slots=True)
class Claims:
    """What was acknowledged; `doubtful` is what was under way when the last life ended."""

    identity: str | None = None
    requests: list[Request] = field(default_factory=list)
    doubtful_requests: list[Request] = field(default_factory=list)
    code: bool = False
    commits: dict[str, list[int]] = field(default_factory=lambda: {A: [], B: []})
    doubtful: dict[str, list[int]] = field(default_factory=lambda: {A: [], B: []})

    def copy(self) -> Claims:
        return Claims(
            identity=self.identity,
            requests=list(self.requests),
            doubtful_requests=list(self.doubtful_requests),
            code=self.code,
            commits={folder: list(ks) for folder, ks in self.commits.items()},
            doubtful={folder: list(ks) for folder, ks in self.doubtful.items()},
        )


class Life:
    """Up to three labs in turn on one notebook: requests, code, two sweeps, commits, seals. What is done is left out.

    Args:
        root: The notebook.
        files: Its operations.
        claims: Where it writes down what it was told.
        patience: How often a call that fails is made again.
    """

    def __init__(self, root: Path, files: SystemCalls, claims: Claims | None = None, patience: int = 0) -> None:
        self.store, self.claims, self.patience = PosixStore(root, files), claims or Claims(), patience
        self.writer = Writer(root, WHO, self.store)
        self.tables: dict[str, SweepTable] = {}

    def run(self, chapters: Iterable[int] = range(3)) -> None:
        for number in chapters:
            self.open()
            (self._first, self._second, self._third)[number]()

    def _first(self) -> None:
        self.add("a")
        self.keep_code()
        self.commit(A, 0, 1)
        self.seal(A)
        self.commit(A, 2)

    def _second(self) -> None:
        self.add("b", "c")
        self.commit(A, 3)
        self.commit(B, 0, 1)
        self.seal(B)

    def _third(self) -> None:
        self.add("d")  # the third, which seals them
        self.commit(A, 4)
        self.commit(B, 2)
        self.seal(A)

    def persist(self, act: Callable[[], Any]) -> Any:
        return persist(act, self.patience)

    def open(self) -> None:
        """A lab begins."""
        self.writer = Writer("", WHO, self.store)
        self.tables = {}
        identity = self.persist(lambda: self.writer.establish("lab", "ada")).id
        assert self.claims.identity in (None, identity)
        self.claims.identity = identity
        found = self.persist(self.writer.open_requests)
        assert found[: len(self.claims.requests)] == self.claims.requests

    def add(self, *names: str) -> None:
        requests = [each for each in asked(*names) if each not in self.claims.requests]
        if not requests:
            return
        if self.claims.doubtful_requests == requests:
            requests = self.claims.doubtful_requests  # the very same again, as `Writer.add` wants it
        self.claims.doubtful_requests = requests
        self.persist(lambda: self.writer.add(requests))
        self.claims.requests += requests
        self.claims.doubtful_requests = []

    def keep_code(self) -> None:
        self.persist(lambda: self.writer.put_code(package().pickle, None))
        self.claims.code = True

    def table(self, folder: str) -> SweepTable:
        if folder not in self.tables:
            self.tables[folder] = self.persist(lambda: self.writer.open_sweep(folder))
        return self.tables[folder]

    def commit(self, folder: str, *ks: int) -> None:
        table, done = self.table(folder), self.claims.commits[folder]
        for k in ks:
            if k in done:
                continue
            self.claims.doubtful[folder] = [k]
            said = summary(batches(k))
            info = self.persist(lambda k=k, said=said: table.commit([batch.rows for batch in batches(k)], said))
            assert (info.seq, info.rows) == (len(points(done)), k % 3 + 1)
            done.append(k)
            self.claims.doubtful[folder] = []

    def seal(self, folder: str) -> None:
        table = self.table(folder)
        self.persist(table.seal)


def half_written(reader: Reader) -> list[str]:
    """What is left in `tmp/`, and in the notebook's own folder there."""
    there = reader.names("tmp")
    return [each for name in there for each in (reader.names(f"tmp/{name[:-1]}") if name.endswith("/") else [name])]


@contextlib.contextmanager
def judged(where: object) -> Iterator[None]:
    """Whatever the notebook refuses here is a violation: nothing damaged it but what it must withstand."""
    try:
        yield
    except (RaylabError, pl.exceptions.PolarsError) as error:
        raise AssertionError(f"{where}: {type(error).__name__}: {error}") from error


def read(reader: Reader, folder: str) -> list[int]:
    """The points of a sweep, having checked that rows, numbers and commits are in order."""
    files = listing(reader, folder)
    seqs = [seq for file in files for seq in file.table["_seq"].to_pylist()]
    assert seqs == list(range(len(seqs)))
    for file in files:
        if file.info.rows:
            check_rows(file.table)
            assert file.info.meta["rows"] == file.info.rows
    return [point for file in files if file.info.rows for point in file.table["_point"].to_pylist()]


def check_rows(rows: pa.Table) -> None:
    got = rows["_point"].to_pylist()
    assert rows["x"].to_pylist() == [p * p for p in got]
    if "late" in rows.column_names:
        assert rows["late"].to_pylist() == [f"since {p}" if p >= 5 else None for p in got]
    else:
        assert all(p < 5 for p in got)


def plain(root: Path, folder: str) -> tuple[list[int], list[int]]:
    """The points as the README reads them, with polars alone, and those of the parts alone."""
    parts = sorted((root / folder).glob("*.arrow"))
    files = parts + sorted((root / folder).glob("journal/*.arrow"))
    frames = {file: pl.scan_ipc(file).collect() for file in files}
    if not any(len(frame) for frame in frames.values()):
        return [], []
    rows = pl.concat([frames[f] for f in files], how="diagonal_relaxed").unique("_seq", maintain_order=True)
    assert rows["_seq"].to_list() == list(range(len(rows)))
    assert [s for f in parts for s in frames[f]["_seq"]] == list(range(sum(len(frames[f]) for f in parts)))
    return rows["_point"].to_list(), [point for f in parts for point in frames[f]["_point"]]


def check_plain(root: Path, folder: str, truth: Sequence[int]) -> None:
    """What polars sees is the truth, and the parts alone are a beginning of it (which needs no order of the names)."""
    with judged(folder):
        whole, parts = plain(root, folder)
    assert whole == truth
    assert parts == truth[: len(parts)]


def settle(root: Path, claims: Claims) -> Claims:
    """What was acknowledged is there, once and in order; what was under way is there wholly or not at all.

    Returns:
        What is there.
    """
    store, now = PosixStore(root, Unplugged()), claims.copy()
    with judged(root):
        for folder in COMMITS:
            found = read(store, folder)
            certain, perhaps = now.commits[folder], now.doubtful[folder]
            assert found in (points(certain), points(certain + perhaps)), folder
            check_plain(root, folder, found)
            if found != points(certain):
                certain += perhaps
            now.doubtful[folder] = []
        _settle_requests(store, now)
    return now


def check(root: Path, claims: Claims) -> None:
    """A next lab finds all that was acknowledged, sends what is outstanding, and ends with every point once."""
    life = Life(root, Unplugged(), settle(root, claims))
    now = life.claims
    with judged(root):
        life.open()
        if now.code:
            digest, _ = life.writer.put_code(package().pickle, None)
            assert life.writer.code(digest, None)[0] == package().pickle
        for folder, last in COMMITS.items():
            again = _outstanding(life.table(folder).summary.positions, last)
            assert again == [k for k in range(last) if k not in now.commits[folder]]
            life.commit(folder, *again)
            assert read(life.store, folder) == points(range(last))
        life.add("z")
        assert half_written(life.store) == []


def _settle_requests(store: PosixStore, now: Claims) -> None:
    """Whether what was being asked is in."""
    if store.names(f"{layout.REQUESTS}/journal"):
        rows = [row for file in listing(store, layout.REQUESTS) for row in file.table.to_pylist() if file.info.rows]
        names = [row["sweep"] for row in rows]
        sure, perhaps = ([each.sweep for each in some] for some in (now.requests, now.doubtful_requests))
        assert names in (sure, sure + perhaps)
        if names != sure:
            now.requests += now.doubtful_requests
    now.doubtful_requests = []


def _outstanding(positions: Sequence[Sequence[int]], last: int) -> list[int]:
    """The commits whose positions no commit is said to hold: what a lab that begins anew runs again."""
    there = {position for start, stop in positions for position in range(start, stop)}
    return [k for k in range(last) if not there.issuperset(points([k]))]
