"""Who waits for news of which sweep. Clients long-poll: they say what they have seen, any difference answers them.

A sweep's number goes up at most twice a second, at once when it ends or stands still, so that 500 waiting clients cost
1,000 small answers a second and not one for every commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

SPACING_S = 0.5
LONGEST_S = 20.0
"""A poll is answered after this in any case: shorter than what proxies and clients take for a dead connection."""


class Bulletin:
    """Numbers that grow whenever there is news of a sweep."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._held: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._news: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def post(self, sweep: str, *, urgent: bool = False) -> None:
        """There is news of a sweep."""
        self._held.add(sweep)
        if urgent:
            self._publish()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SPACING_S, self._publish)

    def number(self, sweeps: Iterable[str] | None) -> int:
        """What a client that knows all news of these sweeps has seen; None means all sweeps, those to come too."""
        if sweeps is None:
            return sum(self._numbers.values())
        return sum(self._numbers.get(sweep, 0) for sweep in sweeps)

    async def differs(self, sweeps: Iterable[str] | None, seen: int, longest: float) -> None:
        """Return as soon as there is news of these sweeps beyond `seen`, or after that many seconds."""
        names = None if sweeps is None else list(sweeps)
        loop = asyncio.get_running_loop()
        until = loop.time() + min(longest, LONGEST_S)
        while self.number(names) == seen and (left := until - loop.time()) > 0:
            await asyncio.wait([self._news], timeout=left)

    def _publish(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for sweep in self._held:
            self._numbers[sweep] = self._numbers.get(sweep, 0) + 1
        self._held.clear()
        self._news.set_result(None)
        self._news = asyncio.get_running_loop().create_future()
