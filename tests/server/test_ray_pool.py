"""Leases as Ray tasks: each is told of until its end, once, also where its node is gone. (Real ones: tests/ray.)"""

from __future__ import annotations

import asyncio
from typing import Any

import pyarrow as pa
import pytest

from raylab.server import ray_pool
from raylab.server.pool import Ended
from raylab.server.ray_pool import RayPool
from raylab.worker.batch import Batch
from raylab.worker.lease import Header, LeaseOrder


class Streams(RayPool):
    """Leases that bring what a test puts into them, and end when it says so; Ray is not asked."""

    def __init__(self) -> None:
        async def room() -> None:
            """There is some."""

        self.told: list[tuple[Any, ...]] = []
        self.there: dict[str, dict[str, float]] = {"a": {}, "b": {}}
        self.ended: float | None = None  # when processes ended, by the clocks of their nodes
        self.late: list[float] = []
        self.streams: dict[int, Stream] = {}
        super().__init__(self._tell, room)

    def _tell(self, lease: int, what: Header | Batch | Ended) -> None:
        match what:
            case Header():
                self.told.append(("header", lease))
            case Batch():
                self.told.append(("batch", lease, what.first))
            case Ended():
                self.told.append((what.end, lease))
                self.late.append(what.late_s)

    def nodes(self) -> dict[str, dict[str, float]]:
        return self.there

    def ended_at(self, process: Header) -> float | None:
        return self.ended

    def ask(self, order: LeaseOrder, *_: Any) -> Stream:
        self.streams[order.lease] = Stream()
        return self.streams[order.lease]

    def cancel(self, stream: Any) -> None:
        stream.cancels += 1


class Stream:
    """What one lease brings."""

    def __init__(self) -> None:
        self.items: asyncio.Queue[Any] = asyncio.Queue()
        self.cancels = 0
        self.read = 0

    def bring(self, *items: Any) -> None:
        for item in items:
            self.items.put_nowait(item)

    def end(self) -> None:
        self.items.put_nowait(None)

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> asyncio.Future[Any]:
        item = await self.items.get()
        if item is None:
            raise StopAsyncIteration
        self.read += 1
        found: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        found.set_result(item)
        return found


def header(node: str) -> Header:
    return Header(node="host", pid=1, node_id=node)


def batch(first: int, count: int = 1) -> Batch:
    return Batch(rows=pa.record_batch({}), first=first, count=count, by_status={"done": count}, busy_s=0.0)


async def begin(pool: Streams, lease: int, *items: Any, length: int = 10) -> Stream:
    """A lease of so many trials that has brought these items."""
    order = LeaseOrder(lease=lease, start=0, stop=length, flush_s=1.0)
    pool.launch(order, None, None)
    stream = pool.streams[lease]
    stream.bring(*items)
    await until(lambda: stream.read == len(items))
    await asyncio.sleep(0)
    return stream


async def until(is_so: Any) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0)


def test_what_ran_on_a_node_that_is_gone_is_over_at_once_and_what_it_brings_later_is_nobodys() -> None:
    async def story() -> None:
        pool = Streams()
        pool.keep_to("ab")
        stream = await begin(pool, 1, header("a"), batch(0))
        await begin(pool, 2, header("b"))
        assert pool.told == [("header", 1), ("batch", 1, 0), ("header", 2)]
        pool.told.clear()
        pool.keep_to("b")
        assert pool.told == [("lost", 1)], "at once, and the other one goes on"
        stream.bring(batch(1), batch(2))
        stream.end()
        pool.streams[2].bring(batch(0))
        await until(lambda: stream.read == 4 and pool.streams[2].read == 2)
        await asyncio.sleep(0.01)
        assert pool.told == [("lost", 1), ("batch", 2, 0)], "its end is told once, and its rows are dropped"

    asyncio.run(story())


def test_what_has_not_begun_is_asked_for_anew_when_a_node_is_gone() -> None:
    async def story() -> None:
        pool = Streams()
        pool.keep_to("ab")
        waiting = await begin(pool, 1)
        pool.keep_to("abc")
        assert pool.told == [], "a node that joins takes nothing away"
        pool.keep_to("bc")
        assert pool.told == [("lost", 1)]
        await until(lambda: waiting.cancels)
        waiting.bring(header("b"))  # it was just about to begin, elsewhere
        waiting.end()
        again = await begin(pool, 2)
        pool.keep_to("bc")
        pool.keep_to([])
        assert pool.told == [("lost", 1)], "once, and not because the cluster says nothing"
        assert not again.cancels

    asyncio.run(story())


def test_a_lease_that_is_over_is_cancelled_until_its_stream_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_pool, "CANCEL_AGAIN_S", 0.001)

    async def story() -> None:
        pool = Streams()
        pool.keep_to("ab")
        stream = await begin(pool, 1, header("a"))
        pool.keep_to("b")
        await until(lambda: stream.cancels > 2)
        stream.end()
        await until(lambda: not pool._tasks)

    asyncio.run(story())


def test_an_early_end_is_nobodys_fault_when_the_node_is_gone() -> None:
    """Ray may run a lease again elsewhere before the lab looks; then its stream ends as if it had died."""

    async def story() -> None:
        pool = Streams()
        pool.keep_to("ab")
        streams = [await begin(pool, 1, header("a")), await begin(pool, 2, header("b")), await begin(pool, 3)]
        complete = await begin(pool, 4, header("a"), batch(0, 10))
        pool.told.clear()
        del pool.there["a"]
        for stream in (*streams, complete):
            stream.end()
        await until(lambda: len(pool.told) == 4)
        assert sorted(pool.told) == [("lost", 1), ("lost", 3), ("normal", 2), ("normal", 4)]

    asyncio.run(story())


def test_a_lease_that_ray_does_not_take_has_ended_before_it_began_and_not_within_the_call() -> None:
    class Refusing(Streams):
        def ask(self, order: LeaseOrder, *_: Any) -> Stream:
            raise ValueError("no such option")

    async def story() -> None:
        pool = Refusing()
        pool.launch(LeaseOrder(lease=1, start=0, stop=1, flush_s=1.0), None, None)
        assert pool.told == [], "whoever launches is not called back meanwhile"
        await until(lambda: pool.told)
        assert pool.told == [("environment", 1)]

    asyncio.run(story())


@pytest.mark.parametrize(("ended", "late_s"), [(1_000.25, 4.75), (None, 0.0), (1_007.0, 0.0)])
def test_a_death_says_how_long_ago_it_was_whatever_the_clock_of_its_node_says(
    ended: float | None, late_s: float
) -> None:
    """Ray ends the stream of a process that died once a slot is free, which may be behind a trial of hours."""

    async def story() -> None:
        pool = Streams()
        pool.ended = ended
        loop, now = asyncio.get_running_loop(), 50.0
        loop.time = lambda: now  # type: ignore[method-assign]
        stream = await begin(pool, 1, Header(node="host", pid=1, node_id="a", sent=1_000.0))
        now += 5.0
        stream.end()
        await until(lambda: pool.late)
        assert pool.told == [("header", 1), ("normal", 1)]
        assert pool.late == [late_s]

    asyncio.run(story())


def test_where_ray_does_not_say_when_a_process_ended_its_death_is_told_all_the_same() -> None:
    async def story() -> None:
        class Deaf(Streams):
            def ended_at(self, process: Header) -> float | None:
                raise ConnectionError("nobody answers")

        pool = Deaf()
        stream = await begin(pool, 1, header("a"))
        stream.end()
        await until(lambda: pool.late)
        assert pool.late == [0.0]

    asyncio.run(story())
