"""The removal of a sweep from a notebook with two, and what may happen meanwhile: crashes, outages, readers, rivals.
Each story raises an AssertionError where a promise is broken.

The promises: what was not removed is whole; what was removed is never read, in part least of all; nobody finds damage;
whoever had the table writes nothing any more; once the removal is carried out, nothing of it is left but openings.
"""

from __future__ import annotations

import contextlib
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from inspect import stack
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import polars as pl
from faulty import Faulty, Image, PowerLoss, Unplugged, lay_out
from hazards import Crash
from lives import judged, persist
from sweeps import WHO, Bench, leased, packaged

from raylab.core.design import Factorial
from raylab.core.history import History, fold
from raylab.core.request import Request
from raylab.errors import LabFenced, NotebookDamaged, SweepNotFound
from raylab.notebook import layout
from raylab.notebook.copy import copy
from raylab.notebook.file import OPENING, load
from raylab.notebook.posix import PosixStore, SystemCalls
from raylab.notebook.removal import REMOVED
from raylab.notebook.salvage import salvage
from raylab.notebook.writer import SweepTable, Writer
from raylab.offline import Notebook, through
from raylab.worker.batch import summary

GONE, KEPT = "gone", "kept"
FOLDER = "sweeps/gone"
DESIGN = Factorial(p=range(9))


def of_gone(p: int) -> dict[str, int]:
    return {"x": p}


def of_kept(p: int) -> dict[str, int]:
    return {"x": -p}


@cache
def base() -> Image:
    """The files of a notebook with two sweeps: parts, journal, openings of two labs."""
    root = Path(mkdtemp())
    lab = root / "disk" / "lab"
    (root / "disk").mkdir()
    bench = Bench(lab, store=PosixStore(lab, Unplugged()))
    bench.submit(GONE, of_gone, DESIGN)
    bench.run(GONE, 0, 2)
    bench.run(GONE, 2, 3)
    bench.seal(GONE)
    bench.run(GONE, 3, 5)
    bench.submit(KEPT, of_kept, DESIGN)
    bench.run(KEPT)
    other = Writer(lab, WHO, PosixStore(lab, Unplugged()))
    table = other.open_sweep(FOLDER, fold(other.open_requests())[GONE].request().plain())
    commit(table, 5, 6)
    commit(table, 6, 9)
    image = PowerLoss(root / "disk").killed()
    shutil.rmtree(root)
    return image


def commit(table: SweepTable, start: int, stop: int) -> None:
    batches = leased(packaged(of_gone, DESIGN), start, stop)
    table.commit([batch.rows for batch in batches], summary(batches))


@cache
def truth() -> dict[str, pl.DataFrame]:
    root = Path(mkdtemp())
    lay_out(base(), root / "disk")
    notebook = Notebook(root / "disk" / "lab")
    found = {name: notebook.results(name, status="all", metadata=True) for name in (GONE, KEPT)}
    shutil.rmtree(root)
    return found


@dataclass(slots=True)
class Told:
    """What the one who removes was told."""

    begun: bool = False
    """Whether the row is on its way at least."""
    durable: bool = False
    carried_out: bool = False
    openings: set[str] = field(default_factory=set)
    """Of the table, at its beginning."""


class Remover:
    """A lab that begins, and removes a sweep.

    Args:
        root: the notebook.
        files: its operations.
        patience: how often a call that fails is made again.
    """

    def __init__(self, root: Path, files: SystemCalls, patience: int = 0) -> None:
        self.root = root
        self.writer = Writer(root, WHO, PosixStore(root, files))
        self.told = Told(openings=openings(root))
        self._patience = patience

    def run(self) -> None:
        self.persist(lambda: self.writer.establish("lab", "ada"))
        records = fold(self.persist(self.writer.open_requests))
        if GONE in records:
            record = records[GONE]
            row = [
                Request(
                    kind="removed",
                    sweep=GONE,
                    folder=record.folder,
                    user="ada",
                    time_us=7,
                    body={"code": list(record.hashes)},
                )
            ]
            self.told.begun = True
            self.persist(lambda: self.writer.add(row))
            records = fold(row, records)
        self.told.durable = True
        self.carry_out(records)

    def carry_out(self, records: History) -> None:
        """As `server.removal` does it."""
        removed = records.removed[FOLDER]
        while not self.persist(lambda: self.writer.clear(removed)):
            pass
        used = {digest for record in records.readable for digest in record.hashes}
        self.persist(lambda: self.writer.remove_code([each for each in removed.code if each not in used]))
        self.told.carried_out = True

    def persist(self, act: Callable[[], Any]) -> Any:
        return persist(act, self._patience)


def openings(root: Path) -> set[str]:
    return {path.name for path in (root / FOLDER / "journal").glob("*.arrow") if kind(path) == OPENING}


def is_ended(root: Path) -> bool:
    """Whether the table says that it was removed."""
    paths = [root / FOLDER / "journal" / name for name in openings(root)]
    return any(REMOVED in load(path.read_bytes(), str(path)).info.meta for path in paths)


def kind(path: Path) -> str:
    """Of a file; nothing of one that is damaged."""
    try:
        return load(path.read_bytes(), str(path)).info.kind
    except NotebookDamaged:
        return ""


# -- what must be true


def read(notebook: Notebook, told: Told) -> bool:
    """Read both sweeps; whether the one that is removed is there still."""
    with judged("the other one"):
        assert notebook.results(KEPT, status="all", metadata=True).equals(truth()[KEPT])
    begun, durable = told.begun, told.durable
    with judged("the one that is removed"):
        try:
            found = notebook.results(GONE, status="all", metadata=True)
        except SweepNotFound as error:
            assert told.begun, "it was not removed"
            return not said(error)
    assert found.equals(truth()[GONE]), "half of it is taken for the whole"
    assert not durable or not begun, "it was removed"
    return True


def said(error: SweepNotFound) -> bool:
    assert "'gone' was removed by ada at 1970-01-01" in str(error)
    return True


def judge(root: Path, told: Told, *, thoroughly: bool = True) -> None:
    """What is true of the disk, and what a next lab makes of it."""
    there = read(Notebook(root), told)
    with judged("verify"):
        findings = Notebook(root).verify()
        assert findings.is_empty(), findings
    if thoroughly:
        _copied(root, told, there)
    writer = Writer(root, WHO, PosixStore(root, Unplugged()))
    with judged("a next lab"):
        writer.establish("lab", "ada")
        records = fold(writer.open_requests())
        assert (GONE in records) == there
        if not there:
            next_one = Remover(root, Unplugged())
            next_one.writer = writer
            next_one.carry_out(records)
            assert openings(root) >= told.openings, "an opening is gone"
            _nothing_left(root)
            assert (records.next_generation(GONE), writer.free_generation(GONE, 2)) == (2, 2)
        for record in records.values():
            assert writer.has_code(record.code, record.modules), f"the code of {record.name} is gone"
        table = writer.open_sweep(f"sweeps/{KEPT}")
        assert table.summary.recorded == 9


def _copied(root: Path, told: Told, there: bool) -> None:
    new = root.parent / "copy"
    with judged("a copy"):
        copy(PosixStore(root, Unplugged()), PosixStore(new, Unplugged()))
        assert read(Notebook(new), told) == there
        assert Notebook(new).verify().is_empty()
        if not there:
            _nothing_left(new, code=False)
    shutil.rmtree(new)


def _nothing_left(root: Path, code: bool = True) -> None:
    """Of the removed sweep, but openings; nor of its code."""
    left = [path.name for path in (root / FOLDER).rglob("*.arrow") if kind(path) != OPENING]
    assert not left, f"rows are left in {left}"
    assert len(list((root / layout.CODE).glob("*.pkl"))) == 1 or not code, "its code is left"


# -- what may happen


def laid_out(folder: Path) -> tuple[Path, PowerLoss]:
    """A disk with the notebook, and what it knows to be durable."""
    folder.mkdir(parents=True, exist_ok=True)
    lay_out(base(), folder / "disk")
    return folder / "disk" / "lab", PowerLoss(folder / "disk")


def crashes(folder: Path, rng: random.Random | None, moments: range = range(10**9)) -> int:
    """At each operation the process dies (or, with dice, the power goes), and a next lab goes on with the disk."""
    root, model = laid_out(folder)
    looked = 0

    def look(number: int = 0, name: str = "") -> None:
        nonlocal looked
        if number not in moments and name:
            return
        looked += 1
        image = model.killed() if rng is None else model.lost(rng)
        place = folder / f"image{looked}"
        lay_out(image, place)
        judge(place / "lab", remover.told, thoroughly=looked % 4 == 0)
        shutil.rmtree(place)

    files = Faulty(hook=look, under=model)
    remover = Remover(root, files)
    remover.run()
    look()
    assert openings(root) > remover.told.openings
    return looked


def outages(folder: Path, at: int, length: int = 1, **how: Any) -> None:
    """Some operations fail, and what was asked is asked again."""
    root, _ = laid_out(folder)
    remover = Remover(root, Faulty(at, times=length, **how), patience=3 * length + 1)
    with judged(how):
        remover.run()
    _nothing_left(root)
    judge(root, remover.told)


def readers(folder: Path) -> int:
    """At each operation of the removal somebody reads, who knows what was there, or who begins."""
    root, _ = laid_out(folder)
    known = Notebook(root)

    def look(number: int = 0, name: str = "") -> None:
        for notebook in (known, Notebook(root)):
            read(notebook, remover.told)
            with judged("all of them"):
                names = notebook.sweeps()["name"].to_list()
                assert names in ([GONE, KEPT], [KEPT])
                assert notebook.progress().rows == sum(truth()[each].height for each in names)
        with judged("verify"):
            assert known.verify().is_empty()

    remover = Remover(root, Faulty(hook=look))
    read(known, remover.told)
    remover.run()
    look()
    return looks_of(remover)


def looks_of(remover: Remover) -> int:
    files = remover.writer.store.calls
    assert isinstance(files, Faulty)
    return files.count


READERS: dict[str, Callable[[Path, SystemCalls, Told], object]] = {
    "results": lambda root, files, told: read(through(PosixStore(root, files)), told),
    "verify": lambda root, files, told: _verified(root, files),
    "copy": lambda root, files, told: _taken(copy, root, files, told),
    "salvage": lambda root, files, told: _taken(salvage, root, files, told),
}


def _verified(root: Path, files: SystemCalls) -> None:
    with judged("verify"):
        assert through(PosixStore(root, files)).verify().is_empty()


def _taken(take: Callable[..., Any], root: Path, files: SystemCalls, told: Told) -> None:
    new = root.parent / "new"
    with judged("a copy"):
        take(PosixStore(root, files), PosixStore(new, Unplugged()))
        assert Notebook(new).verify().is_empty()
        read(Notebook(new), Told(begun=told.begun))
    shutil.rmtree(new)


def beside_a_reader(folder: Path, reader: str, at: int, steps: int) -> bool:
    """A reader is stopped before one of its operations, while the removal goes some operations far; and then the rest.

    Returns:
        Whether the reader came as far as that operation.
    """
    root, _ = laid_out(folder)
    stopped_at = count()

    def stop(number: int, name: str) -> None:
        if number >= steps:
            raise Crash

    remover = Remover(root, Faulty(hook=stop))

    def remove(number: int, name: str) -> None:
        if number == at:
            next(stopped_at)
            with contextlib.suppress(Crash):
                remover.run()

    READERS[reader](root, Faulty(hook=remove), remover.told)
    judge(root, remover.told, thoroughly=False)
    return next(stopped_at) > 0


def stale_writer(folder: Path, at: int) -> bool:
    """At one operation of the removal a lab of before, which has the table open, commits and seals. What it is told is
    true, unless the sweep was removed; once its table says so, it is fenced.

    Returns:
        Whether there was such an operation.
    """
    root, _ = laid_out(folder)
    stale = Writer(root, WHO | {"actor": "stale"}, PosixStore(root, Unplugged()))
    stale.open_requests()
    table = stale.open_sweep(FOLDER)
    begun = False

    def write(number: int = at, name: str = "") -> None:
        nonlocal begun
        if number != at or begun:
            return
        begun = True
        for act in (lambda: commit(table, 0, 1), table.seal, lambda: stale.open_sweep(FOLDER)):
            ended = is_ended(root)
            with contextlib.suppress(LabFenced, NotebookDamaged):  # who seals or opens may meet a gap first
                act()
                assert not ended or act == table.seal, "a lab of before goes on"

    remover = Remover(root, Faulty(hook=write), patience=3)
    try:
        remover.run()
    except LabFenced:  # it was only beginning
        assert not remover.told.durable
        return begun
    came, begun = begun, False
    write()  # and long after
    _nothing_left(root)
    read_removed(root)
    return came


def read_removed(root: Path) -> None:
    try:
        Notebook(root).results(GONE)
    except SweepNotFound:
        return
    raise AssertionError("it is back")


def stale_remover(folder: Path, at: int) -> bool:
    """The one who removes is stopped before one of its operations; another lab takes over, carries out what it finds,
    and takes on the same sweep again. Then the first goes on: nothing of the second is lost.

    Not in the moment between the last look whether the notebook is its own and the end of a file of code: `Known` in
    docs/reliability.md.

    Returns:
        Whether it came as far as that operation.
    """
    root, _ = laid_out(folder)
    came = False
    taken: list[Any] = []
    since = count()  # of the operations by which code goes: two listings for the look, then the end

    def stop(number: int, name: str) -> None:
        nonlocal came
        looked = any(frame.function == "remove_code" for frame in stack(0)) and next(since) >= 2
        if number == at:
            came = True
            taken.append(None if looked else take_over(root))

    remover = Remover(root, Faulty(hook=stop), patience=3)
    with contextlib.suppress(LabFenced):
        remover.run()
    if came and taken[0]:
        again = taken[0]
        with judged("the later lab"):
            found = Notebook(root).results(GONE, metadata=True)
            assert found["p"].to_list() == list(range(9))
            assert Notebook(root).verify().is_empty()
            assert again.writer.has_code(again.code, None), "its code is gone"
    return came


@dataclass(slots=True)
class Again:
    """The sweep that a later lab has taken on."""

    writer: Writer
    code: str


def take_over(root: Path) -> Again | None:
    """A later lab: if the sweep is gone, it is submitted again as it was."""
    later = Remover(root, Unplugged())
    writer = later.writer
    writer.establish("lab", "ada")
    records = fold(writer.open_requests())
    if GONE in records:
        return None
    later.carry_out(records)
    bench = Bench.__new__(Bench)
    bench.root, bench.writer, bench._packages, bench._generations = root, writer, {}, {GONE: 1}
    bench.submit(GONE, of_gone, DESIGN)
    bench.run(GONE)
    return Again(writer, fold(writer.open_requests()).in_force[GONE].code)


def lost_request(folder: Path) -> None:
    """The row by which it was removed is lost, and the notebook is salvaged: the sweep does not come back to life."""
    root, _ = laid_out(folder)
    remover = Remover(root, Unplugged())
    remover.run()
    with_rows = [path for path in (root / layout.REQUESTS).rglob("*.arrow") if kind(path) != OPENING]
    for path in with_rows:  # the other one is in its table's openings
        path.write_bytes(path.read_bytes()[:-1])
    new = folder / "new"
    with judged("salvage"):
        salvage(PosixStore(root, Unplugged()), PosixStore(new, Unplugged()))
        assert Notebook(new).verify().is_empty()
        assert Notebook(new).sweeps()["name"].to_list() == [KEPT]
        assert Notebook(new).results(KEPT, status="all", metadata=True).equals(truth()[KEPT])
    read_removed(new)


def repeated_copy(folder: Path) -> None:
    """A copy is there from before the removal; repeated, it has what its origin has, and no row more."""
    root, _ = laid_out(folder)
    new = folder / "new"
    copy(PosixStore(root, Unplugged()), PosixStore(new, Unplugged()))
    Remover(root, Unplugged()).run()
    for _ in range(2):
        with judged("a repeated copy"):
            copy(PosixStore(root, Unplugged()), PosixStore(new, Unplugged()))
            assert Notebook(new).verify().is_empty()
        read_removed(new)
        _nothing_left(new, code=False)


def damaged_table(folder: Path, rng: random.Random) -> None:
    """Also what is damaged can be removed."""
    root, _ = laid_out(folder)
    paths = sorted((root / FOLDER).rglob("*.arrow"))
    sick = rng.choice(paths)
    if rng.random() < 0.3:
        sick.unlink()
    else:
        sick.write_bytes(sick.read_bytes()[: rng.randrange(len(sick.read_bytes()))])
    remover = Remover(root, Unplugged())
    with judged(sick):
        remover.run()
    left = [path for path in (root / FOLDER).rglob("*.arrow") if path != sick and kind(path) != OPENING]
    assert not left
    read_removed(root)
    with judged("verify"):
        assert Notebook(root).verify().is_empty()


Case = Callable[[Path], object]


def removal_kills() -> Iterator[Case]:
    for start in range(0, 100, 20):
        yield lambda folder, at=start: crashes(folder, None, range(at, at + 20))


def removal_readers() -> Iterator[Case]:
    for reader in READERS:
        for at in range(30):
            yield lambda folder, reader=reader, at=at: beside_a_reader(folder, reader, at, 10**9)


def stale_writers() -> Iterator[Case]:
    for at in range(100):
        yield lambda folder, at=at: stale_writer(folder, at)


def stale_removers() -> Iterator[Case]:
    for at in range(100):
        yield lambda folder, at=at: stale_remover(folder, at)


def lost_requests() -> Iterator[Case]:
    yield lost_request


def repeated_copies() -> Iterator[Case]:
    yield repeated_copy
