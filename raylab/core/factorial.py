"""Factorials: every combination of the levels of their axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raylab.core.axes import Places, repeated
from raylab.core.design_base import Design, Point, read_axes
from raylab.core.given import axis_given, by_name
from raylab.core.names import read_name
from raylab.core.shown import shown_levels
from raylab.errors import DesignError

__all__ = ["Factorial"]


class Factorial(Design):
    """Every combination of the levels of its axes; the last axis varies fastest, as in `itertools.product`.

    A list, tuple, range, array, Series or any other ordered collection is an axis's levels; a generator is
    listed. A scalar, a string, bytes or a dict is one level. Without any axis there is one point, `{}`.

    Args:
        axes: the axes as a mapping, for names that are not Python identifiers.
        **axes: the axes by name.

    Raises:
        DesignError: an axis without levels, a name or a level that cannot be used, more than 2**62 points.

    Example:
        >>> design = Factorial(p=[0.1, 0.5], L=[64, 128], method="fast")
        >>> design
        Factorial(p=0.1 to 0.5 (2 levels), L=64 to 128 (2 levels), method='fast') of 4 points
        >>> design[1]
        {'p': 0.1, 'L': 128, 'method': 'fast'}
    """

    is_grid = True

    def __init__(self, axes: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        given = {name: axis_given(name, value) for name, value in by_name("Factorial", axes, more).items()}
        size = 1
        self._strides: dict[str, int] = {}
        for name, axis in reversed(given.items()):
            self._strides[name] = size
            size *= axis.size
        super().__init__(given, size)
        if self.optional:
            raise DesignError(f"axis {self.optional[0]!r} has the level MISSING; only Points can leave values out")

    def places(self, name: str, points: Places) -> Places:
        axis = self.axis(name)
        return self._within(points) // self._strides[read_name(name)] % axis.size

    def repeated(self) -> list[str]:
        found = {name: repeated(list(axis)) for name, axis in self.axes.items() if not axis.is_computed}
        return [f"{name}={self.axes[name][at]!r}" for name, at in found.items() if at is not None]

    def _point(self, at: int) -> Point:
        strides = self._strides
        return {name: axis[at // strides[name] % axis.size] for name, axis in self.axes.items()}

    def _shown(self, name: str) -> str:
        return shown_levels(self.axes[name])

    def _document(self) -> dict[str, Any]:
        return {"kind": "factorial", "axes": self._written()}

    @classmethod
    def _from_document(cls, document: dict[str, Any], imports: bool) -> Design:
        return cls(read_axes(document["axes"], imports))
