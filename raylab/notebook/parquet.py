"""The rows of a sweep as Parquet, however many they are: file by file, never all of them in memory.

Promises: the columns are those of `results(status="all", metadata=True)`, the order is that of arrival (`_seq`); the
record of each trial is there, or else what a later attempt has superseded. Only where a name's values are of several
kinds, and the rows are many, are the columns called as they are on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from raylab.core.crate_runs import Span
from raylab.core.request import SweepRecord
from raylab.core.summary import Summary
from raylab.notebook.frames import View
from raylab.notebook.table_files import Snapshot

GROUP_ROWS = 2**20
"""Of a row group: readers take one at a time."""

GROUP_BYTES = 2**28
"""Of a row group in memory, where rows are wide: 2**20 rows with an array of 1,000 numbers each would be 8 GB."""

WHOLE_BYTES = 2**28
"""As much is put together in memory, where it takes all rows to tell which kinds of values a name has."""

_TRIAL = ["_point", "_repeat"]


class Rows:
    """The rows of a sweep, to be written.

    Args:
        record: what was asked, read after the snapshot.
        snapshot: of the sweep's table.

    Attributes:
        spans: what came of each code version's trials; complete once the rows are written.
        has_superseded: whether a later attempt has superseded some; known once the others are written.
    """

    def __init__(self, record: SweepRecord, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._files = [info for info in snapshot.files if info.rows]
        self._view = View(record, self._files or snapshot.files[-1:], "all", True)
        self._newest = self._attempts(record) if self._view.again else None
        self.spans: dict[int, Span] = {}
        self.has_superseded = False

    def _attempts(self, record: SweepRecord) -> pl.DataFrame:
        """The highest `_attempt` of each trial that was run again: no more of them are in memory."""
        least = min((each.attempt for each in record.segments if each.selection), default=2)
        wanted = [info for info in self._files if Summary.loads(info.meta).attempt >= least]
        names = [*_TRIAL, "_attempt"]
        again = [
            frame_of(table.select(names)).filter(pl.col("_attempt") >= least) for table in self._snapshot.tables(wanted)
        ]
        empty = pl.DataFrame(schema=dict.fromkeys(names, pl.Int64))
        return pl.concat([empty, *again]).group_by(_TRIAL).agg(pl.col("_attempt").max().alias("newest"))

    def write(self, sink: IO[bytes], *, superseded: bool = False) -> int:
        """Write the record of each trial, or what a later attempt has superseded; gives the number of rows."""
        frames = self._pieces(superseded)
        if not self._view.is_plain and sum(info.size for info in self._files) <= WHOLE_BYTES:
            frames = iter([self._view.shown(pl.concat(frames))])
        return write(sink, frames)

    def _pieces(self, superseded: bool) -> Iterator[pl.DataFrame]:
        """First one without rows, so that the columns are known where there are none."""
        yield self._view.piece(pa.table({}))
        for table in self._snapshot.tables(self._files):
            piece = self._split(self._view.piece(table), superseded)
            self._note(piece)
            yield piece

    def _split(self, piece: pl.DataFrame, superseded: bool) -> pl.DataFrame:
        if self._newest is None:
            return piece
        newest = piece.select(*_TRIAL).join(self._newest, on=_TRIAL, how="left", maintain_order="left")["newest"]
        old = (piece["_attempt"] < newest).fill_null(False)
        self.has_superseded = self.has_superseded or bool(old.any())
        return piece.filter(old if superseded else ~old)

    def _note(self, piece: pl.DataFrame) -> None:
        started = pl.col("_started").dt.timestamp("us")
        found = piece.group_by("_code").agg(
            started.min().alias("started"),
            (started + (pl.col("_elapsed_s").fill_nan(0).fill_null(0) * 1e6).cast(pl.Int64)).max().alias("ended"),
            pl.col("_status").unique(),
        )
        for version, start, end, statuses in found.iter_rows():
            new = Span(start, end, set(statuses))
            self.spans[version] = self.spans[version].joined(new) if version in self.spans else new


def frame_of(table: pa.Table) -> pl.DataFrame:
    """The rows of a table as a frame."""
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def write(sink: IO[bytes], frames: Iterable[pl.DataFrame]) -> int:
    """Frames of the same columns as one file, in groups of whole size; gives the number of rows."""
    tables = (frame.to_arrow(compat_level=pl.CompatLevel.oldest()) for frame in frames)
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
