"""Partitions: which points of a design are of which class, as parts of the design."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Final, NamedTuple

from raylab.core import box
from raylab.core.box import Box
from raylab.core.segment import Need, Segment


class Part(NamedTuple):
    """Some points, all of one class."""

    klass: int
    points: Box


@dataclass(frozen=True, slots=True)
class Partition:
    """Parts that together are a design, and do not overlap; without any, the design is of one class.

    Attributes:
        grid: the sizes of the design's axes.
        parts: in the order of their classes.
    """

    grid: tuple[int, ...] = ()
    parts: tuple[Part, ...] = ()

    def segments(self, whole: Segment) -> tuple[Segment, ...]:
        """The segment of a whole design as segments of one class each. Trials keep their numbers."""
        if not self.parts:
            return (whole,)
        cut = [replace(whole, part=part.points, grid=self.grid, need=Need(part.klass)) for part in self.parts]
        firsts = accumulate((segment.total for segment in cut), initial=whole.first_position)
        return tuple(replace(segment, first_position=first) for segment, first in zip(cut, firsts, strict=False))

    def classes_in(self, points: Box) -> set[int] | None:
        """The classes that these points of the design are of; None if the parts are not comparable, some by axis and
        others by numbers."""
        if any(len(part.points) != len(points) for part in self.parts):
            return None
        return {part.klass for part in self.parts if box.overlap(part.points, points) is not None}


WHOLE: Final = Partition()
"""All points are of one class."""
