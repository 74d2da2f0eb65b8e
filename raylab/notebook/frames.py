"""Rows as polars frames: the one place that imports polars for reading. What a person gets to see is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import polars as pl
import pyarrow as pa

from raylab.core.design import Design
from raylab.core.request import SweepRecord
from raylab.notebook.file import Loaded
from raylab.notebook.records import METADATA, RESERVED, TIMES, Parameters
from raylab.notebook.schema import MORE, SEQ

Status: TypeAlias = Literal["done", "failed", "crashed", "timed_out", "all"]
STATUSES = ("done", "failed", "crashed", "timed_out")


def check_status(status: str | Sequence[str]) -> list[str]:
    """The statuses that a word, several words or "all" mean."""
    words = [status] if isinstance(status, str) else list(status)
    unknown = [word for word in words if word != "all" and word not in STATUSES]
    if unknown or not words:
        raise ValueError(f"status is one or several of {', '.join(map(repr, STATUSES))}, or 'all'; got {status!r}")
    return list(STATUSES) if "all" in words else words


def scan(
    record: SweepRecord,
    files: Sequence[Loaded],
    *,
    status: str | Sequence[str] = "done",
    metadata: bool | Sequence[str] = False,
    since: int = 0,
) -> pl.LazyFrame:
    """A sweep's rows: parameters, results, and of the metadata what was asked for.

    Args:
        record: what was asked.
        files: the sweep's files in force, in order.
        status: which trials.
        metadata: True for all metadata columns, or some of their names.
        since: only rows from this `_seq` on.
    """
    words = check_status(status)
    parameters = tuple(Design.loads(record.segment.design).parameters)
    frames = [
        _frame(loaded.table) for loaded in files if loaded.info.rows and loaded.info.seq + loaded.info.rows > since
    ]
    rows = pl.concat([_empty(record), *frames], how="diagonal_relaxed") if frames else _empty(record)
    if since:
        rows = rows.filter(pl.col(SEQ) >= since)
    if any(loaded.info.meta.get("again") for loaded in files):
        rows = rows.filter(pl.col("_attempt") == pl.col("_attempt").max().over("_point", "_repeat"))
    if set(words) != set(STATUSES):
        rows = rows.filter(pl.col("_status").is_in(words))
    return rows.select(_columns(rows.collect_schema().names(), parameters, record.segment.repeats > 1, metadata))


def _frame(table: pa.Table) -> pl.LazyFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame.lazy()


def _empty(record: SweepRecord) -> pl.LazyFrame:
    """No rows, but the columns that any row will have."""
    columns = Parameters(Design.loads(record.segment.design)).columns(_no_points())
    fields = [pa.field(SEQ, pa.int64()), *(pa.field(name, kind) for name, kind in METADATA.items())]
    seen: dict[str, Any] = {}
    for field, _ in columns:
        seen.setdefault(field.name, field.with_metadata(None))
    table = pa.schema([*seen.values(), *(field for field in fields if field.name not in seen)]).empty_table()
    return _frame(table)


def _no_points() -> Any:
    import numpy as np

    return np.array([], dtype=np.int64)


def _columns(
    names: Sequence[str], parameters: Sequence[str], repeats: bool, metadata: bool | Sequence[str]
) -> list[str]:
    """Which columns, in which order: parameters, the repeat, results, metadata."""
    about = [SEQ, *METADATA, *TIMES, "_metadata"]
    if isinstance(metadata, bool):
        wanted = [name for name in about if name in names] if metadata else []
    else:
        wanted = [metadata] if isinstance(metadata, str) else list(metadata)
        unknown = [name for name in wanted if name not in names]
        if unknown:
            there = ", ".join(name for name in about if name in names)
            raise ValueError(f"metadata names {', '.join(map(repr, unknown))}, which is not there; there are {there}")
    mine = {name for name in names if name in parameters or any(name.startswith(f"{p}__") for p in parameters)}
    own = [name for p in parameters for name in names if name == p or (name in mine and name.startswith(f"{p}__"))]
    own = list(dict.fromkeys(name for name in own if not name.endswith("__result")))
    results = [name for name in names if name not in own and (name not in RESERVED or name == MORE)]
    first = [*own, *(["_repeat"] if repeats and "_repeat" not in wanted else []), *results]
    return [*first, *(name for name in wanted if name not in first)]
