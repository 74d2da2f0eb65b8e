"""Boxes: a part of a design's points, as runs of places axis by axis.

A grid minus a grid is a few grids, computed axis by axis and never listed: of 10^9 points as of ten. The axes of a box
are those of its grid, or one, of which the places are the numbers of points: so any set of points is a box.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import TypeAlias

Run: TypeAlias = tuple[int, int]
"""Consecutive numbers, from the first to one beyond the last."""

Runs: TypeAlias = tuple[Run, ...]
"""A set of numbers: runs that ascend, and neither overlap nor touch."""

Box: TypeAlias = tuple[Runs, ...]
"""The points whose place on each axis is among the runs of that axis."""


_START, _STOP = itemgetter(0), itemgetter(1)


def count(runs: Sequence[Run]) -> int:
    """How many numbers a set has."""
    found: int = sum(map(_STOP, runs)) - sum(map(_START, runs))
    return found


def joined(sets: Sequence[Sequence[Run]]) -> list[Run]:
    """The numbers that are in one of these sets.

    Example:
        >>> joined([[(0, 3), (8, 9)], [(3, 5), (4, 6)]])
        [(0, 6), (8, 9)]
    """
    if len(sets) == 1:
        return list(sets[0])
    found: list[Run] = []
    for start, stop in sorted(run for runs in sets for run in runs):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], stop))
        else:
            found.append((start, stop))
    return found


def size(box: Box) -> int:
    """How many points a box has."""
    found = 1
    for runs in box:
        found *= count(runs)
    return found


def whole(sizes: Sequence[int]) -> Box:
    """All points of a grid with axes of these sizes."""
    return tuple(((0, size),) if size else () for size in sizes)


def shifted(runs: Sequence[Run], by: int) -> Runs:
    """A set with this added to each of its numbers."""
    return tuple((start + by, stop + by) for start, stop in runs)


def common(a: Sequence[Run], b: Sequence[Run]) -> Runs:
    """The numbers that two sets share.

    Example:
        >>> common([(0, 4), (6, 9)], [(3, 7)])
        ((3, 4), (6, 7))
    """
    found: list[Run] = []
    i = j = 0
    while i < len(a) and j < len(b):
        start, stop = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if start < stop:
            found.append((start, stop))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)


def without(a: Sequence[Run], b: Sequence[Run]) -> Runs:
    """The numbers of one set that are not in another.

    Example:
        >>> without([(0, 10)], [(3, 4), (8, 20)])
        ((0, 3), (4, 8))
    """
    found: list[Run] = []
    j = 0
    for start, stop in a:
        while j < len(b) and b[j][1] <= start:
            j += 1
        at, k = start, j
        while k < len(b) and b[k][0] < stop:
            if at < b[k][0]:
                found.append((at, b[k][0]))
            at = max(at, b[k][1])
            k += 1
        if at < stop:
            found.append((at, stop))
    return tuple(found)


def overlap(a: Box, b: Box) -> Box | None:
    """The points that two boxes of one grid share; None if there are none."""
    found = tuple(common(one, other) for one, other in zip(a, b, strict=True))
    return found if all(found) else None


def minus(a: Box, b: Box) -> Iterator[Box]:
    """The points of one box that are not in another of the same grid, as boxes that do not overlap: one for each axis
    at most.

    Example:
        >>> list(minus((((0, 4),), ((0, 3),)), (((1, 2),), ((0, 2),))))
        [(((0, 1), (2, 4)), ((0, 3),)), (((1, 2),), ((2, 3),))]
    """
    if overlap(a, b) is None:
        yield a
        return
    for axis, (one, other) in enumerate(zip(a, b, strict=True)):
        if outside := without(one, other):
            inside = tuple(common(a[at], b[at]) for at in range(axis))
            yield (*inside, outside, *a[axis + 1 :])
