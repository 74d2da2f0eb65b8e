"""Common levels: what two axes have in common, and which points of a list are in a grid.

Promises: levels are equal when their types and values are, exactly (`core/values.key_of`). Levels in equal steps are
compared by arithmetic, so that a range of 10^9 costs what one of ten costs; what would have to be listed beyond LEVELS
is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from raylab.core.axes import Axis, Stepped, axis_of
from raylab.core.box import Runs
from raylab.core.design import Design
from raylab.core.places import runs_of
from raylab.core.values import key_of
from raylab.errors import DesignError

__all__ = ["LEVELS", "numbers_in", "places_on", "shared", "used_levels"]

LEVELS: Final = 10**7
"""The most levels of an axis that are looked up one by one: some ten seconds."""

STRIDES: Final = 10**6
"""The most levels of a range that are told one by one, where every second one of them, say, is on the other axis."""

Numbers = NDArray[np.int64]


def shared(name: str, ours: Axis, theirs: Axis) -> tuple[Runs, Runs]:
    """The places on each of two axes whose levels are on the other one, too.

    Args:
        name: what an error calls the axes.
        ours: the one axis.
        theirs: the other.

    Raises:
        DesignError: both have too many levels to be looked up, and are not in steps that can be compared.

    Example:
        >>> from raylab.core.axes import axis_of
        >>> shared("n", axis_of(range(0, 10**9)), axis_of(range(10, 4 * 10**9)))
        (((10, 1000000000),), ((0, 999999990),))
        >>> shared("p", axis_of((0.1, 0.5)), axis_of((0.5, 1, 0.5)))
        (((1, 2),), ((0, 1), (2, 3)))
    """
    if ours is theirs or (ours.is_computed and theirs.is_computed and ours.written() == theirs.written()):
        return ((0, ours.size),), ((0, theirs.size),)
    if isinstance(ours, Stepped) and isinstance(theirs, Stepped):
        if type(ours.first) is not type(theirs.first) or not _meet(ours, theirs):
            return (), ()
        if type(ours.first) is int:
            return _of_ranges(name, ours, theirs)
    if ours.is_computed and (theirs.size < ours.size or not theirs.is_computed):
        others, own = shared(name, theirs, ours)
        return own, others
    if ours.size > LEVELS:
        raise DesignError(
            f"axis {name!r}: {ours.size:,} levels and {theirs.size:,} in other steps cannot be compared one by one "
            f"(up to {LEVELS:,} can). Give the levels in the steps that the sweep has, or submit what is new under "
            "another name"
        )
    if isinstance(theirs, Stepped):
        at = places_on(theirs, ours)
        return runs_of(np.flatnonzero(at >= 0)), runs_of(at[at >= 0])
    own_keys, their_keys = list(map(key_of, ours)), list(map(key_of, theirs))
    return _among(own_keys, set(their_keys)), _among(their_keys, set(own_keys))


def _among(keys: Sequence[Any], others: set[Any]) -> Runs:
    return runs_of(np.array([at for at, key in enumerate(keys) if key in others], dtype=np.int64))


def _ends(axis: Stepped) -> tuple[Any, Any]:
    return min(axis.first, axis.last), max(axis.first, axis.last)


def _meet(a: Stepped, b: Stepped) -> bool:
    """Whether the levels of two axes lie between each other's ends."""
    (low, high), (least, most) = _ends(a), _ends(b)
    return bool(low <= most and least <= high)


def _of_ranges(name: str, a: Stepped, b: Stepped) -> tuple[Runs, Runs]:
    """The places of the ints that two ranges share: the lowest by the Chinese remainder theorem, the others from there
    in steps of both."""
    (low, high), (least, most) = _ends(a), _ends(b)
    one, other = abs(a.step), abs(b.step)
    common = math.gcd(one, other)
    if (low - least) % common:
        return (), ()
    step = one // common * other
    first = low + one * ((least - low) // common * pow(one // common, -1, other // common) % (other // common))
    first += -(-(max(low, least) - first) // step) * step
    count = (min(high, most) - first) // step + 1
    if count < 1:
        return (), ()
    return _in_strides(name, a, first, step, count), _in_strides(name, b, first, step, count)


def _in_strides(name: str, axis: Stepped, first: int, step: int, count: int) -> Runs:
    """The places of so many levels of an axis, from one on in such steps."""
    start, stride = (first - axis.first) // axis.step, step // axis.step
    if stride < 0:
        start, stride = start + stride * (count - 1), -stride
    if stride == 1 or count == 1:
        return ((start, start + count),)
    if count > STRIDES:
        raise DesignError(
            f"axis {name!r}: {count:,} levels in other steps than the sweep has would have to be told one by one "
            f"(up to {STRIDES:,} can). Give a range in the same steps, or submit what is new under another name"
        )
    return tuple((at, at + 1) for at in range(start, start + stride * count, stride))


def places_on(axis: Axis, levels: Axis) -> Numbers:
    """Where on an axis each of these levels stands; -1 for one that is not there. Of a level that stands there twice,
    the last place.

    Example:
        >>> from raylab.core.axes import axis_of
        >>> places_on(axis_of(range(0, 10**12, 10)), axis_of((30, 5, 30.0))).tolist()
        [3, -1, -1]
    """
    if not isinstance(axis, Stepped):
        there = {key_of(level): at for at, level in enumerate(axis)}
        return np.array([there.get(key_of(level), -1) for level in levels], dtype=np.int64)
    kind: type = type(axis.first)
    found = np.full(levels.size, -1, dtype=np.int64)
    if isinstance(levels, Stepped) and kind is float and type(levels.first) is float:
        every = np.arange(levels.size)
        return _of_floats(axis, levels.computed(every), every, found)
    own: list[tuple[int, Any]] = [(at, level) for at, level in enumerate(levels) if type(level) is kind]
    if kind is int:
        for at, level in own:
            place, beside = divmod(level - axis.first, axis.step)
            found[at] = place if not beside and 0 <= place < axis.size else -1
        return found
    wanted = np.array([level for _, level in own], dtype=np.float64)
    return _of_floats(axis, wanted, np.array([at for at, _ in own], dtype=np.int64), found)


def _of_floats(axis: Stepped, wanted: NDArray[np.float64], rows: Numbers, found: Numbers) -> Numbers:
    for places in near(axis, wanted):
        same = axis.computed(places).view(np.int64) == wanted.view(np.int64)  # so that -0.0 is no 0.0
        found[rows[same]] = places[same]
    return found


def near(axis: Stepped, numbers: NDArray[np.float64]) -> list[Numbers]:
    """For each of some numbers the places on an axis beside which it lies."""
    with np.errstate(invalid="ignore", over="ignore"):
        place = np.nan_to_num(np.rint((numbers - axis.first) / axis.step), nan=0.0)
    return [np.clip(place + beside, 0, axis.size - 1).astype(np.int64) for beside in (-1, 0, 1)]


def used_levels(design: Design, name: str, points: Numbers) -> tuple[Axis, Numbers]:
    """An axis that has the levels of these points of a design, and where on it each of them stands: the design's own,
    but for one that is longer than there are points, as that of a selection may be."""
    axis, places = design.axis(name), design.places(name, points)
    if axis.size <= points.size:
        return axis, places
    used, own = np.unique(places, return_inverse=True)
    return axis_of(tuple(axis.take(used))), own.reshape(-1)


def numbers_in(axes: Mapping[str, Axis], points: Design) -> Numbers:
    """The number that each point of a design has in the grid of these axes; -1 for one that is not there.

    The design is listed; the grid, on no axis of which a level stands twice, is not.

    Example:
        >>> from raylab.core.design import Factorial, Points
        >>> grid = Factorial(n=range(10**9), m=["a", "b"])
        >>> numbers_in(grid.axes, Points([{"m": "b", "n": 5}, {"m": "c", "n": 5}])).tolist()
        [11, -1]
    """
    every = np.arange(points.size)
    found = np.zeros(points.size, dtype=np.int64)
    inside = np.ones(points.size, dtype=np.bool_)
    stride = 1
    for name, axis in reversed(list(axes.items())):
        levels, own = used_levels(points, name, every)
        at = places_on(axis, levels)[own]
        inside &= at >= 0
        found += np.where(inside, at, 0) * stride
        stride *= axis.size
    return np.where(inside, found, -1)
