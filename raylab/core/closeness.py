"""Closeness: new levels that are almost old ones, as when a grid is computed in another way.

0.1 + 0.2 is not 0.3, so a grid that was refined by another formula may bring a level twice. Nothing is made equal that
is not; whoever extends is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raylab.core.area import LISTED
from raylab.core.axes import Axis, Listed, Stepped, distinct, links
from raylab.core.common_levels import near, places_on
from raylab.core.design import Design
from raylab.core.drawn import Drawn

__all__ = ["close_levels"]

CLOSE: Final = 1e-12
"""How far two levels are apart that are almost equal; of levels above 1, as a share of them."""

_EXACT: Final = 2**53
"""Up to there an int is a float."""


def close_levels(there: Sequence[Design], design: Design) -> dict[str, int]:
    """How many levels of a design are new and within CLOSE of an old one, by parameter; those of which none are, and
    axes of more than LISTED levels or of levels that are drawn, are left out.

    Example:
        >>> from raylab.core.design import Factorial
        >>> close_levels([Factorial(p=[0.1, 0.2, 0.3])], Factorial(p=[0.1 + 0.2, 0.3, 0.4]))
        {'p': 1}
    """
    found = {}
    for name, axis in design.axes.items():
        olds = list(_axes(there, name))
        if axis.size > LISTED or isinstance(axis, Drawn) or all(map(_is_of_ints, (axis, *olds))):
            continue
        levels = distinct(axis)
        if not levels.is_computed:
            levels = Listed(tuple(each for each in levels if type(each) in (int, float) and abs(each) < _EXACT))
        numbers = np.array(levels.take(np.arange(levels.size)), dtype=np.float64)
        exact, close = np.zeros(numbers.size, dtype=np.bool_), np.zeros(numbers.size, dtype=np.bool_)
        for old in olds:
            exact |= places_on(old, levels) >= 0
            close |= _gaps(old, numbers) <= CLOSE * np.maximum(1.0, np.abs(numbers))
        if count := int((close & ~exact).sum()):
            found[name] = count
    return found


def _is_of_ints(axis: Axis) -> bool:
    return isinstance(axis, Stepped) and type(axis.first) is int


def _axes(there: Sequence[Design], name: str) -> Iterator[Axis]:
    for design in there:
        yield from links(design.axis(name))


def _gaps(axis: Axis, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each of some numbers is from the next level of an axis."""
    if isinstance(axis, Stepped):
        gaps = [np.abs(axis.computed(at).astype(np.float64) - numbers) for at in near(axis, numbers)]
        found: NDArray[np.float64] = np.min(gaps, axis=0)
        return found
    old = np.sort([float(each) for each in axis if type(each) in (int, float) and abs(each) < _EXACT])
    if not old.size:
        return np.full(numbers.size, np.inf)
    at = np.searchsorted(old, numbers)
    return np.minimum(np.abs(old[np.maximum(at - 1, 0)] - numbers), np.abs(old[np.minimum(at, old.size - 1)] - numbers))
