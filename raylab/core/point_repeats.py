"""How many trials each point of a sweep has, whatever has come of them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from raylab.core.places import among
from raylab.core.segment import Segment


def repeats_of(segments: Iterable[Segment], points: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of repeats of each of these points; 0 of one that the sweep does not have.

    Args:
        segments: of the sweep.
        points: by their numbers in the sweep.

    Example:
        >>> first = Segment(design="{}", size=3, repeats=2, order="design", key=1, seed=1)
        >>> more = Segment(design="{}", size=3, repeats=4, order="design", key=1, seed=1, part=(((1, 2),),), grid=(3,))
        >>> repeats_of([first, more], np.array([0, 1, 7]))
        array([2, 6, 0])
    """
    found = np.zeros(len(points), dtype=np.int64)
    for segment in segments:
        if not segment.selection:  # runs of trials that an earlier segment brought
            found[_has(segment, points - segment.first_point)] += segment.repeats
    return found


def _has(segment: Segment, own: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of these points of its design a segment has."""
    inside: NDArray[np.bool_] = (own >= 0) & (own < segment.size)
    if len(segment.part) == 1:
        return inside & among(segment.part[0], own)
    for runs, levels in zip(reversed(segment.part), reversed(segment.grid), strict=True):
        own, place = np.divmod(own, levels)
        inside &= among(runs, place)
    return inside
