"""The points of a sweep as a frame, whatever has come of them: the parameters of each, and how many trials it has."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from raylab.core.design import Design
from raylab.core.point_repeats import repeats_of
from raylab.core.request import SweepRecord
from raylab.core.summary import together
from raylab.notebook.arrow_types import INT
from raylab.notebook.file import Loaded
from raylab.notebook.frames import scan
from raylab.notebook.parameters import Column, Parameters
from raylab.notebook.unwritten import unwritten


def point_rows(record: SweepRecord, points: NDArray[np.int64]) -> pl.DataFrame:
    """A row for each of these points: its parameters, in the columns that `results` has; `_point`, its number; and
    `_trials`, how many trials it has.

    Args:
        record: the sweep.
        points: their numbers in the sweep, ascending.
    """
    files: list[Loaded] = []
    for rows in _rows(record, points):
        files.append(unwritten(files, rows, together([])))
    frame = scan(record, files, status="all", metadata=["_point"]).collect().drop("_repeat", strict=False)
    counts = repeats_of(record.segments, frame["_point"].to_numpy())
    return frame.with_columns(pl.Series("_trials", counts, dtype=pl.Int64))


def _rows(record: SweepRecord, points: NDArray[np.int64]) -> Iterator[pa.RecordBatch]:
    """What workers would send of these points if no trial had a result, design by design."""
    earlier: list[Design] = []
    for first, segment in {each.first_point: each for each in record.segments}.items():
        design = Design.loads(segment.design)
        own = points[(points >= first) & (points < first + segment.size)]
        columns: list[Column] = [
            (pa.field("_point", INT), pa.array(own)),
            *((pa.field(name, INT), pa.repeat(pa.scalar(1, INT), len(own))) for name in ("_repeat", "_attempt")),
            *Parameters(design, earlier).columns(own - first),
        ]
        fields, arrays = zip(*columns, strict=True)
        yield pa.RecordBatch.from_arrays(list(arrays), schema=pa.schema(fields))
        earlier.append(design)
