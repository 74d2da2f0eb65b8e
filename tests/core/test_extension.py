"""Growth against a list of points with their repeats."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from asked import submitted, sweeps
from hypothesis import given, settings
from hypothesis import strategies as st

from raylab.core import point_repeats
from raylab.core.axes import Stepped
from raylab.core.block import block
from raylab.core.design import Design, Factorial, Joined, Points, Selected, as_design
from raylab.core.extension import grow
from raylab.core.growth import Growth
from raylab.core.places import runs_of
from raylab.core.request import SweepRecord
from raylab.core.segment import Segment
from raylab.core.values import key_of
from raylab.errors import DesignError


def swept(design: Any, repeats: int = 1, order: str = "random") -> SweepRecord:
    made = as_design(design)
    asked = {"design": made.dumps(), "shape": repr(made), "size": made.size, "repeats": repeats, "order": order}
    return sweeps(submitted(**asked))["trial"]


def grown(record: SweepRecord, growth: Growth) -> SweepRecord:
    assert growth.fits(record.folder, record.segments)
    after = replace(record, segments=(*record.segments, *growth.segments))
    assert growth.is_in(after.folder, after.segments)
    assert not growth.segments or not growth.fits(after.folder, after.segments)
    return after


def extended(record: SweepRecord, design: Any = None, repeats: int | None = None) -> SweepRecord:
    return grown(record, grow(record, None if design is None else as_design(design), repeats))


Trial = tuple[int, int, int, int]
"""Its number, its point, its repeat, its seed."""


def trials(record: SweepRecord) -> dict[Trial, Any]:
    """All trials of a sweep as workers meet them, each with what it is given."""
    found: dict[Trial, Any] = {}
    at = 0
    for segment in record.segments:
        assert segment.first_position == at
        design = Design.loads(segment.design)
        some = block(segment, segment.first_position, segment.stop)
        for number, point, repeat, seed in zip(*(each.tolist() for each in some), strict=True):
            trial = (number, point + segment.first_point, repeat, seed)
            assert trial not in found
            found[trial] = key_of(sorted(design[point].items()))
        at = segment.stop
    numbers, points, _, _ = zip(*found, strict=True)
    assert len(set(numbers)) == len(found), "no number is given twice"
    assert len({trial[1:3] for trial in found}) == len(found), "no repeat of a point is there twice"
    counted = Counter(points)
    each = np.arange(record.points)
    assert point_repeats.repeats_of(record.segments, each).tolist() == [counted[point] for point in each.tolist()]
    assert set(points) == set(range(record.points)), "points are numbered without a gap"
    return found


def repeats_of(record: SweepRecord) -> Counter[Any]:
    """How often each point is there; each of its repeats is the next one."""
    by_point: dict[tuple[Any, int], list[int]] = {}
    for (_, point, repeat, _), given_values in trials(record).items():
        by_point.setdefault((given_values, point), []).append(repeat)
    assert all(sorted(found) == list(range(len(found))) for found in by_point.values())
    found: Counter[Any] = Counter()
    for (values, _), some in by_point.items():
        found[values] = max(found[values], len(some))
    return found


def values_of(design: Design) -> set[Any]:
    return {key_of(sorted(point.items())) for point in design}


# against the model ----------------------------------------------------------------------------------------------

INTS = st.lists(st.integers(0, 7), min_size=1, max_size=5)
STEPS = st.sampled_from([-2, -1, 1, 2, 3])
RANGES = st.builds(
    lambda start, n, step: range(start, start + n * step, step), st.integers(-3, 6), st.integers(1, 7), STEPS
)
FLOATS = st.builds(lambda low, n: np.linspace(low, 2, n), st.sampled_from([0.0, 0.5, -1.0]), st.integers(1, 7))
ODD = ["a", "b", None, (1, 2), [1, 2], 0.0, -0.0, 1, 1.0, True, "1"]
MIXED = st.lists(st.sampled_from(ODD), min_size=1, max_size=4)
AXIS = st.one_of(INTS, RANGES, FLOATS, MIXED)
NAMES = ("x", "y", "z")


@st.composite
def designs(draw: st.DrawFn, names: tuple[str, ...]) -> Design:
    names = tuple(draw(st.permutations(names)))
    kind = draw(st.sampled_from(["factorial", "factorial", "points", "joined", "product", "selected"]))
    if kind == "selected":
        of = draw(designs(names))
        taken = draw(st.lists(st.booleans(), min_size=min(of.size, 60), max_size=min(of.size, 60)).filter(any))
        return Selected(of, runs_of(np.flatnonzero(taken)))
    if kind == "product" and len(names) > 1:
        return draw(designs(names[:1])) * draw(designs(names[1:]))
    if kind == "joined":
        return Joined([draw(designs(names)) for _ in range(draw(st.integers(1, 2)))])
    if kind == "factorial":
        return Factorial({name: draw(AXIS) for name in names})
    grid = Factorial({name: draw(AXIS) for name in names})
    rows = draw(st.lists(st.integers(0, grid.size - 1), min_size=1, max_size=8))
    return Points([grid[row] for row in rows])


@st.composite
def stories(draw: st.DrawFn) -> tuple[Design, int, list[tuple[Design | None, int | None]]]:
    names = NAMES[: draw(st.integers(1, 3))]
    steps = st.tuples(st.none() | designs(names), st.none() | st.integers(1, 4))
    more = draw(st.lists(steps.filter(lambda step: step != (None, None)), min_size=1, max_size=4))
    return draw(designs(names)), draw(st.integers(1, 3)), more


def test_afterwards_every_point_is_there_with_its_repeats_and_nothing_else_has_changed(rounds: int) -> None:
    settings(max_examples=75 * rounds)(given(stories())(check_story))()


def check_story(story: tuple[Design, int, list[tuple[Design | None, int | None]]]) -> None:
    design, first, steps = story
    record = swept(design, first)
    model = dict.fromkeys(values_of(design), first)
    for more, repeats in steps:
        before = trials(record)
        growth = grow(record, more, repeats)
        after = grown(record, growth)
        assert after.points - record.points == len((set() if more is None else values_of(more)) - set(model))
        for values in model if more is None else values_of(more):
            model[values] = max(model.get(values, repeats or first), repeats or 0)
        assert repeats_of(after) == model
        now = trials(after)
        assert {trial: now[trial] for trial in before} == before
        assert growth.added == len(now) - len(before)
        again = grow(after, more, repeats)
        assert not again.segments
        has_all = more is None or values_of(more) == set(model)
        assert again.exact == (has_all and all(count == repeats for count in model.values()))
        record = after
    joined = Joined([Design.loads(text) for text in record.designs])
    assert joined.size == record.points
    for (_, point, _, _), values in trials(record).items():
        assert key_of(sorted(joined[point].items())) == values


def test_nan_is_one_level_whichever_object_it_is() -> None:
    nans = [float("nan") for _ in range(4)]
    record = extended(swept({"x": [nans[0], 1.0]}), {"x": [*nans[1:], 2.0]})
    assert (record.total, grow(record, Factorial(x=[float("nan")]), None).added) == (3, 0)
    rows = [{"x": each, "y": (1, each)} for each in nans]
    assert grow(swept(rows[:1]), Points(rows[1:]), None).added == 0
    assert grow(swept([{"x": 1.0, "y": (1, 2)}]), Points(rows), None).added == 1
    assert Points([{"x": each} for each in nans]).repeated() == ["x=nan"]
    assert grow(swept({"x": [7.0]}), Factorial(x=nans), None).added == 1


# what it costs --------------------------------------------------------------------------------------------------


def cost(growth: Growth) -> int:
    return sum(len(str(segment.plain())) for segment in growth.segments)


def test_a_grid_of_a_thousand_million_grows_to_four_at_the_cost_of_its_axes() -> None:
    record = swept({"x": range(10**5), "y": range(10**4)}, repeats=2)
    for axes in ({"x": range(2 * 10**5), "y": range(2 * 10**4)}, {"y": range(2 * 10**4), "x": range(2 * 10**5)}):
        growth = grow(record, Factorial(axes), None)
        assert growth.added == 2 * (4 * 10**9 - 10**9)
        assert cost(growth) < 2_000
    floats = swept({"x": np.linspace(0, 1, 10**6), "y": range(10**3)})
    wider = grow(floats, Factorial(x=np.linspace(0, 1, 10**6), y=range(-(10**3), 3 * 10**3)), None)
    assert (wider.added, len(wider.segments), cost(wider) < 2_000) == (3 * 10**9, 2, True)


def test_ranges_are_compared_by_arithmetic() -> None:
    record = swept({"x": range(0, 10**15, 3)})
    for axis, added in [
        (range(3, 2 * 10**15, 3), 333333333333333),
        (range(999, -1, -3), 0),
        (range(1, 10**15, 3), 333333333333333),
        (range(0, 3000, 1), 2000),
        (range(0, 10**15, 3 * 10**12), 0),
        (range(2**70, 2**70 + 30, 3), 10),
    ]:
        assert grow(record, Factorial(x=axis), None).added == added, axis


def test_a_few_points_of_a_large_grid_get_more_repeats_and_then_the_others() -> None:
    record = swept({"x": range(10**6), "y": range(10**6)})
    some = [{"y": 3, "x": 5}, {"y": 4, "x": 999_999}, {"y": 4, "x": -1}]
    record = extended(record, some, 3)
    last = record.segments[-1]
    assert [segment.total for segment in record.segments] == [10**12, 4, 3]
    assert (last.size, last.first_point) == (1, 10**12)
    record = extended(record, {"x": range(10), "y": range(10)}, 2)
    assert record.total == 10**12 + 4 + 3 + 99
    after = extended(record, repeats=4)
    assert after.total == 4 * (10**12 + 1)
    assert sum(len(str(segment.plain())) for segment in after.segments) < 20_000


def test_a_large_grid_without_single_points_is_a_few_grids_and_a_small_one_a_list() -> None:
    record = swept([{"x": 5, "y": 7}, {"x": 100, "y": 100}])
    growth = grow(record, Factorial(x=range(10**6), y=range(10**6)), None)
    assert (growth.added, len(growth.segments) < 9) == (10**12 - 2, True)
    diagonal = swept([{"x": at, "y": at} for at in range(200)])
    listed = grow(diagonal, Factorial(x=range(200), y=range(200)), None)
    assert [segment.total for segment in listed.segments] == [200 * 199]
    grids = grow(diagonal, Factorial(x=range(10**6), y=range(10**6)), None)
    assert grids.added == 10**12 - 200


def test_composed_grids_of_a_thousand_million_are_compared_axis_by_axis() -> None:
    fast, wide = Factorial(y=range(10**4)), Factorial(y=range(2 * 10**4))
    record = swept((Factorial(x=range(10**5)) + Factorial(x=[-1])) * fast)
    growth = grow(record, wide * (Factorial(x=range(10**5)) + Factorial(x=[-1, -2])), None)
    assert growth.added == 2 * 10**4 * (10**5 + 2) - 10**4 * (10**5 + 1)
    assert cost(growth) < 3_000
    again = extended(grown(record, growth), fast * Factorial(x=[-1, -2]), 2)
    assert again.total - record.total - growth.added == 2 * 10**4
    assert grow(again, wide * Factorial(x=range(-2, 10**5)), None).added == 0


def test_selections_with_too_many_runs_in_common_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = Factorial(x=range(10), y=range(10))
    record = swept(Selected(grid, [[at, at + 1] for at in range(0, 100, 2)]))
    assert grow(record, grid, None).added == 50
    monkeypatch.setattr("raylab.core.common_points.RUNS", 49)
    assert "stand in 50 runs in Selected(" in refusal(record, grid)
    assert grow(record, Selected(grid, [[0, 90]]), None).added == 45


def test_selections_of_one_design_are_compared_by_number() -> None:
    grid = Factorial(x=range(10**4), y=range(10**4))
    record = swept(Selected(grid, [[0, 5 * 10**7]]))
    growth = grow(record, Selected(grid, [[4 * 10**7, 6 * 10**7], [7 * 10**7, 7 * 10**7 + 5]]), None)
    assert (growth.added, cost(growth) < 1_000) == (10**7 + 5, True)
    assert grow(grown(record, growth), grid, None).added == 4 * 10**7 - 5
    part = Selected(Factorial(x=range(10**4), y=range(10**4), z=[1, 2]), [[0, 10]])
    assert grow(swept(part), Selected(part.of, [[5, 12]]), 3).added == 2 * 3 + 5 * 2


# refused --------------------------------------------------------------------------------------------------------


def refusal(record: SweepRecord, design: Any, repeats: int | None = None) -> str:
    with pytest.raises(DesignError) as caught:
        grow(record, as_design(design), repeats)
    return str(caught.value)


def test_other_parameters_are_refused_by_name() -> None:
    record = swept({"x": [1], "y": [2]})
    assert "'y' is missing, 'z' is new" in refusal(record, {"x": [1], "z": [2]})
    assert "no 'y', which all points of the sweep have" in refusal(record, [{"x": 1, "y": 2}, {"x": 3}])
    some = swept([{"x": 1, "y": 2}, {"x": 3}])
    assert grow(some, Points([{"x": 4}, {"x": 3}, {"y": 2, "x": 1}]), None).added == 1


def test_what_would_have_to_be_listed_is_refused_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = swept({"x": Stepped(0.0, 1.0, 10**8)})
    assert "in other steps cannot be compared" in refusal(wide, {"x": Stepped(0.0, 2.0, 10**8)})
    assert grow(wide, Factorial(x=Stepped(2.0, 3.0, 10**8)), None).added == 10**8
    assert "told one by one" in refusal(swept({"x": range(0, 10**9, 2)}), {"x": range(10**9)})
    spread = swept([{"x": at, "y": at} for at in range(2_000)])
    assert "more than 1,000 grids" in refusal(spread, {"x": range(10**6), "y": range(10**6)})
    coarse, fine = Stepped(0.0, 4.0, 5), Stepped(0.0, 4.0, 8 * 10**6 + 1)
    assert "1,999,999 new levels of 'x' would have to be listed" in refusal(swept({"x": coarse}), {"x": fine})
    monkeypatch.setattr("raylab.core.extension.LISTED", 3)
    four = [{"x": at, "y": 1} for at in range(4)]
    assert "4 new points would have to be listed, and 3 can be" in refusal(swept({"x": [9], "y": [1]}), four)
    assert grow(swept({"x": [2], "y": [1]}), Points(four), None).added == 3


def test_more_than_a_lab_can_count_is_refused() -> None:
    record = swept({"x": range(2**31), "y": range(2**30)})
    assert "more than a lab can count (2^62)" in refusal(record, {"x": range(2**31), "y": range(2**30, 2**31)}, 2)
    assert grow(record, Factorial(x=range(2**31), y=range(2**30, 2**31)), None).added == 2**61


def test_new_points_run_in_the_order_of_the_sweep_with_its_seed() -> None:
    record = extended(swept({"x": range(3)}, repeats=2, order="design"), {"x": range(5)})
    assert {(each.order, each.key, each.seed, each.repeats) for each in record.segments} == {("design", 77, 77, 2)}
    seeds = [seed for _, _, _, seed in trials(record)]
    assert len(set(seeds)) == len(seeds)
    assert math.prod([record.segments[1].first_point, record.segments[1].first_trial]) == 3 * 6


def test_a_selection_that_runs_again_changes_nothing_of_what_is_there() -> None:
    record = swept({"x": range(4)}, repeats=2)
    again = replace(record.asked, first_position=8, selection=((1, 3),), attempt=2, taken_back={"failed": 2})
    record = replace(record, segments=(record.asked, again))
    growth = grow(record, Factorial(x=range(5)), 3)
    assert growth.added == 4 + 3
    first = growth.segments[0]
    assert (first.first_position, first.first_trial, first.first_point) == (10, 8, 0)
    assert (growth.segments[1].first_trial, growth.segments[1].first_point) == (12, 4)


def test_a_design_that_came_in_parts_is_one() -> None:
    """As where resources differ by a level."""
    whole = Segment(design=Factorial(x=[1, 2], y=[1, 2]).dumps(), size=4, repeats=2, order="random", key=1, seed=1)
    one = replace(whole, part=(((0, 1),), ((0, 2),)), grid=(2, 2))
    other = replace(whole, part=(((1, 2),), ((0, 2),)), grid=(2, 2), first_position=4)
    record = replace(swept({"x": [1]}), segments=(one, other))
    assert not grow(record, Factorial(x=[1, 2], y=[1, 2]), 2).segments
    assert grow(record, Factorial(x=[2, 3], y=[1]), 3).added == 1 + 3
