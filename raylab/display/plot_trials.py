"""The rows of a plot of trials: a point each, or how many there are of what.

At most MOST of them: more points are counted in cells, and a remark says so. Reads the subject's files; draws nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
import polars as pl

from raylab.display import edges
from raylab.display.choosing import Choice, Columns
from raylab.display.plot_columns import LEVELS, MOST, Column, Rows, drawn, first_rows, in_cells, placed, sides, value_of
from raylab.display.subject import Subject
from raylab.display.variables import Variable, drawable
from raylab.notebook.frames import results

ACROSS = 50
"""Cells along an axis of numbers, where shares are counted."""

BINS = 60
"""Of a histogram, at most."""


def trials(subject: Subject, choice: Choice, there: Columns) -> Rows:
    """A point for each trial, or for each row of one: a result over another column."""
    (y,) = choice.results
    columns, values = placed(subject, _done(subject, choice, there), [*choice.shown, y])
    remarks: list[str] = []
    frame = drawn(pl.DataFrame(values).with_columns(n=pl.lit(1)), choice, columns, remarks, "row")
    is_binned = frame.height > MOST
    if is_binned:
        color = columns.get(choice.color or "")
        frame = _in_cells(frame, [columns[choice.x or ""], columns[y]], color, columns.get(choice.facet or ""))
        is_mean = color is not None and color.about.is_continuous
        remarks.append(f"summarised in cells: {'the mean of' if is_mean else 'how many'} trials in each")
    frame = first_rows(frame, remarks)
    return Rows(choice=choice, frame=frame, columns=columns, value=columns[y], is_binned=is_binned, remarks=remarks)


def _in_cells(frame: pl.DataFrame, axes: Sequence[Column], color: Column | None, facet: Column | None) -> pl.DataFrame:
    """The points in cells, how many are in each, and the mean of their colour where that is a number."""
    apart = [facet.field] if facet else []
    if color is not None and not color.about.is_continuous:
        apart.append(color.field)
    side = sides(axes, frame, apart)
    for axis in axes:
        frame = in_cells(frame, axis, side)
    keys = list(dict.fromkeys([*apart, *(name for axis in axes for name in axis.place)]))
    also = [each for each in (*axes, color) if each is not None and each.about.is_continuous]
    mean = [pl.col(name).mean() for name in dict.fromkeys(each.field for each in also) if name not in keys]
    return frame.group_by(keys, maintain_order=True).agg(*mean, pl.col("n").sum())


def shares(subject: Subject, choice: Choice, there: Columns) -> Rows:
    """How often each value of a result came, over a parameter."""
    (result,) = choice.results
    columns, values = placed(subject, _done(subject, choice, there), [*choice.shown, result])
    remarks: list[str] = []
    frame, said = drawn(pl.DataFrame(values), choice, columns, remarks, "row"), columns[result].field
    common = frame[said].value_counts(sort=True)[said]
    if len(common) > LEVELS["color"]:
        kept = common.head(LEVELS["color"] - 1)
        frame = frame.with_columns(pl.when(pl.col(said).is_in(kept.implode())).then(said).otherwise(pl.lit("others")))
        remarks.append(f"of {result} the {len(kept)} commonest of {len(common):,} values are told apart")
    if choice.x is not None and (x := columns[choice.x]).about.is_continuous:
        frame = in_cells(frame, x, ACROSS).drop(x.field)
    frame = frame.group_by(frame.columns, maintain_order=True).len("n")
    value = Column(field="n", label="share of trials", about=Variable(name="n", kind="number", levels=0))
    order = tuple(frame[said].unique(maintain_order=True).to_list())
    columns[result] = Column(field=said, label=columns[result].label, about=columns[result].about, order=order)
    return Rows(choice=choice, frame=first_rows(frame, remarks), columns=columns, value=value, remarks=remarks)


def distribution(subject: Subject, choice: Choice, there: Columns) -> Rows:
    """How often results fell where, over all trials, apart by colour and panel."""
    rows, remarks = _done(subject, choice, there), list[str]()
    columns, keys = placed(subject, rows, choice.shown)
    counts = [pl.DataFrame(schema={"from": pl.Float64, "to": pl.Float64, "n": pl.Int64, "result": pl.String})]
    for name in choice.results:
        values = drawable(rows[name])[1].cast(pl.Float64).alias("value")
        own = drawn(pl.DataFrame([values, *keys]).drop_nulls("value"), choice, columns, remarks)
        counts.append(histogram(own, "value").with_columns(result=pl.lit(name)))
    frame = pl.concat(counts, how="diagonal_relaxed")
    return Rows(choice=choice, frame=frame, columns=columns, value=value_of(subject, choice), remarks=remarks)


def histogram(rows: pl.DataFrame, value: str, *, is_log: bool = False) -> pl.DataFrame:
    """How many values lie where, apart for each combination of the other columns: `from`, `to` and `n`.

    As many bins as the Rice rule has, twice the cube root of the number of values (D. M. Lane, "Histograms", Online
    Statistics Education, Rice University); a few different integers have one each.

    Example:
        >>> histogram(pl.DataFrame({"k": [1, 1, 3]}), "k").rows()
        [(0.5, 1.5, 2), (2.5, 3.5, 1)]
    """
    values = rows[value].cast(pl.Float64).to_numpy()
    if not len(values):
        return rows.drop(value).with_columns(pl.lit(0.0).alias("from"), pl.lit(0.0).alias("to"), pl.lit(0).alias("n"))
    low, high = float(values.min()), float(values.max())
    are_few = high - low < BINS and bool((values == np.round(values)).all())
    if are_few or low == high:
        bins = edges.Edges(np.arange(low - 0.5, high + 1))
    else:
        bins = edges.equal(low, high, int(min(BINS, max(8, np.ceil(2 * len(values) ** (1 / 3))))), is_log)
    at = bins.of(values)
    cells = rows.drop(value).with_columns(pl.Series("from", bins.at[at]), pl.Series("to", bins.at[at + 1]))
    return cells.group_by(cells.columns).agg(pl.len().cast(pl.Int64).alias("n")).sort(cells.columns)


def _done(subject: Subject, choice: Choice, there: Columns) -> pl.DataFrame:
    """The rows of trials that are done, with the columns that are shown."""
    wanted = list(dict.fromkeys([*choice.shown, *choice.results]))
    metadata = [name for name in wanted if name in there.metadata]
    rows = results(subject.record, subject.files, metadata=metadata)
    return pl.DataFrame([cells(rows, name) for name in wanted])


def cells(rows: pl.DataFrame, name: str) -> pl.Series:
    """The values of a result, also of one in a dict, by a name with dots.

    Example:
        >>> cells(pl.DataFrame({"model": [{"mean": 1.5}]}), "model.mean").to_list()
        [1.5]
    """
    if name in rows.columns:
        return rows[name]
    column = max((each for each in rows.columns if name.startswith(f"{each}.")), key=len, default=None)
    if column is None:
        return pl.Series(name, [None] * rows.height, dtype=pl.Float64)
    path = name[len(column) + 1 :].split(".")
    return reduce(lambda outer, entry: outer.struct.field(entry), path, rows[column]).alias(name)
