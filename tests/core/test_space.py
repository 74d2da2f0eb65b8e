"""Where the points of a sweep lie in an array."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from asked import submitted, sweeps
from hypothesis import given, settings
from hypothesis import strategies as st

from raylab import Factorial, Points, Random
from raylab.core.block import block
from raylab.core.design import Design, as_design
from raylab.core.extension import grow
from raylab.core.request import SweepRecord
from raylab.core.space import MAX_CELLS, Space, space_of
from raylab.errors import DesignError


def swept(*designs: Any) -> SweepRecord:
    """A sweep of the first design that has grown to the others."""
    first, *others = map(as_design, designs)
    record = sweeps(submitted(design=first.dumps(), shape="", size=first.size))["trial"]
    for each in others:
        record = replace(record, segments=(*record.segments, *grow(record, each, None).segments))
    return record


def points(record: SweepRecord) -> dict[int, dict[str, Any]]:
    """All points of a sweep by their numbers, one by one."""
    found = {}
    for segment in record.segments:
        design = Design.loads(segment.design)
        own = block(segment, segment.first_position, segment.stop).points.tolist()
        found |= {segment.first_point + at: design[at] for at in own}
    return found


def level(space: Space, cell: int) -> dict[str, Any]:
    places = np.unravel_index(cell, space.sizes)
    return {name: levels[place] for (name, levels), place in zip(space.levels.items(), places, strict=True)}


axes = st.lists(st.integers(-3, 5), min_size=1, max_size=4, unique=True)
grids = st.builds(lambda a, b: Factorial(a=a, b=b), axes, axes)


@settings(max_examples=40)
@given(st.lists(grids, min_size=1, max_size=4))
def test_each_point_is_in_the_cell_of_its_levels(designs: list[Design]) -> None:
    check_cells_of(swept(*designs), designs)


@settings(max_examples=20)
@given(st.lists(grids, min_size=2, max_size=3, unique_by=repr))
def test_a_sum_of_grids_is_a_grid_as_if_the_sweep_had_grown(designs: list[Design]) -> None:
    apart = [designs[0]]
    for each in designs[1:]:  # what stands twice has no cell of its own
        there = [point for other in apart for point in other]
        if all(point not in there for point in each):
            apart.append(each)
    check_cells_of(swept(sum(apart)), apart)
    check_cells_of(swept(sum(apart) * Factorial(c=[1, 2])), apart)


def test_sampled_points_beside_a_grid_lie_along_one_dimension() -> None:
    grid, sampled = Factorial(a=[1, 2], b=[1, 2]), Random(20, a=(0, 1), b=(0, 1)).seeded(1)
    assert [space_of(swept(some)).sizes for some in (grid + sampled, sampled + grid)] == [(24,), (24,)]
    assert space_of(swept(grid, sampled)).sizes == (24,)


def check_cells_of(record: SweepRecord, designs: list[Design]) -> None:
    space = space_of(record)
    assert space.is_grid
    for number, point in points(record).items():
        assert level(space, int(space.cells(np.array([number]))[0])) == point
    if len(designs) > 1 and len(space.levels["a"]) > designs[0].axes["a"].size:
        assert space.levels["a"] == sorted(space.levels["a"])


def test_one_design_keeps_its_order_and_a_level_that_stands_twice() -> None:
    space = space_of(swept(Factorial(p=[3, 1, 3], m=["b", "a"])))
    assert space.levels == {"p": [3, 1, 3], "m": ["b", "a"]}
    assert space.cells(np.arange(6)).tolist() == list(range(6))


@pytest.mark.parametrize("design", [Points(x=[1, 2, 5]), Points([{"n": 1}, {"n": 2, "w": 3}])])
def test_what_is_no_grid_lies_along_one_dimension(design: Design) -> None:
    space = space_of(swept(design))
    assert (space.is_grid, space.sizes, space.remark) == (False, (design.size,), "")
    assert space.cells(np.array([1])).tolist() == [1]


def test_single_points_added_to_a_grid_are_cells_of_it() -> None:
    space = space_of(swept(Factorial(p=[1, 2], L=[8, 16]), [{"p": 7, "L": 8}]))
    assert space.levels == {"p": [1, 2, 7], "L": [8, 16]}
    assert space.cells(np.arange(5)).tolist() == [0, 1, 2, 3, 4]


def test_a_grid_that_would_be_mostly_empty_is_none_and_that_is_said() -> None:
    diagonal = [Factorial(x=range(at, at + 40), y=range(at, at + 40)) for at in range(0, 400, 40)]
    space = space_of(swept(*diagonal))
    assert (space.is_grid, space.sizes) == (False, (16_000,))
    assert "160,000 cells" in space.remark
    few = space_of(swept(*(Factorial(x=[at], y=[at]) for at in range(50))))
    assert few.is_grid


def test_an_array_that_is_too_large_is_refused_with_the_ways_out() -> None:
    with pytest.raises(DesignError, match=rf"1,000,000,000 cells.*{MAX_CELLS:,} at most.*scan\(\)"):
        space_of(swept(Factorial(x=range(10**5), y=range(10**4))))
    with pytest.raises(DesignError, match="at most"):
        space_of(swept(Points(x=range(MAX_CELLS + 1))))
