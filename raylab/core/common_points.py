"""Common points: which points two designs have in common.

Promises: points are equal when their values are, exactly, in whatever order the parameters stand. Two grids are
compared axis by axis, a list and a grid level by level; only lists are gone through point by point.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from raylab.core import box
from raylab.core.area import Area
from raylab.core.axes import Axis, repeated
from raylab.core.box import Box
from raylab.core.common_levels import numbers_in, shared, used_levels
from raylab.core.design import Design, Factorial, Points, Product, Selected
from raylab.core.places import among, runs_of
from raylab.core.selected import unselected
from raylab.core.values import key_of
from raylab.errors import DesignError

__all__ = ["Ground", "among_rows", "common_runs", "in_design", "meeting", "of_one"]

COMPARED: Final = 10**7
"""The most points of a list that are compared with others: some ten seconds for each parameter."""


RUNS: Final = 10**6
"""The most runs that two selections of one design may have in common: some seconds."""


class Ground:
    """A design as what its points are places of.

    Attributes:
        design: the design.
        axes: of its grid; None if its points are a list. The list of one parameter is the grid of one axis.
        factors: of a product that is sampled; each is an axis, of which the places are the numbers of its points.
        sizes: of these axes; of a list, how many points it has.
        grid: the axes of the grid, also of one of which but a selection is meant.
    """

    def __init__(self, design: Design) -> None:
        self.design = design
        self.axes: Mapping[str, Axis] | None = design.axes if _is_grid(design) else None
        self.factors = design.factors if isinstance(design, Product) and design.is_sampled else ()
        self.sizes = tuple(axis.size for axis in (self.axes or {}).values()) or (design.size,)
        if self.factors:
            self.sizes = tuple(factor.size for factor in self.factors)
        of = unselected(design)
        self.grid: Mapping[str, Axis] | None = of.axes if _is_grid(of) else None

    @property
    def whole(self) -> Box:
        """All its points."""
        return box.whole(self.sizes)

    @cached_property
    def once(self) -> bool:
        """Whether it is a grid, or of one, on no axis of which a level stands twice."""
        return self.grid is not None and not any(map(stands_twice, self.grid.values()))

    @cached_property
    def text(self) -> str:
        """The design as JSON."""
        return self.design.dumps()

    @cached_property
    def rows(self) -> list[tuple[Any, ...]]:
        """Its points, one by one, as what they are compared by."""
        self.check()
        every = np.arange(self.design.size)
        columns = []
        for name in sorted(self.design.parameters):
            axis, at = used_levels(self.design, name, every)
            keys = list(map(key_of, axis))
            columns.append([keys[place] for place in at.tolist()])
        return list(zip(*columns, strict=True)) if columns else [()] * self.design.size

    def numbers_of(self, points: Design) -> NDArray[np.int64]:
        """The number that each point of another design has in this one, which is `once`; -1 for one that is not
        there."""
        at = numbers_in(self.grid or {}, points)
        return self.design.found(at) if isinstance(self.design, Selected) else at

    def check(self) -> None:
        """Refuse a list that is too long to be compared."""
        if self.design.size > COMPARED:
            grid = "" if self.design.is_sampled else "Give it as a Factorial, whose axes are compared instead. "
            raise DesignError(
                f"{self.design!r} cannot be compared point by point (up to {COMPARED:,} points can). {grid}"
                "What is new can be submitted under another name"
            )


def _is_grid(design: Design) -> bool:
    if isinstance(design, Product):
        return all(map(_is_grid, design.factors))
    return isinstance(design, Factorial) or (isinstance(design, Points) and len(design.parameters) == 1)


def stands_twice(axis: Axis) -> bool:
    """Whether a level stands more than once on an axis."""
    return not axis.is_computed and repeated(list(axis)) is not None


def meeting(ours: Ground, theirs: Ground) -> tuple[Area, Area]:
    """The points of each of two designs of the same parameters that are in the other one, too.

    Raises:
        DesignError: there are too many to be compared.

    Example:
        >>> grid, some = Ground(Factorial(x=range(10**9), m=["a", "b"])), Ground(Points(m=["b", "b"], x=[5, -1]))
        >>> meeting(grid, some)
        ([(((11, 12),),)], [(((0, 1),),)])
    """
    if ours.text == theirs.text:
        return [ours.whole], [theirs.whole]
    if (found := of_one(ours.design, theirs.design)) is not None:
        return found
    if ours.axes is not None and theirs.axes is not None:
        pairs = [shared(name, axis, theirs.axes[name]) for name, axis in ours.axes.items()]
        if not all(own for own, _ in pairs):
            return [], []
        others = {name: runs for name, (_, runs) in zip(ours.axes, pairs, strict=True)}
        return [tuple(own for own, _ in pairs)], [tuple(others[name] for name in theirs.axes)]
    if ours.once and (theirs.design.size <= COMPARED or not theirs.once):
        theirs.check()
        at = ours.numbers_of(theirs.design)
        return _area(at[at >= 0]), _area(np.flatnonzero(at >= 0))
    if theirs.once:
        ours.check()
        at = theirs.numbers_of(ours.design)
        return _area(np.flatnonzero(at >= 0)), _area(at[at >= 0])
    return among_rows(ours.rows, theirs.rows), among_rows(theirs.rows, ours.rows)


def of_one(ours: Design, theirs: Design) -> tuple[Area, Area] | None:
    """The points that two selections of one design have in common, or a selection and its design; None if they are
    not of one. They are compared by their numbers, run by run."""
    one, other = map(unselected, (ours, theirs))
    if one.size != other.size or (one is ours and other is theirs) or one.dumps() != other.dumps():
        return None
    runs = [each.runs if isinstance(each, Selected) else np.array([[0, each.size]]) for each in (ours, theirs)]
    both = common_runs(*runs)
    return tuple(in_design(each, both) for each in (ours, theirs))  # type: ignore[return-value]


def common_runs(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """The runs of the numbers that are in both of two sets."""
    cuts = np.union1d(a.ravel(), b.ravel())
    starts = cuts[:-1]
    inside = among(a, starts) & among(b, starts)
    return np.stack([starts[inside], cuts[1:][inside]], axis=1)


def in_design(design: Design, numbers: NDArray[np.int64]) -> Area:
    """These points of a design, by their numbers in what it is a selection of."""
    if not len(numbers):
        return []
    if len(numbers) > RUNS:
        raise DesignError(
            f"the points that are there already stand in {len(numbers):,} runs in {design!r}, and up to {RUNS:,} can "
            "be told apart. Submit what is new under another name"
        )
    if isinstance(design, Selected):
        numbers = np.stack([design.found(numbers[:, 0]), design.found(numbers[:, 1] - 1) + 1], axis=1)
    return [(tuple(box.joined([list(map(tuple, numbers.tolist()))])),)]


def _area(at: NDArray[np.int64]) -> Area:
    return [(runs_of(at),)] if at.size else []


def among_rows(rows: Iterable[Any], others: Iterable[Any]) -> Area:
    known = set(others)
    return _area(np.array([at for at, row in enumerate(rows) if row in known], dtype=np.int64))
