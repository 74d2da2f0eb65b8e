"""How many trials each point has, beside the trials themselves, counted one by one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from records import record, segment

from raylab.core.block import block
from raylab.core.point_repeats import repeats_of

GRID = segment(12, part=(((0, 1), (2, 3)), ((1, 3),)), grid=(3, 4), repeats=2)
LISTED = replace(segment(9, after=GRID, part=(((2, 4), (7, 8)),), grid=(9,)), first_point=12, first_trial=24)
MORE = replace(GRID, first_position=LISTED.stop, first_trial=LISTED.last_trial, first_repeat=2, repeats=3)
AGAIN = replace(GRID, first_position=MORE.stop, selection=((2, 4),), attempt=2, taken_back={"failed": 2})
SWEEP = record(segments=(GRID, LISTED, MORE, AGAIN))


def test_each_point_has_the_trials_that_workers_run_of_it() -> None:
    trials = set()
    for each in SWEEP.segments:
        some = block(each, each.first_position, each.stop)
        trials |= {
            (each.first_point + point, repeat)
            for point, repeat in zip(some.points.tolist(), some.repeats.tolist(), strict=True)
        }
    assert len(trials) == SWEEP.total
    counted = Counter(point for point, _ in trials)
    points = np.arange(-2, SWEEP.points + 3)
    assert repeats_of(SWEEP.segments, points).tolist() == [counted[point] for point in points.tolist()]


def test_points_may_come_in_any_order_and_twice() -> None:
    assert repeats_of([GRID], np.array([9, 1, 1, 5])).tolist() == [2, 2, 2, 0]
