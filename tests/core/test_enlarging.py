"""What had too little memory or time is tried again with more: which trials, with how much, and never twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from core.records import causes, record, segment
from core.test_ledger import Story, one, only

from raylab.core.block import block
from raylab.core.enlarging import enlarge
from raylab.core.events import Enlarge, Launch, RecordDeath, ShortageSeen, SweepChanged
from raylab.core.places import runs_of
from raylab.core.policy import Policy
from raylab.core.request import SweepRecord
from raylab.core.segment import Need, Segment
from raylab.core.summary import Summary, together


@pytest.fixture
def story() -> Story:
    return Story()


GROW = {"memory": [2.0, None], "time_limit": [3.0, 100.0], "tries": 3}
ASKED: dict[str, Any] = {"time_limit": 10.0, "resources": {"CPU": 1.0, "memory": 1e9}, "grow": GROW}


def found(status: dict[int, str]) -> Summary:
    """What a table holds, by position."""
    return replace(together([]), causes=causes(status), attempt=4)


def more(asked: SweepRecord, status: dict[int, str], *, room: float = 64e9, in_hand: Any = ()) -> tuple[Segment, ...]:
    return enlarge(
        asked, found(status), in_hand=in_hand, has_room=lambda policy: policy.resources.get("memory", 0) <= room
    )[0]


def numbers(one: Segment, positions: list[int]) -> list[int]:
    trials = block(one, one.first_position, one.stop).numbers.tolist()
    return [trials[at - one.first_position] for at in positions]


def test_what_ran_out_of_memory_gets_memory_and_what_timed_out_gets_time() -> None:
    asked = record(20, **ASKED)
    first = asked.segments[0]
    status = {1: "out_of_memory", 4: "timed_out", 5: "timed_out", 7: "failed", 9: "crashed"}
    by_need = {each.need: each for each in more(asked, status)}
    assert by_need.keys() == {Need(memory=1), Need(time_limit=1)}
    memory, time = by_need[Need(memory=1)], by_need[Need(time_limit=1)]
    assert memory.selection == runs_of(np.array(numbers(first, [1])))
    assert time.selection == runs_of(np.array(numbers(first, [4, 5])))
    assert (memory.taken_back, time.taken_back) == ({"out_of_memory": 1}, {"timed_out": 2})
    assert {memory.attempt, time.attempt} == {5}
    assert sorted([memory.first_position, time.first_position])[0] == 20
    assert asked.policy.at(memory.need).resources["memory"] == 2e9
    assert asked.policy.at(memory.need).time_limit == 10.0
    assert asked.policy.at(time.need).time_limit == 30.0


def test_what_is_tried_again_already_is_not_taken_twice() -> None:
    asked = record(20, **ASKED)
    status = {1: "out_of_memory", 4: "timed_out"}
    grown = replace(asked, segments=(*asked.segments, *more(asked, status)))
    assert more(grown, status) == ()
    again = grown.segments[-1]
    (third,) = more(grown, {**status, again.first_position: "timed_out"})
    assert third.need == again.need.more("time_limit")
    assert third.selection == again.selection


def test_memory_and_time_grow_apart_and_count_as_tries_together() -> None:
    policy = Policy(**ASKED)
    need = Need()
    for status in ("out_of_memory", "timed_out", "out_of_memory"):
        following = policy.more(need, status)
        assert following is not None
        need = following
    assert (policy.at(need).resources["memory"], policy.at(need).time_limit) == (4e9, 30.0)
    assert policy.more(need, "timed_out") is None, "three tries"
    assert policy.tried(need, "out_of_memory") == "; it was tried with 1 GB memory, 2 GB memory and 4 GB memory"


def test_what_has_the_most_gets_no_more() -> None:
    policy = Policy(**ASKED)
    assert policy.at(Need(time_limit=2)).time_limit == 90.0
    assert policy.at(Need(time_limit=3)).time_limit == 100.0
    assert policy.more(Need(time_limit=3), "timed_out") is None
    assert replace(policy, grow={**GROW, "tries": 9}).more(Need(time_limit=3), "timed_out") is None


def test_memory_that_no_node_has_is_tried_only_where_a_person_said_the_most() -> None:
    asked = record(20, **ASKED)
    assert more(asked, {1: "out_of_memory"}, room=1.5e9) == ()
    said = record(20, **{**ASKED, "grow": {**GROW, "memory": [2.0, 64e9]}})
    assert [each.need for each in more(said, {1: "out_of_memory"}, room=1.5e9)] == [Need(memory=1)]


def test_what_is_not_counted_yet_is_left_for_the_next_look() -> None:
    asked = record(20, **ASKED)
    (only_one,) = more(asked, {1: "timed_out", 2: "timed_out"}, in_hand=[(2, 3)])
    assert only_one.total == 1


def test_each_class_grows_from_its_own_amounts() -> None:
    first = segment(10)
    segments = (first, segment(10, after=first, need=Need(1)))
    asked = record(segments=segments, **ASKED, classes=({}, {"memory": 4e9}))
    found_needs = [each.need for each in more(asked, {1: "out_of_memory", 11: "out_of_memory"})]
    assert found_needs == [Need(0, 1), Need(1, 1)]
    assert asked.policy.at(Need(1, 1)).resources["memory"] == 8e9


# in the ledger ----------------------------------------------------------------------------------------------------


def see_to(story: Story, status: dict[int, str]) -> list[Launch]:
    """What the lab does about an `Enlarge`."""
    queue = story.ledger.queues["s"]
    there = Counter(queue.by_status)
    segments = more(queue.record, status)
    for each in segments:
        there.subtract(each.taken_back)
    launches = []
    if segments:
        launches = only(Launch, story.change(segments=(*queue.record.segments, *segments)))
    story.tell(ShortageSeen(sweep="s", spent=there))
    return launches


def test_a_sweep_is_not_ready_before_somebody_has_looked(story: Story) -> None:
    first, *_ = story.open(2, slots=1, **ASKED)
    story.whole(first)
    orders = story.whole(story.out[min(story.out)], "timed_out")
    assert one(Enlarge, orders).sweep == "s"
    assert story.numbers() == (1, 0, 0, 0, 1)
    assert story.counts().retrying == 1
    assert story.ledger.standing("s")[0] == "running"
    (launch,) = see_to(story, {1: "timed_out"})
    assert story.ledger.queues["s"].leases[launch.lease].time_limit == 30.0
    story.whole(launch)
    assert story.numbers() == (2, 0, 0, 0, 0)
    assert story.ledger.standing("s") == ("ready", "")


def test_what_is_spent_is_failed(story: Story) -> None:
    first, *_ = story.open(1, slots=1, **{**ASKED, "time_limit": 100.0})
    assert only(Enlarge, story.whole(first, "timed_out"))
    assert see_to(story, {0: "timed_out"}) == []
    assert story.numbers() == (0, 1, 0, 0, 0)
    assert story.ledger.standing("s") == ("ready", "")
    assert story.outstanding() == 0


def test_a_look_waits_until_nothing_waits_and_as_many_have_gathered_as_are_out(story: Story) -> None:
    story.each = 1000.0
    story.open(10, slots=4, **ASKED)
    looks = []
    for number in range(1, 11):
        launch = story.out[min(story.out)]
        looks += [number for _ in only(Enlarge, story.whole(launch, "timed_out"))]
    assert looks == [5], "five have gathered, five are out; somebody looks already"


def test_a_lost_node_makes_nothing_grow(story: Story) -> None:
    first, *_ = story.open(1, slots=1, **ASKED)
    for _ in range(5):
        story.start(first)
        orders = story.end(first, "lost")
        assert not only(Enlarge, orders)
        (first,) = only(Launch, orders)
    assert story.ledger.queues["s"].leases[first.lease].time_limit == 10.0
    assert first.segment == 0


def test_one_death_for_want_of_memory_is_enough_where_more_can_be_had(story: Story) -> None:
    first, *_ = story.open(1, slots=1, **ASKED)
    story.start(first)
    death = one(RecordDeath, story.end(first, "out_of_memory", "it needed more memory than its node could give"))
    assert death.status == "out_of_memory"
    assert only(Enlarge, story.commit(0, 1, "out_of_memory"))
    (again,) = see_to(story, {0: "out_of_memory"})
    assert again.attempt == 5
    story.start(again)
    death = one(RecordDeath, story.end(again, "out_of_memory", "boom"))
    assert death.error.endswith("it was tried with 1 GB memory and 2 GB memory")


def test_another_policy_is_a_reason_to_look_again(story: Story) -> None:
    first, *_ = story.open(1, slots=1, **{**ASKED, "grow": {}})
    assert not only(Enlarge, story.whole(first, "timed_out"))
    queue = story.ledger.queues["s"]
    now = replace(queue.record, policy=Policy(**ASKED))
    orders = story.tell(SweepChanged(sweep="s", record=now, slots=queue.slots))
    assert only(Enlarge, orders)
    assert story.counts().waiting == 1


def test_nothing_grows_of_what_is_cancelled(story: Story) -> None:
    first, *_ = story.open(1, slots=1, **ASKED)
    assert only(Enlarge, story.whole(first, "timed_out"))
    story.cancel()
    assert story.numbers() == (0, 1, 0, 0, 0)
    assert story.tell(ShortageSeen(sweep="s", spent={})) == []
    assert only(Enlarge, story.resume())
    assert story.numbers() == (0, 0, 0, 0, 1)
