"""Designs: axes turned into points, which are computed when asked for and never listed.

A design is a value. It does not change, it is written down as JSON (`dumps`) and read back with the same
points of the same types, and two designs are equal when what is written down is equal. A factorial of 10^9
points costs what its axes cost: points are never listed, and a `range` stays a range.

Levels are the very values that were given, of the same type (`raylab.core.values`), whether the design comes from the
caller or from the notebook. What cannot be kept exactly is refused when the design is made, before anything is stored.
Types matter: 1, 1.0 and True are three levels, `(1, 2)` and `[1, 2]` two. So does the order of a dict's keys, which an
experiment can see. Names are NFKC, as Python's identifiers are, also where they are looked up.
"""

from __future__ import annotations

import json
import operator
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from raylab.core.axes import columns_named, levels_of, of_columns, of_rows
from raylab.core.names import read_name
from raylab.core.tabular import is_frame
from raylab.core.values import (
    MISSING,
    Levels,
    Missing,
    copy_of,
    exact,
    holds,
    is_changeable,
    size_of,
    type_name,
    weight_of,
)
from raylab.core.written import JSON, dump_column, key_of, load_column, modules_of
from raylab.errors import DesignError

MAX_SIZE: Final = 2**62
"""Points are int64 on disk and in `index`; a bit is kept for arithmetic on them."""

Point: TypeAlias = dict[str, Any]


class Design(ABC):
    """Parameters, and a value of each at every point.

    Attributes:
        parameters: the names, in the order they first appear.
        size: how many points there are, exactly.
    """

    __slots__ = ("_changeable", "_columns", "_keys", "parameters", "size")
    parameters: tuple[str, ...]
    size: int

    def __init__(self, columns: dict[str, Levels], size: int) -> None:
        if size > MAX_SIZE:
            raise DesignError(f"a design has at most 2**62 points, this one {size:,}; make the axes shorter")
        self._columns = columns
        self._changeable = [name for name, levels in columns.items() if _any_changeable(levels)]
        self._keys: dict[str, frozenset[Hashable]] = {}
        self.parameters = tuple(columns)
        self.size = size

    def levels(self, name: str) -> Levels:
        """The levels of a parameter, to pick from by `index`. They are the design's own: change none."""
        try:
            return self._columns[read_name(name)]
        except KeyError:
            known = ", ".join(self.parameters) or "none"
            raise DesignError(f"this design has no parameter {name!r}; its parameters are: {known}") from None

    @abstractmethod
    def index(self, name: str, points: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which of `levels(name)` each of these points has, as indices."""

    @abstractmethod
    def contains(self, point: Mapping[str, Any]) -> bool:
        """Whether the design has this point, with values of the same types. Lists no factorial."""

    def head(self, n: int = 5) -> list[Point]:
        """The first `n` points."""
        return [self[i] for i in range(min(n, self.size))]

    def dumps(self) -> str:
        """The design as JSON; the same text for every way of writing the same design down."""
        return JSON.encode(self._document())

    @staticmethod
    def loads(text: str, *, imports: bool = False) -> Design:
        """The design that `dumps` wrote.

        Args:
            text: what it wrote.
            imports: import the classes of levels (an Enum's, a named tuple's, pandas'), as workers do. Elsewhere such a
                level is its text; a Timestamp or Timedelta of pandas is a datetime or a timedelta.

        Raises:
            DesignError: the text is no design, or one that only a newer raylab can read; or a class cannot be imported.
        """
        try:
            document = json.loads(text)
            return _KINDS[document["kind"]]._from_document(document, imports)
        except DesignError:
            raise
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            kinds = " or ".join(_KINDS)
            message = f"this text is no design: a JSON object of kind {kinds}, as dumps() writes, is expected"
            raise DesignError(f"{message}; got {str(text)[:100]!r} ({error!r})") from error

    def modules(self) -> set[str]:
        """The modules that a worker imports for the classes of levels."""
        return {module for levels in self._columns.values() for module in modules_of(levels)}

    def weight(self) -> int:
        """About how many bytes the large values among the levels have; quick to tell, unlike the length of `dumps`."""
        return sum(map(weight_of, self._columns.values()))

    @abstractmethod
    def repeated(self) -> list[str]:
        """What stands twice in it, a phrase for each axis or row; its points run twice. Of each, the first is named."""

    def __len__(self) -> int:
        """The number of points; OverflowError beyond `sys.maxsize`. `size` is exact everywhere."""
        return self.size

    def __getitem__(self, i: int) -> Point:
        """The point with this number, from the end if negative. What can be changed in it is the caller's own."""
        try:
            number = operator.index(i)
        except TypeError:
            hint = "give the number of one point, or use head(n) for the first few"
            raise TypeError(f"a design is not indexed by {type_name(i)}; {hint}") from None
        at = number + self.size if number < 0 else number
        if not 0 <= at < self.size:
            raise IndexError(f"point {number} of a design of {self.size:,} points")
        point = self._point(at)
        # An experiment may change what it is given; the next trial must not see that.
        for name in self._changeable:
            if name in point:
                point[name] = copy_of(point[name])
        return point

    def __iter__(self) -> Iterator[Point]:
        return (self[i] for i in range(self.size))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Design):
            return NotImplemented
        return self is other or (self.size == other.size and self.dumps() == other.dumps())

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.parameters, self.size))

    def __repr__(self) -> str:
        words = list(map(self._describe, self.parameters[:6])) + ["..."] * (len(self.parameters) > 6)
        return f"{type(self).__name__}({', '.join(words)}) of {_plural(self.size, 'point')}"

    @abstractmethod
    def _point(self, at: int) -> Point: ...

    @abstractmethod
    def _describe(self, name: str) -> str: ...

    @abstractmethod
    def _document(self) -> dict[str, Any]: ...

    @classmethod
    @abstractmethod
    def _from_document(cls, document: dict[str, Any], imports: bool) -> Design: ...

    def _within(self, points: NDArray[np.int64]) -> NDArray[np.int64]:
        """A copy of `points` as int64, all of them points of this design."""
        inside = np.asarray(points).astype(np.int64, casting="same_kind")
        if inside.size and not (inside.min() >= 0 and inside.max() < self.size):
            raise IndexError(f"points {inside.min()} to {inside.max()} of a design of {self.size:,} points")
        return inside


class Factorial(Design):
    """Every combination of the levels of its axes; the last axis varies fastest, as in `itertools.product`.

    A list, tuple, range, array, Series or any other ordered collection is an axis's levels; a generator is
    listed. A scalar, a string, bytes or a dict is one level. Without any axis there is one point, `{}`.

    Args:
        axes: the axes as a mapping, for names that are not Python identifiers.
        **axes: the axes by name.

    Raises:
        DesignError: an axis without levels, a name or a level that cannot be used, more than 2**62 points.

    Example:
        >>> design = Factorial(p=[0.1, 0.5], L=[64, 128], method="fast")
        >>> design
        Factorial(p=2 levels, L=2 levels, method=1 level) of 4 points
        >>> design[1]
        {'p': 0.1, 'L': 128, 'method': 'fast'}
    """

    __slots__ = ("_axes",)

    def __init__(self, axes: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        columns = {name: levels_of(name, value) for name, value in columns_named("Factorial", axes, more).items()}
        size = 1
        self._axes: dict[str, tuple[Levels, int, int]] = {}  # levels, stride, length
        for name, levels in reversed(columns.items()):
            if holds(levels, Missing):
                raise DesignError(f"axis {name!r} has the level MISSING; only Points can leave values out")
            self._axes[name] = levels, size, size_of(levels)
            size *= size_of(levels)
        self._axes = dict(reversed(self._axes.items()))
        super().__init__(columns, size)

    def index(self, name: str, points: NDArray[np.int64]) -> NDArray[np.int64]:
        self.levels(name)  # says so if there is no such axis
        _, stride, length = self._axes[read_name(name)]
        return self._within(points) // stride % length

    def contains(self, point: Mapping[str, Any]) -> bool:
        values = _exact_point(point)
        return (
            values is not None
            and values.keys() == self._columns.keys()
            and all(self._has(name, value) for name, value in values.items())
        )

    def _has(self, name: str, value: Any) -> bool:
        levels = self._columns[name]
        if isinstance(levels, range):
            return type(value) is int and value in levels
        if name not in self._keys:
            self._keys[name] = frozenset(map(key_of, levels))
        return key_of(value) in self._keys[name]

    def _point(self, at: int) -> Point:
        return {name: levels[at // stride % length] for name, (levels, stride, length) in self._axes.items()}

    def _describe(self, name: str) -> str:
        return f"{name}={_plural(self._axes[name][2], 'level')}"

    def _document(self) -> dict[str, Any]:
        return {"kind": "factorial", "axes": [dump_column(*column) for column in self._columns.items()]}

    @classmethod
    def _from_document(cls, document: dict[str, Any], imports: bool) -> Design:
        return cls(dict(load_column(column, imports=imports) for column in document["axes"]))

    def repeated(self) -> list[str]:
        return [f"{name}={twice!r}" for name, levels in self._columns.items() for twice in _twice(levels)]


class Points(Design):
    """The points of a list. A name that a row lacks is a parameter that is not passed at that point.

    Args:
        rows: a list of mappings; a polars or pandas frame or pyarrow Table; or a mapping of columns, for
            names that are not Python identifiers.
        **columns: the columns by name, all of one length. A scalar beside them holds for every row.

    Raises:
        DesignError: no rows, columns of unequal length, a name or a value that cannot be used.

    Example:
        >>> Points([{"n": 10}, {"n": 20, "warm": True}]).head()
        [{'n': 10}, {'n': 20, 'warm': True}]
        >>> Points(n=range(10, 30, 10), warm=False)[1]
        {'n': 20, 'warm': False}
    """

    __slots__ = ()

    def __init__(self, rows: Any = None, /, **columns: Any) -> None:
        if rows is None or isinstance(rows, Mapping):
            super().__init__(*of_columns(columns_named("Points", rows, columns)))
        elif columns:
            raise DesignError(f"Points takes rows or columns; got {type_name(rows)} and {', '.join(columns)}")
        else:
            super().__init__(*of_rows(rows))

    def index(self, name: str, points: NDArray[np.int64]) -> NDArray[np.int64]:
        self.levels(name)  # says so if there is no such column
        return self._within(points)

    def contains(self, point: Mapping[str, Any]) -> bool:
        values = _exact_point(point)
        if values is None or not values.keys() <= self._columns.keys():
            return False
        if "" not in self._keys:  # no parameter has this name
            keys = [map(key_of, levels) for levels in self._columns.values()]
            self._keys[""] = frozenset(zip(*keys, strict=True)) if keys else frozenset([()])
        return tuple(key_of(values.get(name, MISSING)) for name in self.parameters) in self._keys[""]

    def _point(self, at: int) -> Point:
        cells = ((name, levels[at]) for name, levels in self._columns.items())
        return {name: value for name, value in cells if value is not MISSING}

    def _describe(self, name: str) -> str:
        return name

    def _document(self) -> dict[str, Any]:
        columns = [dump_column(*column) for column in self._columns.items()]
        return {"kind": "points", "size": self.size, "columns": columns}

    def repeated(self) -> list[str]:
        if any(isinstance(levels, range) for levels in self._columns.values()):  # no two of its values are equal
            return []
        rows = tuple(zip(*self._columns.values(), strict=True)) or ((),) * self.size
        cells = [dict(zip(self.parameters, row, strict=True)) for row in _twice(rows)]
        return [", ".join(f"{name}={value!r}" for name, value in row.items()) or "the empty row" for row in cells]

    @classmethod
    def _from_document(cls, document: dict[str, Any], imports: bool) -> Design:
        columns = dict(load_column(column, imports=imports) for column in document["columns"])
        size = document["size"]
        design = cls(columns) if columns else cls([{}] * size)
        if design.size != size:
            raise ValueError(f"{size} points announced, {design.size} there")
        return design


_KINDS: Final[dict[str, type[Design]]] = {"factorial": Factorial, "points": Points}


def as_design(value: Any) -> Design:
    """A design as it is; axes as a factorial; a frame or a list of mappings as points.

    Example:
        >>> as_design({"p": [0.1, 0.2]})
        Factorial(p=2 levels) of 2 points
        >>> as_design([{"p": 0.1}, {"p": 0.2}])
        Points(p) of 2 points
    """
    if isinstance(value, Design):
        return value
    if isinstance(value, Mapping):
        return Factorial(value)
    if isinstance(value, list | tuple) or is_frame(value):
        return Points(value)
    accepted = "a Factorial, a Points, a mapping of axes, a frame, or a list of mappings"
    raise DesignError(f"a design is {accepted}; got {type_name(value)}")


def _any_changeable(levels: Levels) -> bool:
    kinds = set() if isinstance(levels, range) else set(map(type, levels))
    return not kinds <= {type(None), bool, int, float, str} and any(map(is_changeable, levels))


def _exact_point(point: Mapping[str, Any]) -> dict[str, Any] | None:
    """The point as a design would hold it; None if none could."""
    try:
        return {read_name(name): exact(value, name) for name, value in point.items() if value is not MISSING}
    except (DesignError, TypeError):
        return None


def _twice(levels: Levels) -> list[Any]:
    """The first of the values, or rows of values, that stands there a second time."""
    if isinstance(levels, range):
        return []
    try:
        if len(set(levels)) == len(levels):  # Python's equality finds more equal than there are
            return []
    except TypeError:  # a list, an array
        pass
    seen: set[Hashable] = set()
    for level in levels:
        key = tuple(map(key_of, level)) if isinstance(level, tuple) and not hasattr(level, "_fields") else key_of(level)
        if key in seen:
            return [level]
        seen.add(key)
    return []


def _plural(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"
