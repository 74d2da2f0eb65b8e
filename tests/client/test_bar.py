"""The bar shows how far it is."""

from __future__ import annotations

import io
import re
from typing import Any

from statuses import progress

from raylab.client.bar import Bar, remarks
from raylab.core.status import Progress


def lines(*steps: Progress) -> list[str]:
    """What a bar shows that goes through these steps."""
    screen = io.StringIO()
    with Bar("coarse", steps[0], shown=True, file=screen) as bar:
        for step in steps[1:]:
            bar.show(step)
    return [line.strip() for line in re.split(r"[\r\n]", screen.getvalue()) if line.strip()]


def at(done: int, **words: Any) -> Progress:
    return progress(total=100, done=done, **{"waiting": 100 - done, "eta_s": 90.0, "state": "running", **words})


def test_a_bar_that_comes_late_starts_where_the_lab_is() -> None:
    first = lines(at(60))[0]
    assert " 60.0%" in first
    assert "60/100" in first
    assert "<2 min" in first
    assert "? trials/s" in first, "what was there before the bar is no speed of anything"


def test_the_rate_does_not_count_what_was_there_before() -> None:
    bar = Bar("coarse", progress(total=10**9, done=9 * 10**8, waiting=10**8), shown=True, file=io.StringIO())
    bar.show(progress(total=10**9, done=9 * 10**8 + 1, waiting=10**8 - 1))
    shown = bar._bar.format_dict
    assert (shown["n"] - shown["initial"], shown["initial"]) == (1, 9 * 10**8)
    bar._bar.close()


def test_a_bar_shows_failures_and_what_is_tried_again() -> None:
    assert lines(at(50), at(60, failed=1_234, retrying=2))[-1].endswith("1,234 failed, 2 retrying]")


def test_a_bar_ends_full_with_nothing_left() -> None:
    last = lines(at(99), progress(total=100, done=100))[-1]
    assert " 100%" in last
    assert "100/100" in last
    assert "<0 s" in last


def test_a_bar_is_not_full_before_the_last_trial() -> None:
    shown = lines(progress(total=100_000, done=99_999, waiting=1))[-1]
    assert "99.9%" in shown


def test_cancelled_trials_are_not_waited_for() -> None:
    assert "40/40" in lines(at(40), progress(total=100, done=40, cancelled=60, state="cancelled"))[-1]


def test_a_bar_follows_a_lab_that_says_less_than_before() -> None:
    shown = lines(at(60), at(0), at(1))
    assert "1/100" in shown[-1]
    assert not any("-" in line for line in shown), "neither counts nor rates go below nothing"


def test_a_reason_is_said_once_and_again_when_it_changes() -> None:
    full = at(60, state="disk_full", reason="no space left on device")
    shown = lines(at(60), full, full, at(60, state="infeasible", reason="no node has 8 GPUs"), at(61))
    assert [line for line in shown if "coarse:" not in line] == [
        "raylab: no space left on device",
        "raylab: no node has 8 GPUs",
    ]
    assert any("disk full" in line for line in shown)
    assert "disk full" not in shown[-1]


def test_a_silent_bar_writes_nothing() -> None:
    screen = io.StringIO()
    with Bar("coarse", at(60), shown=False, file=screen) as bar:
        bar.show(at(70, failed=3, reason="x", state="disk_full"))
    assert screen.getvalue() == ""


def test_remarks_are_none_while_all_is_well() -> None:
    assert remarks(at(60)) == []
    assert remarks(progress(state="ready")) == []
