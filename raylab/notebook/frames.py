"""Rows as polars frames: which of them, and which columns in which order. What a person gets to see is decided here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
import polars as pl
import polars.selectors as cs
import pyarrow as pa

from raylab.core.design import Design
from raylab.core.request import SweepRecord
from raylab.notebook.file import Loaded
from raylab.notebook.parameters import Parameters
from raylab.notebook.records import METADATA, TIMES, summary
from raylab.notebook.schema import NAME, SEQ

STATUSES = ("done", "failed", "crashed", "out_of_memory", "timed_out")

FAILED = STATUSES[1:]
"""Those of trials that came to nothing."""

WARNINGS_SCHEMA: dict[str, Any] = {
    "category": pl.String,
    "text": pl.String,
    "count": pl.Int64,
    "trials": pl.Int64,
    "example": pl.String,
    "_point": pl.Int64,
    "_repeat": pl.Int64,
}

ALWAYS: dict[str, Any] = {SEQ: pa.int64(), **METADATA}
"""The metadata of every sweep, in the order people see."""

SOMETIMES: dict[str, Any] = {**TIMES, "_metadata": pa.null()}
"""The metadata that some experiments add; of no type as long as there is none."""

Owners: TypeAlias = dict[str, str]
"""By column the name it was made of: a sibling `p__string` belongs to `p`, a parameter called `p__x` to itself."""


def check_status(status: str | Sequence[str]) -> list[str]:
    """The statuses that a word, several words or "all" mean.

    Raises:
        ValueError: one of the words is no status, or there is none.
    """
    words = [status] if isinstance(status, str) else list(status)
    unknown = [word for word in words if word != "all" and word not in STATUSES]
    if unknown or not words:
        raise ValueError(f"status is one or several of {', '.join(map(repr, STATUSES))}, or 'all'; got {status!r}")
    return list(STATUSES) if "all" in words else words


def warnings_frame(metas: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """The warnings that some commits tell of, a row for each kind.

    Args:
        metas: the metadata of a sweep's files in force.
    """
    frame = pl.DataFrame(summary(metas)["warnings"], schema=WARNINGS_SCHEMA, orient="row")
    return frame.sort("count", "text", "category", descending=[True, False, False])


def scan(
    record: SweepRecord,
    files: Sequence[Loaded],
    *,
    status: str | Sequence[str] = "done",
    metadata: bool | Sequence[str] = False,
    since: int = 0,
) -> pl.LazyFrame:
    """A sweep's rows: parameters, `_repeat` when there are repeats, results, and the metadata asked for.

    Args:
        record: what was asked.
        files: the sweep's files in force, in order.
        status: which trials.
        metadata: True for all metadata columns, or some of their names.
        since: only rows from this `_seq` on.

    Raises:
        ValueError: there is no such status, or no such metadata.
    """
    words = check_status(status)
    parameters = _parameters(record.segment.design)
    chosen = [loaded for loaded in files if loaded.info.rows and loaded.info.stop > since]
    # The last file has all the columns in force.
    tables = [loaded.table for loaded in chosen] or [loaded.table.slice(0, 0) for loaded in files[-1:]]
    owners = _owners(tables)
    asked = _asked(metadata, owners)
    blank = [*parameters, *(pa.field(name, kind) for name, kind in (ALWAYS | _some(asked)).items())]
    blank = [field for field in blank if field.name not in owners]
    owners |= {field.name: field.name for field in blank}
    wanted = _columns(owners, [field.name for field in parameters], record.segment.repeats > 1, asked)
    filters = _filters([loaded.info.meta for loaded in chosen], words, since)
    used = {*wanted, *(name for each in filters for name in each.meta.root_names())} or {SEQ}
    rows = _together([*tables, pa.schema(blank).empty_table()], used)
    for each in filters:
        rows = rows.filter(each)
    return rows.select(cs.by_name(wanted))  # plain strings would be patterns: a result may be called "*"


def _filters(metas: Sequence[Mapping[str, Any]], words: Sequence[str], since: int) -> list[pl.Expr]:
    """What leaves the rows that are wanted, in this order; nothing where the commits say that all of them are."""
    found = summary(metas)
    filters = [pl.col(SEQ) >= since] if since else []
    if found["again"]:
        filters.append(pl.col("_attempt") == pl.col("_attempt").max().over("_point", "_repeat"))
    if not (set(found["by_status"]) <= set(words) and all(meta.get("by_status") for meta in metas)):
        filters.append(pl.col("_status").is_in(words))
    return filters


@lru_cache(maxsize=8)
def _parameters(design: str) -> list[Any]:
    """A field for each parameter of a design, of the type of its first value; of no type if it has none."""
    loaded = Design.loads(design)
    kinds: dict[str, Any] = {}
    for field, _ in Parameters(loaded).columns(np.array([], dtype=np.int64)):
        kinds.setdefault(field.name, field.type)
    return [pa.field(name, kinds.get(name, pa.null())) for name in loaded.parameters]


def _owners(tables: Sequence[pa.Table]) -> Owners:
    return {
        field.name: (field.metadata or {}).get(NAME, field.name.encode()).decode()
        for table in tables
        for field in table.schema
    }


def _asked(metadata: bool | Sequence[str], owners: Owners) -> list[str]:
    """The metadata columns that are wanted."""
    known = [*ALWAYS, *SOMETIMES]
    there = [name for name in known if name in ALWAYS or name in owners]
    siblings = [name for name, owner in owners.items() if owner in known and name not in known]
    if isinstance(metadata, bool):
        return [*there, *siblings] if metadata else []
    wanted = [metadata] if isinstance(metadata, str) else list(metadata)
    unknown = [name for name in wanted if name not in known and name not in siblings]
    if unknown:
        raise ValueError(
            f"metadata is True, or a list of column names; there is no {', '.join(map(repr, unknown))}, "
            f"there are {', '.join([*there, *siblings])}"
        )
    return list(dict.fromkeys(wanted))


def _some(asked: Sequence[str]) -> dict[str, Any]:
    return {name: kind for name, kind in SOMETIMES.items() if name in asked}


def _together(tables: Sequence[pa.Table], names: AbstractSet[str]) -> pl.LazyFrame:
    """The rows of all tables, with these columns."""
    frames = []
    for table in _joined([table.select([name for name in table.column_names if name in names]) for table in tables]):
        frame = pl.from_arrow(table.rename_columns(list(map(str, range(table.num_columns)))))
        assert isinstance(frame, pl.DataFrame)
        frame.columns = table.column_names  # from_arrow gives a column called "" another name
        if frame.width:
            frames.append(frame.lazy())
    return pl.concat(frames, how="diagonal_relaxed")


def _joined(tables: Sequence[pa.Table]) -> Iterator[pa.Table]:
    """Tables that follow each other and have the same columns as one, without copying."""
    for _, group in groupby((table.replace_schema_metadata() for table in tables), key=lambda table: table.schema):
        yield pa.concat_tables(group)


def _columns(owners: Owners, parameters: Sequence[str], repeats: bool, asked: Sequence[str]) -> list[str]:
    """Which columns, in which order: parameters, the repeat, results, metadata."""
    own = [name for parameter in parameters for name, owner in owners.items() if owner == parameter]
    own += ["_repeat"] if repeats else []
    about = {*parameters, *ALWAYS, *SOMETIMES}
    results = [name for name, owner in owners.items() if owner not in about]
    return [*own, *results, *(name for name in asked if name not in own)]
