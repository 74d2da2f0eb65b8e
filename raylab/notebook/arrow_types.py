"""Kinds: Python values as what Arrow takes, and the few Arrow types they may have.

Promises: the types that go out are few: polars, duckdb and pyarrow read them all. Two types unite only where no value
changes (ints that floats hold to floats, lists and structs by element). A local time keeps its zone. What Arrow cannot
hold is `Unfit`, never bent to fit.

Must never turn numbers into strings, or merge times of different zones.
"""

from __future__ import annotations

import datetime as dt
import re
import sys
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from raylab.notebook.arrow_zones import zone_name
from raylab.notebook.exact import ITEMS, Path, inexact

# pyarrow has types of its own only since lately, generic ones that say nothing here.
DataType: TypeAlias = Any
Array: TypeAlias = Any
Field: TypeAlias = Any

# Readers recurse over nested types. What is deeper, or a dict used as a table of keys, is kept pickled.
MAX_DEPTH = 16
MAX_FIELDS = 1_000

INT, UINT, FLOAT, BOOL = pa.int64(), pa.uint64(), pa.float64(), pa.bool_()
STRING, BINARY, NULL = pa.string(), pa.binary(), pa.null()
DATETIME, DATETIME_UTC = pa.timestamp("us"), pa.timestamp("us", tz="UTC")
DATE, TIME, DURATION = pa.date32(), pa.time64("us"), pa.duration("us")
DECIMAL = pa.decimal128(38, 18)

WORDS = {
    FLOAT: "float",
    INT: "int",
    UINT: "uint",
    DECIMAL: "decimal",
    BOOL: "bool",
    STRING: "string",
    DATE: "date",
    DATETIME: "datetime",
    DATETIME_UTC: "datetime_utc",
    TIME: "time",
    DURATION: "duration",
    BINARY: "binary",
    NULL: "null",
}
"""The types that hold no others, in the order in which readers see the kinds of one name."""

SIBLING = re.compile(rf"(?P<name>.+)__(?:{'|'.join(WORDS.values())}|datetime_\w+|list|struct)\d*")
"""How a column is called that holds the values of a name that are of another kind than those of its plain column."""

# What Arrow takes as it is. np.float64 is a float to it; the other numpy scalars go by their `item()`.
PLAIN: dict[type, DataType] = {float: FLOAT, np.float64: FLOAT, int: INT, bool: BOOL, str: STRING}

_NO_PANDAS = object()

Described: TypeAlias = tuple[object, DataType]


class Unfit(Exception):
    """The value has no place in an Arrow column; it will be pickled."""


# -- values: one Python value, as what Arrow takes, and its type


def describe(value: object, depth: int = 0) -> Described:
    """A value as Arrow can take it, and its type. Whatever raises here makes the value a pickled one.

    Raises:
        Unfit: Arrow has no type for it that all readers know.
    """
    if depth > MAX_DEPTH:
        raise Unfit
    if value is None or value is np.ma.masked:
        return None, NULL
    own = type(value)  # what it really is: a mock says that it is what it stands for
    for kind, how in _DESCRIBERS:
        if issubclass(own, kind):
            return how(value, depth)
    if value is getattr(sys.modules.get("pandas"), "NA", _NO_PANDAS):
        return None, NULL
    raise Unfit


def _describe_scalar(value: Any, depth: int) -> Described:
    if value.dtype.names:
        return _describe_dict({name: value[name] for name in value.dtype.names}, depth)
    if value.dtype.kind in "Mm":
        return _describe_moment(value, depth)
    plain = value.item()
    if isinstance(plain, np.generic):  # np.longdouble is its own item
        raise Unfit
    return describe(plain, depth)


def _describe_moment(value: Any, depth: int) -> Described:
    """numpy's datetimes and timedeltas have units of their own, and years that Python has not."""
    if np.isnat(value):
        return None, NULL
    kind, unit = value.dtype.kind, np.datetime_data(value.dtype)[0]
    if unit != "D" or kind == "m":
        # A year as a timedelta has no length, a number without unit neither; numpy would find one.
        if unit == "generic" or (kind == "m" and unit in "YM"):
            raise Unfit
        exact, value = value, value.astype(f"{kind}8[us]")
        if value.astype(exact.dtype) != exact:  # nanoseconds, or beyond 64 bits
            raise Unfit
    plain = value.item()
    if isinstance(plain, int):  # outside Python's years
        raise Unfit
    return describe(plain, depth)


def _describe_int(value: int, depth: int) -> Described:
    value = int.__int__(value)
    if -(2**63) <= value < 2**63:
        return value, INT
    if 0 <= value < 2**64:
        return value, UINT
    raise Unfit


def _describe_str(value: str, depth: int) -> Described:
    value = str.__str__(value)
    value.encode()  # lone surrogates have no UTF-8
    return value, STRING


def _describe_decimal(value: Decimal, depth: int) -> Described:
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):  # nan, infinity
        raise Unfit
    kept = len("".join(map(str, digits)).rstrip("0"))
    if kept and (len(digits) + exponent > 20 or exponent + len(digits) - kept < -18):
        raise Unfit
    return Decimal(value), DECIMAL


# Arrow gets the plain type, never one derived from it, which may say anything of itself.


def _describe_datetime(value: dt.datetime, depth: int) -> Described:
    if value != value:  # pandas.NaT is a datetime
        return None, NULL
    _refuse_nanoseconds(getattr(value, "nanosecond", 0))
    clock = (value.hour, value.minute, value.second, value.microsecond)
    plain = dt.datetime(value.year, value.month, value.day, *clock, tzinfo=value.tzinfo, fold=value.fold)
    if plain.tzinfo is None:
        return plain, DATETIME
    return plain.astimezone(dt.UTC), pa.timestamp("us", tz=zone_name(plain.tzinfo))


def _describe_date(value: dt.date, depth: int) -> Described:
    return dt.date(value.year, value.month, value.day), DATE


def _describe_time(value: dt.time, depth: int) -> Described:
    if value.tzinfo is not None:
        raise Unfit
    return dt.time(value.hour, value.minute, value.second, value.microsecond), TIME


def _describe_timedelta(value: dt.timedelta, depth: int) -> Described:
    _refuse_nanoseconds(getattr(value, "nanoseconds", 0))
    return dt.timedelta(value.days, value.seconds, value.microseconds), DURATION


def _refuse_nanoseconds(nanoseconds: int) -> None:
    if nanoseconds:  # pandas has them, in types derived from Python's
        raise Unfit


def _describe_list(value: Sequence[object], depth: int) -> Described:
    types = set(map(type, value)) - {type(None)}
    if len(types) == 1 and (known := PLAIN.get(next(iter(types)))) is not None:
        if known is not INT:
            return list(value), pa.list_(known)
        numbers = [item for item in value if isinstance(item, int)]
        if min(numbers) >= -(2**63) and max(numbers) < 2**63:
            return list(value), pa.list_(INT)
    items, inner = [], NULL
    exact: frozenset[Path] = frozenset()
    for item in value:
        plain, kind = describe(item, depth + 1)
        exact |= inexact(plain, kind)
        inner = _unified(inner, kind, exact)
        items.append(plain)
    return items, pa.list_(inner)


def _describe_dict(value: dict[object, object], depth: int) -> Described:
    # Arrow has structs without fields, but not every reader has.
    if not 0 < len(value) <= MAX_FIELDS:
        raise Unfit
    plain, fields = {}, []
    for key, item in value.items():
        if not isinstance(key, str) or "\0" in key:
            raise Unfit
        name = str.__str__(key)
        plain[name], kind = describe(item, depth + 1)
        fields.append(pa.field(name, kind))
    if len(plain) < len(fields):  # keys of a type derived from str may be alike and not equal
        raise Unfit
    return plain, pa.struct(fields)


def _describe_array(value: np.ndarray[Any, Any], depth: int) -> Described:
    kind = value.dtype.kind
    if value.ndim + depth > MAX_DEPTH:
        raise Unfit
    if value.ndim == 0:
        whole = value.dtype.names  # a record of a masked array is an array
        return _describe_dict({name: value[name] for name in whole}, depth) if whole else describe(value[()], depth)
    if isinstance(value, np.ma.MaskedArray) or kind not in "biuf" or value.dtype.itemsize > 8:
        return _describe_list(value.tolist() if kind == "O" else list(value), depth)
    inner: DataType = {"b": BOOL, "i": INT, "u": INT, "f": FLOAT}[kind]
    if kind == "u" and value.size and int(value.max()) >= 2**63:
        inner = UINT
    plain = value.astype(inner.to_pandas_dtype())
    for _ in range(value.ndim):
        inner = pa.list_(inner)
    return (plain if value.ndim == 1 else plain.tolist()), inner


def _describe_view(value: memoryview, depth: int) -> Described:
    if value.format == "B" and value.ndim == 1:
        return value.tobytes(), BINARY
    return _describe_array(np.asarray(value), depth)


# In this order: a bool is an int and a datetime a date, to Python; some of numpy's scalars are floats or strings.
_DESCRIBERS: list[tuple[Any, Callable[[Any, int], Described]]] = [
    (np.generic, _describe_scalar),
    (bool, lambda value, depth: (value, BOOL)),
    (int, _describe_int),
    (float, lambda value, depth: (float.__float__(value), FLOAT)),
    (str, _describe_str),
    ((bytes, bytearray), lambda value, depth: (memoryview(value).tobytes(), BINARY)),
    (memoryview, _describe_view),
    (np.ndarray, _describe_array),
    ((list, tuple), _describe_list),
    (dict, _describe_dict),
    (dt.datetime, _describe_datetime),
    (dt.date, _describe_date),
    (dt.time, _describe_time),
    (dt.timedelta, _describe_timedelta),
    (Decimal, _describe_decimal),
]


# -- types


def unify(a: DataType, b: DataType, exact: AbstractSet[Path] = frozenset()) -> DataType | None:
    """The type that holds the values of both, or None if only strings or pickles could.

    Args:
        a, b: two of the few types.
        exact: the places where one of them has ints that no float holds; there they do not widen.

    Example:
        >>> unify(pa.list_(pa.int64()), pa.list_(pa.float64()))
        ListType(list<item: double>)
        >>> unify(pa.int64(), pa.string()) is None
        True
    """
    try:
        return _unified(a, b, exact)
    except Unfit:
        return None


def _unified(a: DataType, b: DataType, exact: AbstractSet[Path] = frozenset(), path: Path = ()) -> DataType:
    if a.equals(b) or pa.types.is_null(b):
        return a
    if pa.types.is_null(a):
        return b
    if {a, b} in ({INT, FLOAT}, {UINT, FLOAT}) and path not in exact:
        return FLOAT
    if pa.types.is_list(a) and pa.types.is_list(b):
        return pa.list_(_unified(a.value_type, b.value_type, exact, (*path, ITEMS)))
    if pa.types.is_struct(a) and pa.types.is_struct(b):
        fields = {field.name: field.type for field in a}
        for field in b:
            here = (*path, field.name)
            fields[field.name] = _unified(fields.get(field.name, NULL), field.type, exact, here)
        if len(fields) <= MAX_FIELDS:
            return pa.struct(fields.items())
    raise Unfit


def differs(a: DataType, b: DataType) -> bool:
    """Whether structs in the same place list other fields, or in another order: then the order of their fields in
    the type that holds both depends on which came first."""
    if pa.types.is_list(a) and pa.types.is_list(b):
        return differs(a.value_type, b.value_type)
    if not (pa.types.is_struct(a) and pa.types.is_struct(b)):
        return False
    if [field.name for field in a] != [field.name for field in b]:
        return True
    return any(differs(one.type, other.type) for one, other in zip(a, b, strict=True))


def fitted(value: Any, kind: DataType) -> Any:
    """A value as Arrow takes it for a wider type: ints made floats; Arrow does it itself, but only up to 2^53."""
    if value is None:
        return None
    if isinstance(value, np.ndarray):
        return value.astype(np.float64) if kind.value_type.equals(FLOAT) else value
    if pa.types.is_list(kind):
        return [fitted(item, kind.value_type) for item in value]
    if pa.types.is_struct(kind):
        return {field.name: fitted(value.get(field.name), field.type) for field in kind}
    return float(value) if kind.equals(FLOAT) else value


def cast(array: Array, kind: DataType) -> Array:
    """An array, chunked or not, in a wider type, as `unify` gives it. (Older pyarrow cannot cast structs.)"""
    if array.type.equals(kind):
        return array
    if isinstance(array, pa.ChunkedArray):
        return pa.chunked_array([cast(chunk, kind) for chunk in array.chunks], kind)
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), kind)
    if pa.types.is_list(kind):
        # Copied, because from_arrays refuses a mask beside sliced offsets.
        offsets = pa.array(array.offsets.to_numpy().copy(), pa.int32())
        return pa.ListArray.from_arrays(offsets, cast(array.values, kind.value_type), type=kind, mask=array.is_null())
    if pa.types.is_struct(kind):
        here = {field.name: index for index, field in enumerate(array.type)}
        children = [
            cast(array.field(here[field.name]), field.type) if field.name in here else pa.nulls(len(array), field.type)
            for field in kind
        ]
        return pa.StructArray.from_arrays(children, fields=list(kind), mask=array.is_null())
    # Unsafe for Arrow, which refuses every int beyond 2^53; those that a float does not hold are never widened.
    return array.cast(kind, safe=False)


def plain(kind: DataType) -> DataType:
    """The one of the few types that holds what this type holds.

    Raises:
        Unfit: there is none.
    """
    t = pa.types
    if t.is_null(kind) or kind in WORDS:
        return kind
    for test, result in _PLAINER:
        if test(kind):
            return result
    if t.is_timestamp(kind):
        return DATETIME if kind.tz is None else pa.timestamp("us", tz=zone_name(kind.tz))
    if t.is_dictionary(kind):
        return plain(kind.value_type)
    if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        return pa.list_(plain(kind.value_type))
    if t.is_struct(kind) and 0 < kind.num_fields <= MAX_FIELDS:
        return pa.struct([(field.name, plain(field.type)) for field in kind])
    raise Unfit


_PLAINER: list[tuple[Any, DataType]] = [
    (pa.types.is_integer, INT),
    (pa.types.is_floating, FLOAT),
    (pa.types.is_large_string, STRING),
    (pa.types.is_string_view, STRING),
    (pa.types.is_large_binary, BINARY),
    (pa.types.is_binary_view, BINARY),
    (pa.types.is_fixed_size_binary, BINARY),
    (pa.types.is_date, DATE),
    (pa.types.is_time, TIME),
    (pa.types.is_duration, DURATION),
]


def word(kind: DataType) -> str:
    """The short word for a type, which names sibling columns."""
    if pa.types.is_list(kind):
        return "list"
    if pa.types.is_timestamp(kind) and kind not in WORDS:
        return f"datetime_{kind.tz}"
    return "struct" if pa.types.is_struct(kind) else WORDS.get(kind, str(kind))
