"""Drawn axes: levels that are computed from where a point lies, a whole number below 2^62.

A stream says where each point lies on an axis, a range what value is there. Both are computed from the number of the
point alone, so that any of 10^9 points costs the same, whichever were asked for before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from raylab.core.axes import Axis, Places
from raylab.errors import DesignError

__all__ = ["BITS", "Drawn", "Range", "Stream", "Where", "fractions", "scaled"]

BITS: Final = 62
"""Of where a point lies. A float has 53 of them, ranges of integers up to all."""

Where: TypeAlias = NDArray[np.uint64]
"""Where points lie, each a whole number below 2^62."""

HALF: Final = BITS // 2

LISTED_AT_ONCE: Final = 4_096


class Stream(ABC):
    """Where each point of a sampled design lies on one axis."""

    @abstractmethod
    def at(self, points: Places) -> Where:
        """Where the points of these numbers lie."""


class Range(ABC):
    """What the values of a parameter are drawn from.

    Attributes:
        levels: the values, each as likely as any other, where they can be told; else None.
        of: the type of the values, where there are no levels: float or int.
    """

    levels: Axis | None = None
    of: type = float

    def at(self, where: Where) -> NDArray[Any]:
        """The values there, of a range without levels."""
        raise NotImplementedError(f"the values of {self!r} are levels")

    @abstractmethod
    def written(self) -> dict[str, Any]:
        """The range as JSON has it; `read_range` reads it."""

    @property
    @abstractmethod
    def shown(self) -> str:
        """The range in a few words."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Range) and self.written() == other.written()

    def __hash__(self) -> int:
        return hash(repr(self))


class Drawn(Axis):
    """The levels of a range at the points of a stream; a level may stand there more than once.

    Args:
        size: how many points there are.
        first: the number of the first one in the stream.
        law: a range without levels.
        stream: None as long as nothing is drawn.
    """

    def __init__(self, size: int, first: int, law: Range, stream: Stream | None) -> None:
        self.size, self.of = size, law.of
        self._first, self.law, self._stream = first, law, stream

    def __getitem__(self, at: int) -> Any:
        return self.take(np.array([range(self.size)[at]]))[0]

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, self.size, LISTED_AT_ONCE):
            yield from self.take(np.arange(start, min(start + LISTED_AT_ONCE, self.size)))

    def computed(self, places: Places) -> NDArray[Any]:
        if not len(places):  # the type is told without what computes them
            return np.empty(0, np.float64 if self.of is float else np.int64)
        if self._stream is None:
            raise DesignError("these levels are not drawn yet; .seeded(n) of the design draws them")
        return self.law.at(self._stream.at(places + self._first))

    def written(self) -> dict[str, Any]:
        raise NotImplementedError("the levels of a drawn axis are written down with their design")


def scaled(where: Where, size: Any) -> Where:
    """The numbers below a size that lie there: `where` × size / 2^62, exactly, rounded down.

    Args:
        where: places below 2^62.
        size: up to 2^62; a number, or one for each place.

    Example:
        >>> scaled(np.array([0, 2**61, 2**62 - 1], np.uint64), 10).tolist()
        [0, 5, 9]
    """
    size = np.uint64(size) if isinstance(size, int) else size
    half, low = np.uint64(HALF), np.uint64(2**HALF - 1)
    upper, lower = where >> half, where & low
    middle = upper * (size & low) + lower * (size >> half) + (lower * (size & low) >> half)
    found: Where = upper * (size >> half) + (middle >> half)
    return found


def fractions(where: Where) -> NDArray[np.float64]:
    """Where points lie as floats from 0 on, below 1: as `scipy.stats.qmc` gives them.

    Example:
        >>> fractions(np.array([0, 2**61, 2**62 - 1], np.uint64)).tolist()
        [0.0, 0.5, 0.9999999999999999]
    """
    found: NDArray[np.float64] = np.minimum(where * 2.0**-BITS, 1 - 2.0**-53)
    return found
