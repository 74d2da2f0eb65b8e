"""What a page says of a sweep, read from a lab or a notebook. Reads; changes nothing.

Promises: what a page costs is bounded, however many rows there are; what cannot be read is a sentence on the page.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeAlias, TypeVar

from raylab.client.waiting import Mark
from raylab.core.handle import Handle, Which
from raylab.core.publishing import Publication
from raylab.core.status import Status
from raylab.display import plots
from raylab.display.cells import plus_minus, short
from raylab.display.portrait import LONGEST_TABLE, Figure, Portrait, Table
from raylab.display.subject import Subject
from raylab.errors import NotebookDamaged, told
from raylab.notebook.named_tables import table_names
from raylab.notebook.row_stream import RowStream
from raylab.notebook.statistics import STATISTICS

T = TypeVar("T")

SUMMED = 1_000_000
"""Of so many rows the results are summed up, which takes all of them in memory: some 200 MB of four columns."""

BY_POINT = 100_000
"""Of a sweep of so many trials there is a row for each point, of which the first ones are shown."""

MOST_TABLES = 5
"""So many of the tables that an experiment returns are shown."""

CONFIDENCE = 0.95

OF_RESULTS = "What came out"

FIGURES: dict[str, Callable[[Subject], Any]] = {
    OF_RESULTS: plots.picture,
    "When trials ran, and where": plots.timeline,
    "How long trials took": plots.durations,
}

FAILURES = (NotebookDamaged, ModuleNotFoundError, ValueError, MemoryError)
"""What may hinder reading or drawing, and becomes a sentence on the page."""

Read: TypeAlias = Callable[[str, Callable[[], Any], Any], Any]
"""Reads what is called so; a sentence and the last of these where it cannot."""


class Source(Protocol):
    """Who tells: the client of a lab at work, or what reads a notebook."""

    name: str
    at_work: bool

    @property
    def remark(self) -> str: ...
    def woke(self) -> bool: ...
    def pinned(self, sweep: str) -> Handle: ...
    def news(self, sweep: Which, mark: Mark | None, left: float | None) -> tuple[Mark, list[Status]]: ...
    def overview(self, sweep: Which = None, archived: bool = False) -> list[Status]: ...
    def info(self, sweep: Any = None) -> dict[str, Any]: ...
    def failures(self, sweep: Any, by: str | None) -> Any: ...
    def warnings(self, sweep: Any) -> Any: ...
    def summary(self, sweep: Any, of: Any, by: Any, confidence: float | None) -> Any: ...
    def subject(self, sweep: Any) -> Subject: ...
    def results(self, sweep: Any, status: Any, metadata: Any, table: str | None = None) -> Any: ...
    def streams(self, sweep: Any, *, status: Any, metadata: Any) -> list[RowStream]: ...


def portrait(source: Source, now: Status, *, diff: bool = False) -> Portrait:
    """What there is to say of a sweep.

    Args:
        source: who tells it.
        now: how far it is.
        diff: with the diff of the working tree that it was submitted from; it may hold secrets.

    Raises:
        SweepNotFound: it was replaced or removed meanwhile.
        LabUnavailable: the lab does not answer.
    """
    this = Handle(now.name, now.folder)
    account = Publication(diff=diff).shown(source.info(this))
    if not diff:
        account["code"] = [{**version, "diff": None} for version in account["code"]]
    about = {name: _about(each) for name, each in account["units"].items()}
    remarks: list[str] = []

    def read(what: str, found: Callable[[], T], otherwise: T) -> T:
        try:
            return found()
        except FAILURES as error:
            remarks.append(f"{what} cannot be shown: {told(error) if isinstance(error, MemoryError) else error}")
            return otherwise

    figures: list[Figure] = read("figures", lambda: list(_figures(source, this, now, read)), [])
    return Portrait(
        account=account,
        tables=read("results", lambda: list(_tables(source, this, now, about)), []),
        figures=[each for each in figures if each.title == OF_RESULTS],
        course=[each for each in figures if each.title != OF_RESULTS],
        causes=read("failures", lambda: _causes(source, this, now), []),
        warnings=read("warnings", lambda: source.warnings(this).to_dicts(), []),
        remarks=remarks,
    )


def _about(column: Mapping[str, str]) -> str:
    return ", in ".join(column[word] for word in ("description", "units") if word in column)


def _causes(source: Source, this: Handle, now: Status) -> list[dict[str, Any]]:
    """With an example of each, as long as not too many rows have to be read for it."""
    if not now.failed:
        return []
    if now.rows > SUMMED:
        return [each.told() for each in now.causes]
    found: list[dict[str, Any]] = source.failures(this, "cause").to_dicts()
    return found


def _figures(source: Source, this: Handle, now: Status, read: Read) -> Iterator[Figure]:
    """Pictures of the results, and of how the sweep went; one that cannot be made is left out, with a sentence."""
    if not now.rows or now.rows > SUMMED:
        return
    from raylab.display.charts import svg  # altair, which not everybody has

    subject = source.subject(this)
    for title, draw in FIGURES.items():
        picture = read(f"the figure {title!r}", partial(lambda draw: svg(draw(subject)), draw), None)
        if picture is not None:
            yield Figure(title=title, svg=picture)


# results ----------------------------------------------------------------------------------------------------------


def _tables(source: Source, this: Handle, now: Status, about: Mapping[str, str]) -> Iterator[Table]:
    if not now.rows:
        return
    if now.rows > SUMMED:
        note = f"{now.rows:,} rows are more than a page sums up: `raylab results --summary --by PARAMETER` does"
        yield _first_rows(source, this, now, about, [note])
        return
    if (overall := _summed(source, this, [])) is not None:
        yield _overall(*overall, about)
    if now.repeats > 1 and now.total <= BY_POINT and (found := _summed(source, this, None)) is not None:
        yield _by_point(*found, about)
    elif now.done:
        yield _first_rows(source, this, now, about)
    yield from _own_tables(source, this, about)


def _summed(source: Source, this: Handle, by: list[str] | None) -> tuple[Any, dict[str, str], list[str]] | None:
    """A summary, how its columns are called by the words of `STATISTICS`, and what was said of it; None where no result
    is a number."""
    with warnings.catch_warnings(record=True, action="always", category=UserWarning) as caught:
        try:
            found = source.summary(this, None, by, CONFIDENCE)
        except ModuleNotFoundError:  # without scipy there is no interval
            found = source.summary(this, None, by, None)
    names = dict(zip(STATISTICS, found.columns[-len(STATISTICS) :], strict=True))
    found = found.filter(found[names["n"]] > 0)
    return None if found.is_empty() else (found, names, [str(each.message) for each in caught])


def _overall(frame: Any, names: Mapping[str, str], said: Sequence[str], about: Mapping[str, str]) -> Table:
    """Of each result what it comes to over all trials."""
    rows = [
        {
            "result": row[names["result"]],
            "trials": row[names["n"]],
            **{word: row[names[word]] for word in ("mean", "sd", "min", "median", "max")},
            "about": about.get(row[names["result"]], ""),
        }
        for row in frame.head(LONGEST_TABLE).to_dicts()
    ]
    shown = [name for name in rows[0] if name != "about" or any(row["about"] for row in rows)]
    return Table.of("Results over all trials", rows, shown, total=frame.height, notes=said)


def _by_point(frame: Any, names: Mapping[str, str], said: Sequence[str], about: Mapping[str, str]) -> Table:
    """What each result comes to over the repeats of each point: its mean, and how far its interval reaches."""
    at = frame.columns.index("_point")
    parameters, results = frame.columns[:at], frame[names["result"]].unique(maintain_order=True).to_list()
    rows: dict[int, dict[str, Any]] = {}
    for row in frame.head(LONGEST_TABLE * len(results)).iter_rows(named=True):
        own = rows.setdefault(row["_point"], dict.fromkeys([*parameters, TRIALS, *results], ""))
        own |= {name: row[name] for name in parameters}
        own[TRIALS] = f"{row[names['n']]:,} of {row[names['trials']]:,}"
        own[row[names["result"]]] = _mean(*(row[names[word]] for word in ("mean", "low", "high")))
    notes = [f"mean ± half of the {CONFIDENCE:.0%} interval", *said]
    return Table.of(
        "Results by point",
        list(rows.values()),
        [*parameters, TRIALS, *results],
        total=frame["_point"].n_unique(),
        about=about,
        notes=notes,
        numbers=results,
    )


TRIALS = "trials "
"""The heading of the numbers of trials; with a blank, no parameter and no result is called so."""


def _mean(mean: float, low: float | None, high: float | None) -> str:
    return short(mean) if low is None or high is None else plus_minus(mean, (high - low) / 2)


def _first_rows(
    source: Source, this: Handle, now: Status, about: Mapping[str, str], notes: Sequence[str] = ()
) -> Table:
    """The first rows: of a sweep that is not too large those of the first points, else those that came in first."""
    if now.rows <= BY_POINT:
        frame = source.results(this, ["done"], False)
        found, total, title = frame, frame.height, "Results"
    else:
        (stream,) = source.streams(this, status=["done"], metadata=False)
        pieces = (piece for piece in stream.frames() if not piece.is_empty())
        found, total, title = next(pieces), now.rows, "The results that came in first"
    rows = found.head(LONGEST_TABLE).to_dicts()
    return Table.of(title, rows, found.columns, total=total, about=about, notes=notes)


def _own_tables(source: Source, this: Handle, about: Mapping[str, str]) -> Iterator[Table]:
    """The first rows of those tables that the experiment returns."""
    (stream,) = source.streams(this, status=["done"], metadata=False)
    names = table_names(stream.view)
    for name in names[:MOST_TABLES]:
        frame = source.results(this, ["done"], False, name)
        if frame.height:
            rows = frame.head(LONGEST_TABLE).to_dicts()
            yield Table.of(f"Table {name}", rows, frame.columns, total=frame.height, about=about)
