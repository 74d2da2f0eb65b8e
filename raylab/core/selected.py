"""Selected designs: those points of a design that `where` took, as runs of their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from raylab.core.axes import Places, axis_of, repeated
from raylab.core.design_base import Design, Point
from raylab.core.kinds import MISSING
from raylab.core.packed_pairs import packed_pairs, unpacked_pairs
from raylab.core.shown import shown_values
from raylab.core.values import key_of
from raylab.errors import DesignError

__all__ = ["Selected", "unselected"]

CHUNK: Final = 2**20
"""As many points are looked at at a time."""

MOST_POINTS: Final = 10**8
"""Of as many points some are selected; of each second one the runs have 800 MB."""

SHOWN: Final = 1_000
"""Of as many points the values are looked at to be shown; of more those of the whole design are."""

LOOKED_AT: Final = 10**6
"""Among as many points it is looked for equal ones, where the whole design has some."""


class Selected(Design):
    """Some points of a design, in its order: what `design.where(expression)` is.

    Args:
        of: the design.
        runs: the numbers of the points, a row for each run: its first, and one beyond its last. They ascend, and
            neither overlap nor touch. With two numbers a run, 10^6 runs are 16 MB.

    Raises:
        ValueError: the runs are none, or not of this design.

    Example:
        >>> from raylab.core.design import Factorial
        >>> design = Selected(Factorial(x=range(10)), [[2, 4], [7, 8]])
        >>> design, design.head()
        (Selected(x=2 to 7) of 3 points, [{'x': 2}, {'x': 3}, {'x': 7}])
    """

    def __init__(self, of: Design, runs: Any) -> None:
        self.of = of
        self.runs: NDArray[np.int64] = np.asarray(runs, dtype=np.int64).reshape(-1, 2)
        flat = self.runs.ravel()
        if not flat.size or flat[0] < 0 or flat[-1] > of.size or (np.diff(flat) <= 0).any():
            raise ValueError(f"runs of points of {of!r}, which ascend, are expected")
        self._ends = np.cumsum(self.runs[:, 1] - self.runs[:, 0])
        super().__init__(of.axes, int(self._ends[-1]))
        self.is_grid, self.samples = of.is_grid, of.samples
        self.optional = [name for name in of.optional if self._lacks(name)]

    def chosen(self, points: Places) -> Places:
        """The numbers that these of its points have in the whole design."""
        run = np.searchsorted(self._ends, points, side="right")
        found: Places = self.runs[run, 1] - (self._ends[run] - points)
        return found

    def found(self, numbers: Places) -> Places:
        """The reverse: where points of the whole design stand among the selected ones; -1 for one that was not
        taken, and for -1."""
        run = np.minimum(np.searchsorted(self.runs[:, 1], numbers, side="right"), len(self.runs) - 1)
        start, stop = self.runs[run, 0], self.runs[run, 1]
        return np.where((numbers >= start) & (numbers < stop), self._ends[run] - (stop - numbers), -1)

    def within(self, runs: NDArray[np.int64]) -> Selected:
        """Some of its points, by runs of their numbers here, as a selection of the whole design."""
        # Where one of its own runs ends, so does what goes on in the next.
        ends = self._ends[(self._ends > runs[0, 0]) & (self._ends < runs[-1, 1])]
        cuts = np.union1d(runs.ravel(), ends)
        starts, stops = cuts[:-1], cuts[1:]
        inside = starts >= runs[np.searchsorted(runs[:, 1], starts, side="right"), 0]
        found = np.stack([self.chosen(starts[inside]), self.chosen(stops[inside] - 1) + 1], axis=1)
        return Selected(self.of, found)

    def places(self, name: str, points: Places) -> Places:
        return self.of.places(name, self.chosen(self._within(points)))

    def repeated(self) -> list[str]:
        found = self.of.repeated()
        if not found or self.size > LOOKED_AT:
            return found
        at = repeated([tuple(sorted((name, key_of(value)) for name, value in each.items())) for each in self])
        return [] if at is None else [", ".join(f"{name}={value!r}" for name, value in self._point(at).items())]

    def _lacks(self, name: str) -> bool:
        """Whether one of the points has no such parameter."""
        missing = np.flatnonzero([level is MISSING for level in self.of.axis(name)])
        chunks = (np.arange(start, min(start + CHUNK, self.size)) for start in range(0, self.size, CHUNK))
        return any(np.isin(self.places(name, chunk), missing).any() for chunk in chunks)

    def _seeded(self, seeds: Iterator[int], anew: bool) -> Design:
        if anew and self.is_sampled:
            raise DesignError(
                "which points where() took follows from those that were drawn; draw others first: .seeded(n), then "
                ".where(expression)"
            )
        self.of._seeded(seeds, False)  # takes its seeds, so that designs beside it have theirs
        return self

    def _point(self, at: int) -> Point:
        return self.of._point(int(self.chosen(np.array([at]))[0]))

    def _shown(self, name: str) -> str:
        if self.size <= SHOWN:
            return shown_values(axis_of(tuple(self.column(name, np.arange(self.size)))))
        whole = self.of._shown(name)
        return whole and f"among {whole}"

    def _document(self) -> dict[str, Any]:
        return {"kind": "selected", "of": self.of._document(), "runs": packed_pairs(self.runs)}

    @classmethod
    def _from_document(cls, document: dict[str, Any], imports: bool) -> Design:
        return cls(Design._made(document["of"], imports), unpacked_pairs(document["runs"]))


def unselected(design: Design) -> Design:
    """What a selection is of; any other design is itself."""
    return design.of if isinstance(design, Selected) else design
