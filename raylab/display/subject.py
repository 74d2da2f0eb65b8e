"""What a plot is of: one sweep, what is in of it, and how far it is. Holds what others read; asks nobody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from raylab.core.request import Request, SweepRecord
from raylab.core.status import Progress
from raylab.core.units import attributes
from raylab.notebook.file import FileInfo, Loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One sweep, as far as it is.

    Attributes:
        record: what was asked.
        files: those of its rows that are in force, in order.
        progress: how far it is.
        lives: gives the openings of the notebook's requests, one for each time that a lab began, in order.
        requests: gives what was asked of the lab and noted by it, in order.
    """

    record: SweepRecord
    files: Sequence[Loaded]
    progress: Progress
    lives: Callable[[], Sequence[FileInfo]]
    requests: Callable[[], Sequence[Request]]

    def label(self, name: str) -> str:
        """A column as an axis is called: with its unit, if one is known.

        A slash stands between a quantity and its unit, as the SI brochure (9th edition, 5.4.1) has it.
        """
        unit = attributes(self.record.policy.units, name).get("units")
        return f"{name} / {unit}" if unit and unit != "1" else name
