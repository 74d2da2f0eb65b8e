"""Kinds of values: all that raylab knows of each kind of value that a level may be, in one table.

A row says what a value is made of (so that it is written as JSON and read back), what is refused, how a copy is made
and how a person reads it. What is done with a value, whatever its kind, is `raylab.core.values`'s; how rows hold one is
said by `raylab.notebook.arrow_types`, for levels and results alike.

Promises: of the parts of a value the same value of the same type is made again; the full texts of values that differ in
type differ. A new kind is a row of `KINDS`.
"""

from __future__ import annotations

import operator
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from types import NoneType
from typing import Any, Final, SupportsIndex, TypeAlias
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from raylab.core import classes
from raylab.core.classes import StandIn
from raylab.errors import DesignError

MAX_INT_BITS: Final = 13_000
"""Longer integers (3,900 digits) are refused: Python by itself reads and prints no more than 4,300 digits."""

PYTHONS: Final = (np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.bool_))
"""numpy's scalars of these are Python's own."""


class Missing(Enum):
    """The type of `MISSING`."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING
"""Stands in a column of `Points` where a row does not give the parameter."""

Each: TypeAlias = Callable[[Any], Any]
Parts: TypeAlias = list[Any]


def is_whole(value: object) -> bool:
    """An int, or an integer of numpy's; True and False are none."""
    return isinstance(value, SupportsIndex) and not isinstance(value, bool)


def text_of(value: Any) -> str:
    """The text of a value: of a string the string itself, of a collection its items in brackets."""
    kind = kind_of(type(value))
    if kind is None:
        return str(value)
    return kind.text(value) if kind.elsewhere is None else str(kind.parts(value)[-1])


def full_text(value: Any) -> str:
    """A text that tells the type, too."""
    kind = kind_of(type(value))
    return text_of(value) if kind is None or kind.full is None or kind.elsewhere else kind.full(value)


def _item(value: Any) -> str:
    """The text of a part of a value, where strings are quoted."""
    return repr(value) if type(value) is str else text_of(value)


def _with_type(value: Any) -> str:
    return f"{type(value).__name__}({text_of(value)})"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value.

    Attributes:
        of: the very type; of a family of types the base, or the name that `kind_of` knows it by.
        parts: what a value is made of: values again, down to those that JSON has of its own; by default its text.
        make: the value of its parts; by default the type.
        check: refuses a value that cannot be kept exactly; it is given what an error calls the place.
        copy: a value of its own, where a value could be changed or holds others; it is given what copies those.
        text: what a person reads.
        full: the text that tells the type, too, for where two levels would read alike; None where `text` does.
        elsewhere: for a kind whose class must be imported what takes a value's place where it is not, made of the same
            parts, of which the last is then the text.
        is_unordered: whether the parts come in another order in every process.
    """

    of: type | str
    parts: Callable[[Any], Parts] = lambda value: [str(value)]
    make: Callable[..., Any] | None = None
    _: KW_ONLY
    check: Callable[[Any, str], None] | None = None
    copy: Callable[[Any, Each], Any] | None = None
    text: Callable[[Any], str] = str
    full: Callable[[Any], str] | None = _with_type
    elsewhere: Callable[..., StandIn] | None = None
    is_unordered: bool = False

    @property
    def tag(self) -> str:
        """What stands for the kind in JSON."""
        return f"${self.of if isinstance(self.of, str) else self.of.__name__}"


# -- what the rows of the table need


def check_text(value: str, where: str) -> None:
    """Refuse a string that holds half a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DesignError(f"{where}: {value!r} is not valid Unicode ({error.reason}); give bytes") from None


def check_integer(value: int, where: str) -> None:
    """Refuse an integer of more than MAX_INT_BITS bits."""
    if value.bit_length() > MAX_INT_BITS:
        raise DesignError(f"{where}: an integer has at most {MAX_INT_BITS:,} bits; got {value.bit_length():,}")


def _check_missing(value: Missing, where: str) -> None:
    raise DesignError(f"{where}: MISSING is no value; leave the name out of the row")


def _check_zone(value: Any, where: str) -> None:
    """Refuse a zone, or a time of one, that has no name to find the zone by and is no fixed offset."""
    zone = value if isinstance(value, tzinfo) else value.tzinfo
    kind = kind_of(type(zone))
    if kind is None or getattr(zone, "key", "") is None:
        raise DesignError(
            f"{where}: {value!r} has a time zone of type {type_name(zone)}, which cannot be kept exactly; "
            "give a zoneinfo.ZoneInfo with a key, or a datetime.timezone"
        )


def _check_dtype(value: Any, where: str) -> None:
    dtype = value.dtype
    if dtype.kind not in "?biufcSUmMVO" or (dtype.kind == "V" and (dtype.names is None or dtype.hasobject)):
        raise DesignError(f"{where}: numpy's {dtype} cannot be kept exactly; give numbers, strings or times")


def _clock_parts(value: datetime | time) -> Parts:
    """Its ISO text; with a zone, or in the second of two hours of one name, zone and fold beside it."""
    bare = value.replace(tzinfo=None, fold=0).isoformat()
    return [bare] if value.tzinfo is None and not value.fold else [bare, value.tzinfo, value.fold]


def _clock(kind: Any) -> Callable[..., Any]:
    return lambda bare, zone=None, fold=0: kind.fromisoformat(bare).replace(tzinfo=zone, fold=fold)


def _make_zone(key: str) -> tzinfo:
    from zoneinfo import ZoneInfo  # here: few designs have a zone, and each worker would pay for it

    return ZoneInfo(key)


def _copy_tuple(value: tuple[Any, ...], each: Each) -> tuple[Any, ...]:
    items = list(map(each, value))
    return value if all(map(operator.is_, items, value)) else tuple.__new__(type(value), items)


def _dict_parts(value: dict[Any, Any]) -> Parts:
    return [[key, item] for key, item in value.items()]


def _copy_dict(value: dict[Any, Any], each: Each) -> dict[Any, Any]:
    return {each(key): each(item) for key, item in value.items()}


def _copy_array(array: NDArray[Any], each: Each) -> NDArray[Any]:
    made = array.copy(order="K")
    if array.dtype.kind == "O":
        for place in np.ndindex(array.shape):
            made[place] = each(array[place])
    return made


def _array_parts(array: NDArray[Any]) -> Parts:
    order: Any = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    if array.dtype.kind == "O":
        return ["O", list(array.shape), order, array.ravel(order=order).tolist()]
    return [np.lib.format.dtype_to_descr(array.dtype), list(array.shape), order, array.tobytes(order=order)]


def _make_array(descr: Any, shape: list[int], order: Any, data: Any) -> NDArray[Any]:
    if descr != "O":
        return np.ndarray(shape, np.lib.format.descr_to_dtype(descr), bytearray(data), order=order)
    objects = np.empty(len(data), dtype=object)
    for place, item in enumerate(data):
        objects[place] = item
    return objects.reshape(shape, order=order)


def _array_text(array: NDArray[Any]) -> str:
    return _item((array.astype(str) if array.dtype.kind in "mM" else array).tolist())


def _items(values: Any) -> str:
    return ", ".join(map(_item, values))


def _tuple_text(value: tuple[Any, ...]) -> str:
    return f"({_items(value)}{',' * (len(value) == 1)})"


def _dict_text(value: dict[Any, Any]) -> str:
    return f"{{{', '.join(f'{_item(key)}: {_item(item)}' for key, item in value.items())}}}"


def _set_text(value: Any) -> str:
    return f"{{{', '.join(sorted(map(_item, value)))}}}"


def _collection(of: type, text: Callable[[Any], str], *, is_unordered: bool = False) -> Kind:
    def copy(value: Any, each: Each) -> Any:
        return of(map(each, value))

    return Kind(of, list, lambda *items: of(items), copy=copy, text=text, full=None, is_unordered=is_unordered)


# -- the table

KINDS: Final = (
    Kind(NoneType, full=None),
    Kind(bool, full=None),
    Kind(int, check=check_integer, full=None),
    Kind(float, full=None),
    Kind(complex),
    Kind(Decimal),
    Kind(Fraction),
    Kind(str, check=check_text, full=repr),
    Kind(bytes, lambda v: [b64encode(v).decode()], b64decode),
    Kind(bytearray, lambda v: [bytes(v)], copy=lambda v, each: bytearray(v)),
    Kind(range, lambda v: [v.start, v.stop, v.step]),
    Kind(UUID),
    *map(Kind, (PosixPath, WindowsPath, PurePosixPath, PureWindowsPath)),
    Kind(date, make=date.fromisoformat),
    Kind(datetime, _clock_parts, _clock(datetime), check=_check_zone, text=datetime.isoformat),
    Kind(time, _clock_parts, _clock(time), check=_check_zone),
    Kind(timedelta, lambda v: [v.days, v.seconds, v.microseconds]),
    Kind(timezone, lambda v: list(v.__getinitargs__())),
    Kind("zoneinfo.ZoneInfo", lambda v: [v.key], _make_zone, check=_check_zone),
    _collection(list, lambda v: f"[{_items(v)}]"),
    Kind(tuple, list, lambda *items: items, copy=_copy_tuple, text=_tuple_text, full=None),
    Kind(dict, _dict_parts, lambda *items: dict(items), copy=_copy_dict, text=_dict_text, full=None),
    _collection(set, _set_text, is_unordered=True),
    _collection(frozenset, lambda v: f"frozenset({_set_text(v)})", is_unordered=True),
    Kind(
        np.ndarray,
        _array_parts,
        _make_array,
        check=_check_dtype,
        copy=_copy_array,
        text=_array_text,
        full=lambda v: f"array({_array_text(v)}, {v.dtype})",
    ),
    Kind(
        np.generic,
        lambda v: [np.lib.format.dtype_to_descr(v.dtype), v.tobytes()],
        lambda descr, data: np.ndarray((), np.lib.format.descr_to_dtype(descr), data)[()],
        check=_check_dtype,
        copy=lambda v, each: v.item() if v.dtype in PYTHONS else v,
    ),
    Kind(Enum, classes.enum_parts, classes.make_enum, check=classes.check_class, elsewhere=classes.text_elsewhere),
    Kind(
        "namedtuple",
        classes.named_parts,
        classes.make_named,
        check=classes.check_class,
        copy=_copy_tuple,
        elsewhere=classes.text_elsewhere,
    ),
    Kind(
        "pandas.Timestamp",
        classes.pandas_parts,
        classes.make_pandas,
        check=_check_zone,
        elsewhere=classes.pandas_elsewhere,
    ),
    Kind("pandas.Timedelta", classes.pandas_parts, classes.make_pandas, elsewhere=classes.pandas_elsewhere),
    Kind("pandas.NAType", copy=lambda v, each: None),
    Kind("pandas.NaTType", copy=lambda v, each: None),
    Kind(StandIn, lambda v: next(iter(v.written.values())), elsewhere=classes.text_elsewhere),
    Kind(Missing, lambda v: [], lambda: MISSING, check=_check_missing),
)
"""All kinds of values. Zones are among them as parts of times."""

_BY_TYPE: Final[dict[type | str, Kind]] = {kind.of: kind for kind in KINDS}

BY_TAG: Final = {kind.tag: kind for kind in KINDS}


def kind_of(cls: type) -> Kind | None:
    """The kind of this type's values; None where they cannot be kept."""
    known = _BY_TYPE.get(cls)
    if known is not None:
        return known
    for base in (StandIn, np.generic, Enum):
        if issubclass(cls, base):
            return _BY_TYPE[base]
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return _BY_TYPE["namedtuple"]
    return _BY_TYPE.get(f"{cls.__module__.partition('.')[0]}.{cls.__name__}")


def type_name(value: Any) -> str:
    """The name of its type, for error messages."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
