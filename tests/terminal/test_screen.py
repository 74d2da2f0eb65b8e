"""Tables fit the terminal; the canvas is drawn over itself at a terminal only."""

from __future__ import annotations

import io
import unicodedata
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statuses import status

from raylab.client.speech import say
from raylab.core.causes import Cause, Failing, commonest
from raylab.core.status import Status
from raylab.display.figures import duration, percent, width
from raylab.terminal import screen
from raylab.terminal.export import show
from raylab.terminal.screen import cut, details, table

SINCE = 1_796_098_800_000_000
"""2026-12-01 04:20 UTC."""

NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)


def sweep(name: str = "coarse", **words: Any) -> Status:
    known = {"total": 2_000, "done": 500, "failed": 3, "waiting": 1_497, "eta_s": 90.0, "state": "running"}
    known |= {"submitted_us": SINCE}
    return status(name, **{**known, "first_error": "ValueError: bad 7", **words})


def test_a_table_says_how_far_and_what_failed() -> None:
    assert table([sweep()], 80) == [
        "SWEEP   READY     TRIALS  FAILED  RATE    ETA  PRIORITY  STATE    USER",
        "coarse  25.1%  503/2,000       3  17/s  2 min         0  running  ada",
        "  since 2026-12-01 04:20 UTC",
        "  3 failed, the first with ValueError: bad 7",
    ]


ODD = "no\x1b[2J\x07 fit\x9b1m\x7f\x08"
SHOWN = "no\ufffd[2J\ufffd fit\ufffd1m\ufffd\ufffd"


def test_no_control_character_of_an_error_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    row = {
        "count": 1,
        "type": "ValueError",
        "message": ODD,
        "where": "fit.py:3",
        "root": ODD,
        "_point": 0,
        "_repeat": 0,
        "example": ODD,
        "statuses": ["failed"],
        "rerun": "rerun",
        "_last_lines": f"a\tb\n{ODD}",
    }
    show(pl.DataFrame({"_error": [ODD]}), 80)
    say(ODD)
    printed, said = capsys.readouterr()
    one = sweep(first_error=f"ValueError: {ODD}", remark=ODD, causes=commonest([_failing(ODD), _failing("other")]))
    for shown, times in (
        ("\n".join(screen.causes([row], 80)), 4),
        ("\n".join(table([one], None)), 3),
        (printed, 1),
        (said, 1),
    ):
        assert shown.count(SHOWN) == times, shown
        assert not [c for c in shown if unicodedata.category(c) == "Cc" and c != "\n"]


def _failing(text: str) -> Failing:
    return Failing(cause=Cause("ValueError", text, "fit.py:3"), by_status={"failed": 1})


def causes(*counts: int) -> list[Failing]:
    """So many trials of each of some causes."""
    return [
        Failing(
            cause=Cause("ValueError", f"kind {'abcdef'[at]} " + "word " * 40, f"/home/ada/fit.py:{at}"),
            by_status={"failed": count},
        )
        for at, count in enumerate(counts)
    ]


def test_the_commonest_causes_stand_below_a_sweep_and_fit() -> None:
    shown = table([sweep(failed=9, causes=commonest(causes(4, 3, 1, 1)))], 80)
    assert shown[3] == "  9 failed, the first with ValueError: bad 7"
    assert shown[4].startswith("  4 × ValueError: kind a word")
    assert shown[-1].endswith(" …")
    assert max(map(len, shown)) <= 80
    assert len(shown) == 4 + 2
    shown = table([sweep(failed=9, causes=commonest(causes(4, 3, 1, 1)))], None)
    assert shown[-1].endswith("(fit.py:2), 1 other")


def test_a_reason_that_holds_the_first_error_says_it_once() -> None:
    shown = table([sweep(state="paused", reason="100 failed, the first with ValueError: bad 7")], None)
    assert shown[2:] == ["  100 failed, the first with ValueError: bad 7"]


def test_states_are_readable() -> None:
    shown = "\n".join(table([sweep(state=state) for state in ("infeasible", "disk_full", "locked")], None))
    assert "_" not in shown
    assert "waits for resources" in shown


def test_no_time_is_left_when_all_is_in() -> None:
    shown = table([sweep(done=2_000, failed=0, waiting=0, eta_s=0.0, state="ready")], None)[1]
    assert shown.split() == ["coarse", "100%", "2,000/2,000", "0", "0", "ready", "ada", "2026-12-01", "04:20"]


def test_what_was_given_up_is_said() -> None:
    shown = table([status("a", total=4, done=1, cancelled=3, state="cancelled")], None)
    assert (shown[1].split(), shown[2]) == (
        ["a", "100%", "1/1", "0", "0", "cancelled", "ada", "1970-01-01", "00:00"],
        "  3 cancelled",
    )


def test_no_sweeps() -> None:
    assert table([], 80) == ["no sweeps yet"]


@given(st.lists(NAMES, min_size=1, max_size=3), st.integers(40, 120), st.integers(0, 10**12))
def test_a_table_fits_from_40_columns_on(names: list[str], columns: int, total: int) -> None:
    rows = [sweep(name, total=total + 503, state="infeasible", reason="word " * 30) for name in names]
    shown = table(rows, columns)
    assert max(map(len, shown)) <= columns
    assert sum("waits for resources" in line for line in shown) == len(names), "the state is never cut"


def test_narrow_terminals_lose_counts_first_and_names_last() -> None:
    long = "a-sweep-with-a-rather-long-name"
    assert "TRIALS" in table([sweep(long)], 80)[0]
    assert "TRIALS" not in table([sweep(long)], 60)[0]
    assert table([sweep(long)], 60)[1].startswith(long)
    assert table([sweep(long)], 40)[1].startswith("a-sweep-with-a")


def test_nobody_is_told_that_all_is_in_before_it_is() -> None:
    assert percent(10**9 - 1, 10**9) == "99.9%"
    assert percent(1, 10**9) == "0.1%"
    assert percent(0, 0) == "100%"


def test_times_have_one_unit() -> None:
    assert [duration(s) for s in (59.4, 59.6, 3_569, 3_571, 48 * 3_600)] == [
        "59 s",
        "1 min",
        "59 min",
        "1.0 h",
        "2.0 d",
    ]


def test_lines_are_cut_to_fit() -> None:
    assert (cut("abcdef", 4), cut("abcd", 4), cut("abcdef", None)) == ("abc…", "abcd", "abcdef")


def test_a_file_has_no_width() -> None:
    assert width(io.StringIO()) is None


def test_what_is_not_as_usual_is_said_of_what_is_left() -> None:
    odd = {"priority": -2, "max_concurrency": 1_000, "max_failures": 0.05, "first_error": None}
    assert table([sweep(**odd)], None)[2:] == ["  at most 1,000 at once, pauses at 5% failed"]
    assert " ".join(" ".join(table([sweep(**odd)], 60)[2:]).split()) == (
        "of ada since 2026-12-01 04:20 UTC, priority -2, at most 1,000 at once, pauses at 5% failed"
    )
    assert table([sweep(done=2_000, failed=0, waiting=0, state="ready", **odd)], None)[2:] == []


def test_whose_it_is_since_when_and_where_it_runs_is_said_at_each_width() -> None:
    one = sweep(user="bob", nodes={"head": 2, "worker": 4}, priority=3, first_error=None)
    for columns in (40, 60, 80, 100, 200, None):
        shown = " ".join(" ".join(table([one], columns)).split())
        assert "bob" in shown
        assert "2026-12-01 04:20" in shown
        assert "worker (4), head (2)" in shown
        assert "PRIORITY" in shown or "priority 3" in shown
    assert "17/s" in " ".join(table([one], 80))


def test_the_details_of_a_sweep_fit_and_hold_no_escape() -> None:
    one = sweep(by_status={"done": 500, "crashed": 3}, nodes={"head": 2}, description=f"about {ODD} " + "word " * 30)
    shown = details(one, 60)
    assert max(map(len, shown)) <= 60
    assert "trials      500 done, 3 crashed, 1,497 waiting" in shown
    assert "\x1b" not in "".join(shown)


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**9), st.floats(1e-9, 0.999), st.integers(40, 80))
def test_it_fits_too(priority: int, most: int, share: float, columns: int) -> None:
    words = {"priority": priority, "max_concurrency": most, "max_failures": share, "waiting": 1_497}
    shown = table([sweep(**words), sweep(user="someone-else" * 9, **words)], columns)
    assert max(map(len, shown)) <= columns
