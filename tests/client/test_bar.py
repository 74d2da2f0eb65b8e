"""The bar shows how far it is."""

from __future__ import annotations

import io
import os
import re
from typing import Any

import pytest
from statuses import progress

from raylab.client.bar import Bar, Lines, remarks, shown_progress
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


# -- where nobody watches a screen


def said_of(capsys: pytest.CaptureFixture[str], *steps: tuple[float, Progress]) -> list[str]:
    """What is said where these steps are seen at these times; the first twice, as a wait does."""
    now = [steps[0][0]]
    with Lines("coarse", steps[0][1], clock=lambda: now[0]) as shown:
        for now[0], step in steps:
            shown.show(step)
    said = capsys.readouterr().err
    assert "\r" not in said
    return said.splitlines()


def test_off_a_screen_a_line_comes_when_the_share_has_grown_and_the_last_one_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    end = progress(total=100, done=99, failed=1)
    assert said_of(capsys, *((done / 100, at(done)) for done in range(100)), (1.0, end), (1.5, end)) == [
        "raylab: coarse: 0%, 0 of 100 trials are ready, 2 min left",
        *(f"raylab: coarse: {done}.0%, {done} of 100 trials are ready, 2 min left" for done in range(10, 100, 10)),
        "raylab: coarse: 100%, 100 of 100 trials are ready, 1 failed",
    ]
    assert len(said_of(capsys, (0.0, end))) == 1


def test_off_a_screen_what_is_slow_is_told_of_now_and_then_and_never_twice_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hours = [(20.0 * poll, at(60)) for poll in range(3 * 180)]
    assert len(said_of(capsys, *hours)) == 1
    day = [(20.0 * poll, progress(total=10**6, done=poll, waiting=1, state="running")) for poll in range(24 * 180)]
    assert 100 < len(said_of(capsys, *day)) < 200
    at_29, at_30 = ([(0.0, at(60)), (later, at(61))] for later in (29.0, 30.0))
    slow = [(50.0, at(62))]
    assert [len(said_of(capsys, *each, *slow)) for each in (at_29, at_30)] == [2, 3]


def test_off_a_screen_a_reason_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    full = at(60, state="disk_full", reason="no space left on device")
    said = said_of(capsys, (0.0, at(60)), (1.0, full), (2.0, full))
    assert said.count("raylab: no space left on device") == 1
    assert said[-1].startswith("raylab: coarse: 60.0%, 60 of 100 trials are ready, disk full")


def test_off_a_screen_an_interrupt_is_told_by_the_wait_alone(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Lines("coarse", at(60))
    shown.show(at(61))
    shown.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_bar_is_drawn_only_where_it_can_be_drawn_over(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

        def fileno(self) -> int:
            return screen

    class Cell(io.StringIO):
        """As Jupyter's, where no widget is drawn."""

    Cell.__module__ = "ipykernel.iostream"
    screen, other = os.openpty()
    try:
        for stream, kind in ((io.StringIO(), Lines), (Screen(), Bar), (Cell(), Bar)):
            monkeypatch.setattr("sys.stderr", stream)
            shown = shown_progress("coarse", at(60), shown=True)
            with shown:
                assert type(shown) is kind
            with shown_progress("coarse", at(60), shown=False) as silent:
                assert type(silent) is Bar
    finally:
        os.close(screen)
        os.close(other)


def test_remarks_are_none_while_all_is_well() -> None:
    assert remarks(at(60)) == []
    assert remarks(progress(state="ready")) == []
