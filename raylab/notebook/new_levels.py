"""New levels: whether those of an extension may stand on the axes of a sweep.

The rule: the kind of a level is its type, with the zone of a time and the dtype of an array; an extension brings no
kind that the axis does not have. Ints and floats are one kind unless two are equal, and None is of every kind.
Promises: what is taken changes no column and no text of the rows that are there; what is refused is named, with the
level of the sweep that it would be taken for. NaN is a float like others, and the same level as another NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, time
from typing import Any

import numpy as np
import pyarrow as pa

from raylab.core.area import LISTED
from raylab.core.axes import Axis, links
from raylab.core.classes import StandIn
from raylab.core.design import Design
from raylab.core.kinds import MISSING, text_of
from raylab.core.texts import is_long, shortened
from raylab.core.values import encode, key_of
from raylab.errors import DesignError
from raylab.notebook.columns import KIND
from raylab.notebook.parameters import Column, equal_for_readers, stand

NUMBERS = frozenset({"int", "float"})
"""These are one kind: a column of floats holds the ints that a float holds."""

WAYS_OUT = (
    "Give values of the kinds that the sweep has; to hand back rows, read with metadata=['_point'], give "
    "raylab.Points([sweep.design[i] for i in rows['_point']]). Or submit another sweep with name="
)


def check_levels(earlier: Sequence[Design], design: Design) -> None:
    """Refuse an extension whose levels would change how those stand that are there.

    Args:
        earlier: the designs of a sweep.
        design: of the extension.

    Raises:
        DesignError: a parameter gets a level of another kind than it has, or one that reads like one it has.

    Example:
        >>> from raylab.core.design import Factorial
        >>> check_levels([Factorial(x=[1, 2])], Factorial(x=[0.5, None, 3]))
    """
    for name, axis in design.axes.items():
        before = [own for each in earlier if name in each.axes for own in links(each.axis(name))]
        if before:
            _check(f"axis {name!r}", before, axis)


def kind_word(level: Any) -> str | None:
    """The kind of a level in words; None where it is of every kind.

    Example:
        >>> kind_word(2**64), kind_word(np.float32(0.5)), kind_word(datetime(2026, 1, 1))
        ('int beyond 64 bits', 'numpy.float32', 'datetime without a time zone')
    """
    if level is None or level is MISSING:
        return None
    if type(level) is int:
        return "int" if -(2**63) <= level < 2**63 else "int beyond 64 bits"
    if isinstance(level, np.ndarray):
        return f"numpy.ndarray of {level.dtype}"
    if isinstance(level, np.generic):
        return f"numpy.{level.dtype}"
    if type(level) in (float, str):
        return type(level).__name__
    word = _class_word(level)
    if isinstance(level, datetime | time):
        return f"{word} with {level.tzinfo!r}" if level.tzinfo else f"{word} without a time zone"
    return word


def _class_word(level: Any) -> str:
    """The name of a level's class; of all enums, and of all named tuples, one name, wherever the class is imported."""
    written = encode(level)
    tag = next(iter(written), "") if isinstance(written, dict) else ""
    if not isinstance(tag, str) or not tag.startswith("$"):
        return type(level).__name__
    return tag[1:]


def _check(where: str, before: Sequence[Axis], axis: Axis) -> None:
    known = _first_of_each_kind(level for each in before for level in _looked_at(each))
    _check_kinds(where, known, _looked_at(axis))
    axes = (*before, axis)
    if all(each.is_computed for each in axes) and len({kind_word(each[0]) for each in axes}) == 1:
        return
    if any(each.size > LISTED for each in axes):
        if len(_first_of_each_kind(level for each in axes for level in _looked_at(each))) > 1:
            raise DesignError(
                f"{where}: ints and floats are one kind where no two are equal, and with more than {LISTED:,} levels "
                f"nobody looks whether {shown(axis[0])} ({kind_word(axis[0])}) is equal to one that is there "
                f"({' and '.join(known)}). {WAYS_OUT}"
            )
        return
    old, new = [level for each in before for level in each], list(axis)
    columns = stand("x", old)
    if not _keep(columns, old, new):
        count = _least(len(new), lambda n: not _keep(columns, old, new[:n]))
        raise DesignError(f"{where}: {_why(new[count - 1], [*old, *new[: count - 1]])} {WAYS_OUT}")


def _looked_at(axis: Axis) -> Iterable[Any]:
    """The levels whose kinds are all that an axis has."""
    return (axis[0], axis[-1]) if axis.is_computed else axis


def _first_of_each_kind(levels: Iterable[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for level in levels:
        if (word := kind_word(level)) is not None:
            found.setdefault(word, level)
    return found


def _check_kinds(where: str, known: dict[str, Any], levels: Iterable[Any]) -> None:
    """Refuse the first level of a kind that is not known; where none is known, of a second one."""
    for level in levels:
        word = kind_word(level)
        if word is None or word in known or (word in NUMBERS and NUMBERS & known.keys()):
            continue
        if known:
            there = " and ".join(f"{each} (as {shown(level)})" for each, level in known.items())
            raise DesignError(
                f"{where}: {shown(level)} is of another kind, {word}, than the levels that are there: {there}. In the "
                f"results of one sweep they would be in columns of their own. {WAYS_OUT}"
            )
        known = {word: level}


def _keep(columns: Sequence[Column], old: Sequence[Any], new: Sequence[Any]) -> bool:
    """Whether columns hold what they do when other levels stand beside those that are there."""
    wider = stand("x", [*old, *new])
    if not columns:  # nothing but None
        return len(wider) < 2
    return len(columns) == len(wider) and all(map(_keeps, columns, wider))


def _keeps(column: Column, wider: Column) -> bool:
    """Whether a column holds the values of another, be it in a wider type."""
    (field, array), (other, values) = column, wider
    if (field.metadata or {}).get(KIND) != (other.metadata or {}).get(KIND):
        return False
    try:
        cast, same = array.cast(other.type), values[: len(array)]
    except pa.ArrowException:
        return False
    if cast.equals(same):
        return True
    mine, others = (list(map(equal_for_readers, each.to_pylist())) for each in (cast, same))
    return mine == others  # to Arrow no NaN equals another, at any depth


def _least(count: int, holds: Callable[[int], bool]) -> int:
    """The least number up to `count` for which it holds, as for all that follow."""
    low, high = 0, count
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _why(level: Any, others: Sequence[Any]) -> str:
    """Why a level, of a kind that is there, cannot stand beside these."""
    twin = next((other for other in others if _is_twin(level, other)), others[0])
    if not _is_twin(level, twin):
        return (
            f"{shown(level)} ({kind_word(level)}) cannot be held exactly in one column with the levels that are there, "
            f"as {shown(twin)} ({kind_word(twin)}), so that it would be a second kind there."
        )
    words = "differ in their sign" if type(level) is float and type(twin) is float else "are two levels"
    return (
        f"{shown(level)} ({kind_word(level)}) and {shown(twin)} ({kind_word(twin)}), which is there, {words}, and in "
        f"the results they would read alike. If the same level is meant, give {shown(twin)}."
    )


def _is_twin(level: Any, other: Any) -> bool:
    """Whether two levels, which are not the same, look the same in rows."""
    if key_of(level) == key_of(other):
        return False
    if None in (kind_word(level), kind_word(other)):
        return kind_word(level) == kind_word(other)
    if text_of(level) == text_of(other):
        return True
    held = [[equal_for_readers(array[0].as_py()) for _, array in stand("x", [each])] for each in (level, other)]
    return held[0] == held[1] and bool(held[0])


def shown(level: Any) -> str:
    """A level as an error shows it."""
    if level is MISSING:
        return "no value"
    if is_long(level):
        return shortened(level)
    return text_of(level) if isinstance(level, StandIn) else repr(level)
