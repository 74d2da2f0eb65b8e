"""Segments: the parts of a sweep, none of which ever changes. Submitting makes the first, growing appends.

Positions, trials and points count through the segments of a sweep: nothing that is recorded is ever renumbered. A
position says where a trial stands in the run order; a trial's number says what it is. The seed, the point and the
repeat follow the trial's number alone, so that a trial that is run again is the same trial (`core/block.py`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, NamedTuple

from raylab.core import box
from raylab.core.box import Box, Run
from raylab.core.packing import packed, unpacked


class Need(NamedTuple):
    """Which amounts the trials of a segment ask for: `Policy.at` gives them."""

    klass: int = 0
    """The number of their class; a sweep whose trials all ask for the same has only this one."""
    memory: int = 0
    """How often their memory has grown."""
    time_limit: int = 0
    """How often their time limit has."""

    def more(self, name: str) -> Need:
        """With `memory` or `time_limit` grown once more."""
        return self.back(name, -1)

    def back(self, name: str, times: int) -> Need:
        """As it was before `memory` or `time_limit` had grown so many times."""
        return self._replace(**{name: getattr(self, name) - times})


AS_ASKED: Final = Need()
"""The amounts of the only class, as they were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """The trials of a design with some repeats, or of a part of its points; or a selection of earlier ones, which run
    again.

    The trials of all points of the design are numbered, also where the segment has a part of them: the number of a
    trial is `first_trial` + its point in the design × `repeats` + its repeat − `first_repeat`.

    Attributes:
        design: as JSON.
        size: how many points the design has.
        repeats: how many of each point.
        order: the kind of the run order.
        key: of the run order.
        seed: the sweep's, from which each trial has its own.
        first_position: where the segment begins in the run order of the sweep.
        first_trial: the number that the first trial of the design's first point has. A selection has that of the
            segment it selects from, as it has the design, the size, the repeats, `first_point` and `first_repeat` of
            that one.
        first_point: the number of its first point in the sweep.
        first_repeat: the number of the first repeat of each point.
        part: the points of the design that are meant: by axis of its grid, or by their numbers; without any, all.
        grid: the sizes of the design's axes, where there is a part.
        selection: the runs of trial numbers that are run again; without any, the segment is not a selection.
        attempt: the `_attempt` with which its trials begin.
        taken_back: the trials by status that a selection makes outstanding again.
        need: which amounts its trials ask for, of those in the sweep's policy.
        total: how many positions the segment has. Counted once: a selection may have 10^5 runs, and a worker asks for
            each 4,096 positions.

    Example:
        >>> segment = Segment(design="{}", size=3, repeats=2, order="design", key=1, seed=1)
        >>> segment.total, segment.stop
        (6, 6)
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
    part: Box = ()
    grid: tuple[int, ...] = ()
    selection: tuple[Run, ...] = ()
    attempt: int = 1
    taken_back: Mapping[str, int] = field(default_factory=dict)
    need: Need = AS_ASKED
    total: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.selection:
            total = box.count(self.selection)
        else:
            total = (box.size(self.part) if self.part else self.size) * self.repeats
        object.__setattr__(self, "total", total)

    @property
    def stop(self) -> int:
        """The position after its last."""
        return self.first_position + self.total

    @property
    def last_trial(self) -> int:
        """The number after those of all trials of its design."""
        return self.first_trial + self.size * self.repeats

    def plain(self) -> dict[str, Any]:
        """As JSON takes it."""
        sets = {"part": [packed(axis) for axis in self.part], "selection": packed(self.selection)}
        return {each.name: getattr(self, each.name) for each in fields(self) if each.init} | sets

    @staticmethod
    def of(plain: Mapping[str, Any]) -> Segment:
        """What `plain` gave, after it was JSON."""
        part = tuple(map(unpacked, plain["part"]))
        grid = tuple(plain["grid"])
        need = Need(*plain.get("need", ()))
        selection = unpacked(plain["selection"])
        return Segment(**{**plain, "part": part, "grid": grid, "selection": selection, "need": need})


def earlier_designs(segments: Iterable[Segment], segment: Segment) -> list[str]:
    """The designs that brought a sweep the points before those of a segment, in the order of their numbers."""
    return bringing(each for each in segments if each.first_point < segment.first_point)


def bringing(segments: Iterable[Segment]) -> list[str]:
    """The designs that brought these segments' points, in the order of their numbers. More repeats of a part of a
    composed design, which are segments of that part alone, brought none."""
    return list({each.first_point: each.design for each in segments if not each.first_repeat}.values())


def segment_at(segments: Sequence[Segment], position: int) -> int:
    """Which of a sweep's segments, by its number, holds a position."""
    return bisect_right(segments, position, key=lambda segment: segment.first_position) - 1


def trials_of(segments: Iterable[Segment]) -> int:
    """How many trials a sweep has: one that is run again counts once."""
    return sum(segment.total - sum(segment.taken_back.values()) for segment in segments)
