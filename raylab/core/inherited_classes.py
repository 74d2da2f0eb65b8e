"""Inherited classes: of which class the new points of a sweep are, where nobody says what they ask for.

They are of the class of the points that have the same levels of what the classes follow. Promises: nothing is guessed;
where that does not tell, the extension is refused, with what says it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from raylab.core import box
from raylab.core.axes import picked
from raylab.core.common_levels import shared
from raylab.core.common_points import Ground
from raylab.core.design import Design
from raylab.core.partition import WHOLE, Part, Partition
from raylab.core.places import among, runs_of
from raylab.core.request import SweepRecord
from raylab.errors import DesignError

__all__ = ["Classed", "inherited"]

Classed = tuple[Ground, Sequence[Part]]
"""A design of a sweep, and of which classes its points are."""


def inherited(record: SweepRecord, there: Iterable[Classed], design: Design) -> Partition:
    """The classes of new points, by those of the points that are there.

    Args:
        record: the sweep.
        there: its designs.
        design: the new points.

    Raises:
        DesignError: that does not tell.
    """
    if not record.policy.classes:
        return WHOLE
    known = list(there)
    if all(part.klass == 0 for _, parts in known for part in parts):
        return WHOLE
    own = Ground(design)
    names = sorted({name for ground, parts in known for name in _followed(ground, parts)})
    for ground, parts in known:
        if names and _are_boxes(ground, parts) and (found := _partition(own, ground, parts, names)) is not None:
            return found
    by = ", ".join(names) or "their points"
    raise DesignError(
        f"the trials of {record.name!r} ask for different amounts, by {by}, and these do not tell what the new points "
        "ask for. Say it: submit the experiment again with if_exists='extend' and the amounts of all points"
    )


def _are_boxes(ground: Ground, parts: Sequence[Part]) -> bool:
    """Whether classes are told by the axes of a grid, and not by the numbers of points."""
    return bool(ground.axes) and all(len(part.points) == len(ground.sizes) for part in parts)


def _followed(ground: Ground, parts: Sequence[Part]) -> list[str]:
    """The axes by which a grid is cut into classes."""
    if not _are_boxes(ground, parts):
        return []
    sizes = enumerate(zip(ground.axes or (), ground.sizes, strict=True))
    return [name for at, (name, size) in sizes if any(box.count(part.points[at]) < size for part in parts)]


def _partition(own: Ground, ground: Ground, parts: Sequence[Part], names: Sequence[str]) -> Partition | None:
    """The parts of a design by those of another; None if it has levels of its own of what the classes follow."""
    axes = ground.axes or {}
    for name in names:
        if shared(name, own.design.axis(name), axes[name])[0] != ((0, own.design.axis(name).size),):
            return None
    place = {name: at for at, name in enumerate(axes)}
    found = []
    for klass, points in parts:
        runs = {name: shared(name, own.design.axis(name), picked(axes[name], points[place[name]]))[0] for name in names}
        if all(runs.values()):
            found.append(Part(klass, _points(own, runs)))
    return Partition(own.sizes, tuple(sorted(part for part in found if box.size(part.points))))


def _points(own: Ground, runs: Mapping[str, box.Runs]) -> box.Box:
    """The points of a design whose levels stand in these places of their axes."""
    if own.axes is not None:
        whole = zip(own.axes, own.whole, strict=False)
        return tuple(runs.get(name, every) for name, every in whole) or own.whole
    every = np.arange(own.design.size)
    inside = np.ones(own.design.size, dtype=np.bool_)
    for name, some in runs.items():
        inside &= among(some, own.design.places(name, every))
    return (runs_of(np.flatnonzero(inside)),)
