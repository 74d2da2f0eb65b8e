"""Latin hypercubes: designs that are even on each axis."""

from __future__ import annotations

from raylab.core.drawn import Stream
from raylab.core.sampled import Sampled
from raylab.core.streams import STRATA, Strata
from raylab.errors import DesignError

__all__ = ["LatinHypercube"]


class LatinHypercube(Sampled):
    """Points that are even on each axis by itself: each of n equal parts of each range has one.

    After M. McKay, R. Beckman and W. Conover, Technometrics 21 (1979). The parts are those of this n, so a sweep of n
    points is not gone on with by one of more; `Sobol` and `Random` can be.

    Args:
        n: how many points, 1 to 2^31.
        ranges: the ranges as a mapping, for names that are not Python identifiers.
        **more: the ranges by name, as `Sobol` takes them.

    Raises:
        DesignError: n is no number of points, a name or a range cannot be used, there are no ranges.

    Example:
        >>> from raylab import integers
        >>> design = LatinHypercube(4, p=(0, 1), L=integers(0, 4))
        >>> sorted(point["L"] for point in design.seeded(1))
        [0, 1, 2, 3]
    """

    MOST = STRATA
    _word = "latin"

    def _stream(self, name: str, seed: int, stop: int) -> Stream:
        return Strata(seed, name, stop)

    def part(self, start: int, stop: int) -> Sampled:
        assert (start, stop) == (0, self.size), "points of a Latin hypercube belong together"
        return self

    def meets(self, other: Sampled) -> tuple[int, int] | None:
        if self.sequence != other.sequence:
            return None
        if self.size != other.size:
            raise DesignError(
                f"a Latin hypercube of {self.size:,} points is not gone on with by one of {other.size:,}: it has one "
                f"point in each of {other.size:,} parts of a range, so all its points are others. A Sobol or a Random "
                "design goes on; and a Latin hypercube with a seed of its own, .seeded(n), is added as it is"
            )
        return 0, self.size
