"""Doubles: what stands twice in a design, as where a point is in both designs of a sum. Its points run twice."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Final

import numpy as np

from raylab.core.axes import repeated
from raylab.core.common_points import Ground, meeting
from raylab.core.design import Design, Joined, Selected
from raylab.core.places import numbers
from raylab.core.summands import in_any_order
from raylab.errors import DesignError

__all__ = ["doubles"]

LISTED: Final = 10**5
"""As many points are looked at one by one: half a second."""

PARTS: Final = 32
"""As many summands of more points are compared in pairs."""


def doubles(design: Design) -> list[str]:
    """What stands twice in a design, a phrase for each axis or row; of each, the first is named. Large sums of lists,
    for which it would take long to tell, are taken as they are, and what chance brings twice is no matter.

    Example:
        >>> from raylab.core.design import Factorial
        >>> doubles(Factorial(x=range(10**9), y=[1, 2]) + Factorial(y=[2], x=range(7, 10**8)))
        ['x=7, y=2']
    """
    found = design.repeated()
    parts = [part for part in in_any_order(design) if not part.is_sampled]
    if found or (len(parts) < 2 and not any(map(_has_sums, parts))):
        return found
    listed = Joined(parts) if design.is_sampled else design
    if listed.size <= LISTED:
        at = repeated(Ground(listed).rows)
        return [] if at is None else [_phrase(listed[at])]
    return _shared(parts) if len(parts) <= PARTS else []


def _has_sums(part: Design) -> bool:
    """Whether there may be sums in a summand still, as in a selection of a product of them."""
    return isinstance(part, Selected) and Ground(part).grid is None


def _shared(parts: Sequence[Design]) -> list[str]:
    """The first point that two summands have in common."""
    for ours, theirs in combinations(map(Ground, parts), 2):
        try:
            area, _ = meeting(ours, theirs)
        except DesignError:  # too many to be compared
            continue
        if area:
            return [_phrase(ours.design[int(numbers(area[0], ours.sizes, np.arange(1))[0])])]
    return []


def _phrase(point: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in point.items()) or "the empty row"
