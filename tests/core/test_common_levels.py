"""What axes and designs have in common, against Python's own lists; and how close levels are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raylab.core.axes import Axis, Chained, Stepped, axis_of, distinct, picked
from raylab.core.box import Runs, size
from raylab.core.closeness import close_levels
from raylab.core.common_levels import places_on, shared
from raylab.core.common_points import Ground, meeting
from raylab.core.design import Design, Factorial, Joined, Points
from raylab.core.given import axis_given
from raylab.core.places import numbers, runs_of
from raylab.core.values import key_of
from raylab.errors import DesignError

ANY = [0, 1, 2, 0.0, -0.0, 0.5, 1.0, float("nan"), float("inf"), None, True, "a", "1", (1,), [1]]
RANGES = st.builds(
    lambda start, size, step: range(start, start + size * step, step),
    st.integers(-9, 9),
    st.integers(1, 12),
    st.sampled_from([-7, -3, -2, -1, 1, 2, 3, 4, 6]),
)
FLOATS = st.builds(
    np.linspace, st.sampled_from([-1.0, 0.0, 0.1]), st.sampled_from([0.3, 1.0, 2.0]), st.sampled_from([1, 2, 3, 5, 9])
)
AXES = st.one_of(RANGES, FLOATS, st.lists(st.sampled_from(ANY), min_size=1, max_size=6)).map(
    lambda given: axis_given("x", given)
)


def places(runs: Runs) -> list[int]:
    return [at for start, stop in runs for at in range(start, stop)]


def among(axis: Axis, other: Axis) -> list[int]:
    keys = set(map(key_of, other))
    return [at for at, level in enumerate(axis) if key_of(level) in keys]


@given(AXES, AXES)
@example(axis_of(range(0, 50, 6)), axis_of(range(40, -20, -4)))
@example(axis_of(tuple(np.linspace(0, 1, 9).tolist())), axis_of(tuple(np.linspace(0, 1, 5).tolist())))
def test_axes_share_the_levels_that_are_equal_with_their_types(a: Axis, b: Axis) -> None:
    ours, theirs = shared("x", a, b)
    assert places(ours) == among(a, b)
    assert places(theirs) == among(b, a)
    at = places_on(a, b)
    assert [place >= 0 for place in at.tolist()] == [at in among(b, a) for at in range(b.size)]
    assert all(key_of(a[place]) == key_of(level) for place, level in zip(at.tolist(), b, strict=True) if place >= 0)


@given(st.integers(-(10**18), 10**18), st.integers(1, 10**6), st.integers(-(10**18), 10**18), st.integers(1, 10**6))
def test_long_ranges_share_what_the_chinese_remainder_theorem_says(a: int, step: int, b: int, other: int) -> None:
    one, two = axis_of(range(a, a + 10**3 * step, step)), axis_of(range(b, b + 10**12 * other, other))
    ours, theirs = shared("x", one, two)
    common = [level for level in one if (level - b) % other == 0 and 0 <= (level - b) // other < 10**12]
    assert [one[at] for at in places(ours)] == common
    assert [two[at] for at in places(theirs)] == common


def test_large_axes_that_cannot_be_compared_are_refused_by_name() -> None:
    wide = Stepped(0.0, 1.0, 10**9)
    assert shared("x", wide, Stepped(0.0, 1.0, 10**9)) == (((0, 10**9),), ((0, 10**9),))
    assert shared("x", wide, Stepped(2.0, 3.0, 10**9)) == ((), ())
    assert shared("x", wide, axis_of((0.0, 0.5, 7.5))) == (((0, 1),), ((0, 1),))
    with pytest.raises(DesignError, match=r"axis 'x': 1,000,000,000 levels .* cannot be compared one by one"):
        shared("x", wide, Stepped(0.0, 1.5, 10**9))


@given(AXES, st.data())
def test_levels_are_picked_as_they_are(axis: Axis, data: st.DataObject) -> None:
    some = data.draw(st.sets(st.integers(0, axis.size - 1), min_size=1))
    found = picked(axis, runs_of(np.array(sorted(some))))
    assert list(map(key_of, found)) == [key_of(axis[at]) for at in sorted(some)]
    once = list(map(key_of, distinct(axis)))
    assert once == list(dict.fromkeys(map(key_of, axis)))


# designs --------------------------------------------------------------------------------------------------------


@st.composite
def designs(draw: st.DrawFn) -> Design:
    grid = Factorial({name: draw(AXES) for name in draw(st.permutations(["x", "y"]))})
    if draw(st.booleans()):
        return grid
    rows = draw(st.lists(st.integers(0, grid.size - 1), min_size=1, max_size=9))
    return Points([grid[row] for row in rows])


def points(design: Design) -> list[Any]:
    return [key_of(sorted(point.items())) for point in design]


@given(designs(), designs())
def test_designs_meet_in_the_points_that_are_equal(a: Design, b: Design) -> None:
    ours, theirs = Ground(a), Ground(b)
    for area, ground, other in zip(meeting(ours, theirs), (ours, theirs), (b, a), strict=True):
        found = [n for piece in area for n in numbers(piece, ground.sizes, np.arange(size(piece))).tolist()]
        there = set(points(other))
        assert sorted(found) == [at for at, point in enumerate(points(ground.design)) if point in there]


def test_a_list_that_is_too_long_to_be_compared_is_refused() -> None:
    long = Points(x=range(10**8), y=range(10**8))
    with pytest.raises(DesignError, match=r"cannot be compared point by point \(up to 10,000,000"):
        meeting(Ground(long), Ground(Factorial(x=[1], y=[1])))
    assert meeting(Ground(long), Ground(Points(x=range(10**8), y=range(10**8)))) == ([(((0, 10**8),),)],) * 2


@given(st.lists(designs(), min_size=1, max_size=3))
def test_joined_designs_are_one_after_the_other(parts: list[Design]) -> None:
    design = Joined(parts)
    every = [key_of(sorted(point.items())) for part in parts for point in part]
    assert points(design) == every
    assert points(Design.loads(design.dumps())) == every
    assert Design.loads(design.dumps()) == design
    at = np.arange(design.size)[::-1]
    for name in design.parameters:
        assert list(map(key_of, design.column(name, at))) == [key_of(design[n][name]) for n in at.tolist()]
    with pytest.raises(DesignError, match="of other parameters than"):
        Joined([*parts, Factorial(z=[1])])


def test_chained_axes_are_computed_where_all_of_them_are_alike() -> None:
    ints = Chained([axis_of(range(10**9)), axis_of(range(-(10**9), 0, 2))])
    assert (ints.size, ints.is_computed, ints[10**9], ints[-1]) == (15 * 10**8, True, -(10**9), -2)
    assert ints.take(np.array([5, 10**9 + 1, 3])) == [5, 2 - 10**9, 3]
    mixed = Chained([axis_of(range(3)), axis_of((0.5, 1.0, 1.5)), axis_of(("a",))])
    assert (mixed.is_computed, list(mixed), mixed.others) == (False, [0, 1, 2, 0.5, 1.0, 1.5, "a"], ("a",))
    assert mixed.take(np.array([6, 0, 3])) == ["a", 0, 0.5]


# closeness ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "count"),
    [
        ([0.1, 0.2, 0.3], [0.1 + 0.2, 0.3], 1),
        ([0.3], [0.3 + 1e-11], 0),
        ([0.3], [0.3 + 9e-13], 1),
        ([1e9], [1e9 + 1e-4], 1),
        ([1e9], [1e9 + 1e-2], 0),
        (np.linspace(0, 1, 11), [0.1 * 3, 0.3, 0.7, 0.05], 2),
        (Stepped(0.0, 1.0, 10**9 + 1), [0.5, 0.5 + 1e-13, 0.5 + 1e-10], 1),
        (range(10**9), [7.5, 7 + 1e-13], 1),
        ([None, "a", True], [0.0, 1.0], 0),
        ([1, 2], [2**70, float("nan"), float("inf")], 0),
        ([0.0, 0.5], [-0.0], 1),
    ],
)
def test_levels_that_are_almost_old_ones_are_counted(old: Any, new: Any, count: int) -> None:
    found = close_levels([Factorial(x=[777]), Factorial(x=old)], Factorial(x=new))
    assert found.get("x", 0) == count
