"""What was taken is written once and in order, whatever the disk does meanwhile; nothing is acknowledged before."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from asked import noted
from faulty import Faulty
from sweeps import WHO, at_work, leased, packaged

from raylab.core.causes import Cause, Failing
from raylab.core.design import Factorial
from raylab.core.summary import Summary
from raylab.errors import LabFenced, LabUnavailable
from raylab.notebook import layout
from raylab.notebook import table as table_module
from raylab.notebook.file import FileInfo
from raylab.notebook.posix import PosixStore
from raylab.notebook.table_files import listing
from raylab.notebook.writer import SweepTable, Writer
from raylab.server import recorder as recorder_module
from raylab.server.at_work import AtWork
from raylab.server.recorder import Recorder
from raylab.worker.batch import Batch


def echo() -> Any:
    def echoes(p: int) -> dict[str, Any]:
        return {"x": p, "filling": "x" * 100}

    return echoes


PACKAGE = packaged(echo(), Factorial(p=range(1_000)), order="design")


def batch(first: int, count: int = 1) -> Batch:
    (made,) = leased(PACKAGE, first, first + count)
    return made


class Disk(Faulty):
    """Takes nothing while it is `sick`; waits while it is `held`."""

    def __init__(self) -> None:
        super().__init__(hook=self._hook)
        self.sick: int | None = None
        self.only: set[str] = set()  # the operations that are sick; all if empty
        self.refused = 0
        self.free = threading.Event()
        self.free.set()
        self.waiting = threading.Event()

    def _hook(self, number: int, name: str) -> None:
        if not self.free.is_set():
            self.waiting.set()
            assert self.free.wait(30)
        if self.sick is not None and (not self.only or name in self.only):
            self.refused += 1
            raise OSError(self.sick, "the disk is sick")


class Lab:
    """A recorder with two sweeps, and what it said."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.disk = Disk()
        self.writer = Writer(root, WHO, PosixStore(root, self.disk))
        self.writer.establish("lab", "ada")
        self.writer.open_requests()
        self.written: list[tuple[AtWork, Sequence[Batch], FileInfo]] = []
        self.pressure: list[bool] = []
        self.fenced: list[LabFenced] = []
        self.broken: list[AtWork] = []
        self.recorder = Recorder(
            self.writer,
            on_written=lambda *written: self.written.append(written),
            on_pressure=self.pressure.append,
            on_fenced=self.fenced.append,
            on_broken=self._break_off,
        )
        self.a, self.b = at_work("a"), at_work("b")
        for sweep in (self.a, self.b):
            sweep.table = self.writer.open_sweep(sweep.key)

    def _break_off(self, sweep: AtWork, error: Exception) -> None:
        self.broken.append(sweep)
        self.recorder.drop(sweep)
        sweep.close("known")

    def table(self) -> SweepTable:
        """Of the first sweep."""
        assert self.a.table is not None
        return self.a.table

    def commits(self) -> list[list[int]]:
        """Where the batches of each acknowledged commit begin."""
        return [[each.first for each in batches] for _, batches, _ in self.written]

    def acknowledged(self, sweep: AtWork | None = None) -> list[int]:
        sweep = sweep or self.a
        return [each.first for written, batches, _ in self.written if written is sweep for each in batches]

    def on_disk(self, sweep: AtWork | None = None) -> list[Any]:
        """The points in the notebook, read afresh."""
        found = listing(PosixStore(self.root), (sweep or self.a).key)
        return [point for loaded in found if loaded.info.rows for point in loaded.table["_point"].to_pylist()]

    def requests(self) -> list[Any]:
        found = listing(PosixStore(self.root), "requests")
        return [sweep for loaded in found if loaded.info.rows for sweep in loaded.table["sweep"].to_pylist()]

    def take_over(self) -> Writer:
        other = Writer(self.root, WHO | {"user": "grace", "actor": "b"})
        other.open_requests()
        for sweep in (self.a, self.b):
            other.open_sweep(sweep.key)
        return other


@asynccontextmanager
async def lab(root: Path) -> AsyncIterator[Lab]:
    made = Lab(root)
    try:
        yield made
    finally:
        made.disk.free.set()
        made.recorder.close()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 30))


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "SPACING_S", 0.001)
    monkeypatch.setattr(recorder_module, "AGAIN_S", 0.001)


# -- results


def test_what_is_acknowledged_is_on_disk(tmp_path: Path) -> None:
    async def story() -> None:
        async with lab(tmp_path) as own:
            own.recorder._on_written = lambda sweep, *_: found.append((sweep.name, own.on_disk(sweep)))
            own.recorder.keep(own.a, batch(0, 3))
            await own.recorder.idle()
            own.recorder.keep(own.b, batch(5))
            await own.recorder.idle()

    found: list[Any] = []
    run(story())
    assert found == [("a", [0, 1, 2]), ("b", [5])]


def test_what_comes_during_a_commit_is_the_next_one(tmp_path: Path) -> None:
    async def story() -> None:
        async with lab(tmp_path) as own:
            own.disk.free.clear()
            own.recorder.keep(own.a, batch(0))
            await until(own.disk.waiting.is_set)
            for first in (1, 2, 5, 3):
                own.recorder.keep(own.a, batch(first))
            own.recorder.keep(own.b, batch(9))
            assert own.written == []
            own.disk.free.set()
            await own.recorder.idle()
            assert own.commits() == [[0], [1, 2, 5, 3], [9]]
            assert own.on_disk(own.a) == [0, 1, 2, 5, 3]
            positions = [info.meta["positions"] for _, _, info in own.written]
            assert positions == [[[0, 1]], [[1, 4], [5, 6]], [[9, 10]]]

    run(story())


def test_a_commit_says_what_a_restart_needs(tmp_path: Path) -> None:
    def picky(p: int) -> dict[str, int]:
        if p % 2:
            raise ValueError(f"{p} is odd")
        return {"x": p}

    async def story() -> None:
        async with lab(tmp_path) as own:
            own.recorder.keep(own.a, batches[0])
            own.recorder.keep(own.a, batches[1])
            await own.recorder.idle()
            table = Writer(tmp_path, WHO).survey(own.a.key)
            seconds = sum(each.busy_s for each in batches)
            assert table == Summary(
                positions=[(0, 5)],
                by_status={"done": 3, "failed": 2},
                rows=5,
                seconds=pytest.approx(seconds, abs=1e-5),
                error="ValueError: 1 is odd",
                warnings=[],
                names=[[0, 0, ["x"]]],
                causes=[
                    Failing(
                        cause=Cause("ValueError", "# is odd", f"{__file__}:{picky.__code__.co_firstlineno + 2}"),
                        by_status={"failed": 2},
                        places={"failed": [(1, 2), (3, 4)]},
                    )
                ],
                attempt=1,
                versions=[1],
            )

    package = packaged(picky, Factorial(p=range(5)), order="design")
    batches = [*leased(package, 0, 3), *leased(package, 3, 5)]
    run(story())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.ECONNABORTED])
@pytest.mark.parametrize("only", ["write", "sync", "link", "sync_folder", ""])
def test_a_sick_disk_is_asked_again_until_it_takes_the_rows(tmp_path: Path, number: int, only: str) -> None:
    async def story() -> None:
        async with lab(tmp_path) as own:
            own.disk.sick, own.disk.only = number, {only} if only else set()
            own.recorder.keep(own.a, batch(0))
            await until(lambda: own.disk.refused > 3)
            own.recorder.keep(own.a, batch(1))
            own.recorder.keep(own.b, batch(2))
            await until(lambda: own.disk.refused > 6)
            assert own.written == []
            assert "the disk is sick; the lab goes on by itself when it can" in own.recorder.trouble
            own.disk.sick = None
            await own.recorder.idle()
            assert own.recorder.trouble == ""
            assert own.acknowledged(own.a) == own.on_disk(own.a) == [0, 1]
            assert own.acknowledged(own.b) == own.on_disk(own.b) == [2]
            assert (own.broken, own.fenced) == ([], [])
            assert not [path for path in (tmp_path / "tmp").rglob("*") if path.is_file()]

    run(story())


@pytest.mark.parametrize("after", [False, True])
def test_an_error_at_any_operation_changes_neither_order_nor_number(tmp_path: Path, after: bool) -> None:
    """Also one that did what it was asked, and said otherwise."""

    async def story(at: int | None) -> int:
        async with lab(tmp_path / str(at)) as own:
            begin = own.disk.count
            own.disk.fail_at, own.disk.after = None if at is None else begin + at, after
            for first in range(3):
                own.recorder.keep(own.a, one[first])
                await until(lambda first=first: own.acknowledged() == list(range(first + 1)))
            own.recorder.keep(own.a, one[3])
            await own.recorder.idle()
            count = own.disk.count - begin
            assert own.acknowledged() == own.on_disk() == [0, 1, 2, 3]
            return count

    one = [batch(first) for first in range(4)]
    for at in range(asyncio.run(story(None)) // 2):
        asyncio.run(asyncio.wait_for(story(at), 30))


def test_too_much_that_waits_is_told_once_and_so_is_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = batch(0).rows.nbytes
    monkeypatch.setattr(recorder_module, "LIMIT_BYTES", 3 * size + size // 2)

    async def story() -> None:
        async with lab(tmp_path) as own:
            own.disk.sick = errno.ENOSPC
            for first in range(3):
                own.recorder.keep(own.a, batch(first))
            await asyncio.wait_for(own.recorder.room(), 1)
            assert own.pressure == []
            own.recorder.keep(own.a, batch(3))
            own.recorder.keep(own.b, batch(4))
            assert own.pressure == [True]
            room = asyncio.create_task(own.recorder.room())
            await until(lambda: own.disk.refused > 3)
            assert not room.done()
            own.disk.sick = None
            await room
            await own.recorder.idle()
            assert own.pressure == [True, False]
            assert own.on_disk(own.a) + own.on_disk(own.b) == [0, 1, 2, 3, 4]

    run(story())


def test_what_waits_is_written_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = batch(0).rows.nbytes
    monkeypatch.setattr(recorder_module, "COMMIT_BYTES", 2 * size)

    async def story() -> None:
        async with lab(tmp_path) as own:
            for first, count in ((0, 1), (1, 1), (2, 1), (3, 9), (12, 1)):
                own.recorder.keep(own.a, batch(first, count))
            await own.recorder.idle()
            assert own.commits() == [[0, 1], [2], [3], [12]]
            assert own.on_disk() == list(range(13))

    run(story())


def test_rows_of_a_sweep_that_was_replaced_are_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "LIMIT_BYTES", 1)

    async def story() -> None:
        async with lab(tmp_path) as own:
            own.a.table = None
            own.recorder.keep(own.a, batch(0))  # it came too late
            own.recorder.keep(own.b, batch(1))
            await own.recorder.idle()
            await own.recorder.room()
            assert (own.acknowledged(own.a), own.acknowledged(own.b)) == ([], [1])
            assert own.pressure == [True, False]

    run(story())


def test_what_waits_for_a_sweep_that_is_dropped_weighs_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "LIMIT_BYTES", 1)

    async def story() -> None:
        async with lab(tmp_path) as own:
            own.recorder.keep(own.a, batch(0))
            own.recorder.drop(own.a)
            assert own.pressure == [True, False]
            await own.recorder.room()
            await own.recorder.idle()
            own.recorder.keep(own.a, batch(1))
            await own.recorder.idle()
            assert own.on_disk() == own.acknowledged() == [1]

    run(story())


def test_of_all_who_wait_for_room_one_is_let_in_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = batch(0).rows.nbytes
    monkeypatch.setattr(recorder_module, "LIMIT_BYTES", 1)

    async def story() -> None:
        async with lab(tmp_path) as own:

            async def take(first: int) -> None:
                await own.recorder.room()
                own.recorder.keep(own.a, batch(first))
                assert own.recorder._bytes == size

            own.disk.sick = errno.ENOSPC
            waiting = [asyncio.create_task(take(first)) for first in range(6)]
            await until(lambda: own.disk.refused > 3)
            own.disk.sick = None
            await asyncio.gather(*waiting)
            await own.recorder.idle()
            assert sorted(own.on_disk()) == list(range(6))

    run(story())


def test_rows_that_wait_for_a_table_go_with_it_and_never_into_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep that broke may be taken up again at once: its trials run again, and what waits would double them."""
    monkeypatch.setattr(recorder_module, "COMMIT_BYTES", 1)  # a commit for each batch

    async def story() -> None:
        async with lab(tmp_path) as own:

            def take_up_again(sweep: AtWork, error: Exception) -> None:
                own.broken.append(sweep)
                own.recorder.drop(sweep)
                sweep.table = own.writer.open_sweep(sweep.key)

            own.recorder._on_broken = take_up_again
            own.table().schema = None  # type: ignore[assignment]  # as good as any error of our own
            own.disk.free.clear()
            own.recorder.keep(own.b, batch(9))
            await until(own.disk.waiting.is_set)
            for first in range(3):
                own.recorder.keep(own.a, batch(first))
            own.disk.free.set()
            await own.recorder.idle()
            own.recorder.keep(own.a, batch(7))
            await own.recorder.idle()
            assert own.broken == [own.a], "of the table that is gone nothing more is tried"
            assert own.on_disk(own.a) == own.acknowledged(own.a) == [7]
            assert own.on_disk(own.b) == [9]
            assert own.recorder._bytes == 0

    run(story())


def test_an_error_of_the_labs_own_keeps_nothing_from_being_written(tmp_path: Path) -> None:
    async def story() -> None:
        async with lab(tmp_path) as own:

            def fails(*_: Any) -> None:
                raise RuntimeError("a bug")

            own.recorder._on_written = fails
            for first in range(3):
                own.recorder.keep(own.a, batch(first))
                await own.recorder.idle()
            assert own.on_disk() == [0, 1, 2]
            assert own.broken == [], "its rows are written"

    run(story())


def test_a_sweep_that_cannot_be_written_does_not_keep_the_others(tmp_path: Path) -> None:
    async def story() -> None:
        async with lab(tmp_path) as own:
            own.table().schema = None  # type: ignore[assignment]  # as good as any error of our own
            for first in range(3):
                own.recorder.keep(own.a, batch(first))
                own.recorder.keep(own.b, batch(first))
                await own.recorder.idle()
            assert own.broken == [own.a]
            assert own.acknowledged(own.b) == own.on_disk(own.b) == [0, 1, 2]
            assert own.recorder._bytes == 0

    run(story())


def test_no_memory_is_a_trouble_that_passes(tmp_path: Path) -> None:
    async def story() -> None:
        async with lab(tmp_path) as own:
            concat, left = own.table().schema.concat, [MemoryError(), MemoryError()]

            def tight(batches: Any) -> Any:
                if left:
                    raise left.pop()
                return concat(batches)

            own.table().schema.concat = tight  # type: ignore[method-assign]
            own.recorder.keep(own.a, batch(0))
            await own.recorder.idle()
            assert own.on_disk() == [0]

    run(story())


# -- sealing


def test_a_long_journal_becomes_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "SEAL_COMMITS", 3)

    async def story() -> None:
        async with lab(tmp_path) as own:
            for first in range(5):
                own.recorder.keep(own.a, batch(first))
                await own.recorder.idle()
            await own.recorder.seal(own.a)
            await asyncio.gather(own.recorder.seal(own.a), own.recorder.seal(own.a), own.recorder.seal(at_work("none")))
            assert len(list((tmp_path / own.a.key).glob("*.arrow"))) == 2
            assert own.on_disk() == [0, 1, 2, 3, 4]

    run(story())


@pytest.mark.parametrize("trouble", ["full", "damaged"])
def test_a_journal_that_cannot_be_sealed_stays_and_the_work_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr(table_module, "SEAL_COMMITS", 1)

    async def story() -> None:
        async with lab(tmp_path) as own:
            monkeypatch.setattr(table_module, "SEAL_COMMITS", 2)
            own.recorder.keep(own.a, batch(0))
            await own.recorder.idle()
            file = tmp_path / own.a.key / "journal/000000000002.arrow"
            good = file.read_bytes()
            if trouble == "damaged":
                file.write_bytes(good[:-20])
            else:
                seal, left = own.table().table.seal, [OSError(errno.ENOSPC, "full")]
                monkeypatch.setattr(own.table().table, "seal", lambda c: _raise(left) if left else seal(c))
            own.recorder.keep(own.a, batch(1))
            await own.recorder.idle()
            file.write_bytes(good)
            own.recorder.keep(own.a, batch(2))
            await own.recorder.idle()
            assert own.acknowledged() == own.on_disk() == [0, 1, 2]
            assert (own.broken, own.fenced) == ([], [])

    run(story())


def _raise(errors: list[OSError]) -> None:
    raise errors.pop()


# -- requests


def test_requests_are_durable_when_add_returns_and_in_order(tmp_path: Path) -> None:
    async def story() -> None:
        async with lab(tmp_path) as own:
            own.disk.sick = errno.EIO
            adding = [asyncio.create_task(own.recorder.add(noted("locked", name))) for name in "abc"]
            await until(lambda: own.disk.refused > 3)
            assert not any(task.done() for task in adding)
            own.disk.sick = None
            await asyncio.gather(*adding)
            await own.recorder.add(noted("locked", "d"), noted("locked", "e"))
            assert own.requests() == ["a", "b", "c", "d", "e"]

    run(story())


def test_other_work_is_done_again_until_the_disk_lets_it_pass(tmp_path: Path) -> None:
    async def story() -> None:
        async with lab(tmp_path) as own:
            left = [OSError(errno.EIO, "once"), ConnectionResetError("twice")]

            def work() -> str:
                if left:
                    raise left.pop()
                return "done"

            assert await own.recorder.do(work) == "done"

            def ours() -> None:
                raise LabUnavailable("an OSError, to Python")

            with pytest.raises(LabUnavailable):
                await own.recorder.do(ours)

    run(story())


# -- the fence


@pytest.mark.parametrize("first", ["results", "requests", "seal"])
def test_a_lab_that_was_taken_over_says_so_once_and_writes_nothing_more(tmp_path: Path, first: str) -> None:
    async def story() -> None:
        async with lab(tmp_path) as own:
            own.recorder.keep(own.a, batch(0))
            await own.recorder.idle()
            own.take_over()
            before = sorted(path for path in tmp_path.rglob("*.arrow"))
            if first == "results":
                own.recorder.keep(own.a, batch(1))
            elif first == "requests":
                with pytest.raises(LabFenced, match="user grace"):
                    await own.recorder.add(noted("locked", "a"))
            else:
                own.table().table._fenced = "another lab (user grace) has taken over"
                await own.recorder.seal(own.a)
            await until(lambda: own.fenced)
            own.recorder.keep(own.a, batch(2))
            own.recorder.keep(own.b, batch(3))
            await own.recorder.idle()
            await own.recorder.room()
            await own.recorder.seal(own.b)
            for refused in (own.recorder.add(noted("locked", "a")), own.recorder.do(lambda: 1)):
                with pytest.raises(LabFenced, match="user grace"):
                    await refused
            assert len(own.fenced) == 1
            assert own.acknowledged() == own.on_disk() == [0]
            assert sorted(path for path in tmp_path.rglob("*.arrow")) == before

    run(story())


def test_the_fence_frees_whoever_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "LIMIT_BYTES", 1)

    async def story() -> None:
        async with lab(tmp_path) as own:
            own.take_over()
            own.disk.sick = errno.ENOSPC
            own.recorder.keep(own.a, batch(0))
            waiting = asyncio.gather(own.recorder.room(), own.recorder.idle())
            await until(lambda: own.disk.refused > 2)
            assert not waiting.done()
            own.disk.sick = None
            await waiting
            assert own.written == []
            assert len(own.fenced) == 1

    run(story())


# -- what trials print


def printing(first: int, count: int = 1) -> Batch:
    def prints(p: int) -> dict[str, int]:
        print("trial", p)
        return {"x": p}

    package = packaged(prints, Factorial(p=range(1_000)), order="design")
    (made,) = leased(package, first, first + count, capture="all")
    return made


def logged(made: Lab) -> list[Any]:
    """The points whose logs are in the notebook."""
    found = listing(PosixStore(made.root), layout.log_folder(made.a.key))
    return [point for loaded in found if loaded.info.rows for point in loaded.table["_point"].to_pylist()]


def test_logs_are_durable_before_their_rows_also_where_the_disk_refuses_in_between(tmp_path: Path) -> None:
    async def story() -> None:
        async with lab(tmp_path) as made:
            put, order = made.writer.store.put, list[str]()

            def noted(path: str, *words: Any) -> bool:
                done = put(path, *words)
                order.append(path.partition("/")[0])
                if order[-1] == "logs" and order.count("logs") in (2, 4):
                    raise OSError(errno.EIO, "the answer was lost")
                return done

            made.writer.store.put = noted  # type: ignore[method-assign]
            for first in range(3):
                made.recorder.keep(made.a, printing(first))
                await made.recorder.idle()
            assert made.acknowledged() == made.on_disk() == logged(made) == [0, 1, 2]
            at_first = order.index("sweeps")
            assert set(order[:at_first]) == {"logs"}
            assert order[-1] == "sweeps"
            assert made.recorder._bytes == 0

    run(story())


def test_logs_that_are_damaged_keep_no_row_from_being_written(tmp_path: Path) -> None:
    async def story() -> None:
        async with lab(tmp_path) as made:
            made.recorder.keep(made.a, printing(0))
            await made.recorder.idle()
            for path in (tmp_path / "logs").rglob("*.arrow"):
                path.chmod(0o600)
                path.write_bytes(b"")
            made.a.table = made.writer.open_sweep(made.a.key)
            for first in (1, 2):
                made.recorder.keep(made.a, printing(first))
            await made.recorder.idle()
            assert made.on_disk() == [0, 1, 2]
            assert made.broken == []
            assert made.recorder._bytes == 0

    run(story())


def test_logs_weigh_as_rows_do_and_go_with_a_sweep_that_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with lab(tmp_path) as made:
            made.disk.free.clear()
            batch = printing(0)
            assert batch.logs is not None
            monkeypatch.setattr(recorder_module, "LIMIT_BYTES", batch.rows.nbytes)
            made.recorder.keep(made.a, batch)
            assert made.pressure == [True], "rows alone are no more than may wait"
            made.recorder.drop(made.a)
            assert made.pressure == [True, False]
            assert made.recorder._bytes == 0
            made.disk.free.set()
            await made.recorder.idle()
            assert logged(made) == made.on_disk() == []

    run(story())
