"""What waits of a sweep: each position once, by segments that take turns."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from raylab.core.waiting import Waiting


def waiting(*sizes: int) -> Waiting:
    """Segments of these sizes, of which all waits."""
    made, start = Waiting(), 0
    for size in sizes:
        made.append(start, start + size)
        start += size
    made.check()
    return made


def positions(runs: Iterable[tuple[int, int]]) -> list[int]:
    return [position for start, stop in runs for position in range(start, stop)]


def test_a_segment_is_taken_from_its_beginning() -> None:
    one = waiting(10)
    assert [one.take(4) for _ in range(3)] == [(0, 4), (4, 8), (8, 10)]
    assert (one.count, list(one)) == (0, [])


def test_what_comes_back_is_taken_before_what_lies_behind_it_and_no_run_spans_a_hole() -> None:
    one = waiting(10)
    one.take(6)
    one.add(1, 3)
    assert [one.take(9) for _ in range(2)] == [(1, 3), (6, 10)]


def test_a_segment_that_comes_later_has_its_turn_at_once() -> None:
    one = waiting(100)
    one.take(10)
    one.append(100, 103)
    assert [one.take(2) for _ in range(5)] == [(10, 12), (100, 102), (12, 14), (102, 103), (14, 16)]


def test_a_run_never_reaches_into_the_next_segment() -> None:
    one = waiting(2, 2)
    assert [one.take(4), one.take(4)] == [(0, 2), (2, 4)]


def test_a_segment_of_which_nothing_waits_has_no_turn_until_something_does_again() -> None:
    one = waiting(3, 3, 3)
    one.remove(1, 6)
    assert [one.take(1), one.take(1)] == [(0, 1), (6, 7)]
    one.add(4, 5)
    assert [one.take(9), one.take(9)] == [(7, 9), (4, 5)]


def test_a_selection_of_nothing_is_no_turn() -> None:
    one = waiting(0, 2)
    assert one.take(1) == (0, 1)


def test_what_does_not_wait_may_be_removed() -> None:
    one = waiting(3, 3)
    one.remove(2, 4)
    one.remove(2, 4)
    one.check()
    assert (one.count, list(one)) == (4, [(0, 2), (4, 6)])


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(1, 3))
def test_each_segment_has_its_turn_before_any_has_two(sizes: list[int], most: int) -> None:
    one = waiting(*sizes)
    starts = [sum(sizes[:at]) for at in range(len(sizes))]
    left = [-(-size // most) for size in sizes]  # how many turns each needs
    while any(left):
        turn = [at for at in range(len(sizes)) if left[at]]
        for at in turn:
            start, _ = one.take(most)
            assert starts[at] <= start < starts[at] + sizes[at]
            left[at] -= 1
    assert one.count == 0


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.data())
def test_whatever_happens_it_holds_what_waits(sizes: list[int], data: st.DataObject) -> None:
    one, held = waiting(*sizes), set(range(sum(sizes)))
    starts = [sum(sizes[:at]) for at in range(len(sizes))]
    for _ in range(data.draw(st.integers(0, 12))):
        match data.draw(st.sampled_from(["take", "remove", "add", "append"])):
            case "take" if held:
                most = data.draw(st.integers(1, 4))
                start, stop = one.take(most)
                assert held.issuperset(range(start, stop))
                assert 1 <= stop - start <= most
                held -= set(range(start, stop))
            case "remove":
                start = data.draw(st.integers(0, sum(sizes) - 1))
                stop = data.draw(st.integers(start, sum(sizes)))
                one.remove(start, stop)
                held -= set(range(start, stop))
            case "add":
                at = data.draw(st.integers(0, len(sizes) - 1))
                gone = [p for p in range(starts[at], starts[at] + sizes[at]) if p not in held]
                if gone:
                    start = data.draw(st.sampled_from(gone))
                    one.add(start, start + 1)
                    held.add(start)
            case "append":
                size = data.draw(st.integers(0, 4))
                one.append(sum(sizes), sum(sizes) + size)
                held |= set(range(sum(sizes), sum(sizes) + size))
                starts.append(sum(sizes))
                sizes = [*sizes, size]
        one.check()
        assert positions(one) == sorted(held)
        assert one.count == len(held)
