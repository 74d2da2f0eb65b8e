"""Who gives the rows that a command is about: a lab, at work or at rest, or a folder; and of which of its sweeps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from raylab.notebook.row_stream import RowStream
from raylab.offline import Notebook, streams
from raylab.terminal.gathering import Asked
from raylab.terminal.narrowing import Narrowing
from raylab.terminal.verbs_read import look
from raylab.terminal.words import Misuse


class Source:
    """What gives rows.

    Args:
        lab: its name; of a folder the first sweep's, or None.
        sweeps: their names; the only one there is if there are none.
        address: of the cluster.
        notebook: the folder, if it is one.
    """

    def __init__(self, lab: str | None, sweeps: list[str], address: str | None, notebook: Path | None) -> None:
        self._names = sweeps if notebook is None or lab is None else [lab, *sweeps]
        found: Any = look(lab, address) if notebook is None else Notebook(notebook)
        self._found = found
        self._streams: Callable[..., list[RowStream]] = found.streams if notebook is None else partial(streams, found)

    def rows(self, status: list[str], narrowing: Narrowing, table: str | None = None) -> Asked:
        """The rows, or those of a table; of several sweeps with a column `_sweep`."""
        several = len(self._names) > 1
        which = self._names if several else next(iter(self._names), None)
        words = {"status": status, "metadata": narrowing.needed}
        whole = partial(self._found.results, which, **words)
        if table is not None:
            return Asked(whole=partial(whole, table=table), narrowing=narrowing)
        return Asked(
            several=several,
            whole=whole,
            streams=partial(self._streams, which, **words),
            narrowing=narrowing,
        )

    def summary(self, of: list[str] | None, by: list[str] | None, narrowing: Narrowing) -> Asked:
        """What the results of one sweep come to."""
        whole = partial(self._found.summary, self._one("--summary"), of=of, by=by, confidence=0.95)
        return Asked(whole=whole, narrowing=narrowing)

    def dataset(self) -> Any:
        """The results of one sweep as an xarray.Dataset."""
        return self._found.to_xarray(self._one("a NetCDF file"))

    def _one(self, what: str) -> str | None:
        if len(self._names) > 1:
            raise Misuse(f"{what} is of one sweep; got {' '.join(self._names)}")
        return next(iter(self._names), None)
