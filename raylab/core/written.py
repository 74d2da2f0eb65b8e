"""Levels as JSON: how each type of value is written down and read back.

Promises: what is written is read back as the same value of the same type; values that differ in type have different
texts and keys; equal designs are equal text. Strict JSON. A new type of value is a row of `_FORMS`, and its check in
`raylab.core.values`.
"""

from __future__ import annotations

import json
import math
import operator
from base64 import b64decode, b64encode
from collections.abc import Callable, Hashable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from raylab.core.classes import (
    CLASSES,
    import_class,
    named_class,
    pandas_word,
    read_enum,
    read_pandas,
    stand_in,
    text_of_class,
    written_enum,
    written_pandas,
)
from raylab.core.values import MISSING, PATHS, Levels, Missing, size_of
from raylab.core.zones import read_zone, write_zone
from raylab.errors import DesignError

JSON: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
"""Writes designs: strict, and the same text for the same content."""


def dump_column(name: str, levels: Levels) -> dict[str, Any]:
    """A parameter and its levels as JSON has them; equal levels are written alike."""
    steps = _as_range(levels)
    if steps is not None:
        return {"name": name, "range": [steps.start, steps.stop, steps.step]}
    plain = set(map(type, levels)) <= {type(None), bool, int, str, float}
    if plain and all(math.isfinite(value) for value in levels if type(value) is float):
        return {"name": name, "levels": list(levels)}
    return {"name": name, "levels": list(map(encode, levels))}


def load_column(column: dict[str, Any], *, imports: bool = False) -> tuple[str, Levels]:
    """The name and the levels that `dump_column` wrote.

    Args:
        column: what it wrote.
        imports: whether the classes of levels are imported, as only workers do.
    """
    if "range" in column:
        start, stop, step = column["range"]
        return column["name"], range(start, stop, step)
    levels = column["levels"]
    if {dict, list}.isdisjoint(map(type, levels)):
        return column["name"], tuple(levels)
    return column["name"], tuple(decode(level, imports) for level in levels)


def key_of(value: Any) -> Hashable:
    """Equal only for values of the same type that are written alike; cheap for ints, strings and floats."""
    if value is None or type(value) is int or type(value) is str:
        return value
    return (repr(value),) if type(value) is float else (JSON.encode(encode(value)),)


def modules_of(levels: Levels) -> set[str]:
    """The modules that a worker imports for these levels."""
    if isinstance(levels, range) or set(map(type, levels)) <= {type(None), bool, int, str, float}:
        return set()
    return {module for level in levels for module in _modules(encode(level))}


def _modules(written: Any) -> set[str]:
    if isinstance(written, dict):
        if isinstance(named := written.get("$enum", written.get("$named")), list):
            return {named[0], *_modules(named[2:])}
        written = list(written.values())
    return {module for item in written for module in _modules(item)} if isinstance(written, list) else set()


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


# one value


def encode(value: Any) -> Any:
    """A value as JSON has it: as it is where JSON knows the type, else an object with one key, the type's tag."""
    kind = type(value)
    if kind is list:
        return [encode(item) for item in value]
    if kind is dict and all(type(key) is str and not key.startswith("$") for key in value):
        return {key: encode(item) for key, item in value.items()}
    if kind in _JSON_KNOWS or (kind is float and math.isfinite(value)):
        return value
    tag = _TAG_OF.get(np.generic if isinstance(value, np.generic) else kind)
    if tag is not None:
        return {tag: _FORMS[tag][1](value)}
    tag, *rest = value.written if kind in CLASSES else _of_class(value)
    return {tag: rest}


def decode(value: Any, imports: bool = False) -> Any:
    """The value that `encode` wrote."""
    if isinstance(value, list):
        return [decode(item, imports) for item in value]
    if not isinstance(value, dict):
        return value
    tag = next(iter(value), "")
    if not tag.startswith("$"):
        return {key: decode(item, imports) for key, item in value.items()}
    inner = value[tag]
    if tag in _IMPORTED:
        return _IMPORTED[tag](*inner) if imports else stand_in([tag, *inner])
    if tag in _FORMS:
        return _FORMS[tag][2](inner, imports)
    raise DesignError(f"the value {tag!r} in a design is of an unknown type; update raylab")


def _of_class(value: Any) -> list[Any]:
    """A value whose class must be imported."""
    if isinstance(value, Enum):
        return written_enum(value)
    word = pandas_word(value)
    if word is not None:
        return written_pandas(value, word)
    return ["$named", *named_class(type(value), "a level"), list(map(encode, value)), text_of_class(value)]


def _read_named(module: str, name: str, items: list[Any], text: str) -> Any:
    return tuple.__new__(import_class(module, name), [decode(item, imports=True) for item in items])


def _bytes(value: bytes) -> str:
    return b64encode(value).decode()


def _unbytes(text: str) -> bytes:
    return b64decode(text, validate=True)


def _write_datetime(value: datetime | time) -> str | list[Any]:
    """Its ISO text; with a zone, or in the second of two hours of one name, a list: text, zone, fold."""
    bare = value.replace(tzinfo=None, fold=0).isoformat()
    return bare if value.tzinfo is None and not value.fold else [bare, write_zone(value.tzinfo), value.fold]


def _read_datetime(written: str | list[Any], kind: type[Any]) -> Any:
    if isinstance(written, str):
        return kind.fromisoformat(written)
    bare, zone, fold = written
    return kind.fromisoformat(bare).replace(tzinfo=read_zone(zone), fold=fold)


def _write_array(array: NDArray[Any]) -> list[Any]:
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    if array.dtype.kind == "O":
        return ["O", list(array.shape), "C", [encode(item) for item in array.ravel().tolist()]]
    descr = np.lib.format.dtype_to_descr(array.dtype)
    return [descr, list(array.shape), order, _bytes(array.tobytes(order=order))]  # type: ignore[arg-type]


def _read_array(written: list[Any], imports: bool) -> NDArray[Any]:
    descr, shape, order, data = written
    if descr == "O":
        objects = np.empty(math.prod(shape), dtype=object)
        for place, item in enumerate(data):
            objects[place] = decode(item, imports)
        return objects.reshape(shape)
    dtype = np.lib.format.descr_to_dtype(_descr(descr))
    return np.frombuffer(bytearray(_unbytes(data)), dtype).reshape(shape, order=order)


def _descr(written: Any) -> Any:
    """numpy's description of a dtype, whose tuples JSON has made lists: fields, each a name, a type and a shape."""
    if isinstance(written, str):
        return written
    return [(name, _descr(inner), *map(tuple, shape)) for name, inner, *shape in written]


def _reader(kind: type) -> Callable[[Any, bool], Any]:
    return lambda written, _: kind(written)


def _all(written: list[Any], imports: bool) -> list[Any]:
    return [decode(item, imports) for item in written]


def _sorted(items: Any) -> list[Any]:
    """Those of a set, whose own order is another one in every process."""
    return sorted(map(encode, items), key=JSON.encode)


_JSON_KNOWS: Final = frozenset({type(None), bool, int, str})

_FORMS: Final[dict[str, tuple[type, Callable[[Any], Any], Callable[[Any, bool], Any]]]] = {
    "$float": (float, repr, lambda v, _: float(v)),  # only what JSON has no number for
    "$complex": (complex, lambda v: [repr(v.real), repr(v.imag)], lambda v, _: complex(*map(float, v))),
    "$datetime": (datetime, _write_datetime, lambda v, _: _read_datetime(v, datetime)),
    "$date": (date, date.isoformat, lambda v, _: date.fromisoformat(v)),
    "$time": (time, _write_datetime, lambda v, _: _read_datetime(v, time)),
    "$timedelta": (timedelta, lambda v: [v.days, v.seconds, v.microseconds], lambda v, _: timedelta(*v)),
    "$decimal": (Decimal, str, lambda v, _: Decimal(v)),
    "$fraction": (Fraction, lambda v: [v.numerator, v.denominator], lambda v, _: Fraction(*v)),
    "$uuid": (UUID, str, lambda v, _: UUID(v)),
    "$bytes": (bytes, _bytes, lambda v, _: _unbytes(v)),
    "$bytearray": (bytearray, _bytes, lambda v, _: bytearray(_unbytes(v))),
    "$range": (range, lambda v: [v.start, v.stop, v.step], lambda v, _: range(*v)),
    "$array": (np.ndarray, _write_array, _read_array),
    "$scalar": (
        np.generic,
        lambda v: [v.dtype.str, _bytes(v.tobytes())],
        lambda v, _: np.frombuffer(_unbytes(v[1]), np.dtype(v[0]))[0],
    ),
    "$tuple": (tuple, lambda v: list(map(encode, v)), lambda v, imports: tuple(_all(v, imports))),
    "$set": (set, _sorted, lambda v, imports: set(_all(v, imports))),
    "$frozenset": (frozenset, _sorted, lambda v, imports: frozenset(_all(v, imports))),
    "$missing": (Missing, lambda v: True, lambda v, _: MISSING),
    "$dict": (
        dict,
        lambda v: [[encode(k), encode(i)] for k, i in v.items()],
        lambda v, imports: {decode(k, imports): decode(i, imports) for k, i in v},
    ),
    **{f"${kind.__name__}": (kind, str, _reader(kind)) for kind in PATHS},
}
"""Tag of a JSON object, the type it stands for, how that is written and read."""

_TAG_OF: Final = {kind: tag for tag, (kind, _, _) in _FORMS.items()}

_IMPORTED: Final[dict[str, Callable[..., Any]]] = {"$enum": read_enum, "$named": _read_named, "$pandas": read_pandas}
"""What stands by its class, which only workers import."""
