"""The words of trials whose processes died: waited for, and where they cannot be had the log says why."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from sweeps import at_work

from raylab.core.trial_log import Log
from raylab.errors import LabUnavailable
from raylab.notebook.log_rows import LogRows, from_rows
from raylab.server import last_words
from raylab.server.at_work import AtWork
from raylab.server.last_words import UNKNOWN, LastWords
from raylab.server.pool import Left
from raylab.server.ray_pool import LOST


def left(position: int = 0) -> Left:
    return Left(position=position, attempt=3, node="ab12", host="far", log="/tmp/raylab-said-0/1-00.log")


class Heard:
    """What was noted."""

    def __init__(self, answer: Any) -> None:
        self.sweep = at_work("s")
        self.sweep.table = object()  # type: ignore[assignment]
        self.logs: list[Log] = []
        self.free = asyncio.Event()
        self.answer = answer
        self.words = LastWords(self._fetch, self._note)

    async def _fetch(self, asked: Left) -> tuple[int, str]:
        await self.free.wait()
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]

    def _note(self, sweep: AtWork, rows: LogRows) -> None:
        assert sweep is self.sweep
        self.logs += from_rows(rows)


@pytest.mark.parametrize(
    ("answer", "printed", "text"),
    [
        ((4, "text"), 4, "text"),
        ((0, ""), 0, None),
        (FileNotFoundError(2, "gone"), None, "its process died on far, and what it printed there is lost: its file is"),
        (LabUnavailable(LOST), None, "is lost: its node is gone]"),
        (RuntimeError("odd"), None, "is lost: RuntimeError: odd"),
    ],
)
def test_a_record_waits_for_the_words_of_its_trial(answer: Any, printed: int | None, text: str | None) -> None:
    async def story() -> None:
        heard = Heard(answer)
        heard.words.ask(heard.sweep, left(2))
        waiting = asyncio.create_task(heard.words.of(heard.sweep, 2))
        assert await heard.words.of(heard.sweep, 1) == UNKNOWN, "another trial waits for nothing"
        await asyncio.sleep(0)
        assert not waiting.done()
        heard.free.set()
        assert (await waiting).printed == printed
        assert [text is not None and text in log.text for log in heard.logs] == ([] if text is None else [True])
        assert [(log.attempt, log.printed) for log in heard.logs] == ([] if text is None else [(3, printed)])
        assert await heard.words.of(heard.sweep, 2) == UNKNOWN, "nothing is kept of it"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("answer", "remark"),
    [
        ((4, "text"), r"sweep\.log\(\d(, \d)?\) has what it printed"),
        ((30, "a\nFatal Python error: Aborted\n\nStack"), r"Fatal Python error: Aborted; sweep\.log\(.*\) has .*"),
        ((0, ""), ""),
        (LabUnavailable(LOST), ""),
    ],
)
def test_the_record_of_a_death_says_what_they_tell_and_where_they_are(answer: Any, remark: str) -> None:
    async def story() -> None:
        heard = Heard(answer)
        heard.free.set()
        heard.words.ask(heard.sweep, left(2))
        assert re.fullmatch(remark, (await heard.words.of(heard.sweep, 2)).remark)

    asyncio.run(story())


def test_a_node_that_does_not_answer_is_waited_for_no_longer_than_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        heard = Heard((4, "text"))
        heard.words.ask(heard.sweep, left())
        assert await heard.words.of(heard.sweep, 0) == UNKNOWN
        assert "did not answer" in heard.logs[0].text

    monkeypatch.setattr(last_words, "FETCH_S", 0.05)
    asyncio.run(story())


def test_a_sweep_that_was_taken_up_afresh_gets_no_words_of_the_past() -> None:
    async def story() -> None:
        heard = Heard((4, "text"))
        heard.words.ask(heard.sweep, left())
        waiting = asyncio.create_task(heard.words.of(heard.sweep, 0))
        await asyncio.sleep(0)
        heard.sweep.table = None
        heard.free.set()
        await waiting
        heard.sweep.table = object()  # type: ignore[assignment]
        assert heard.logs == []

    asyncio.run(story())
