"""Whoever waits for news hears of them soon, seldom, and once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from raylab.server import news as bulletin_module
from raylab.server.news import Bulletin

LONG = 10.0


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


async def waits(bulletin: Bulletin, sweeps: list[str] | None, longest: float = LONG) -> asyncio.Task[None]:
    """Somebody who has seen all there is, and waits for more."""
    task = asyncio.create_task(bulletin.differs(sweeps, bulletin.number(sweeps), longest))
    await asyncio.sleep(0)
    return task


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulletin_module, "SPACING_S", 0.05)


def test_urgent_news_answer_at_once() -> None:
    async def story() -> None:
        bulletin = Bulletin()
        waiting = await waits(bulletin, ["a"])
        bulletin.post("a", urgent=True)
        assert bulletin.number(["a"]) == 1
        await asyncio.wait_for(waiting, 0.04)

    run(story())


def test_other_news_are_gathered_for_a_while() -> None:
    async def story() -> None:
        bulletin = Bulletin()
        waiting = await waits(bulletin, ["a"])
        for _ in range(100):
            bulletin.post("a")
            bulletin.post("b")
        assert bulletin.number(["a", "b"]) == 0
        await waiting
        assert (bulletin.number(["a"]), bulletin.number(["b"]), bulletin.number(None)) == (1, 1, 2)

    run(story())


def test_urgent_news_take_along_what_was_held_and_nothing_is_told_twice() -> None:
    async def story() -> None:
        bulletin = Bulletin()
        bulletin.post("a")
        bulletin.post("b", urgent=True)
        assert (bulletin.number(["a"]), bulletin.number(["b"])) == (1, 1)
        waiting = await waits(bulletin, None, longest=0.15)
        await waiting
        assert bulletin.number(None) == 2

    run(story())


def test_news_of_others_wake_nobody() -> None:
    async def story() -> None:
        bulletin = Bulletin()
        waiting = await waits(bulletin, ["a"])
        for _ in range(3):
            bulletin.post("b", urgent=True)
            await asyncio.sleep(0.001)
        assert not waiting.done()
        bulletin.post("a", urgent=True)
        await waiting

    run(story())


def test_who_waits_for_all_hears_of_a_sweep_that_came_later() -> None:
    async def story() -> None:
        bulletin = Bulletin()
        bulletin.post("a", urgent=True)
        waiting = await waits(bulletin, None)
        bulletin.post("new", urgent=True)
        await asyncio.wait_for(waiting, 0.5)

    run(story())


def test_who_has_not_seen_the_latest_is_answered_at_once() -> None:
    async def story() -> None:
        bulletin = Bulletin()
        bulletin.post("a", urgent=True)
        bulletin.post("a", urgent=True)
        await asyncio.wait_for(bulletin.differs(["a"], 1, LONG), 0.5)

    run(story())


def test_without_news_the_answer_comes_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        bulletin = Bulletin()
        loop = asyncio.get_running_loop()
        for longest in (0.05, 0.0, -1.0):
            began = loop.time()
            await bulletin.differs(["a"], 0, longest)
            assert max(longest, 0) - 0.01 <= loop.time() - began < 1
        monkeypatch.setattr(bulletin_module, "LONGEST_S", 0.05)
        await asyncio.wait_for(bulletin.differs(["a"], 0, 1e9), 1)

    run(story())


def test_many_wait_and_all_are_answered() -> None:
    async def story() -> None:
        bulletin = Bulletin()
        waiting = [await waits(bulletin, ["a"]) for _ in range(500)]
        bulletin.post("a")
        await asyncio.gather(*waiting)
        assert bulletin.number(["a"]) == 1

    run(story())
