"""The tables of an experiment: results that are frames (or dicts, or lists of dicts), each as rows of its own.

A table lies in a cell of its trial's row, so that it is committed with the row, and superseded, copied, checked and
removed with it. Promises: every row of a table bears the parameters of its trial; rows are by point, repeat, and as the
experiment gave them, in whatever order they came.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import polars.selectors as cs
import pyarrow as pa
from numpy.typing import NDArray

from raylab.core.request import SweepRecord
from raylab.notebook import frames
from raylab.notebook.arrow_types import Field
from raylab.notebook.columns import TABLE, result_name
from raylab.notebook.file import Loaded
from raylab.notebook.frames import View, in_turn, viewed
from raylab.notebook.rows import RESERVED
from raylab.notebook.schema import kept_apart
from raylab.notebook.union import SWEEP, together

AT = "\0at"
"""The column of pieces with the number of the row that each row belongs to."""


def results(
    record: SweepRecord,
    files: Sequence[Loaded],
    *,
    status: str | Sequence[str] = "done",
    metadata: bool | Sequence[str] = False,
    table: str | None = None,
) -> pl.DataFrame:
    """A sweep's rows, or those of one of its tables.

    Args:
        record, files, status, metadata: see `frames.results`.
        table: the name of the table; None for the rows of trials.

    Raises:
        ValueError: there is no such table, status or metadata; the message says which there are.
    """
    if table is None:
        return frames.results(record, files, status=status, metadata=metadata)
    return _rows(record, files, status, metadata, table, sort=True)


def scan(
    record: SweepRecord,
    files: Sequence[Loaded],
    *,
    status: str | Sequence[str] = "done",
    metadata: bool | Sequence[str] = False,
    table: str | None = None,
) -> pl.LazyFrame:
    """The columns of `results`, in the order of arrival."""
    if table is None:
        return frames.scan(record, files, status=status, metadata=metadata)
    return _rows(record, files, status, metadata, table, sort=False).lazy()


def _rows(
    record: SweepRecord,
    files: Sequence[Loaded],
    status: str | Sequence[str],
    metadata: bool | Sequence[str],
    name: str,
    *,
    sort: bool,
) -> pl.DataFrame:
    view, tables = viewed(record, files, status, metadata)
    fields = _fields(view, record.name, name)
    also = ("_point", "_repeat", "_status", *view.mixing, *(field.name for field in fields))
    heads = view.without_results()
    trials = heads.rows(tables, also).collect()
    view.tell_mixed(trials)
    if sort and (order := in_turn(trials["_point"].to_numpy(), trials["_repeat"].to_numpy())) is not None:
        trials = trials.rechunk()[order]
    own = _joined([_unfolded(trials[field.name], len(fields) > 1) for field in fields])
    missing = np.setdiff1d(np.flatnonzero(trials["_status"] != "done"), own[AT].to_numpy())
    own = pl.concat([own, pl.DataFrame({AT: missing}, schema={AT: pl.Int64})], how="diagonal")
    own = own[np.argsort(own[AT].to_numpy(), kind="stable")]
    around = heads.shown(trials.select(cs.by_name(heads.columns)))
    return _beside(around[own[AT]], own.drop(AT), record.repeats > 1)


def table_names(view: View) -> list[str]:
    """Which tables a sweep has."""
    return [name for name, fields in _tables(view).items() if fields]


def _tables(view: View) -> dict[str, list[Field]]:
    """By the names of all results the columns on disk that hold tables."""
    return {name: list(filter(_is_table, fields)) for name, fields in view.results.items()}


def _fields(view: View, sweep: str, name: str) -> list[Field]:
    """The columns on disk that hold a table.

    Raises:
        ValueError: there is none of this name, and something has come in.
    """
    tables = _tables(view)
    there = table_names(view)
    is_others = name in view.parameters or name in RESERVED
    own = f"{name}__result" if is_others else name  # a table may be called as a parameter is
    if own in there or not view.results or (own in tables and all(map(_has_nothing, view.results[own]))):
        return tables.get(own, [])
    known = f"the tables are {', '.join(map(repr, there))}" if there else "no result is one"
    raise ValueError(
        f"there is no table {name!r} in {sweep!r}: {known}. A table is a result that is a frame, a dict or a list of "
        "dicts; without table= the other results are given"
    )


def _is_table(field: Field) -> bool:
    kind, apart = field.type, kept_apart(field)
    if apart is None and pa.types.is_list(kind):
        kind = kind.value_type
    return apart == TABLE or (apart is None and bool(pa.types.is_struct(kind)))


def _has_nothing(field: Field) -> bool:
    """Whether a column has been None or an empty list so far: whether it is a table nobody knows yet."""
    kind = field.type
    return bool(pa.types.is_null(kind) or (pa.types.is_list(kind) and pa.types.is_null(kind.value_type)))


def _unfolded(cells: pl.Series, by_name: bool) -> pl.DataFrame:
    """The rows of a column's cells, each with the number of its cell."""
    if isinstance(cells.dtype, pl.List):
        lengths = cells.list.len().fill_null(0).to_numpy()
        structs = cells.filter(pl.Series(lengths > 0)).explode()
    else:
        lengths = cells.is_not_null().to_numpy().astype(np.int64)
        structs = cells.drop_nulls()
    at: NDArray[np.int64] = np.repeat(np.arange(len(cells)), lengths)
    found = structs.struct.unnest() if isinstance(structs.dtype, pl.Struct) else pl.DataFrame()
    if by_name:  # which lie together on disk depends on which came first
        found = found.select(cs.by_name(sorted(found.columns)))
    return found.insert_column(0, pl.Series(AT, at, dtype=pl.Int64))


def _joined(pieces: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Pieces of one table, whose columns clash in their types."""
    if len(pieces) < 2:
        return pieces[0] if pieces else pl.DataFrame(schema={AT: pl.Int64})
    whole = together({str(number): piece for number, piece in enumerate(pieces)}, []).drop(SWEEP)
    return whole.select(cs.by_name([AT, *sorted(name for name in whole.columns if name != AT)]))


def _beside(heads: pl.DataFrame, own: pl.DataFrame, repeats: bool) -> pl.DataFrame:
    """The columns of trials around those of their table: parameters first, metadata last."""
    last = [name for name in heads.columns if name in RESERVED and not (repeats and name == "_repeat")]
    first = [name for name in heads.columns if name not in last]
    used = {*RESERVED, *first}
    columns = {name: heads[name] for name in first}
    for name in own.columns:
        free = result_name(name, used)
        used.add(free)
        columns[free] = own[name].alias(free)
    return pl.DataFrame(columns | {name: heads[name] for name in last})
