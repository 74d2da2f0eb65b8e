"""How leases are called where Ray shows them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from raylab.core.lease_name import PARTS, task_name, title, whose


def numbers(name: str) -> tuple[int, int]:
    """The first and the last position that a name tells."""
    first, _, last = name.rpartition(" ")[2].partition("-")
    return int(first), int(last or first)


@given(positions=st.integers(1, 10**12), data=st.data())
@settings(max_examples=50)
def test_a_task_is_called_by_the_part_in_which_it_begins_and_there_are_few_parts(
    positions: int, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, positions - 1))
    first, last = numbers(task_name("lab/sweep", start, positions))
    assert first <= start <= last < positions
    assert first % (last - first + 1) == 0 or last == positions - 1
    step = numbers(task_name("lab/sweep", 0, positions))[1] + 1
    assert -(-positions // step) <= PARTS


def test_a_title_says_the_very_positions() -> None:
    assert title(whose("percolation", "coarse"), 1_200, 1_300) == "ray::lease percolation/coarse 1200-1299"
    assert title(whose("percolation", "coarse"), 7, 8) == "ray::lease percolation/coarse 7"


def test_long_names_are_cut_and_those_of_other_letters_are_kept() -> None:
    assert whose("Größe ランダム", "ß") == "Größe ランダム/ß"
    lab, sweep = whose("l" * 41, "s" * 40).split("/")
    assert (len(lab), lab[-2:]) == (40, "l…")
    assert sweep == "s" * 40


def test_a_lease_of_nothing_known_has_a_name_too() -> None:
    assert task_name("", 5, 0) == "lease  5"  # of a test, which says no more
