"""Where the points of a sweep lie in an array: on the grid of the design's axes, or along one dimension.

The designs of a sum, or of a sweep that has grown, are one grid together if the first is one, none is sampled, and the
grid of all their levels is not mostly empty. Computes; holds no result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from raylab.core import box
from raylab.core.design import Design
from raylab.core.places import numbers
from raylab.core.request import SweepRecord
from raylab.core.segment import Segment
from raylab.core.summands import summands
from raylab.core.values import key_of
from raylab.errors import DesignError

MAX_CELLS: Final = 10**8
"""Of an array: 0.8 GB of floats."""

SMALL: Final = 10_000
"""A grid of as many cells is never a waste: 80 kB of floats."""

WASTE: Final = 4
"""A grid of which some points are missing may have so many cells for each that is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The cells in which the points of a sweep lie.

    Attributes:
        is_grid: whether the axes are the dimensions; else there is one, along which the points lie.
        levels: of a grid, the levels along each dimension; else empty.
        points: the numbers of the points along the one dimension; of a grid, empty.
        sizes: how many cells there are along each dimension.
        remark: why the points of grids lie along one dimension; empty if they do not.
    """

    is_grid: bool
    levels: dict[str, list[Any]]
    points: NDArray[np.int64]
    remark: str
    _places: Callable[[NDArray[np.int64]], NDArray[np.int64]]

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(map(len, self.levels.values())) if self.is_grid else (len(self.points),)

    def cells(self, points: NDArray[np.int64]) -> NDArray[np.int64]:
        """The cells of these points of the sweep, the last dimension counted fastest."""
        return self._places(points)


def space_of(record: SweepRecord) -> Space:
    """Where the points of a sweep lie.

    Raises:
        DesignError: they are too many for an array.
    """
    brought = {segment.first_point: segment.design for segment in record.segments}
    parts = [part for first, text in sorted(brought.items()) for part in _parts(first, Design.loads(text))]
    first, remark = parts[0].design, ""
    if len(parts) == 1 and first.is_grid and first.size == math.prod(axis.size for axis in first.axes.values()):
        check_cells(first.size, record.name)
        return _of_grid(_Grid(parts))
    check_cells(sum(part.design.size for part in parts), record.name)
    points = np.unique(np.concatenate([_points(segment) for segment in record.segments if not segment.selection]))
    if first.is_grid and not any(part.design.optional or part.design.is_sampled for part in parts):
        grid = _Grid(parts)
        if grid.size <= max(SMALL, WASTE * len(points)) and len(np.unique(grid.cells(points))) == len(points):
            return _of_grid(grid)
        remark = (
            f"the {len(points):,} points of {record.name!r} are too few for the grid of all their levels "
            f"({grid.size:,} cells), or some stand twice; so they lie along one dimension"
        )
    return Space(
        is_grid=False, levels={}, points=points, remark=remark, _places=lambda some: np.searchsorted(points, some)
    )


def _of_grid(grid: _Grid) -> Space:
    return Space(is_grid=True, levels=grid.levels, points=np.empty(0, np.int64), remark="", _places=grid.cells)


def check_cells(cells: int, name: str, variable: str = "") -> None:
    """Refuse an array that would have too many cells.

    Raises:
        DesignError: it would.
    """
    if cells > MAX_CELLS:
        what = f"the array of {variable!r}" if variable else "an array"
        raise DesignError(
            f"{what} over all points of {name!r} would have {cells:,} cells, and can have {MAX_CELLS:,} at most; "
            "take the rows that matter: results() and scan() give them as frames, and "
            "xarray.Dataset.from_dataframe makes arrays of a part of them"
        )


def _points(segment: Segment) -> NDArray[np.int64]:
    """The points of a segment, by their numbers in the sweep."""
    if not segment.part:
        return segment.first_point + np.arange(segment.size)
    return segment.first_point + numbers(segment.part, segment.grid, np.arange(box.size(segment.part)))


@dataclass(frozen=True)
class _Part:
    """A design that brought points to a sweep, and the number of its first point there."""

    first: int
    design: Design


def _parts(first: int, design: Design) -> Iterator[_Part]:
    """A sum of grids as these, one after the other."""
    for each in summands(design):
        yield _Part(first, each)
        first += each.size


class _Grid:
    """The grid of all levels of some designs, of the same parameters each."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        self._parts = parts
        self.levels: dict[str, list[Any]] = {}
        self._at: list[dict[str, NDArray[np.int64]]] = [{} for _ in parts]  # by part and parameter, by place
        for name in parts[0].design.parameters:
            self._join(name, [list(part.design.axes[name]) for part in parts])

    def _join(self, name: str, axes: list[list[Any]]) -> None:
        if len(axes) == 1:
            self.levels[name] = axes[0]
            self._at[0][name] = np.arange(len(axes[0]))
            return
        keys = [list(map(key_of, axis)) for axis in axes]
        found: dict[Hashable, Any] = {}
        for own, axis in zip(keys, axes, strict=True):
            found |= {key: level for key, level in zip(own, axis, strict=True) if key not in found}
        if len(found) > len(axes[0]) and {type(level) for level in found.values()} <= {int, float}:
            found = dict(sorted(found.items(), key=lambda item: item[1]))
        place = {key: at for at, key in enumerate(found)}
        self.levels[name] = list(found.values())
        for at, own in zip(self._at, keys, strict=True):
            at[name] = np.array([place[key] for key in own])

    @cached_property
    def size(self) -> int:
        return math.prod(map(len, self.levels.values()))

    def cells(self, points: NDArray[np.int64]) -> NDArray[np.int64]:
        """The cells of these points of the sweep."""
        found = np.zeros_like(points)
        for at, part in zip(self._at, self._parts, strict=True):
            mine = (points >= part.first) & (points < part.first + part.design.size)
            own = points[mine] - part.first
            for name, levels in self.levels.items():
                found[mine] = found[mine] * len(levels) + at[name][part.design.places(name, own)]
        return found
