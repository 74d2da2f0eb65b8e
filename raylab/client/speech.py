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
from typing import Self

from raylab.core.harmless import harmless

SLOW_S = 2.0
"""After so long a person wonders whether anything happens."""

LONG_S = 10.0
"""After so long a person wonders whether it is still all right. Starting a lab takes 6 to 7 s on a quiet machine."""

NOTHING_CANCELLED = "interrupted; nothing was cancelled"
UNCHANGED = "nothing was cancelled or changed"


def line(text: str) -> str:
    """A text as one line to a person.

    Example:
        >>> line("one\\n   two")
        'raylab: one two'
    """
    return f"raylab: {harmless(' '.join(text.split()))}"


def say(text: str) -> None:
    """Say something in one line."""
    print(line(text), file=sys.stderr, flush=True)


class Meanwhile:
    """Says what is being done inside if it takes a while, and once more if it takes long.

    Args:
        text: what is being done.
        after: seconds after which to say it.
        long: seconds after which to say that it goes on.

    Example:
        >>> with Meanwhile("counting"):
        ...     pass
    """

    def __init__(self, text: str, *, after: float = SLOW_S, long: float = LONG_S) -> None:
        self._text, self._after, self._long = text, after, long
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="raylab-meanwhile", daemon=True)

    def _tell(self) -> None:
        if self._over.wait(self._after):
            return
        say(self._text)
        if not self._over.wait(self._long - self._after):
            say(f"still {self._text}; a busy machine takes a while")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()


_here = threading.local()
"""The outermost `Interruptible` of each thread."""


class Interruptible:
    """Ctrl-C inside says one line; KeyboardInterrupt goes on to the caller without the frames that led to it.

    They are Ray's and ours, pages of them in a notebook, and say nothing that the line does not. Of several around each
    other the outermost speaks: it knows what the person was waiting for.

    Args:
        tell: what to say, asked for when it happens.

    Example:
        >>> with Interruptible(lambda: NOTHING_CANCELLED):
        ...     pass
    """

    def __init__(self, tell: Callable[[], str]) -> None:
        self._tell = tell
        self._is_outermost = False

    def __enter__(self) -> Self:
        self._is_outermost = getattr(_here, "outermost", None) is None
        if self._is_outermost:
            _here.outermost = self
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        if self._is_outermost:
            _here.outermost = None
        if isinstance(error, KeyboardInterrupt):
            error.__traceback__ = error.__context__ = error.__cause__ = None
            if self._is_outermost:
                say(self._tell())
