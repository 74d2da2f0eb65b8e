"""What waits of a sweep: runs of positions, by segment. The segments take turns, so that what was asked for later comes
in turn with what is left of the earlier ones, and not after it."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator

from raylab.core.intervals import Intervals


class Waiting:
    """Positions that wait for their first lease, or came back unharmed.

    Example:
        >>> waiting = Waiting()
        >>> waiting.append(0, 4), waiting.append(4, 6)
        (None, None)
        >>> [waiting.take(2) for _ in range(3)], waiting.count
        ([(0, 2), (4, 6), (2, 4)], 0)
    """

    def __init__(self) -> None:
        self.count = 0
        self._firsts: list[int] = []
        self._parts: list[Intervals] = []
        self._turns: deque[int] = deque()  # the segments of which something waits; the first of them is next

    def append(self, start: int, stop: int) -> None:
        """One more segment: all of it waits."""
        self._firsts.append(start)
        self._parts.append(Intervals())
        if start < stop:
            self.add(start, stop)

    def add(self, start: int, stop: int) -> None:
        """These positions, of one segment, wait (again)."""
        at = self._at(start)
        if not self._parts[at]:
            self._turns.append(at)
        self._parts[at].add(start, stop)
        self.count += stop - start

    def remove(self, start: int, stop: int) -> None:
        """These positions, which may be of several segments, wait no more; those that did not wait are no matter."""
        for at in range(self._at(start), self._at(stop - 1) + 1):
            part = self._parts[at]
            self.count -= part.count
            part.remove(start, stop)
            self.count += part.count
            if not part and at in self._turns:
                self._turns.remove(at)

    def of(self, position: int) -> int:
        """How many wait of the segment of this position."""
        return self._parts[self._at(position)].count

    def take(self, most: int) -> tuple[int, int]:
        """The next run of positions, no more than `most`, of the segment whose turn it is. Something must wait."""
        at = self._turns[0]
        run = self._parts[at].first(most)
        assert run is not None, "a segment of which nothing waits has no turn"
        self._turns.rotate(-1)
        self.remove(*run)
        return run

    def _at(self, position: int) -> int:
        return bisect_right(self._firsts, position) - 1

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The runs of what waits."""
        for part in self._parts:
            yield from part

    def check(self) -> None:
        """The count and the turns are right (for tests)."""
        assert self.count == sum(part.count for part in self._parts)
        assert sorted(self._turns) == [at for at, part in enumerate(self._parts) if part]
