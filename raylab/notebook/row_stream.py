"""The rows of a sweep as a stream of frames, however many they are: file by file, never all of them in memory.

Promises: every frame of a stream has the same columns and types, those of `results`; the record of each trial is there,
or else what a later attempt has superseded; the order is that of arrival (`_seq`). Only where a name's values are of
several kinds are the columns called as they are on disk: which kind has the plain name takes all rows to tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import polars as pl
import polars.selectors as cs
import pyarrow as pa

from raylab.core.request import SweepRecord
from raylab.core.summary import Summary
from raylab.notebook.frames import View, check_status
from raylab.notebook.store import Reader
from raylab.notebook.table_files import Snapshot, snapshot

TRIAL = ("_point", "_repeat")

WHOLE_BYTES = 2**28
"""Rows of as many bytes on disk are put together in memory, where it takes all of them to tell something."""


class RowStream:
    """The rows of a sweep, to be streamed.

    Args:
        record: what was asked, read after the snapshot.
        snapshot: of the sweep's table.
        status, metadata: as `results` takes them.
        tables: as `View` takes it.

    Attributes:
        record: what was asked.
        size: how many bytes the files have.
        view: what is seen.
        has_superseded: whether a later attempt has superseded some rows; known once the others are streamed.
    """

    def __init__(
        self,
        record: SweepRecord,
        snapshot: Snapshot,
        status: str | Sequence[str] = "all",
        metadata: bool | Sequence[str] = True,
        tables: bool = False,
    ) -> None:
        self.record = record
        self._snapshot = snapshot
        self._files = [info for info in snapshot.files if info.rows]
        self.view = View(record, self._files or snapshot.files[-1:], status, metadata, tables=tables)
        self._statuses = check_status(status)
        self._newest = self._attempts(record) if self.view.again else None
        self.size = sum(info.size for info in self._files)
        self.has_superseded = False
        self._mixing: list[pl.DataFrame] = []

    def _attempts(self, record: SweepRecord) -> pl.DataFrame:
        """The highest `_attempt` of each trial that was run again: no more of them are in memory."""
        least = min((each.attempt for each in record.segments if each.selection), default=2)
        wanted = [info for info in self._files if Summary.loads(info.meta).attempt >= least]
        names = [*TRIAL, "_attempt"]
        again = [
            frame_of(table.select(names)).filter(pl.col("_attempt") >= least) for table in self._snapshot.tables(wanted)
        ]
        empty = pl.DataFrame(schema=dict.fromkeys(names, pl.Int64))
        return pl.concat([empty, *again]).group_by(TRIAL).agg(pl.col("_attempt").max().alias("newest"))

    @property
    def schema(self) -> pl.Schema:
        """The types of the columns."""
        return self.view.piece(pa.table({})).schema

    def frames(self, also: Sequence[str] = (), *, superseded: bool = False) -> Iterator[pl.DataFrame]:
        """The record of each trial, or what a later attempt has superseded; at least one frame, perhaps without rows.

        Args:
            also: metadata columns that come last, where they are not seen anyway.
            superseded: for the latter.
        """
        kept = list(dict.fromkeys([*self.view.columns, *also]))
        self._mixing = []
        for table in chain([pa.table({})], self._snapshot.tables(self._files)):
            piece = self._wanted(self.view.piece(table, (*also, *TRIAL, "_attempt", "_status", "_code")), superseded)
            if self.view.mixing:
                self._mixing.append(piece.select(self.view.mixing).unique())
            yield piece.select(cs.by_name(kept))

    def tell_mixed(self) -> None:
        """Warn if what is done among the rows that were streamed was done by several versions of the code."""
        if self._mixing:
            self.view.tell_mixed(pl.concat(self._mixing))

    def _wanted(self, piece: pl.DataFrame, superseded: bool) -> pl.DataFrame:
        if self._newest is not None:
            newest = piece.select(TRIAL).join(self._newest, on=TRIAL, how="left", maintain_order="left")["newest"]
            old = (piece["_attempt"] < newest).fill_null(False)
            self.has_superseded = self.has_superseded or bool(old.any())
            piece = piece.filter(old if superseded else ~old)
        return piece.filter(pl.col("_status").is_in(self._statuses))


def opened(
    reader: Reader,
    record: Callable[[], SweepRecord],
    status: str | Sequence[str],
    metadata: bool | Sequence[str],
) -> RowStream:
    """The rows of a sweep as they stand now.

    Args:
        reader: whoever gives the notebook's files.
        record: says what was asked by now: of each row in a snapshot that is made before, the request is there.
        status, metadata: as `results` takes them.

    Raises:
        NotebookDamaged: a file is not what was written, or missing.
        ValueError: there is no such status, or no such metadata.
    """
    table = snapshot(reader, record().folder)
    return RowStream(record(), table, status, metadata)


def frame_of(table: pa.Table) -> pl.DataFrame:
    """The rows of a table as a frame."""
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame
