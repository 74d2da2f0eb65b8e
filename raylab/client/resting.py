"""A lab that nobody runs, for the reading commands: what its notebook says. Looking leaves it at rest.

The notebook is read where it lies, if that is on this machine, else through short tasks on the cluster's head node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from raylab.client import attaching
from raylab.client.attachment import Client, local_store
from raylab.client.cluster import NoCluster, connect
from raylab.client.remote import at_rest
from raylab.client.speech import say
from raylab.client.waiting import Mark, tell_end, tell_remarks
from raylab.core.handle import Handle, Which
from raylab.core.status import Status
from raylab.notebook import layout
from raylab.notebook.picking import Columns
from raylab.notebook.row_stream import RowStream
from raylab.notebook.statistics import Words
from raylab.offline import diffs_of, overview, pinned, streams, through
from raylab.server.known_labs import Place, known


def look(name: str, address: str | None) -> Client | Resting:
    """A lab to read: through its actor where that is at work, else its notebook; says so then.

    Raises:
        LabNotFound, NotebookDamaged, VersionMismatch, LabUnavailable: as attaching.
    """
    name = layout.check_name(name, "lab")
    try:
        connect(address, start=False)
    except NoCluster as error:
        place = next((place for place in known() if place.name == name and not place.trouble), None)
        if place is None:
            raise attaching.none_here(name, error) from None
        return Resting(place, here=True)
    found = attaching.look(name)
    return Resting(found) if isinstance(found, Place) else Client(name, connection=found)


class Resting:
    """A lab at rest, with those methods of a client that read.

    Args:
        place: of its notebook.
        here: no cluster runs, and the notebook is this machine's.
    """

    at_work = False

    def __init__(self, place: Place, *, here: bool = False) -> None:
        self.name = place.name
        self.here = here
        self.reader = local_store(place.notebook, place.id) or at_rest(place.notebook)
        self._notebook = through(self.reader)
        left = self.outstanding(None)
        first = "`raylab start` and then " if here else ""
        starts = f"{first}raylab.Lab({self.name!r}) in Python starts it"
        goes_on = f"{left:,} trials are outstanding, {starts} and they go on" if left else starts
        say(f"the lab {self.name!r} is at rest, so this is what its notebook in {place.notebook} says; {goes_on}")

    def overview(self, sweep: Which = None, archived: bool = False) -> list[Status]:
        """As the lab says it, but that nothing runs."""
        found = overview(self._notebook, sweep, archived)
        return [replace(each, state="at rest", reason="") if each.state == "running" else each for each in found]

    def info(self, sweep: str | None = None) -> dict[str, Any]:
        """A sweep's account; the notebook's if None."""
        return self._notebook.info(sweep)

    def diffs(self, sweep: str) -> list[bytes | None]:
        """What was changed in the working tree of each code version, as git says it."""
        return diffs_of(self._notebook, sweep)

    def outstanding(self, sweep: Which) -> int:
        return sum(each.waiting for each in self.overview(sweep))

    def pinned(self, sweep: str) -> Handle:
        """The sweep that has the name now."""
        return pinned(self._notebook, sweep)

    def news(self, sweep: Which, mark: Mark | None, left: float | None) -> tuple[Mark, list[Status]]:
        """There is none: what is on disk, at once."""
        return (0, 0), self.overview(sweep)

    def wait(self, sweep: Which, timeout: float | None, shown: bool) -> bool:
        """Nothing comes in, so nobody waits; whether all is there."""
        found = self.overview(sweep)
        tell_remarks(found, say)
        tell_end(found, failures=shown)
        return not any(each.waiting for each in found)

    def failures(self, sweep: str | None, by: str | None) -> pl.DataFrame:
        return self._notebook.failures(sweep, by=by)

    def summary(self, sweep: str | None, of: Words, by: Words, confidence: float | None) -> pl.DataFrame:
        return self._notebook.summary(sweep, of, by=by, confidence=confidence)

    def results(
        self,
        sweep: Which,
        status: str | Sequence[str],
        metadata: bool | Sequence[str],
        table: str | None = None,
        columns: Columns = None,
    ) -> pl.DataFrame:
        return self._notebook.results(sweep, status=status, metadata=metadata, table=table, columns=columns)

    def streams(self, sweep: Which, *, status: str | Sequence[str], metadata: bool | Sequence[str]) -> list[RowStream]:
        return streams(self._notebook, sweep, status=status, metadata=metadata)

    def to_xarray(self, sweep: str | None) -> Any:
        return self._notebook.to_xarray(sweep)

    def log(self, sweep: str | None, point: int, repeat: int, attempt: int | None) -> str:
        return self._notebook.log(sweep, point, repeat, attempt=attempt)
