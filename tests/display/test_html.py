"""Templates: whatever a stranger wrote is text in them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from asked import submitted, sweeps
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from raylab.core.causes import Cause, Failing
from raylab.core.status import Counts, Status, recorded, status
from raylab.display import html
from raylab.display.html import moment, shares

NASTY = "<script>alert('x')</script>\x1b[2J\u202e"


@pytest.fixture
def sweep() -> Status:
    record = sweeps(submitted("trial"))["trial"]
    counts = recorded(record, 3, {"done": 2, "failed": 1})
    causes = [Failing(cause=Cause(NASTY, NASTY, NASTY, NASTY), by_status={"failed": 1})]
    return status(record, counts, "paused", NASTY, rows=3, first_error=NASTY, causes=causes)


def piece(call: str, **given: object) -> str:
    source = "{% from 'pieces.html' import bar, state, sweeps, causes %}{{ " + call + " }}"
    return html._environment().from_string(source).render(**given)


def test_text_of_strangers_is_text(sweep: Status) -> None:
    named = replace(sweep, name=NASTY)
    said = piece("sweeps(found)", found=[named]) + piece("causes(rows)", rows=[each.told() for each in named.causes])
    assert "<script" not in said
    assert "\x1b" not in said
    assert said.count("&lt;script&gt;") == 6


def test_what_is_markup_stays_so() -> None:
    assert html._environment().from_string("{{ a }}{{ b }}{{ c }}").render(a=Markup("<b>"), b="<b>", c=None) == (
        "<b>&lt;b&gt;"
    )


def test_a_bar_has_the_share_of_each_part(sweep: Status) -> None:
    assert shares(sweep) == [("done", 33.33), ("failed", 16.67), ("running", 0.0)]
    assert 'aria-label="50.0% ready"' in piece("bar(sweep)", sweep=sweep)


@settings(max_examples=50)
@given(*[st.integers(0, 10**7)] * 4)
def test_a_bar_shows_all_that_is_there_and_no_more_than_all(done: int, failed: int, running: int, waiting: int) -> None:
    counts = Counts(
        total=done + failed + running + waiting,
        done=done,
        failed=failed,
        cancelled=0,
        running=running,
        waiting=waiting,
        retrying=0,
        by_status={},
        eta_s=None,
    )
    found = dict(shares(counts))
    assert sum(found.values()) <= 100.02
    assert all(bool(size) == bool(getattr(counts, name)) for name, size in found.items())


def test_moments_are_in_utc() -> None:
    assert moment(1_700_000_000_000_000) == "2023-11-14 22:13 UTC"
    assert moment(None) == ""
