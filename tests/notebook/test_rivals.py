"""Two labs and more on one notebook: only the later one acknowledges, and the earlier one says so and stays down."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from faulty import Faulty, Unplugged
from hazards import takeover
from lives import A, Life, points, read
from rivals import FOLDER, Odds, Rivalry, combine, contents, rows

from raylab.errors import LabFenced
from raylab.notebook.posix import PosixStore
from raylab.notebook.table import Table
from raylab.notebook.table_files import listing

pytestmark = pytest.mark.usefixtures("hasty")

ODDS = {
    "taking turns": Odds(switch=0.4),
    "stopped for long": Odds(switch=0.03),
    "killed": Odds(switch=0.1, kill=0.01),
    "on a sick disk": Odds(switch=0.1, kill=0.002, fail=0.03),
}


@pytest.mark.parametrize("odds", ODDS.values(), ids=ODDS.keys())
def test_writers_stopped_anywhere_acknowledge_nothing_that_is_lost_or_there_twice(
    tmp_path: Path, rounds: int, odds: Odds
) -> None:
    writers = images = 0
    for seed in range(8 * rounds):
        rivalry = Rivalry(tmp_path / str(seed), random.Random(seed), odds)
        rivalry.run()
        writers, images = writers + len(rivalry.rivals), images + rivalry.images
    print(f"runs: {8 * rounds}, writers: {writers}, power losses and kills: {images}")
    assert writers > 30 * rounds


@pytest.mark.parametrize("chapter", range(3))
def test_a_lab_that_was_stopped_anywhere_does_not_take_its_notebook_back(
    tmp_path: Path, rounds: int, chapter: int
) -> None:
    """Not even a sweep that it had not opened yet, or was about to; the later lab has each point once and goes on."""
    step = max(1, 12 // rounds)
    reached = [takeover(tmp_path / str(at), at, chapter) for at in range(chapter, 300, step)]
    assert not reached[-1]
    print(f"takeovers: {sum(reached)}")
    assert sum(reached) * step > 60


def test_a_lab_that_wakes_up_takes_no_table_that_it_had_not_opened_before(tmp_path: Path) -> None:
    """Stopped between two sweeps, taken over, and going on: it would have fenced the lab that took it over."""
    earlier, later = Life(tmp_path, Unplugged()), Life(tmp_path, Unplugged())
    earlier.open()
    later.open()
    later.commit(A, 0)
    for _ in range(2):
        with pytest.raises(LabFenced, match="requests: another lab"):
            earlier.writer.open_sweep(A)
    later.commit(A, 1)
    later.seal(A)
    assert read(later.store, A) == points([0, 1])


def test_a_table_taken_by_a_lab_that_has_lost_its_notebook_is_taken_back(tmp_path: Path) -> None:
    """It was stopped after it had looked whether the notebook is its own, and before its opening of the table."""
    earlier, later = Life(tmp_path, Unplugged()), Life(tmp_path, Unplugged())
    earlier.open()
    later.open()
    later.commit(A, 0)
    Table(earlier.store, A, {"host": "earlier"}).open()
    later.seal(A)
    later.commit(A, 1)
    later.seal(A)
    assert read(later.store, A) == points([0, 1])
    Table(earlier.store, A, {"host": "earlier"}).open()
    Life(tmp_path, Unplugged(), later.claims).open()  # now the notebook itself is taken
    with pytest.raises(LabFenced):
        later.commit(A, 2)


# -- one by one: writer A is stopped once, at each operation


def again(act: Callable[[], object]) -> None:
    try:
        act()
    except OSError:
        act()


class Zombie:
    """Writer A, in the middle of whose operations B opens, commits and perhaps seals."""

    def __init__(self, root: Path, stop_at: int, seals: bool) -> None:
        self.root, self.stop_at, self.seals = root, stop_at, seals
        self.files = Faulty(hook=self.pause)
        self.a = Table(PosixStore(root, self.files), FOLDER, {"host": "a"})
        self.b = Table(PosixStore(root, Unplugged()), FOLDER, {"host": "b"})
        self.seen: list[int] | None = None  # what the table held at B's opening
        self.acked: list[int] = []
        self.late: list[int] = []  # what A acknowledged after B's opening

    def pause(self, number: int, name: str) -> None:
        if number != self.stop_at:
            return
        self.b.open()
        self.seen = [k for file in listing(PosixStore(self.root), FOLDER) for k in file.info.meta.get("ks", [])]
        for k in (100, 101):
            self.b.commit(rows(k), {"ks": [k]})
            self.acked.append(k)
            if self.seals:
                self.b.seal(combine)

    def run(self) -> bool:
        """A's life; whether it was fenced."""
        try:
            again(self.a.open)
            for k in range(3):
                try:
                    self.a.commit(rows(k), {"ks": [k]})
                except OSError:  # B's opening emptied tmp/
                    self.a.resume()
                self.acked.append(k)
                if self.seen is not None:
                    self.late.append(k)
                if k == 1:
                    again(lambda: self.a.seal(combine))
        except LabFenced:
            return True
        return False


@pytest.mark.parametrize("seals", [False, True], ids=["B commits", "B seals"])
def test_a_stalled_writer_acknowledges_nothing_new_after_another_opened(tmp_path: Path, seals: bool) -> None:
    """A commit that was in the table when B opened is not lost, so A may still acknowledge that one."""
    count = itertools.count()
    while True:
        number = next(count)
        zombie = Zombie(tmp_path / str(number), number, seals)
        fenced = zombie.run()
        if zombie.seen is None:
            break  # A's life has no more operations
        a_owns = zombie.a.number > zombie.b.number  # A was only opening, so it took the table back
        if not a_owns:
            assert set(zombie.late) <= set(zombie.seen)
        loser, winner = (zombie.b, zombie.a) if a_owns else (zombie.a, zombie.b)
        if not (fenced and loser is zombie.a):
            with pytest.raises(LabFenced, match=f"host {'a' if a_owns else 'b'}"):
                loser.commit(rows(50), {"ks": [50]})
        for _ in range(2):
            with pytest.raises(LabFenced):
                loser.commit(rows(50), {"ks": [50]})
            with pytest.raises(LabFenced):
                loser.seal(combine)
        winner.commit(rows(60), {"ks": [60]})
        winner.seal(combine)
        assert sorted(contents(zombie.root)) == sorted([*zombie.acked, 60])
    assert number > 50


def test_an_opening_below_a_part_made_meanwhile_does_not_count(tmp_path: Path) -> None:
    """A lists and stalls. B commits that very number, seals it and deletes it; then A's opening gets it."""
    store = PosixStore(tmp_path)
    b = Table(store, FOLDER, {"host": "b"})
    b.open()
    b.commit(rows(0), {"ks": [0]})

    def pause(number: int, name: str) -> None:
        if name == "link" and not done:
            done.append(b.commit(rows(1), {"ks": [1]}).last)
            b.seal(combine)

    done: list[int] = []
    a = Table(PosixStore(tmp_path, Faulty(hook=pause)), FOLDER, {"host": "a"})
    a.open()
    assert a.number - 1 > done[0]
    with pytest.raises(LabFenced, match="host a"):
        b.commit(rows(2), {"ks": [2]})
    a.commit(rows(3), {"ks": [3]})
    assert contents(tmp_path) == [0, 1, 3]


def test_a_commit_whose_reply_was_lost_is_acknowledged_after_a_takeover_if_it_is_there(
    tmp_path: Path,
) -> None:
    a = Table(PosixStore(tmp_path), FOLDER, {"host": "a"})
    a.open()
    a.store.calls = Faulty(4, after=True)  # create, write, sync, close, link
    with pytest.raises(OSError, match="link"):
        a.commit(rows(0), {"ks": [0]})
    assert a.pending
    b = Table(PosixStore(tmp_path), FOLDER, {"host": "b"})
    assert [info.meta for info in b.open()] == [{"ks": [0]}]
    b.commit(rows(1), {"ks": [1]})
    b.seal(combine)
    assert a.resume().rows == 1
    with pytest.raises(LabFenced):
        a.commit(rows(2), {"ks": [2]})
    assert contents(tmp_path) == [0, 1]
