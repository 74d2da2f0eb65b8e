"""A plot of a sweep in a cell's output, drawn again as rows come in.

Promises: it reads each row once, however often it is drawn, and it draws for a small share of the time, however many
rows there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from raylab.client.kernel import Output
from raylab.core.handle import Handle
from raylab.core.status import Progress
from raylab.display.plots import picture
from raylab.display.subject import Subject
from raylab.notebook.file import Loaded

SHARE = 0.2
"""Of the time, at most, it draws: the kernel has other things to do, and the front end, too."""


class Find(Protocol):
    """Gives what a plot is of; of the rows only those are read that are not known."""

    def __call__(self, sweep: Handle, known: Sequence[Loaded]) -> Subject: ...


class LivePlot:
    """The plot of one sweep, in a place of its own below the card.

    Args:
        sweep: which.
        find: gives what is drawn.
        clock: seconds that pass.
    """

    def __init__(self, sweep: Handle, find: Find, clock: Callable[[], float] = time.monotonic) -> None:

        self._sweep = sweep
        self._find = find
        self._clock = clock
        self._output = Output()
        self._known: Sequence[Loaded] = ()
        self._drawn: tuple[int, str] | None = None  # how many rows, in which state
        self._next = clock()

    def draw(self, now: Progress, is_last: bool = False) -> None:
        """Show what is in, if that is more than what is shown.

        Args:
            now: how far the sweep is.
            is_last: whether nobody draws it again.
        """
        begun = self._clock()
        if self._drawn == (now.rows, now.state) or (begun < self._next and not is_last):
            return
        subject = self._find(self._sweep, self._known)
        self._known = subject.files
        self._output.show(*picture(subject)._repr_mimebundle_())
        self._drawn = (now.rows, now.state)
        self._next = begun + (self._clock() - begun) / SHARE
