"""Watching sweeps: a card in a cell's output that is drawn again, elsewhere a bar, until they end or somebody has seen
enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from raylab.client.glance import drawn
from raylab.client.kernel import Output, in_kernel
from raylab.client.live_plot import LivePlot
from raylab.client.speech import Interruptible, say
from raylab.client.waiting import Newsgiver, Seen, deadline, follow, stages
from raylab.core.handle import Which, handles
from raylab.core.status import Progress, Status
from raylab.display.cards import Card, Look
from raylab.errors import LabFenced, LabUnavailable, SweepNotFound

NO_CELL = "plot=True draws in a notebook's cell; here is the bar alone, and sweep.plot().save('plot.svg') makes a file"


def watch(lab: Newsgiver, sweep: Which, timeout: float | None, plot: LivePlot | None = None) -> None:
    """Watch a sweep, several or all of them, one perhaps with a plot. See `Sweep.watch`."""
    until = deadline(timeout)
    named = handles(sweep)
    seen = Seen(lab.name if named is None else ", ".join(each.name for each in named))
    looks = stages(lab, sweep, until)
    with suppress(KeyboardInterrupt), Interruptible(seen.interrupted):
        try:
            if in_kernel():
                _draw(looks, seen, Canvas(drawn(lab.name, sweep)), plot)
            else:
                if plot is not None:
                    say(NO_CELL)
                follow(looks, seen, True)
        except (LabFenced, LabUnavailable, SweepNotFound) as error:
            if seen.progress is None:
                raise
            say(str(error))  # what was watched is not there any more: that is what there is to see


def _draw(looks: Iterator[list[Status]], seen: Seen, canvas: Canvas, plot: LivePlot | None) -> None:
    with canvas:
        for found in looks:
            seen.progress = Progress.of(found)
            canvas.draw(found)
            if plot is not None:
                plot.draw(seen.progress)
        if plot is not None and seen.progress is not None:
            plot.draw(seen.progress, is_last=True)


class Canvas:
    """A card in a cell's output. At the end it says of when it is, since nobody draws it again."""

    def __init__(self, drawn: Callable[[Sequence[Status], Look], Card]) -> None:
        self._drawn = drawn
        self._output = Output()
        self._last: Sequence[Status] = ()
        self._at = datetime.now(UTC)

    def draw(self, found: Sequence[Status]) -> None:
        """Show how far they are now."""
        self._last, self._at = found, datetime.now(UTC)
        self._show(live=True)

    def _show(self, live: bool) -> None:
        self._output.show(self._drawn(self._last, Look(at=self._at, live=live)).bundle())

    def __enter__(self) -> Canvas:
        return self

    def __exit__(self, *_: object) -> None:
        if self._last:
            self._show(live=False)
