"""Boxes against sets of points that are listed."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from raylab.core import box
from raylab.core.block import block
from raylab.core.places import numbers, runs_of
from raylab.core.segment import Segment

SIZES = (4, 3, 5)
RUNS = st.sets(st.integers(0, 11)).map(lambda some: runs_of(np.array(sorted(some), dtype=np.int64)))


def boxes(*sizes: int) -> st.SearchStrategy[box.Box]:
    axes = [st.sets(st.integers(0, size - 1), min_size=1) for size in sizes]
    return st.tuples(*axes).map(lambda some: tuple(runs_of(np.array(sorted(each))) for each in some))


def listed(runs: Iterable[tuple[int, int]]) -> list[int]:
    return [n for start, stop in runs for n in range(start, stop)]


def points(some: box.Box) -> list[tuple[int, ...]]:
    return list(itertools.product(*map(listed, some)))


@given(RUNS, RUNS)
def test_sets_of_numbers_are_compared_by_their_runs(a: Any, b: Any) -> None:
    assert listed(box.common(a, b)) == sorted({*listed(a)} & {*listed(b)})
    assert listed(box.without(a, b)) == sorted({*listed(a)} - {*listed(b)})
    assert box.count(a) == len(listed(a))


@given(boxes(*SIZES), boxes(*SIZES))
def test_a_box_without_another_is_boxes_that_do_not_overlap(a: box.Box, b: box.Box) -> None:
    rest = list(box.minus(a, b))
    assert len(rest) <= len(SIZES)
    assert sorted(point for each in rest for point in points(each)) == sorted({*points(a)} - {*points(b)})
    assert sum(map(box.size, rest)) == len({*points(a)} - {*points(b)})
    both = box.overlap(a, b)
    assert ([] if both is None else points(both)) == sorted({*points(a)} & {*points(b)})


def test_a_grid_of_many_points_is_never_listed() -> None:
    large, small = box.whole((10**6, 10**6)), box.whole((10**6, 10**3))
    assert sum(map(box.size, box.minus(large, small))) == 10**12 - 10**9


@given(boxes(*SIZES))
def test_points_of_a_box_stand_in_the_order_of_the_grid(some: box.Box) -> None:
    grid = list(itertools.product(*map(range, SIZES)))
    found = numbers(some, SIZES, np.arange(box.size(some)))
    assert [grid[at] for at in found] == points(some)
    flat = (runs_of(found),)
    assert numbers(flat, SIZES, np.arange(len(found))).tolist() == found.tolist(), "or as the numbers of points"


@given(boxes(*SIZES), st.integers(1, 3), st.sampled_from(["random", "design"]))
def test_a_part_of_a_design_has_the_trials_of_the_whole(some: box.Box, repeats: int, order: str) -> None:
    words: dict[str, Any] = {"design": "{}", "size": 60, "repeats": repeats, "order": order, "key": 1, "seed": 5}
    whole = Segment(**words, first_trial=7, first_point=3, first_repeat=2)
    part = Segment(**words, first_trial=7, first_point=3, first_repeat=2, first_position=50, part=some, grid=SIZES)
    all_of_it, own = block(whole, 0, whole.stop), block(part, 50, part.stop)
    rows = {row[0]: row for row in zip(*(column.tolist() for column in all_of_it), strict=True)}
    found = list(zip(*(column.tolist() for column in own), strict=True))
    assert all(rows[row[0]] == row for row in found)
    assert sorted(row[1] for row in found) == sorted(numbers(some, SIZES, np.arange(box.size(some))).tolist() * repeats)
    assert whole.last_trial == 7 + 60 * repeats
