"""The board fits any terminal and says what matters first; what strangers wrote is text; it is drawn in place."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import termios
from typing import Any

import pytest
from clusters import eventually
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, ConsoleDimensions
from statuses import status

from raylab.core.causes import Cause, Failing
from raylab.core.status import Status
from raylab.errors import LabUnavailable
from raylab.terminal import live, verbs_watch
from raylab.terminal.board import ORDER, board
from raylab.terminal.live import JsonLines, Lines, Picture, shown

CAUSES = (
    Failing(cause=Cause("ValueError", "bad value", "fit.py:3"), by_status={"failed": 3}),
    Failing(cause=Cause("KeyError", "x", "fit.py:9"), by_status={"failed": 2}),
)


def at_work(name: str = "coarse", **words: Any) -> Status:
    known = {"total": 2_000, "done": 500, "failed": 5, "running": 4, "waiting": 1_491, "eta_s": 120.0}
    known |= {"state": "running", "nodes": {"head": 3, "worker": 1}, "causes": CAUSES, "first_error": "ValueError: 7"}
    return status(name, **{**known, **words})


def lines(*sweeps: Status, columns: int = 80, height: int = 24, **words: Any) -> list[str]:
    return [line.plain for line in board("perc", sweeps, columns, height, **words)]


def test_it_says_how_far_how_fast_where_and_why_trials_failed() -> None:
    head, nodes, titles, row, causes = lines(at_work())
    assert head == "perc  1 of 1 sweep running, 505/2,000 trials ready (25.2%), 5 failed, 12/s, 2 min left"[:79] + "…"
    assert nodes == "4 trials at once on 2 nodes: head (3), worker (1)"
    assert titles.split()[:2] == ["SWEEP", "READY"]
    assert row.split()[0] == "coarse"
    assert row.split()[2:] == ["25.2%", "505/2,000", "5", "12/s", "2", "min", "0", "running"]
    assert causes == "  3 × ValueError: bad value (fit.py:3), 2 × KeyError: x (fit.py:9)"


def test_a_wide_terminal_says_user_priority_and_since_when_too() -> None:
    _, _, titles, row, _ = lines(at_work(user="bob", priority=3), columns=200)
    assert titles.split()[-5:] == ["PRIORITY", "STATE", "USER", "SINCE", "(UTC)"]
    assert row.split()[-5:] == ["3", "running", "bob", "1970-01-01", "00:00"]


def test_what_runs_stands_first_and_what_is_over_last() -> None:
    sweeps = [status(state, total=3, done=3, state=state) for state in reversed(ORDER)]
    assert [line.split()[0] for line in lines(*sweeps)[2:]] == [state.split()[0] for state in ORDER]


def test_sweeps_for_which_there_is_no_room_are_counted_by_state() -> None:
    many = [at_work(f"r{n}", causes=()) for n in range(5)] + [status(f"d{n}", total=1, done=1) for n in range(20)]
    found = lines(*many, height=12)
    assert len(found) == 12
    assert found[-1] == "… and 20 more sweeps: 20 ready" or "more sweeps: " in found[-1]
    hidden = int(found[-1].split()[2])
    assert hidden + sum(line.split()[0][0] in "rd" and "%" in line for line in found[3:-1]) == 25


@pytest.mark.parametrize(
    ("words", "bar"),
    [
        ({"total": 10, "done": 10}, "████████████"),
        ({"total": 10**6, "done": 10**6 - 1, "waiting": 1}, "███████████░"),
        ({"total": 10**6, "waiting": 10**6}, "░░░░░░░░░░░░"),
        ({"total": 10**6, "done": 1, "failed": 1, "running": 1, "waiting": 10**6 - 3}, "█▓▒░░░░░░░░░"),
        ({"total": 10**6, "done": 10**6 - 1, "failed": 1}, "███████████▓"),
        ({"total": 4, "cancelled": 4}, "░░░░░░░░░░░░"),
    ],
)
def test_whatever_there_is_of_a_part_is_seen_and_a_bar_is_full_when_all_is_in(words: dict[str, int], bar: str) -> None:
    row = lines(status("s", state="running", **words), columns=60, height=9)[2]
    found = row.split()[1]
    assert set(found) == set(bar)
    assert list(dict.fromkeys(found)) == list(dict.fromkeys(bar))


def test_signs_of_ascii_do_where_there_are_no_others() -> None:
    row = lines(at_work(), plain=True)[3]
    assert row.isascii()
    assert {*row.split()[1]} == {"#", "x", "+", "."}


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(NAMES, st.sampled_from(ORDER), NAMES), max_size=6, unique_by=lambda each: each[0]),
    st.integers(20, 220),
    st.integers(4, 40),
)
def test_it_fits_every_terminal_whatever_strangers_wrote(
    sweeps: list[tuple[str, Any, str]], columns: int, height: int
) -> None:
    found = board(
        "perc",
        [at_work(name, state=state, first_error=words, reason=words) for name, state, words in sweeps],
        columns,
        height,
        away="perc does not answer since 12 s",
    )
    console = Console(file=io.StringIO(), width=columns, color_system=None, markup=False, emoji=False)
    assert len(found) <= height
    for line in found:
        assert cell_len(line.plain) <= columns
        assert not {"\x1b", "\x9b", "\x07"} & {*line.plain}
        with console.capture() as capture:
            console.print(line)
        assert capture.get().count("\n") == 1 + line.plain.count("\n")


def test_markup_in_a_name_or_an_error_is_text() -> None:
    found = "\n".join(lines(at_work("[red]x[/]", causes=(), first_error="OSError: [bold]no[/bold] :smile:")))
    assert "[red]x[/]" in found
    assert "[bold]no[/bold] :smile:" in found


# -- drawn again and again


class Screen:
    """A terminal of some size, and all that was written to it."""

    def __init__(self, rows: int, columns: int) -> None:
        self.reader, self.writer = pty.openpty()
        self.resize(rows, columns)
        os.set_blocking(self.reader, False)
        self.file = open(self.writer, "w", closefd=False)  # noqa: SIM115 - a descriptor, not a path
        self.shown = ""

    def resize(self, rows: int, columns: int) -> None:
        termios.tcsetwinsize(self.writer, (rows, columns))

    def has(self, text: str) -> bool:
        with contextlib.suppress(BlockingIOError):
            self.shown += os.read(self.reader, 100_000).decode()
        return text in self.shown

    def close(self) -> None:
        self.file.close()
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    found = Screen(24, 80)
    yield found
    found.close()


class Sized(Console):
    """rich asks for the size of what the process writes to; this is another terminal."""

    @property
    def size(self) -> ConsoleDimensions:  # type: ignore[override]
        return ConsoleDimensions(*os.get_terminal_size(self.file.fileno()))


def console_of(screen: Screen) -> Console:
    return Sized(file=screen.file, force_terminal=True, markup=False, highlight=False, emoji=False)


def test_it_is_drawn_over_itself_and_the_last_picture_stays(screen: Screen) -> None:
    with Picture("perc", console_of(screen)) as picture:
        picture.show([at_work()])
        eventually(lambda: screen.has("25.2%"))
        picture.show([at_work(done=1_000, waiting=991)])
        eventually(lambda: screen.has("50.2%"))
    screen.file.flush()
    assert "\x1b[1A" in screen.shown, "the cursor went back"
    assert "\x1b[?1049h" not in screen.shown, "no other screen: the picture stays"


def test_another_size_is_another_picture_without_news(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SILENT_S", float("inf"))
    with Picture("perc", console_of(screen)) as picture:
        picture.show([at_work(user="a-user")])
        eventually(lambda: screen.has("STATE"))
        assert not screen.has("a-user")
        screen.resize(50, 200)
        eventually(lambda: screen.has("a-user"))


def test_a_lab_that_does_not_answer_is_said_to_be_away(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SILENT_S", 0.0)
    with Picture("perc", console_of(screen)) as picture:
        picture.show([at_work()])
        eventually(lambda: screen.has("perc does not answer since"))


def test_no_colour_where_none_is_wanted(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    with Picture("perc", console_of(screen)) as picture:
        picture.show([at_work()])
        eventually(lambda: screen.has("25.2%"))
    assert "\x1b[32m" not in screen.shown
    assert "\x1b[31m" not in screen.shown


def test_off_a_terminal_the_table_is_printed_when_it_differs() -> None:
    stream = io.StringIO()
    printed = Lines(stream)
    for sweep in (at_work(), at_work(), at_work(done=1_000)):
        printed.show([sweep])
    assert stream.getvalue().count("SWEEP") == 2


def test_json_is_a_line_for_each_sweep_that_is_not_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    printed = JsonLines()
    printed.show([at_work("a"), at_work("b", eta_s=None)])
    printed.show([at_work("a"), at_work("b", done=1_000)])
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["name"], each["done"]) for each in told] == [("a", 500), ("b", 500), ("b", 1_000)]
    assert told[0]["nodes"] == [{"node": "head", "running": 3}, {"node": "worker", "running": 1}]
    assert told[1]["rate"] is None


def test_what_is_no_terminal_or_a_dumb_one_gets_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert isinstance(shown("perc", json=False), Lines)
    assert isinstance(shown("perc", json=True), JsonLines)


class Restarting:
    """A lab that answers, is away, and answers again."""

    name, at_work = "perc", True

    def __init__(self, *answers: Status | Exception) -> None:
        self.answers = list(answers)

    def news(self, *_: Any) -> tuple[tuple[int, int], list[Status]]:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return (1, len(self.answers)), [answer]


@pytest.mark.parametrize("patient", [True, False])
def test_who_watches_sees_the_lab_come_back_and_a_script_is_told(
    patient: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs_watch, "AGAIN_S", 0.0)
    seen: list[int] = []
    picture = Lines(io.StringIO())
    picture.patient = patient  # type: ignore[misc]
    monkeypatch.setattr(picture, "show", lambda sweeps: seen.append(sweeps[0].done))
    last = status("coarse", total=10, done=10)
    lab: Any = Restarting(at_work(), LabUnavailable("no answer"), last)
    if patient:
        assert verbs_watch._follow(lab, None, picture) == 0
        assert seen == [500, 10]
    else:
        with pytest.raises(LabUnavailable):
            verbs_watch._follow(lab, None, picture)
