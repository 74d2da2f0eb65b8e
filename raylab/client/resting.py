"""A lab that nobody runs, for who only reads: what its notebook says. Looking leaves it at rest.

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
from raylab.display.subject import Subject
from raylab.notebook import layout
from raylab.notebook.picking import Columns
from raylab.notebook.row_stream import RowStream
from raylab.notebook.statistics import Words
from raylab.offline import Notebook, diffs_of, overview, pinned, streams, through
from raylab.server.known_labs import Place, known


def look(name: str, address: str | None) -> Client | Resting:
    """A lab to read: through its actor where that is at work, else its notebook; says so then.

    Raises:
        LabNotFound, NotebookDamaged, VersionMismatch, LabUnavailable: as attaching.
    """
    found = look_silently(name, address)
    if isinstance(found, Resting):
        say(found.remark)
    return found


def look_silently(name: str, address: str | None) -> Client | Resting:
    """The same, for who looks again and again."""
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


class OnDisk:
    """A notebook, with those methods of a client that read.

    Args:
        notebook: this one.
    """

    at_work = False

    def __init__(self, notebook: Notebook) -> None:
        self.name = notebook.name
        self._notebook = notebook

    @property
    def remark(self) -> str:
        """What there is to know of who tells it, in a sentence."""
        return f"this is what the notebook in {self._notebook.place} says, whether or not a lab is at work on it"

    def woke(self) -> bool:
        """Whether a lab is at work on it by now, as far as one would know."""
        return False

    def overview(self, sweep: Which = None, archived: bool = False) -> list[Status]:
        """As the lab says it, as far as the disk knows."""
        return overview(self._notebook, sweep, archived)

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

    def warnings(self, sweep: str | None) -> pl.DataFrame:
        return self._notebook.warnings(sweep)

    def summary(self, sweep: str | None, of: Words, by: Words, confidence: float | None) -> pl.DataFrame:
        return self._notebook.summary(sweep, of, by=by, confidence=confidence)

    def subject(self, sweep: str | None) -> Subject:
        """What a plot of a sweep is of."""
        return self._notebook._subject(sweep)

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


class Resting(OnDisk):
    """A lab at rest.

    Args:
        place: of its notebook.
        here: no cluster runs, and the notebook is this machine's.
    """

    def __init__(self, place: Place, *, here: bool = False) -> None:
        self.here = here
        self.place = place.notebook
        self.reader = local_store(place.notebook, place.id) or at_rest(place.notebook)
        super().__init__(through(self.reader))
        self.name = place.name

    @property
    def remark(self) -> str:
        """That it is at rest, and how it goes on, in a sentence."""
        left = self.outstanding(None)
        first = "`raylab start` and then " if self.here else ""
        starts = f"{first}raylab.Lab({self.name!r}) in Python starts it"
        goes_on = f"{left:,} trials are outstanding, {starts} and they go on" if left else starts
        return f"the lab {self.name!r} is at rest, so this is what its notebook in {self.place} says; {goes_on}"

    def woke(self) -> bool:
        """Whether its actor may be there by now; starts nothing."""
        if not self.here:
            return self.name in attaching.running()
        try:
            connect(None, start=False)
        except NoCluster:
            return False
        return True

    def dashboard(self) -> None:
        """There is nothing of it to see there."""

    def overview(self, sweep: Which = None, archived: bool = False) -> list[Status]:
        """As the lab says it, but that nothing runs."""
        found = super().overview(sweep, archived)
        return [replace(each, state="at rest", reason="") if each.state == "running" else each for each in found]
