"""Kinds of warnings: put together in any order, bounded, with the lowest trial as the example."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from raylab.core.alike import LIMIT
from raylab.core.trial_warnings import MORE, Kind, merged

kinds = st.builds(
    Kind,
    category=st.sampled_from(["A", "B"]),
    text=st.sampled_from(["s", "t"]),
    count=st.integers(1, 9),
    trials=st.integers(1, 9),
    example=st.text(max_size=3),
    point=st.integers(0, 99),
    repeat=st.integers(0, 2),
)


def kind(number: int, count: int = 1) -> Kind:
    return Kind(category="W", text=f"t{number}", count=count, trials=1, example="e", point=number, repeat=0)


@given(st.lists(kinds, unique_by=lambda each: (each.point, each.repeat)), st.randoms(use_true_random=False))
def test_in_whatever_order_they_come_the_same_comes_of_them(some: list[Kind], chance: random.Random) -> None:
    other = list(some)
    chance.shuffle(other)
    cut = chance.randint(0, len(other))
    assert merged(some) == merged([*merged(other[:cut]), *merged(other[cut:])])
    assert sum(each.count for each in merged(some)) == sum(each.count for each in some)
    for each in merged(some):
        lowest = min(
            (one for one in some if (one.category, one.text) == (each.category, each.text)),
            key=lambda one: (one.point, one.repeat),
        )
        assert (each.example, each.point, each.repeat) == (lowest.example, lowest.point, lowest.repeat)


def test_beyond_the_limit_they_are_counted_under_one_kind() -> None:
    some = [kind(number, count=3 + (number < LIMIT)) for number in range(3 * LIMIT)]
    found = merged([*some, *merged(some)])
    assert len(found) == LIMIT + 1
    assert (found[-1].category, found[-1].text) == MORE
    assert {each.count for each in found[:-1]} == {8}
    assert found[-1].count == 2 * 3 * 2 * LIMIT
    assert found[-1].point == LIMIT


@given(kinds)
def test_they_travel_as_plain_data(one: Kind) -> None:
    assert Kind.loads(one.dumps()) == one
