"""Writing what trials print: the table beside a sweep's, as long as there is room in it.

Promises: what is left out for want of room is counted in the files' metadata; from the first log that is left out on,
all are. Like the sweep's own table it has one writer, and a call that met an OSError is made again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from raylab.core.trial_log import Tally, admitted, sum_of
from raylab.errors import NotebookDamaged
from raylab.notebook.file import OPENING, FileInfo, damaged
from raylab.notebook.log_rows import SCHEMA, from_rows, to_rows
from raylab.notebook.table import Table

log = logging.getLogger(__name__)


class LogTable:
    """The logs of one sweep, open for writing.

    Args:
        table: opened.
        files: those in force when it was.
    """

    def __init__(self, table: Table, files: Sequence[FileInfo]) -> None:
        self._table = table
        self._tally = tally_of(files)
        self._then = self._tally  # once what is pending is there

    @property
    def full(self) -> bool:
        """Whether what comes is only counted."""
        return self._tally.is_full

    def commit(self, logs: Sequence[pa.RecordBatch]) -> None:
        """Add logs, as far as there is room; the same again after an OSError."""
        if self._table.pending:
            self._table.resume()
        else:
            kept, more = admitted((each for rows in logs for each in from_rows(rows)), self._tally)
            self._then = self._tally.plus(more)
            self._table.commit(pa.Table.from_batches([to_rows(kept)], SCHEMA), more.plain())
        self._tally = self._then
        if self._table.should_seal:
            try:
                self.seal()
            except (OSError, NotebookDamaged) as error:  # the logs are durable all the same
                log.warning("the journal of %s stays as it is for now: %s", self._table.folder, error)

    def seal(self) -> None:
        """Put the journal into one part."""
        self._table.seal(combined)


def tally_of(files: Sequence[FileInfo]) -> Tally:
    """How much a sweep has of logs, by what the files of their table say of themselves."""
    return sum_of(_said(info) for info in files if info.kind != OPENING)


def combined(metas: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a part says of itself: all that its commits said."""
    return sum_of(map(Tally.of, metas)).plain()


def _said(info: FileInfo) -> Tally:
    try:
        return Tally.of(info.meta)
    except KeyError as error:
        raise damaged(info.path, f"its metadata lack {error}") from error
