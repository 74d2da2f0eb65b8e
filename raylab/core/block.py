"""Blocks: the trials at some positions of a segment, as arrays. What each of them is follows from its number alone."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from raylab.core.order import Order, seeds
from raylab.core.places import chosen, numbers, place_in, place_of
from raylab.core.segment import Segment


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


def block(segment: Segment, start: int, stop: int) -> Block:
    """The trials at the positions `[start, stop)` of the sweep. IndexError unless all are in the segment.

    Example:
        >>> trials = block(Segment(design="{}", size=3, repeats=2, order="design", key=1, seed=1), 2, 4)
        >>> trials.points.tolist(), trials.repeats.tolist()
        ([1, 1], [0, 1])
    """
    order = _order(segment.order, segment.total, segment.key)
    trials = _numbers(segment, order.trials(start - segment.first_position, stop - segment.first_position))
    own = trials - segment.first_trial
    points = own // segment.repeats
    return Block(trials, points, own - points * segment.repeats + segment.first_repeat, seeds(segment.seed, trials))


def numbers_at(segment: Segment, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of the trials at these positions of the sweep, which need not follow each other. IndexError unless
    all are in the segment.

    Example:
        >>> numbers_at(Segment(design="{}", size=3, repeats=2, order="design", key=1, seed=1), np.array([5, 2]))
        array([5, 2])
    """
    order = _order(segment.order, segment.total, segment.key)
    return _numbers(segment, order.trials_at(positions - segment.first_position))


def position_of(segment: Segment, number: int) -> int | None:
    """The position at which a trial stands in a segment; None if it does not.

    Example:
        >>> position_of(Segment(design="{}", size=3, repeats=2, order="design", key=1, seed=1, first_position=10), 5)
        15
    """
    own = number - segment.first_trial
    if segment.selection:
        place = place_of(segment.selection, number)
    elif not 0 <= own < segment.size * segment.repeats:
        place = None
    elif segment.part:
        point, repeat = divmod(own, segment.repeats)
        found = place_in(segment.part, segment.grid, point)
        place = None if found is None else found * segment.repeats + repeat
    else:
        place = own
    if place is None:
        return None
    return segment.first_position + _order(segment.order, segment.total, segment.key).position(place)


def _numbers(segment: Segment, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of the trials at these places of a segment, as its design lists them."""
    if segment.selection:
        return chosen(segment.selection, places)
    if segment.part:
        point, repeat = np.divmod(places, segment.repeats)
        places = numbers(segment.part, segment.grid, point) * segment.repeats + repeat
    return places + segment.first_trial


@lru_cache(maxsize=64)
def _order(kind: str, size: int, key: int) -> Order:
    return Order(kind, size, key)
