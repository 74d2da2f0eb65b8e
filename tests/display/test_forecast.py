"""What all of a sweep would take, in a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from raylab.display.forecast import forecast


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            ([0.4, 0.4, 0.4], 202, 2),
            "3 of 202 trials ran in 1.2 s (0.4 s each); all 202 would take about 81 s on 1 core, 40 s on the 2 here, "
            "10 s on 8",
        ),
        (
            ([1.5, 0.01, 0.01], 1_001, 16),  # what is done once a process is not done a thousand times
            "3 of 1,001 trials ran in 1.5 s (1.5 s the first, as in each process, 10 ms each later one); all 1,001 "
            "would take about 12 s on 1 core, 2.1 s on the 16 here, 1.6 s on 64",
        ),
        (
            ([2.0, 1.0], 4, 64),
            "2 of 4 trials ran in 3 s (1.5 s each); all 4 would take about 6 s on 1 core, 1.5 s on the 64 here",
        ),
        (([2.0], 3, 1), "1 of 3 trials ran in 2 s; all 3 would take about 6 s on the 1 core here, 2 s on 8"),
        (([1.0, 2.0], 2, 4), "2 of 2 trials ran in 3 s (1.5 s each)"),
        (([0.0], 1, 4), "1 of 1 trial ran in 0 µs"),
        (
            ([3600.0], 48, 1),
            "1 of 48 trials ran in 1.0 h; all 48 would take about 2.0 d on the 1 core here, 6.0 h on 8",
        ),
    ],
)
def test_the_time_of_all_follows_from_that_of_the_first(given: Any, said: str) -> None:
    assert forecast(*given) == said
