"""What a query may take."""

from __future__ import annotations

import pytest

from raylab.query.limits import LEAST_BYTES, RESERVE, Use, allowed, overrun

NODE = 16 * 10**9


def why(use: Use, timeout: float | None = 600.0) -> str | None:
    found = overrun(use, memory=4 * 10**9, total=NODE, timeout=timeout)
    return None if found is None else f"{found.name}: {found.text}"


def test_a_query_has_a_quarter_of_the_node_or_what_it_is_given() -> None:
    assert allowed(None, NODE) == NODE // 4
    assert allowed(5 * 10**9, NODE) == 5 * 10**9
    assert allowed(None, 10**8) == LEAST_BYTES  # of the smallest node no query would come to its rows


def test_within_its_limits_it_goes_on() -> None:
    assert why(Use(seconds=600.0, bytes=4 * 10**9, left=int(RESERVE * NODE) + 1)) is None
    assert why(Use(seconds=1e9, bytes=0), timeout=None) is None


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (Use(seconds=1.0, bytes=4 * 10**9 + 1), ("MemoryError", "more than 4.0 GB", "memory=", "has 16.0 GB")),
        (Use(seconds=1.0, bytes=10**9, left=10**9), ("MemoryError", "had 1.0 GB of its 16.0 GB", "took 1.0 GB")),
        (Use(seconds=600.1, bytes=0), ("TimeoutError", "longer than 600 s", "timeout=")),
    ],
)
def test_beyond_one_it_is_ended_and_a_sentence_says_which(use: Use, words: tuple[str, ...]) -> None:
    said = why(use)
    assert said is not None
    assert all(word in said for word in words), said
