"""Rows of a stream by point, then by repeat, however many they are: parted by point into files, each sorted by itself.

Promises: the order is that of `results`; in memory is one part, of some 64 MB. The files need as much room as the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs
import pyarrow as pa

from raylab.notebook.frames import in_turn
from raylab.notebook.row_stream import TRIAL, RowStream, frame_of

PART_BYTES = 2**26
"""Of the files of a sweep, whose rows are sorted together."""

MAX_PARTS = 256
"""As many files are open at once."""


def by_point(stream: RowStream, folder: Path) -> Iterator[pl.DataFrame]:
    """The rows of a stream in the order of `results`; at least one frame, perhaps without rows.

    Args:
        stream: of a sweep.
        folder: an empty one, for files that are gone as soon as they are read.

    Raises:
        OSError: the folder has no room for them.
    """
    frames, seen = stream.frames(TRIAL), cs.by_name(stream.view.columns)
    blank = next(frames)
    yield blank.select(seen)
    parts = _parted(blank, frames, stream, folder)
    for path in parts:
        with pa.memory_map(str(path)) as file:
            rows = frame_of(pa.ipc.open_stream(file).read_all())
            rows.columns = blank.columns  # from_arrow gives a column called "" another name
            order = in_turn(*(rows[name].to_numpy() for name in TRIAL))
            rows = rows.rechunk()
            yield (rows if order is None else rows[order]).select(seen)
        path.unlink()


def _parted(blank: pl.DataFrame, frames: Iterator[pl.DataFrame], stream: RowStream, folder: Path) -> list[Path]:
    """Files of the rows, each of points that follow those of the one before."""
    count = min(MAX_PARTS, -(-stream.size // PART_BYTES))
    share = -(-stream.record.points // max(1, count))
    schema = _table(blank).schema
    writers: dict[int, tuple[Path, Any]] = {}
    with ExitStack() as files:
        for frame in frames:
            for (part,), rows in frame.group_by(pl.col("_point") // share, maintain_order=True):
                if part not in writers:
                    path = folder / f"{part:06}.arrows"
                    writers[part] = path, files.enter_context(pa.ipc.new_stream(str(path), schema))
                writers[part][1].write_table(_table(rows.select(cs.by_name(blank.columns))))
    return [path for _, (path, _) in sorted(writers.items())]


def _table(frame: pl.DataFrame) -> pa.Table:
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())
