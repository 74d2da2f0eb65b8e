"""Nested: lists and structs of one name whose types clash, as columns that do not depend on which came first.

Where types clash, which value lies with which on disk is a matter of order. So each value is given the least type that
holds it, and the types, in an order of their own, are put together afresh. Value by value: only for what clashes.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import pyarrow as pa

from raylab.notebook.arrow_types import FLOAT, NULL, Array, DataType, Field, differs, fitted, unify
from raylab.notebook.columns import SHUFFLED
from raylab.notebook.exact import ITEMS, Path, inexact, marks


def put_together(fields: Sequence[Field], columns: Sequence[Sequence[Any]]) -> list[Array]:
    """The values of these columns, all lists or all structs, in as few columns as their types allow.

    Args:
        fields: the columns, with the metadata in force.
        columns: their values; in each row at most one of them has one.

    Example:
        >>> fields = [pa.field("v", pa.list_(pa.int64())), pa.field("v__list", pa.list_(pa.string()))]
        >>> [array.to_pylist() for array in put_together(fields, [[[1], [], None], [None, None, ["a"]]])]
        [[[1], [], None], [None, None, ['a']]]
    """
    kinds = [field.type for field in fields]
    whole = _of_all(fields)
    if whole is not None:  # they lie apart only because polars could not put them together
        cells = [next((value for value in row if value is not None), None) for row in zip(*columns, strict=True)]
        return [pa.array([fitted(cell, whole) for cell in cells], whole)]
    floats = _floats(kinds)
    rows: list[tuple[Any, DataType] | None] = [None] * len(columns[0])
    for kind, values in zip(kinds, columns, strict=True):
        for row, value in enumerate(values):
            if value is not None:
                rows[row] = value, _least(value, kind, floats - inexact(value, kind))
    groups: list[DataType] = []
    place = {kind: _place(groups, kind, floats) for kind in sorted({row[1] for row in rows if row}, key=str)}
    found = []
    for number, group in enumerate(groups):
        kind = by_name(_filled(group, kinds))
        cells = [fitted(row[0], kind) if row and place[row[1]] == number else None for row in rows]
        found.append(pa.array(cells, kind))
    return found


def _of_all(fields: Sequence[Field]) -> DataType | None:
    """The type that holds the values of all; None if none does."""
    exact = frozenset[Path]().union(*map(marks, fields))
    whole, shuffled = NULL, any(SHUFFLED in (field.metadata or {}) for field in fields)
    for field in fields:
        shuffled = shuffled or differs(whole, field.type)
        whole = unify(whole, field.type, exact)
        if whole is None:
            return None
    return by_name(whole) if shuffled else whole


def by_name(kind: DataType) -> DataType:
    """The type with the fields of all its structs sorted by name."""
    if pa.types.is_list(kind):
        return pa.list_(by_name(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, by_name(field.type)) for field in sorted(kind, key=lambda field: field.name)])
    return kind


def _place(groups: list[DataType], kind: DataType, floats: AbstractSet[Path]) -> int:
    """The first of the groups that takes the type in, made if there is none."""
    for number, group in enumerate(groups):
        wider = unify(group, kind, floats)  # an int where others are floats is one that no float holds
        if wider is not None:
            groups[number] = wider
            return number
    groups.append(kind)
    return len(groups) - 1


def _least(value: Any, kind: DataType, floats: AbstractSet[Path], path: Path = ()) -> DataType:
    """The least type that holds a value of this type; ints are floats where `floats` says so."""
    if value is None:
        return NULL
    if pa.types.is_list(kind):
        inner, items = NULL, kind.value_type
        if not (pa.types.is_list(items) or pa.types.is_struct(items)):  # one look at what may be a million numbers
            value = [next((item for item in value if item is not None), None)]
        for least in {_least(item, items, floats, (*path, ITEMS)) for item in value}:
            inner = by_name(unify(inner, least))
        return pa.list_(inner)
    if pa.types.is_struct(kind):
        found = [(field.name, _least(value[field.name], field.type, floats, (*path, field.name))) for field in kind]
        return by_name(pa.struct([(name, least) for name, least in found if not least.equals(NULL)]))
    return FLOAT if pa.types.is_integer(kind) and path in floats else kind


def _floats(kinds: Sequence[DataType], path: Path = ()) -> frozenset[Path]:
    """The places where one of the types has floats."""
    found = frozenset([path]) if FLOAT in kinds else frozenset()
    for step, inner in _inside(kinds).items():
        found |= _floats(inner, (*path, step))
    return found


def _inside(kinds: Sequence[DataType]) -> dict[str | int, list[DataType]]:
    """What the types hold, by the step that leads there."""
    found: dict[str | int, list[DataType]] = {}
    for kind in kinds:
        if pa.types.is_list(kind):
            found.setdefault(ITEMS, []).append(kind.value_type)
        elif pa.types.is_struct(kind):
            for field in kind:
                found.setdefault(field.name, []).append(field.type)
    return found


def _filled(kind: DataType, kinds: Sequence[DataType]) -> DataType:
    """The type without structs that have no field, which not all readers bear: such a struct gets the first of all
    the fields that these types have in its place, and all values there are null."""
    inside = _inside(kinds)
    if pa.types.is_list(kind):
        return pa.list_(_filled(kind.value_type, inside[ITEMS]))
    if not pa.types.is_struct(kind):
        return kind
    fields = [(field.name, _filled(field.type, inside[field.name])) for field in kind]
    return pa.struct(fields or [(min(name for name in inside if isinstance(name, str)), NULL)])
