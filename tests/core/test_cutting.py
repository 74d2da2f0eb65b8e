"""Designs cut into classes: each point is in one part, of its own class."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from core.records import segment
from hypothesis import given
from hypothesis import strategies as st

from raylab.core import cutting
from raylab.core.block import block
from raylab.core.cutting import cut
from raylab.core.partition import WHOLE, Part, Partition
from raylab.core.places import numbers
from raylab.core.segment import Segment
from raylab.errors import DesignError


def points(found: Partition, part: Part) -> list[int]:
    """The numbers of a part's points."""
    size = prod(sum(stop - start for start, stop in runs) for runs in part.points)
    return numbers(part.points, found.grid, np.arange(size)).tolist()


@st.composite
def cut_grids(draw: st.DrawFn) -> tuple[np.ndarray, list[int], list[int]]:
    grid = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    axes = sorted(draw(st.sets(st.sampled_from(range(len(grid))), min_size=1)))
    size = prod(grid[axis] for axis in axes)
    codes = draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    return np.array(codes, np.uint8).reshape([grid[axis] for axis in axes]), axes, grid


@given(cut_grids(), st.sampled_from([1, 64]))
def test_each_point_is_in_the_part_of_its_class(
    grid_and_codes: tuple[np.ndarray, list[int], list[int]], most: int
) -> None:
    codes, axes, grid = grid_and_codes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cutting, "MOST_PARTS", most)  # with one, nearly all are told by numbers
        found = cut(codes, axes, grid)
    shape = [size if axis in axes else 1 for axis, size in enumerate(grid)]
    wanted = np.broadcast_to(codes.reshape(shape), grid).ravel()
    seen = {point: part.klass for part in found.parts for point in points(found, part)}
    assert sum(len(points(found, part)) for part in found.parts) == prod(grid), "no point is in two parts"
    assert [seen[point] for point in range(prod(grid))] == wanted.tolist()


def test_a_grid_of_any_size_is_cut_by_the_levels_of_an_axis() -> None:
    found = cut(np.array([0, 1, 0, 1], np.uint8), [1], [10**6, 4, 10**6])
    assert [part.klass for part in found.parts] == [0, 1]
    assert found.parts[1].points == (((0, 10**6),), ((1, 2), (3, 4)), ((0, 10**6),))


def test_slices_that_are_alike_are_taken_together() -> None:
    codes = (np.add.outer(np.arange(100), np.arange(100)) > 150).astype(np.uint8)
    assert len(cut((np.arange(100) > 50).astype(np.uint8)[:, None].repeat(100, 1), [0, 1], [100, 100]).parts) == 2
    found = cut(codes, [0, 1], [100, 100])
    assert len(found.parts) == 2, "51 rows that all differ: by numbers"
    assert {len(part.points) for part in found.parts} == {1}


def test_what_is_too_scattered_or_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.eye(100, dtype=np.uint8)
    with pytest.raises(DesignError, match="10,000,000,000 points, of which 100,000,000 at most"):
        cut(codes, [0, 1], [100, 100, 10**6])
    monkeypatch.setattr(cutting, "MOST_RUNS", 10)
    with pytest.raises(DesignError, match=r"199 runs of points, and a request has 10 at most"):
        cut(codes, [0, 1], [100, 100])


def test_trials_keep_their_numbers_points_and_seeds_in_any_classes() -> None:
    whole = segment(12, repeats=3)
    parts = cut(np.array([0, 1, 1, 0], np.uint8), [0], [4, 3]).segments(whole)
    assert [(one.need.klass, one.first_position, one.total) for one in parts] == [(0, 0, 18), (1, 18, 18)]

    def of(one: Segment) -> dict[int, tuple[int, ...]]:
        """Point, repeat and seed of each trial, by its number."""
        each = zip(*(array.tolist() for array in block(one, one.first_position, one.stop)), strict=True)
        return {number: tuple(rest) for number, *rest in each}

    assert of(parts[0]) | of(parts[1]) == of(whole)
    assert WHOLE.segments(whole) == (whole,)


def test_the_classes_of_some_points() -> None:
    found = cut(np.array([0, 1, 1, 2], np.uint8), [0], [4, 3])
    assert found.classes_in((((1, 3),), ((0, 3),))) == {1}
    assert found.classes_in((((0, 2),), ((2, 3),))) == {0, 1}
    assert found.classes_in((((0, 2),),)) is None, "by numbers, and the parts are by axis"
