"""What trials printed, as rows of a table beside their sweep's: a row for each attempt, which is never changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import pyarrow as pa

from raylab.core.trial_log import Log
from raylab.notebook.arrow_types import INT

LogRows: TypeAlias = pa.RecordBatch
"""Some logs on their way."""

SCHEMA = pa.schema(
    [
        ("_point", INT),
        ("_repeat", INT),
        ("_attempt", INT),
        ("_printed", INT),
        ("log", pa.large_string()),
    ]
)
"""`_printed` is how many bytes it was, `log` what is kept of it."""


def to_rows(logs: Iterable[Log]) -> LogRows:
    """Logs as rows."""
    rows = [(each.point, each.repeat, each.attempt, each.printed, each.text) for each in logs]
    columns = zip(*rows, strict=True) if rows else [()] * len(SCHEMA)
    arrays = [pa.array(list(column), kind) for column, kind in zip(columns, SCHEMA.types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def from_rows(rows: LogRows | pa.Table) -> list[Log]:
    """The logs of some rows."""
    columns = [rows.column(name).to_pylist() for name in SCHEMA.names]
    return [
        Log(point=point, repeat=repeat, attempt=attempt, printed=printed, text=text)
        for point, repeat, attempt, printed, text in zip(*columns, strict=True)
    ]
