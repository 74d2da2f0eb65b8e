"""One trial of a sweep, found by its point and its repeat."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from raylab.core.block import Block, block, position_of
from raylab.core.order import seed
from raylab.core.places import place_in
from raylab.core.request import SweepRecord
from raylab.core.segment import Segment, segment_at


def find_trial(record: SweepRecord, point: Any, repeat: Any = 0) -> tuple[Segment, Block]:
    """The segment that brought a trial to a sweep, and the trial.

    Args:
        record: the sweep.
        point: `_point` of the trial's rows.
        repeat: `_repeat` of them.

    Raises:
        TypeError: one of the two is no integer.
        IndexError: the sweep has no such trial; the message says which it has.
    """
    point, repeat = whole(point, "point"), whole(repeat, "repeat")
    for segment in record.segments:
        own = point - segment.first_point
        if not segment.selection and _has(segment, own, repeat):
            number = segment.first_trial + own * segment.repeats + repeat - segment.first_repeat
            each = (number, own, repeat, seed(segment.seed, number))
            return segment, Block(*(np.array([value], dtype=np.int64) for value in each))
    raise IndexError(_missing(record, point, repeat))


def trial_at(record: SweepRecord, position: int) -> tuple[Segment, Block]:
    """The segment that holds a position of a sweep, and the trial that stands there."""
    segment = record.segments[segment_at(record.segments, position)]
    return segment, block(segment, position, position + 1)


def positions(record: SweepRecord, point: Any, repeat: Any = 0) -> list[int]:
    """The positions at which a trial stands in its sweep, the one that it ran at last the last; errors as
    `find_trial`."""
    _, trial = find_trial(record, point, repeat)
    found = (position_of(segment, int(trial.numbers[0])) for segment in record.segments)
    return [position for position in found if position is not None]


def whole(given: Any, what: str) -> int:
    """The number of a point, a repeat, an attempt or a code version, as rows have it.

    Raises:
        TypeError: it is no integer; True and False are none.
    """
    try:
        if not isinstance(given, bool):
            return index(given)
    except TypeError:
        pass
    raise TypeError(f"{what}: wanted the number that _{what} of results(metadata=True) says; got {given!r}")


def _has(segment: Segment, own: int, repeat: int) -> bool:
    """Whether a segment has this repeat of a point of its design."""
    if not (0 <= own < segment.size and 0 <= repeat - segment.first_repeat < segment.repeats):
        return False
    return not segment.part or place_in(segment.part, segment.grid, own) is not None


def _missing(record: SweepRecord, point: int, repeat: int) -> str:
    there = f"it has the points 0 to {record.points - 1:,}"
    if record.repeats > 1:
        there += f" in up to {record.repeats:,} repeats, of which the first is 0"
    return f"the sweep {record.name!r} has no trial of point {point:,} and repeat {repeat:,}; {there}"
