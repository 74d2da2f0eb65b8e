"""What trials printed before their processes died: fetched from their nodes, and written before the records of their
deaths.

A record waits for the words of its trial, FETCH_S at most. Where they cannot be had, the log says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from raylab.core.fatal import fatal_error
from raylab.core.request import SweepRecord
from raylab.core.trial import trial_at
from raylab.core.trial_log import Log
from raylab.errors import told
from raylab.notebook.log_rows import LogRows, to_rows
from raylab.server.at_work import AtWork
from raylab.server.pool import Left

FETCH_S = 30.0
"""How long a node may take to say what lies there: a process for that takes it some seconds, more on a busy one."""


class Words(NamedTuple):
    """What is known of the last words of a process.

    Attributes:
        printed: how many bytes they are; None where nobody knows.
        remark: for the record of the death: what ended the process, as far as they tell, and where they are kept.
    """

    printed: int | None = None
    remark: str = ""


UNKNOWN: Final = Words()


class LastWords:
    """Those that are on their way.

    Args:
        fetch: what a process has left, in bytes and as text; raises what keeps it from being had.
        note: has a log written, before every row that comes after it.
    """

    def __init__(
        self, fetch: Callable[[Left], Awaitable[tuple[int, str]]], note: Callable[[AtWork, LogRows], None]
    ) -> None:
        self._fetch = fetch
        self._note = note
        self._coming: dict[tuple[str, int], asyncio.Task[Words]] = {}

    def ask(self, sweep: AtWork, left: Left) -> None:
        """A process has died with a trial: fetch what it printed."""
        task = asyncio.get_running_loop().create_task(self._noted(sweep, left))
        known = sweep.key, left.position
        self._coming[known] = task
        task.add_done_callback(lambda _: self._coming.pop(known, None))

    async def of(self, sweep: AtWork, position: int) -> Words:
        """What is known of a trial's words, once they are noted."""
        task = self._coming.get((sweep.key, position))
        return UNKNOWN if task is None else await asyncio.shield(task)

    async def _noted(self, sweep: AtWork, left: Left) -> Words:
        printed: int | None = None
        table = sweep.table
        try:
            printed, text = await asyncio.wait_for(self._fetch(left), FETCH_S)
        except Exception as error:
            text = f"[raylab: {_why(left, error)}]"
        if printed == 0:
            return Words(printed=0)
        log = await asyncio.to_thread(_log, sweep.record, left, printed, text)
        if sweep.table is table:
            self._note(sweep, to_rows([log]))
        return Words(printed, "" if printed is None else _remark(log))


def _why(left: Left, error: Exception) -> str:
    """Why nobody knows what was printed."""
    what = f"its process died on {left.host}, and what it printed there is lost:"
    if isinstance(error, TimeoutError):
        return f"{what} the node did not answer within {FETCH_S:.0f} s"
    if isinstance(error, FileNotFoundError):
        return f"{what} its file is gone"
    return f"{what} {told(error)}"


def _remark(log: Log) -> str:
    trial = f"{log.point}, {log.repeat}" if log.repeat else f"{log.point}"
    return "; ".join(filter(None, [fatal_error(log.text), f"sweep.log({trial}) has what it printed"]))


def _log(record: SweepRecord, left: Left, printed: int | None, text: str) -> Log:
    segment, trial = trial_at(record, left.position)
    return Log(
        point=segment.first_point + int(trial.points[0]),
        repeat=int(trial.repeats[0]),
        attempt=left.attempt,
        printed=printed,
        text=text,
    )
