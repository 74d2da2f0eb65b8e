"""Who gets the next lease, one choice at a time. The stories of whole sweeps are in test_ledger.py."""

from __future__ import annotations

from typing import Any

import pytest
from core.records import record
from hypothesis import given
from hypothesis import strategies as st

from raylab.core import schedule
from raylab.core.lane import Place
from raylab.core.lease import Lease
from raylab.core.queue import Queue
from raylab.core.segment import Need
from raylab.core.window import Window

CLUSTER = {"CPU": 100.0, "GPU": 1.0, "memory": 400.0}


def add(window: Window, name: str, *, slots: int, total: int = 10**6, **asked: Any) -> Queue:
    queue = Queue(record(total, sweep=name, **asked), slots={Need(): slots})
    window.file(name, queue)
    return queue


def at(name: str) -> Place:
    return Place(name, Need())


def load(window: Window, name: str) -> float:
    return window.load(at(name))


def lease(window: Window, queues: dict[str, Queue], place: Place, ident: int) -> Lease:
    queue = queues[place.sweep]
    made = queue.take(queue.strands[place.need], ident, place.sweep, 1)
    window.file(place.sweep, queue)
    window.check(queues)
    return made


def fill(window: Window, queues: dict[str, Queue], now: float = 0.0, *, first: int = 1) -> str:
    """Give leases of one trial until nobody gets one; who got them, in order."""
    given_to = ""
    while (place := window.next(now)) is not None:
        lease(window, queues, place, first + len(given_to))
        given_to += place.sweep
    return given_to


def begin(queue: Queue, most: int = 10**6) -> None:
    """So many of its leases come to their first trial."""
    for each in list(queue.strands[Need()].asked.values())[:most]:
        queue.begin(each, 0.0)


def end(window: Window, queue: Queue, name: str) -> None:
    """Its oldest lease ends with its trial."""
    oldest = next(iter(queue.leases.values()))
    queue.accept(oldest, oldest.left, 1.0, 0.0)
    queue.give_back(oldest)
    window.file(name, queue)


def withdraw(window: Window, queues: dict[str, Queue]) -> str:
    """What is in the way is withdrawn, and ends; whose it was."""
    gone = ""
    for each in window.in_the_way(0.0):
        queues[each.sweep].stop(each)
        queues[each.sweep].give_back(each)
        window.file(each.sweep, queues[each.sweep])
        gone += each.sweep
    window.check(queues)
    return gone


def test_an_empty_window_gives_to_nobody() -> None:
    window = Window()
    assert window.next(0.0) is None
    assert window.wake(0.0) is None
    assert window.in_the_way(0.0) == []
    assert (window.load(at("s")), window.share(at("s")), window.line) == (0.0, 1.0, 0.0)


def test_sweeps_of_one_group_get_leases_by_turns() -> None:
    window = Window()
    queues = {name: add(window, name, slots=3) for name in "ab"}
    assert fill(window, queues) == "ababab"
    assert (load(window, "a"), window.share(at("a")), window.line) == (2.0, 0.5, 3.0)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_each_line_is_full_and_its_sweeps_differ_by_no_more_than_one_lease(slots: list[int]) -> None:
    window = Window()
    queues = {name: add(window, name, slots=count) for name, count in zip("abcdef", slots, strict=False)}
    fill(window, queues)
    for count in set(slots):
        same = [name for name, queue in queues.items() if queue.slots == {Need(): count}]
        leases = [len(queues[name].leases) for name in same]
        assert max(leases) - min(leases) <= 1
        assert load(window, same[0]) == schedule.WINDOW


def test_what_waits_for_the_only_gpu_keeps_no_cpu_idle() -> None:
    window = Window()
    window.resize(CLUSTER)
    queues = {
        "g": add(window, "g", slots=1, resources={"CPU": 1.0, "GPU": 1.0}),
        "c": add(window, "c", slots=100),
        "m": add(window, "m", slots=4, resources={"CPU": 1.0, "memory": 100.0}),
    }
    given_to = fill(window, queues)
    assert {name: given_to.count(name) for name in "gcm"} == {"g": 2, "c": 200, "m": 8}


@given(st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=60))
def test_the_load_returns_to_exactly_nothing(steps: list[tuple[int, bool]]) -> None:
    """Sums of thirds and sevenths drift as floats; leases by slots do not."""
    window = Window()
    queues: dict[str, Queue] = {}
    for number, (slots, ends) in enumerate(steps):
        name = str(number)
        queues[name] = add(window, name, slots=slots)
        lease(window, queues, at(name), number)
        if ends:
            window.drop(name, queues.pop(name))
        window.check(queues)
    for name in list(queues):
        assert load(window, name) > 0
        window.drop(name, queues.pop(name))
    window.check({})
    assert window.line == 0.0


# users ----------------------------------------------------------------------------------------------------------


def test_users_share_evenly_then_the_sweeps_of_each() -> None:
    window = Window()
    queues = {name: add(window, name, slots=6, user="ada") for name in "abc"}
    queues["z"] = add(window, "z", slots=6, user="bob")
    given_to = fill(window, queues)
    assert {name: given_to.count(name) for name in "abcz"} == {"a": 2, "b": 2, "c": 2, "z": 6}
    assert given_to == "azbzczazbzcz"
    assert (window.share(at("a")), window.share(at("z"))) == (1 / 6, 1 / 2)


def test_one_who_comes_later_catches_up_and_no_more() -> None:
    window = Window()
    queues = {"a": add(window, "a", slots=2, user="ada")}
    assert fill(window, queues) == "aaaa"
    begin(queues["a"])
    queues["b"] = add(window, "b", slots=2, user="bob")
    for number in range(4):
        end(window, queues["a"], "a")
        fill(window, queues, first=10 + 10 * number)
        begin(queues["a"])
    assert (len(queues["a"].leases), len(queues["b"].leases)) == (2, 2)


# priorities -----------------------------------------------------------------------------------------------------


def test_a_higher_priority_goes_first_and_what_it_leaves_is_for_the_others() -> None:
    window = Window()
    queues = {"l": add(window, "l", slots=4), "h": add(window, "h", slots=4, priority=1, total=3)}
    assert fill(window, queues) == "hhhl", "as long as something of it waits, what is out is what can run"
    begin(queues["h"])
    assert fill(window, queues, first=10) == "llll"
    assert load(window, "l") == 2.0


def test_what_is_out_and_has_not_begun_makes_way() -> None:
    window = Window()
    queues = {"l": add(window, "l", slots=4)}
    fill(window, queues)
    begin(queues["l"], 3)
    assert window.in_the_way(0.0) == []
    queues["h"] = add(window, "h", slots=4, priority=1)
    assert [each.ident for each in window.in_the_way(0.0)] == [8, 7, 6, 5, 4], "the newest first"
    assert withdraw(window, queues) == "lllll"
    assert fill(window, queues, first=20) == "h" * 8
    assert withdraw(window, queues) == ""
    end(window, queues["l"], "l")
    assert fill(window, queues, first=40) == "", "nothing lower stands in line with it"


def test_priorities_of_trials_of_other_sizes_compete_for_what_they_share() -> None:
    window = Window()
    window.resize(CLUSTER)
    queues = {"l": add(window, "l", slots=100)}
    fill(window, queues)
    begin(queues["l"], 100)
    queues["h"] = add(window, "h", slots=50, priority=1, resources={"CPU": 2.0})
    assert withdraw(window, queues) == "l" * 100
    assert fill(window, queues, first=1000) == "h" * 100
    for _ in range(2):
        end(window, queues["l"], "l")
    begin(queues["h"], 1)
    assert fill(window, queues, first=2000) == ""


def test_a_higher_priority_that_waits_for_the_only_gpu_keeps_no_cpu_idle() -> None:
    window = Window()
    window.resize(CLUSTER)
    queues = {
        "l": add(window, "l", slots=100),
        "h": add(window, "h", slots=1, priority=1, resources={"CPU": 1.0, "GPU": 1.0}),
    }
    assert fill(window, queues) == "hh" + "l" * 99
    begin(queues["h"], 1)
    begin(queues["l"])
    assert fill(window, queues, first=1000) == ""
    end(window, queues["l"], "l")
    assert fill(window, queues, first=2000) == "l"


def test_a_higher_priority_that_may_run_few_at_once_has_these_and_no_more() -> None:
    window = Window()
    queues = {"l": add(window, "l", slots=8), "h": add(window, "h", slots=8, priority=1, max_concurrency=2)}
    assert fill(window, queues) == "hh" + "l" * 6
    begin(queues["h"])
    begin(queues["l"])
    end(window, queues["h"], "h")
    assert fill(window, queues, first=100) == "h", "the slot was kept for it"


def test_what_stands_still_or_rests_is_in_nobodys_way() -> None:
    window = Window()
    queues = {"l": add(window, "l", slots=2), "h": add(window, "h", slots=2, priority=1)}
    high = queues["h"]
    high.fail("no such package", 0.0)
    high.fail("no such package", 0.0)
    assert fill(window, queues) == "llll"
    assert window.next(high.not_before) == at("h")
    assert len(window.in_the_way(high.not_before)) == 3, "of an environment that fails, one is tried"
    high.pause_reason = "by ada"
    window.file("h", high)
    assert window.in_the_way(high.not_before) == []


def test_users_of_one_priority_share_what_a_higher_one_leaves() -> None:
    window = Window()
    queues = {name: add(window, name, slots=6, user=user) for name, user in (("a", "ada"), ("b", "bob"))}
    queues["h"] = add(window, "h", slots=6, priority=9, user="bob", max_concurrency=2)
    assert fill(window, queues) == "hhabab"


# groups ---------------------------------------------------------------------------------------------------------


def test_a_turn_lasts_ten_seconds_then_the_next_group_by_name_has_it() -> None:
    window = Window()
    queues = {name: add(window, name, slots=1, group=name) for name in "abc"}
    assert turns(window, 45) == "a" * 10 + "b" * 10 + "c" * 10 + "a" * 10 + "b" * 5
    assert queues


def turns(window: Window, seconds: int) -> str:
    """Who would get a lease in each second."""
    order = ""
    for second in range(seconds):
        place = window.next(float(second))
        assert place is not None
        order += place.sweep
    return order


def test_users_have_turns_alternately_however_many_codes_each_has() -> None:
    window = Window()
    queues = {name: add(window, name, slots=1, group=name, user="ada") for name in "abc"}
    queues["z"] = add(window, "z", slots=1, group="z", user="bob")
    assert turns(window, 70)[::10] == "azbzcza"
    assert queues


def test_a_group_of_several_users_is_the_turn_of_each() -> None:
    window = Window()
    queues = {name: add(window, name, slots=2, group="", user=user) for name, user in (("a", "ada"), ("b", "bob"))}
    queues["c"] = add(window, "c", slots=2, group="c", user="bob")
    order = ""
    for second in range(0, 60, 10):
        place = window.next(float(second))
        assert place is not None
        lease(window, queues, place, second + 1)
        end(window, queues[place.sweep], place.sweep)
        order += place.sweep
    assert order == "acbcac"


def test_an_infeasible_sweep_has_one_lease_that_weighs_nothing() -> None:
    window = Window()
    queues = {"big": add(window, "big", slots=0), "small": add(window, "small", slots=1)}
    assert fill(window, queues) == "big" + "small" * 2
    assert load(window, "small") == 2.0


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
