"""The rows of a sweep in a parcel: one Parquet file, and what came of each code version's trials.

Promises: the columns are those of `results(status="all", metadata=True)`, the order is that of arrival (`_seq`). Only
where a name's values are of several kinds, and the rows are many, are the columns called as they are on disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import polars as pl

from raylab.core.crate_runs import Span
from raylab.notebook.frame_files import write_parquet
from raylab.notebook.row_stream import WHOLE_BYTES, RowStream


class Rows:
    """The rows of a sweep, to be written.

    Args:
        stream: of all statuses, with all metadata.

    Attributes:
        spans: what came of each code version's trials; complete once the rows are written.
    """

    def __init__(self, stream: RowStream) -> None:
        self._stream = stream
        self.spans: dict[int, Span] = {}

    @property
    def has_superseded(self) -> bool:
        """Whether a later attempt has superseded some; known once the others are written."""
        return self._stream.has_superseded

    def write(self, sink: IO[bytes], *, superseded: bool = False) -> int:
        """Write the record of each trial, or what a later attempt has superseded; gives the number of rows."""
        frames, view = self._noted(self._stream.frames(superseded=superseded)), self._stream.view
        if not view.is_plain and self._stream.size <= WHOLE_BYTES:
            frames = iter([view.shown(pl.concat(frames))])
        return write_parquet(sink, frames)

    def _noted(self, frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for frame in frames:
            self._note(frame)
            yield frame

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
