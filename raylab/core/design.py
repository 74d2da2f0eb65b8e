"""Designs: axes turned into points, which are computed when asked for and never listed.

A design is a value. It does not change, it is written down as JSON (`dumps`) and read back with the same
points of the same types, and two designs are equal when what is written down is equal. A factorial of 10^9
points costs what its axes cost: points are never listed, and a `range` stays a range.

Levels are made plain (`raylab.core.values`) when the design is made, so that an experiment gets the same values
whether its design comes from the caller or from the notebook. What no results file could hold is refused then,
before anything is stored. Types matter: 1, 1.0 and True are three levels. So does the order of a dict's keys,
which an experiment can see.
"""

from __future__ import annotations

import json
import operator
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from raylab.core.values import (
    JSON,
    MISSING,
    Levels,
    Missing,
    copy_of,
    dump_column,
    from_numpy,
    holds,
    key_of,
    load_column,
    plain_integer,
    plain_point,
    plain_text,
    plain_values,
    size_of,
    type_name,
)
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

    __slots__ = ("_columns", "_keys", "_nested", "parameters", "size")
    parameters: tuple[str, ...]
    size: int

    def __init__(self, columns: dict[str, Levels], size: int) -> None:
        if size > MAX_SIZE:
            raise DesignError(f"a design has at most 2**62 points, this one {size:,}; make the axes shorter")
        self._columns = columns
        self._nested = [name for name, levels in columns.items() if holds(levels, list, dict)]
        self._keys: dict[str, frozenset[Hashable]] = {}
        self.parameters = tuple(columns)
        self.size = size

    def levels(self, name: str) -> Sequence[Any]:
        """The levels of a parameter, to pick from by `index`. They are the design's own: change none."""
        try:
            return self._columns[name]
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
    def loads(text: str) -> Design:
        """The design that `dumps` wrote.

        Raises:
            DesignError: the text is no design, or one that only a newer raylab can read.
        """
        try:
            document = json.loads(text)
            return _KINDS[document["kind"]]._from_document(document)
        except DesignError:
            raise
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            kinds = " or ".join(_KINDS)
            message = f"this text is no design: a JSON object of kind {kinds}, as dumps() writes, is expected"
            raise DesignError(f"{message}; got {str(text)[:100]!r} ({error!r})") from error

    def __len__(self) -> int:
        """The number of points; OverflowError beyond `sys.maxsize`. `size` is exact everywhere."""
        return self.size

    def __getitem__(self, i: int) -> Point:
        """The point with this number, from the end if negative. Its lists and dicts are the caller's own."""
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
        for name in self._nested:
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
    def _from_document(cls, document: dict[str, Any]) -> Design: ...

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
        columns = {name: _levels(name, value) for name, value in _named("Factorial", axes, more).items()}
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
        _, stride, length = self._axes[name]
        return self._within(points) // stride % length

    def contains(self, point: Mapping[str, Any]) -> bool:
        values = plain_point(point)
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
    def _from_document(cls, document: dict[str, Any]) -> Design:
        return cls(dict(map(load_column, document["axes"])))


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
            super().__init__(*_from_columns(_named("Points", rows, columns)))
        elif columns:
            raise DesignError(f"Points takes rows or columns; got {type_name(rows)} and {', '.join(columns)}")
        else:
            super().__init__(*_from_rows(rows))

    def index(self, name: str, points: NDArray[np.int64]) -> NDArray[np.int64]:
        self.levels(name)  # says so if there is no such column
        return self._within(points)

    def contains(self, point: Mapping[str, Any]) -> bool:
        values = plain_point(point)
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

    @classmethod
    def _from_document(cls, document: dict[str, Any]) -> Design:
        columns, size = dict(map(load_column, document["columns"])), document["size"]
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
    if isinstance(value, list | tuple) or _frame_rows(value) is not None:
        return Points(value)
    accepted = "a Factorial, a Points, a mapping of axes, a frame, or a list of mappings"
    raise DesignError(f"a design is {accepted}; got {type_name(value)}")


# What the caller gives, as columns of levels


def _named(what: str, given: Mapping[str, Any] | None, more: dict[str, Any]) -> dict[str, Any]:
    """The mapping and the keywords as one, its names checked."""
    if given is not None and not isinstance(given, Mapping):
        raise DesignError(f"{what} takes axes by name, or as a mapping; got {type_name(given)}")
    twice = [name for name in given or () if name in more]
    if twice:
        raise DesignError(f"{what} was given {', '.join(map(repr, twice))} twice, in the mapping and by name")
    return {_name(name): value for name, value in {**(given or {}), **more}.items()}


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise DesignError(f"the name of a parameter is a string; got {name!r} ({type_name(name)})")
    if not name or name.startswith("_"):
        raise DesignError(f"a parameter's name is neither empty nor begins with '_', as ours do; got {name!r}")
    return plain_text(name, "a parameter's name")


def _levels(name: str, given: Any) -> Levels:
    where = f"axis {name!r}"
    if isinstance(given, range):
        levels: Levels = range(*(plain_integer(n, where) for n in (given.start, given.stop, given.step)))
    elif isinstance(given, set | frozenset):
        raise DesignError(f"{where}: a {type_name(given)} has no order; give a list, as sorted(...) makes one")
    elif hasattr(given, "columns"):
        raise DesignError(f"{where}: a frame ({type_name(given)}) is no axis; give one column, or Points(frame)")
    else:
        levels = plain_values([given] if _is_scalar(given) else _listed(given, where), where)
    if not levels:
        raise DesignError(f"{where} has no levels; give at least one, or leave the axis out")
    return levels


def _is_scalar(value: Any) -> bool:
    is_one = isinstance(value, str | bytes | bytearray | Mapping | type) or getattr(value, "ndim", 1) == 0
    return is_one or not hasattr(value, "__iter__")


def _listed(given: Any, where: str) -> Iterable[Any]:
    """The values of a collection; Python's own for those of a Series or an array."""
    if isinstance(given, np.ndarray):
        values: Iterable[Any] = from_numpy(given, where)
        return values
    for method in ("to_pylist", "to_list", "tolist"):  # pyarrow; polars and pandas; other arrays
        if hasattr(given, method):
            return list(getattr(given, method)())
    return list(given)


def _from_columns(given: dict[str, Any]) -> tuple[dict[str, Levels], int]:
    if not given:
        raise DesignError("Points was given no points; give a list of mappings, a frame, or columns by name")
    columns = {name: _levels(name, value) for name, value in given.items()}
    scalars = {name for name, value in given.items() if _is_scalar(value)}
    lengths = {name: size_of(levels) for name, levels in columns.items() if name not in scalars}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise DesignError(f"the columns of Points differ in length: {shown}. Factorial makes combinations")
    size = max(lengths.values(), default=1)
    columns.update({name: tuple(columns[name]) * size for name in scalars})
    return columns, size


def _from_rows(given: Any) -> tuple[dict[str, Levels], int]:
    rows = _frame_rows(given)
    if rows is None and _is_scalar(given):
        raise DesignError(f"Points takes a list of mappings, a frame, or columns by name; got {type_name(given)}")
    rows = list(given) if rows is None else rows
    if not rows:
        raise DesignError("Points was given no rows; give at least one")
    names: dict[Any, None] = {}
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise DesignError(f"row {number} of Points must map names to values; got {type_name(row)}")
        names.update(dict.fromkeys(row))
    columns = {_name(n): plain_values([row.get(n, MISSING) for row in rows], f"column {n!r}") for n in names}
    return columns, len(rows)


def _frame_rows(value: Any) -> list[Any] | None:
    """The rows of a polars frame, pyarrow table or pandas frame (none is imported for this); else None."""
    if hasattr(value, "to_dicts"):
        return list(value.to_dicts())
    if hasattr(value, "to_pylist"):
        return list(value.to_pylist())
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return list(value.to_dict("records"))
    return None


def _plural(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"
