"""Plots of a sweep: what `plot` is, of a `Sweep` and of a `Notebook`. Each is an Altair chart.

Altair is loaded with the first chart, not with this module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raylab.core.shown import plural
from raylab.core.status import Progress
from raylab.display.choosing import Choice, Columns, Mark, Words, choose
from raylab.display.durations import durations as found_durations
from raylab.display.figures import STATES, percent
from raylab.display.plot_columns import Rows, columns_of
from raylab.display.plot_means import maps, means
from raylab.display.plot_trials import distribution, shares, trials
from raylab.display.subject import Subject
from raylab.display.timeline import timeline as found_timeline

ROWS: dict[Mark, Callable[[Subject, Choice, Columns], Rows]] = {
    "means": means,
    "map": maps,
    "trials": trials,
    "shares": shares,
    "distribution": distribution,
}
"""What gives the rows of each kind of plot."""


def picture(
    subject: Subject, x: str | None = None, y: Words = None, color: str | None = None, facet: str | None = None
) -> Any:
    """A sweep's results as a chart; see `SweepPlots`."""
    from raylab.display.drawing import draw

    there = columns_of(subject)
    choice = choose(there, x, y, color, facet)
    rows = ROWS[choice.mark](subject, choice, there)
    return draw(rows, subject.record.name, [headline(subject.progress), *rows.remarks])


def timeline(subject: Subject) -> Any:
    """When a sweep's trials ran, as a chart; see `SweepPlots.timeline`."""
    from raylab.display.drawn_times import draw_timeline

    found = found_timeline(subject)
    return draw_timeline(found, subject.record.name, [headline(subject.progress), *found.remarks])


def durations(subject: Subject) -> Any:
    """How long a sweep's trials took, as a chart; see `SweepPlots.durations`."""
    from raylab.display.drawn_times import draw_durations

    found = found_durations(subject)
    return draw_durations(found, subject.record.name, [headline(subject.progress), *found.remarks])


def headline(progress: Progress) -> str:
    """How much of a sweep is in, in a sentence.

    Example:
        >>> from raylab.core.status import Progress
        >>> headline(Progress.of([]))
        '100% of 0 trials are in'
    """
    is_one = progress.asked == 1
    said = (
        f"{percent(progress.ready, progress.asked)} of {plural(progress.asked, 'trial')} {'is' if is_one else 'are'} in"
    )
    failed = f", {progress.failed:,} failed" if progress.failed else ""
    cancelled = f", {progress.cancelled:,} more were cancelled" if progress.cancelled else ""
    state = "" if progress.state in ("running", "ready") else f"; {STATES.get(progress.state, progress.state)}"
    return f"{said}{failed}{cancelled}{state}"


class SweepPlots:
    """The sweep as a picture: an Altair chart, to be shown, saved, and edited further. Needs altair and vl-convert:
    `pip install 'raylab[plot]'`.

    Without arguments it shows the first result that is a number: over one parameter its means, with 95% intervals over
    repeats, and points where there are none; over two parameters of numbers a map by colour (lines by colour, where one
    of them has a few levels only); further parameters by colour and in panels. Of a design without axes it shows how
    the result is distributed. A result that is no number is shown as the shares of its values. What failed is marked by
    a cross. Axes of levels in equal ratios are logarithmic, units are those of `submit(units=)`, and the subtitle says
    how much is in. Over 5,000 points are summarised first, and the subtitle says how.

    A notebook shows the chart without a network, as does a page that `save("plot.html")` writes; `save` takes `.png`,
    `.svg` and `.pdf`, too. `chart.data` are the rows that are drawn.

    Args:
        x: a parameter; or a result, for a point for each trial.
        y: a result, or several, each with a panel; numbers in dicts by names with dots; or a parameter, for a map over
            two of them. A column of metadata is taken as well (`_elapsed_s`).
        color: a parameter; or a result, for a map or for points by its value.
        facet: a parameter, of which each level has a panel.

    Returns:
        An altair chart: `Chart`, `LayerChart` or `FacetChart`.

    Raises:
        ValueError: there is no such parameter or result, or it cannot stand there; the message says what there is.
        ModuleNotFoundError: altair, vl-convert or scipy is not installed; the message says what to install.

    Example:
        >>> sweep = raylab.Lab("percolation").sweep("coarse")                     # doctest: +SKIP
        >>> sweep.plot().properties(title="Site percolation").save("coarse.svg")  # doctest: +SKIP
    """

    def __init__(self, find: Callable[[], Subject] | None = None) -> None:
        self._find = find

    def __get__(self, sweep: Any, kind: Any = None) -> SweepPlots:
        return self if sweep is None else SweepPlots(sweep._subject)

    def __set__(self, sweep: Any, value: Any) -> None:
        raise AttributeError("plot of a sweep cannot be set")

    def __call__(
        self, x: str | None = None, y: Words = None, color: str | None = None, facet: str | None = None
    ) -> Any:
        return picture(self._subject(), x, y, color, facet)

    def timeline(self) -> Any:
        """Who ran what when: a lane for each process, by node, a bar for each time that a trial ran, its colour what
        came of it; above them what happened meanwhile: what people asked, processes that died, a lab that began again
        after an earlier one had ended. Over 5,000 trials are summarised: those that follow each other are one bar.

        Returns:
            An altair LayerChart. Times are in UTC.

        Example:
            >>> raylab.Lab("percolation").sweep("coarse").plot.timeline()    # doctest: +SKIP
        """
        return timeline(self._subject())

    def durations(self) -> Any:
        """How long trials took, by what came of them, as a histogram, whose axis is logarithmic where the longest took
        100 times the shortest. The subtitle has the median, what nine of ten stay within, the longest, and the sum.

        Returns:
            An altair Chart.

        Example:
            >>> raylab.Lab("percolation").sweep("coarse").plot.durations()    # doctest: +SKIP
        """
        return durations(self._subject())

    def _subject(self) -> Subject:
        if self._find is None:
            raise TypeError("plot is of a sweep: sweep.plot()")
        return self._find()


class NotebookPlots:
    """A sweep of the notebook as a picture; see `Sweep.plot`.

    Args:
        name: the sweep's; may be left out where there is only one.
        x, y, color, facet: as of `Sweep.plot`.

    Raises:
        SweepNotFound: there is no such sweep; or several, and no name was given.
        ValueError, ModuleNotFoundError: as of `Sweep.plot`.

    Example:
        >>> Notebook("~/raylab/percolation").plot("coarse", x="p")             # doctest: +SKIP
        >>> Notebook("~/raylab/percolation").plot.timeline("coarse")           # doctest: +SKIP
    """

    def __init__(self, find: Callable[[str | None], Subject] | None = None) -> None:
        self._find = find

    def __get__(self, notebook: Any, kind: Any = None) -> NotebookPlots:
        return self if notebook is None else NotebookPlots(notebook._subject)

    def __set__(self, notebook: Any, value: Any) -> None:
        raise AttributeError("plot of a notebook cannot be set")

    def __call__(
        self,
        name: str | None = None,
        *,
        x: str | None = None,
        y: Words = None,
        color: str | None = None,
        facet: str | None = None,
    ) -> Any:
        return picture(self._subject(name), x, y, color, facet)

    def timeline(self, name: str | None = None) -> Any:
        """Who ran what when; see `Sweep.plot.timeline`."""
        return timeline(self._subject(name))

    def durations(self, name: str | None = None) -> Any:
        """How long trials took; see `Sweep.plot.durations`."""
        return durations(self._subject(name))

    def _subject(self, name: str | None) -> Subject:
        if self._find is None:
            raise TypeError("plot is of a notebook: notebook.plot()")
        return self._find(name)
