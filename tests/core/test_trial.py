"""A trial is found by its point and repeat, in whichever segment brought it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from records import record, segment

from raylab.core.block import block
from raylab.core.segment import Segment
from raylab.core.trial import find_trial

FIRST = segment(6, repeats=2, seed=5)
PART = segment(12, after=FIRST, part=(((0, 1), (2, 3)), ((1, 3),)), grid=(3, 4), seed=5, repeats=2)
LISTED = replace(
    segment(9, after=PART, part=(((2, 4), (7, 8)),), grid=(9,), seed=5), first_point=18, first_trial=PART.last_trial
)
MORE = replace(FIRST, first_position=LISTED.stop, first_trial=LISTED.last_trial, first_repeat=2, repeats=1)
AGAIN = replace(FIRST, first_position=MORE.stop, selection=((3, 5),), attempt=2, taken_back={"failed": 2})
SWEEP = record(segments=(FIRST, replace(PART, first_point=6, first_trial=12), LISTED, MORE, AGAIN))


def all_trials(segments: tuple[Segment, ...]) -> dict[tuple[int, int], tuple[int, int]]:
    """By point and repeat the number and seed, as workers count them."""
    found = {}
    for each in segments:
        trials = block(each, each.first_position, each.stop)
        for number, point, repeat, seed in zip(*(array.tolist() for array in trials), strict=True):
            found[each.first_point + point, repeat] = (number, seed)
    return found


def test_each_trial_is_found_as_workers_run_it() -> None:
    wanted = all_trials(SWEEP.segments)
    assert len(wanted) == SWEEP.total
    for (point, repeat), (number, seed) in wanted.items():
        segment, trial = find_trial(SWEEP, point, repeat)
        assert not segment.selection
        assert (trial.numbers.tolist(), trial.seeds.tolist(), trial.repeats.tolist()) == ([number], [seed], [repeat])
        assert segment.first_point + trial.points.tolist()[0] == point


def test_what_is_no_trial_is_refused_with_those_there_are() -> None:
    there = all_trials(SWEEP.segments)
    for point in range(-2, 40):
        for repeat in range(-1, 5):
            if (point, repeat) not in there:
                with pytest.raises(IndexError, match="it has the points 0 to 26 in up to 3 repeats"):
                    find_trial(SWEEP, point, repeat)


@pytest.mark.parametrize("given", [0.0, "3", None, True])
def test_what_is_no_number_is_refused(given: object) -> None:
    with pytest.raises(TypeError, match="point: wanted the number"):
        find_trial(SWEEP, given)
