"""Segments: positions, trials, points and repeats count on through a sweep; a trial that is run again is the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylab.core.block import block, numbers_at, position_of
from raylab.core.order import KINDS, seed
from raylab.core.places import runs_of
from raylab.core.segment import Segment, segment_at, trials_of

Trial = tuple[int, int, int]
"""Its point in the sweep, its repeat, its seed."""

BASE = Segment(design="{}", size=3, repeats=2, order="random", key=5, seed=7)


def after(segments: Sequence[Segment], **changes: object) -> Segment:
    """The next segment of a sweep: as the first one, but for these changes."""
    last = max((each.first_trial + each.size * each.repeats for each in segments), default=0)
    return replace(segments[0], first_position=segments[-1].stop, first_trial=last, **changes)  # type: ignore[arg-type]


@st.composite
def histories(draw: st.DrawFn) -> list[Segment]:
    """A sweep that was submitted, then grew: more points, more repeats of a segment's points, a selection of one."""
    kinds, numbers = st.sampled_from(KINDS), st.integers(1, 6)
    found = [replace(BASE, size=draw(numbers), repeats=draw(st.integers(1, 3)), order=draw(kinds))]
    for _ in range(draw(st.integers(0, 4))):
        key, order, repeats = draw(st.integers(0, 9)), draw(kinds), draw(st.integers(1, 3))
        points = max(each.first_point + each.size for each in found)
        of = draw(st.sampled_from([each for each in found if not each.selection]))
        match draw(st.sampled_from(["points", "repeats", "selection"])):
            case "points":
                more = after(found, size=draw(numbers), repeats=repeats, first_point=points, key=key, order=order)
            case "repeats":
                first = max(each.first_repeat + each.repeats for each in found if each.first_point == of.first_point)
                kept = {"size": of.size, "first_point": of.first_point}
                more = after(found, **kept, repeats=repeats, first_repeat=first, key=key, order=order)
            case _:
                trials = range(of.first_trial, of.first_trial + of.size * of.repeats)
                chosen = draw(st.sets(st.sampled_from(trials), min_size=1))
                runs = tuple((number, number + 1) for number in sorted(chosen))
                taken = {"failed": len(chosen)}
                position, attempt = found[-1].stop, draw(st.integers(2, 4))
                more = replace(
                    of, first_position=position, selection=runs, attempt=attempt, taken_back=taken, key=key, order=order
                )
        found.append(more)
    return found


def trials(segments: Sequence[Segment]) -> dict[int, Trial]:
    """All trials of a sweep by number, counted one by one."""
    return {
        each.first_trial + own: (
            each.first_point + own // each.repeats,
            each.first_repeat + own % each.repeats,
            seed(each.seed, each.first_trial + own),
        )
        for each in segments
        if not each.selection
        for own in range(each.size * each.repeats)
    }


def at_work(segment: Segment, start: int, stop: int) -> list[tuple[int, Trial]]:
    """The trials at some positions, points counted in the sweep."""
    found = block(segment, start, stop)
    columns = (found.points + segment.first_point, found.repeats, found.seeds)
    return list(zip(found.numbers.tolist(), zip(*(each.tolist() for each in columns), strict=True), strict=True))


@given(histories())
def test_each_trial_runs_once_and_again_where_it_is_selected_and_is_the_same_each_time(segments: list[Segment]) -> None:
    expected = trials(segments)
    for segment in segments:
        found = at_work(segment, segment.first_position, segment.stop)
        first = segment.first_trial
        runs = segment.selection or ((first, first + segment.size * segment.repeats),)
        assert sorted(number for number, _ in found) == [number for run in runs for number in range(*run)]
        assert all(expected[number] == trial for number, trial in found)
    assert len({(point, repeat) for point, repeat, _ in expected.values()}) == len(expected)
    assert len({drawn for *_, drawn in expected.values()}) == len(expected)


@given(histories(), st.data())
def test_what_stands_at_a_position_does_not_depend_on_what_else_is_asked_for(
    segments: list[Segment], data: st.DataObject
) -> None:
    for segment in segments:
        inner = st.integers(segment.first_position, segment.stop)
        cuts = sorted({segment.first_position, segment.stop, *data.draw(st.lists(inner, max_size=3))})
        pieces = [trial for start, stop in pairwise(cuts) for trial in at_work(segment, start, stop)]
        assert pieces == at_work(segment, segment.first_position, segment.stop)
        found = block(segment, segment.first_position, segment.stop)
        assert [each.tolist() for each in found.part(1, None)] == [each[1:].tolist() for each in found]


@given(histories())
def test_every_position_of_a_sweep_is_in_one_segment(segments: list[Segment]) -> None:
    at = [number for number, segment in enumerate(segments) for _ in range(segment.first_position, segment.stop)]
    assert at == [segment_at(segments, position) for position in range(segments[-1].stop)]
    assert sum(segment.total for segment in segments) == segments[-1].stop


@given(histories())
def test_a_trial_that_is_run_again_counts_once(segments: list[Segment]) -> None:
    assert trials_of(segments) == len(trials(segments))


@given(histories())
def test_a_segment_comes_back_from_json(segments: list[Segment]) -> None:
    for segment in segments:
        assert Segment.of(json.loads(json.dumps(segment.plain()))) == segment


@pytest.mark.parametrize(("start", "stop"), [(5, 7), (7, 13), (9, 8), (-1, 7)])
def test_positions_of_other_segments_are_refused(start: int, stop: int) -> None:
    with pytest.raises(IndexError, match="are not within the 6 of this order"):
        block(replace(BASE, first_position=6), start, stop)


def test_a_selection_has_long_runs_in_no_more_memory() -> None:
    base = Segment(design="{}", size=10**12, repeats=2, order="random", key=5, seed=7)
    runs = ((10, 11), (10**6, 10**12), (2 * 10**12 - 1, 2 * 10**12))
    again = replace(base, first_position=base.stop, selection=runs, order="design", attempt=2)
    assert again.total == 10**12 - 10**6 + 2
    assert block(again, base.stop, base.stop + 3).numbers.tolist() == [10, 10**6, 10**6 + 1]
    last = block(again, again.stop - 2, again.stop)
    assert last.numbers.tolist() == [10**12 - 1, 2 * 10**12 - 1]
    assert (last.points.tolist(), last.repeats.tolist()) == ([(10**12 - 1) // 2, 10**12 - 1], [1, 1])


def test_trials_of_a_sweep_are_what_they_have_always_been() -> None:
    """Positions and seeds are on record in every notebook: these figures never change."""
    grown = after([BASE], size=2, first_point=3)
    again = replace(BASE, first_position=10, selection=((1, 3), (5, 6)), attempt=2)
    assert [each.tolist() for each in block(BASE, 0, 6)] == [
        [3, 5, 4, 1, 0, 2],
        [1, 2, 2, 0, 0, 1],
        [1, 1, 0, 1, 0, 0],
        [1249504121, 6399182, 1506853684, 739797821, 2120399203, 904172473],
    ]
    assert [each.tolist() for each in block(grown, 6, 10)] == [
        [6, 9, 8, 7],
        [0, 1, 1, 0],
        [0, 1, 0, 1],
        [884711147, 530419632, 1926709390, 706672963],
    ]
    assert [each.tolist() for each in block(again, 10, 13)] == [
        [1, 2, 5],
        [0, 1, 2],
        [1, 0, 1],
        [739797821, 904172473, 6399182],
    ]


@st.composite
def parts(draw: st.DrawFn) -> Segment:
    """A part of a grid's points, by axis or listed, in some repeats."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    points = prod(sizes)
    axes = sizes if draw(st.booleans()) else [points]
    part = tuple(runs_of(np.array(sorted(draw(st.sets(st.integers(0, n - 1), min_size=1))))) for n in axes)
    grid = tuple(sizes)
    return replace(BASE, size=points, part=part, grid=grid, first_trial=10, first_position=5, order=draw(kinds()))


def kinds() -> st.SearchStrategy[str]:
    return st.sampled_from(KINDS)


@given(st.one_of(parts(), histories().map(lambda found: found[-1])))
def test_a_trial_is_found_where_it_stands(segment: Segment) -> None:
    positions = np.arange(segment.first_position, segment.stop)
    numbers = numbers_at(segment, positions).tolist()
    assert [position_of(segment, number) for number in numbers] == positions.tolist()
    others = set(range(segment.last_trial + 3)) - set(numbers)
    assert {position_of(segment, number) for number in others} <= {None}
