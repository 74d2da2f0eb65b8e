"""Writers of one table, each of which may be stopped in the middle of any operation while others go on or begin, may
fail there, or be killed. All of them share one disk, whose power may go.

The dice decide all, so a seed gives the same story again. Raises an AssertionError where two writers acknowledged what
only one may, or where something acknowledged is gone.
"""

from __future__ import annotations

import contextlib
import errno
import random
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from faulty import Faulty, Image, PowerLoss, Unplugged, lay_out
from hazards import Crash
from lives import judged

from raylab.errors import LabFenced
from raylab.notebook.posix import PosixStore
from raylab.notebook.table import Table
from raylab.notebook.table_files import listing

FOLDER = "t"
PATIENCE = 60


def rows(k: int) -> pa.Table:
    """Commit number k has k % 3 + 1 rows, so that half a commit would show."""
    return pa.table({"x": [k] * (k % 3 + 1)})


def combine(metas: list[dict[str, Any]]) -> dict[str, Any]:
    return {"ks": [k for meta in metas for k in meta["ks"]]}


def contents(root: Path) -> list[int]:
    """The commits of a table, having checked that they are whole and numbered."""
    files = [file for file in listing(PosixStore(root, Unplugged()), FOLDER) if file.info.rows]
    ks = [k for file in files for k in file.info.meta["ks"]]
    assert [x for file in files for x in file.table["x"].to_pylist()] == [k for k in ks for _ in range(k % 3 + 1)]
    seqs = [seq for file in files for seq in file.table["_seq"].to_pylist()]
    assert seqs == list(range(len(seqs)))
    return ks


@dataclass(slots=True)
class Rival:
    """One writer, and what it knows."""

    name: str
    table: Table
    files: Faulty
    seen: list[int] | None = None
    """The commits that were there at its opening; None before."""
    acked: list[int] = field(default_factory=list)
    fenced: bool = False
    dead: bool = False


@dataclass(slots=True, kw_only=True)
class Odds:
    """How likely something is at each operation."""

    switch: float = 0.1
    """That another writer goes on, or begins."""
    kill: float = 0.0
    fail: float = 0.0
    look: float = 0.005
    """That the power goes, on a copy of the disk."""


class Turns:
    """Threads that take turns: one runs, the others wait in the middle of an operation. The dice decide who is next."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._waiting: dict[int, threading.Semaphore] = {}

    def run(self, works: Sequence[Callable[[], None]]) -> None:
        """All of these to their ends."""
        threads = [threading.Thread(target=self._one, args=(number, work)) for number, work in enumerate(works)]
        self._waiting = {number: threading.Semaphore(0) for number in range(len(works))}
        for thread in threads:
            thread.start()
        self._next()
        for thread in threads:
            thread.join()

    def _one(self, number: int, work: Callable[[], None]) -> None:
        turn = self._waiting[number]
        turn.acquire()
        try:
            work()
        finally:
            del self._waiting[number]
            self._next()

    def _next(self) -> None:
        if self._waiting:
            self._waiting[self._rng.choice(sorted(self._waiting))].release()

    def give(self, number: int) -> None:
        """Somebody goes on; perhaps the one who asks."""
        turn = self._waiting[number]
        self._next()
        turn.acquire()


class Rivalry:
    """Writers on one table until one is left.

    Args:
        folder: Where their disk is made.
        rng: Decides everything.
        odds: Of what may happen.
    """

    def __init__(self, folder: Path, rng: random.Random, odds: Odds) -> None:
        self.folder, self.rng, self.odds = folder, rng, odds
        self.root = folder / "disk"
        self.root.mkdir(parents=True)
        self.model = PowerLoss(self.root)
        self.rivals: list[Rival] = []
        self.acked: list[int] = []
        self.doubtful: set[int] = set()
        self.images = 0
        self._turns = Turns(rng)
        self._ks = iter(range(10**9))
        self._error: Exception | None = None

    def run(self) -> None:
        """Two to five at once, each up to three lives long; then the books are checked."""
        lives = [self.rng.randint(1, 3) for _ in range(self.rng.randint(2, 5))]
        self._turns.run([partial(self._lives, number, count) for number, count in enumerate(lives)])
        if self._error is not None:
            raise self._error
        self.odds = Odds(switch=0.0, look=0.0)
        last = self._life(0, "csc")
        assert not last.fenced
        assert not last.dead
        self._losers_stay_down(last)
        for _ in range(3):
            self._nothing_is_lost(self.model.lost(self.rng))
        self._nothing_is_lost(self.model.killed())
        self.model.die()

    def _lives(self, number: int, count: int) -> None:
        try:
            for _ in range(count):
                with judged(number):
                    self._life(number, self.rng.choice(["ccsc", "cscs", "csccs", "scc"]))
        except Exception as error:
            self._error = self._error or error

    def _life(self, number: int, script: str) -> Rival:
        """One writer, until it is done, fenced or killed."""
        name = f"w{len(self.rivals)}"
        files = Faulty(hook=lambda count, what: self._moment(number, mine, what), under=self.model)
        mine = Rival(name, Table(PosixStore(self.root, files), FOLDER, {"host": name}), files)
        self.rivals.append(mine)
        try:
            self._insist(lambda: self._open(mine))
            for step in script:
                if step == "c":
                    self._commit(mine)
                else:
                    self._insist(lambda: mine.table.seal(combine))
        except LabFenced:
            mine.fenced = True
        except Crash:
            mine.dead = True
        return mine

    def _open(self, mine: Rival) -> None:
        with judged(mine.name):
            mine.seen = [k for info in mine.table.open() for k in info.meta["ks"]]

    def _commit(self, mine: Rival) -> None:
        k = next(self._ks)
        self.doubtful.add(k)
        try:
            mine.table.commit(rows(k), {"ks": [k]})
        except OSError:
            self._insist(mine.table.resume)
        for other in self.rivals:
            if other.seen is not None and self._opening(other) > self._opening(mine):
                assert k in other.seen, f"{mine.name} acknowledged {k} after the opening of {other.name}"
        mine.acked.append(k)
        self.acked.append(k)
        self.doubtful.discard(k)

    def _opening(self, rival: Rival) -> int:
        return int(rival.table.number) - len(rival.acked)

    def _insist(self, act: Callable[[], Any]) -> None:
        for _ in range(PATIENCE):
            try:
                act()
                return
            except OSError:
                continue
        raise AssertionError("it never goes on")

    def _moment(self, number: int, mine: Rival, name: str) -> None:
        """Before each operation: another may go on here, this one may die here, the disk may refuse."""
        odds = self.odds
        if odds.switch and self.rng.random() < (
            max(odds.switch, 0.2) if name in ("link", "sync_folder") else odds.switch
        ):
            self._turns.give(number)
        if mine.dead or self._error is not None or self.rng.random() < odds.kill:
            mine.dead = True
            raise Crash
        if self.rng.random() < (8 * odds.look if name == "unlink" else odds.look):
            self._nothing_is_lost(self.model.lost(self.rng))
        if self.rng.random() < odds.fail and name != "close":
            raise OSError(errno.EIO, f"injected at {name}")

    def _losers_stay_down(self, winner: Rival) -> None:
        for rival in self.rivals:
            rival.files.hook = None
            if rival is winner or rival.dead or rival.seen is None:
                continue
            for act in 2 * (partial(self._commit, rival), partial(rival.table.seal, combine)):
                with contextlib.suppress(LabFenced):
                    act()
                    raise AssertionError(f"{rival.name} goes on although {winner.name} has opened the table")

    def _nothing_is_lost(self, image: Image) -> None:
        self.images += 1
        copy = self.folder / f"image{self.images}"
        lay_out(image, copy)
        with judged(copy):
            Table(PosixStore(copy, Unplugged()), FOLDER, {"host": "fresh"}).open()
            found = contents(copy)
        assert len(found) == len(set(found))
        assert set(self.acked) <= set(found) <= set(self.acked) | self.doubtful
        for rival in self.rivals:
            mine = set(rival.acked)
            assert [k for k in found if k in mine] == rival.acked
        shutil.rmtree(copy)


def unsynced_part(folder: Path, *, opening: bool) -> None:
    """The sync of the folder fails after a part was linked; then the journal is deleted, and the power goes.

    Args:
        folder: Where it is played.
        opening: Whether another writer deletes it, who was just opening the table; else the same one seals again.
    """
    root = folder / "lab"
    root.mkdir(parents=True)
    model = PowerLoss(root)
    files = Faulty(under=model)
    table = Table(PosixStore(root, files), FOLDER, {"host": "a"})
    table.open()
    table.commit(rows(0), {"ks": [0]})
    begun = files.count

    def fail_to_sync(number: int, name: str) -> None:
        if name == "sync_folder" and files.names[number - 1] == "link":
            files.fail_at = number

    def seal_in_vain(number: int = 0, name: str = "listdir") -> None:
        if name == "listdir" and (not opening or "link" in files.names[begun:]):  # the other has put its opening
            files.hook = fail_to_sync
            with contextlib.suppress(OSError):
                table.seal(combine)
                raise AssertionError("it did not fail")
            files.hook = None

    if opening:
        files.hook = seal_in_vain
        Table(PosixStore(root, files), FOLDER, {"host": "b"}).open()
    else:
        seal_in_vain()
        table.seal(combine)
    assert "000000000002.arrow" not in PosixStore(root).names("t/journal")  # so the part must be durable
    rng = random.Random(1)
    for number in range(20):
        copy = folder / str(number)
        lay_out(model.lost(rng), copy)
        with judged(copy):
            assert contents(copy) == [0]
