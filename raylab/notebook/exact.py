"""Exact ints: where a column holds integers that no float holds, as marks in its field's metadata.

Such a column widens to float no more, in no batch and no file; whoever puts types together asks for its marks.
Promises: a mark is about values that came, never about their order; marks only add up. Looks at whole arrays where it
can, because nearly no integer is beyond 2^53.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa

EXACT: Final = b"raylab.exact"
"""Field metadata: the places with integers that no float holds, as a JSON list of paths."""

ITEMS: Final = 0
"""The step of a path into a list; into a struct it is the field's name."""

Path: TypeAlias = tuple[str | int, ...]
"""A place in a column: `()` is the column itself, `("a", 0)` what the lists in its field `a` hold."""

_NOWHERE: Final = frozenset[Path]()

LIMIT: Final = 2**53
"""Up to here a float holds every integer."""


def fits(number: int) -> bool:
    """Whether a float holds this integer exactly.

    Example:
        >>> fits(2**54), fits(2**53 + 1)
        (True, False)
    """
    return -LIMIT <= number <= LIMIT or int(float(number)) == number


def inexact(value: Any, kind: Any, path: Path = ()) -> frozenset[Path]:
    """The places of a value, as `describe` gives it, where it has integers that no float holds."""
    t = pa.types
    if value is None:
        return _NOWHERE
    if t.is_integer(kind):
        return _NOWHERE if fits(value) else frozenset([path])
    if t.is_struct(kind):
        return _NOWHERE.union(*(inexact(value.get(each.name), each.type, (*path, each.name)) for each in kind))
    if not t.is_list(kind) or not _has_ints(kind):
        return _NOWHERE
    inner, path = kind.value_type, (*path, ITEMS)
    if t.is_integer(inner):
        return frozenset([path]) if _any_inexact(value) else _NOWHERE
    return _NOWHERE.union(*(inexact(item, inner, path) for item in value))


def _has_ints(kind: Any) -> bool:
    if pa.types.is_list(kind):
        return _has_ints(kind.value_type)
    return pa.types.is_integer(kind) or (pa.types.is_struct(kind) and any(_has_ints(field.type) for field in kind))


def inexact_ints(array: Any) -> frozenset[Path]:
    """The mark of a plain array of 64-bit integers. (What stands under nulls is 0 in arrays that Arrow built.)"""
    buffer = array.buffers()[1]
    if buffer is None or not len(array):
        return _NOWHERE
    numbers = np.frombuffer(buffer, array.type.to_pandas_dtype())[array.offset : array.offset + len(array)]
    return frozenset([()]) if _any_inexact(numbers) else _NOWHERE


def _any_inexact(numbers: Any) -> bool:
    """Of integers, in an array or in a list with None among them."""
    if not isinstance(numbers, np.ndarray):
        some = [number for number in numbers if number is not None]
        return bool(some) and (min(some) < -LIMIT or max(some) > LIMIT) and not all(map(fits, some))
    if not numbers.size or (numbers.min() >= -LIMIT and numbers.max() <= LIMIT):
        return False
    return not all(map(fits, numbers[(numbers < -LIMIT) | (numbers > LIMIT)].tolist()))


def marks(field: Any) -> frozenset[Path]:
    """What a field says."""
    told = (field.metadata or {}).get(EXACT)
    return frozenset(tuple(path) for path in json.loads(told)) if told else frozenset()


def about(paths: Iterable[Path]) -> dict[bytes, bytes]:
    """These marks as a field's metadata; the same text for the same marks."""
    found = sorted(map(list, paths), key=repr)
    return {EXACT: json.dumps(found).encode()} if found else {}
