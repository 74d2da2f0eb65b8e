"""Sets of positions, kept as runs.

Ten million recorded trials are, nearly always, one run: memory and time go with the number of runs, never
with the number of positions. An `Intervals` is always in its one normal form (runs ascending, neither empty
nor touching), so equal sets have equal runs. It must never count by listing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class Intervals:
    """A mutable set of non-negative integers, made of half-open runs `[start, stop)`.

    Wherever a run is given, `start == stop` is the empty run and `start > stop` or a negative start is a
    ValueError.

    Example:
        >>> done = Intervals([(0, 10), (20, 30)])
        >>> done.add(10, 12)
        >>> done.remove(5, 6)
        >>> done, done.count
        (Intervals([(0, 5), (6, 12), (20, 30)]), 21)
    """

    __slots__ = ("_count", "_starts", "_stops")

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        self._count = 0
        for start, stop in pairs:
            self.add(start, stop)

    @property
    def count(self) -> int:
        """How many integers are in the set, exactly, however many."""
        return self._count

    def add(self, start: int, stop: int) -> None:
        """Put every integer of `[start, stop)` into the set."""
        _check(start, stop)
        if start == stop:
            return
        # All runs that overlap or touch the new one become one run with it.
        low = bisect_left(self._stops, start)
        high = bisect_right(self._starts, stop)
        if low < high:
            start = min(start, self._starts[low])
            stop = max(stop, self._stops[high - 1])
        self._replace(low, high, [(start, stop)])

    def remove(self, start: int, stop: int) -> None:
        """Take every integer of `[start, stop)` out of the set; those that are not in it do not matter."""
        _check(start, stop)
        low, high = bisect_right(self._stops, start), bisect_left(self._starts, stop)
        if start == stop or low >= high:
            return
        ends = ((self._starts[low], start), (stop, self._stops[high - 1]))
        self._replace(low, high, [(a, b) for a, b in ends if a < b])

    def covers(self, start: int, stop: int) -> bool:
        """Whether every integer of `[start, stop)` is in the set; true of the empty run."""
        _check(start, stop)
        at = bisect_right(self._starts, start) - 1
        return start == stop or (at >= 0 and stop <= self._stops[at])

    def first(self, limit: int) -> tuple[int, int] | None:
        """The lowest run, cut to at most `limit` integers; None when the set is empty."""
        if limit < 1:
            raise ValueError(f"a run has at least one integer, so limit must be 1 or more; got {limit}")
        if not self._starts:
            return None
        return self._starts[0], min(self._stops[0], self._starts[0] + limit)

    def pairs(self) -> list[tuple[int, int]]:
        """The runs as a list of (start, stop), ascending."""
        return list(zip(self._starts, self._stops, strict=True))

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._starts, number) - 1
        return at >= 0 and number < self._stops[at]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        # Over a snapshot: "for run in x: x.remove(*run)" is what people write.
        return iter(self.pairs())

    def __bool__(self) -> bool:
        return bool(self._starts)

    def __repr__(self) -> str:
        runs = self.pairs()
        shown = ", ".join(map(repr, runs[:10]))
        return f"Intervals([{shown}])" if len(runs) <= 10 else f"Intervals([{shown}, ...]) of {len(runs)} runs"

    def _replace(self, low: int, high: int, runs: list[tuple[int, int]]) -> None:
        """Put `runs` where the runs `low` to `high` are. The only place that writes."""
        self._count -= sum(self._stops[low:high]) - sum(self._starts[low:high])
        self._starts[low:high] = [start for start, _ in runs]
        self._stops[low:high] = [stop for _, stop in runs]
        self._count += sum(stop - start for start, stop in runs)


def _check(start: int, stop: int) -> None:
    if not 0 <= start <= stop:
        raise ValueError(f"a run needs 0 <= start <= stop; got start={start}, stop={stop}")
