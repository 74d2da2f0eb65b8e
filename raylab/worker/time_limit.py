"""The time limit of a trial: first an exception in the middle of it, and if that does not help the end of its process.

An alarm of the system raises in the trial's own code, which costs half a microsecond to set. Code that never comes
back to Python (a loop in C, a lock that is never released) does not see it, and code may swallow it; so a second clock,
a thread of the interpreter's own that needs no lock of Python's, ends the process GRACE_S later. Setting that one costs
50 microseconds, so it is set afresh only now and then and may ring REARM_S early. The process cannot say any more why
it ended; the ledger tells by how long it lived.

Both are the process's: there is one alarm, and trials run in the main thread.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
from collections.abc import Callable
from functools import cache, partial
from time import monotonic
from types import FrameType
from typing import Any, TextIO

from raylab.core.schedule import GRACE_S
from raylab.worker.outcome import Outcome, failure

REARM_S = 0.2
"""How long the clock that ends the process stays as it was set."""


class TimeLimit(BaseException):
    """A trial took longer than it may. No Exception, so that a trial's own `except Exception` lets it pass."""


class _Clock:
    """The alarm of this process."""

    set = False  # while a trial runs; only then the alarm raises
    rang = False
    limit = 0.0


def rang() -> bool:
    """Whether the trial that runs now has taken too long: what it raises is no failure of its own."""
    return _Clock.rang


class Alarm:
    """Ends trials that take longer than `limit` seconds; None for no limit.

    Args:
        limit: what one trial may take.
        ending: tells whether the process is being ended from outside; then what a trial raises must pass.
        tried: what else is said of a trial that took too long.
        file: the descriptor that gets the stack of a process that is ended; None for no such place.

    Example:
        >>> import time
        >>> alarm = Alarm(0.01)
        >>> alarm.around(time.sleep)(5).error
        'it took longer than its time limit of 0.01 s'
        >>> alarm.around(len)("in time")
        7
        >>> alarm.rest()
    """

    def __init__(
        self,
        limit: float | None,
        ending: Callable[[], bool] = lambda: False,
        tried: str = "",
        file: int | None = None,
    ) -> None:
        # Signals reach the main thread only; tasks of Ray run there.
        self.limit = limit if threading.current_thread() is threading.main_thread() else None
        self._ending = ending
        self._tried = tried
        self._file = file
        self._deadly_since: float | None = None

    def around(self, trial: Callable[..., Any]) -> Callable[..., Any]:
        """The same function with the limit: what it returns, or the outcome of one that took too long."""
        return trial if self.limit is None else partial(self._watch, self.limit, trial)

    def rest(self) -> None:
        """No trial runs for now, so nothing may end the process."""
        if self._deadly_since is not None:
            faulthandler.cancel_dump_traceback_later()
            self._deadly_since = None

    def _watch(self, limit: float, trial: Callable[..., Any], *args: Any) -> Any:
        self._arm_deadly(limit)
        try:
            try:
                _arm(limit)
                made = trial(*args)
            finally:
                # The flag first: an alarm that rings from here on finds it down, and does nothing.
                _Clock.set = False
                signal.setitimer(signal.ITIMER_REAL, 0)
        except BaseException as error:
            if not _Clock.rang or self._ending():
                raise
            return self._timed_out(limit, failure(error).traceback)
        else:  # a trial may swallow the exception, or be deaf to it until it is ready
            return self._timed_out(limit, None) if _Clock.rang else made
        finally:
            _Clock.rang = False

    def _timed_out(self, limit: float, traceback: str | None) -> Outcome:
        error = f"it took longer than its time limit of {limit:g} s{self._tried}"
        return Outcome(status="timed_out", error=error, traceback=traceback)

    def _arm_deadly(self, limit: float) -> None:
        now = monotonic()
        if self._deadly_since is None or now - self._deadly_since > REARM_S:
            place = _nowhere() if self._file is None else self._file
            faulthandler.dump_traceback_later(limit + GRACE_S, exit=True, file=place)
            self._deadly_since = now


def _arm(limit: float) -> None:
    _Clock.limit, _Clock.set = limit, True
    signal.signal(signal.SIGALRM, _ring)  # each time: a trial may have taken the signal for itself
    signal.setitimer(signal.ITIMER_REAL, limit)


def _ring(number: int, frame: FrameType | None) -> None:
    if _Clock.set:
        _Clock.rang = True
        raise TimeLimit(f"longer than {_Clock.limit:g} s")


@cache
def _nowhere() -> TextIO:
    """Where the second clock's traceback goes if no log takes it: nobody could tell which trial it is of."""
    return open(os.devnull, "w")  # noqa: PTH123  (for the life of the process)
