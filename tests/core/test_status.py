"""Statuses add up, and what is on disk tells one."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statuses import progress, status

from raylab.core.status import Progress, State


def test_nothing_asked_is_ready() -> None:
    assert Progress.of([]) == progress()
    assert (Progress.of([]).ready_fraction, Progress.of([]).state, Progress.of([]).eta_s) == (1.0, "ready", 0.0)


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 5), min_size=1, max_size=5))
def test_a_sum_counts_every_trial_once(sweeps: list[tuple[int, ...]]) -> None:
    names = ("done", "failed", "cancelled", "running", "waiting")
    counts = [dict(zip(names, each, strict=True)) for each in sweeps]
    found = Progress.of([status(total=sum(each.values()), **each) for each in counts])
    assert all(getattr(found, name) == sum(each[name] for each in counts) for name in names)
    assert found.total == found.done + found.failed + found.cancelled + found.running + found.waiting
    assert 0.0 <= found.ready_fraction <= 1.0
    assert (found.ready_fraction == 1.0) == (found.outstanding == 0)


def test_statuses_are_added_by_word() -> None:
    found = Progress.of([status(by_status={"done": 2, "failed": 1}), status(by_status={"done": 3, "crashed": 4})])
    assert found.by_status == {"done": 5, "failed": 1, "crashed": 4}


@pytest.mark.parametrize(
    ("states", "of_all"),
    [
        (["ready", "running"], "running"),
        (["paused", "running"], "running"),
        (["paused", "ready"], "paused"),
        (["infeasible", "paused"], "infeasible"),
        (["disk_full", "infeasible"], "disk_full"),
        (["fenced", "running"], "fenced"),
        (["cancelled", "ready"], "cancelled"),
        (["locked", "ready"], "ready"),
    ],
)
def test_the_state_of_several_sweeps(states: list[str], of_all: str) -> None:
    for order in (states, states[::-1]):
        assert Progress.of([status(state=state) for state in order]).state == of_all


def test_every_state_of_a_lab_can_be_summed() -> None:
    assert {Progress.of([status(state=state)]).state for state in get_args(State)} == set(get_args(State))


def test_the_reason_is_that_of_the_state_and_says_which_status() -> None:
    stopped = status("b", state="paused", reason="all failed")
    assert Progress.of([stopped]).reason == "all failed"
    assert Progress.of([status("a"), stopped]).reason == "b: all failed"


def test_time_left_is_the_longest_of_what_is_outstanding() -> None:
    assert Progress.of([status(waiting=1, eta_s=5.0), status(running=1, eta_s=9.0)]).eta_s == 9.0
    assert Progress.of([status(waiting=1, eta_s=5.0), status(eta_s=9.0)]).eta_s == 5.0


def test_the_rate_is_that_at_which_the_time_left_is_enough() -> None:
    assert status(waiting=90, running=10, eta_s=20.0).rate == 5.0
    assert status(waiting=90, running=10, eta_s=None).rate is None
    assert status(eta_s=None).rate == status(eta_s=0.0).rate == 0.0
    both = Progress.of([status(waiting=10, eta_s=5.0), status(running=10, eta_s=10.0)])
    assert both.rate is not None
    assert both.eta_s is not None
    assert both.rate * both.eta_s == pytest.approx(both.outstanding)


def test_the_nodes_of_several_sweeps_are_summed() -> None:
    several = [status(nodes={"b": 1, "a": 2}), status(nodes={"a": 1}), status()]
    assert Progress.of(several).nodes == {"a": 3, "b": 1}
    assert status(nodes={"a": 2}).told()["nodes"] == [{"node": "a", "running": 2}]
    assert status(waiting=4, eta_s=2.0).told()["rate"] == 2.0


def test_time_left_is_unknown_if_that_of_one_sweep_is() -> None:
    assert Progress.of([status(waiting=1, eta_s=5.0), status(waiting=1, eta_s=None)]).eta_s is None
    assert Progress.of([status(waiting=1, eta_s=5.0), status(eta_s=None)]).eta_s == 5.0
