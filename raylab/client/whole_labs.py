"""Whole labs, for the command: hidden, shown again, deleted for good; at work or at rest, with a cluster or without."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from raylab.client.attaching import none_here, not_found
from raylab.client.calls import Connection
from raylab.client.cluster import NoCluster, connect, on_head
from raylab.errors import LabBusy, LabNotFound, SweepLocked
from raylab.notebook import layout
from raylab.offline import Notebook, overview
from raylab.server import known_labs, lab_removal
from raylab.server.protocol import person, versions

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Contents:
    """What goes with a notebook."""

    sweeps: int
    rows: int
    outstanding: int
    locked: tuple[str, ...]


def _here(function: Callable[..., T], *args: Any) -> T:
    """Run what else runs on the head node."""
    return function(*args)


def _contents(place: str) -> Contents:
    """Runs where the notebook is."""
    notebook = Notebook(place)
    found = overview(notebook, archived=True)
    return Contents(
        sweeps=len(found),
        rows=sum(each.rows for each in found),
        outstanding=sum(each.outstanding for each in found),
        locked=tuple(record.name for record in notebook._records().values() if record.locked),
    )


class WholeLab:
    """A lab of a cluster; where none runs, one whose notebook is on this machine.

    Args:
        name: the lab's.
        address: of the cluster.

    Raises:
        LabNotFound: there is no such lab.
        LabUnavailable: the cluster does not answer; or there is none, and no such lab on this machine.
    """

    def __init__(self, name: str, address: str | None) -> None:
        self.name = layout.check_name(name, "lab")
        self._run = on_head
        self._connection: Connection | None = None
        try:
            connect(address, start=False)
        except NoCluster as error:
            self._run, missing = _here, none_here(name, error)
        else:
            self._connection = Connection(name)
        labs = self._run(known_labs.known)
        self.place = next((place.notebook for place in labs if place.name == name), "")
        self._is_at_work = self._connection is not None and self._connection.find()
        if not (self.place or self._is_at_work or self._run(lab_removal.is_left, name)):
            raise not_found(name, labs) if self._connection else missing

    def contents(self) -> Contents:
        """What its notebook holds.

        Raises:
            NotebookDamaged, VersionMismatch, LabNotFound: nobody can tell.
        """
        if not self.place:
            raise LabNotFound(f"nobody knows where the notebook of the lab {self.name!r} is")
        return self._run(_contents, self.place)

    def end(self, force: bool = False) -> None:
        """End its actor, if it is at work.

        Raises:
            LabBusy: trials are outstanding, and `force` is False.
        """
        if self._connection is None or not self._is_at_work:
            return
        try:
            self._connection.end(force)
        except LabBusy as error:
            left = str(error).partition(", so it stays")[0]
            raise LabBusy(
                f"{left}, so it stays as it is; wait for them, or give them up with `raylab cancel {self.name} SWEEP`"
            ) from None

    def archive(self, undo: bool) -> None:
        """Hide it while it is at rest, or show it again."""
        self._run(known_labs.archive, self.name, person(), undo)

    def remove(self) -> None:
        """Delete its notebook for good, and forget its name."""
        writer = {
            "user": person(),
            "host": platform.node(),
            "pid": str(os.getpid()),
            "actor": "raylab rm",
            "raylab": versions()["raylab"],
        }
        while not self._run(lab_removal.remove, self.name, writer):
            pass


def check_unlocked(lab: str, contents: Contents) -> None:
    """Raises SweepLocked where a sweep is locked."""
    if contents.locked:
        raise SweepLocked(
            f"sweeps of the lab {lab!r} are locked ({', '.join(map(repr, contents.locked))}), so it is not deleted; "
            f"`raylab archive {lab}` has it out of sight, `raylab rm {lab} --force` deletes these, too"
        )
