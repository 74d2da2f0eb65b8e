"""Siblings: the columns that hold the values of one name, as readers see them.

On disk a column's kind, and what lies beside it, depends on what was committed first. Here it depends on the values
alone: the same values, in whatever order they came, are the same columns in the same order.
Must never change a value: an int becomes a float only where a float holds it exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import polars as pl
import pyarrow as pa

from raylab.notebook.arrow_types import DATETIME_UTC, FLOAT, INT, NULL, UINT, WORDS, DataType, Field
from raylab.notebook.nested import put_together
from raylab.notebook.schema import kept_apart, kind_word

Rank: TypeAlias = tuple[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The values of one kind: a column as long as the frame, null where the value is of another kind."""

    rank: Rank
    word: str
    values: pl.Series


def settled(fields: Sequence[Field], columns: Sequence[pl.Series]) -> list[Kind]:
    """The columns of one name in the fixed order of kinds; the first of them has the plain name.

    The text of a mixed axis, numbers (float, int, uint, decimal), truth values, text, times (date, datetime, those
    with zones by the zone's name, time, duration), bytes, lists, structs, what is pickled. A kind without a value is
    left out, unless all are.

    Args:
        fields: the columns on disk that belong to the name, with the metadata in force.
        columns: their values.
    """
    kinds = [
        Kind(rank=_rank(field), word=kind_word(field), values=values)
        for field, values in zip(fields, columns, strict=True)
        if kept_apart(field) or not _is_nested(field.type)
    ]
    kinds = _numbers(kinds)
    kinds += _nested(fields, columns, pa.types.is_list)
    kinds += _nested(fields, columns, pa.types.is_struct)
    kinds.sort(key=lambda kind: kind.rank)
    there = [kind for kind in kinds if kind.values.null_count() < len(kind.values)]
    return there or kinds[:1] or [Kind(rank=_LAST, word="null", values=pl.Series([None] * len(columns[0])))]


_RANKS = {kind: (at, "") for at, kind in enumerate(WORDS) if kind != NULL}
_TEXT, _LIST, _STRUCT, _PICKLE, _LAST = (-1, ""), (90, ""), (91, ""), (98, ""), (99, "")
_FLOAT, _INTS = _RANKS[FLOAT], (_RANKS[INT], _RANKS[UINT])


def _rank(field: Field) -> Rank:
    apart, kind = kept_apart(field), field.type
    if apart:
        return _TEXT if apart == b"text" else _PICKLE
    if pa.types.is_timestamp(kind) and kind.tz:
        return _RANKS[DATETIME_UTC][0], kind.tz
    return _RANKS.get(kind, _LAST)


def _is_nested(kind: DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_struct(kind))


def _numbers(kinds: list[Kind]) -> list[Kind]:
    """With floats among the kinds, every int that a float holds is one; the others stay beside them."""
    values = [kind.values for kind in kinds if kind.rank == _FLOAT]
    if not values:
        return kinds
    found = [kind for kind in kinds if kind.rank not in (_FLOAT, *_INTS)]
    for kind in kinds:
        if kind.rank not in _INTS:
            continue
        as_floats = kind.values.cast(pl.Float64)
        exact = as_floats.cast(kind.values.dtype, strict=False).eq_missing(kind.values)
        values.append(as_floats.set(~exact, None))
        found.append(Kind(rank=kind.rank, word=kind.word, values=kind.values.set(exact, None)))
    together = values[0] if len(values) == 1 else pl.select(pl.coalesce(*values)).to_series()
    return [Kind(rank=_FLOAT, word="float", values=together), *found]


def _nested(fields: Sequence[Field], columns: Sequence[pl.Series], test: Callable[[Any], bool]) -> list[Kind]:
    """The lists, or the structs, of a name: one column as it is, several by what their values are."""
    some = [
        (field, values)
        for field, values in zip(fields, columns, strict=True)
        if test(field.type) and not kept_apart(field)
    ]
    rank, name = (_LIST, "list") if test is pa.types.is_list else (_STRUCT, "struct")
    found = [values for _, values in some]
    if len(some) > 1:
        lists = [values.to_arrow().to_pylist() for values in found]
        found = list(map(pl.Series, put_together([field for field, _ in some], lists)))
    return [Kind(rank=rank, word=name, values=values) for values in found]
