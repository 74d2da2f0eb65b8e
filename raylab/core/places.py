"""Numbers that stand in runs, as arrays: which number is at a place of a set, which point at a place of a box."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from raylab.core.box import Box, Run, Runs, count

Pairs: TypeAlias = Sequence[Run] | NDArray[np.int64]
"""A set as runs, or with a row for each of them."""


def runs_of(numbers: NDArray[np.int64]) -> Runs:
    """The runs of some numbers, which may repeat, in any order.

    Example:
        >>> runs_of(np.array([5, 1, 2, 2]))
        ((1, 3), (5, 6))
    """
    found = np.sort(numbers)  # numpy's unique takes five times as long
    if not found.size:
        return ()
    breaks = np.flatnonzero(np.diff(found) > 1)
    starts = found[np.concatenate(([0], breaks + 1))]
    stops = found[np.concatenate((breaks, [found.size - 1]))] + 1
    return tuple(zip(starts.tolist(), stops.tolist(), strict=True))


def pairs(runs: Pairs) -> NDArray[np.int64]:
    """The runs of a set, a row each: start and stop."""
    if isinstance(runs, np.ndarray):
        found: NDArray[np.int64] = runs
    else:
        found = np.fromiter(chain.from_iterable(runs), dtype=np.int64, count=2 * len(runs)).reshape(-1, 2)
    return found


def listed(runs: Pairs) -> NDArray[np.int64]:
    """The numbers of a set, each, in its order.

    Example:
        >>> listed([(1, 3), (5, 6)])
        array([1, 2, 5])
    """
    starts, stops = pairs(runs).T
    ends = np.cumsum(stops - starts)
    found: NDArray[np.int64] = np.arange(ends[-1] if ends.size else 0) + np.repeat(stops - ends, stops - starts)
    return found


def among(runs: Pairs, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of these numbers are in a set.

    Example:
        >>> among([(1, 3), (5, 6)], np.array([5, 0, 2]))
        array([ True, False,  True])
    """
    starts, stops = pairs(runs).T
    run = np.searchsorted(stops, numbers, side="right")
    inside: NDArray[np.bool_] = numbers >= np.append(starts, np.iinfo(np.int64).max)[run]
    return inside


def numbers(box: Box, sizes: Sequence[int], at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which points of a grid stand at these places of a box, in the order of the grid; the last axis varies fastest.

    Args:
        box: of as many axes as the grid, or of one: the numbers of points.
        sizes: of the grid's axes.
        at: places in the box, from 0 on.

    Example:
        >>> numbers((((1, 2),), ((0, 1), (2, 3))), (2, 3), np.arange(2))
        array([3, 5])
    """
    if len(box) == 1:
        return chosen(box[0], at)
    found = np.zeros_like(at)
    stride = 1
    for runs, levels in zip(reversed(box), reversed(sizes), strict=True):
        at, place = np.divmod(at, count(runs))
        found += chosen(runs, place) * stride
        stride *= levels
    return found


def place_of(runs: Sequence[Run], number: int) -> int | None:
    """The place of a number in a set, in its order; None if it is not there.

    Example:
        >>> place_of([(1, 3), (5, 6)], 5), place_of([(1, 3), (5, 6)], 4)
        (2, None)
    """
    before = 0
    for start, stop in runs:
        if start <= number < stop:
            return before + number - start
        before += stop - start
    return None


def place_in(box: Box, sizes: Sequence[int], point: int) -> int | None:
    """The place of a point of a grid in a box, as `numbers` counts them; None if it is not there.

    Example:
        >>> [place_in((((1, 2),), ((0, 1), (2, 3))), (2, 3), point) for point in (3, 4, 5)]
        [0, None, 1]
    """
    if len(box) == 1:
        return place_of(box[0], point)
    found, stride = 0, 1
    for runs, levels in zip(reversed(box), reversed(sizes), strict=True):
        point, level = divmod(point, levels)
        place = place_of(runs, level)
        if place is None:
            return None
        found += place * stride
        stride *= count(runs)
    return found


def chosen(runs: Sequence[Run], at: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers at these places of a set, in its order."""
    if len(runs) == 1:
        return at + runs[0][0]
    stops, ends = ends_of(runs)
    run = np.searchsorted(ends, at, side="right")
    found: NDArray[np.int64] = stops[run] - (ends[run] - at)
    return found


_ends: dict[int, tuple[Sequence[Run], NDArray[np.int64], NDArray[np.int64]]] = {}


def ends_of(runs: Sequence[Run]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the runs stop, and how many numbers there are up to there.

    Kept for the sets that were asked for last: 10^5 runs take 20 ms to be read, and a worker asks for each 4,096
    positions. Found by identity, since to hash a set takes as long as to read it.
    """
    known = _ends.get(id(runs))
    if known is not None and known[0] is runs:
        return known[1], known[2]
    starts, stops = pairs(runs).T
    while len(_ends) >= 64:
        _ends.pop(next(iter(_ends)), None)
    _ends[id(runs)] = runs, stops, np.cumsum(stops - starts)
    return _ends[id(runs)][1:]
