"""Values: what is done with a level, whatever its kind: kept, copied, written as JSON and read back, compared.

Promises: an experiment gets the very value that was given, of the same type; what cannot be kept exactly is refused
with `DesignError`, which names where it stands. Three of numpy's scalars are Python's: float64, int64 and bool. What is
written is read back as the same value; values that differ in type differ in what is written and in their keys; JSON is
strict. What tells the kinds apart stands in the table of `raylab.core.kinds`, and nowhere here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Hashable, Iterable
from datetime import datetime
from types import NoneType
from typing import Any, Final

import numpy as np

from raylab.core.classes import StandIn
from raylab.core.kinds import BY_TAG, KINDS, MISSING, Missing, kind_of, type_name
from raylab.errors import DesignError

JSON: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
"""Writes designs: strict, and the same text for the same content."""

_JSONS: Final = frozenset({NoneType, bool, int, str})
"""Types whose values JSON has of its own, and reads back as they were."""

_AS_THEY_ARE: Final = {kind.of for kind in KINDS if kind.check is None and kind.copy is None} | {Missing}
"""Types whose values cannot be changed, and need no check."""


def exact(value: Any, where: str) -> Any:
    """The value as a design keeps it: the very one, or a copy of one that could be changed.

    Raises:
        DesignError: it cannot be kept exactly; the message begins with `where`.

    Example:
        >>> exact((1, [np.float64(0.5), np.int8(2)]), "axis 'x'")
        (1, [0.5, np.int8(2)])
    """
    kind = kind_of(type(value))
    if kind is None:
        raise DesignError(f"{where}: a value of type {type_name(value)} cannot be kept exactly. {_advice(value)}")
    if kind.check is not None:
        kind.check(value, where)
    return value if kind.copy is None else kind.copy(value, lambda item: exact(item, where))


def _advice(value: Any) -> str:
    for base in (str, int, float, bytes, dict, list, tuple, datetime, np.ndarray):
        if isinstance(value, base):
            plain = "numpy.ndarray" if base is np.ndarray else base.__name__
            return f"Give it as a plain {plain}, or build it inside the experiment"
    return "Give a name or a path and build the object inside the experiment, or capture it in the experiment"


def exact_levels(given: Iterable[Any], where: str) -> tuple[Any, ...]:
    """All of these as a design keeps them; `MISSING` stays. `where` is what an error calls the place."""
    values = tuple(given)
    if set(map(type, values)) <= _AS_THEY_ARE:
        return values
    try:
        return tuple(value if value is MISSING else exact(value, where) for value in values)
    except RecursionError:
        raise DesignError(f"{where}: a value contains itself, or is too deep to be written down") from None


def copy_of(value: Any) -> Any:
    """A value whose changeable parts are its own; the very value where nothing in it can be changed."""
    kind = kind_of(type(value))
    return value if kind is None or kind.copy is None else kind.copy(value, copy_of)


def encode(value: Any) -> Any:
    """A value as JSON has it: as it is where JSON knows the type, else an object with one key, the kind's tag.

    Example:
        >>> encode([1, (2, b"a")])
        [1, {'$tuple': [2, {'$bytes': ['YQ==']}]}]
    """
    cls = type(value)
    if cls in _JSONS or (cls is float and math.isfinite(value)):
        return value
    if cls is list:
        return list(map(encode, value))
    if cls is dict and all(type(key) is str and not key.startswith("$") for key in value):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, StandIn):
        return value.written
    kind = kind_of(cls)
    assert kind is not None, f"{value!r} went past exact()"
    parts = list(map(encode, kind.parts(value)))
    return {kind.tag: sorted(parts, key=JSON.encode) if kind.is_unordered else parts}


def decode(written: Any, imports: bool = False) -> Any:
    """The value that `encode` wrote.

    Args:
        written: what it wrote.
        imports: whether the classes of values are imported, as only workers do.
    """
    if isinstance(written, list):
        return [decode(item, imports) for item in written]
    if not isinstance(written, dict):
        return written
    tag = next(iter(written), "")
    if not tag.startswith("$"):
        return {key: decode(item, imports) for key, item in written.items()}
    kind = BY_TAG.get(tag)
    if kind is None:
        raise DesignError(f"the value {tag!r} in a design is of an unknown type; update raylab")
    parts = decode(written[tag], imports)
    if imports or kind.elsewhere is None:
        return (kind.make or kind.of)(*parts)  # type: ignore[operator]
    made = kind.elsewhere(*parts)
    made.written = written
    return made


def key_of(value: Any) -> Hashable:
    """Equal only for values of the same type that are written alike; cheap for ints, strings and floats."""
    if value is None or type(value) is int or type(value) is str:
        return value
    return (repr(value),) if type(value) is float else (JSON.encode(encode(value)),)


def modules_of(value: Any) -> set[str]:
    """The modules that a worker imports for a value: those that are named where it is written down."""
    return set(_MODULE.findall(JSON.encode(encode(value))))


_MODULE: Final = re.compile(r'"\$(?:Enum|namedtuple)":\["([^"]+)"')
"""Within a string JSON has a backslash before each quotation mark, so that no text is taken for a class."""


def weight_of(value: Any) -> int:
    """About how many bytes a value has, if it is a large one: a text, bytes, an array, at any depth."""
    if isinstance(value, np.ndarray):
        return int(value.nbytes)
    if isinstance(value, str | bytes | bytearray):
        return len(value)
    if isinstance(value, dict):
        return sum(map(weight_of, value.values()))
    return sum(map(weight_of, value)) if isinstance(value, list | tuple | set | frozenset) else 8
