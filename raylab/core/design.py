"""Designs: axes turned into points, which are computed when asked for and never listed.

A design is a value. It does not change, it is written down as JSON (`dumps`) and read back with the same
points of the same types, and two designs are equal when what is written down is equal. A factorial of 10^9
points costs what its axes cost: points are never listed, and a `range` stays a range.

Levels are made plain when the design is made, so that an experiment gets the same values whether its design
comes from the caller or from the notebook: numpy values become Python's, tuples lists, aware datetimes UTC.
What no results file could hold is refused then, before anything is stored. Types matter: 1, 1.0 and
True are three levels. So does the order of a dict's keys, which an experiment can see.
"""

from __future__ import annotations

import json
import math
import operator
from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from raylab.errors import DesignError

MAX_SIZE: Final = 2**62
"""Points are int64 on disk and in `index`; a bit is kept for arithmetic on them."""

MAX_INT_BITS: Final = 13_000
"""Longer integers (3,900 digits) are refused: Python by itself reads and prints no more than 4,300 digits."""

Point: TypeAlias = dict[str, Any]
Levels: TypeAlias = tuple[Any, ...] | range


class Missing(Enum):
    """The type of `MISSING`."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING
"""Stands in `Points(...).levels(name)` where a row does not give the parameter."""


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
        self._nested = [name for name, levels in columns.items() if _holds(levels, list, dict)]
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
        return _JSON.encode(self._document())

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
            raise TypeError(f"a design is not indexed by {_type(i)}; {hint}") from None
        at = number + self.size if number < 0 else number
        if not 0 <= at < self.size:
            raise IndexError(f"point {number} of a design of {self.size:,} points")
        point = self._point(at)
        # An experiment may change what it is given; the next trial must not see that.
        for name in self._nested:
            if name in point:
                point[name] = _copy(point[name])
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
            if _holds(levels, Missing):
                raise DesignError(f"axis {name!r} has the level MISSING; only Points can leave values out")
            self._axes[name] = levels, size, _length(levels)
            size *= _length(levels)
        self._axes = dict(reversed(self._axes.items()))
        super().__init__(columns, size)

    def index(self, name: str, points: NDArray[np.int64]) -> NDArray[np.int64]:
        self.levels(name)  # says so if there is no such axis
        _, stride, length = self._axes[name]
        return self._within(points) // stride % length

    def contains(self, point: Mapping[str, Any]) -> bool:
        values = _normal_point(point)
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
            self._keys[name] = frozenset(map(_key, levels))
        return _key(value) in self._keys[name]

    def _point(self, at: int) -> Point:
        return {name: levels[at // stride % length] for name, (levels, stride, length) in self._axes.items()}

    def _describe(self, name: str) -> str:
        return f"{name}={_plural(self._axes[name][2], 'level')}"

    def _document(self) -> dict[str, Any]:
        return {"kind": "factorial", "axes": [_dump_column(*column) for column in self._columns.items()]}

    @classmethod
    def _from_document(cls, document: dict[str, Any]) -> Design:
        return cls(dict(map(_load_column, document["axes"])))


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
            raise DesignError(f"Points takes rows or columns; got {_type(rows)} and {', '.join(columns)}")
        else:
            super().__init__(*_from_rows(rows))

    def index(self, name: str, points: NDArray[np.int64]) -> NDArray[np.int64]:
        self.levels(name)  # says so if there is no such column
        return self._within(points)

    def contains(self, point: Mapping[str, Any]) -> bool:
        values = _normal_point(point)
        if values is None or not values.keys() <= self._columns.keys():
            return False
        if "" not in self._keys:  # no parameter has this name
            keys = [map(_key, levels) for levels in self._columns.values()]
            self._keys[""] = frozenset(zip(*keys, strict=True)) if keys else frozenset([()])
        return tuple(_key(values.get(name, MISSING)) for name in self.parameters) in self._keys[""]

    def _point(self, at: int) -> Point:
        cells = ((name, levels[at]) for name, levels in self._columns.items())
        return {name: value for name, value in cells if value is not MISSING}

    def _describe(self, name: str) -> str:
        return name

    def _document(self) -> dict[str, Any]:
        columns = [_dump_column(*column) for column in self._columns.items()]
        return {"kind": "points", "size": self.size, "columns": columns}

    @classmethod
    def _from_document(cls, document: dict[str, Any]) -> Design:
        columns, size = dict(map(_load_column, document["columns"])), document["size"]
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
    raise DesignError(f"a design is {accepted}; got {_type(value)}")


# What the caller gives, as columns of levels


def _named(what: str, given: Mapping[str, Any] | None, more: dict[str, Any]) -> dict[str, Any]:
    """The mapping and the keywords as one, its names checked."""
    if given is not None and not isinstance(given, Mapping):
        raise DesignError(f"{what} takes axes by name, or as a mapping; got {_type(given)}")
    twice = [name for name in given or () if name in more]
    if twice:
        raise DesignError(f"{what} was given {', '.join(map(repr, twice))} twice, in the mapping and by name")
    return {_name(name): value for name, value in {**(given or {}), **more}.items()}


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise DesignError(f"the name of a parameter is a string; got {name!r} ({_type(name)})")
    if not name or name.startswith("_"):
        raise DesignError(f"a parameter's name is neither empty nor begins with '_', as ours do; got {name!r}")
    return _text(name, "a parameter's name")


def _levels(name: str, given: Any) -> Levels:
    where = f"axis {name!r}"
    if isinstance(given, range):
        levels: Levels = range(*(_integer(n, where) for n in (given.start, given.stop, given.step)))
    elif isinstance(given, set | frozenset):
        raise DesignError(f"{where}: a {_type(given)} has no order; give a list, as sorted(...) makes one")
    elif hasattr(given, "columns"):
        raise DesignError(f"{where}: a frame ({_type(given)}) is no axis; give one column, or Points(frame)")
    else:
        levels = _values([given] if _is_scalar(given) else _listed(given, where), where)
    if not levels:
        raise DesignError(f"{where} has no levels; give at least one, or leave the axis out")
    return levels


def _is_scalar(value: Any) -> bool:
    is_one = isinstance(value, str | bytes | bytearray | Mapping | type) or getattr(value, "ndim", 1) == 0
    return is_one or not hasattr(value, "__iter__")


def _listed(given: Any, where: str) -> Iterable[Any]:
    """The values of a collection; Python's own for those of a Series or an array."""
    if isinstance(given, np.ndarray):
        values: Iterable[Any] = _from_numpy(given, where)
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
    lengths = {name: _length(levels) for name, levels in columns.items() if name not in scalars}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise DesignError(f"the columns of Points differ in length: {shown}. Factorial makes combinations")
    size = max(lengths.values(), default=1)
    columns.update({name: tuple(columns[name]) * size for name in scalars})
    return columns, size


def _from_rows(given: Any) -> tuple[dict[str, Levels], int]:
    rows = _frame_rows(given)
    if rows is None and _is_scalar(given):
        raise DesignError(f"Points takes a list of mappings, a frame, or columns by name; got {_type(given)}")
    rows = list(given) if rows is None else rows
    if not rows:
        raise DesignError("Points was given no rows; give at least one")
    names: dict[Any, None] = {}
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise DesignError(f"row {number} of Points must map names to values; got {_type(row)}")
        names.update(dict.fromkeys(row))
    columns = {_name(n): _values([row.get(n, MISSING) for row in rows], f"column {n!r}") for n in names}
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


# Values


def _values(given: Iterable[Any], where: str) -> Levels:
    values = tuple(given)
    if set(map(type, values)) <= {*_AS_THEY_ARE, Missing}:
        return values
    return tuple(value if value is MISSING else _value(value, where) for value in values)


def _value(value: Any, where: str) -> Any:
    """The value as one of the plain types that a design has."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    normal = _NORMAL.get(kind) or next((f for base, f in _NORMAL.items() if isinstance(value, base)), None)
    if normal is not None:
        return normal(value, where)
    if kind.__name__ == "NAType":  # pandas.NA
        return None
    raise DesignError(
        f"{where}: a value of type {_type(value)} cannot be a parameter, as no results file could hold it. "
        "Give a name or a path and build the object inside the experiment"
    )


def _text(value: str, where: str) -> str:
    text = str.__str__(value)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DesignError(f"{where}: {text!r} is not valid Unicode ({error.reason}); give bytes") from None
    return text


def _integer(value: int, where: str) -> int:
    if value.bit_length() > MAX_INT_BITS:
        raise DesignError(f"{where}: an integer has at most {MAX_INT_BITS:,} bits; got {value.bit_length():,}")
    return int.__int__(value)


def _datetime(value: datetime, where: str) -> datetime | None:
    if value != value:  # pandas.NaT is a datetime
        return None
    _refuse_nanoseconds(getattr(value, "nanosecond", 0), value, where)
    clock = (value.hour, value.minute, value.second, value.microsecond)
    plain = datetime(value.year, value.month, value.day, *clock, tzinfo=value.tzinfo, fold=value.fold)
    try:
        moment = plain if plain.tzinfo is None else plain.astimezone(UTC)
    except OverflowError:
        raise DesignError(f"{where}: {plain} is outside the years 1 to 9999 in UTC; give another") from None
    return moment.replace(fold=0)


def _time(value: time, where: str) -> time:
    if value.tzinfo is not None:
        raise DesignError(f"{where}: the time {value} has a time zone; give it without one, or a datetime")
    return time(value.hour, value.minute, value.second, value.microsecond)


def _timedelta(value: timedelta, where: str) -> timedelta:
    _refuse_nanoseconds(getattr(value, "nanoseconds", 0), value, where)
    return timedelta(value.days, value.seconds, value.microseconds)


def _refuse_nanoseconds(nanoseconds: int, value: Any, where: str) -> None:
    if nanoseconds:
        raise DesignError(f"{where}: {value} is finer than a microsecond; round it, or give a number")


def _mapping(value: Mapping[Any, Any], where: str) -> dict[str, Any]:
    for key in value:
        if not isinstance(key, str):
            raise DesignError(f"{where}: a dict has the key {key!r} ({_type(key)}); its keys must be strings")
    return {_text(key, where): _value(item, where) for key, item in value.items()}


def _from_numpy(array: NDArray[Any], where: str) -> Any:
    """Nested lists of Python values; of an array without dimensions, the value."""
    kind = array.dtype.kind
    if kind not in "?biufOSUmM" or (kind == "f" and array.dtype.itemsize > 8):
        raise DesignError(f"{where}: numpy's {array.dtype} cannot be a parameter; give numbers or strings")
    if kind not in "mM":
        return array.tolist()
    if np.datetime_data(array.dtype)[0] in ("ns", "ps", "fs", "as"):
        coarse = array.astype(f"{kind}8[us]")
        for value in array[(coarse != array) & ~np.isnat(array)].flat:
            _refuse_nanoseconds(1, value, where)
        array = coarse
    if not {int, float}.isdisjoint(map(type, array.ravel().tolist())):
        raise DesignError(f"{where}: Python has no time for a {array.dtype} in it; give numbers or strings")
    return array.tolist()


_AS_THEY_ARE: Final = frozenset({type(None), bool, float})

_NORMAL: Final[dict[type, Callable[[Any, str], Any]]] = {
    # First, as some are subclasses of str, bytes and float.
    np.generic: lambda value, where: _value(_from_numpy(np.asarray(value), where), where),
    np.ndarray: lambda value, where: _value(_from_numpy(value, where), where),
    int: _integer,
    float: lambda value, where: float.__float__(value),
    str: _text,
    bytes: lambda value, where: bytes(memoryview(value)),
    bytearray: lambda value, where: bytes(value),
    list: lambda value, where: [_value(item, where) for item in value],
    tuple: lambda value, where: [_value(item, where) for item in value],
    Mapping: _mapping,
    datetime: _datetime,  # before date, which it is too
    date: lambda value, where: date(value.year, value.month, value.day),
    time: _time,
    timedelta: _timedelta,
    Decimal: lambda value, where: Decimal(value),
}
"""How a value of each type, or of one derived from it, is brought to the plain type."""


def _normal_point(point: Mapping[str, Any]) -> Point | None:
    """The point as a design would hold it; None if none could."""
    try:
        return {name: _value(value, name) for name, value in point.items() if value is not MISSING}
    except DesignError:
        return None


def _key(value: Any) -> Hashable:
    """Equal only for values of the same type that are written alike; cheap for ints, strings and floats."""
    if value is None or type(value) is int or type(value) is str:
        return value
    return (repr(value),) if type(value) is float else (_JSON.encode(_encode(value)),)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _holds(levels: Levels, *kinds: type) -> bool:
    return not isinstance(levels, range) and not set(kinds).isdisjoint(map(type, levels))


def _length(levels: Levels) -> int:
    """As `len`, which has an upper limit for a range."""
    if isinstance(levels, range):
        return (levels[-1] - levels[0]) // levels.step + 1 if levels else 0
    return len(levels)


def _type(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _plural(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


# JSON

_JSON: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

_TAGS: Final[dict[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]]] = {
    "$float": (float, repr, float),  # only what JSON has no number for
    "$datetime": (datetime, datetime.isoformat, datetime.fromisoformat),
    "$date": (date, date.isoformat, date.fromisoformat),
    "$time": (time, time.isoformat, time.fromisoformat),
    "$timedelta": (timedelta, lambda v: [v.days, v.seconds, v.microseconds], lambda v: timedelta(*v)),
    "$decimal": (Decimal, str, Decimal),
    "$bytes": (bytes, lambda v: b64encode(v).decode(), lambda v: b64decode(v, validate=True)),
    "$missing": (Missing, lambda v: True, lambda v: MISSING),
    "$dict": (
        dict,
        lambda v: [[k, _encode(i)] for k, i in v.items()],
        lambda v: {k: _decode(i) for k, i in v},
    ),
}
"""Tag of a JSON object, the type it stands for, how that is written and read."""

_TAG_OF: Final = {kind: tag for tag, (kind, _, _) in _TAGS.items()}


def _dump_column(name: str, levels: Levels) -> dict[str, Any]:
    steps = _as_range(levels)
    if steps is not None:
        return {"name": name, "range": [steps.start, steps.stop, steps.step]}
    plain = set(map(type, levels)) <= {type(None), bool, int, str, float}
    if plain and all(math.isfinite(value) for value in levels if type(value) is float):
        return {"name": name, "levels": list(levels)}
    return {"name": name, "levels": list(map(_encode, levels))}


def _as_range(levels: Levels) -> range | None:
    """Three or more ints in equal steps as a range, however given, so that equal designs are equal text."""
    n = _length(levels)
    if n < 3 or not (type(levels[0]) is type(levels[1]) is int) or levels[0] == levels[1]:
        return None
    step = levels[1] - levels[0]
    steps = range(levels[0], levels[0] + n * step, step)
    if isinstance(levels, range):
        return steps
    return steps if all(map(operator.eq, levels, steps)) and set(map(type, levels)) == {int} else None


def _load_column(column: dict[str, Any]) -> tuple[str, Levels]:
    if "range" in column:
        start, stop, step = column["range"]
        return column["name"], range(start, stop, step)
    levels = column["levels"]
    return column["name"], tuple(map(_decode, levels) if _holds(levels, dict, list) else levels)


def _encode(value: Any) -> Any:
    kind = type(value)
    if kind is list:
        return [_encode(item) for item in value]
    if kind is dict and not any(key.startswith("$") for key in value):
        return {key: _encode(item) for key, item in value.items()}
    if kind not in _TAG_OF or (kind is float and math.isfinite(value)):
        return value
    tag = _TAG_OF[kind]
    return {tag: _TAGS[tag][1](value)}


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    for tag in value:
        if tag.startswith("$"):
            if tag not in _TAGS:
                raise DesignError(f"the value {tag!r} in a design is of an unknown type; update raylab")
            return _TAGS[tag][2](value[tag])
    return {key: _decode(item) for key, item in value.items()}
