"""The schema in force of a sweep, in the actor: the columns that every commit carries.

Promises: a column keeps its type or widens (nulls to anything, ints that floats hold to float, lists and structs by
element); values of another kind get a column of their own, `NAME__KIND`. Files of one sweep can always be put together.

Must never rename or drop a column, narrow its type, or look at rows to decide: what came is in the fields' metadata.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from raylab.notebook.arrow_types import BINARY, WORDS, Array, DataType, Field, Unfit, cast, differs, plain, unify, word
from raylab.notebook.columns import KIND, OF, SHUFFLED, TABLE, column, numbered_name
from raylab.notebook.exact import about, marks
from raylab.notebook.rows import RESERVED

SEQ = "_seq"
MORE = "_more"

MAX_COLUMNS = 1_000
"""A sweep has at most so many columns: every commit carries them all. What rows say of their trials always gets one,
also where the first trial that was measured or timed comes after the 1,000th column."""

NAME = b"raylab.name"
"""Field metadata that tells of which name a column was made."""

APART = frozenset({b"pickle", b"text", TABLE})
"""Kinds that a type does not tell: a pickled value looks like a dict, the text of a mixed axis' levels like strings,
the rows of a frame like a list of dicts."""

Pair: TypeAlias = tuple[Field, Array]


class Schema:
    """The columns in force of one sweep: every commit carries all of them.

    Rules of this class: a column in force never goes away, never changes its name, and its type only widens.
    The plain name belongs to the kind that was committed first (readers have an order of their own). Field metadata
    tells the plain name and the kind, so that the newest file is enough to go on from.

    Example:
        >>> schema = Schema()
        >>> schema.concat([pa.record_batch({"loss": [1]})]).to_pylist()
        [{'loss': 1}]
        >>> schema.concat([pa.record_batch({"loss": ["diverged"]})]).to_pylist()
        [{'loss': None, 'loss__string': 'diverged'}]
    """

    def __init__(self, schemas: Iterable[pa.Schema] = ()) -> None:
        """The columns in force after files of these schemas, oldest first; the newest file with rows alone will do."""
        self._fields: dict[str, Field] = {}
        self._columns: dict[str | bytes, list[str]] = {}  # by `identity` the columns that hold the values
        self._last: tuple[pa.Schema, list[str]] = (pa.schema([]), [])  # what was placed last, and where
        for field in union(schemas):
            if field.name != SEQ:
                self._columns.setdefault(identity(field), []).append(field.name)
                self._fields[field.name] = field

    @property
    def arrow(self) -> pa.Schema:
        """The columns in force, as Arrow has it."""
        return pa.schema(self._fields.values())

    def concat(self, batches: Sequence[pa.RecordBatch]) -> pa.Table:
        """Wire batches in the columns in force, which each of them may widen or add to."""
        tidy = [(pairs := _tidy(batch), self._placed(pairs), batch.num_rows) for batch in _merged(batches)]
        return pa.Table.from_batches([self._built(*each) for each in tidy], self.arrow)

    def _placed(self, pairs: Sequence[Pair]) -> list[str]:
        """The column in force of each array, made or widened where needed; nearly always the same as before."""
        fields = pa.schema([field for field, _ in pairs])
        if not fields.equals(self._last[0], check_metadata=True):
            self._last = fields, [self._place(field) for field in fields]
        return self._last[1]

    def _place(self, field: Field) -> str:
        names = self._columns.get(identity(field), ())
        if names and pa.types.is_null(field.type):  # nothing to keep
            return names[0]
        for name in names:
            if name != MORE and self._takes(name, field):
                return name
        return self._new(field)

    def _takes(self, name: str, field: Field) -> bool:
        """Whether this column holds the field's values, widened where needed."""
        known = self._fields[name]
        if kept_apart(known) != kept_apart(field) and not pa.types.is_null(known.type):
            return False
        wider = unify(known.type, field.type, marks(known) | marks(field))
        if wider is None or (is_pattern(name) and not wider.equals(known.type)):
            return False
        self._fields[name] = _grown(known, field, wider)
        return True

    def _new(self, field: Field) -> str:
        if len(self._fields) - (MORE in self._fields) >= MAX_COLUMNS and field.name not in RESERVED:
            self._fields.setdefault(MORE, pa.field(MORE, BINARY, metadata={NAME: MORE, KIND: "more"}))
            return MORE
        kind = kind_word(field)
        name, taken = self._plain_name(field), {*self._fields, SEQ, MORE}
        if name in taken:
            name = numbered_name(f"{name}__{kind}", taken)
        self._columns.setdefault(identity(field), []).append(name)
        also = {key: value for key, value in (field.metadata or {}).items() if key not in (NAME, KIND)}
        self._fields[name] = pa.field(name, field.type, metadata={**also, NAME: field.name, KIND: kind})
        return name

    def _plain_name(self, field: Field) -> str:
        """Its own, unless a renamed result has it, or it is one and another has it: then with one more `__result`."""
        name, own = str(field.name), identity(field)
        while name in self._fields and (other := identity(self._fields[name])) != own:
            if isinstance(other, str) and isinstance(own, str):
                break
            name += "__result"
        return name

    def _built(self, pairs: Sequence[Pair], names: Sequence[str], rows: int) -> pa.RecordBatch:
        filled: dict[str, Array] = {}
        more: list[dict[str, object]] = []
        for (field, array), name in zip(pairs, names, strict=True):
            if name == MORE:
                more = more or [{} for _ in range(rows)]
                for row, value in enumerate(array.to_pylist()):
                    if value is not None:
                        more[row][field.name] = value
                continue
            if pa.types.is_null(array.type):
                continue
            piece = cast(array, self._fields[name].type)
            # Two kinds of one wire batch, such as int and uint, may meet in one wider column.
            filled[name] = pc.coalesce(filled[name], piece) if name in filled else piece
        if any(more):
            filled[MORE] = pa.array([pickle.dumps(cell) if cell else None for cell in more], BINARY)
        arrays = [
            filled[name] if name in filled else pa.nulls(rows, field.type) for name, field in self._fields.items()
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.arrow)


def identity(field: Field) -> str | bytes:
    """What tells the results apart: the name, or of a renamed one, as bytes, what the experiment called it."""
    about = field.metadata or {}
    found: str | bytes = about[OF] if OF in about else about.get(NAME, field.name.encode()).decode()
    return found


def kept_apart(field: Field) -> bytes | None:
    """The kind of a field whose type does not tell it."""
    kind: bytes | None = (field.metadata or {}).get(KIND)
    return kind if kind in APART else None


def kind_word(field: Field) -> str:
    """The word for a field's kind, which names sibling columns."""
    apart = kept_apart(field)
    return apart.decode() if apart else word(field.type)


def _grown(known: Field, field: Field, kind: DataType) -> Field:
    """A column in force that takes in a field: of this type, with what both say of the values that came."""
    before, after = known.metadata or {}, field.metadata or {}
    merged = {**before, **about(marks(known) | marks(field))}
    if pa.types.is_null(known.type) and not pa.types.is_null(kind):  # a column of nulls is of the kind that comes first
        merged[KIND] = after.get(KIND) or kind_word(field).encode()
    if SHUFFLED in after or differs(known.type, field.type):
        merged[SHUFFLED] = b"1"
    return pa.field(known.name, kind, metadata=merged)


def is_pattern(name: str) -> bool:
    """Polars takes such a name for many; it reads the column, and cannot put two together that differ in type."""
    return name == "*" or (name.startswith("^") and name.endswith("$"))


def _merged(batches: Sequence[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
    """Batches that follow each other and have the same fields as one: each costs more than its rows."""
    groups: list[list[pa.RecordBatch]] = []
    for batch in batches:
        batch = batch.replace_schema_metadata()  # which tells of its rows, and is no column
        if groups and groups[-1][0].schema.equals(batch.schema, check_metadata=True):
            groups[-1].append(batch)
        else:
            groups.append([batch])
    for group in groups:
        yield from pa.Table.from_batches(group).combine_chunks().to_batches() if len(group) > 1 else group


def _tidy(batch: pa.RecordBatch) -> list[Pair]:
    """A batch's arrays in the few types; a typed array without any value is left out."""
    pairs: list[Pair] = []
    for field, array in zip(batch.schema, batch.columns, strict=True):
        if kept_apart(field) == b"pickle" or pa.types.is_null(array.type):
            pairs.append((field, array))
        elif array.null_count < len(array) or len(array) == 0:
            pairs.extend(_tidied(field, array))
    return pairs


def _tidied(field: Field, array: Array) -> list[Pair]:
    if field.type in WORDS:
        return [(field, array)]
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    try:
        kind = plain(array.type)
        return [(field.with_type(kind), array if array.type.equals(kind) else array.cast(kind, safe=False))]
    except (Unfit, pa.ArrowException):
        about = field.metadata or {}
        return [
            (each.with_metadata({**about, **(each.metadata or {})}), piece)
            for each, piece in column(field.name, array.to_pylist())
        ]


def _changes(schemas: Iterable[pa.Schema]) -> Iterator[pa.Schema]:
    """Those that are not like the one before: a thousand commits nearly always have one schema."""
    before: pa.Schema | None = None
    for schema in schemas:
        if before is None or not schema.equals(before, check_metadata=True):
            yield schema
        before = schema


def union(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """All the columns of these schemas, in order of appearance, each wide enough for all.

    Raises:
        ValueError: a column has types that no one type holds.
    """
    fields: dict[str, Field] = {}
    for schema in _changes(schemas):
        for field in schema:
            known = fields.setdefault(field.name, field.with_nullable(True))
            wider = unify(known.type, field.type)
            if wider is None:
                raise ValueError(f"column {field.name!r} is {known.type} in one file and {field.type} in another")
            fields[field.name] = _grown(known, field, wider)
    return pa.schema(fields.values())


def align(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables of one sweep as one, in the union of their columns. (pyarrow's own refuses ints beyond 2^53.)"""
    schema = union(table.schema for table in tables)
    return pa.concat_tables([_aligned(table, schema) for table in tables])


def _aligned(table: pa.Table, schema: pa.Schema) -> pa.Table:
    if table.schema.equals(schema):
        return pa.Table.from_arrays(table.columns, schema=schema)
    there = dict(zip(table.column_names, table.columns, strict=True))
    columns = [cast(there.get(field.name, pa.nulls(table.num_rows)), field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)
