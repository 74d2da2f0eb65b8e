"""Retrying: what failed is told by the last position of each trial, and comes back as few, long segments."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from core.records import causes, failing, record, segment
from hypothesis import given
from hypothesis import strategies as st

from raylab.core import retry
from raylab.core.block import block, numbers_at
from raylab.core.causes import Failing, merged, without
from raylab.core.failed_now import causes_of, in_force
from raylab.core.places import among, listed, runs_of
from raylab.core.request import SweepRecord
from raylab.core.retry import is_taken_back, not_taken, taken
from raylab.core.segment import Need, Segment
from raylab.core.status import recorded
from raylab.core.statuses import FAILED, check_failed
from raylab.core.summary import Summary, together
from raylab.errors import DesignError

EMPTY = together([])

KINDS = 3
"""Of causes, by which trials fail by turns."""


def again(*args: Any, **words: Any) -> tuple[Segment, ...]:
    """The segments alone."""
    return retry.again(*args, **words)[0]


@dataclass
class Sweep:
    """A sweep, position by position."""

    segments: tuple[Segment, ...]
    status: dict[int, str] = field(default_factory=dict)  # of the recorded positions
    attempt: int = 1

    @property
    def asked(self) -> SweepRecord:
        return record(segments=self.segments)

    @property
    def summary(self) -> Summary:
        """As the commits of its table say it."""
        return replace(
            EMPTY,
            positions=runs_of(np.array([*self.status], dtype=np.int64)),
            by_status=Counter(self.status.values()),
            causes=causes(self.status, KINDS),
            attempt=self.attempt,
        )

    def numbers(self, one: Segment) -> list[int]:
        return block(one, one.first_position, one.stop).numbers.tolist()

    def failed(self, known: int) -> dict[int, str]:
        """The trials that are failed now, of those whose last position is in the segments that are known."""
        last = {}
        for number, one in enumerate(self.segments):
            for at, trial in enumerate(self.numbers(one), one.first_position):
                last[trial] = number, at
        status = {trial: self.status.get(at, "waiting") for trial, (number, at) in last.items() if number < known}
        return {trial: word for trial, word in status.items() if word in FAILED}


@st.composite
def sweeps(draw: st.DrawFn) -> Sweep:
    """A sweep that was submitted, has grown in any way, and of which some positions are recorded."""
    whole = segment(
        draw(st.integers(1, 6)), repeats=draw(st.integers(1, 3)), order=draw(st.sampled_from(["random", "design"]))
    )
    grid = replace(
        segment(6, after=whole, key=3, first_trial=whole.last_trial, first_point=whole.size),
        grid=(2, 3),
        part=(((0, 1),), ((0, 1), (2, 3))),
    )
    rest = replace(grid, first_position=grid.stop, part=(((1, 2),), ((0, 3),)))
    more = replace(
        whole, first_position=rest.stop, first_trial=grid.last_trial, first_repeat=whole.repeats, repeats=2, key=9
    )
    found = Sweep((whole, grid, rest, more)[: draw(st.integers(1, 4))])
    for _ in range(draw(st.integers(0, 3))):
        record_some(draw, found)
        words = draw(st.lists(st.sampled_from(FAILED), min_size=1, unique=True))
        found.segments += again(found.asked, found.summary, words, known=len(found.segments))
        found.attempt += 1
    record_some(draw, found)
    return found


def record_some(draw: st.DrawFn, sweep: Sweep) -> None:
    left = [at for at in range(sweep.segments[-1].stop) if at not in sweep.status]
    for at in draw(st.lists(st.sampled_from(left), unique=True)) if left else ():
        sweep.status[at] = draw(st.sampled_from(["done", *FAILED]))


@given(sweeps(), st.lists(st.sampled_from(FAILED), min_size=1, unique=True), st.data())
def test_each_trial_that_is_failed_now_runs_again_once(sweep: Sweep, words: list[str], data: st.DataObject) -> None:
    known = data.draw(st.integers(0, len(sweep.segments)))
    wanted = {trial: word for trial, word in sweep.failed(known).items() if word in words}
    new = again(sweep.asked, sweep.summary, words, known=known)
    numbers = [number for one in new for number in sweep.numbers(one)]
    assert sorted(numbers) == sorted(wanted)
    assert sum((Counter(one.taken_back) for one in new), Counter()) == Counter(wanted.values())
    assert all(one.attempt == sweep.attempt + 1 for one in new)
    assert all(one == Segment.of(json.loads(json.dumps(one.plain()))) for one in new)

    total = sweep.asked.total
    trials = trials_of(sweep.segments)
    sweep.segments += new
    assert sweep.asked.total == total
    assert trials_of(sweep.segments) == trials, "the same trials, with the same points, repeats and seeds"
    at = 0
    for one in sweep.segments:
        assert one.first_position == at
        at = one.stop
    counts = recorded(sweep.asked, len(sweep.status), sweep.summary.by_status)
    assert counts.failed == len(sweep.failed(len(sweep.segments)))
    assert counts.done == sum(word == "done" for word in sweep.status.values())
    assert again(sweep.asked, sweep.summary, words, known=known) == (), "what is on its way is no failure"


def trials_of(segments: Sequence[Segment]) -> dict[int, tuple[int, int, int]]:
    """Point in the sweep, repeat and seed of each trial."""
    found: dict[int, tuple[int, int, int]] = {}
    for one in segments:
        some = block(one, one.first_position, one.stop)
        columns = (some.points + one.first_point, some.repeats, some.seeds)
        for number, trial in zip(
            some.numbers.tolist(), zip(*(each.tolist() for each in columns), strict=True), strict=True
        ):
            assert found.setdefault(number, trial) == trial
    return found


@given(sweeps(), st.lists(st.sampled_from(FAILED), min_size=1, unique=True), st.data())
def test_the_causes_are_of_what_is_failed_now_however_one_comes_to_them(
    sweep: Sweep, words: list[str], data: st.DataObject
) -> None:
    """A lab takes off what runs again, one that starts counts anew; and both are what the positions say."""

    def failed_now() -> dict[str, Counter[str]]:
        found: dict[str, Counter[str]] = {}
        last = {trial: at for one in sweep.segments for at, trial in enumerate(sweep.numbers(one), one.first_position)}
        for at in last.values():
            if (status := sweep.status.get(at, "done")) in FAILED:
                found.setdefault(f"kind {'abcdef'[at % KINDS]}", Counter())[status] += 1
        return found

    def counted(some: Sequence[Failing]) -> dict[str, Counter[str]]:
        return {each.cause.text: Counter(each.by_status) for each in some}

    before = in_force(sweep.asked, sweep.summary.causes)
    assert counted(before) == failed_now()
    on_disk = sorted(sweep.status)
    in_hand = runs_of(np.array(data.draw(st.lists(st.sampled_from(on_disk))) if on_disk else [], dtype=np.int64))
    known = data.draw(st.integers(0, len(sweep.segments)))
    new, failed = retry.again(sweep.asked, sweep.summary, words, known=known, in_hand=in_hand)
    gone = causes_of(failed, sweep.summary.causes)
    sweep.segments += new
    live = without(before, gone)
    assert counted(live) == failed_now() == counted(in_force(sweep.asked, sweep.summary.causes))
    assert live == merged(live), "the most frequent first"


@given(sweeps(), st.sampled_from(["done", *FAILED]))
def test_a_call_whose_answer_was_lost_runs_nothing_again_that_has_failed_again_since(sweep: Sweep, comes: str) -> None:
    known = len(sweep.segments)
    first = again(sweep.asked, sweep.summary, FAILED, known=known)
    sweep.segments += first
    for one in first:
        sweep.status |= dict.fromkeys(range(one.first_position, one.stop), comes)
    assert again(sweep.asked, sweep.summary, FAILED, known=known) == ()
    answered = sum(one.total for one in first)
    assert taken(sweep.segments, known, FAILED) == answered
    new = not_taken(sweep.segments, known, FAILED)
    assert not any(one.taken_back.get(word) for one in first for word in new)
    # Who knows of that run means it, too.
    then = again(sweep.asked, sweep.summary, FAILED, known=len(sweep.segments))
    assert sum(one.total for one in then) == (answered if comes != "done" else 0)


@given(sweeps())
def test_a_record_that_is_taken_back_is_told_from_its_row(sweep: Sweep) -> None:
    """Of each recorded position the row says point, repeat and attempt."""
    rows = []
    for number, one in enumerate(sweep.segments):
        some = block(one, one.first_position, one.stop)
        for at, (point, repeat, trial) in enumerate(
            zip(some.points.tolist(), some.repeats.tolist(), some.numbers.tolist(), strict=True), one.first_position
        ):
            later = any(trial in sweep.numbers(each) for each in sweep.segments[number + 1 :])
            if at in sweep.status:
                rows.append((point + one.first_point, repeat, one.attempt, later))
    points, repeats, attempts, wanted = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    assert is_taken_back(sweep.asked, points, repeats, attempts).tolist() == wanted.astype(bool).tolist()


def test_what_runs_with_more_memory_by_now_runs_again_with_that() -> None:
    whole = segment(4, order="design")
    more = segment(4, after=whole, order="design", first_trial=0, first_point=0, need=Need(memory=1))
    more = replace(more, selection=((1, 3),), attempt=2, taken_back={"out_of_memory": 2})
    sweep = Sweep((whole, more), dict.fromkeys((0, 1, 2, 4), "out_of_memory"), attempt=2)
    first, second = again(sweep.asked, sweep.summary, ["out_of_memory"], known=2)
    assert (first.need, first.selection) == (Need(), ((0, 1),))
    assert (second.need, second.selection) == (Need(memory=1), ((1, 2),)), "trial 2 is outstanding"


def test_what_is_in_hand_is_not_run_again() -> None:
    sweep = Sweep((segment(10, order="design"),), dict.fromkeys(range(6), "failed"))
    (one,) = again(sweep.asked, sweep.summary, ["failed"], known=1, in_hand=[(2, 4), (9, 10)])
    assert one.selection == ((0, 2), (4, 6))
    assert one.taken_back == {"failed": 4}


def test_what_failed_here_and_there_comes_back_in_one_segment_with_the_order_of_its_own() -> None:
    whole = segment(10_000, key=5)
    places = np.random.default_rng(1).choice(10_000, 1_000, replace=False)
    sweep = Sweep((whole,), dict.fromkeys(places.tolist(), "failed"))
    (one,) = again(sweep.asked, sweep.summary, ["failed"], known=1)
    assert (one.total, one.order, one.first_position) == (1_000, "random", 10_000)
    run = block(one, one.first_position, one.stop).numbers
    assert sorted(run.tolist()) == sorted(numbers_at(whole, places).tolist())
    assert abs(float(run[:500].mean()) - 5_000) < 500, "what is in first is a fair sample"


def test_nothing_failed_makes_no_segment() -> None:
    assert again(record(5), EMPTY, FAILED, known=1) == ()


def test_more_than_a_request_holds_is_refused_with_the_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    many = replace(EMPTY, causes=[failing({"failed": [(0, retry.MOST_TRIALS + 1)]})])
    with pytest.raises(DesignError, match="one status after the other"):
        again(record(2 * retry.MOST_TRIALS), many, ["failed"], known=1)
    monkeypatch.setattr(retry, "MOST_RUNS", 4)
    for count in (4, 5):
        every_other = replace(EMPTY, causes=[failing({"failed": [(2 * at, 2 * at + 1) for at in range(count)]})])
        asked = record(segments=(segment(10, order="design"),))
        if count == 4:
            assert len(again(asked, every_other, ["failed"], known=1)[0].selection) == 4
        else:
            with pytest.raises(DesignError, match="5 stretches of trials failed"):
                again(asked, every_other, ["failed"], known=1)


@pytest.mark.parametrize("bad", ["done", ["failed", "done"], [], "all", ["crash"], 3, None, [3]])
def test_what_is_no_failure_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="'failed', 'crashed', 'out_of_memory', 'timed_out'"):
        check_failed(bad)  # type: ignore[arg-type]


@given(st.sets(st.integers(0, 60)), st.lists(st.integers(-5, 70)))
def test_sets_as_runs_are_those_numbers(some: set[int], asked: list[int]) -> None:
    runs = runs_of(np.array(sorted(some), dtype=np.int64))
    assert listed(runs).tolist() == sorted(some)
    assert among(runs, np.array(asked, dtype=np.int64)).tolist() == [number in some for number in asked]
