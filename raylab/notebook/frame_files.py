"""Frames of the same columns, one after the other, as one file: Parquet or Arrow. Never all of them in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

GROUP_ROWS = 2**20
"""Of a row group: readers take one at a time."""

GROUP_BYTES = 2**28
"""Of a row group in memory, where rows are wide: 2**20 rows with an array of 1,000 numbers each would be 8 GB."""


def write_parquet(sink: IO[bytes], frames: Iterable[pl.DataFrame]) -> int:
    """As Parquet, in groups of whole size; gives the number of rows."""
    tables = _tables(frames)
    first = next(tables)
    waiting: list[Any] = [first]
    rows, written, size = int(first.num_rows), 0, 0
    with pq.ParquetWriter(sink, first.schema, compression="zstd") as writer:
        for table in tables:
            waiting.append(table)
            rows += table.num_rows
            size += table.nbytes
            if rows - written >= GROUP_ROWS or size >= GROUP_BYTES:
                writer.write_table(pa.concat_tables(waiting), row_group_size=GROUP_ROWS)
                waiting, written, size = [], rows, 0
        if waiting:
            writer.write_table(pa.concat_tables(waiting), row_group_size=GROUP_ROWS)
    return rows


def write_arrow(sink: IO[bytes], frames: Iterable[pl.DataFrame]) -> int:
    """As an Arrow IPC file, uncompressed, so that readers can map it into memory; gives the number of rows."""
    tables = _tables(frames)
    first = next(tables)
    rows = int(first.num_rows)
    with pa.ipc.new_file(sink, first.schema) as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table, max_chunksize=GROUP_ROWS)
            rows += table.num_rows
    return rows


def _tables(frames: Iterable[pl.DataFrame]) -> Iterator[pa.Table]:
    """In types that readers of today and of some years ago know."""
    return (frame.to_arrow(compat_level=pl.CompatLevel.oldest()) for frame in frames)
