"""Intervals behave as a set of integers, whatever is done to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylab.core.intervals import Intervals

TOP = 12  # small, so that runs often meet
RUNS = st.tuples(st.integers(0, TOP), st.integers(0, TOP)).map(lambda pair: (min(pair), max(pair)))
CHANGES = st.lists(st.tuples(st.sampled_from(["add", "remove"]), RUNS), max_size=30)


def members(runs: Intervals) -> set[int]:
    return {number for start, stop in runs for number in range(start, stop)}


def built(changes: list[tuple[str, tuple[int, int]]]) -> tuple[Intervals, set[int]]:
    runs, model = Intervals(), set()
    for what, (start, stop) in changes:
        getattr(runs, what)(start, stop)
        model = model | set(range(start, stop)) if what == "add" else model - set(range(start, stop))
    return runs, model


@given(CHANGES)
def test_it_has_the_members_of_a_plain_set(changes: list[tuple[str, tuple[int, int]]]) -> None:
    runs, model = built(changes)
    assert members(runs) == model
    assert runs.count == len(model)
    assert bool(runs) == bool(model)
    assert [n in runs for n in range(-2, TOP + 3)] == [n in model for n in range(-2, TOP + 3)]


@given(CHANGES)
def test_runs_ascend_and_neither_touch_nor_are_empty(changes: list[tuple[str, tuple[int, int]]]) -> None:
    runs, _ = built(changes)
    edges = [edge for run in runs.pairs() for edge in run]
    assert edges == sorted(set(edges))


@given(CHANGES, RUNS)
def test_covers_says_what_the_set_says(changes: list[tuple[str, tuple[int, int]]], run: tuple[int, int]) -> None:
    runs, model = built(changes)
    assert runs.covers(*run) == (set(range(*run)) <= model)


@given(CHANGES, st.integers(1, TOP))
def test_first_is_the_lowest_run_cut_to_the_limit(changes: list[tuple[str, tuple[int, int]]], limit: int) -> None:
    runs, model = built(changes)
    first = runs.first(limit)
    if first is None:
        assert not model
    else:
        assert first[0] == min(model)
        assert 1 <= first[1] - first[0] <= limit
        assert runs.covers(*first)
        assert first[1] - first[0] == limit or first[1] not in model


def test_it_may_be_changed_while_its_runs_are_gone_through() -> None:
    runs = Intervals([(0, 1), (5, 6), (8, 9)])
    for start, stop in runs:
        runs.remove(start, stop)
    assert not runs


def test_the_count_is_exact_beyond_64_bits() -> None:
    runs = Intervals([(0, 2**70)])
    runs.remove(5, 6)
    assert runs.count == 2**70 - 1


def test_an_empty_run_changes_nothing_and_a_reversed_or_negative_one_is_refused() -> None:
    runs = Intervals([(3, 7)])
    runs.add(5, 5)
    runs.remove(5, 5)
    runs.add(9, 9)
    assert runs.pairs() == [(3, 7)]
    for ask in (runs.add, runs.remove, runs.covers):
        with pytest.raises(ValueError, match="start=4, stop=3"):
            ask(4, 3)
        with pytest.raises(ValueError, match="start=-1"):
            ask(-1, 3)
    with pytest.raises(ValueError, match="limit"):
        runs.first(0)


def test_its_repr_rebuilds_it_unless_it_is_long() -> None:
    assert repr(Intervals([(0, 2), (4, 5)])) == "Intervals([(0, 2), (4, 5)])"
    assert repr(Intervals((n, n + 1) for n in range(0, 100, 2))).endswith("...]) of 50 runs")
