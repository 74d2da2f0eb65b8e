"""The request table: one row for each thing that was asked of a lab, never changed. Rows only; what they mean
together is `core.history.fold`.

A row is a kind with its body as JSON, so that a new fact about a sweep costs no new column.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import pyarrow as pa

from raylab.core.request import Request

SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("sweep", pa.string()),
        ("folder", pa.string()),
        ("user", pa.string()),
        ("time", pa.timestamp("us", tz="UTC")),
        ("body", pa.large_string()),
    ]
)


def to_rows(requests: Iterable[Request]) -> pa.Table:
    """Requests as rows of the table."""
    rows = [
        {
            "kind": request.kind,
            "sweep": request.sweep,
            "folder": request.folder,
            "user": request.user,
            "time": request.time_us,
            "body": json.dumps(request.body, sort_keys=True),
        }
        for request in requests
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def from_rows(table: pa.Table) -> list[Request]:
    """The requests of some rows."""
    return [
        Request(
            kind=row["kind"],
            sweep=row["sweep"],
            folder=row["folder"],
            user=row["user"],
            time_us=time_us,
            body=json.loads(row["body"]),
        )
        for row, time_us in zip(table.to_pylist(), table.column("time").cast(pa.int64()).to_pylist(), strict=True)
    ]
