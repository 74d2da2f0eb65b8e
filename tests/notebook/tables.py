"""Tables for tests: one with an opening by a host, rows of one column, and what parts say of their commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from raylab.notebook.columns import clean_name, column
from raylab.notebook.posix import PosixStore
from raylab.notebook.table import Table


def combine(metas: list[dict[str, int]]) -> dict[str, int]:
    return {"n": sum(meta["n"] for meta in metas)}


def opened(root: Path, host: str = "a") -> Table:
    table = Table(PosixStore(root), "t", {"host": host})
    table.open()
    return table


def rows(*values: object) -> pa.Table:
    return pa.table({"x": list(values)})


def wire_batch(columns: Mapping[str, Sequence[object]], fixed: Mapping[str, Any], rows: int) -> pa.RecordBatch:
    """As a worker sends it: arrays that are there already, then columns of values, several of which share a name."""
    pairs = [(pa.field(clean_name(name), array.type), array) for name, array in fixed.items()]
    for name, values in columns.items():
        assert len(values) == rows
        pairs += column(name, values)
    return pa.RecordBatch.from_arrays([array for _, array in pairs], schema=pa.schema([field for field, _ in pairs]))
