"""When a sweep pauses itself for what failed."""

from __future__ import annotations

import pytest
from core.records import record

from raylab.core.failures import NOTHING, Failures, Tally
from raylab.core.queue import Queue
from raylab.core.segment import Need


def failures(*came: dict[str, int], error: str = "KeyError: 'x'") -> Failures:
    found = Failures()
    for by_status in came:
        found.count(by_status, error)
    return found


def test_once_something_worked_failures_do_not_pause_it() -> None:
    assert not failures({"failed": 99}).verdict(None, NOTHING)
    assert not failures({"failed": 99}, {"failed": 50, "done": 1}, {"failed": 500}).verdict(None, NOTHING)


def test_a_hundred_failures_from_the_start_pause_it() -> None:
    reason = failures({"failed": 60}, {"failed": 30, "timed_out": 10}).verdict(None, NOTHING)
    assert reason.startswith("the first 100 executions all failed, the first with KeyError: 'x'; fix the experiment")
    assert not failures({"failed": 150}).verdict(None, Tally(failed=60))
    assert failures({"failed": 160}).verdict(None, Tally(failed=60))


@pytest.mark.parametrize("status", ["failed", "crashed", "out_of_memory", "timed_out"])
def test_a_number_of_trials_is_reached_with_the_last_of_them(status: str) -> None:
    assert not failures({"done": 50, status: 2}).verdict(3, NOTHING)
    reason = failures({"done": 50, status: 3}).verdict(3, NOTHING)
    assert reason.startswith("3 trials failed, and max_failures is 3, the first with KeyError: 'x'")
    assert all(way in reason for way in ("resume()", "change(max_failures=...)", "retry()"))


def test_a_share_counts_once_a_hundred_are_in_and_is_to_be_exceeded() -> None:
    assert not failures({"failed": 40, "done": 59}).verdict(0.1, NOTHING)
    assert not failures({"failed": 10, "done": 90}).verdict(0.1, NOTHING)
    reason = failures({"failed": 11, "done": 89}).verdict(0.1, NOTHING)
    assert reason.startswith("11 of 100 trials failed, and max_failures is 0.1,")


def test_what_a_person_let_pass_does_not_count() -> None:
    found = failures({"failed": 5, "done": 200})
    assert found.verdict(5, NOTHING)
    assert not found.verdict(5, Tally(done=200, failed=1))
    found.count({"failed": 1}, "later")
    assert found.verdict(5, Tally(done=200, failed=1)).startswith("5 trials failed since it was resumed")
    assert not found.verdict(0.5, Tally(done=200, failed=1)), "of five trials a share says nothing"


def test_what_is_run_again_does_not_count_and_no_count_is_below_nothing() -> None:
    found = failures({"failed": 5, "done": 1})
    found.take_back({"failed": 3})
    assert found.tally == Tally(done=1, failed=2)
    assert Tally(done=4, failed=2).without({"failed": 2, "crashed": 1}) == Tally(done=4, failed=0)
    found.count({"failed": 2}, None)
    assert found.verdict(4, NOTHING)


def test_the_first_error_is_kept_and_nobody_needs_to_have_said_one() -> None:
    found = failures({"failed": 1}, error="first")
    found.count({"failed": 1}, "second")
    assert "the first with first" in found.verdict(2, NOTHING)
    assert "no message" in failures({"crashed": 2}, error="").verdict(2, NOTHING)


# what a queue makes of it ---------------------------------------------------------------------------------------


def queue(total: int = 1_000, **asked: object) -> Queue:
    return Queue(record(total, **asked), slots={Need(): 1})


def test_a_queue_pauses_once_and_goes_on_when_resumed() -> None:
    one = queue()
    one.failures.count({"failed": 100}, "no")
    assert one.judge()
    assert not one.judge()
    assert not one.hungry(one.strands[Need()])
    one.change(record(1_000, forgiven=one.failures.tally))
    one.resume()
    assert one.hungry(one.strands[Need()])
    assert not one.judge()


@pytest.mark.parametrize("asked", [{"cancelled": True}, {"paused": "by ada"}])
def test_one_that_stands_still_does_not_pause(asked: dict[str, object]) -> None:
    one = queue(**asked)
    one.failures.count({"failed": 100}, "no")
    assert not one.judge()


def test_the_last_trial_pauses_nothing() -> None:
    one = queue(3, max_failures=3)
    one.failures.count({"failed": 3}, "no")
    assert not one.judge()


def test_a_queue_counts_what_the_notebook_tells_without_what_is_run_again() -> None:
    one = queue(10, max_failures=2)
    one.restore([(0, 2)], {"failed": 2}, 1.0, "KeyError: 'x'")
    assert one.judge()
    assert "KeyError: 'x'" in one.pause_reason


def test_only_failed_is_what_the_notebook_tells() -> None:
    one = queue(paused="paused by ada")
    assert not one.only_failed, "a person paused it before anything came"
    one.failures.count({"failed": 1}, "no")
    assert one.only_failed
    one.failures.count({"done": 1}, None)
    assert not one.only_failed
