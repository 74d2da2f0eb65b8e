"""Values: what a level of a design may be, in plain types, and how it is written down as JSON.

Promises: a value has one plain form, whoever gives it (numpy values become Python's, tuples lists, aware datetimes
UTC); what is written down is read back with the same type; values of different types have different texts and keys.
Must never guess: what no results file could hold is refused with `DesignError`, which names where it stands.
"""

from __future__ import annotations

import json
import math
import operator
from base64 import b64decode, b64encode
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from raylab.errors import DesignError

MAX_INT_BITS: Final = 13_000
"""Longer integers (3,900 digits) are refused: Python by itself reads and prints no more than 4,300 digits."""

Levels: TypeAlias = tuple[Any, ...] | range


class Missing(Enum):
    """The type of `MISSING`."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING
"""Stands in `Points(...).levels(name)` where a row does not give the parameter."""


def plain_values(given: Iterable[Any], where: str) -> Levels:
    """All of these as plain values; `MISSING` stays. `where` is what an error calls the place."""
    values = tuple(given)
    if set(map(type, values)) <= {*_AS_THEY_ARE, Missing}:
        return values
    return tuple(value if value is MISSING else plain_value(value, where) for value in values)


def plain_value(value: Any, where: str) -> Any:
    """The value as one of the plain types that a design has.

    Raises:
        DesignError: it has no such form; the message begins with `where`.

    Example:
        >>> plain_value((np.int8(1), {"a": np.float32(0.5)}), "axis 'x'")
        [1, {'a': 0.5}]
    """
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    normal = _NORMAL.get(kind) or next((f for base, f in _NORMAL.items() if isinstance(value, base)), None)
    if normal is not None:
        return normal(value, where)
    if kind.__name__ == "NAType":  # pandas.NA
        return None
    raise DesignError(
        f"{where}: a value of type {type_name(value)} cannot be a parameter, as no results file could hold it. "
        "Give a name or a path and build the object inside the experiment"
    )


def plain_text(value: str, where: str) -> str:
    """A string of any derived type as a plain one."""
    text = str.__str__(value)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DesignError(f"{where}: {text!r} is not valid Unicode ({error.reason}); give bytes") from None
    return text


def plain_integer(value: int, where: str) -> int:
    """An integer of any derived type as a plain one."""
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
            raise DesignError(f"{where}: a dict has the key {key!r} ({type_name(key)}); its keys must be strings")
    return {plain_text(key, where): plain_value(item, where) for key, item in value.items()}


def from_numpy(array: NDArray[Any], where: str) -> Any:
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
    np.generic: lambda value, where: plain_value(from_numpy(np.asarray(value), where), where),
    np.ndarray: lambda value, where: plain_value(from_numpy(value, where), where),
    int: plain_integer,
    float: lambda value, where: float.__float__(value),
    str: plain_text,
    bytes: lambda value, where: bytes(memoryview(value)),
    bytearray: lambda value, where: bytes(value),
    list: lambda value, where: [plain_value(item, where) for item in value],
    tuple: lambda value, where: [plain_value(item, where) for item in value],
    Mapping: _mapping,
    datetime: _datetime,  # before date, which it is too
    date: lambda value, where: date(value.year, value.month, value.day),
    time: _time,
    timedelta: _timedelta,
    Decimal: lambda value, where: Decimal(value),
}
"""How a value of each type, or of one derived from it, is brought to the plain type."""


def plain_point(point: Mapping[str, Any]) -> dict[str, Any] | None:
    """The point as a design would hold it; None if none could."""
    try:
        return {name: plain_value(value, name) for name, value in point.items() if value is not MISSING}
    except DesignError:
        return None


def key_of(value: Any) -> Hashable:
    """Equal only for values of the same type that are written alike; cheap for ints, strings and floats."""
    if value is None or type(value) is int or type(value) is str:
        return value
    return (repr(value),) if type(value) is float else (JSON.encode(_encode(value)),)


def copy_of(value: Any) -> Any:
    """A plain value whose lists and dicts are its own."""
    if isinstance(value, dict):
        return {key: copy_of(item) for key, item in value.items()}
    return [copy_of(item) for item in value] if isinstance(value, list) else value


def holds(levels: Levels, *kinds: type) -> bool:
    """Whether a level is of one of these types exactly."""
    return not isinstance(levels, range) and not set(kinds).isdisjoint(map(type, levels))


def size_of(levels: Levels) -> int:
    """As `len`, which has an upper limit for a range."""
    if isinstance(levels, range):
        return (levels[-1] - levels[0]) // levels.step + 1 if levels else 0
    return len(levels)


def type_name(value: Any) -> str:
    """The name of its type, for error messages."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


# JSON

JSON: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
"""Writes designs: strict, and the same text for the same content."""

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


def dump_column(name: str, levels: Levels) -> dict[str, Any]:
    """A parameter and its levels as JSON has them; equal levels are written alike."""
    steps = _as_range(levels)
    if steps is not None:
        return {"name": name, "range": [steps.start, steps.stop, steps.step]}
    plain = set(map(type, levels)) <= {type(None), bool, int, str, float}
    if plain and all(math.isfinite(value) for value in levels if type(value) is float):
        return {"name": name, "levels": list(levels)}
    return {"name": name, "levels": list(map(_encode, levels))}


def _as_range(levels: Levels) -> range | None:
    """Three or more ints in equal steps as a range, however given, so that equal designs are equal text."""
    n = size_of(levels)
    if n < 3 or not (type(levels[0]) is type(levels[1]) is int) or levels[0] == levels[1]:
        return None
    step = levels[1] - levels[0]
    steps = range(levels[0], levels[0] + n * step, step)
    if isinstance(levels, range):
        return steps
    return steps if all(map(operator.eq, levels, steps)) and set(map(type, levels)) == {int} else None


def load_column(column: dict[str, Any]) -> tuple[str, Levels]:
    """The name and the levels that `dump_column` wrote."""
    if "range" in column:
        start, stop, step = column["range"]
        return column["name"], range(start, stop, step)
    levels = column["levels"]
    return column["name"], tuple(map(_decode, levels) if holds(levels, dict, list) else levels)


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
