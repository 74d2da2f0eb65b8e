"""Sobol designs: stretches of Sobol's sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from raylab.core.drawn import Range, Stream
from raylab.core.sampled import Sampled
from raylab.core.scipy_stats import direction_numbers
from raylab.core.sobol_sequence import SobolStream

__all__ = ["Sobol"]


class Sobol(Sampled):
    """Points that fill the ranges evenly: the first of Sobol's sequence, scrambled by the seed.

    Any stretch of the sequence is even, too, so that a sweep of `Sobol(n)` grows by `extend(Sobol(2 * n))` to what
    it would have been. Most even are n = 2^k points. The sequence is of I. Sobol', USSR Comput. Math. Math. Phys. 7
    (1967); `core/sobol_sequence.py` says how it is scrambled. Seeded by s, the points are those that
    `scipy.stats.qmc.Sobol(d, bits=62, rng=s)` gives, brought to the ranges.

    Args:
        n: how many points, 1 to 2^62.
        ranges: the ranges as a mapping, for names that are not Python identifiers.
        **more: the ranges by name, at most 21,201: `uniform(low, high)` or a pair `(low, high)`, `loguniform`,
            `integers`, `choice`, or a frozen distribution of `scipy.stats`. Their order counts: each is an axis of the
            sequence.

    Raises:
        DesignError: n is no number of points, a name or a range cannot be used, there are no ranges or too many.
        ModuleNotFoundError: scipy is not installed, of which the direction numbers are; workers do without it.

    Example:
        >>> from raylab import integers
        >>> design = Sobol(4, p=(0.1, 0.5), L=integers(8, 16))
        >>> design
        Sobol(p=0.1 to 0.5, L=integers 8 to 15) of 4 points, not seeded
        >>> [point["L"] for point in design.seeded(1)]
        [14, 10, 12, 8]
    """

    _word = "sobol"
    _is_ordered = True

    def _set(self, size: int, ranges: Mapping[str, Range], first: int, seed: int | None) -> None:
        if not hasattr(self, "_numbers"):
            self._numbers = direction_numbers(len(ranges))
        super()._set(size, ranges, first, seed)

    def _take(self, other: Self) -> None:
        self._numbers = other._numbers

    def _stream(self, name: str, seed: int, stop: int) -> Stream:
        axis = list(self.ranges).index(name)
        return SobolStream(seed, axis, len(self.ranges), self._numbers[axis][: _bits(stop)])

    @property
    def _hint(self) -> str:  # type: ignore[override]
        stop, size = self.first + self.size, self.size
        if self.first or size & (size - 1) == 0:
            return ""
        below = 1 << stop.bit_length() - 1
        return f"Sobol designs are most even at 2^k points, here {below:,} or {2 * below:,}."

    def _document(self) -> dict[str, Any]:
        bits = _bits(self.first + self.size)
        return {**super()._document(), "numbers": [own[:bits] for own in self._numbers]}

    def _read(self, document: dict[str, Any]) -> None:
        self._numbers = document["numbers"]


def _bits(stop: int) -> int:
    """How many bits the numbers of points below `stop` have."""
    return (stop - 1).bit_length()
