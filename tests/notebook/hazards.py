"""What may happen to a lab's life, at every operation or at random: crashes, outages, rivals. Each raises an
AssertionError when the notebook broke a promise, so that the mutants of the code can be held against them.
"""

from __future__ import annotations

import errno
import random
import shutil
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from faulty import Faulty, Image, PowerLoss, Unplugged, lay_out
from lives import COMMITS, A, B, Claims, Life, batches, check, check_plain, half_written, judged, points, read, settle

from raylab.errors import LabFenced
from raylab.notebook.file import load
from raylab.notebook.posix import PosixStore
from raylab.worker.batch import summary

CODES = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT, errno.EMFILE)


class Crash(BaseException):
    """The process ends here. No handler of the code under test may see it as an error of the disk."""


class Witness:
    """Looks at a notebook again and again: files are whole and never change, rows only grow, nothing goes uncovered."""

    def __init__(self, root: Path, is_durable: Callable[[Path], bool] = lambda path: True) -> None:
        self.root, self.is_durable = root, is_durable
        self.kept: dict[str, bytes] = {}
        self.looks = 0
        self.rows: dict[str, list[int]] = {A: [], B: []}
        self._gone: set[str] = set()

    def look(self, claims: Claims) -> None:
        self.looks += 1
        if self._files() or self.looks == 1:
            for folder in COMMITS:
                if (self.root / folder).exists():
                    self._rows(folder, claims)

    def _files(self) -> bool:
        """Whether something changed. Any visible file is whole, and none ever changes."""
        there = {path.relative_to(self.root).as_posix() for path in self.root.rglob("*.arrow")}
        new, gone = there - self.kept.keys(), self.kept.keys() - there - self._gone
        for path in there:
            data = (self.root / path).read_bytes()
            if path in new:
                with judged(path):
                    load(data, path)
            assert self.kept.setdefault(path, data) == data, f"{path} has changed"
        assert not there & self._gone
        for path in gone:
            self._covered(path, there)
        self._gone |= gone
        return bool(new or gone)

    def _covered(self, path: str, there: set[str]) -> None:
        """A commit may go when a durable part has it; parts and openings never."""
        info = load(self.kept[path], path).info
        assert info.kind == "data", f"{path} is gone"
        folder = path.rpartition("/journal/")[0]
        parts = [load(self.kept[name], name).info for name in there if name.rpartition("/")[0] == folder]
        assert any(
            part.first <= info.first and info.last <= part.last and self.is_durable(self.root / part.path)
            for part in parts
        ), f"{path} is gone, and no durable part has it"

    def _rows(self, folder: str, claims: Claims) -> None:
        with judged(folder):
            now = read(PosixStore(self.root, Unplugged()), folder)
        assert now[: len(self.rows[folder])] == self.rows[folder]
        certain = points(claims.commits[folder])
        assert now in (certain, certain + points(claims.doubtful[folder]))
        check_plain(self.root, folder, now)
        self.rows[folder] = now


class Disk:
    """A simulated disk with a notebook on it, whose images are laid out and checked beside it."""

    def __init__(self, folder: Path, image: Image | None = None) -> None:
        self.folder = folder
        self.root = folder / "disk"
        folder.mkdir(parents=True, exist_ok=True)
        lay_out(image or {}, self.root)
        self.lab = self.root / "lab"
        self.model = PowerLoss(self.root)
        self.images = 0
        self._checked: set[int] = set()

    def check(self, image: Image, claims: Claims) -> None:
        """A next lab goes on with this image; one that was looked at already is not looked at again."""
        key = hash((tuple(sorted(image.items())), repr(claims)))
        if key not in self._checked:
            self._checked.add(key)
            self.images += 1
            copy = self.lay_out(image)
            check(copy, claims)
            shutil.rmtree(copy.parent)  # one that fails stays to be looked at

    def lay_out(self, image: Image) -> Path:
        copy = self.folder / f"image{self.images}"
        lay_out(image, copy)
        return copy / "lab"


EVERYWHERE = range(sys.maxsize)


def crash_everywhere(
    folder: Path, rng: random.Random, *, kills: bool, power_losses: int, moments: range = EVERYWHERE
) -> Disk:
    """One life; at each of its operations, and in the middle of each write, the disk as a crash would leave it.

    Args:
        folder: where it is played.
        rng: the dice.
        kills: whether processes die.
        power_losses: how many of them at each moment.
        moments: only at these, counted from 0.
    """
    disk = Disk(folder)
    clock = count()

    def look(number: int = 0, name: str = "") -> None:
        if next(clock) not in moments:
            return
        images = [disk.model.killed()] if kills else []
        for image in images + [disk.model.lost(rng) for _ in range(power_losses)]:
            disk.check(image, life.claims)

    disk.model.halfway = look
    life = Life(disk.lab, Faulty(hook=look, under=disk.model))
    life.run()
    look()
    return disk


def crash_again_and_again(folder: Path, rng: random.Random, crashes: int) -> int:
    """Lives that begin with what a crash left of the one before, and crash: also while they recover."""
    claims, image = Claims(), Image()
    for number in range(crashes):
        disk, last = Disk(folder / str(number), image), rng.randrange(250)

        def stop(at: int, name: str, last: int = last) -> None:
            if at >= last:
                raise Crash

        life = Life(disk.lab, Faulty(hook=stop, under=disk.model), claims)
        try:
            with judged(disk.root):
                life.run()
        except Crash:
            disk.model.die()
        image = disk.model.killed() if rng.random() < 0.3 else disk.model.lost(rng)
        left = disk.lay_out(image)
        claims = settle(left, life.claims)
    check(left, claims)
    return crashes


def outage(folder: Path, rng: random.Random, *, fail_at: int, length: int = 1, **how: Any) -> Disk:
    """One life in which operations fail and are done again, once or `every` so often; power losses in between.

    No false acknowledgement (the images), no temporary file left, the same writer goes on, no row twice.
    """
    disk = Disk(folder)
    moments = {fail_at + length + rng.randrange(12)} if not how.get("every") else set(rng.sample(range(600), 2))

    def look(number: int, name: str) -> None:
        if number in moments:
            disk.check(disk.model.lost(rng), life.claims)

    files = Faulty(fail_at, times=length, hook=look, under=disk.model, **how)
    life = Life(disk.lab, files, patience=3 * length + 1)
    with judged(how):
        life.run()
    assert life.claims.commits == {name: list(range(last)) for name, last in COMMITS.items()}
    files.fail_at = None
    life.add("one more")  # what could not be removed in time goes now
    assert half_written(PosixStore(disk.lab, Unplugged())) == []
    disk.check(disk.model.lost(rng), life.claims)
    if not disk.images % 2:
        disk.check(disk.model.killed(), life.claims)
    return disk


def watch(folder: Path, **how: Any) -> Witness:
    """One life, perhaps with outages, and a witness at each of its operations and in the middle of each write.

    As soon as something was acknowledged, the power goes, and all that was not durable with it.
    """
    disk, rng = Disk(folder), random.Random(0)
    witness = Witness(disk.lab, disk.model.is_durable)
    before = Claims()

    def look(number: int = 0, name: str = "") -> None:
        nonlocal before
        witness.look(life.claims)
        if (life.claims.commits, life.claims.requests) != (before.commits, before.requests):
            before = life.claims.copy()
            disk.check(disk.model.lost(rng, kept=0.0), life.claims)

    disk.model.halfway = look
    life = Life(disk.lab, Faulty(hook=look, under=disk.model, **how), patience=3 * how.get("times", 0) + 1)
    with judged(how):
        life.run()
    look()
    return witness


def takeover(folder: Path, at: int, chapter: int) -> bool:
    """A lab is stopped before one of its operations; another takes its notebook over and does all that is left.

    Returns:
        Whether the first came as far as that operation.
    """
    root = folder / "lab"

    def stopped(number: int, name: str) -> None:
        if number == at:
            second.claims = settle(root, first.claims)
            second.run()
            if not first.writer.opening:  # so it will be the later one
                first.claims = second.claims.copy()

    earlier = Life(root, Unplugged())
    earlier.run(range(chapter))
    first = Life(root, Faulty(hook=stopped), earlier.claims, patience=5)
    second = Life(root, Unplugged())
    try:
        first.run([chapter])
    except LabFenced:
        assert second.tables, "nobody has taken over"
    if not second.tables:
        return False
    loser, winner = (first, second) if first.writer.opening < second.writer.opening else (second, first)
    before = {name: read(winner.store, name) for name in COMMITS}
    _stays_down(loser)
    for name, last in COMMITS.items():
        assert sorted(read(winner.store, name)) == points(range(last)), "each point once, whoever wrote it"
        assert before[name] == read(winner.store, name)
    winner.add("the last word")
    with judged("the winner"):
        for name, table in winner.tables.items():
            more = batches(COMMITS[name])
            table.commit([batch.rows for batch in more], summary(more))
    return True


def _stays_down(loser: Life) -> None:
    """It may not know yet; whatever it tries first tells it, and nothing is written."""
    for _ in range(2):
        for act in (
            lambda: loser.add("too late"),
            *(lambda name=name: loser.writer.open_sweep(name) for name in COMMITS),
        ):
            try:
                act()
            except LabFenced:
                continue
            raise AssertionError("a lab that was taken over goes on")
