"""Values: what a level of a design may be, and the design's own copy of one.

Promises: an experiment gets the very value that was given, of the same type; what cannot be kept exactly is refused
with `DesignError`, which names where it stands. Three of numpy's scalars are Python's: float64, int64 and bool.
How a value is written down is `raylab.core.written`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any, Final, TypeAlias
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from raylab.core.classes import CLASSES, named_class, pandas_word
from raylab.core.zones import can_be_kept
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

PATHS: Final = (PosixPath, WindowsPath, PurePosixPath, PureWindowsPath)

_AS_THEY_ARE: Final[frozenset[type]] = frozenset(
    {type(None), bool, float, complex, bytes, range, Decimal, Fraction, date, timedelta, UUID, *PATHS, *CLASSES}
)
"""Types whose values cannot be changed, and that need no check."""


def exact_levels(given: Iterable[Any], where: str) -> Levels:
    """All of these as a design keeps them; `MISSING` stays. `where` is what an error calls the place."""
    values = tuple(given)
    if set(map(type, values)) <= {*_AS_THEY_ARE, Missing}:
        return values
    try:
        return tuple(value if value is MISSING else exact(value, where) for value in values)
    except RecursionError:
        raise DesignError(f"{where}: a value contains itself, or is too deep to be written down") from None


def exact(value: Any, where: str) -> Any:
    """The value as a design keeps it: the very one, or a copy of one that could be changed.

    Raises:
        DesignError: it cannot be kept exactly; the message begins with `where`.

    Example:
        >>> exact((1, [np.float64(0.5), np.int8(2)]), "axis 'x'")
        (1, [0.5, np.int8(2)])
    """
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    check = _CHECKS.get(kind)
    if check is not None:
        return check(value, where)
    if isinstance(value, np.generic):
        return _scalar(value, where)
    if value is MISSING:
        raise DesignError(f"{where}: MISSING is no value; leave the name out of the row")
    if isinstance(value, Enum) or (isinstance(value, tuple) and hasattr(kind, "_fields")):
        named_class(kind, where)  # refuses what a worker could not import
        return value if isinstance(value, Enum) else tuple.__new__(kind, [exact(item, where) for item in value])
    if kind.__name__ in ("NAType", "NaTType"):  # what pandas calls missing
        return None
    if pandas_word(value) is not None:
        return value
    raise DesignError(f"{where}: a value of type {type_name(value)} cannot be kept exactly. {_advice(value)}")


def _advice(value: Any) -> str:
    for base in (str, int, float, bytes, dict, list, tuple, datetime):
        if isinstance(value, base):
            return f"Give it as a plain {base.__name__}, or build it inside the experiment"
    if isinstance(value, np.ndarray):
        return "Give it as a plain numpy.ndarray, or build it inside the experiment"
    return "Give a name or a path and build the object inside the experiment, or capture it in the experiment"


def plain_text(value: str, where: str) -> str:
    """A string that can be written down.

    Raises:
        DesignError: it holds half a surrogate pair.
    """
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DesignError(f"{where}: {value!r} is not valid Unicode ({error.reason}); give bytes") from None
    return value


def plain_integer(value: int, where: str) -> int:
    """An integer that can be written down.

    Raises:
        DesignError: it has more than MAX_INT_BITS bits.
    """
    if value.bit_length() > MAX_INT_BITS:
        raise DesignError(f"{where}: an integer has at most {MAX_INT_BITS:,} bits; got {value.bit_length():,}")
    return value


def _zoned(value: Any, where: str) -> Any:
    """A datetime or a time whose zone can be written down."""
    if can_be_kept(value.tzinfo):
        return value
    raise DesignError(
        f"{where}: {value!r} has a time zone of type {type_name(value.tzinfo)}, which cannot be kept exactly; "
        "give a zoneinfo.ZoneInfo with a key, or a datetime.timezone"
    )


def _mapping(value: dict[Any, Any], where: str) -> dict[Any, Any]:
    return {exact(key, where): exact(item, where) for key, item in value.items()}


def _scalar(value: np.generic, where: str) -> Any:
    _check_dtype(value.dtype, where)
    return value.item() if value.dtype in PYTHONS else value


def _array(value: NDArray[Any], where: str) -> NDArray[Any]:
    _check_dtype(value.dtype, where)
    made = value.copy(order="K")
    if value.dtype.kind == "O":
        made = np.empty_like(value, subok=False)
        for place in np.ndindex(value.shape):
            made[place] = exact(value[place], where)
    return made


def _check_dtype(dtype: np.dtype[Any], where: str) -> None:
    if dtype.kind not in "?biufcSUmMVO" or (dtype.kind == "V" and (dtype.names is None or dtype.hasobject)):
        raise DesignError(f"{where}: numpy's {dtype} cannot be kept exactly; give numbers, strings or times")


PYTHONS: Final = (np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.bool_))
"""numpy's scalars of these are Python's own."""

_CHECKS: Final[dict[type, Callable[[Any, str], Any]]] = {
    int: plain_integer,
    str: plain_text,
    bytearray: lambda value, where: bytearray(value),
    list: lambda value, where: [exact(item, where) for item in value],
    tuple: lambda value, where: tuple(exact(item, where) for item in value),
    set: lambda value, where: {exact(item, where) for item in value},
    frozenset: lambda value, where: frozenset(exact(item, where) for item in value),
    dict: _mapping,
    datetime: _zoned,
    time: _zoned,
    np.ndarray: _array,
}


def copy_of(value: Any) -> Any:
    """A value whose changeable parts are its own."""
    kind = type(value)
    if kind is np.ndarray:
        return value.copy(order="K") if value.dtype.kind != "O" else _array(value, "a copy")
    if kind is dict:
        return {key: copy_of(item) for key, item in value.items()}
    if kind is list:
        return [copy_of(item) for item in value]
    if isinstance(value, tuple):
        return tuple.__new__(kind, map(copy_of, value))
    return value.copy() if kind in (set, bytearray) else value


def is_changeable(value: Any) -> bool:
    """Whether an experiment could change the value in place."""
    if isinstance(value, tuple):
        return any(map(is_changeable, value))
    return type(value) in (list, dict, set, bytearray, np.ndarray)


def holds(levels: Levels, *kinds: type) -> bool:
    """Whether a level is of one of these types exactly."""
    return not isinstance(levels, range) and not set(kinds).isdisjoint(map(type, levels))


def size_of(levels: Levels) -> int:
    """As `len`, which has an upper limit for a range."""
    if isinstance(levels, range):
        return (levels[-1] - levels[0]) // levels.step + 1 if levels else 0
    return len(levels)


def weight_of(levels: Levels) -> int:
    """About how many bytes the large ones among the levels have: texts, bytes and arrays, at any depth."""
    if isinstance(levels, range) or set(map(type, levels)) <= {type(None), bool, int, float}:
        return 0
    return sum(map(_weight, levels))


def _weight(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return int(value.nbytes)
    if isinstance(value, str | bytes | bytearray):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_weight, value.values()))
    return sum(map(_weight, value)) if isinstance(value, list | tuple | set | frozenset) else 8


def type_name(value: Any) -> str:
    """The name of its type, for error messages."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
