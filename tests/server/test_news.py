"""Whoever waits for news hears of them soon, seldom, and once. By a clock that jumps to the next thing to happen."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

import pytest
from simulation.clock import Loop
from sweeps import at_work

from raylab.server.at_work import AtWork
from raylab.server.news import LONGEST_S, SPACING_S, News

LONG = 10.0


def run(work: Coroutine[Any, Any, None]) -> None:
    loop = Loop(random.Random(0))
    try:
        loop.run_until_complete(work)
    finally:
        loop.end()


def now() -> float:
    """How much time has gone by."""
    return asyncio.get_running_loop().time()


async def waits(news: News, sweeps: list[AtWork] | None, longest: float = LONG) -> asyncio.Task[None]:
    """Somebody who has seen all there is, and waits for more."""
    task = asyncio.create_task(news.differs(sweeps, news.number(sweeps), longest))
    await asyncio.sleep(0)
    return task


def test_urgent_news_answer_at_once() -> None:
    async def story() -> None:
        news, a = News(), at_work("a")
        waiting = await waits(news, [a])
        news.post(a, urgent=True)
        assert news.number([a]) == 1
        await waiting
        assert now() == 0

    run(story())


def test_other_news_are_gathered_for_a_while() -> None:
    async def story() -> None:
        news, a, b = News(), at_work("a"), at_work("b")
        waiting = await waits(news, [a])
        for _ in range(100):
            news.post(a)
            news.post(b)
        assert news.number([a, b]) == 0
        await waiting
        assert (news.number([a]), news.number([b]), news.number(None), now()) == (1, 1, 2, SPACING_S)

    run(story())


def test_urgent_news_take_along_what_was_held_and_nothing_is_told_twice() -> None:
    async def story() -> None:
        news, a, b = News(), at_work("a"), at_work("b")
        news.post(a)
        news.post(b, urgent=True)
        assert (news.number([a]), news.number([b])) == (1, 1)
        waiting = await waits(news, None, longest=3 * SPACING_S)
        await waiting
        assert (news.number(None), now()) == (2, 3 * SPACING_S)

    run(story())


def test_news_of_others_wake_nobody() -> None:
    async def story() -> None:
        news, a, b = News(), at_work("a"), at_work("b")
        waiting = await waits(news, [a])
        for _ in range(3):
            news.post(b, urgent=True)
            await asyncio.sleep(0.001)
        assert not waiting.done()
        news.post(a, urgent=True)
        await waiting

    run(story())


def test_who_waits_for_all_hears_of_a_sweep_that_came_later() -> None:
    async def story() -> None:
        news, a = News(), at_work("a")
        news.post(a, urgent=True)
        waiting = await waits(news, None)
        news.post(at_work("new"), urgent=True)
        await waiting
        assert now() == 0

    run(story())


def test_who_has_not_seen_the_latest_is_answered_at_once() -> None:
    async def story() -> None:
        news, a = News(), at_work("a")
        news.post(a, urgent=True)
        news.post(a, urgent=True)
        await news.differs([a], 1, LONG)
        assert now() == 0

    run(story())


@pytest.mark.parametrize(("longest", "after"), [(0.05, 0.05), (0.0, 0.0), (-1.0, 0.0), (LONG, LONG), (1e9, LONGEST_S)])
def test_without_news_the_answer_comes_when_the_time_is_over(longest: float, after: float) -> None:
    async def story() -> None:
        news, a = News(), at_work("a")
        await news.differs([a], 0, longest)
        assert now() == pytest.approx(after)

    run(story())


def test_many_wait_and_all_are_answered() -> None:
    async def story() -> None:
        news, a = News(), at_work("a")
        waiting = [await waits(news, [a]) for _ in range(500)]
        news.post(a)
        await asyncio.gather(*waiting)
        assert news.number([a]) == 1

    run(story())
