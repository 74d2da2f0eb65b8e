"""How a design is cut into classes: from the class of each cell to parts of the design.

A grid whose classes follow the levels of a few axes is cut axis by axis, at the cost of the levels. Where that would
make many parts, each class is the runs of its points' numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from raylab.core import box
from raylab.core.box import Runs
from raylab.core.partition import Part, Partition
from raylab.core.places import runs_of
from raylab.errors import DesignError

MOST_CLASSES = 16
"""Each is leased apart, at a pace of its own."""

MOST_POINTS = 10**8
"""As many are looked at one by one: a byte each."""

MOST_RUNS = 10**6
"""Of points' numbers: some 20 MB of a request."""

MOST_PARTS = 64
"""As many boxes a grid is cut into; each is a segment."""

Codes = NDArray[np.uint8]
"""The number of a class for each cell."""


def cut(codes: Codes, axes: Sequence[int], grid: Sequence[int]) -> Partition:
    """The partition of a grid by the classes of its cells.

    Args:
        codes: the class of each cell, with as many dimensions as there are `axes`.
        axes: the places in the grid of the axes that the class depends on, in order.
        grid: the sizes of all axes.

    Raises:
        DesignError: it can be told neither by axis nor by numbers.

    Example:
        >>> cut(np.array([0, 0, 1], np.uint8), [1], [10, 3]).parts
        (Part(klass=0, points=(((0, 10),), ((0, 2),))), Part(klass=1, points=(((0, 10),), ((2, 3),))))
    """
    cells = []
    for cell in _boxes(codes):
        cells.append(cell)
        if len(cells) > MOST_PARTS:
            return _numbered(codes, axes, grid)
    parts = []
    for klass, runs in cells:
        points = list(box.whole(grid))
        for axis, own in zip(axes, runs, strict=True):
            points[axis] = own
        parts.append(Part(klass, tuple(points)))
    return Partition(tuple(grid), tuple(sorted(parts)))


def _boxes(codes: Codes) -> Iterator[tuple[int, tuple[Runs, ...]]]:
    """The classes with the boxes of their cells: slices of the first axis that are alike are taken together."""
    if codes.ndim == 1:
        for klass in np.unique(codes).tolist():
            yield klass, (runs_of(np.flatnonzero(codes == klass)),)
        return
    alike: dict[bytes, list[int]] = {}
    for at, part in enumerate(codes):
        alike.setdefault(part.tobytes(), []).append(at)
    for places in alike.values():
        for klass, rest in _boxes(codes[places[0]]):
            yield klass, (runs_of(np.array(places)), *rest)


def _numbered(codes: Codes, axes: Sequence[int], grid: Sequence[int]) -> Partition:
    """Each class as the runs of its points' numbers."""
    if prod(grid) > MOST_POINTS:
        raise DesignError(
            f"the amounts follow no levels, and the design has {prod(grid):,} points, of which {MOST_POINTS:,} at most "
            "are looked at one by one; let an amount depend on one parameter, or give it by that parameter's levels"
        )
    shape = [size if axis in axes else 1 for axis, size in enumerate(grid)]
    flat = np.broadcast_to(codes.reshape(shape), tuple(grid)).ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts, stops = np.concatenate(([0], edges)), np.concatenate((edges, [flat.size]))
    if starts.size > MOST_RUNS:
        raise DesignError(
            f"the amounts change from point to point: {starts.size:,} runs of points, and a request has {MOST_RUNS:,} "
            "at most; round the amounts, order the design by what they depend on, or give them by a parameter's levels"
        )
    parts = []
    for klass in np.unique(codes).tolist():
        own = flat[starts] == klass
        parts.append(Part(klass, (tuple(zip(starts[own].tolist(), stops[own].tolist(), strict=True)),)))
    return Partition(tuple(grid), tuple(parts))
