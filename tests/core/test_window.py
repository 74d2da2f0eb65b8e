"""Who gets the next lease, one choice at a time. The stories of whole sweeps are in test_ledger.py."""

from __future__ import annotations

import pytest
from core.records import record
from hypothesis import given
from hypothesis import strategies as st

from raylab.core import schedule
from raylab.core.queue import Queue
from raylab.core.segment import Need
from raylab.core.window import Window


def add(window: Window, name: str, *, slots: int, group: str = "", total: int = 10**6) -> Queue:
    queue = Queue(record(total, group=group), slots={Need(): slots})
    window.file(name, queue)
    return queue


def fill(window: Window, queues: dict[str, Queue], now: float = 0.0) -> str:
    """Give leases of one trial until nobody gets one; who got them, in order."""
    given_to = ""
    while (place := window.next(now)) is not None:
        queue = queues[place.sweep]
        queue.take(queue.strands[place.need], len(given_to), place.sweep, 1)
        window.file(place.sweep, queue)
        window.check(queues)
        given_to += place.sweep
    return given_to


def test_an_empty_window_gives_to_nobody() -> None:
    window = Window()
    assert window.next(0.0) is None
    assert window.wake(0.0) is None
    assert (window.load(3), window.sharing(3)) == (0.0, 0)


def test_sweeps_of_one_group_get_leases_by_turns() -> None:
    window = Window()
    queues = {name: add(window, name, slots=3) for name in "ab"}
    assert fill(window, queues) == "ababab"
    assert (window.load(3), window.sharing(3)) == (2.0, 2)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_each_lane_is_full_and_its_sweeps_differ_by_no_more_than_one_lease(slots: list[int]) -> None:
    window = Window()
    queues = {name: add(window, name, slots=count) for name, count in zip("abcdef", slots, strict=False)}
    fill(window, queues)
    for count in set(slots):
        leases = [len(queue.leases) for queue in queues.values() if queue.slots == {Need(): count}]
        assert max(leases) - min(leases) <= 1
        assert window.load(count) == schedule.WINDOW


@given(st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=60))
def test_the_load_returns_to_exactly_nothing(steps: list[tuple[int, bool]]) -> None:
    """Sums of thirds and sevenths drift as floats; leases by slots do not."""
    window = Window()
    queues: dict[str, Queue] = {}
    for number, (slots, ends) in enumerate(steps):
        queues[str(number)] = queue = add(window, str(number), slots=slots)
        queue.take(queue.strands[Need()], number, str(number), 1)
        window.file(str(number), queue)
        if ends:
            window.drop(str(number))
            del queues[str(number)]
        window.check(queues)
    for name in queues:
        window.drop(name)
    assert all(window.load(slots) == 0.0 for slots in range(1, 13))


def test_a_turn_lasts_ten_seconds_then_the_next_group_by_name_has_it() -> None:
    window = Window()
    queues = {name: add(window, name, slots=1, group=name) for name in "abc"}
    order = ""
    for second in range(45):
        place = window.next(float(second))
        assert place is not None
        order += place.sweep
    assert order == "a" * 10 + "b" * 10 + "c" * 10 + "a" * 10 + "b" * 5
    assert queues


def test_an_infeasible_sweep_has_one_lease_that_weighs_nothing() -> None:
    window = Window()
    queues = {"big": add(window, "big", slots=0), "small": add(window, "small", slots=1)}
    assert fill(window, queues) == "big" + "small" * 2
    assert window.load(1) == 2.0


@pytest.mark.parametrize("slots", [0, 4])
def test_a_resting_sweep_gets_nothing_before_its_time_and_says_when_that_is(slots: int) -> None:
    window = Window()
    queue = add(window, "s", slots=slots)
    queue.fail("no such package", 5.0)
    queue.fail("no such package", 5.0)
    assert queue.not_before == 6.0
    assert window.next(5.5) is None
    assert window.wake(5.5) == 6.0
    assert window.next(6.0) == ("s", Need())
    assert window.wake(6.0) is None
