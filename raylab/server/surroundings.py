"""What a lab runs in: a Ray actor on the head node, or a thread of a test's process."""

from __future__ import annotations

from typing import Protocol

from raylab.server.own_log import OwnLog
from raylab.server.pool import Pool, Report, Room


class Surroundings(Protocol):
    """All that a lab wants of the process that it runs in."""

    @property
    def actor(self) -> str:
        """Which actor this is; the same after it was restarted."""

    def restarted(self) -> bool:
        """Whether the lab was started again by itself, and nobody asked for it. May block."""

    def remember(self, name: str, notebook: str) -> None:
        """Note where the lab's notebook is, so that it is found by name. May block, and raise OSError."""

    def make_pool(self, report: Report, room: Room) -> Pool:
        """Make what runs the leases."""

    def log(self) -> OwnLog:
        """What the lab itself wrote. May block."""

    def dashboard(self) -> str | None:
        """The address of a dashboard that shows what the lab runs in, if there is one. May block."""

    def end(self) -> None:
        """End the lab's process, for good."""
