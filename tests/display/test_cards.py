"""Cards of a cell: all that there is to say, nobody's markup, no network, no script, whatever there is."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
import pytest
from statuses import progress, status

import raylab
from raylab import Factorial, LatinHypercube, Points, Random, Sobol
from raylab.core.causes import Cause, Failing
from raylab.core.status import Progress, Status
from raylab.display.cards import MOST_PARAMETERS, MOST_SWEEPS, Card, Look, chosen, of_lab, of_silence, of_sweep

LOOK = Look(at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
EVIL = "<script>alert(1)</script>\x1b[2J&amp;\u202e 中"
STATES = ("fenced", "running", "disk_full", "infeasible", "paused", "at rest", "cancelled", "ready", "locked")


class Elements(HTMLParser):
    """Which elements there are, and whether each is closed; the text beside the styles."""

    def __init__(self, card: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(card)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += attrs
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())


def checked(card: Card) -> str:
    """The text of its HTML, once it is known to be harmless."""
    found = Elements(card.html)
    assert found.names <= {
        *("div", "span", "strong", "bdi", "style", "p", "b", "code", "pre", "ol", "li"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    assert {name for name, _ in found.attributes} <= {"class", "style", "role", "aria-label", "scope", "colspan"}
    assert not re.search(r"https?:|url\(|@import|//[a-z]", card.html)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", card.html + card.text)
    assert set(card.bundle()) == {"text/plain", "text/html"}
    return found.text


def test_a_running_sweep_says_all_there_is_to_know() -> None:
    failing = Failing(cause=Cause("ValueError", "no fit at #", "fit.py:3"), by_status={"failed": 30})
    sweep = status(
        "coarse",
        total=3_000,
        done=1_200,
        failed=34,
        running=8,
        waiting=1_748,
        cancelled=10,
        retrying=2,
        state="running",
        eta_s=120.0,
        user="ada",
        causes=(failing,),
        first_error="ValueError: 1",
        design="Factorial(p=0 to 1)",
        repeats=20,
        nodes={"a": 6, "b": 2},
        description="where?",
        submitted_us=1_700_000_000_000_000,
    )
    card = of_sweep(sweep, "percolation", LOOK)
    shown = checked(card)
    both = [
        *("coarse", "percolation", "running", "41.3%", "1,234 of 2,990 trials", "15/s", "about 2 min left"),
        *("1,200 done", "34 failed", "8 running", "1,748 waiting", "10 cancelled", "on a (6), b (2)", "where?"),
        *("ValueError: no fit at #", "fit.py:3", "Factorial(p=0 to 1), 20 repeats", "ada", "2023-11-14 22:13 UTC"),
    ]
    assert [word for word in both if word not in shown] == []
    assert [word for word in both if word not in card.text] == []
    assert "30 ×" in shown
    assert "4 failed for other reasons" in shown
    assert "4 others" in card.text
    assert "03:04:05 UTC" in shown
    assert tuple(re.findall(r"width:4[\d.]+%|width:1[\d.]+%", card.html)) == ("width:40.13%", "width:1.14%")


@pytest.mark.parametrize("state", STATES)
def test_each_state_is_said_with_its_reason(state: str) -> None:
    sweep = status(state=state, reason="because of it", total=2, waiting=2)
    card = of_sweep(sweep, "lab", LOOK)
    assert "because of it" in checked(card)
    assert "because of it" in card.text
    word = {"infeasible": "waits for resources", "disk_full": "disk full", "fenced": "taken over"}.get(state, state)
    assert word in checked(card)
    assert word in card.text
    assert word in checked(of_lab("lab", "", [sweep], LOOK))


def test_what_strangers_wrote_is_text() -> None:
    failing = Failing(cause=Cause(EVIL, EVIL, EVIL, EVIL), by_status={"failed": 1, EVIL: 1})
    words = dict.fromkeys(("user", "design", "description", "reason", "first_error", "remark"), EVIL)
    sweep = status(EVIL, total=2, failed=2, causes=(failing,), nodes={EVIL: 1}, **words)
    for card in (of_sweep(sweep, EVIL, LOOK), of_lab(EVIL, EVIL, [sweep], LOOK), of_silence(EVIL, EVIL)):
        assert "<script>alert(1)</script>\ufffd[2J&amp;" in checked(card)
        assert html.escape("<script>") in card.html
    assert len(of_silence(EVIL, "one\ntwo").text.splitlines()) == 1


@pytest.mark.parametrize("total", [0, 1, 10_000_000])
def test_counts_of_none_and_of_many(total: int) -> None:
    now = progress(total=total, waiting=total, state="running", eta_s=None)
    assert f"0 of {total:,} trial" in checked(now._card())
    done = progress(total=total, done=total)
    assert f"100% {total:,} of {total:,} trial" in checked(done._card())
    assert "100%" in done._repr_mimebundle_()["text/plain"]
    nearly = progress(total=10_000_001, done=10_000_000, waiting=1)
    assert "99.9%" in checked(nearly._card())
    assert "█" * 32 not in nearly._repr_mimebundle_()["text/plain"]


def test_how_trials_failed_is_told_apart() -> None:
    now = progress(total=9, done=5, failed=4, by_status={"done": 5, "failed": 1, "crashed": 2, "timed_out": 1})
    for text in (checked(now._card()), now._card().text):
        assert "2 crashed, 1 timed out" in text


def test_a_lab_without_sweeps_and_one_of_a_thousand() -> None:
    assert "no sweeps yet" in checked(of_lab("lab", "/labs/lab", [], LOOK))
    assert "2 archived" in checked(of_lab("lab", "/labs/lab", [], LOOK, hidden=2))
    sweeps = [status(f"sweep-{number}", total=1, done=1) for number in range(1_000)]
    sweeps[3] = status("at-work", total=1, waiting=1, state="running")
    card = of_lab("lab", "/labs/lab", sweeps, LOOK)
    shown = checked(card)
    for text in (shown, card.text):
        assert "at-work" in text
        assert "sweep-999" in text
        assert "sweep-4 " not in text
        assert "980 more in sweeps()" in text
        assert "/labs/lab" in text
    assert len(card.html) < 40_000


def test_those_at_work_are_shown_before_the_newest_and_as_they_were_submitted() -> None:
    sweeps: list[Status] = [status(str(at), total=1, waiting=at % 2, done=1 - at % 2) for at in range(6)]
    assert [each.name for each in chosen(sweeps, 4)] == ["1", "3", "4", "5"]
    assert chosen(sweeps, MOST_SWEEPS) == sweeps


DESIGNS = [
    Factorial(p=np.linspace(0, 1, 101), L=[64, 128]),
    Factorial({EVIL.replace("\x1b", ""): ["a" * 500, EVIL, "ü"]}),
    Factorial({f"x{number}": range(1_000) for number in range(3)}),  # 10^9 points
    Factorial({f"x{number}": [1, 2] for number in range(40)}),
    Points([{"a": 1}, {"b": None}]),
    Points(x=[1.5]),
    Sobol(64, x=(0, 1)),
    Sobol(64, x=(0, 1)).seeded(1),
    LatinHypercube(10, x=raylab.integers(0, 9)).seeded(1),
    Random(10, x=raylab.choice(["<b>", 2])).seeded(1),
    Factorial(x=[1, 2]) * {"q": ["a", "b"]} + Points([{"x": 9, "q": "z"}]),
    Factorial(t=[datetime(2026, 1, 1, tzinfo=UTC), (1, 2), None, b"\x00"]),
]


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: type(design).__name__)
def test_each_design_shows_its_parameters_and_its_first_points(design: raylab.Design) -> None:
    card = design._card()
    shown = checked(card)
    assert card.text == str(design)
    assert f"{design.size:,} point" in shown
    assert type(design).__name__ in shown
    for name in design.parameters:
        assert " ".join(name.split()) in shown
    if design.is_seeded:
        assert "the first points" in shown or "the points" in shown
        assert "<tbody>" in card.html
    if len(design.parameters) > MOST_PARAMETERS:
        assert f"{len(design.parameters) - MOST_PARAMETERS} parameters more" in shown


def test_a_card_is_drawn_in_the_theme_of_its_page_and_moves_nothing_beside_it() -> None:
    """Each rule holds inside of a card, and the colours are those of the page's theme, else the system's."""
    card = of_progress_of_nothing()
    (styles,) = re.findall(r"<style>(.*?)</style>", card, re.S)
    plain = re.sub(r"/\*.*?\*/|@keyframes \S+ \{.*?\} \}|@(media|container) [^{]*", "", styles, flags=re.S)
    selectors = [each.strip() for rule in re.findall(r"([^{}]+)\{", plain) for each in rule.split(",")]
    assert [each for each in selectors if each and ".raylab" not in each] == []
    for theme in ('[data-jp-theme-light="false"]', ".vscode-dark", 'html[theme="dark"]'):
        assert f"{theme} .raylab" in styles


def of_progress_of_nothing() -> str:
    return Progress.of([])._repr_html_()
