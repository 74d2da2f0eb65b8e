"""Columns: lists of Python values to Arrow arrays, in the worker.

Promises: no value is refused. Values of another kind get an array of their own under the same name; what Arrow cannot
hold is kept pickled beside its repr. Must never let one odd value sink its neighbours.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from raylab.core.tabular import Table
from raylab.notebook.arrow_types import (
    FLOAT,
    INT,
    MAX_FIELDS,
    NULL,
    PLAIN,
    WORDS,
    Array,
    DataType,
    Field,
    describe,
    differs,
    fitted,
    unify,
    word,
)
from raylab.notebook.exact import ITEMS, Path, about, inexact, inexact_ints, marks
from raylab.notebook.pickled import PICKLED, attempt, packed

KIND = b"raylab.kind"
"""Field metadata that tells a column's kind; a user's dict may look like a pickled value, so the type does not."""

TABLE = b"table"
"""The kind of a column of lists that hold the rows of a frame each."""

OF = b"raylab.of"
"""Field metadata that tells what a result was called by the experiment, where its column has another name."""


SHUFFLED = b"raylab.shuffled"
"""Field metadata of a column whose structs came with different lists of fields: which order the column has depends on
which came first."""


def column(name: str, values: Sequence[object]) -> list[tuple[Field, Array]]:
    """A column's values as Arrow arrays, one for each kind among them, each with nulls in the others' rows.

    Args:
        name: The column's name; all the arrays bear it.
        values: One value a row; None where there is none.

    Returns:
        More than one array only if the kinds clash; one of Arrow's type null if there is no value.

    Example:
        >>> for field, array in column("loss", [1, 2.5, None, "diverged"]):
        ...     print(field.name, array.type, array.to_pylist())
        loss double [1.0, 2.5, None, None]
        loss string [None, None, None, 'diverged']
    """
    types = set(map(type, values)) - {type(None)}
    if Table in types:
        return _with_tables(clean_name(name), values)
    array = _of_one_kind(types, values)
    if array is not None:
        exact = about(inexact_ints(array)) if array.type.equals(INT) else {}
        return [(pa.field(clean_name(name), array.type, metadata=exact or None), array)]
    return _of_many_kinds(clean_name(name), values)


def clean_name(name: str) -> str:
    """The name, as readers can bear it: polars panics at a NUL, nobody can write a lone surrogate."""
    return name.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def result_name(name: str, used: Container[str]) -> str:
    """The name, with as many `__result` as it takes to be nobody else's."""
    while name in used:
        name += "__result"
    return name


def numbered_name(name: str, used: Container[str]) -> str:
    """The name, with the lowest number from 2 on if it is another's."""
    free, count = name, 1
    while free in used:
        count += 1
        free = f"{name}{count}"
    return free


def renamed(field: Field, name: str) -> Field:
    """The field of a result that was called `name` and could not be.

    Its new name depends on what else came in the same batch; with this the lab knows it again in the next.
    """
    return field.with_metadata({**(field.metadata or {}), OF: name.encode("utf-8", "backslashreplace")})


def _of_one_kind(types: set[type], values: Sequence[object]) -> Array | None:
    """The fast way, for nearly all columns; None if it does not lead there."""
    kinds = {PLAIN.get(kind) for kind in types}
    try:
        if not kinds:
            return pa.nulls(len(values))
        if kinds == {INT, FLOAT}:
            ints = pa.array([value for value in values if type(value) is int], INT)  # no int64 alone, none here
            if inexact_ints(ints):
                return None
            return pa.array([None if value is None else float(value) for value in values], FLOAT)  # type: ignore[arg-type]
        if len(kinds) == 1 and None not in kinds:
            return pa.array(values, kinds.pop())
    except (pa.ArrowException, OverflowError, UnicodeError):
        pass
    return None


def _with_tables(name: str, values: Sequence[object]) -> list[tuple[Field, Array]]:
    """Values some of which are tables: these as lists of structs, so that a table's rows are of its record.

    The columns of all these tables are made at once, each of as few kinds as its values allow.
    """
    # A user's class may answer isinstance() as it likes.
    tables = {row: value for row, value in enumerate(values) if type(value) is Table}
    names = dict.fromkeys(clean_name(each) for table in tables.values() for each in table.columns)
    if len(names) > MAX_FIELDS:
        return column(name, [dict(tables[row].columns) if row in tables else value for row, value in enumerate(values)])
    fields: list[Field] = []
    arrays: list[Array] = []
    for each in names:
        cells = [cell for table in tables.values() for cell in _cells(table, each)]
        for number, (field, array) in enumerate(sorted(column(each, cells), key=_rank)):
            taken = {*names, *(other.name for other in fields)}
            own = numbered_name(f"{each}__{_kind(field)}", taken) if number else each
            fields.append(field.with_name(own))
            arrays.append(array)
    lengths = np.array([tables[row].rows if row in tables else 0 for row in range(len(values))])
    offsets = pa.array(np.concatenate(([0], np.cumsum(lengths))), pa.int32())
    missing = pa.array([row not in tables for row in range(len(values))])
    if not fields:
        made = pa.array([[] if row in tables else None for row in range(len(values))], pa.list_(NULL))
    else:
        structs = pa.StructArray.from_arrays(arrays, names=[field.name for field in fields])
        made = pa.ListArray.from_arrays(offsets, structs, mask=missing)
    exact = {(ITEMS, field.name, *path) for field in fields for path in marks(field)}
    others = [None if row in tables else value for row, value in enumerate(values)]
    found = [(pa.field(name, made.type, metadata={KIND: TABLE, **about(exact)}), made)]
    return found + [each for each in column(name, others) if not pa.types.is_null(each[1].type)]


def _rank(made: tuple[Field, Array]) -> int:
    """The place of an array among those of one name: a fixed one, whichever came first."""
    return list(WORDS).index(made[0].type) if made[0].type in WORDS else len(WORDS) + (_kind(made[0]) == "pickle")


def _kind(field: Field) -> str:
    return "pickle" if (field.metadata or {}).get(KIND) == b"pickle" else word(field.type)


def _cells(table: Table, name: str) -> Sequence[object]:
    found = next((cells for each, cells in table.columns.items() if clean_name(each) == name), None)
    return [None] * table.rows if found is None else found


@dataclass(slots=True)
class _Members:
    """The values of one kind, by row."""

    kind: DataType
    exact: frozenset[Path]
    values: dict[int, object]
    shuffled: bool = False

    def takes(self, row: int, value: object, kind: DataType, exact: frozenset[Path]) -> bool:
        """Take the value in, if its kind and this one unite."""
        wider = unify(self.kind, kind, self.exact | exact)
        if wider is None:
            return False
        self.shuffled = self.shuffled or differs(self.kind, kind)
        self.kind, self.exact = wider, self.exact | exact
        self.values[row] = value
        return True

    def field(self, name: str) -> Field:
        shuffled = {SHUFFLED: b"1"} if self.shuffled else {}
        return pa.field(name, self.kind, metadata={**about(self.exact), **shuffled} or None)


def _of_many_kinds(name: str, values: Sequence[object]) -> list[tuple[Field, Array]]:
    """The careful way: value by value, so that an odd one ends up pickled and alone."""
    members: list[_Members] = []
    odd: set[int] = set()
    for row, value in enumerate(values):
        if value is None:
            continue
        try:
            plain_value, kind = attempt(describe, value)
        except Exception:  # Unfit, or whatever a user's subclass raises
            odd.add(row)
            continue
        if plain_value is not None:
            exact = inexact(plain_value, kind)
            if not any(some.takes(row, plain_value, kind, exact) for some in members):
                members.append(_Members(kind, exact, {row: plain_value}))
    out = []
    for some in members:
        array = _array(some.values, some.kind, len(values), odd)
        if array.null_count < len(values):
            out.append((some.field(name), array))
    if odd:
        cells = [packed(value) if row in odd else None for row, value in enumerate(values)]
        out.append((pa.field(name, PICKLED, metadata={KIND: b"pickle"}), pa.array(cells, PICKLED)))
    return out or [(pa.field(name, NULL), pa.nulls(len(values)))]


def _array(some: Mapping[int, object], kind: DataType, rows: int, odd: set[int]) -> Array:
    """These values in their rows; the rows of those that Arrow refuses all the same are added to `odd`."""
    cells: list[object] = [None] * rows
    for row, value in some.items():
        cells[row] = value
    try:
        return pa.array(cells, kind)
    except _REFUSALS:
        pass
    for row, value in some.items():
        try:
            cells[row] = fitted(value, kind)
            pa.array([cells[row]], kind)
        except _REFUSALS:
            cells[row] = None
            odd.add(row)
    return pa.array(cells, kind)


_REFUSALS = (pa.ArrowException, ArithmeticError, TypeError, ValueError)
