"""Stories of the ledger: what happens goes in, what is to be done comes out, and every position stays in one place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeVar

import pytest
from core.records import each, opened, record, resized, segment

from raylab.core import schedule
from raylab.core.events import (
    BatchArrived,
    CountRun,
    End,
    Event,
    Instruction,
    Keep,
    Launch,
    LeaseEnded,
    LeaseStarted,
    Pause,
    PressureChanged,
    RecordDeath,
    Refuse,
    RowsCommitted,
    SlotsChanged,
    Stop,
    SweepChanged,
    SweepDropped,
    SweepResumed,
    Ticked,
    Wake,
)
from raylab.core.failures import Tally
from raylab.core.ledger import Ledger
from raylab.core.policy import Policy
from raylab.core.segment import Need
from raylab.core.status import Counts
from raylab.core.strikes import Strikes

T = TypeVar("T", bound=Instruction)


class Story:
    """A ledger that is told events, and checked after each one."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.now = 0.0
        self.out: dict[int, Launch] = {}
        self.strikes: dict[int, Strikes] = {}  # as the rows of runs alone tell them
        self.each = 1.0  # what a trial takes, in seconds
        self.beat = 0.0  # how long it is from one event to the next

    def tell(self, event: Event) -> list[Instruction]:
        self.now += self.beat
        orders = self.ledger.handle(event, self.now)
        self.strikes |= {order.position: order.strikes for order in orders if isinstance(order, CountRun)}
        self.ledger.check()
        self.out |= {order.lease: order for order in orders if isinstance(order, Launch)}
        return orders

    def open(self, total: int = 0, **more: Any) -> list[Launch]:
        return only(Launch, self.tell(opened(total, **more)))

    def change(
        self, sweep: str = "s", *, slots: int | Mapping[Need, int] | None = None, **more: Any
    ) -> list[Instruction]:
        """Requests have made this of its record."""
        queue = self.ledger.queues[sweep]
        now = replace(queue.record, **more)
        known = max(queue.slots.values()) if slots is None else slots
        return self.tell(SweepChanged(sweep=sweep, record=now, slots=each(now, known)))

    def pause(self, sweep: str = "s") -> list[Instruction]:
        return self.change(sweep, paused="paused by ada")

    def limit(self, seconds: float | None) -> list[Instruction]:
        return self.change(policy=Policy(time_limit=seconds))

    def cancel(self, sweep: str = "s") -> list[Instruction]:
        return self.change(sweep, cancelled=True)

    def resume(self, sweep: str = "s") -> list[Instruction]:
        tally = self.ledger.queues[sweep].failures.tally
        return [
            *self.change(sweep, cancelled=False, paused="", forgiven=tally),
            *self.tell(SweepResumed(sweep=sweep)),
        ]

    def is_alone(self, launch: Launch) -> bool:
        """Whether a suspect runs in it."""
        return self.ledger.queues[launch.sweep].leases[launch.lease].alone

    def outstanding(self) -> int:
        return sum(queue.outstanding for queue in self.ledger.queues.values())

    def start(self, launch: Launch) -> list[Instruction]:
        """Its first trial runs."""
        return self.tell(LeaseStarted(lease=launch.lease))

    def batch(self, launch: Launch, first: int, count: int, status: str = "done", error: str = "") -> list[Instruction]:
        busy_s = count * self.each
        event = BatchArrived(
            lease=launch.lease, first=first, count=count, by_status={status: count}, busy_s=busy_s, error=error
        )
        return self.tell(event)

    def commit(self, first: int, count: int, status: str = "done", sweep: str = "s") -> list[Instruction]:
        return self.tell(RowsCommitted(sweep=sweep, first=first, count=count, by_status={status: count}))

    def end(self, launch: Launch, end: End = "normal", detail: str = "", late_s: float = 0.0) -> list[Instruction]:
        self.out.pop(launch.lease, None)
        return self.tell(LeaseEnded(lease=launch.lease, end=end, detail=detail, late_s=late_s))

    def whole(self, launch: Launch, status: str = "done", error: str = "") -> list[Instruction]:
        """The lease runs to its end and its rows become durable."""
        count = launch.stop - launch.start
        orders = self.start(launch)
        orders += self.batch(launch, launch.start, count, status, error)
        if only(Keep, orders):
            orders += self.commit(launch.start, count, status, launch.sweep)
        return orders + self.end(launch)

    def die(self, launch: Launch, detail: str = "boom") -> list[Instruction]:
        return self.start(launch) + self.end(launch, "died", detail)

    def counts(self, sweep: str = "s") -> Counts:
        return self.ledger.counts(sweep)

    def numbers(self, sweep: str = "s") -> tuple[int, ...]:
        counts = self.counts(sweep)
        return counts.done, counts.failed, counts.cancelled, counts.running, counts.waiting


def only(kind: type[T], orders: Sequence[Instruction]) -> list[T]:
    return [order for order in orders if isinstance(order, kind)]


def one(kind: type[T], orders: Sequence[Instruction]) -> T:
    found = only(kind, orders)
    assert len(found) == 1, orders
    return found[0]


def finish(story: Story) -> None:
    """All that is out runs to its end."""
    while story.out:
        launch = story.out[min(story.out)]
        story.whole(launch)
        story.tell(Ticked())


def runs(launches: Sequence[Launch]) -> list[tuple[int, int]]:
    return [(launch.start, launch.stop) for launch in launches]


def lone(story: Story, length: int, *, sweep: str = "s", status: str = "done") -> Launch:
    """A started lease of so many trials, all that is left of its sweep; 50 slots wait for what comes of it."""
    done = 1 if length <= schedule.GROWTH else 1 + schedule.GROWTH + schedule.GROWTH**2
    assert length <= schedule.GROWTH**3
    # A sweep that no node can run has one lease, however much waits; measured trials are not begun one by one.
    story.each = 1e-6
    found = opened(done + length, sweep=sweep, recorded=((0, 1),), by_status={status: 1}, seconds=story.each, slots=0)
    launch = one(Launch, story.tell(found))
    while launch.start < done:
        launch = one(Launch, story.whole(launch))
    assert launch.stop - launch.start == length
    story.start(launch)
    assert not only(Launch, story.tell(resized(**{sweep: 50})))
    return launch


@pytest.fixture
def story() -> Story:
    return Story()


# the plain life of a sweep --------------------------------------------------------------------------------------


def test_leases_begin_with_one_trial_and_two_for_each_slot(story: Story) -> None:
    assert runs(story.open(10, slots=2)) == [(0, 1), (1, 2), (2, 3), (3, 4)]


def test_a_trial_waits_runs_is_in_hand_and_is_recorded(story: Story) -> None:
    first, second = story.open(2, slots=1)
    assert story.numbers() == (0, 0, 0, 0, 2)
    story.start(first)
    assert story.numbers() == (0, 0, 0, 1, 1)
    assert story.batch(first, 0, 1) == [Keep(lease=first.lease, sweep="s", first=0, count=1)]
    assert story.numbers() == (0, 0, 0, 1, 1), "in hand is running, not ready"
    story.commit(0, 1)
    assert story.numbers() == (1, 0, 0, 0, 1)
    story.end(first)
    story.whole(second, status="failed")
    assert story.numbers() == (1, 1, 0, 0, 0)
    assert story.ledger.standing("s") == ("ready", "")
    assert story.counts().by_status == {"done": 1, "failed": 1}
    assert story.outstanding() == 0


def test_leases_grow_with_what_has_come_back(story: Story) -> None:
    (only_lease, _) = story.open(100_000, slots=1)
    story.start(only_lease)
    story.tell(BatchArrived(lease=only_lease.lease, first=0, count=1, by_status={"done": 1}, busy_s=0.0001))
    longer = one(Launch, story.end(only_lease))
    assert longer.stop - longer.start == schedule.GROWTH


def test_all_trials_of_a_sweep_are_leased_once_and_in_order(story: Story) -> None:
    story.beat = 0.01
    todo = story.open(1_000, slots=3)
    seen = []
    while todo:
        launch = todo.pop(0)
        seen.append((launch.start, launch.stop))
        todo += only(Launch, story.whole(launch))
    assert [stop for _, stop in seen[:-1]] == [start for start, _ in seen[1:]]
    assert (seen[0][0], seen[-1][1]) == (0, 1_000)
    assert story.counts().eta_s == 0.0


def test_the_end_is_guessed_from_what_trials_took(story: Story) -> None:
    launch, *_ = story.open(101, slots=4)
    assert story.counts().eta_s is None
    story.whole(launch)
    assert story.counts().eta_s == pytest.approx(100 * 1.0 / 4)


def test_a_found_sweep_goes_on_where_the_disk_says(story: Story) -> None:
    launches = story.open(10, recorded=((0, 4), (5, 6)), by_status={"done": 4, "failed": 1}, seconds=5.0, slots=8)
    assert runs(launches) == [(4, 5), (6, 7), (7, 8), (8, 9), (9, 10)]
    assert story.numbers() == (4, 1, 0, 0, 5)
    assert story.counts().eta_s == pytest.approx(5 / 8 * 1.0)


def test_a_finished_sweep_asks_for_nothing(story: Story) -> None:
    assert story.tell(opened(3, recorded=((0, 3),), by_status={"done": 3})) == []
    assert story.ledger.standing("s") == ("ready", "")


def test_a_sweep_is_opened_once(story: Story) -> None:
    story.open(1)
    with pytest.raises(ValueError, match="'s' is open already"):
        story.open(1)


@pytest.mark.parametrize("event", [SweepResumed, SweepDropped])
def test_what_is_asked_of_a_sweep_that_is_not_open_raises_and_changes_nothing(story: Story, event: type[Any]) -> None:
    with pytest.raises(KeyError):
        story.tell(event(sweep="nobody"))
    assert story.ledger.queues == {}


def test_an_unknown_event_is_refused(story: Story) -> None:
    with pytest.raises(TypeError, match="knows no event"):
        story.tell(Event())


# batches that are nobody's --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "count"), [(1, 1), (0, 3), (0, 0), (2, 1)])
def test_a_batch_at_the_wrong_position_is_refused(story: Story, first: int, count: int) -> None:
    launch = lone(story, 2)
    orders = story.batch(launch, launch.start + first, count)
    assert one(Refuse, orders).lease == launch.lease
    assert not only(Keep, orders)
    assert only(Keep, story.batch(launch, launch.start, 2)), "the right one is still taken"


def test_a_replayed_batch_is_refused(story: Story) -> None:
    launch = lone(story, 2)
    assert only(Keep, story.batch(launch, launch.start, 1))
    assert only(Refuse, story.batch(launch, launch.start, 1))
    assert only(Refuse, story.batch(launch, launch.start, 2))
    assert only(Keep, story.batch(launch, launch.start + 1, 1))


def test_a_batch_of_an_unknown_or_ended_lease_is_refused(story: Story) -> None:
    launch, _ = story.open(2, slots=1)
    story.end(launch, "lost")
    assert story.batch(launch, 0, 1) == [Refuse(lease=launch.lease, reason="no such lease is out")]
    assert story.tell(BatchArrived(lease=99, first=0, count=1, by_status={"done": 1}, busy_s=1.0)) == [
        Refuse(lease=99, reason="no such lease is out")
    ]


def test_late_words_about_nobody_are_no_news(story: Story) -> None:
    story.open(2, slots=1)
    assert story.tell(LeaseStarted(lease=99)) == []
    assert story.tell(LeaseEnded(lease=99, end="died")) == []
    assert story.commit(0, 1, sweep="gone") == []
    assert story.commit(0, 1) == [], "not in hand: these are the rows of a sweep that had this name before"
    assert story.tell(resized(gone=3)) == []
    assert story.numbers() == (0, 0, 0, 0, 2)


# deaths ---------------------------------------------------------------------------------------------------------


def test_a_lease_that_dies_blames_nobody_the_first_comes_back_alone_the_rest_in_small_leases(story: Story) -> None:
    launch = lone(story, 300)
    a, b = launch.start, launch.stop
    story.batch(launch, a, 43)
    orders = story.end(launch, "died")
    assert not only(RecordDeath, orders)
    alone, *rest = only(Launch, orders)
    assert (alone.start, alone.stop, alone.attempt, story.is_alone(alone)) == (a + 43, a + 44, 1, True)
    assert not any(map(story.is_alone, rest))
    back = runs(rest)
    assert back[0][0] == a + 44
    assert back[-1][1] == b
    assert all(stop == start for (_, stop), (start, _) in pairwise(back)), "without a hole"
    assert {stop - start for start, stop in back[:-1]} == {-(-256 // schedule.SPLIT)}


def test_a_suspects_run_is_counted_when_it_begins_and_not_before(story: Story) -> None:
    launch = lone(story, 2)
    alone, _ = only(Launch, story.end(launch, "died"))
    assert story.is_alone(alone)
    assert story.counts().running == 0
    assert story.start(alone) == [CountRun(sweep="s", position=alone.start, strikes=Strikes(runs=1))]
    assert story.counts().running == 1
    assert story.start(alone) == [], "it began once"


def test_a_lease_that_is_not_alone_is_not_counted(story: Story) -> None:
    assert not only(CountRun, story.start(story.open(1)[0]))


def test_a_suspect_that_begins_after_it_was_asked_to_end_is_not_counted(story: Story) -> None:
    alone = one(Launch, story.end(lone(story, 1), "died"))
    story.cancel()
    assert story.start(alone) == []
    story.end(alone, "stopped")
    assert one(Launch, story.resume()).attempt == 2


def test_a_death_before_it_began_is_no_strike(story: Story) -> None:
    alone = one(Launch, story.end(lone(story, 1), "died"))
    for _ in range(20):
        orders = story.end(alone, "died")
        assert not only(RecordDeath, orders)
        story.now += 100.0
        alone = one(Launch, orders + story.tell(Ticked()))


def test_three_deaths_alone_make_a_trial_crashed(story: Story) -> None:
    launch = lone(story, 1)
    position = launch.start
    orders = story.end(launch, "died", "first")
    for strike, words in ((2, "second"), (3, "out of memory")):
        launch = one(Launch, orders)
        assert launch.attempt == strike
        orders = story.die(launch, words)
        assert one(CountRun, orders).strikes.runs == strike
    crash = one(RecordDeath, orders)
    assert (crash.position, crash.attempt, crash.status) == (position, 3, "crashed")
    assert "died 3 times" in crash.error
    assert "out of memory" in crash.error
    assert story.numbers() == (1, 0, 0, 1, 0), "in hand until its row is durable"
    story.commit(position, 1, "crashed")
    assert story.numbers() == (1, 1, 0, 0, 0)
    assert story.ledger.standing("s")[0] == "ready"


@pytest.mark.parametrize("ends", [("died", "died", "out_of_memory"), ("out_of_memory", "out_of_memory", "died")])
def test_the_last_death_says_whether_memory_was_short(story: Story, ends: tuple[End, ...]) -> None:
    launch = lone(story, 1)
    orders = story.end(launch, ends[0])
    for end in ends[1:]:
        launch = one(Launch, orders)
        orders = story.start(launch) + story.end(launch, end, "so much of so much")
    death = one(RecordDeath, orders)
    assert death.status == ("out_of_memory" if ends[-1] == "out_of_memory" else "crashed")
    assert "died 3 times while it ran alone; the last time: so much of so much" in death.error


def test_it_is_remembered_until_the_sweep_goes_on(story: Story) -> None:
    orders = story.end(lone(story, 1), "out_of_memory")
    orders = story.start(one(Launch, orders)) + story.end(one(Launch, orders), "out_of_memory")
    launch = one(Launch, orders)
    story.start(launch)
    story.cancel()
    story.end(launch, "stopped")
    again = one(Launch, story.resume())
    assert one(RecordDeath, story.start(again) + story.end(again, "out_of_memory")).status == "out_of_memory"


def test_memory_that_runs_out_among_several_trials_blames_none(story: Story) -> None:
    launch = lone(story, 3)
    orders = story.end(launch, "out_of_memory")
    assert not only(RecordDeath, orders)
    assert story.is_alone(only(Launch, orders)[0])


def test_memory_that_runs_out_at_the_time_limit_is_no_time_out(story: Story) -> None:
    launch = limited(story, 1)
    story.now += 10.0 + schedule.GRACE_S
    assert one(Launch, story.end(launch, "out_of_memory")).attempt == 2


def limited(story: Story, length: int) -> Launch:
    """As `lone`, with a time limit of 10 s from then on."""
    launch = lone(story, length)
    story.limit(10.0)
    again = one(Launch, story.end(launch, "lost"))
    assert (again.start, again.stop) == (launch.start, launch.stop)
    story.start(again)
    return again


def test_a_trial_alone_that_dies_at_its_time_limit_is_timed_out_at_once(story: Story) -> None:
    launch = limited(story, 1)
    story.now += 10.0 + schedule.GRACE_S
    end = one(RecordDeath, story.end(launch, "died"))
    assert (end.position, end.status, end.attempt) == (launch.start, "timed_out", 1)
    assert "time limit of 10 s" in end.error
    assert story.numbers() == (1, 0, 0, 1, 0), "in hand until its row is durable"
    story.commit(launch.start, 1, "timed_out")
    assert story.counts().by_status == {"done": 1, "timed_out": 1}


def test_a_trial_that_dies_before_its_time_limit_has_a_strike(story: Story) -> None:
    launch = limited(story, 1)
    story.now += 10.0
    assert one(Launch, story.end(launch, "died")).attempt == 2


@pytest.mark.parametrize(("lived", "attempts"), [(0.1, [2]), (10.0, [2]), (10.0 + schedule.GRACE_S, [])])
def test_a_death_that_is_told_late_counts_from_when_it_was(story: Story, lived: float, attempts: list[int]) -> None:
    launch = limited(story, 1)
    story.now += lived + 500.0
    orders = story.end(launch, "normal", late_s=500.0)
    assert [again.attempt for again in only(Launch, orders)] == attempts
    assert [death.status for death in only(RecordDeath, orders)] == ([] if attempts else ["timed_out"])


def test_the_time_of_a_trial_counts_from_the_batch_before_it(story: Story) -> None:
    launch = limited(story, 2)
    story.now += 9.0
    story.batch(launch, launch.start, 1)
    story.now += 9.0
    assert only(RecordDeath, story.end(launch, "died")) == [], "18 s for two is 9 s for each"


def test_of_several_trials_none_is_timed_out(story: Story) -> None:
    launch = limited(story, 2)
    story.now += 100.0
    assert only(Launch, story.end(launch, "died"))[0].start == launch.start


@pytest.mark.parametrize("end", ["lost", "stopped"])
def test_a_node_that_goes_times_nobody_out(story: Story, end: End) -> None:
    launch = limited(story, 1)
    story.now += 100.0
    assert only(RecordDeath, story.end(launch, end)) == []


def hanging(story: Story) -> Launch:
    """A lease of two that was started without a limit, at a time of 100 s."""
    story.now = 100.0
    return lone(story, 2)


def test_a_limit_given_later_stops_a_lease_that_is_silent_for_longer(story: Story) -> None:
    launch = hanging(story)
    orders = story.limit(10.0)
    assert only(Stop, orders) == []
    wake = one(Wake, orders)
    assert 110 < wake.at < 113
    story.now = wake.at
    assert one(Stop, story.tell(Ticked())).lease == launch.lease
    again = one(Launch, story.end(launch, "stopped"))
    assert (again.start, again.stop) == (launch.start, launch.stop)
    assert only(Wake, story.start(again)) == [], "its worker knows the limit"


def test_a_lease_that_is_heard_of_in_time_is_not_stopped(story: Story) -> None:
    launch = hanging(story)
    story.limit(10.0)
    story.now = 109.0
    story.batch(launch, launch.start, 1)
    story.now = 118.0
    assert only(Stop, story.tell(Ticked())) == []
    story.now = 125.0
    assert only(Stop, story.tell(Ticked()))


def test_a_silence_under_pressure_says_nothing(story: Story) -> None:
    hanging(story)
    story.limit(10.0)
    story.tell(PressureChanged(high=True))
    story.now = 1_000.0
    assert only(Stop, story.tell(Ticked())) == []
    assert only(Stop, story.tell(PressureChanged(high=False))) == []
    story.now = 1_020.0
    assert only(Stop, story.tell(Ticked()))


@pytest.mark.parametrize("limit", [None, 10.0])
def test_a_looser_limit_stops_nothing(story: Story, limit: float | None) -> None:
    launch = limited(story, 1)
    story.limit(limit)
    story.now += 1_000.0
    assert only(Stop, story.tell(Ticked())) == []
    assert launch.lease in story.out


def test_a_culprit_among_many_is_found_and_all_others_are_done(story: Story) -> None:
    launch = lone(story, 512)
    culprit = launch.start + 300
    deaths = 0
    todo: list[Instruction] = list(story.end(launch, "died"))
    while todo:
        order = todo.pop(0)
        if isinstance(order, RecordDeath):
            assert order.position == culprit
            todo += story.commit(order.position, 1, "crashed")
        elif isinstance(order, Launch):
            dies = order.start <= culprit < order.stop
            deaths += dies
            todo += story.die(order) if dies else story.whole(order)
    assert story.counts().by_status == {"done": 1 + 8 + 64 + 511, "crashed": 1}
    assert deaths <= 6, "64 times smaller at each death, then three alone"


def test_a_stream_that_ends_early_is_a_death_even_if_it_ends_normally(story: Story) -> None:
    launch = lone(story, 2)
    assert story.is_alone(only(Launch, story.end(launch, "normal"))[0])


def test_a_lease_whose_last_batch_has_come_is_complete_however_it_ends(story: Story) -> None:
    launch = lone(story, 2)
    story.batch(launch, launch.start, 2)
    assert story.end(launch, "died") == []
    assert story.counts().retrying == 0


@pytest.mark.parametrize("end", ["lost", "stopped", "environment"])
def test_a_machines_fault_is_no_strike(story: Story, end: End) -> None:
    launch = lone(story, 1)
    position = launch.start
    launch = one(Launch, story.end(launch, "died"))
    for _ in range(5):
        story.tell(PressureChanged(high=True))
        assert only(CountRun, story.start(launch))[0].strikes.runs == 2, "the same try once more"
        story.end(launch, end)
        assert story.counts().retrying == 1
        story.now += 100.0
        launch = one(Launch, story.tell(PressureChanged(high=False)))
        assert (launch.start, launch.attempt) == (position, 2)
    assert one(Launch, story.die(launch)).attempt == 3


def versions(story: Story, count: int) -> list[Instruction]:
    """The sweep has so many versions of its code."""
    return story.change(versions=record(version=count).versions)


def test_with_other_code_a_suspect_begins_anew_and_what_the_old_code_does_blames_nobody(story: Story) -> None:
    suspect = lone(story, 1)
    for _ in range(2):
        story.start(suspect)
        (suspect,) = only(Launch, story.die(suspect))
    assert suspect.version == 1
    story.start(suspect)
    assert only(Stop, versions(story, 2)) == [], "what has begun ends by itself"
    (suspect,) = only(Launch, story.die(suspect))  # the third death, of the old code
    assert suspect.version == 2
    for _ in range(2):
        assert one(CountRun, story.start(suspect)).strikes.runs <= 2
        (suspect,) = only(Launch, story.die(suspect))
    story.start(suspect)
    buried = one(RecordDeath, story.die(suspect))
    assert (buried.status, buried.version) == ("crashed", 2)


def test_what_has_not_begun_is_asked_for_anew_with_other_code(story: Story) -> None:
    begun, *others = story.open(10)
    story.start(begun)
    stopped = [order.lease for order in only(Stop, versions(story, 2))]
    assert stopped == [launch.lease for launch in others]
    again = [order for lease in others for order in only(Launch, story.end(lease, "stopped"))]
    assert again
    assert all(order.version == 2 for order in again)


def test_what_came_back_keeps_its_small_leases_when_a_node_is_lost(story: Story) -> None:
    launch = lone(story, 300)
    alone, first, second, *_ = only(Launch, story.end(launch, "died"))
    story.tell(PressureChanged(high=True))
    story.end(first, "lost")
    story.end(second, "lost")
    assert story.counts().retrying == second.stop - first.start
    again = only(Launch, story.tell(PressureChanged(high=False)))
    assert runs(again) == runs([first, second])
    assert story.is_alone(alone)


def test_strikes_outlive_the_lab(story: Story) -> None:
    orders = story.tell(opened(3, strikes={1: Strikes(deaths=2, runs=2)}, slots=8))
    assert runs(only(Launch, orders)) == [(1, 2), (0, 1), (2, 3)]
    launch = only(Launch, orders)[0]
    assert (launch.attempt, story.is_alone(launch)) == (3, True)
    orders = story.die(launch)
    assert only(CountRun, orders) == [CountRun(sweep="s", position=1, strikes=Strikes(deaths=2, runs=3))]
    assert one(RecordDeath, orders).attempt == 3


def test_a_trial_that_takes_the_lab_with_it_each_time_is_crashed_in_the_end(story: Story) -> None:
    orders = story.tell(opened(3, strikes={1: Strikes(runs=schedule.RUNS_ALONE)}, slots=8))
    crash = one(RecordDeath, orders)
    assert (crash.position, crash.attempt) == (1, schedule.RUNS_ALONE)
    assert "the whole lab died" in crash.error
    story.commit(1, 1, "crashed")
    assert story.numbers() == (0, 1, 0, 0, 2)


def test_a_run_that_ended_with_the_lab_is_no_death_that_was_seen(story: Story) -> None:
    orders = story.tell(opened(3, strikes={1: Strikes(deaths=1, runs=4)}, slots=8))
    launch = only(Launch, orders)[0]
    assert launch.attempt == 5, "the record's _attempt counts all runs"
    assert one(CountRun, story.start(launch)).strikes == Strikes(deaths=1, runs=5)


def test_strikes_of_recorded_trials_are_history(story: Story) -> None:
    orders = story.tell(opened(2, strikes={0: Strikes(3, 3)}, recorded=((0, 1),), by_status={"crashed": 1}, slots=8))
    assert runs(only(Launch, orders)) == [(1, 2)]
    assert len(orders) == 1


def test_a_suspect_that_works_in_the_end_is_like_any_other(story: Story) -> None:
    launch = lone(story, 1)
    story.whole(one(Launch, story.end(launch, "died")))
    assert story.numbers() == (2, 0, 0, 0, 0)
    assert story.ledger.queues["s"].strikes == {}


# trouble with the environment -----------------------------------------------------------------------------------


def fail_all(story: Story, sweep: str = "s") -> None:
    """No process of the sweep comes to its first trial."""
    while leases := [launch for launch in story.out.values() if launch.sweep == sweep]:
        for launch in leases:
            story.end(launch, "environment", "no such package")


def test_an_environment_that_cannot_be_built_is_tried_again_with_growing_pauses(story: Story) -> None:
    story.open(10, slots=1)
    waits = []
    for _ in range(8):
        fail_all(story)
        waits.append(story.ledger.queues["s"].not_before - story.now)
        story.now = story.ledger.queues["s"].not_before
        assert only(Launch, story.tell(Ticked()))
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert story.ledger.standing("s") == ("running", "no such package")
    assert story.numbers() == (0, 0, 0, 0, 10), "no trial is blamed"
    assert story.counts().retrying == 0


def test_leases_that_fail_together_do_not_add_up(story: Story) -> None:
    story.open(100, slots=10)
    fail_all(story)
    assert story.ledger.queues["s"].not_before == story.now + 1.0


def test_while_it_fails_one_lease_at_a_time_tries(story: Story) -> None:
    story.open(20, slots=10)
    fail_all(story)
    story.now += 1.0
    probe = one(Launch, story.tell(Ticked()))
    assert story.tell(Ticked()) == []
    story.start(probe)
    assert story.ledger.standing("s") == ("running", "")
    assert len(story.out) == 20, "it has started: the rest may follow"


def test_results_of_processes_that_were_up_already_do_not_shorten_the_pause(story: Story) -> None:
    up, other = story.open(10, slots=1)
    story.start(up)
    again = one(Launch, story.end(other, "environment", "no such package"))
    story.end(again, "environment", "no such package")
    assert story.ledger.queues["s"].not_before == 1.0
    assert not only(Launch, story.batch(up, 0, 1))
    assert story.ledger.standing("s") == ("running", "no such package")


def test_a_process_that_ends_before_its_first_trial_is_the_environments_fault(story: Story) -> None:
    launch, _ = story.open(2, slots=1)
    orders = story.end(launch, "died")
    assert not only(CountRun, orders)
    assert story.ledger.standing("s")[1] == "a worker process ended before its first trial"


def test_other_sweeps_go_on_meanwhile(story: Story) -> None:
    story.open(10, sweep="bad", slots=1)
    fail_all(story, "bad")
    todo = story.open(10, sweep="good", slots=1)
    while todo:
        todo += only(Launch, story.whole(todo.pop(0)))
    assert story.numbers("good") == (10, 0, 0, 0, 0)
    assert story.numbers("bad") == (0, 0, 0, 0, 10)


def test_to_be_woken_is_asked_for_once(story: Story) -> None:
    first, second = story.open(4, slots=1)
    story.end(first, "environment")
    assert story.end(second, "environment") == [Wake(at=1.0)]
    assert story.end(story.out[3], "environment") == []
    assert story.tell(resized(s=3)) == []
    assert story.tell(Ticked()) == [Wake(at=1.0)], "a timer that went off early is set again"


# sweeps of which nothing works ----------------------------------------------------------------------------------


def test_a_sweep_whose_first_hundred_executions_all_failed_pauses_itself(story: Story) -> None:
    story.beat = 0.01
    todo = story.open(1_000, slots=4)
    paused: list[Pause] = []
    while not paused:
        launch = todo.pop(0)
        orders = story.whole(launch, "failed", f"KeyError: {launch.start}")
        todo += only(Launch, orders)
        paused = only(Pause, orders)
    assert {stop.lease for stop in only(Stop, orders)} == {each.lease for each in todo}, "what has begun ends by itself"
    assert "the first" in paused[0].reason
    assert "KeyError: 0" in paused[0].reason
    assert story.ledger.standing("s") == ("paused", paused[0].reason)
    failed = story.counts().failed
    assert schedule.PAUSE_AFTER <= failed < 2 * schedule.PAUSE_AFTER
    for launch in todo:
        assert not only(Launch, story.end(launch, "stopped"))
    assert not only(Launch, story.tell(Ticked()))
    assert story.counts().eta_s is None
    assert story.outstanding() == 1_000 - failed

    back = only(Launch, story.resume())
    assert len(back) == 8
    assert story.ledger.standing("s") == ("running", "")
    assert not only(Pause, story.whole(back[0], "failed")), "it has another hundred"


def test_one_that_works_is_enough_for_ever(story: Story) -> None:
    launch = lone(story, 300)
    orders = story.batch(launch, launch.start, 300, "failed", "no")
    assert not only(Pause, orders)


def test_one_that_worked_before_the_lab_ended_is_enough_too(story: Story) -> None:
    story.beat = 0.01
    todo = story.open(200, slots=1, recorded=((0, 1),), by_status={"done": 1})
    while todo:
        todo += only(Launch, story.whole(todo.pop(0), "failed"))
    assert story.numbers() == (1, 199, 0, 0, 0)


def test_trials_that_kill_their_process_count_too(story: Story) -> None:
    story.beat = 0.01
    todo: list[Instruction] = list(story.tell(opened(1_000, sweep="s", slots=4)))
    paused: list[Pause] = []
    while todo and not paused:
        order = todo.pop(0)
        if isinstance(order, RecordDeath):
            todo += story.commit(order.position, 1, "crashed")
        elif isinstance(order, Launch):
            todo += story.die(order)
        elif isinstance(order, Pause):
            paused.append(order)
    assert "ran alone" in paused[0].reason
    assert story.counts().by_status["crashed"] >= schedule.PAUSE_AFTER - 1


def test_a_paused_sweep_comes_back_paused_and_notes_no_suspects(story: Story) -> None:
    found = opened(9, strikes={3: Strikes(1, 1), 4: Strikes(3, 3)}, paused="nothing works", slots=8)
    assert story.tell(found) == []
    assert story.ledger.standing("s") == ("paused", "nothing works")
    orders = story.resume()
    assert [launch.start for launch in only(Launch, orders) if story.is_alone(launch)] == [3]
    assert one(RecordDeath, orders).position == 4
    assert len(only(Launch, orders)) == 8


# pause, and failures beyond what was allowed ------------------------------------------------------------------


def test_a_pause_stops_what_has_not_begun_and_keeps_what_the_rest_brings(story: Story) -> None:
    first, second, third, fourth = story.open(10, slots=2)
    story.start(first)
    story.start(second)
    story.batch(second, second.start, 1)
    orders = story.pause()
    assert [order.lease for order in only(Stop, orders)] == [third.lease, fourth.lease]
    assert not only(Pause, orders), "it is written already"
    assert story.ledger.standing("s") == ("paused", "paused by ada")
    assert story.numbers() == (0, 0, 0, 2, 8)
    assert only(Keep, story.batch(first, first.start, 1))
    story.commit(first.start, 1)
    story.commit(second.start, 1)
    for launch in (first, second):
        assert story.end(launch) == []
    for launch in (third, fourth):
        assert story.end(launch, "stopped") == []
    assert not only(Launch, story.tell(Ticked()))
    assert story.numbers() == (2, 0, 0, 0, 8)
    assert story.pause() == []
    assert len(only(Launch, story.resume())) == 4
    finish(story)
    assert story.ledger.standing("s")[0] == "ready"


def test_a_lease_that_dies_in_a_pause_blames_nobody_before_it_goes_on(story: Story) -> None:
    launch = lone(story, 30)
    story.pause()
    assert story.end(launch, "died") == []
    assert story.counts().retrying > 0
    assert [order for order in only(Launch, story.resume()) if story.is_alone(order)]


def test_a_paused_sweep_leaves_its_slots_to_the_others(story: Story) -> None:
    for launch in story.open(10, sweep="a", slots=1):
        story.start(launch)
    assert not story.open(10, sweep="b", slots=1)
    story.pause("a")
    launches: list[Launch] = []
    for launch in [launch for launch in story.out.values() if launch.sweep == "a"]:
        launches += only(Launch, story.whole(launch))
    assert {launch.sweep for launch in launches} == {"b"}


def test_so_many_failures_as_are_allowed_pause_a_sweep_and_count_anew_after_a_resume(story: Story) -> None:
    story.each = 60.0  # a trial a lease
    todo = story.open(100, slots=1, max_failures=2)
    story.whole(todo.pop(0))
    for round_ in range(2):
        assert not only(Pause, story.whole(story.out[min(story.out)], "failed", f"KeyError: {round_}"))
        orders = story.whole(story.out[min(story.out)], "timed_out")
        assert one(Pause, orders).reason.startswith("2 trials failed")
        assert f"KeyError: {round_}" in one(Pause, orders).reason
        for launch in list(story.out.values()):
            story.end(launch, "stopped")
        assert story.resume()
    finish(story)


def test_a_restart_counts_the_same_failures(story: Story) -> None:
    recorded: dict[str, Any] = {"recorded": ((0, 5),), "by_status": {"done": 2, "failed": 3}}
    paused = one(Pause, story.tell(opened(9, sweep="a", max_failures=3, error="KeyError: 1", **recorded)))
    assert "the first with KeyError: 1" in paused.reason
    assert not only(Pause, story.tell(opened(9, sweep="b", max_failures=4, **recorded)))
    assert not only(Pause, story.tell(opened(9, sweep="c", max_failures=3, forgiven=Tally(2, 1), **recorded)))
    assert not only(Pause, story.tell(opened(5, sweep="d", max_failures=3, **recorded))), "nothing is left of it"
    assert not only(Pause, story.tell(opened(9, sweep="e", max_failures=3, cancelled=True, **recorded)))


def test_another_limit_is_in_force_at_once(story: Story) -> None:
    story.open(100, slots=1, recorded=((0, 5),), by_status={"done": 2, "failed": 3})
    orders = story.change(policy=Policy(max_failures=3))
    assert one(Pause, orders)
    assert len(only(Stop, orders)) == 2
    assert not only(Pause, story.resume()), "what had come by then is forgiven"


def test_what_is_between_a_sweep_and_its_lab_stops_no_lease(story: Story) -> None:
    story.open(100, slots=4)
    assert story.change(policy=Policy(description="better", priority=3, max_failures=0.5)) == []
    assert len(only(Stop, story.change(policy=Policy(retries=1)))) == 8


def test_a_limit_of_trials_at_once_holds_from_then_on(story: Story) -> None:
    launches = story.open(100, slots=4)
    for launch in launches[:3]:
        story.start(launch)
    orders = story.change(policy=Policy(max_concurrency=4))
    assert [order.lease for order in only(Stop, orders)] == [launch.lease for launch in launches[4:]]
    orders = story.change(policy=Policy(max_concurrency=1))
    assert [order.lease for order in only(Stop, orders)] == [launches[3].lease], "what has begun ends by itself"
    for launch in launches[3:]:
        assert not only(Launch, story.end(launch, "stopped"))
    assert not only(Launch, story.whole(launches[0]))
    assert not only(Launch, story.whole(launches[1]))
    assert len(only(Launch, story.whole(launches[2]))) == 1
    assert len(only(Launch, story.change(policy=Policy()))) == 7


def test_few_at_once_get_leases_as_a_small_cluster_does_and_it_is_known_how_long_they_take(story: Story) -> None:
    story.each = 0.01
    story.open(10_000, slots=100, max_concurrency=2)
    for _ in range(30):
        story.whole(story.out[min(story.out)])
    assert story.counts().eta_s == pytest.approx(story.outstanding() * 0.01 / 2)
    assert max(launch.stop - launch.start for launch in story.out.values()) > 50
    assert len(story.out) == 2


# priorities -----------------------------------------------------------------------------------------------------


def test_a_sweep_of_higher_priority_has_the_next_slots_and_what_has_begun_ends_by_itself(story: Story) -> None:
    launches = story.open(100, sweep="low", slots=2)
    for launch in launches[:2]:
        story.start(launch)
    orders = story.tell(opened(3, sweep="high", slots=2, priority=1))
    assert [order.lease for order in only(Stop, orders)] == [launch.lease for launch in reversed(launches[2:])]
    high = only(Launch, orders)
    assert [launch.sweep for launch in high] == ["high"] * 3
    for launch in launches[2:]:
        assert only(Launch, story.end(launch, "stopped")) == []
    assert only(Launch, story.whole(launches[0])) == []
    assert only(Launch, story.whole(launches[1])) == [], "one of them waits"
    assert only(Launch, story.start(high[0])) == []
    assert only(Launch, story.whole(high[1])) == []
    assert {launch.sweep for launch in only(Launch, story.start(high[2]))} == {"low"}, "nothing of it waits any more"
    finish(story)
    assert story.outstanding() == 0


def test_another_priority_is_in_force_at_once(story: Story) -> None:
    story.open(100, sweep="a", slots=2)
    story.open(100, sweep="b", slots=2)
    orders = story.change("b", policy=Policy(priority=1))
    assert {story.out[order.lease].sweep for order in only(Stop, orders)} == {"a"}
    assert [launch.sweep for launch in only(Launch, orders)] == ["b"] * 4
    for launch in [launch for launch in story.out.values() if launch.sweep == "a"]:
        story.end(launch, "stopped")
    orders = story.change("b", policy=Policy(priority=-1))
    assert {story.out[order.lease].sweep for order in only(Stop, orders)} == {"b"}
    assert [launch.sweep for launch in only(Launch, orders)] == ["a"] * 4


def test_nothing_makes_way_while_nothing_is_taken(story: Story) -> None:
    story.open(100, sweep="low", slots=2)
    story.tell(PressureChanged(high=True))
    assert story.tell(opened(3, sweep="high", slots=2, priority=1)) == []
    assert len(only(Stop, story.tell(PressureChanged(high=False)))) == 4


# cancel, resume, replace ----------------------------------------------------------------------------------------


def test_cancelling_gives_up_all_but_what_is_in_hand(story: Story) -> None:
    first, second, third, _ = story.open(10, slots=2)
    story.whole(first)
    story.start(third)
    story.start(second)
    story.batch(second, 1, 1)
    orders = story.cancel()
    assert {order.lease for order in only(Stop, orders)} == set(story.out)
    assert story.numbers() == (1, 0, 8, 1, 0)
    assert story.outstanding() == 1
    story.commit(1, 1)
    assert story.numbers() == (2, 0, 8, 0, 0)
    assert story.ledger.standing("s")[0] == "cancelled"
    for launch in list(story.out.values()):
        assert only(Refuse, story.batch(launch, launch.start, 1)), "nobody wants it any more"
        assert story.end(launch, "stopped") == []
    assert story.cancel() == []


def test_resuming_a_cancelled_sweep_does_the_rest(story: Story) -> None:
    first, second = story.open(6, slots=1)
    story.whole(first)
    story.cancel()
    assert story.outstanding() == 0
    resumed = only(Launch, story.resume())
    assert second.start not in [launch.start for launch in resumed], "its stream has not ended"
    for launch in list(story.out.values()):
        story.end(launch, "stopped")
    todo = list(story.out.values())
    while todo:
        todo += only(Launch, story.whole(todo.pop(0)))
    assert story.numbers() == (6, 0, 0, 0, 0)


def test_a_death_after_we_asked_for_the_end_is_no_strike(story: Story) -> None:
    launch = lone(story, 1)
    story.cancel()
    story.resume()
    orders = story.end(launch, "died")
    assert not only(CountRun, orders)
    assert one(Launch, orders).attempt == 1


def test_a_cancelled_sweep_comes_back_cancelled(story: Story) -> None:
    found = opened(9, recorded=((0, 2),), by_status={"done": 2}, strikes={5: Strikes(3, 3)}, cancelled=True)
    assert story.tell(found) == []
    assert story.numbers() == (2, 0, 7, 0, 0)
    assert story.counts().eta_s == 0.0


def test_nothing_of_a_replaced_sweep_counts(story: Story) -> None:
    old, _ = story.open(4, slots=1)
    story.start(old)
    story.batch(old, 0, 1)
    orders = story.tell(SweepDropped(sweep="s"))
    assert len(only(Stop, orders)) == 2
    story.open(4, slots=1)
    assert only(Refuse, story.batch(old, 1, 1))
    story.commit(0, 1)
    story.end(old, "stopped")
    assert story.numbers() == (0, 0, 0, 0, 4)


# who gets the slots ---------------------------------------------------------------------------------------------


def out_by_sweep(story: Story) -> Mapping[str, int]:
    return {name: len(queue.leases) for name, queue in story.ledger.queues.items()}


def test_pressure_stops_launches_until_it_falls(story: Story) -> None:
    first, second = story.open(10, slots=1)
    assert story.tell(PressureChanged(high=True)) == []
    assert only(Launch, story.whole(first)) == []
    assert only(Launch, story.whole(second)) == []
    assert len(only(Launch, story.tell(PressureChanged(high=False)))) == 2


def test_nobody_knows_how_long_what_stands_behind_a_higher_priority_takes(story: Story) -> None:
    low = {"recorded": ((0, 4),), "by_status": {"done": 4}, "seconds": 4.0, "slots": 2}
    story.tell(opened(100, sweep="low", **low))
    assert story.counts("low").rate == pytest.approx(2.0)
    story.tell(opened(100, sweep="high", priority=1, **low))
    assert story.counts("low").eta_s is story.counts("low").rate is None
    assert story.counts("high").rate == pytest.approx(2.0)


def test_what_no_node_can_run_has_one_lease_standing_and_others_are_not_in_its_way(story: Story) -> None:
    launch = one(Launch, story.tell(opened(10, sweep="big", slots=0)))
    assert story.ledger.standing("big")[0] == "infeasible"
    assert story.counts("big").eta_s is None
    assert len(story.open(10, slots=2)) == 4
    assert story.tell(Ticked()) == []
    assert len(only(Launch, story.end(launch, "lost"))) == 1
    more = only(Launch, story.tell(resized(big=4)))
    assert len(more) == 7, "twice its slots, whatever the other has out"
    assert story.ledger.standing("big")[0] == "running"


def test_a_sweep_that_comes_later_gets_its_share_as_leases_end(story: Story) -> None:
    story.open(1_000, sweep="a", slots=4)
    assert story.open(1_000, sweep="b", slots=4) == []
    for _ in range(8):
        oldest = min(story.out)
        story.whole(story.out[oldest])
    assert out_by_sweep(story) == {"a": 4, "b": 4}


def test_shares_are_of_what_each_can_have(story: Story) -> None:
    """One sweep fits 8 times on the cluster, the other, whose trials are bigger, twice: each has as much in line."""
    story.tell(PressureChanged(high=True))
    story.open(1_000, sweep="small", slots=8)
    story.open(1_000, sweep="large", slots=2)
    story.tell(PressureChanged(high=False))
    assert out_by_sweep(story) == {"small": 16, "large": 4}


def test_a_scarce_resource_keeps_no_other_idle(story: Story) -> None:
    """Two sweeps share the only GPU; the forty CPUs are the third one's."""
    for sweep, slots in (("a", 1), ("b", 1), ("c", 40)):
        story.open(1_000, sweep=sweep, slots=slots)
    out = out_by_sweep(story)
    assert out["a"] + out.get("b", 0) == 2
    assert out["c"] == 80


def test_where_there_are_more_sweeps_than_leases_each_has_its_turn(story: Story) -> None:
    story.tell(PressureChanged(high=True))
    for sweep in "abcdefg":
        story.open(100, sweep=sweep, slots=2)
    story.tell(PressureChanged(high=False))
    served: list[str] = []
    for _ in range(28):
        oldest = story.out[min(story.out)]
        served.append(oldest.sweep)
        story.whole(oldest)
    assert {served.count(sweep) for sweep in "abcdefg"} == {4}


def test_sweeps_of_different_code_take_turns_of_ten_seconds(story: Story) -> None:
    story.open(10_000, sweep="a", group="1", slots=2)
    story.open(10_000, sweep="b", group="2", slots=2)
    seen = ""
    for _ in range(40):
        story.now += 1.0
        launched = only(Launch, story.whole(story.out[min(story.out)]))
        seen += "".join(launch.sweep for launch in launched)
    turns = seen.replace("ab", "a b").replace("ba", "b a").split()
    assert turns[0] == "a" * 9
    assert set(map(len, turns[1:-1])) == {10}


def test_a_group_that_wants_nothing_gives_up_its_turn_at_once(story: Story) -> None:
    story.open(4, sweep="a", group="1", slots=2)
    story.open(10, sweep="b", group="2", slots=2)
    assert {launch.sweep for launch in only(Launch, story.whole(story.out[1]))} == {"b"}


def test_more_slots_are_used_at_once_fewer_as_leases_end(story: Story) -> None:
    story.open(100, slots=1)
    assert len(only(Launch, story.tell(resized(s=5)))) == 8
    assert story.tell(resized(s=1)) == []
    for _ in range(8):
        assert only(Launch, story.whole(story.out[min(story.out)])) == []
    assert len(only(Launch, story.whole(story.out[min(story.out)]))) == 1
    assert len(story.out) == 2


def test_all_nodes_gone_leaves_one_lease_standing(story: Story) -> None:
    story.open(100, slots=2)
    story.tell(resized(s=0))
    for launch in list(story.out.values()):
        story.end(launch, "lost")
    assert len(story.out) == 1
    assert len(only(Launch, story.tell(resized(s=2)))) == 3


def test_leases_are_made_no_faster_than_the_lab_can_follow(story: Story) -> None:
    """A hundred at once, then 400 a second; and no more than 100 a second when as many wait for a slot already."""
    orders = story.tell(opened(10_000, sweep="s", slots=1_000))
    assert len(only(Launch, orders)) == schedule.LAUNCHES
    seen: list[float] = []
    while wakes := only(Wake, orders):
        story.now = wakes[-1].at
        orders = story.tell(Ticked())
        seen += [story.now] * len(only(Launch, orders))
    assert len(story.out) == 2_000
    standing_empty = [at for at in seen[:900] if at <= 2.0]
    assert len(standing_empty) == pytest.approx(2.0 * schedule.RUSH_PER_S, rel=0.05)
    assert seen[-1] - seen[1_100] == pytest.approx(800 / schedule.LEASES_PER_S, rel=0.05)


def test_a_lab_with_few_slots_never_waits_to_make_a_lease(story: Story) -> None:
    """Leases of 5 ms on two slots, four of them in flight."""
    story.open(100_000, slots=2)
    for _ in range(500):
        story.now += 0.0025
        story.whole(story.out[min(story.out)])
        assert len(story.out) == 4


def test_finished_sweeps_cost_an_event_nothing(story: Story) -> None:
    """Counted in looks, not in time: a queue that has nothing to lease is not even asked."""
    for number in range(50):
        story.open(1, sweep=f"old{number}", recorded=((0, 1),), by_status={"done": 1})
    launch, _ = story.open(100, slots=1)

    class Untouchable:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"a finished sweep was asked for its {name}")

    for number in range(50):
        story.ledger.queues[f"old{number}"] = Untouchable()  # type: ignore[assignment]
    for event in (
        LeaseStarted(lease=launch.lease),
        BatchArrived(lease=launch.lease, first=0, count=1, by_status={"done": 1}, busy_s=1.0),
        RowsCommitted(sweep="s", first=0, count=1, by_status={"done": 1}),
        LeaseEnded(lease=launch.lease, end="normal"),
        Ticked(),
    ):
        story.ledger.handle(event, 0.0)


def test_another_policy_takes_back_what_has_not_started() -> None:
    ledger = Ledger()
    (stuck,) = ledger.handle(opened(3, slots=0), 0.0)
    assert isinstance(stuck, Launch)
    orders = ledger.handle(
        SweepChanged(sweep="s", record=replace(record(3), policy=Policy(retries=1)), slots={Need(): 1}), 1.0
    )
    ledger.check()
    assert orders[0] == Stop(lease=stuck.lease)
    again = ledger.handle(LeaseEnded(lease=stuck.lease, end="stopped"), 2.0)
    ledger.check()
    launched = [order for order in (*orders, *again) if isinstance(order, Launch)]
    assert stuck.start in [order.start for order in launched]


# segments ---------------------------------------------------------------------------------------------------------


def test_a_segment_that_is_added_comes_in_turn_with_what_is_left_of_the_earlier_one(story: Story) -> None:
    story.open(6, slots=1)
    first = story.ledger.queues["s"].record.asked
    story.change(segments=(first, segment(3, after=first)))
    order = []
    while story.out:
        launch = story.out[min(story.out)]
        order.append((launch.segment, launch.start, launch.stop))
        story.whole(launch)
    assert [each[0] for each in order] == [0, 0, 0, 1, 0, 1, 0, 1, 0][: len(order)]
    assert sorted(p for _, start, stop in order for p in range(start, stop)) == list(range(9))
    assert story.numbers() == (9, 0, 0, 0, 0)


def test_a_complete_sweep_that_grows_goes_on(story: Story) -> None:
    story.tell(opened(3, recorded=((0, 3),), by_status={"done": 3}))
    first = story.ledger.queues["s"].record.asked
    launches = only(Launch, story.change(segments=(first, segment(2, after=first))))
    assert [(launch.segment, launch.start) for launch in launches] == [(1, 3), (1, 4)]
    assert story.ledger.standing("s")[0] == "running"
    assert story.numbers() == (3, 0, 0, 0, 2)


def test_a_selection_takes_back_what_it_runs_again(story: Story) -> None:
    story.tell(opened(5, recorded=((0, 5),), by_status={"done": 2, "failed": 2, "crashed": 1}))
    first = story.ledger.queues["s"].record.asked
    again = segment(
        5,
        after=first,
        first_trial=0,
        first_point=0,
        selection=((1, 3), (4, 5)),
        attempt=2,
        taken_back={"failed": 2, "crashed": 1},
    )
    launches = only(Launch, story.change(segments=(first, again)))
    assert story.numbers() == (2, 0, 0, 0, 3)
    assert {launch.attempt for launch in launches} == {2}
    while story.out:
        story.whole(story.out[min(story.out)])
    assert story.numbers() == (5, 0, 0, 0, 0)
    assert story.counts().by_status == {"done": 5}
    assert story.ledger.standing("s") == ("ready", "")


def test_a_lease_lies_inside_one_segment(story: Story) -> None:
    first = segment(4)
    second = segment(4, after=first)
    story.each = 1e-6
    todo = story.open(segments=(first, second), slots=1, recorded=((0, 1),), by_status={"done": 1}, seconds=1e-6)
    while todo:
        launch = todo.pop(0)
        held = (first, second)[launch.segment]
        assert held.first_position <= launch.start < launch.stop <= held.stop
        todo += only(Launch, story.whole(launch))
    assert story.numbers() == (8, 0, 0, 0, 0)


# classes ----------------------------------------------------------------------------------------------------------


SMALL, BIG = Need(0), Need(1)


def two_classes(story: Story, *, small: int, big: int, slots: Mapping[Need, int]) -> list[Launch]:
    """A sweep of so many small trials, and of so many big ones after them."""
    first = segment(small)
    segments = (first, segment(big, after=first, need=BIG))
    classes = ({}, {"CPU": 64.0, "time_limit": 5.0})
    return story.open(segments=segments, classes=classes, slots=slots)


def by_class(launches: Iterable[Launch]) -> Counter[int]:
    return Counter(launch.segment for launch in launches)


def test_each_class_has_leases_for_its_own_slots(story: Story) -> None:
    launches = two_classes(story, small=100, big=100, slots={SMALL: 8, BIG: 2})
    assert by_class(launches) == {0: 16, 1: 4}


def test_classes_that_fit_equally_often_share_the_slots_of_their_sweep_and_the_sweep_shares_with_others(
    story: Story,
) -> None:
    story.tell(PressureChanged(high=True))
    two_classes(story, small=100, big=100, slots={SMALL: 4, BIG: 4})
    story.open(100, sweep="other", slots=4)
    launches = only(Launch, story.tell(PressureChanged(high=False)))
    assert Counter(launch.sweep for launch in launches) == {"s": 4, "other": 4}
    assert by_class(launch for launch in launches if launch.sweep == "s") == {0: 2, 1: 2}


def test_each_class_has_leases_of_its_own_length(story: Story) -> None:
    """The small trials take a millisecond, the big ones a minute."""
    small, *_, big = two_classes(story, small=100_000, big=100, slots={SMALL: 1, BIG: 1})
    assert (small.segment, big.segment) == (0, 1)
    lengths: dict[int, list[int]] = {0: [], 1: []}
    for _ in range(40):
        launch = story.out[min(story.out)]
        story.each = 60.0 if launch.segment else 0.001
        story.now += story.each * (launch.stop - launch.start)
        lengths[launch.segment].append(launch.stop - launch.start)
        story.whole(launch)
    assert max(lengths[0]) > 500
    assert set(lengths[1]) == {1}


def test_a_class_that_no_node_can_run_holds_up_no_other_and_the_state_says_which(story: Story) -> None:
    launches = two_classes(story, small=20, big=3, slots={SMALL: 2, BIG: 0})
    assert by_class(launches) == {0: 4, 1: 1}
    state, reason = story.ledger.standing("s")
    assert state == "running"
    assert "some trials" in reason
    assert "64 CPU" in reason
    assert story.counts().eta_s is None
    while small := [launch for launch in story.out.values() if launch.segment == 0]:
        story.whole(small[0])
    assert story.numbers() == (20, 0, 0, 0, 3)
    assert story.ledger.standing("s")[0] == "infeasible", "all that is left is"
    story.tell(SlotsChanged(slots={"s": {SMALL: 2, BIG: 1}}))
    assert story.ledger.standing("s") == ("running", "")
    while story.out:
        story.whole(story.out[min(story.out)])
    assert story.ledger.standing("s") == ("ready", "")


def test_an_environment_that_failed_is_tried_by_each_class(story: Story) -> None:
    """A lease of a class that no node can run may wait for ever; it is not the one that the others wait for."""
    two_classes(story, small=20, big=3, slots={SMALL: 2, BIG: 0})
    for launch in [launch for launch in story.out.values() if launch.segment == 0]:
        story.end(launch, "environment", "no such package")
    for launch in [launch for launch in story.out.values() if launch.segment == 0]:
        story.end(launch, "environment", "no such package")
    assert by_class(story.out.values()) == {1: 1}
    story.now += 100.0
    assert by_class(only(Launch, story.tell(Ticked()))) == {0: 1}


def test_a_lease_has_the_time_limit_of_its_class(story: Story) -> None:
    launches = two_classes(story, small=4, big=4, slots={SMALL: 1, BIG: 1})
    limits = {launch.segment: story.ledger.queues["s"].leases[launch.lease].time_limit for launch in launches}
    assert limits == {0: None, 1: 5.0}
    big = next(launch for launch in launches if launch.segment == 1)
    story.start(big)
    story.now += 6.0
    death = one(RecordDeath, story.end(big, "died"))
    assert (death.position, death.status) == (4, "timed_out")
    assert "5 s" in death.error


def test_a_stricter_limit_of_one_class_is_kept_for_its_leases_alone(story: Story) -> None:
    launches = two_classes(story, small=2, big=2, slots={SMALL: 1, BIG: 1})
    for launch in launches:
        story.start(launch)
    story.change(policy=Policy(classes=({}, {"CPU": 64.0, "time_limit": 2.0})))
    story.now += 4.0
    stopped = {order.lease for order in only(Stop, story.tell(Ticked()))}
    assert stopped == {launch.lease for launch in launches if launch.segment == 1}


def test_the_trials_of_a_restarted_lab_wait_in_their_classes(story: Story) -> None:
    first = segment(10)
    segments = (first, segment(10, after=first, need=BIG))
    found = opened(
        segments=segments,
        classes=({}, {"CPU": 2.0}),
        recorded=((2, 14),),
        by_status={"done": 12},
        seconds=12.0,
        strikes={16: Strikes(1, 1)},
        slots={SMALL: 4, BIG: 2},
    )
    launches = only(Launch, story.tell(found))
    assert sorted(launch.start for launch in launches if launch.segment == 0) == [0, 1]
    assert sorted(launch.start for launch in launches if launch.segment == 1) == [14, 15, 16, 17]
    assert story.counts().eta_s == pytest.approx(2 / 4 + 6 / 2)


def test_the_story_tells_the_last_events_and_a_check_that_fails_tells_it(story: Story) -> None:
    launch, *_ = story.open(3, slots=1)
    story.start(launch)
    lines = story.ledger.story()
    assert "SweepOpened" in lines[0]
    assert "Launch(lease=1" in lines[0]
    assert "LeaseStarted(lease=1) " in lines[1]
    story.ledger.queues["s"].strands[Need()].starting += 1
    with pytest.raises(AssertionError, match=r"the story:\n.*SweepOpened"):
        story.ledger.check()


def test_a_lease_cannot_go_where_no_lease_goes(story: Story) -> None:
    launch, *_ = story.open(3, slots=1)
    lease = story.ledger.queues["s"].leases[launch.lease]
    with pytest.raises(ValueError, match="lease 1 is asked and cannot be stopping"):
        lease.move("stopping")
