"""What a trial takes, by those that came back and by those that did not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylab.core.trial_pace import TrialPace

SECONDS = st.floats(1e-6, 1e5)


def measured(*batches: tuple[int, float], slots: int = 1) -> TrialPace:
    """Batches of so many trials in so many seconds of work have come."""
    made = TrialPace()
    for count, busy_s in batches:
        made.measure(count, busy_s, slots=slots, run=count)
    return made


def begun(leases: int) -> TrialPace:
    """So many leases have come to their first trial at the time 0."""
    made = TrialPace()
    for _ in range(leases):
        made.begun(0.0)
    return made


def bring(pace: TrialPace, busy_s: float, *, slots: int = 4) -> None:
    """A lease that began at 0 brings its first trial."""
    pace.heard(0.0)
    pace.measure(1, busy_s, slots=slots, run=1)


def test_before_the_first_trial_nothing_is_known() -> None:
    assert (TrialPace().seconds, TrialPace().expected(9.0, 1), TrialPace().longest) == (None, None, 0)
    assert begun(1).expected(9.0, 1) is None


@given(st.lists(st.tuples(st.integers(1, 10**6), SECONDS), min_size=1, max_size=20), st.integers(1, 1000))
def test_a_trial_takes_between_the_shortest_and_the_longest_seen(batches: list[tuple[int, float]], slots: int) -> None:
    seconds = measured(*batches, slots=slots).seconds
    each = [busy_s / count for count, busy_s in batches]
    assert seconds is not None
    assert min(each) * (1 - 1e-9) <= seconds <= max(each) * (1 + 1e-9)


def test_the_time_of_a_trial_follows_what_was_seen_last() -> None:
    assert measured((1, 5.0)).seconds == 5.0
    growing = [(1, 5.0), (10_000, 1.0)]
    assert measured(*growing).seconds == pytest.approx(5e-4, rel=0.01), "the first trial's imports are forgotten"
    growing += [(100, 1.0)] * 40
    assert measured(*growing).seconds == pytest.approx(0.01, rel=0.05)


def test_what_each_slot_brought_last_counts() -> None:
    mixed = [(1, 1.0 if number % 10 == 0 else 0.0) for number in range(1_000)]
    assert measured(*mixed, slots=100).expected(0.0, 100) == pytest.approx(0.1, rel=0.1)


def test_quick_trials_that_come_back_first_do_not_speak_for_those_that_run() -> None:
    """Of four trials one takes a moment. Later it is known that the others take at least as long as they ran."""
    pace = begun(4)
    bring(pace, 0.001)
    assert pace.expected(1.0, 4) is None, "three run and have brought nothing"
    bring(pace, 0.001)
    bring(pace, 0.001)
    pace.check([0.0])
    assert pace.seconds == pytest.approx(0.001)
    assert pace.expected(9.0, 4) == pytest.approx(9.0 / 2.3, rel=0.1), "one trial of 9 s and more"
    bring(pace, 9.0)
    assert pace.expected(99.0, 4) == pace.seconds


def test_a_lease_that_is_over_without_a_trial_counts_no_more() -> None:
    pace = begun(2)
    pace.begun(5.0)
    bring(pace, 1.0)
    pace.heard(5.0)
    pace.check([0.0])
    pace.heard(0.0)
    pace.check([])
    assert pace.expected(99.0, 4) == 1.0


def test_time_in_which_nobody_listened_says_nothing() -> None:
    pace = begun(3)
    bring(pace, 1.0)
    bring(pace, 1.0)
    pace.wait_anew(1000.0)
    pace.check([1000.0])
    assert pace.expected(1000.0, 4) == pytest.approx(1.0, rel=0.2)


def test_it_goes_on_from_what_an_earlier_lab_measured() -> None:
    pace = TrialPace()
    pace.restore(4, 8.0)
    assert (pace.seconds, pace.expected(99.0, 4), pace.longest) == (2.0, 2.0, 0)
    pace.begun(0.0)
    assert pace.expected(99.0, 8) == pytest.approx(101.0), "four trials do not speak for eight slots"
    for known in ((0, 0.0), (0, 8.0), (4, 0.0)):
        fresh = TrialPace()
        fresh.restore(*known)
        assert fresh.seconds is None


def test_the_longest_run_that_came_back_is_kept() -> None:
    pace = TrialPace()
    for run in (3, 9, 4):
        pace.measure(1, 0.1, slots=1, run=run)
    assert pace.longest == 9


@pytest.mark.parametrize("since", [[], [0.0, 0.0], [5.0]])
def test_check_sees_a_silent_lease_too_many_or_another(since: list[float]) -> None:
    pace = begun(1)
    pace.check([0.0])
    with pytest.raises(AssertionError):
        pace.check(since)
