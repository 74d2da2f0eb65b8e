"""Rows and their columns: Python values to Arrow in the worker, the schema in force in the actor.

Promises: no value is refused. What Arrow can hold is typed; what it cannot is kept pickled beside its repr. A
column keeps its type or widens (int to float, lists and structs by element); values of another kind get a
column of their own, `NAME__KIND`. The types that go out are few: polars, duckdb and pyarrow read them all.

Must never turn numbers into strings, merge naive and UTC times, or let one odd value sink its neighbours.
"""

from __future__ import annotations

import datetime as dt
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "MORE",
    "SEQ",
    "Schema",
    "align",
    "cast",
    "column",
    "describe",
    "packed",
    "unify",
    "union",
    "wire_batch",
]

# pyarrow has types of its own only since lately, generic ones that say nothing here.
DataType: TypeAlias = Any
Array: TypeAlias = Any
Field: TypeAlias = Any

SEQ = "_seq"
MORE = "_more"

# A sweep has at most so many columns: every commit carries them all.
MAX_COLUMNS = 1_000
# Readers recurse over nested types. What is deeper, or a dict used as a table of keys, is kept pickled.
MAX_DEPTH = 16
MAX_FIELDS = 1_000
MAX_REPR = 10_000

NAME, KIND = b"raylab.name", b"raylab.kind"

INT, UINT, FLOAT, BOOL = pa.int64(), pa.uint64(), pa.float64(), pa.bool_()
STRING, BINARY, NULL = pa.string(), pa.binary(), pa.null()
DATETIME, DATETIME_UTC = pa.timestamp("us"), pa.timestamp("us", tz="UTC")
DATE, TIME, DURATION = pa.date32(), pa.time64("us"), pa.duration("us")
DECIMAL = pa.decimal128(38, 18)
PICKLED = pa.struct([("repr", STRING), ("pickle", BINARY)])

WORDS = {
    STRING: "string",
    INT: "int",
    UINT: "uint",
    FLOAT: "float",
    BOOL: "bool",
    BINARY: "binary",
    DATE: "date",
    TIME: "time",
    DURATION: "duration",
    DATETIME: "datetime",
    DATETIME_UTC: "datetime_utc",
    DECIMAL: "decimal",
}

# What Arrow takes as it is. np.float64 is a float to it; the other numpy scalars go by their `item()`.
PLAIN: dict[type, DataType] = {float: FLOAT, np.float64: FLOAT, int: INT, bool: BOOL, str: STRING}

Described: TypeAlias = tuple[object, DataType]


class Unfit(Exception):
    """The value has no place in an Arrow column; it will be pickled."""


# -- values: one Python value, as what Arrow takes, and its type


def describe(value: object, depth: int = 0) -> Described:
    """A value as Arrow can take it, and its type. Whatever raises here makes the value a pickled one.

    Raises:
        Unfit: Arrow has no type for it that all readers know.
    """
    if depth > MAX_DEPTH:
        raise Unfit
    if value is None:
        return None, NULL
    if isinstance(value, np.generic):
        return _describe_scalar(value, depth)
    for kind, how in _DESCRIBERS:
        if isinstance(value, kind):
            return how(value, depth)
    raise Unfit


def _describe_scalar(value: np.generic, depth: int) -> Described:
    if value.dtype.kind in "Mm":
        if np.isnat(value):
            return None, NULL
        if value.dtype.kind == "m" or value.dtype.str[4:-1] != "D":
            value = value.astype(f"{value.dtype.kind}8[us]")
    plain = value.item()
    # np.longdouble is its own item; a date outside Python's years is an int.
    if isinstance(plain, np.generic) or (value.dtype.kind in "Mm" and isinstance(plain, int)):
        raise Unfit
    return describe(plain, depth)


def _describe_int(value: int, depth: int) -> Described:
    value = int.__int__(value)
    if -(2**63) <= value < 2**63:
        return value, INT
    if 0 <= value < 2**64:
        return value, UINT
    raise Unfit


def _describe_str(value: str, depth: int) -> Described:
    value = str.__str__(value)
    value.encode()  # lone surrogates have no UTF-8
    return value, STRING


def _describe_decimal(value: Decimal, depth: int) -> Described:
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):  # nan, infinity
        raise Unfit
    kept = len("".join(map(str, digits)).rstrip("0"))
    if kept and (len(digits) + exponent > 20 or exponent + len(digits) - kept < -18):
        raise Unfit
    return value, DECIMAL


def _describe_datetime(value: dt.datetime, depth: int) -> Described:
    if value != value:  # pandas.NaT is a datetime
        return None, NULL
    if value.tzinfo is None:
        return value, DATETIME
    return value.astimezone(dt.UTC), DATETIME_UTC


def _describe_time(value: dt.time, depth: int) -> Described:
    if value.tzinfo is not None:
        raise Unfit
    return value, TIME


def _describe_list(value: Sequence[object], depth: int) -> Described:
    types = set(map(type, value)) - {type(None)}
    if len(types) == 1 and (known := PLAIN.get(next(iter(types)))) is not None:
        if known is not INT:
            return list(value), pa.list_(known)
        numbers = [item for item in value if isinstance(item, int)]
        if min(numbers) >= -(2**63) and max(numbers) < 2**63:
            return list(value), pa.list_(INT)
    items, inner = [], NULL
    for item in value:
        plain, kind = describe(item, depth + 1)
        inner = _unified(inner, kind)
        items.append(plain)
    return items, pa.list_(inner)


def _describe_dict(value: dict[object, object], depth: int) -> Described:
    # Arrow has structs without fields, but not every reader has.
    if not 0 < len(value) <= MAX_FIELDS:
        raise Unfit
    plain, fields = {}, []
    for key, item in value.items():
        if not isinstance(key, str) or "\0" in key:
            raise Unfit
        name = str.__str__(key)
        plain[name], kind = describe(item, depth + 1)
        fields.append(pa.field(name, kind))
    return plain, pa.struct(fields)


def _describe_array(value: np.ndarray[Any, Any], depth: int) -> Described:
    kind = value.dtype.kind
    if value.ndim + depth > MAX_DEPTH:
        raise Unfit
    if value.ndim == 0:
        return describe(value[()], depth)
    if isinstance(value, np.ma.MaskedArray) or kind not in "biuf" or value.dtype.itemsize > 8:
        return _describe_list(value.tolist() if kind == "O" or hasattr(value, "mask") else list(value), depth)
    inner: DataType = {"b": BOOL, "i": INT, "u": INT, "f": FLOAT}[kind]
    if kind == "u" and value.size and int(value.max()) >= 2**63:
        inner = UINT
    plain = value.astype(inner.to_pandas_dtype())
    for _ in range(value.ndim):
        inner = pa.list_(inner)
    return (plain if value.ndim == 1 else plain.tolist()), inner


# In this order: a bool is an int and a datetime a date, to Python.
_DESCRIBERS: list[tuple[Any, Callable[[Any, int], Described]]] = [
    (bool, lambda value, depth: (value, BOOL)),
    (int, _describe_int),
    (float, lambda value, depth: (float.__float__(value), FLOAT)),
    (str, _describe_str),
    ((bytes, bytearray, memoryview), lambda value, depth: (bytes(value), BINARY)),
    (np.ndarray, _describe_array),
    ((list, tuple), _describe_list),
    (dict, _describe_dict),
    (dt.datetime, _describe_datetime),
    (dt.date, lambda value, depth: (value, DATE)),
    (dt.time, _describe_time),
    (dt.timedelta, lambda value, depth: (value, DURATION)),
    (Decimal, _describe_decimal),
]


def packed(value: object) -> dict[str, object]:
    """A value of no known type: its repr, and its pickle if it has one."""
    try:
        text = repr(value)[:MAX_REPR].encode("utf-8", "backslashreplace").decode()
    except Exception:  # the user's __repr__ may raise anything
        text = f"<{type(value).__name__}; its repr raises an error>"
    try:
        data = pickle.dumps(value)
    except Exception:  # so may __reduce__
        data = None
    return {"repr": text, "pickle": data}


# -- types


def unify(a: DataType, b: DataType) -> DataType | None:
    """The type that holds the values of both, or None if only strings or pickles could.

    Example:
        >>> unify(pa.list_(pa.int64()), pa.list_(pa.float64()))
        ListType(list<item: double>)
        >>> unify(pa.int64(), pa.string()) is None
        True
    """
    try:
        return _unified(a, b)
    except Unfit:
        return None


def _unified(a: DataType, b: DataType) -> DataType:
    if a.equals(b) or pa.types.is_null(b):
        return a
    if pa.types.is_null(a):
        return b
    if {a, b} in ({INT, FLOAT}, {UINT, FLOAT}):
        return FLOAT
    if pa.types.is_list(a) and pa.types.is_list(b):
        return pa.list_(_unified(a.value_type, b.value_type))
    if pa.types.is_struct(a) and pa.types.is_struct(b):
        fields = {field.name: field.type for field in a}
        for field in b:
            fields[field.name] = _unified(fields.get(field.name, NULL), field.type)
        if len(fields) <= MAX_FIELDS:
            return pa.struct(fields.items())
    raise Unfit


def cast(array: Array, kind: DataType) -> Array:
    """An array in a wider type, as `unify` gives it. (Older pyarrow cannot cast structs.)"""
    if array.type.equals(kind):
        return array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), kind)
    if pa.types.is_list(kind):
        # Copied, because from_arrays refuses a mask beside sliced offsets.
        offsets = pa.array(array.offsets.to_numpy().copy(), pa.int32())
        return pa.ListArray.from_arrays(offsets, cast(array.values, kind.value_type), type=kind, mask=array.is_null())
    if pa.types.is_struct(kind):
        here = {field.name: index for index, field in enumerate(array.type)}
        children = [
            cast(array.field(here[field.name]), field.type) if field.name in here else pa.nulls(len(array), field.type)
            for field in kind
        ]
        return pa.StructArray.from_arrays(children, fields=list(kind), mask=array.is_null())
    # Unsafe: an int beyond 2^53 becomes the nearest float, as Python's own float() has it.
    return array.cast(kind, safe=False)


def plain(kind: DataType) -> DataType:
    """The one of the few types that holds what this type holds.

    Raises:
        Unfit: there is none.
    """
    t = pa.types
    if t.is_null(kind) or kind in WORDS:
        return kind
    for test, result in _PLAINER:
        if test(kind):
            return result
    if t.is_timestamp(kind):
        return DATETIME if kind.tz is None else DATETIME_UTC
    if t.is_dictionary(kind):
        return plain(kind.value_type)
    if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        return pa.list_(plain(kind.value_type))
    if t.is_struct(kind) and 0 < kind.num_fields <= MAX_FIELDS:
        return pa.struct([(field.name, plain(field.type)) for field in kind])
    raise Unfit


_PLAINER: list[tuple[Any, DataType]] = [
    (pa.types.is_integer, INT),
    (pa.types.is_floating, FLOAT),
    (pa.types.is_large_string, STRING),
    (pa.types.is_string_view, STRING),
    (pa.types.is_large_binary, BINARY),
    (pa.types.is_binary_view, BINARY),
    (pa.types.is_fixed_size_binary, BINARY),
    (pa.types.is_date, DATE),
    (pa.types.is_time, TIME),
    (pa.types.is_duration, DURATION),
]


def word(kind: DataType) -> str:
    """The short word for a type, which names sibling columns."""
    if pa.types.is_list(kind):
        return "list"
    return "struct" if pa.types.is_struct(kind) else WORDS.get(kind, str(kind))


# -- the worker's side: lists of values to arrays


def column(name: str, values: Sequence[object]) -> list[tuple[Field, Array]]:
    """A column's values as Arrow arrays, one for each kind among them, each with nulls in the others' rows.

    Args:
        name: The column's name; all the arrays bear it.
        values: One value a row; None where there is none.

    Returns:
        No array if there is no value; more than one only if the kinds clash.

    Example:
        >>> for field, array in column("loss", [1, 2.5, None, "diverged"]):
        ...     print(field.name, array.type, array.to_pylist())
        loss double [1.0, 2.5, None, None]
        loss string [None, None, None, 'diverged']
    """
    types = set(map(type, values)) - {type(None)}
    if not types:
        return []
    array = _of_one_kind(types, values)
    if array is not None:
        return [(pa.field(_clean(name), array.type), array)]
    return _of_many_kinds(_clean(name), values)


def wire_batch(columns: Mapping[str, Sequence[object]], fixed: Mapping[str, Array], rows: int) -> pa.RecordBatch:
    """What a worker sends: the fixed arrays, then the columns, several of which may share a name.

    Args:
        columns: Values by column, as `column` takes them.
        fixed: Arrays that are there already, such as the metadata and the parameters.
        rows: How many rows every one of them must have.

    Raises:
        ValueError: A column is longer or shorter, or is given twice.
    """
    fields, arrays = [], []
    for name, array in fixed.items():
        fields.append(pa.field(_clean(name), array.type))
        arrays.append(array)
    for name, values in columns.items():
        if len(values) != rows or name in fixed:
            raise ValueError(f"column {name!r}: one list of {rows} values is expected, got {len(values)}")
        for field, array in column(name, values):
            fields.append(field)
            arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _clean(name: str) -> str:
    """The name, as readers can bear it: polars panics at a NUL, nobody can write a lone surrogate."""
    return name.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def _of_one_kind(types: set[type], values: Sequence[object]) -> Array | None:
    """The fast way, for nearly all columns; None if it does not lead there."""
    kinds = {PLAIN.get(kind) for kind in types}
    try:
        if kinds == {INT, FLOAT}:
            return pa.array([None if value is None else float(value) for value in values], FLOAT)  # type: ignore[arg-type]
        if len(kinds) == 1 and None not in kinds:
            return pa.array(values, kinds.pop())
    except (pa.ArrowException, OverflowError, UnicodeError):
        pass
    return None


def _of_many_kinds(name: str, values: Sequence[object]) -> list[tuple[Field, Array]]:
    """The careful way: value by value, so that an odd one ends up pickled and alone."""
    kinds: list[DataType] = []
    members: list[dict[int, object]] = []
    odd: set[int] = set()
    for row, value in enumerate(values):
        if value is None:
            continue
        try:
            plain_value, kind = describe(value)
        except Exception:  # Unfit, or whatever a user's subclass raises
            odd.add(row)
            continue
        if plain_value is not None:
            _sort_in(kinds, members, row, plain_value, kind)
    out = []
    for kind, some in zip(kinds, members, strict=True):
        array = _array(some, kind, len(values), odd)
        if array.null_count < len(values):
            out.append((pa.field(name, kind), array))
    if odd:
        cells = [packed(value) if row in odd else None for row, value in enumerate(values)]
        out.append((pa.field(name, PICKLED, metadata={KIND: b"pickle"}), pa.array(cells, PICKLED)))
    return out


def _sort_in(kinds: list[DataType], members: list[dict[int, object]], row: int, value: object, kind: DataType) -> None:
    for index, known in enumerate(kinds):
        wider = unify(known, kind)
        if wider is not None:
            kinds[index] = wider
            members[index][row] = value
            return
    kinds.append(kind)
    members.append({row: value})


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
            cells[row] = _coerced(value, kind)
            pa.array([cells[row]], kind)
        except _REFUSALS:
            cells[row] = None
            odd.add(row)
    return pa.array(cells, kind)


_REFUSALS = (pa.ArrowException, ArithmeticError, TypeError, ValueError)


def _coerced(value: object, kind: DataType) -> object:
    """Ints made floats where the type says so: Arrow does it itself, but only up to 2^53."""
    if value is None:
        return None
    if isinstance(value, np.ndarray):
        return value.astype(np.float64) if kind.value_type.equals(FLOAT) else value
    if pa.types.is_list(kind) and isinstance(value, list):
        return [_coerced(item, kind.value_type) for item in value]
    if pa.types.is_struct(kind) and isinstance(value, dict):
        return {field.name: _coerced(value[field.name], field.type) for field in kind if field.name in value}
    return float(value) if kind.equals(FLOAT) and isinstance(value, int) else value


# -- the actor's side: the schema in force


class HasSchema(Protocol):
    """Anything that tells the columns of a file, such as `table.FileInfo`."""

    @property
    def schema(self) -> pa.Schema: ...


Pair: TypeAlias = tuple[Field, Array]


class Schema:
    """The columns in force of one sweep: every commit carries all of them.

    Rules of this class: a column in force never goes away, never changes its name, and its type only widens.
    The plain name belongs to the kind that was committed first. Field metadata tells the plain name and the
    kind, so that the newest file is enough to go on from.

    Example:
        >>> schema = Schema()
        >>> schema.conform(wire_batch({"loss": [1]}, {}, 1)).to_pylist()
        [{'loss': 1}]
        >>> schema.conform(wire_batch({"loss": ["diverged"]}, {}, 1)).to_pylist()
        [{'loss': None, 'loss__string': 'diverged'}]
    """

    def __init__(self, fields: Iterable[Field] = ()) -> None:
        self._fields: dict[str, Field] = {}
        self._columns: dict[str, list[str]] = {}  # plain name -> the columns that hold its values
        for field in fields:
            self._add(field)

    @classmethod
    def from_files(cls, infos: Iterable[HasSchema]) -> Schema:
        """The schema in force after these files, oldest first; the newest file with rows alone will do."""
        schema = cls()
        for info in infos:
            for field in info.schema:
                if field.name != SEQ:
                    schema._add(field)
        return schema

    @property
    def fields(self) -> tuple[Field, ...]:
        """The columns in force, in order."""
        return tuple(self._fields.values())

    @property
    def arrow(self) -> pa.Schema:
        """The columns in force, as Arrow has it."""
        return pa.schema(self._fields.values())

    def conform(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """A wire batch in the columns in force, which it may widen or add to."""
        pairs = _tidy(batch)
        return self._built(pairs, self._placed(pairs), batch.num_rows)

    def concat(self, batches: Sequence[pa.RecordBatch]) -> pa.Table:
        """Several wire batches in the columns that are in force after the last of them."""
        tidy = [(pairs := _tidy(batch), self._placed(pairs), batch.num_rows) for batch in batches]
        return pa.Table.from_batches([self._built(*each) for each in tidy], self.arrow)

    def _add(self, field: Field) -> None:
        """A column of an earlier file."""
        known = self._fields.get(field.name)
        if known is None:
            name = (field.metadata or {}).get(NAME, field.name.encode()).decode()
            self._columns.setdefault(name, []).append(field.name)
            self._fields[field.name] = field
        else:
            wider = unify(known.type, field.type)
            self._fields[field.name] = field.with_type(field.type if wider is None else wider)

    def _placed(self, pairs: Sequence[Pair]) -> list[str]:
        """The column in force of each array, made or widened where needed."""
        return [self._place(field) for field, _ in pairs]

    def _place(self, field: Field) -> str:
        for name in self._columns.get(field.name, ()):
            known = self._fields[name]
            # A user's dict may look like a pickled value, so the types do not tell them apart.
            if _is_pickled(known) != _is_pickled(field) or name == MORE:
                continue
            wider = unify(known.type, field.type)
            if wider is not None:
                self._fields[name] = known.with_type(wider)
                return name
        return self._new(field)

    def _new(self, field: Field) -> str:
        if len(self._fields) - (MORE in self._fields) >= MAX_COLUMNS:
            self._fields.setdefault(MORE, pa.field(MORE, BINARY, metadata={NAME: MORE, KIND: "more"}))
            return MORE
        kind = "pickle" if _is_pickled(field) else word(field.type)
        name: str = field.name
        count = 1
        while name in self._fields or name in {SEQ, MORE}:
            name = f"{field.name}__{kind}{count if count > 1 else ''}"
            count += 1
        self._columns.setdefault(field.name, []).append(name)
        self._fields[name] = pa.field(name, field.type, metadata={NAME: field.name, KIND: kind})
        return name

    def _built(self, pairs: Sequence[Pair], names: Sequence[str], rows: int) -> pa.RecordBatch:
        filled: dict[str, Array] = {}
        more: list[dict[str, object]] = [{} for _ in range(rows)]
        for (field, array), name in zip(pairs, names, strict=True):
            if name == MORE:
                _note(more, field.name, array)
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


def _note(more: list[dict[str, object]], name: str, array: Array) -> None:
    for row, value in enumerate(array.to_pylist()):
        if value is not None:
            more[row][name] = value


def _is_pickled(field: Field) -> bool:
    return (field.metadata or {}).get(KIND) == b"pickle"


def _tidy(batch: pa.RecordBatch) -> list[Pair]:
    """A batch's arrays in the few types; an array without any value is left out."""
    pairs: list[Pair] = []
    for field, array in zip(batch.schema, batch.columns, strict=True):
        if _is_pickled(field):
            pairs.append((field, array))
        elif array.null_count < len(array) or len(array) == 0:
            pairs.extend(_tidied(field.name, array))
    return pairs


def _tidied(name: str, array: Array) -> list[Pair]:
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    try:
        kind = plain(array.type)
        return [(pa.field(name, kind), array if array.type.equals(kind) else array.cast(kind, safe=False))]
    except (Unfit, pa.ArrowException):
        return column(name, array.to_pylist())


def union(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """All the columns of these schemas, in order of appearance, each wide enough for all.

    Raises:
        ValueError: a column has types that no one type holds.
    """
    fields: dict[str, Field] = {}
    for schema in schemas:
        for field in schema:
            known = fields.setdefault(field.name, field.with_nullable(True))
            wider = unify(known.type, field.type)
            if wider is None:
                raise ValueError(f"column {field.name!r} is {known.type} in one file and {field.type} in another")
            fields[field.name] = known.with_type(wider)
    return pa.schema(fields.values())


def align(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables of one sweep as one, in the union of their columns. (pyarrow's own refuses ints beyond 2^53.)"""
    schema = union(table.schema for table in tables)
    return pa.concat_tables([_aligned(table, schema) for table in tables])


def _aligned(table: pa.Table, schema: pa.Schema) -> pa.Table:
    if table.schema.equals(schema):
        return pa.Table.from_arrays(table.columns, schema=schema)
    columns = []
    for field in schema:
        if field.name in table.column_names:
            chunks = [cast(chunk, field.type) for chunk in table.column(field.name).chunks]
            columns.append(pa.chunked_array(chunks, field.type))
        else:
            columns.append(pa.nulls(table.num_rows, field.type))
    return pa.Table.from_arrays(columns, schema=schema)
