"""The records of one trial: what each says of its log. Found by its positions, without the rows of the others.

Of ten million trials as of ten, a few headers are read, the journal, and the parts that hold the trial.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from raylab.core.packing import unpacked
from raylab.core.places import place_of
from raylab.core.request import SweepRecord
from raylab.core.statuses import DEAD
from raylab.core.trial import positions
from raylab.core.trial_log import Log
from raylab.notebook.file import FileInfo
from raylab.notebook.store import Reader
from raylab.notebook.table_files import snapshot


class Ran(NamedTuple):
    """What a record says of its log.

    Attributes:
        attempt: `_attempt` of its rows.
        status: what it came to.
        printed: how many bytes it printed; None where nobody listened, or where its process died and nobody knows.
    """

    attempt: int
    status: str
    printed: int | None

    @property
    def may_have(self) -> bool:
        """Whether there may be a log of it that says something."""
        return self.status in DEAD if self.printed is None else self.printed > 0

    def has(self, log: Log) -> bool:
        """Whether a log of its trial is its own."""
        if log.attempt != self.attempt:
            return False
        return self.status in DEAD if self.printed is None else log.printed == self.printed


def attempts_of(reader: Reader, record: SweepRecord, point: int, repeat: int) -> list[Ran]:
    """The records of a trial, the newest attempt the last.

    Raises:
        IndexError: the sweep has no such trial.
        NotebookDamaged: a file is not what was written, or missing.
    """
    wanted = positions(record, point, repeat)
    table = snapshot(reader, record.folder)
    there = [info for info in table.files if _holds(info, wanted)]
    found = {ran.attempt: ran for rows in table.tables(there) for ran in _of(mine(rows, point, repeat))}
    return [found[each] for each in sorted(found)]


def _holds(info: FileInfo, wanted: Sequence[int]) -> bool:
    runs = list(unpacked(info.meta["positions"]))
    return any(place_of(runs, position) is not None for position in wanted)


def _of(rows: pa.Table) -> list[Ran]:
    columns = [rows.column(name).to_pylist() for name in ("_attempt", "_status")]
    there = "_printed" in rows.column_names
    printed = rows.column("_printed").to_pylist() if there else [None] * rows.num_rows
    return list(map(Ran, *columns, printed))


def mine(table: pa.Table, point: int, repeat: int) -> pa.Table:
    """The rows of a trial."""
    points, repeats = (table.column(name).to_numpy() for name in ("_point", "_repeat"))
    return table.take(np.flatnonzero((points == point) & (repeats == repeat)))
