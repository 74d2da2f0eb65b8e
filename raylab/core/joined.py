"""Joined designs: the points of several, one design after the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from raylab.core.axes import Chained, Places
from raylab.core.design_base import Design, Point
from raylab.errors import DesignError

__all__ = ["Joined"]


class Joined(Design):
    """The points of several designs, one design after the other; what the design of a sweep that has grown is.

    Args:
        parts: the designs, of the same parameters in whatever order; the first one's is the order of the whole.

    Raises:
        DesignError: the parameters of two of them are not the same.

    Example:
        >>> from raylab.core.design import Factorial, Points
        >>> design = Joined([Factorial(x=[1, 2], m=["a"]), Points(m=["b"], x=[7])])
        >>> design, design[2]
        (Joined(x=1 to 7, m='a' or 'b') of 3 points, {'x': 7, 'm': 'b'})
    """

    def __init__(self, parts: Sequence[Design]) -> None:
        self.parts = tuple(parts)
        names = parts[0].parameters
        if any(set(part.parameters) != set(names) for part in parts):
            raise DesignError(f"designs of other parameters than {', '.join(names) or 'none'} cannot be joined to them")
        super().__init__(
            {name: Chained([part.axis(name) for part in parts]) for name in names}, sum(part.size for part in parts)
        )
        self.optional = [name for name in names if any(name in part.optional for part in parts)]
        self.samples = [sample for part in parts for sample in part.samples]
        self._firsts = [0, *accumulate(part.size for part in parts)]

    def places(self, name: str, points: Places) -> Places:
        within = self._within(points)
        number = np.searchsorted(self._firsts, within, side="right") - 1
        starts = [0, *accumulate(part.axis(name).size for part in self.parts)]
        found = np.empty_like(within)
        for each in np.unique(number).tolist():
            own = number == each
            found[own] = self.parts[each].places(name, within[own] - self._firsts[each]) + starts[each]
        return found

    def repeated(self) -> list[str]:
        return [phrase for part in self.parts for phrase in part.repeated()]

    def _seeded(self, seeds: Iterator[int], anew: bool) -> Design:
        return Joined([part._seeded(seeds, anew) for part in self.parts])

    def _point(self, at: int) -> Point:
        number = bisect_right(self._firsts, at) - 1
        point = self.parts[number]._point(at - self._firsts[number])
        return {name: point[name] for name in self.parameters if name in point}

    def _document(self) -> dict[str, Any]:
        return {"kind": "joined", "parts": [part._document() for part in self.parts]}

    @classmethod
    def _from_document(cls, document: dict[str, Any], imports: bool) -> Design:
        return cls([Design._made(part, imports) for part in document["parts"]])
