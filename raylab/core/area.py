"""Areas: a part of a grid's points, as boxes and sets of numbers side by side.

A piece is a box over the axes of the grid, or, where points were listed, over one axis of which the places are the
numbers of points (`core/box.py`). What two pieces share, and what is left of one without the other, is pieces again;
of the two kinds the smaller is listed, and what would have to be listed beyond LISTED is cut into boxes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from raylab.core import box
from raylab.core.box import Box, Runs
from raylab.core.places import numbers, runs_of
from raylab.errors import DesignError

__all__ = ["LISTED", "PIECES", "Area", "cut", "few", "minus", "overlap"]

LISTED: Final = 10**6
"""The most points that are listed."""

PIECES: Final = 1_000
"""The most pieces that an area may fall into."""

Area: TypeAlias = list[Box]
"""Pieces that do not overlap."""


def overlap(area: Iterable[Box], piece: Box, sizes: Sequence[int]) -> Area:
    """The points of an area that are in a piece, too.

    Args:
        area: pieces of a grid.
        piece: another one.
        sizes: of the grid's axes.

    Raises:
        DesignError: they fall into too many pieces.

    Example:
        >>> overlap([(((0, 2),), ((0, 3),))], (((2, 5),),), (2, 3))
        [(((2, 5),),)]
    """
    return few(found for each in area for found in _both(each, piece, sizes))


def minus(area: Iterable[Box], piece: Box, sizes: Sequence[int]) -> Area:
    """The points of an area that are not in a piece; else as `overlap`.

    Example:
        >>> minus([(((0, 2),), ((0, 3),))], (((2, 5),),), (2, 3))
        [(((0, 2), (5, 6)),)]
    """
    return few(found for each in area for found in _rest(each, piece, sizes))


def few(pieces: Iterable[Box]) -> Area:
    """These pieces as an area.

    Raises:
        DesignError: they are too many.
    """
    found: Area = []
    for piece in pieces:
        found.append(piece)
        if len(found) > PIECES:
            raise DesignError(
                f"the points that are new, or have other repeats than the rest, fall into more than {PIECES:,} grids, "
                "too many to be kept. Give fewer points at a time, or submit them under another name"
            )
    return found


def _both(a: Box, b: Box, sizes: Sequence[int]) -> Iterator[Box]:
    if len(a) == len(b):
        found = box.overlap(a, b)
        if found is not None:
            yield found
        return
    grid, some = (a, b) if len(b) == 1 else (b, a)
    if grid == box.whole(sizes):
        yield some
    elif min(box.count(some[0]), box.size(grid)) <= LISTED:
        if shared := _listed_common(grid, some[0], sizes):
            yield (shared,)
    else:
        for each in cut(some[0], sizes):
            yield from _both(grid, each, sizes)


def _rest(a: Box, b: Box, sizes: Sequence[int]) -> Iterator[Box]:
    every = box.whole(sizes)
    if len(a) == len(b):
        yield from box.minus(a, b)
    elif len(b) == 1 and (a == every or box.size(a) <= LISTED):
        own = ((0, prod(sizes)),) if a == every else runs_of(_numbers(a, sizes))
        if left := box.without(own, b[0]):
            yield (left,)
    elif len(b) == 1:
        left_over: Area = [a]
        for each in cut(b[0], sizes):
            left_over = minus(left_over, each, sizes)
        yield from left_over
    elif b == every:
        return
    elif min(box.count(a[0]), box.size(b)) <= LISTED:
        if left := box.without(a[0], _listed_common(b, a[0], sizes)):
            yield (left,)
    else:
        for each in cut(a[0], sizes):
            yield from box.minus(each, b)


def _numbers(piece: Box, sizes: Sequence[int]) -> NDArray[np.int64]:
    return numbers(piece, sizes, np.arange(box.size(piece)))


def _listed_common(grid: Box, some: Runs, sizes: Sequence[int]) -> Runs:
    """The numbers among these that are in a box; the fewer of both are listed."""
    if box.size(grid) < box.count(some):
        return box.common(runs_of(_numbers(grid, sizes)), some)
    found = at = _numbers((some,), sizes)
    inside = np.ones(at.size, dtype=np.bool_)
    for runs, size in zip(reversed(grid), reversed(sizes), strict=True):
        at, place = np.divmod(at, size)
        starts, stops = np.array(runs, dtype=np.int64).T
        run = np.searchsorted(starts, place, side="right") - 1
        inside &= (run >= 0) & (place < stops[run])
    return runs_of(found[inside])


def cut(runs: Runs, sizes: Sequence[int]) -> Iterator[Box]:
    """The points of these numbers as boxes over the axes of their grid.

    Example:
        >>> list(cut(((1, 5),), (2, 3)))
        [(((0, 1),), ((1, 3),)), (((1, 2),), ((0, 2),))]
    """
    for start, stop in runs:
        yield from _boxes(start, stop, sizes)


def _boxes(start: int, stop: int, sizes: Sequence[int]) -> Iterator[Box]:
    """Consecutive numbers as boxes: of each axis the rest of a row, whole rows, the beginning of a row."""
    if len(sizes) == 1:
        yield (((start, stop),),)
        return
    row, inner = prod(sizes[1:]), sizes[1:]
    first, before = divmod(start, row)
    if before:
        end = min(stop - first * row, row)
        for rest in _boxes(before, end, inner):
            yield (((first, first + 1),), *rest)
        first += 1
    last, after = divmod(stop, row)
    if first < last:
        yield (((first, last),), *box.whole(inner))
    if after and first <= last:
        for rest in _boxes(0, after, inner):
            yield (((last, last + 1),), *rest)
