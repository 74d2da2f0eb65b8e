"""Whatever fails, stops or loses power: what was acknowledged is there once, the rest whole or not at all."""

from __future__ import annotations

import contextlib
import glob
import itertools
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from faulty import Faulty, PowerLoss

from raylab.errors import LabFenced
from raylab.notebook.file import load
from raylab.notebook.listing import listing
from raylab.notebook.store import Files, Store
from raylab.notebook.table import Table

FOLDER = "t"


def rows(k: int) -> pa.Table:
    """Commit number k has k % 3 + 1 rows, so that half a commit would show."""
    return pa.table({"x": [k] * (k % 3 + 1)})


def values(commits: list[int]) -> list[int]:
    return [k for k in commits for _ in range(k % 3 + 1)]


def combine(metas: list[dict[str, object]]) -> dict[str, object]:
    return {"ks": [k for meta in metas for k in meta["ks"]]}  # type: ignore[attr-defined]


class Life:
    """Two writers in turn, two seals, three commits; `acked` and `doubtful` tell how far it came."""

    def __init__(self, store: Store, patience: int = 0) -> None:
        self.store, self.patience = store, patience
        self.acked: list[int] = []
        self.doubtful: list[int] = []

    def persist(self, act: Callable[[], object]) -> None:
        for left in reversed(range(self.patience + 1)):
            try:
                act()
                return
            except OSError:
                if not left:
                    raise

    def run(self) -> None:
        numbers = itertools.count()
        for pattern in ("csc", "cs"):
            table = Table(self.store, FOLDER, {"host": pattern})
            self.persist(table.open)
            for step in pattern:
                if step == "c":
                    self.commit(table, next(numbers))
                else:
                    self.persist(lambda table=table: table.seal(combine))

    def commit(self, table: Table, k: int) -> None:
        self.doubtful = [k]
        try:
            table.commit(rows(k), {"ks": [k]})
        except OSError:
            if not self.patience:
                raise
            self.persist(table.resume)
        self.acked.append(k)
        self.doubtful = []


def found(root: Path) -> list[int]:
    """What a fresh writer finds, having checked that everything is in order."""
    store = Store(root)
    table = Table(store, FOLDER, {"host": "fresh"})
    opened = table.open()
    files = listing(store, FOLDER)
    assert opened.seq == sum(file.info.rows for file in files)
    seqs = [seq for file in files for seq in file.table["_seq"].to_pylist()]
    assert seqs == list(range(len(seqs)))
    metas = [k for file in files for k in file.info.meta.get("ks", [])]
    got = [x for file in files if file.info.rows for x in file.table["x"].to_pylist()]
    assert got == values(metas)
    assert store.names("tmp") == []
    return metas


def plain(root: Path) -> list[int]:
    """The reader of the README: polars alone."""
    files = sorted(glob.glob(f"{root}/t/*.arrow")) + sorted(glob.glob(f"{root}/t/journal/*.arrow"))  # noqa: PTH207
    if not files:
        return []
    lf = pl.concat([pl.scan_ipc(f) for f in files], how="diagonal_relaxed")
    frame = lf.unique("_seq", keep="first", maintain_order=True).collect()
    assert frame["_seq"].to_list() == list(range(len(frame)))
    return frame["x"].to_list() if "x" in frame.columns else []


def operations() -> list[str]:
    files = Faulty()
    with tempfile.TemporaryDirectory() as root:
        Life(Store(Path(root) / "lab", files)).run()
    return files.names


OPERATIONS = operations()


def fresh_roots(tmp_path: Path) -> Iterator[Path]:
    for number in itertools.count():
        yield tmp_path / str(number)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_death_at_every_operation_keeps_what_was_acknowledged(tmp_path: Path, after: bool) -> None:
    roots = fresh_roots(tmp_path)
    for number, name in enumerate(OPERATIONS):
        root = next(roots)
        life = Life(Store(root, Faulty(number, after=after)))
        with contextlib.suppress(OSError):
            life.run()
        assert found(root) in (life.acked, life.acked + life.doubtful), (number, name)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_the_same_writer_goes_on_after_an_error_at_every_operation(tmp_path: Path, after: bool) -> None:
    roots = fresh_roots(tmp_path)
    for number, name in enumerate(OPERATIONS):
        root = next(roots)
        life = Life(Store(root, Faulty(number, after=after)), patience=2)
        life.run()
        assert life.acked == list(range(3)), (number, name)
        assert found(root) == life.acked, (number, name)


def test_a_lost_reply_is_acknowledged_once(tmp_path: Path) -> None:
    """The link is made, but EEXIST comes back: over NFS the request was sent twice."""
    roots = fresh_roots(tmp_path)
    for number, name in enumerate(OPERATIONS):
        if name != "link":
            continue
        root = next(roots)
        life = Life(Store(root, Faulty(number, after=True, error=FileExistsError)))
        life.run()
        assert found(root) == life.acked == list(range(3))


def test_every_visible_file_is_whole_and_every_reader_agrees_at_every_moment(tmp_path: Path) -> None:
    seen: list[int] = []
    kept: dict[str, bytes] = {}

    def look(number: int, name: str) -> None:
        store = Store(root)
        for path in root.rglob("*.arrow"):
            rel = path.relative_to(root).as_posix()
            data = path.read_bytes()
            load(data, rel)
            assert kept.setdefault(rel, data) == data, "files never change"
        journal = {path for path in kept if "/journal/" in path and load(kept[path], path).info.kind == "data"}
        assert all((root / path).exists() for path in kept if path not in journal), "parts and openings stay"
        files = [file for file in listing(store, FOLDER) if file.info.rows]
        now = [x for file in files for x in file.table["x"].to_pylist()]
        assert now == plain(root)
        assert now[: len(seen)] == seen
        assert len(values(life.acked)) <= len(now) <= len(values(life.acked + life.doubtful))
        seen[:] = now
        parts = [pl.read_ipc(path)["x"].to_list() for path in sorted((root / "t").glob("*.arrow"))]
        assert [x for part in parts for x in part] == now[: sum(map(len, parts))]

    root = tmp_path / "lab"
    life = Life(Store(root, Faulty(hook=look)))
    life.run()
    assert seen == values(list(range(3)))


class Unsynced(PowerLoss):
    """A mutant: bytes are not made durable."""

    def sync(self, fd: int) -> None:
        Files.sync(self, fd)


class FolderUnsynced(PowerLoss):
    """A mutant: names are not made durable."""

    def sync_folder(self, path: Path) -> None:
        Files.sync_folder(self, path)


def lose_power_everywhere(tmp_path: Path, kind: type[PowerLoss]) -> None:
    """One life; before each of its operations, folders as a power loss would leave them are checked."""
    rng = random.Random(kind.__name__)
    roots = fresh_roots(tmp_path)

    def look(number: int, name: str) -> None:
        for _ in range(3):
            root = next(roots)
            files.lay_out(root, rng)
            assert found(root) in (life.acked, life.acked + life.doubtful), (number, name)

    root = tmp_path / "lab"
    root.mkdir()
    files = kind(root, look)
    life = Life(Store(root, files))
    life.run()


def test_power_loss_at_every_operation_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    lose_power_everywhere(tmp_path, PowerLoss)


@pytest.mark.parametrize("mutant", [Unsynced, FolderUnsynced])
def test_the_power_loss_test_notices_a_missing_sync(tmp_path: Path, mutant: type[PowerLoss]) -> None:
    with pytest.raises(Exception, match=r"damaged|assert"):
        lose_power_everywhere(tmp_path, mutant)


@pytest.mark.parametrize("who", ["the same writer seals again", "another is just opening"])
def test_a_part_whose_name_was_not_made_durable_covers_nothing_yet(tmp_path: Path, who: str) -> None:
    """The sync of the folder fails after the part was linked; the journal is deleted; the power goes."""
    root = tmp_path / "lab"
    root.mkdir()
    files = PowerLoss(root)
    table = Table(Store(root, files), FOLDER, {"host": "a"})
    table.open()
    table.commit(rows(0), {"ks": [0]})

    def fail_to_sync(number: int, name: str) -> None:
        if name == "sync_folder":
            files.fail_at = number

    def seal_in_vain(number: int = 0, name: str = "listdir") -> None:
        if name == "listdir":
            files.hook = fail_to_sync
            with pytest.raises(OSError, match="sync_folder"):
                table.seal(combine)
            files.hook = None

    if who == "another is just opening":
        files.hook = seal_in_vain
        Table(Store(root, files), FOLDER, {"host": "b"}).open()
    else:
        seal_in_vain()
        table.seal(combine)
    assert "000000000002.arrow" not in Store(root).names("t/journal")  # so the part must be durable
    rng = random.Random(1)
    for number in range(20):
        files.lay_out(tmp_path / str(number), rng)
        assert found(tmp_path / str(number)) == [0]


# -- two writers


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
        self.a = Table(Store(root, self.files), FOLDER, {"host": "a"})
        self.b = Table(Store(root), FOLDER, {"host": "b"})
        self.seen: list[int] | None = None  # what the table held at B's opening
        self.acked: list[int] = []
        self.late: list[int] = []  # what A acknowledged after B's opening

    def pause(self, number: int, name: str) -> None:
        if number != self.stop_at:
            return
        self.b.open()
        self.seen = [k for file in listing(Store(self.root), FOLDER) for k in file.info.meta.get("ks", [])]
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
        assert sorted(found(zombie.root)) == sorted([*zombie.acked, 60])
    assert number > 50


def test_an_opening_below_a_part_made_meanwhile_does_not_count(tmp_path: Path) -> None:
    """A lists and stalls. B commits that very number, seals it and deletes it; then A's opening gets it."""
    store = Store(tmp_path)
    b = Table(store, FOLDER, {"host": "b"})
    b.open()
    b.commit(rows(0), {"ks": [0]})

    def pause(number: int, name: str) -> None:
        if name == "link" and not done:
            done.append(b.commit(rows(1), {"ks": [1]}).last)
            b.seal(combine)

    done: list[int] = []
    a = Table(Store(tmp_path, Faulty(hook=pause)), FOLDER, {"host": "a"})
    assert a.open().number > done[0]
    with pytest.raises(LabFenced, match="host a"):
        b.commit(rows(2), {"ks": [2]})
    a.commit(rows(3), {"ks": [3]})
    assert found(tmp_path) == [0, 1, 3]


def test_a_commit_whose_reply_was_lost_is_acknowledged_after_a_takeover_if_it_is_there(
    tmp_path: Path,
) -> None:
    a = Table(Store(tmp_path), FOLDER, {"host": "a"})
    a.open()
    a.store.files = Faulty(4, after=True)  # create, write, sync, close, link
    with pytest.raises(OSError, match="link"):
        a.commit(rows(0), {"ks": [0]})
    assert a.pending
    b = Table(Store(tmp_path), FOLDER, {"host": "b"})
    assert [info.meta for info in b.open().files] == [{"ks": [0]}]
    b.commit(rows(1), {"ks": [1]})
    b.seal(combine)
    assert a.resume().rows == 1
    with pytest.raises(LabFenced):
        a.commit(rows(2), {"ks": [2]})
    assert found(tmp_path) == [0, 1]
