"""How big a lease is: laws that hold for any sweep on any cluster."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylab.core import schedule
from raylab.core.schedule import backoff, flush_interval, launch_rate, lease_length, slots

WAITING = st.integers(1, 10**10)
SLOTS = st.integers(0, 100_000)
SECONDS = st.none() | st.floats(0.0, 1e6, allow_subnormal=False)
LONGEST = st.integers(0, 10**9)


@given(WAITING, SLOTS, SECONDS, LONGEST)
def test_a_lease_has_at_least_one_trial_and_no_more_than_wait(
    waiting: int, slots: int, seconds: float | None, longest: int
) -> None:
    assert 1 <= lease_length(waiting=waiting, slots=slots, seconds=seconds, longest=longest) <= waiting


def test_nothing_waiting_makes_no_lease() -> None:
    assert lease_length(waiting=0, slots=1, seconds=1.0, longest=1) == 0


@given(WAITING, SLOTS, LONGEST)
def test_before_anything_came_back_a_lease_is_one_trial(waiting: int, slots: int, longest: int) -> None:
    assert lease_length(waiting=waiting, slots=slots, seconds=None, longest=longest) == 1


@given(WAITING, WAITING, SLOTS, SECONDS, LONGEST)
def test_leases_do_not_grow_as_less_is_left(
    one: int, other: int, slots: int, seconds: float | None, longest: int
) -> None:
    fewer, more = sorted((one, other))
    lengths = [lease_length(waiting=n, slots=slots, seconds=seconds, longest=longest) for n in (fewer, more)]
    assert lengths == sorted(lengths)


@given(WAITING, SLOTS, st.floats(1e-9, 1e6), st.floats(1e-9, 1e6), LONGEST)
def test_longer_trials_make_shorter_leases(waiting: int, slots: int, one: float, other: float, longest: int) -> None:
    quick, slow = sorted((one, other))
    lengths = [lease_length(waiting=waiting, slots=slots, seconds=s, longest=longest) for s in (slow, quick)]
    assert lengths == sorted(lengths)


@given(WAITING, SLOTS, SECONDS, LONGEST, LONGEST)
def test_what_has_come_back_allows_longer_leases(
    waiting: int, slots: int, seconds: float | None, one: int, other: int
) -> None:
    lengths = [lease_length(waiting=waiting, slots=slots, seconds=seconds, longest=n) for n in sorted((one, other))]
    assert lengths == sorted(lengths)


@given(WAITING, SLOTS, st.floats(1e-9, 1e6), LONGEST)
def test_a_lease_is_at_most_what_it_aims_at(waiting: int, slots: int, seconds: float, longest: int) -> None:
    length = lease_length(waiting=waiting, slots=slots, seconds=seconds, longest=longest)
    assert length == 1 or length * seconds <= max(
        schedule.LEASE_S, slots / (schedule.PLANNED * schedule.LEASES_PER_S)
    ) * (1 + 1e-9)
    assert length <= schedule.GROWTH * max(longest, 1)


@given(WAITING, st.integers(1, 100_000), st.floats(1e-6, 1e6), LONGEST)
def test_leases_shrink_towards_the_end_so_that_all_slots_end_together(
    waiting: int, slots: int, seconds: float, longest: int
) -> None:
    """No lease is longer than a third of a fair share of what is left, or than the shortest, give or take a trial."""
    length = lease_length(waiting=waiting, slots=slots, seconds=seconds, longest=longest)
    shortest = max(schedule.SHORTEST_S, slots / schedule.LAST_PER_S)
    assert length - 1 <= max(waiting / (3 * slots), shortest / seconds) * (1 + 1e-9)


@pytest.mark.parametrize("slots", [1, 16, 400, 10_000])
def test_in_the_last_round_each_slot_asks_once_and_all_end_together(slots: int) -> None:
    """Slots come to their end evenly over the shortest lease; what is left then is leased to the last trial."""
    shortest = max(schedule.SHORTEST_S, slots / schedule.LAST_PER_S)
    seconds = shortest / 10_000
    waiting = round(slots * shortest / 2 / seconds)
    ends = []
    for number in range(slots):
        length = lease_length(waiting=waiting, slots=slots, seconds=seconds, longest=10**9)
        waiting -= length
        ends.append(number / slots * shortest + length * seconds)
    assert waiting * seconds <= 0.01 * shortest * slots
    assert max(ends) - min(ends) <= (0.02 + 2 / slots) * shortest


def test_a_cluster_that_fills_does_not_ask_all_at_once() -> None:
    """10,000 slots get their first long leases within half a minute; their ends are spread over two."""
    work = [lease_length(waiting=10**12, slots=10_000, seconds=0.001, longest=10**9, load=n / 10) for n in range(21)]
    assert work == [max(2_000, min(n, 10) * 12_500) for n in range(21)]


def test_leases_are_made_faster_as_long_as_slots_may_stand_empty() -> None:
    assert [launch_rate(line) for line in (0, 99, 100, 10_000)] == [schedule.RUSH_PER_S] * 2 + [
        schedule.LEASES_PER_S
    ] * 2


def test_the_first_lengths_of_a_quick_sweep() -> None:
    """Trials of 8 µs on two slots: eight times more each time, up to two seconds of work."""
    lengths, longest = [], 0
    for _ in range(8):
        longest = lease_length(waiting=10**9, slots=2, seconds=2**-17, longest=longest)
        lengths.append(longest)
    assert lengths == [8, 64, 512, 4_096, 32_768, 262_144, 262_144, 262_144]


@pytest.mark.parametrize(
    ("slots", "seconds"), [(1, 0.5), (120, 0.5), (300, 1.25), (3_000, 12.5)], ids=["one", "few", "many", "more"]
)
def test_many_slots_stretch_flushes_and_leases(slots: int, seconds: float) -> None:
    assert flush_interval(slots) == seconds
    work = lease_length(waiting=10**12, slots=slots, seconds=0.001, longest=10**9) * 0.001
    assert work == pytest.approx(max(2.0, slots / 80))


def test_pauses_grow_to_a_minute_and_the_first_is_none() -> None:
    pauses = [backoff(failures) for failures in range(1, 50)]
    assert pauses == sorted(pauses)
    assert pauses[:3] == [0.0, 1.0, 2.0]
    assert pauses[-1] == 60.0


NODE = {"CPU": 8.0, "GPU": 2.0, "memory": 16e9, "node:head": 1.0}


@pytest.mark.parametrize(
    ("nodes", "request_", "fits"),
    [
        ([NODE], {"CPU": 1.0}, 8),
        ([NODE], {"CPU": 3.0}, 2),
        ([NODE, NODE], {"CPU": 5.0}, 2),
        ([NODE], {"CPU": 0.1}, 80),
        ([NODE], {"CPU": 1.0, "GPU": 1.0}, 2),
        ([NODE], {"CPU": 1.0, "GPU": 0.0}, 8),
        ([NODE], {"CPU": 1.0, "memory": 6e9}, 2),
        ([NODE], {"GPU": 8.0}, 0),
        ([NODE], {"CPU": 1.0, "licence": 1.0}, 0),
        ([NODE, {"CPU": 4.0}], {}, 12),
        ([{"GPU": 1.0}], {}, 1),
        ([], {"CPU": 1.0}, 0),
        ([], {}, 0),
    ],
)
def test_how_many_trials_fit(nodes: list[dict[str, float]], request_: dict[str, float], fits: int) -> None:
    assert slots(nodes, request_) == fits


@given(st.lists(st.dictionaries(st.sampled_from(["CPU", "GPU"]), st.integers(0, 64), min_size=1), max_size=5))
def test_what_fits_is_the_sum_over_the_nodes(nodes: list[dict[str, float]]) -> None:
    request = {"CPU": 2.0, "GPU": 1.0}
    assert slots(nodes, request) == sum(slots([node], request) for node in nodes)
