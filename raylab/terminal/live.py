"""Draws a lab's board again and again: in place at a terminal, else as lines when they differ, or as JSON.

At a terminal it draws in a thread of its own as well, so that a lab that does not answer, and a terminal that gets
another size, are seen while the command waits for news. The last picture stays.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from rich.console import Console, Group
from rich.live import Live

from raylab.core.status import Status
from raylab.display.figures import duration, width
from raylab.terminal.as_json import print_line
from raylab.terminal.board import board
from raylab.terminal.screen import table

AGAIN_S = 0.5
"""How often it is looked whether the picture is still right."""

SILENT_S = 5.0
"""A lab that has said nothing for so long is away: it is asked to answer every two seconds, and is back from a restart
in less than that."""


class Shown(Protocol):
    """What shows sweeps."""

    patient: bool
    """Whether a lab that is away is waited for: somebody watches, and can end that."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, sweeps: Sequence[Status]) -> None:
        """The lab has said this."""


def shown(lab: str, *, json: bool) -> Shown:
    """What shows sweeps on stdout as it is."""
    if json:
        return JsonLines()
    console = Console(file=sys.stdout, markup=False, highlight=False, emoji=False)
    return Picture(lab, console) if console.is_terminal and not console.is_dumb_terminal else Lines(sys.stdout)


class Picture:
    """The board, drawn over itself.

    Args:
        lab: its name.
        console: where it is drawn.
    """

    patient = True

    def __init__(self, lab: str, console: Console) -> None:
        self._lab = lab
        self._console = console
        self._sweeps: Sequence[Status] = ()
        self._heard = time.monotonic()
        self._drawn: tuple[Any, ...] = ()  # what the picture was made of
        self._live = self._begin()
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="raylab-board", daemon=True)

    def _begin(self) -> Live:
        return Live(console=self._console, auto_refresh=False, redirect_stdout=False, vertical_overflow="crop")

    def __enter__(self) -> Self:
        self._live.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._live.stop()

    def show(self, sweeps: Sequence[Status]) -> None:
        """The lab has said this."""
        with self._lock:
            self._sweeps, self._heard = sweeps, time.monotonic()
            self._draw()

    def _look(self) -> None:
        while not self._over.wait(AGAIN_S):
            with self._lock:
                self._draw()

    def _draw(self) -> None:
        size, silent = self._console.size, time.monotonic() - self._heard
        away = f"{self._lab} does not answer since {duration(silent)}; it is asked again" if silent > SILENT_S else ""
        made_of = (size, away, list(self._sweeps))
        if made_of == self._drawn:
            return
        if self._drawn and size != self._drawn[0]:  # the terminal has moved the lines; nobody knows where to
            self._live.stop()
            self._console.clear()
            self._live = self._begin()
            self._live.start()
        self._drawn = made_of
        plain = self._console.options.ascii_only
        lines = board(self._lab, self._sweeps, size.width, size.height - 1, away=away, plain=plain)
        self._live.update(Group(*lines), refresh=True)


class _Printed:
    """What is printed once and stays."""

    patient = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is to be put back."""


class Lines(_Printed):
    """The table of `raylab status`, whenever it differs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last: list[str] = []

    def show(self, sweeps: Sequence[Status]) -> None:
        """The lab has said this."""
        lines = table(sweeps, width(self._stream))
        if lines != self._last:
            self._stream.write("\n".join(lines) + "\n")
            self._stream.flush()
        self._last = lines


class JsonLines(_Printed):
    """A line for each sweep that is not as it was: the object that `raylab status --json` has of it."""

    def __init__(self) -> None:
        self._last: dict[str, Status] = {}  # by folder

    def show(self, sweeps: Sequence[Status]) -> None:
        """The lab has said this."""
        for sweep in sweeps:
            if self._last.get(sweep.folder) != sweep:
                print_line(sweep.told())
        self._last = {sweep.folder: sweep for sweep in sweeps}
