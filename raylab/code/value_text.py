"""Plain values as text: equal text means equal value, in every process.

Promises: no address, no hash order, no session in the text; types are told apart (1, 1.0 and True). A value
whose equality cannot be decided that way is refused with `IncomparableError`, never guessed.
"""

from __future__ import annotations

import collections
import copyreg
import dataclasses
import datetime
import decimal
import enum
import fractions
import hashlib
import pathlib
import re
import sys
import types
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any

import numpy as np

# Above this an error message shows that a value has changed, not from what to what.
SHOWN_CHARS = 60

ATOMS: frozenset[type] = frozenset({type(None), bool, int, float, complex, str, bytes})
_REPR_TYPES: frozenset[type] = ATOMS | {
    bytearray, range, type(...), uuid.UUID, decimal.Decimal, fractions.Fraction,
    datetime.date, datetime.timedelta, datetime.timezone, zoneinfo.ZoneInfo,
}  # fmt: skip
_ZONES = frozenset({type(None), datetime.timezone, zoneinfo.ZoneInfo})  # others show an address, or less than they are


class IncomparableError(Exception):
    """There is no telling whether two such values are equal; the message is the type's name."""


def digest(data: bytes) -> str:
    """128 bits of sha256: short enough to be stored by the hundred, and nobody attacks his own sweep."""
    return hashlib.sha256(data).hexdigest()[:32]


def value_text(value: object) -> str:
    """The value itself if it is short, else its type and digest.

    Raises:
        IncomparableError: it is, or contains, something that is no plain data.

    Example:
        >>> value_text({"b": 1.0, "a": {3, 1}})
        "{'a': {1, 3}, 'b': 1.0}"
        >>> value_text(list(range(1000)))
        'list of 1000, sha256:3e726f1b6f58ece8e52f367572eb9944'
    """
    try:
        text = _text(value)
    except (RecursionError, ValueError):  # it contains itself, or numbers of more digits than Python writes
        raise IncomparableError(type(value).__name__) from None
    if len(text) <= SHOWN_CHARS:
        return text
    size = f" of {len(value)}" if isinstance(value, list | tuple | dict | set | frozenset | str | bytes) else ""
    return f"{type(value).__name__}{size}, sha256:{digest(text.encode('utf-8', 'surrogatepass'))}"


def by_name(value: Any) -> str | None:
    """`module.name` if the value is what its module has under that name; None for what `__main__` has."""
    module = getattr(value, "__module__", None)
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module in ("__main__", "__mp_main__"):
        return None
    found: object = sys.modules.get(module)
    if found is None:
        return None
    for part in name.split("."):
        found = getattr(found, part, None)
    return f"{module}.{name}" if found is value else None


def _text(value: Any) -> str:
    kind = type(value)
    if kind in _REPR_TYPES or (kind in (datetime.datetime, datetime.time) and type(value.tzinfo) in _ZONES):
        return plain_repr(value)
    # Of these types only: what inherits from them may hold more than the text would tell.
    write = _WRITERS.get(kind)
    if write is not None:
        return write(value)
    for types_, write in _KINDS:
        if isinstance(value, types_):
            return write(value)
    # A class of `__main__` is more than its fields: its methods travel too.
    if _is_data(value):
        parts = ((field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value))
        return f"{kind.__qualname__}({', '.join(f'{name}={_text(part)}' for name, part in parts)})"
    if kind is np.ndarray or isinstance(value, np.generic):  # a masked array is more
        return _numpy_text(value)
    named = _global_name(value) if callable(value) else None
    if named is None:
        raise IncomparableError(kind.__name__)
    return named


def plain_repr(value: object) -> str:
    """The text of an atom, or of a list or tuple of atoms."""
    try:
        return repr(value)
    except ValueError:  # more digits than Python writes
        if not isinstance(value, int):
            raise
        return hex(value)


def _sequence(value: Any) -> str:
    name = "" if type(value) in (list, tuple) else type(value).__qualname__
    if not name and ATOMS.issuperset(map(type, value)):
        return plain_repr(value)
    opening, closing = "[]" if isinstance(value, list) else "()"
    return f"{name}{opening}{', '.join(map(_text, value))}{',' if len(value) == 1 else ''}{closing}"


def _named_tuple(value: Any) -> str:
    if not hasattr(type(value), "_fields") or by_name(type(value)) is None:
        raise IncomparableError(type(value).__name__)
    return _sequence(value)


def _member(value: Any) -> str:
    if by_name(type(value)) is None:  # of a notebook: its value and its methods may be other ones now
        raise IncomparableError(type(value).__name__)
    return f"{type(value).__qualname__}.{value.name}"


def _is_data(value: Any) -> bool:
    """A dataclass of a module that holds its fields and nothing else."""
    kind = type(value)
    if not dataclasses.is_dataclass(kind) or by_name(kind) is None or kind.__bases__ != (object,):
        return False
    names = {field.name for field in dataclasses.fields(kind)}
    return names >= vars(value).keys() if hasattr(value, "__dict__") else True


def _set(value: Any) -> str:
    # Sorted: the order of a set of strings is another one in every process.
    name = "" if type(value) is set and value else type(value).__qualname__  # {} is a dict
    return f"{name}{{{', '.join(sorted(map(_text, value)))}}}"


def _mapping(value: Any) -> str:
    name = "" if type(value) is dict else type(value).__qualname__
    return f"{name}{{{', '.join(sorted(f'{_text(k)}: {_text(v)}' for k, v in value.items()))}}}"


def _numpy_text(value: Any) -> str:
    if value.shape == () and not value.dtype.hasobject and value.dtype.names is None:
        text = f"{value.dtype.str}({value!s})"
        return text if not hasattr(value, "__setitem__") else f"array({text})"
    shape = "x".join(map(str, value.shape))
    if value.dtype.hasobject:
        return f"array({shape} {_text(value.tolist())})"
    return f"array({shape} {value.dtype.str} sha256:{digest(array_bytes(value))})"


def array_bytes(value: Any) -> bytes:
    """What an array without objects holds, whatever its layout. Not what lies between its fields: that is anything."""
    if value.dtype.names is None:
        head = f"{value.dtype.str} "
        return head.encode() + bytes(value.tobytes())
    parts = (f"{name}:".encode() + array_bytes(value[name]) for name in value.dtype.names)
    return b"%d " % value.dtype.itemsize + b"".join(parts)


def _global_name(value: Any) -> str | None:
    """How pickle would name a function of C code that has no `__module__`, as numpy's ufuncs."""
    named = by_name(value)
    if named is None and type(value) in copyreg.dispatch_table:
        reduced = copyreg.dispatch_table[type(value)](value)
        named = f"{type(value).__name__} {reduced}" if isinstance(reduced, str) else None
    return named


_WRITERS: dict[type, Callable[[Any], str]] = {
    list: _sequence,
    tuple: _sequence,
    set: _set,
    frozenset: _set,
    dict: _mapping,
    collections.Counter: _mapping,
    slice: lambda value: f"slice{_text((value.start, value.stop, value.step))}",
    re.Pattern: lambda value: f"re.compile({value.pattern!r}, {int(value.flags)})",
}

_KINDS: list[tuple[type, Callable[[Any], str]]] = [
    (enum.Enum, _member),
    (pathlib.PurePath, lambda value: f"{type(value).__name__}({str(value)!r})"),
    (types.ModuleType, lambda value: f"module {value.__name__}"),
    (tuple, _named_tuple),
]
