"""The columns of a plot: those there are to choose from, and those that are drawn, under names that are only names.

Promises: of what cannot be drawn, and of what is left out, a remark says how much it is. Draws nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from raylab.core.design import Design
from raylab.core.harmless import harmless
from raylab.core.shown import plural
from raylab.display import edges
from raylab.display.choosing import Choice, Columns
from raylab.display.subject import Subject
from raylab.display.variables import Variable, drawable, variable
from raylab.notebook.headings import ALWAYS
from raylab.notebook.point_rows import point_rows
from raylab.notebook.statistics import known_results

MOST = 5_000
"""Rows of a plot: so many Altair takes without being asked to, and a browser draws at once."""

LOOKED_AT = 10_000
"""Points by which it is known what parameters are."""

LEVELS = {"x": 200, "y": 200, "color": 30, "facet": 24}
"""So many texts are drawn, and panels."""

ERROR_CHARS = 160

OWN = ("result", "value", "from", "to", "low", "high", "n", "trials", "failed", "error")
"""Columns that are no parameter's and no result's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column that is drawn.

    Attributes:
        field: what it is called there; `FIELD_from` and `FIELD_to` are the edges of cells along it.
        label: what it is called where people read.
        about: its values.
        order: of texts, the levels in their order.
    """

    field: str
    label: str
    about: Variable
    order: tuple[str, ...] = ()

    @property
    def place(self) -> list[str]:
        """The columns that say in which cell a row is: its edges, or the text."""
        return [f"{self.field}_from", f"{self.field}_to"] if self.about.is_continuous else [self.field]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What is drawn.

    Attributes:
        choice: what it shows.
        frame: a row for each mark.
        columns: those of parameters, and of results on the axes, by the names that they have in the sweep.
        value: the column with the value that is drawn: a mean, a count.
        has_intervals: whether any value has an interval.
        is_binned: whether the marks are summaries of others.
        remarks: what is to be known of it.
    """

    choice: Choice
    frame: pl.DataFrame
    columns: dict[str, Column]
    value: Column
    has_intervals: bool = False
    is_binned: bool = False
    remarks: Sequence[str] = field(default_factory=list)


def columns_of(subject: Subject) -> Columns:
    """What there is to choose from."""
    record = subject.record
    points = np.arange(min(record.points, LOOKED_AT))
    if record.points > LOOKED_AT:  # at random, as steps of equal size may see one level of an axis only
        drawn = np.random.default_rng(0).integers(0, record.points, LOOKED_AT)
        points = np.unique([0, record.points - 1, *drawn])
    rows = point_rows(record, points)
    parameters = dict.fromkeys(name for design in record.designs for name in Design.loads(design).parameters)
    return Columns(
        parameters={name: variable(rows[name]) for name in parameters},
        points=len(points),
        results=known_results(record, subject.files) if subject.files else {},
        metadata={name: str(kind) in ("int64", "double") for name, kind in ALWAYS.items()},
    )


def names_of(names: Iterable[str], taken: Iterable[str] = OWN) -> dict[str, str]:
    """A name for each column that is read as a name only: in Vega a dot, a bracket or a colon is more than that.

    Example:
        >>> names_of(["p", "model.mean", "n"])
        {'p': 'p', 'model.mean': 'model_mean', 'n': 'n_'}
    """
    used, found = set(taken), {}
    for name in dict.fromkeys(names):
        safe = re.sub(r"\W", "_", name) or "_"
        while safe in used:
            safe += "_"
        used |= {safe, f"{safe}_from", f"{safe}_to"}
        found[name] = safe
    return found


def value_of(subject: Subject, choice: Choice) -> Column:
    """The column of what is drawn: of one result under its name, of several as `value`."""
    about = Variable(name="value", kind="number", levels=0)
    if len(choice.results) != 1:
        return Column(field="value", label="value", about=about)
    (name,) = choice.results
    return Column(field=names_of([name])[name], label=subject.label(name), about=about)


def placed(
    subject: Subject, found: pl.DataFrame, names: Iterable[str], taken: Sequence[str] = OWN
) -> tuple[dict[str, Column], list[pl.Series]]:
    """Columns of a frame as they are drawn: what each is, and its values as a chart takes them."""
    columns, values = {}, []
    for name, safe in names_of(names, taken).items():
        about, own = variable(found[name]), drawable(found[name])[1].alias(safe)
        order = () if about.is_continuous else tuple(own.unique(maintain_order=True).to_list())
        columns[name] = Column(field=safe, label=subject.label(name), about=about, order=order)
        values.append(own)
    return columns, values


def drawn(
    rows: pl.DataFrame, choice: Choice, columns: dict[str, Column], remarks: list[str], kind: str = "point"
) -> pl.DataFrame:
    """The rows that have a place in the plot, of as many texts and panels as can be told apart.

    Args:
        rows: those of all columns.
        choice: what is shown.
        columns: what is drawn.
        remarks: where it is said what is left out.
        kind: what a row is.
    """
    for name, column in columns.items():
        if column.about.is_continuous and (nowhere := rows[column.field].null_count()):
            remarks.append(f"not drawn: {plural(nowhere, kind)} without a finite {name}")
            rows = rows.drop_nulls(column.field)
    for word, most in LEVELS.items():
        name = getattr(choice, word)
        if name is None or (columns[name].about.is_continuous and word != "facet"):
            continue
        levels = rows[columns[name].field].unique(maintain_order=True)
        if len(levels) > most:
            rows = rows.filter(pl.col(columns[name].field).is_in(levels.head(most).implode()))
            remarks.append(f"of {name} the first {most} of {len(levels):,} are drawn")
    return rows


def first_rows(rows: pl.DataFrame, remarks: list[str]) -> pl.DataFrame:
    """No more rows than are drawn."""
    if rows.height <= MOST:
        return rows
    remarks.append(f"the first {MOST:,} of {rows.height:,} are drawn")
    return rows.head(MOST)


def bins_of(about: Variable, count: int) -> edges.Edges:
    """So many bins over all levels of a variable."""
    return edges.equal(about.low or 0.0, about.high or 0.0, count, about.is_log)


def in_cells(rows: pl.DataFrame, axis: Column, count: int | None) -> pl.DataFrame:
    """The rows with the edges of the cells in which they lie along an axis: a cell for each level, or so many."""
    if not axis.about.is_continuous:
        return rows
    values = rows[axis.field].cast(pl.Float64).to_numpy()
    if not len(values):
        return rows.with_columns(pl.lit(None, pl.Float64).alias(name) for name in axis.place)
    levels = np.unique(values)
    is_each = count is None or len(levels) <= count
    bins = edges.between(levels, axis.about.is_log) if is_each else bins_of(axis.about, count or 1)
    at = bins.of(values)
    return rows.with_columns(pl.Series(name, bins.at[at + end]) for end, name in enumerate(axis.place))


def sides(axes: Sequence[Column], rows: pl.DataFrame, others: Sequence[str]) -> int:
    """How many cells along each axis of numbers leave no more than MOST of them, and enough in most for a mean.

    Args:
        axes: along which the cells lie.
        rows: what lies in them.
        others: the columns that are told apart in each cell.
    """
    along = [axis for axis in axes if axis.about.is_continuous]
    apart = [*others, *(axis.field for axis in axes if not axis.about.is_continuous)]
    times = rows.select(apart).n_unique() if apart else 1
    scattered = all(rows[axis.field].n_unique() > rows.height / 2 for axis in along)
    cells = min(MOST, rows.height / IN_A_CELL) if scattered else MOST
    return max(2, int((cells / max(1, times)) ** (1 / max(1, len(along)))))


IN_A_CELL = 6
"""So many scattered points a cell has on average: one of 400 is empty then, by Poisson's law."""


def first_line(text: str) -> str:
    """The first line of an error, no longer than a tooltip."""
    lines = harmless(text).strip().splitlines() or [""]
    return lines[0] if len(lines[0]) <= ERROR_CHARS else lines[0][: ERROR_CHARS - 1] + "…"
