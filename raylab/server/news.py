"""Who waits for news of which sweep. Clients long-poll: they say what they have seen, any difference answers them.

A sweep's number goes up at most twice a second, at once when it ends or stands still, so that 500 waiting clients cost
1,000 small answers a second and not one for every commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from raylab.server.at_work import AtWork

SPACING_S = 0.5
LONGEST_S = 20.0
"""A poll is answered after this in any case: shorter than what proxies and clients take for a dead connection."""


class News:
    """Has each sweep's number grow whenever there is news of it."""

    def __init__(self) -> None:
        self._all = 0  # the sum of all numbers, also of sweeps that were set aside
        self._held: set[AtWork] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._followers: list[Callable[[AtWork], None]] = []

    def follow(self, look: Callable[[AtWork], None]) -> None:
        """Have somebody look at each sweep of which there is news."""
        self._followers.append(look)

    def post(self, sweep: AtWork, *, urgent: bool = False) -> None:
        """There is news of a sweep."""
        self._held.add(sweep)
        if urgent:
            self._publish()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SPACING_S, self._publish)

    def number(self, sweeps: Iterable[AtWork] | None) -> int:
        """What a client that knows all news of these sweeps has seen; None means all sweeps, those to come too."""
        return self._all if sweeps is None else sum(sweep.news for sweep in sweeps)

    async def differs(self, sweeps: Sequence[AtWork] | None, seen: int, longest: float) -> None:
        """Return as soon as there is news of these sweeps beyond `seen`, or after that many seconds."""
        loop = asyncio.get_running_loop()
        until = loop.time() + min(longest, LONGEST_S)
        while self.number(sweeps) == seen and (left := until - loop.time()) > 0:
            await asyncio.wait([self._news], timeout=left)

    def _publish(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        held, self._held = self._held, set()
        for sweep in held:
            sweep.news += 1
            self._all += 1
        self._news.set_result(None)
        self._news = asyncio.get_running_loop().create_future()
        for look in self._followers:
            for sweep in held:
                look(sweep)
