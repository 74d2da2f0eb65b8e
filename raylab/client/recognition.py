"""Recognition: the levels that the values of a sweep's rows stand for, where rows are handed back to it.

Rows hold a tuple as a list, a complex number as text, a time of any UTC as one of a named zone. In the plain column of
an axis each of its levels stands as another value, so that the value tells the level. Promises: nothing is guessed: a
value that is a level, and one that no level stands as, stays what it is.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from raylab.client.handback import typed
from raylab.core.area import LISTED
from raylab.core.axes import Axis, axis_of, distinct
from raylab.core.design import Design, Points
from raylab.core.kinds import MISSING
from raylab.core.values import key_of
from raylab.notebook.arrow_types import SIBLING
from raylab.notebook.parameters import equal_for_readers, stand

__all__ = ["recognised"]


def recognised(earlier: Sequence[Design], rows: Design) -> Design:
    """Rows as points of a sweep, with the levels that their values stand for.

    Args:
        earlier: the designs of the sweep.
        rows: what was handed back, without what it says about trials.

    Example:
        >>> from raylab.core.design import Factorial
        >>> recognised([Factorial(x=[(1, 2), (3, 4)])], Points(x=[[3, 4], [5, 6]])).head()
        [{'x': (3, 4)}, {'x': [5, 6]}]
    """
    names = set(earlier[0].parameters)
    if any((match := SIBLING.fullmatch(name)) and match["name"] in names for name in set(rows.parameters) - names):
        rows = Points(typed([{**dict.fromkeys(rows.parameters), **row} for row in rows]))
    if not rows.parameters:
        return rows
    known = {name: [each.axis(name) for each in earlier if name in each.axes] for name in rows.parameters}
    return Points({name: _recognised(known[name], axis) for name, axis in rows.axes.items()})


def _recognised(before: Sequence[Axis], axis: Axis) -> Axis:
    is_number = all(each.is_computed for each in before) and len({type(each[0]) for each in before}) == 1
    if not before or is_number or sum(each.size for each in before) > LISTED:
        return axis
    levels = list(distinct(axis_of(tuple(level for each in before for level in each))))
    there = {key_of(level) for level in levels}
    held = _held(levels)
    return axis_of(tuple(each if key_of(each) in there else held.get(_seen(each), each) for each in axis))


def _held(levels: Sequence[Any]) -> dict[Hashable, Any]:
    """The levels by what a reader sees of them, where that tells them apart."""
    columns = stand("x", levels)
    values = columns[0][1].to_pylist() if columns else [None] * len(levels)
    held = {_seen(value): level for value, level in zip(values, levels, strict=True)}
    if len(held) < len(levels):
        held = {}
    absent = [level for level in levels if level is None or level is MISSING]
    if absent == [MISSING]:
        held[_seen(None)] = MISSING
    return held


def _seen(value: Any) -> Hashable:
    """What tells a value of rows from others, whichever library the rows are of."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)  # the same wall clock time may be twice
    return equal_for_readers(value.tolist() if isinstance(value, np.ndarray) else value), type(value) is float
