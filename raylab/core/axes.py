"""Axes: the levels of a parameter in their order, each found by its place.

An axis is listed, or its levels are computed from their place: those in equal steps are, however they were given, so
that equal axes are written alike and 10^9 levels cost bytes. Designs, rows and workers ask an axis for what they need
and never what it is. Levels are equal when their types are, too (`raylab.core.values.key_of`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Sequence
from itertools import accumulate, chain
from types import NoneType
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from raylab.core.values import decode, encode, key_of

__all__ = [
    "Axis",
    "Chained",
    "Listed",
    "Stepped",
    "axis_of",
    "distinct",
    "is_listed",
    "links",
    "picked",
    "read_axis",
    "repeated",
]

Places: TypeAlias = NDArray[np.int64]

_NUMBERS: Final = frozenset({NoneType, bool, int, float})


class Axis(ABC):
    """Levels in their order. They are the axis's own: change none.

    Attributes:
        size: how many levels there are, exactly.
        is_computed: whether levels are computed from their places, numbers of one type; all of them distinct, unless
            they are drawn (`core/drawn.py`), as on no axis of a factorial or a list.
        of: that type, int or float.
        others: the levels that are no numbers, of which there is more to tell.
    """

    size: int
    is_computed = True
    of: type = float
    others: tuple[Any, ...] = ()

    @abstractmethod
    def __getitem__(self, at: int) -> Any:
        """The level at this place, from the end if negative; IndexError beyond, so that a loop ends."""

    def __iter__(self) -> Iterator[Any]:
        return map(self.__getitem__, range(self.size))

    def take(self, places: Places) -> list[Any]:
        """The levels at these places."""
        return self.computed(places).tolist()  # type: ignore[no-any-return]

    def computed(self, places: Places) -> NDArray[Any]:
        """The levels at these places as an array, where levels are computed."""
        raise NotImplementedError(f"the levels of a {type(self).__name__} axis are not computed")

    @property
    def number(self) -> type | None:
        """int or float where all levels are such numbers, of which `computed` makes an array; else None."""
        return self.of if self.is_computed else None

    @abstractmethod
    def written(self) -> dict[str, Any]:
        """The axis as JSON has it; `read_axis` reads it."""


class Stepped(Axis):
    """Levels in equal steps, computed: ints, or floats as `numpy.linspace` gives them.

    Args:
        first: the first level.
        last: the last one, another than the first, of the same type.
        size: how many there are, at least 2.
    """

    def __init__(self, first: float, last: float, size: int) -> None:
        self.first, self.last, self.size, self.of = first, last, size, type(first)
        self.step: Any = (last - first) // (size - 1) if self.of is int else (last - first) / (size - 1)
        self._is_small = self.of is float or all(-(2**63) <= n < 2**63 for n in (first, last, self.step))

    def __getitem__(self, at: int) -> Any:
        if not 0 <= at < self.size:
            at = range(self.size)[at]
        return self.last if at == self.size - 1 else self.first + self.step * at

    def computed(self, places: Places) -> NDArray[Any]:
        """Of ints beyond 64 bits an array of objects."""
        levels = self.first + self.step * (places if self._is_small else places.astype(object))
        if self.of is float:
            levels[places == self.size - 1] = self.last
        return levels  # type: ignore[no-any-return]

    def written(self) -> dict[str, Any]:
        if self.of is float:
            return {"linspace": [self.first, self.last, self.size]}
        return {"range": [self.first, self.last + self.step, self.step]}


class Listed(Axis):
    """Levels that stand in a list, as `exact_levels` gives them."""

    is_computed = False

    def __init__(self, levels: tuple[Any, ...]) -> None:
        self._levels, self.size = levels, len(levels)
        if not _NUMBERS.issuperset(map(type, levels)):
            self.others = tuple(level for level in levels if type(level) not in _NUMBERS)

    def __getitem__(self, at: int) -> Any:
        return self._levels[at]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._levels)

    def take(self, places: Places) -> list[Any]:
        return list(map(self._levels.__getitem__, places.tolist()))

    def computed(self, places: Places) -> NDArray[Any]:
        if self.number is None:
            return super().computed(places)
        levels: NDArray[Any] = np.array(self._levels, np.int64 if self.number is int else np.float64)
        return levels[places]

    @property
    def number(self) -> type | None:
        kinds = set(map(type, self._levels))
        kind = kinds.pop() if len(kinds) == 1 else None
        if kind is int:
            return int if min(self._levels) >= -(2**63) and max(self._levels) < 2**63 else None
        return float if kind is float else None

    def written(self) -> dict[str, Any]:
        is_plain = {str}.issuperset(map(type, self.others))
        if is_plain and all(math.isfinite(level) for level in self._levels if type(level) is float):
            return {"levels": list(self._levels)}
        return {"levels": list(map(encode, self._levels))}


class Chained(Axis):
    """The levels of several axes, one axis after the other; a level may stand there more than once."""

    def __init__(self, axes: Sequence[Axis]) -> None:
        self.axes = tuple(axes)
        self._starts = np.array([0, *accumulate(axis.size for axis in axes)])
        self.size = int(self._starts[-1])
        kinds = {axis.number for axis in axes}
        self.is_computed = len(kinds) == 1 and None not in kinds and any(axis.is_computed for axis in axes)
        self.of = axes[0].of
        self.others = tuple(chain.from_iterable(axis.others for axis in axes))

    def __getitem__(self, at: int) -> Any:
        if not 0 <= at < self.size:
            at = range(self.size)[at]
        number = int(np.searchsorted(self._starts, at, side="right")) - 1
        return self.axes[number][at - int(self._starts[number])]

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self.axes)

    def take(self, places: Places) -> list[Any]:
        levels: list[Any] = [None] * len(places)
        for at, axis, own in self._by_axis(places):
            for place, level in zip(at.tolist(), axis.take(own), strict=True):
                levels[place] = level
        return levels

    def computed(self, places: Places) -> NDArray[Any]:
        if not self.is_computed:
            return super().computed(places)
        levels = np.empty(len(places), np.result_type(*(axis.computed(places[:0]) for axis in self.axes)))
        for at, axis, own in self._by_axis(places):
            levels[at] = axis.computed(own)
        return levels

    def _by_axis(self, places: Places) -> Iterator[tuple[Places, Axis, Places]]:
        """Which of these places are on which axis, and where there."""
        number = np.searchsorted(self._starts, places, side="right") - 1
        for each in np.unique(number).tolist():
            at = np.flatnonzero(number == each)
            yield at, self.axes[each], places[at] - self._starts[each]

    def written(self) -> dict[str, Any]:
        return {"axes": [axis.written() for axis in self.axes]}


def links(axis: Axis) -> Iterator[Axis]:
    """The axes that an axis was axes from; itself, if it was not."""
    if isinstance(axis, Chained):
        for each in axis.axes:
            yield from links(each)
    else:
        yield axis


def picked(axis: Axis, runs: Sequence[tuple[int, int]]) -> Axis:
    """The levels at some places of an axis, given as runs; those of a range that stand together stay one."""
    if list(runs) == [(0, axis.size)]:
        return axis
    if isinstance(axis, Stepped) and not is_listed(axis, runs):
        start, stop = runs[0]
        return axis_of(range(axis[start], axis[stop - 1] + axis.step, axis.step))
    return axis_of(tuple(chain.from_iterable(axis.take(np.arange(start, stop)) for start, stop in runs)))


def distinct(axis: Axis) -> Axis:
    """The axis with each level once, where it stands first."""
    if axis.is_computed or repeated(list(axis)) is None:
        return axis
    first: dict[Hashable, Any] = {}
    for level in axis:
        first.setdefault(key_of(level), level)
    return axis_of(tuple(first.values()))


def is_listed(axis: Axis, runs: Sequence[tuple[int, int]]) -> bool:
    """Whether the levels at some places of an axis have to be listed: all but those of a range that stand together, and
    a whole axis that is computed."""
    is_whole = list(runs) == [(0, axis.size)]
    is_range = isinstance(axis, Stepped) and axis.of is int and len(runs) == 1
    return not (axis.is_computed and is_whole) and not is_range


def axis_of(levels: tuple[Any, ...] | range) -> Axis:
    """The axis of these levels: from three on in equal steps they are computed."""
    if isinstance(levels, range) and levels and (levels[-1] - levels[0]) // levels.step > 1:
        return Stepped(levels[0], levels[-1], (levels[-1] - levels[0]) // levels.step + 1)
    levels = tuple(levels)
    kind = type(levels[0]) if len(levels) > 2 else None
    if kind not in (int, float) or type(levels[-1]) is not kind or levels[0] == levels[-1]:
        return Listed(levels)
    steps = Stepped(levels[0], levels[-1], len(levels))
    if steps[1] != levels[1] or steps.step in (math.inf, -math.inf) or set(map(type, levels)) != {kind}:
        return Listed(levels)  # nearly all that are not in equal steps: quick to tell
    computed = steps.computed(np.arange(steps.size))
    if kind is int:
        return steps if computed.tolist() == list(levels) else Listed(levels)
    is_same = computed.tobytes() == np.array(levels).tobytes()  # so that -0.0 is no 0.0
    is_rising = np.sign(np.diff(computed)) == np.sign(steps.step)  # steps too small for a float repeat a level
    return steps if is_same and is_rising.all() else Listed(levels)


def read_axis(written: dict[str, Any], *, imports: bool = False) -> Axis:
    """The axis that `Axis.written` gave.

    Args:
        written: what it gave.
        imports: whether the classes of levels are imported, as only workers do.
    """
    if "range" in written:
        start, stop, step = written["range"]
        return axis_of(range(start, stop, step))
    if "linspace" in written:
        return Stepped(*written["linspace"])
    levels = written["levels"]
    plain = {dict, list}.isdisjoint(map(type, levels))
    return Listed(tuple(levels) if plain else tuple(decode(level, imports) for level in levels))


def repeated(values: list[Any]) -> int | None:
    """The first place of a value, or of a row of values, that stood there before."""
    try:
        # Python's equality finds more equal than there are; but of NaN, which for a key equals NaN, none.
        if len(set(values)) == len(values) and not any(map(_holds_nan, values)):
            return None
    except TypeError:  # a list, an array
        pass
    seen: set[Hashable] = set()
    for at, value in enumerate(values):
        if (key := key_of(value)) in seen:
            return at
        seen.add(key)
    return None


def _holds_nan(value: Any) -> bool:
    kind = type(value)
    if kind is int or kind is str:
        return False
    if isinstance(value, tuple | frozenset):
        return any(map(_holds_nan, value))
    return isinstance(value, float | complex | np.generic) and bool(value != value)
