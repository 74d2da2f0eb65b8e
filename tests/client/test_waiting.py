"""A wait ends when all is in, at its time, or when time does not help; and says why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from statuses import status

from raylab.client.waiting import Mark, Seen, deadline, frame_by_frame, is_over, wait
from raylab.core.causes import Cause, Failing, commonest
from raylab.core.handle import Handle, Which
from raylab.core.schedule import TROUBLES
from raylab.core.status import Status
from raylab.errors import LabFenced, LabUnavailable


class Story:
    """A lab that gives this news, one after the other."""

    name = "lab"

    def __init__(self, *news: list[Status] | BaseException) -> None:
        self._news = list(news)
        self.asked: list[Which] = []

    def news(self, sweep: Which, mark: Mark | None, left: float | None) -> tuple[Mark, list[Status]]:
        self.asked.append(sweep)
        found = self._news.pop(0)
        if isinstance(found, BaseException):
            raise found
        return (1, len(self.asked)), found


def sweep(**words: Any) -> Status:
    return status(**{"name": "a", "waiting": 3, "total": 3, "state": "running", "reason": "no y", **words})


DONE = status("a", done=3, total=3)


def test_a_wait_goes_on_until_all_is_in(capsys: pytest.CaptureFixture[str]) -> None:
    lab = Story([sweep()], [sweep(waiting=1, done=2)], [DONE])
    assert wait(lab, "a", None, False)
    assert lab.asked == ["a", *[[Handle("a", "sweeps/a")]] * 2], "that very sweep, whoever has its name next"
    assert capsys.readouterr() == ("", "")


def test_a_wait_for_all_sweeps_sees_new_ones() -> None:
    lab = Story([sweep()], [DONE, sweep(name="b")], [DONE, DONE])
    assert wait(lab, None, None, False)
    assert lab.asked == [None] * 3


def test_a_wait_ends_where_time_does_not_help_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert not wait(Story([sweep(state="paused", reason="all failed")]), "a", None, False)
    assert not wait(Story(LabFenced("it was taken over")), "a", None, False)
    assert capsys.readouterr().err == "raylab: a is paused: all failed\nraylab: it was taken over\n"


def test_a_wait_ends_at_its_time_also_if_the_lab_is_silent() -> None:
    assert not wait(Story([sweep()]), "a", 0.0, False)
    assert not wait(Story(LabUnavailable("no answer")), "a", 0.0, False)
    with pytest.raises(LabUnavailable, match="no answer"):
        wait(Story(LabUnavailable("no answer")), "a", None, False)
    with pytest.raises(ValueError, match="a number from 0 on, or None; got -1"):
        deadline(-1)


def test_who_watches_is_told_of_failures(capsys: pytest.CaptureFixture[str]) -> None:
    failed = status("a", done=2, failed=1, total=3, first_error="ValueError: 7 is odd")
    for shown in (False, True):
        assert wait(Story([failed]), "a", None, shown)
        said = "raylab: a: 1 of 3 trials failed, the first with ValueError: 7 is odd"
        assert (said in capsys.readouterr().err.splitlines()) == shown


def test_the_commonest_causes_are_named_where_there_are_several(capsys: pytest.CaptureFixture[str]) -> None:
    failing = [
        Failing(
            cause=Cause(kind, text, "/home/ada/fit.py:3" if kind else ""),
            by_status={status: count},
        )
        for kind, text, status, count in (
            ("ValueError", "no fit at #", "failed", 4),
            ("KeyError", "'x_#'", "failed", 1),
            ("", "its worker process died while it ran alone; the last time: its process ended", "crashed", 1),
        )
    ]

    def told(causes: list[Failing], failed: int) -> str:
        words = {"done": 2, "failed": failed, "total": 9, "first_error": "E: 7", "causes": commonest(causes)}
        assert wait(Story([status("a", **words)]), "a", None, True)
        return capsys.readouterr().err.splitlines()[-1]

    first = "raylab: a: {} of 9 trials failed, the first with E: 7"
    assert told(failing, 7) == first.format(7) + (
        "; 4 × ValueError: no fit at # (fit.py:3), 1 × KeyError: 'x_#' (fit.py:3), "
        "1 × crashed: its worker process died while it ran alone; the la…, 1 other"
    )
    assert told(failing[:1], 4) == first.format(4) + "; all alike"
    assert told(failing[1:2], 1) == first.format(1)
    assert told([], 3) == first.format(3)


def test_an_interrupted_wait_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        wait(Story([sweep(done=1, waiting=2)], KeyboardInterrupt()), "a", None, False)
    with pytest.raises(KeyboardInterrupt):
        wait(Story(KeyboardInterrupt()), "a", None, False)
    assert capsys.readouterr().err.splitlines() == [
        "raylab: interrupted; nothing was cancelled: of 'a' 1 of 3 trials are ready (33.3%)",
        "raylab: interrupted; nothing was cancelled",
    ]


def test_what_is_done_with_a_frame_is_nobodys_business(capsys: pytest.CaptureFixture[str]) -> None:
    def frames() -> Iterator[Any]:
        yield 1
        raise KeyboardInterrupt

    found = frame_by_frame(frames(), Seen("a"))
    assert next(found) == 1
    assert capsys.readouterr().err == ""
    with pytest.raises(KeyboardInterrupt):
        next(found)
    assert capsys.readouterr().err == "raylab: interrupted; nothing was cancelled\n"


def test_a_wait_ends_after_three_failures_of_an_environment_in_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert not is_over([sweep(troubles=TROUBLES - 1)], None)
    assert not is_over([sweep(troubles=TROUBLES), sweep(name="b")], None), "the other one goes on"
    assert not is_over([sweep(troubles=TROUBLES, running=1)], None)
    assert not is_over([sweep(state="infeasible")], None)
    assert not wait(Story([sweep(troubles=TROUBLES)]), "a", None, False)
    said = capsys.readouterr().err
    assert said.startswith("raylab: a stands still: no y (3 times in a row")
    assert said.count("\n") == 1
