"""Rows that nobody writes, as a file of their sweep: what readers would see if they were its newest commit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from raylab.core.summary import Summary
from raylab.notebook.file import DATA, FileInfo, Loaded
from raylab.notebook.schema import SEQ, Schema


def unwritten(files: Sequence[Loaded], rows: pa.RecordBatch, summary: Summary) -> Loaded:
    """A batch on its way to the lab, as the file that would come of it.

    Args:
        files: the sweep's files in force, in order; nothing of them is changed.
        rows: as workers send them.
        summary: what the commit would say of itself.
    """
    table = Schema(loaded.table.schema for loaded in files).concat([rows])
    seq, commit = (files[-1].info.stop, files[-1].info.last + 1) if files else (0, 1)
    table = table.add_column(0, SEQ, pa.array(np.arange(seq, seq + table.num_rows, dtype=np.int64)))
    info = FileInfo(
        path="",
        kind=DATA,
        first=commit,
        last=commit,
        seq=seq,
        rows=table.num_rows,
        ident="",
        table="",
        writer={},
        time="",
        meta=summary.dumps(),
        schema=table.schema,
        size=0,
    )
    return Loaded(info=info, table=table)
