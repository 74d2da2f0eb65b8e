"""A reader beside the writer, at every operation of either: what it has seen stays, and each row comes once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.compute as pc
from faulty import Faulty, Unplugged
from lives import COMMITS, A, B, Life, check_rows, judged, points

from raylab.notebook.posix import PosixStore
from raylab.notebook.tables import Tables


class Cursor:
    """Reads a sweep bit by bit: of all files, or as `updates(since=...)` does, only what has a higher `_seq` than all
    before."""

    def __init__(self, root: Path, folder: str, whole: bool, hook: Callable[[], object] | None = None) -> None:
        look = None if hook is None else lambda number, name: hook()
        self.folder = folder
        self.whole = whole
        self.rows: list[int] = []
        self._files = Tables(PosixStore(root, Unplugged() if look is None else Faulty(hook=look)))

    def look(self) -> None:
        with judged(self.folder):
            found = self._files.of(self.folder, 0 if self.whole else len(self.rows))
        for file in found:
            fresh = file.table.filter(pc.greater_equal(file.table["_seq"], len(self.rows)))
            if len(fresh):
                assert fresh["_seq"].to_pylist() == list(range(len(self.rows), len(self.rows) + len(fresh)))
                check_rows(fresh)
                self.rows += fresh["_point"].to_pylist()
        there = sum(file.info.rows for file in found) if self.whole else max([0, *(file.info.stop for file in found)])
        assert there == len(self.rows) or (not self.whole and not found), "what was there once is not any more"


def read_along(folder: Path) -> int:
    """Readers look at each operation of a writer, and one writes on at each operation of a reader."""
    return _beside_a_writer(folder / "one") + _beside_a_reader(folder / "two")


def _beside_a_writer(root: Path) -> int:
    cursors = [Cursor(root, name, whole) for name in COMMITS for whole in (True, False)]

    def look(number: int = 0, name: str = "") -> None:
        for cursor in cursors:
            cursor.look()
            certain = points(life.claims.commits[cursor.folder])
            assert cursor.rows in (certain, certain + points(life.claims.doubtful[cursor.folder]))

    files = Faulty(hook=look)
    life = Life(root, files)
    life.run()
    look()
    return files.count


def _steps(life: Life) -> Iterator[None]:
    """Commits and seals, one a step."""
    for k in range(COMMITS[A]):
        life.commit(A, k)
        yield
        if k % 2:
            life.seal(A)
            yield


def _beside_a_reader(root: Path) -> int:
    """Whatever the pace: a reader that waits for one, two, ... steps of the writer at each n-th of its operations."""
    looks = 0
    for pace in range(1, 8):
        for steps_at_once in (1, 2, 3):
            looks += _paced(root / f"{pace}-{steps_at_once}", pace, steps_at_once)
    return looks


def _paced(root: Path, pace: int, steps_at_once: int) -> int:
    life = Life(root, Unplugged())
    life.open()
    steps = _steps(life)
    next(steps)
    looks = 0

    def write_on() -> None:
        nonlocal looks
        looks += 1
        if looks % pace == 0:
            for _ in range(steps_at_once):
                next(steps, None)

    cursor = Cursor(root, A, steps_at_once != 2, write_on)
    while cursor.rows != points(range(COMMITS[A])):
        cursor.look()
        if not looks % 50:
            next(steps, None)
    life.commit(B, 0)
    return looks
