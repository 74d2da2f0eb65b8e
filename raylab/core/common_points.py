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
from raylab.core.common_levels import numbers_in, shared
from raylab.core.design import Design, Factorial, Points
from raylab.core.places import runs_of
from raylab.core.values import key_of
from raylab.errors import DesignError

__all__ = ["Ground", "meeting"]

COMPARED: Final = 10**7
"""The most points of a list that are compared with others: some ten seconds for each parameter."""


class Ground:
    """A design as what its points are places of.

    Attributes:
        design: the design.
        axes: of its grid; None if its points are a list. The list of one parameter is the grid of one axis.
        sizes: of these axes; of a list, how many points it has.
    """

    def __init__(self, design: Design) -> None:
        is_grid = isinstance(design, Factorial) or (isinstance(design, Points) and len(design.parameters) == 1)
        self.design = design
        self.axes: Mapping[str, Axis] | None = design.axes if is_grid else None
        self.sizes = tuple(axis.size for axis in self.axes.values()) if self.axes else (design.size,)

    @property
    def whole(self) -> Box:
        """All its points."""
        return box.whole(self.sizes)

    @cached_property
    def once(self) -> bool:
        """Whether it is a grid on no axis of which a level stands twice."""
        return self.axes is not None and not any(map(stands_twice, self.axes.values()))

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
            keys = list(map(key_of, self.design.axis(name)))
            columns.append([keys[at] for at in self.design.places(name, every).tolist()])
        return list(zip(*columns, strict=True)) if columns else [()] * self.design.size

    def check(self) -> None:
        """Refuse a list that is too long to be compared."""
        if self.design.size > COMPARED:
            raise DesignError(
                f"{self.design!r} cannot be compared point by point (up to {COMPARED:,} points can). Give it as a "
                "Factorial, whose axes are compared instead, or submit what is new under another name"
            )


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
    if ours.axes is not None and theirs.axes is not None:
        pairs = [shared(name, axis, theirs.axes[name]) for name, axis in ours.axes.items()]
        if not all(own for own, _ in pairs):
            return [], []
        others = {name: runs for name, (_, runs) in zip(ours.axes, pairs, strict=True)}
        return [tuple(own for own, _ in pairs)], [tuple(others[name] for name in theirs.axes)]
    if ours.once:
        theirs.check()
        at = numbers_in(ours.axes or {}, theirs.design)
        return _area(at[at >= 0]), _area(np.flatnonzero(at >= 0))
    if theirs.once:
        others_area, own_area = meeting(theirs, ours)
        return own_area, others_area
    return _among(ours.rows, theirs.rows), _among(theirs.rows, ours.rows)


def _area(at: NDArray[np.int64]) -> Area:
    return [(runs_of(at),)] if at.size else []


def _among(rows: Iterable[Any], others: Iterable[Any]) -> Area:
    known = set(others)
    return _area(np.array([at for at, row in enumerate(rows) if row in known], dtype=np.int64))
