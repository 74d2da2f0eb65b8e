"""Segments: the parts of a sweep, none of which ever changes. Submitting makes the first, growing appends.

Positions, trials and points count through the segments of a sweep: nothing that is recorded is ever renumbered. A
position says where a trial stands in the run order; a trial's number says what it is. The seed, the point and the
repeat follow the trial's number alone, so that a trial that is run again is the same trial.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from raylab.core.order import Order, seeds

Run = tuple[int, int]
"""Consecutive numbers, from the first to one beyond the last."""


class Block(NamedTuple):
    """Some trials, in the order in which they run: a number each in every array."""

    numbers: NDArray[np.int64]
    points: NDArray[np.int64]
    """Of the segment's design, from 0 on."""
    repeats: NDArray[np.int64]
    """From 0 on, in the sweep."""
    seeds: NDArray[np.int64]

    def part(self, start: int, stop: int | None) -> Block:
        """Those from one place on to another."""
        return Block(*(array[start:stop] for array in self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """The trials of a design with some repeats, or a selection of earlier ones, which are run again.

    Attributes:
        design: as JSON.
        size: how many points the design has.
        repeats: how many of each point.
        order: the kind of the run order.
        key: of the run order.
        seed: the sweep's, from which each trial has its own.
        first_position: where the segment begins in the run order of the sweep.
        first_trial: the number of its first trial. A selection has that of the segment it selects from, as it has the
            design, the size, the repeats, `first_point` and `first_repeat` of that one.
        first_point: the number of its first point in the sweep.
        first_repeat: the number of the first repeat of each point.
        selection: the runs of trial numbers that are run again; without any, the segment is not a selection.
        attempt: the `_attempt` with which its trials begin.
        taken_back: the trials by status that a selection makes outstanding again.

    Example:
        >>> segment = Segment(design="{}", size=3, repeats=2, order="design", key=1, seed=1)
        >>> segment.total, segment.trials(2, 4).points.tolist(), segment.trials(2, 4).repeats.tolist()
        (6, [1, 1], [0, 1])
    """

    design: str = field(repr=False)
    size: int
    repeats: int
    order: str
    key: int
    seed: int
    first_position: int = 0
    first_trial: int = 0
    first_point: int = 0
    first_repeat: int = 0
    selection: tuple[Run, ...] = ()
    attempt: int = 1
    taken_back: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many positions the segment has."""
        return sum(stop - start for start, stop in self.selection) if self.selection else self.size * self.repeats

    @property
    def stop(self) -> int:
        """The position after its last."""
        return self.first_position + self.total

    def trials(self, start: int, stop: int) -> Block:
        """The trials at the positions `[start, stop)` of the sweep. IndexError unless all are in the segment."""
        order = _order(self.order, self.total, self.key)
        chosen = order.trials(start - self.first_position, stop - self.first_position)
        own = self._selected(chosen) - self.first_trial if self.selection else chosen
        points = own // self.repeats
        numbers = own + self.first_trial
        return Block(numbers, points, own - points * self.repeats + self.first_repeat, seeds(self.seed, numbers))

    def _selected(self, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """The trial numbers at these places of the selection."""
        starts = np.array([start for start, _ in self.selection])
        ends = np.cumsum([stop - start for start, stop in self.selection])
        run = np.searchsorted(ends, at, side="right")
        begins = ends - [stop - start for start, stop in self.selection]
        found: NDArray[np.int64] = starts[run] + (at - begins[run])
        return found

    def plain(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @staticmethod
    def of(plain: Mapping[str, Any]) -> Segment:
        """What `plain` gave, after it was JSON."""
        return Segment(**{**plain, "selection": tuple((start, stop) for start, stop in plain["selection"])})


@lru_cache(maxsize=64)
def _order(kind: str, size: int, key: int) -> Order:
    return Order(kind, size, key)


def segment_at(segments: Sequence[Segment], position: int) -> int:
    """Which of a sweep's segments, by its number, holds a position."""
    return bisect_right(segments, position, key=lambda segment: segment.first_position) - 1


def trials_of(segments: Iterable[Segment]) -> int:
    """How many trials a sweep has: one that is run again counts once."""
    return sum(segment.total - sum(segment.taken_back.values()) for segment in segments)
