"""Random designs: points that have nothing to do with each other."""

from __future__ import annotations

from raylab.core.drawn import Stream
from raylab.core.sampled import Sampled
from raylab.core.streams import Chance

__all__ = ["Random"]


class Random(Sampled):
    """Independent random points.

    The values of a parameter depend on the seed, its name and the point's number alone: more points and other
    parameters change none.

    Args:
        n: how many points, 1 to 2^62.
        ranges: the ranges as a mapping, for names that are not Python identifiers.
        **more: the ranges by name, as `Sobol` takes them.

    Raises:
        DesignError: n is no number of points, a name or a range cannot be used, there are no ranges.

    Example:
        >>> from raylab import choice
        >>> design = Random(10**9, p=(0, 1), method=choice(["fast", "exact"]))
        >>> design
        Random(p=0 to 1, method='fast' or 'exact') of 1,000,000,000 points, not seeded
        >>> design.seeded(1)[123_456_789]
        {'p': 0.9577..., 'method': 'fast'}
    """

    _word = "random"

    def _stream(self, name: str, seed: int, stop: int) -> Stream:
        return Chance(seed, name)
