"""Parameters as columns of rows: how the levels of a design stand there.

An axis whose levels are of one kind is one column of it. An axis of mixed kinds is a column of its levels' texts, and
beside it one of each kind that Arrow holds; ints among floats are no mixture unless a value would change. What no
column can hold typed (a UUID) and what is long stands as its text; so does a value of a class that workers import.

A sweep that has grown has several designs. The levels of a later one stand as they would beside those of the earlier
ones, which keep their columns and texts: an extension that would change these is refused (`notebook/new_levels.py`).

Promises: grouping by a parameter's plain column never merges two levels. Columns are computed or taken by place, never
converted row by row; and they are the same wherever they are made, whether classes of levels were imported or not.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from raylab.core.axes import Axis
from raylab.core.design import Design
from raylab.core.kinds import MISSING, Missing
from raylab.core.texts import is_long, shortened, texts
from raylab.core.values import decode, encode, key_of
from raylab.notebook.columns import KIND, clean_name, column

TEXT = b"text"
"""The kind of a column that holds the texts of an axis of mixed kinds."""

_SIMPLE = frozenset({type(None), bool, int, float})

Column = tuple[Any, Any]
"""A field and its array."""


class Parameters:
    """The parameter columns of any points of a design.

    Args:
        design: the design.
        earlier: those of the sweep that came before it.
        partly: whether a level that cannot be computed here, as that of a distribution where scipy is not installed, is
            null; else that is an error.
    """

    def __init__(self, design: Design, earlier: Sequence[Design] = (), *, partly: bool = False) -> None:
        self._partly = partly
        self.names = frozenset(design.parameters)
        self._design = design
        self._listed: dict[str, list[Column]] = {}
        for name, axis in design.axes.items():
            beside = _beside(axis, [each.axis(name) for each in earlier])
            if beside or not axis.is_computed:
                columns = stand(name, [*beside, *axis])
                self._listed[name] = [(field, _numbers(array[len(beside) :])) for field, array in columns]

    def columns(self, points: NDArray[np.int64]) -> list[Column]:
        """One (field, array) for each parameter and kind of value, a row for each point."""
        columns: list[Column] = []
        for name, axis in self._design.axes.items():
            places = self._design.places(name, points)
            if name not in self._listed:
                columns.append(self._computed(name, axis, places))
            else:
                columns += [(field, _at(places, values)) for field, values in self._listed[name]]
        return columns

    def _computed(self, name: str, axis: Axis, places: NDArray[np.int64]) -> Column:
        try:
            return computed(name, axis, places)
        except ModuleNotFoundError:
            if not self._partly:
                raise
            field, _ = computed(name, axis, places[:0])
            return field, pa.nulls(len(places), field.type)


def _beside(axis: Axis, earlier: Sequence[Axis]) -> list[Any]:
    """The earlier levels on which it depends how those of an axis stand; none where all are numbers of one kind, and
    where the axis is the only one."""
    levels = [level for each in earlier if not each.is_computed for level in each]
    plain = levels if axis.is_computed else [*levels, *axis]
    if not levels or (_SIMPLE.issuperset(map(type, plain)) and len(stand("", levels)) < 2):
        return []
    return levels


def stand(name: str, levels: Iterable[Any]) -> list[Column]:
    """The columns of an axis, with a row for each level.

    Example:
        >>> for field, array in stand("x", ["sqrt", 0.5, 3, None]):
        ...     print(field.type, array.to_pylist())
        string ['sqrt', '0.5', '3', 'None']
        string ['sqrt', None, None, None]
        double [None, 0.5, 3.0, None]
    """
    levels = list(levels)
    values = [None if level is MISSING else level for level in levels]
    typed = values if _SIMPLE.issuperset(map(type, values)) else list(map(_typed, values))
    made = [each for each in column(name, typed) if not pa.types.is_null(each[1].type)]
    columns = [(field, array) for field, array in made if (field.metadata or {}).get(KIND) != b"pickle"]
    left = any(value is not None and each is None for value, each in zip(values, typed, strict=True))
    untyped = left or len(columns) < len(made)
    absent = {id(level) for level in levels if level is None or level is MISSING}
    if len(absent) < 2 and not (columns and untyped) and len(columns) <= 1:
        if not columns:
            shown = [None if level is None else text for level, text in zip(levels, texts(levels), strict=True)]
            return [(pa.field(clean_name(name), pa.string()), pa.array(shown, pa.string()))] if untyped else []
        if not _merges(levels, values if typed is values else columns[0][1].to_pylist()):
            return columns
    text = pa.field(clean_name(name), pa.string(), metadata={KIND: TEXT})
    return [(text, pa.array(texts(levels), pa.string())), *columns]


def _typed(value: Any) -> Any:
    """What a typed column holds of a level: of one that is long nothing but the text of a string; of a class its text,
    wherever it is imported."""
    if type(value) is str:
        return shortened(value) if is_long(value) else value
    return None if is_long(value) else decode(encode(value))


def _merges(levels: Sequence[Any], values: Sequence[Any]) -> bool:
    """Whether two levels are equal as the values that a column holds of them: 1 and 1.0, 0.0 and -0.0."""
    kinds = set(map(type, levels)) - {type(None), Missing}
    if kinds <= {int} or kinds <= {bool}:
        return False
    there = [(level, value) for level, value in zip(levels, values, strict=True) if level is not MISSING]
    return len({equal_for_readers(value) for _, value in there}) < len({key_of(level) for level, _ in there})


def equal_for_readers(value: Any) -> Hashable:
    """Equal for what a reader takes as equal."""
    if isinstance(value, float) and value != value:
        return "nan", float
    if isinstance(value, list):
        return tuple(map(equal_for_readers, value))
    if isinstance(value, dict):
        return tuple((name, equal_for_readers(item)) for name, item in value.items())
    return value, isinstance(value, bool)


def _numbers(array: Any) -> Any:
    """What holds but numbers, as numpy has it: it takes as fast from it, and `pyarrow.compute`, whose import costs a
    worker's first lease 0.1 s, is left alone."""
    plain = pa.types.is_integer(array.type) or pa.types.is_floating(array.type)
    return array.to_numpy() if plain and not array.null_count else array


def _at(places: NDArray[np.int64], values: Any) -> Any:
    return pa.array(values[places]) if isinstance(values, np.ndarray) else values.take(pa.array(places))


def computed(name: str, axis: Axis, places: NDArray[np.int64]) -> Column:
    """The levels at these places; ints beyond 64 bits, which may be any number of them, as text."""
    levels = axis.computed(places)
    array = pa.array(list(map(str, levels)), pa.string()) if levels.dtype.kind == "O" else pa.array(levels)
    return pa.field(clean_name(name), array.type), array
