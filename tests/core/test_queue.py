"""One sweep's trials, from hand to hand. What the ledger makes of it is in test_ledger.py."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from core.records import record

from raylab.core.lease import Lease
from raylab.core.queue import Queue
from raylab.core.segment import Need
from raylab.core.strand import Strand
from raylab.core.strikes import Strikes


def queue(total: int = 100, **more: Any) -> Queue:
    return Queue(record(total, **more), slots={Need(): 1})


def strand(queue: Queue) -> Strand:
    """The only one of a sweep whose trials all ask for the same."""
    (only,) = queue.strands.values()
    return only


def taken(queue: Queue, length: int, ident: int = 1) -> Lease:
    lease = queue.take(strand(queue), ident, "s", length)
    queue.check()
    return lease


def begun(leases: int) -> tuple[Queue, list[Lease]]:
    """A queue on four slots, and leases of one trial each that began at the time 0."""
    one = queue(100)
    strand(one).slots = 4
    made = [taken(one, 1, ident) for ident in range(1, leases + 1)]
    for lease in made:
        one.begin(lease, 0.0)
    return one, made


def test_a_new_queue_has_everything_waiting() -> None:
    fresh = queue(10)
    fresh.check()
    assert (strand(fresh).available, fresh.running, fresh.outstanding, fresh.retrying) == (10, 0, 10, 0)
    assert strand(fresh).pace.seconds is None
    assert fresh.hungry(strand(fresh))


def test_a_lease_goes_from_waiting_to_recorded() -> None:
    one = queue(10)
    lease = taken(one, 4)
    assert (strand(one).available, one.running, strand(one).starting) == (6, 0, 1)
    one.begin(lease, 0.0)
    assert (one.running, strand(one).starting) == (4, 0)
    one.accept(lease, 3, 0.3, 0.0)
    assert (lease.left, one.running, one.in_hand.count, strand(one).pace.longest) == (1, 4, 3, 3)
    one.commit(0, 3, {"done": 2, "failed": 1})
    assert (one.running, one.recorded.count, one.outstanding) == (1, 3, 7)
    one.give_back(lease)
    one.check()
    assert (one.running, strand(one).available) == (0, 7)


def test_a_batch_says_that_the_lease_has_started() -> None:
    one = queue()
    lease = taken(one, 2)
    one.accept(lease, 1, 0.1, 0.0)
    assert lease.began
    one.begin(lease, 0.0)
    one.check()


def test_suspects_go_before_what_came_back_and_that_before_new_trials() -> None:
    one = queue(500)
    lease = taken(one, 65)
    one.begin(lease, 0.0)
    one.split(lease)
    one.check()
    assert one.suspects == [0]
    one.suspects.clear()
    strand(one).lone.append(0)
    runs = [(lease.start, lease.stop, lease.alone) for lease in (taken(one, 999, ident) for ident in range(2, 19))]
    assert runs[0] == (0, 1, True)
    assert runs[1:] == [(a, a + 4, False) for a in range(1, 65, 4)]
    assert taken(one, 999, 99).start == 65


def test_what_came_back_shrinks_with_each_death() -> None:
    one = queue(16**3 + 1)
    idents = count(1)
    lease = taken(one, one.total, next(idents))
    limits = []
    while True:
        one.begin(lease, 0.0)
        one.split(lease)
        one.check()
        if not strand(one).returned:
            break
        lease = taken(one, one.total, next(idents))
        limits.append(lease.left)
        if lease.left == 1:
            break
    assert limits == [256, 16, 1]


def test_a_lone_trial_that_dies_has_a_strike_until_it_is_recorded() -> None:
    one = queue(1)
    for ident in (1, 2):
        lease = taken(one, 1, ident)
        one.begin(lease, 0.0)
        one.split(lease)
        assert one.strikes[0].deaths == ident
        strand(one).lone.append(one.suspects.pop())
    lease = taken(one, 1, 3)
    one.accept(lease, 1, 0.1, 0.0)
    one.commit(0, 1, {"done": 1})
    one.give_back(lease)
    one.check()
    assert one.strikes == {}


def test_the_time_of_a_trial_follows_what_was_seen_last() -> None:
    one = queue(10**6)
    lease = taken(one, 10**5)
    one.accept(lease, 1, 5.0, 0.0)
    assert strand(one).pace.seconds == 5.0
    one.accept(lease, 10_000, 1.0, 0.0)
    assert strand(one).pace.seconds == pytest.approx(5e-4, rel=0.01), "the first trial's imports are forgotten"
    for _ in range(40):
        one.accept(lease, 100, 1.0, 0.0)
    assert strand(one).pace.seconds == pytest.approx(0.01, rel=0.05)


def test_it_starts_from_what_the_notebook_says() -> None:
    one = queue(10, strikes={4: Strikes(2, 2), 5: Strikes(1, 1)})
    one.restore([(0, 3), (5, 6)], {"done": 3, "crashed": 1}, 8.0, None)
    one.check()
    assert (strand(one).available, one.suspects, one.strikes) == (5, [4], {4: Strikes(2, 2)})
    assert strand(one).pace.seconds == 2.0
    assert one.retrying == 1


def test_no_more_leases_are_out_than_trials_may_run() -> None:
    one = queue(100, max_concurrency=2)
    one.resize({Need(): 8})
    assert one.width(strand(one)) == 2
    first = taken(one, 1, 1)
    assert one.hungry(strand(one))
    taken(one, 1, 2)
    assert not one.hungry(strand(one))
    one.begin(first, 0.0)
    one.accept(first, 1, 0.1, 0.0)
    one.give_back(first)
    assert one.hungry(strand(one))


def test_what_is_out_beyond_the_limit_and_has_not_begun_is_named_the_newest_first() -> None:
    one = queue(100)
    leases = [taken(one, 1, ident) for ident in range(1, 6)]
    one.begin(leases[4], 0.0)
    one.change(record(100, max_concurrency=2))
    assert one.excess == leases[1:4]
    for lease in one.excess:
        lease.move("withdrawn")
    assert one.excess == []
    assert not one.hungry(strand(one)), "they may still run"
    one.change(record(100))
    assert one.excess == []


@pytest.mark.parametrize("harm", ["_started_left", "starting", "_returned_count", "left"])
def test_check_sees_a_counter_that_is_wrong(harm: str) -> None:
    one = queue()
    taken(one, 3)
    setattr(strand(one), harm, getattr(strand(one), harm) + 1)
    with pytest.raises(AssertionError):
        one.check()


def test_check_sees_positions_in_no_place_and_in_two() -> None:
    hole, twice = queue(), queue()
    strand(hole).waiting.remove(3, 4)
    twice.in_hand.add(3, 4)
    with pytest.raises(AssertionError, match="positions 3 to 4 are in no place"):
        hole.check()
    with pytest.raises(AssertionError, match="in more than one place"):
        twice.check()


def test_quick_trials_that_come_back_first_do_not_speak_for_those_that_run() -> None:
    """Of four trials one takes a moment. Later it is known that the others take at least as long as they ran."""
    one, leases = begun(4)
    one.accept(leases[0], 1, 0.001, 0.001)
    one.check()
    assert strand(one).pace.expected(1.0, strand(one).slots) is None, "three run and have brought nothing"
    one.accept(leases[1], 1, 0.001, 1.0)
    one.accept(leases[2], 1, 0.001, 1.0)
    one.check()
    assert strand(one).pace.seconds == pytest.approx(0.001)
    assert strand(one).pace.expected(9.0, strand(one).slots) == pytest.approx(9.0 / 2.3, rel=0.1), (
        "one trial of 9 s and more"
    )
    one.accept(leases[3], 1, 9.0, 9.0)
    assert strand(one).pace.expected(99.0, strand(one).slots) == strand(one).pace.seconds


def test_what_each_slot_brought_last_counts() -> None:
    one = queue(10**6)
    strand(one).slots = 100
    lease = taken(one, 10**5)
    for number in range(1_000):
        one.accept(lease, 1, 1.0 if number % 10 == 0 else 0.0, 0.0)
    assert strand(one).pace.expected(0.0, strand(one).slots) == pytest.approx(0.1, rel=0.1)


def test_time_in_which_nobody_listened_says_nothing() -> None:
    one, leases = begun(3)
    one.accept(leases[0], 1, 1.0, 1.0)
    one.accept(leases[1], 1, 1.0, 1.0)
    one.wait_anew(1000.0)
    one.check()
    assert strand(one).pace.expected(1000.0, strand(one).slots) == pytest.approx(1.0, rel=0.2)
