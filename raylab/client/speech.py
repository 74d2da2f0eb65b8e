"""The one way to speak to the person at the keyboard: a plain line on stderr, `raylab: …`.

The rule:

- stdout is what was asked for. Only the command writes there, and only what its verb is for.
- What a person may want to know (a lab is new, a wait ended and why, something takes long) is one line of `say`.
- A Python warning is what the caller may want to filter, to count, or to turn into an error: remarks of `submit` on
  what was submitted. It points at the caller's line, so nothing else is one.
- What went wrong is raised as an error of `raylab.errors`; the command prints that as a line of the same kind.
- A reason is a sentence, whatever was the matter: `errors.told` makes one of any exception.
- The lab and its workers have nobody before them: they log.

Standard library only, because everything may speak.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

SLOW_S = 2.0
"""After so long a person wonders whether anything happens."""

NOTHING_CANCELLED = "interrupted; nothing was cancelled"


def line(text: str) -> str:
    """A text as one line to a person.

    Example:
        >>> line("one\\n   two")
        'raylab: one two'
    """
    return f"raylab: {' '.join(text.split())}"


def say(text: str) -> None:
    """Say something in one line."""
    print(line(text), file=sys.stderr, flush=True)


class Meanwhile:
    """Says something if what is done inside takes long.

    Args:
        text: what to say.
        after: seconds.

    Example:
        >>> with Meanwhile("counting"):
        ...     pass
    """

    def __init__(self, text: str, after: float = SLOW_S) -> None:
        self._timer = threading.Timer(after, say, [text])
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


class Interruptible:
    """Ctrl-C inside says one line; KeyboardInterrupt goes on to the caller without the frames that led to it.

    They are Ray's and ours, pages of them in a notebook, and say nothing that the line does not.

    Args:
        tell: what to say, asked for when it happens; None leaves that to the caller.

    Example:
        >>> with Interruptible(lambda: NOTHING_CANCELLED):
        ...     pass
    """

    def __init__(self, tell: Callable[[], str] | None = None) -> None:
        self._tell = tell

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            error.__traceback__ = error.__context__ = error.__cause__ = None
            if self._tell is not None:
                say(self._tell())
