"""The request table: one row for each thing that was asked of a lab, never changed. Rows only; what they mean
together is `core.request.fold`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

import pyarrow as pa

from raylab.core.request import Request

_COLUMNS: list[tuple[str, Any]] = [
    ("kind", pa.string()),
    ("sweep", pa.string()),
    ("user", pa.string()),
    ("time", pa.timestamp("us", tz="UTC")),
    ("folder", pa.string()),
    ("label", pa.string()),
    ("design", pa.string()),
    ("shape", pa.string()),
    ("size", pa.int64()),
    ("repeats", pa.int64()),
    ("seed", pa.int64()),
    ("seed_given", pa.bool_()),
    ("order", pa.string()),
    ("code", pa.string()),
    ("modules", pa.string()),
    ("ingredients", pa.string()),
    ("policy", pa.string()),
    ("reason", pa.string()),
    ("position", pa.int64()),
    ("strikes", pa.int64()),
]
SCHEMA = pa.schema(_COLUMNS)
_NAMES = frozenset(field.name for field in fields(Request))


def to_rows(requests: Iterable[Request]) -> pa.Table:
    """Requests as rows of the table."""
    rows = [asdict(request) for request in requests]
    for row in rows:
        row["time"] = row.pop("time_us")
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def from_rows(table: pa.Table) -> list[Request]:
    """The requests of some rows. Columns of a later version are left out, what is not there is as if not said."""
    if "time" in table.column_names:
        at = table.column_names.index("time")
        table = table.set_column(at, "time_us", table.column(at).cast(SCHEMA.field("time").type).cast(pa.int64()))
    return [
        Request(**{name: value for name, value in row.items() if name in _NAMES and value is not None})
        for row in table.to_pylist()
    ]
