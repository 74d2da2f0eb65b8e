"""Exact ints: where a column holds integers that no float holds, as marks in its field's metadata.

Such a column widens to float no more, in no batch and no file; whoever puts types together asks for its marks.
Promises: a mark is about values that came, never about their order; marks only add up. Looks at whole arrays where it
can, because nearly no integer is beyond 2^53.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa

EXACT: Final = b"raylab.exact"
"""Field metadata: the places with integers that no float holds, as a JSON list of paths."""

ITEMS: Final = 0
"""The step of a path into a list; into a struct it is the field's name."""

Path: TypeAlias = tuple[str | int, ...]
"""A place in a column: `()` is the column itself, `("a", 0)` what the lists in its field `a` hold."""

LIMIT: Final = 2**53
"""Up to here a float holds every integer."""


def fits(number: int) -> bool:
    """Whether a float holds this integer exactly.

    Example:
        >>> fits(2**54), fits(2**53 + 1)
        (True, False)
    """
    return -LIMIT <= number <= LIMIT or int(float(number)) == number


def inexact(value: object, kind: Any, path: Path = ()) -> frozenset[Path]:
    """The places of a value, as `describe` gives it, where it has integers that no float holds."""
    if value is None:
        return frozenset()
    t = pa.types
    if t.is_integer(kind):
        return frozenset() if fits(value) else frozenset([path])  # type: ignore[arg-type]
    if t.is_list(kind) and _has_ints(kind):
        return _inexact_items(value, kind.value_type, (*path, ITEMS))
    found: frozenset[Path] = frozenset()
    if t.is_struct(kind) and isinstance(value, Mapping):
        for field in kind:
            found |= inexact(value.get(field.name), field.type, (*path, field.name))
    return found


def _inexact_items(items: Any, kind: Any, path: Path) -> frozenset[Path]:
    if isinstance(items, np.ndarray):
        return frozenset([path]) if _any_inexact(items) else frozenset()
    some = [item for item in items if item is not None]
    if pa.types.is_integer(kind):
        whole = not some or (min(some) >= -LIMIT and max(some) <= LIMIT) or all(map(fits, some))
        return frozenset() if whole else frozenset([path])
    found: frozenset[Path] = frozenset()
    for item in some:
        found |= inexact(item, kind, path)
    return found


def _has_ints(kind: Any) -> bool:
    if pa.types.is_list(kind):
        return _has_ints(kind.value_type)
    return pa.types.is_integer(kind) or (pa.types.is_struct(kind) and any(_has_ints(field.type) for field in kind))


def inexact_ints(array: Any) -> frozenset[Path]:
    """The mark of a plain array of 64-bit integers. (What stands under nulls is 0 in arrays that Arrow built.)"""
    buffer = array.buffers()[1]
    if buffer is None or not len(array):
        return frozenset()
    numbers = np.frombuffer(buffer, array.type.to_pandas_dtype())[array.offset : array.offset + len(array)]
    return frozenset([()]) if _any_inexact(numbers) else frozenset()


def _any_inexact(numbers: Any) -> bool:
    if numbers.dtype.kind not in "iu" or not numbers.size or (numbers.min() >= -LIMIT and numbers.max() <= LIMIT):
        return False
    return not all(map(fits, numbers[(numbers < -LIMIT) | (numbers > LIMIT)].tolist()))


def marks(field: Any) -> frozenset[Path]:
    """What a field says."""
    told = (field.metadata or {}).get(EXACT)
    return frozenset(tuple(path) for path in json.loads(told)) if told else frozenset()


def about(paths: AbstractSet[Path] | Iterable[Path]) -> dict[bytes, bytes]:
    """These marks as a field's metadata; the same text for the same marks."""
    found = sorted(map(list, paths), key=repr)
    return {EXACT: json.dumps(found).encode()} if found else {}
