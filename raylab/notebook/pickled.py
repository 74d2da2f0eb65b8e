"""Odd values: what Arrow cannot hold, kept pickled beside its repr; and how the lab bears what values do when asked.

Promises: every value has a cell, whatever its own methods raise. Nothing here unpickles.
"""

from __future__ import annotations

import pickle
import reprlib
import sys
from collections.abc import Callable, Collection
from typing import Any

import pyarrow as pa

from raylab.notebook.arrow_types import BINARY, STRING, Unfit

PICKLED = pa.struct([("repr", STRING), ("pickle", BINARY)])

PARTS = frozenset(field.name for field in PICKLED)
"""The fields of a value that is kept pickled."""

MAX_REPR_CHARS = 10_000

_SHORT = reprlib.Repr()
_SHORT.maxlevel = 4
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = _SHORT.maxset = _SHORT.maxfrozenset = 10
_SHORT.maxother = _SHORT.maxstring = _SHORT.maxlong = 100

_class_name: Callable[[type], str] = type.__dict__["__name__"].__get__
"""The name of a class, whatever its metaclass says."""


def packed(value: object) -> dict[str, object]:
    """A value of no known type: its repr, and its pickle if it has one.

    Example:
        >>> packed(range(3))["repr"]
        'range(0, 3)'
    """
    try:
        shown = attempt(repr if _is_small(value) else _SHORT.repr, value)
        text = str.__str__(shown)[:MAX_REPR_CHARS].encode("utf-8", "backslashreplace").decode()
    except Exception:  # the user's __repr__ may raise anything
        text = f"<{_class_name(type(value))}; its repr raises an error>".encode("utf-8", "backslashreplace").decode()
    return {"repr": text, "pickle": _pickle(value)}


def _is_small(value: object) -> bool:
    """Whether its repr is no waste: what is cut anyway may be long, and what shares its parts may never end."""
    left, waiting = MAX_REPR_CHARS, [value]
    while waiting:
        part = waiting.pop()
        if type(part) in (list, tuple, set, frozenset, dict):
            parts: Collection[Any] = part  # type: ignore[assignment]
            left -= len(parts)
            if left < 0:
                return False
            waiting += part.values() if type(part) is dict else parts
    return True


def _pickle(value: object) -> bytes | None:
    # Of a script's own classes and functions only cloudpickle makes a pickle that others can read. Workers have it:
    # the experiment came that way. It is the second choice, being slow.
    cloudpickle = sys.modules.get("ray.cloudpickle")
    for module in (pickle, cloudpickle) if cloudpickle is not None else (pickle,):
        try:
            return bytes(attempt(module.dumps, value))
        except Exception:  # the user's __reduce__ may raise anything
            continue
    return None


def attempt(how: Callable[[Any], Any], value: object) -> Any:
    """What the value's own methods make of it; whatever they raise is an Exception then.

    But a SystemExit may also mean that this process is asked to end, just now. That one passes: it does not come
    a second time.

    Raises:
        Unfit: the methods raised what is no Exception.
    """
    try:
        return how(value)
    except Exception:
        raise
    except BaseException as first:
        try:
            how(value)
        except BaseException as second:
            raise Unfit from second
        raise first
