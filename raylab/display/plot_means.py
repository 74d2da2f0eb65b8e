"""The rows of a plot of means: of results over a parameter, or as a map over two.

At most MOST of them: of more, numbers are put in bins, and a remark says so. Reads the subject's files; draws nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from raylab.core.retry import is_taken_back
from raylab.core.shown import plural
from raylab.core.statuses import FAILED
from raylab.display.choosing import Choice, Columns
from raylab.display.plot_columns import (
    LEVELS,
    MOST,
    OWN,
    Column,
    Rows,
    bins_of,
    drawn,
    first_line,
    first_rows,
    in_cells,
    placed,
    sides,
    value_of,
)
from raylab.display.subject import Subject
from raylab.display.variables import drawable
from raylab.notebook.frames import results
from raylab.notebook.statistics import STATISTICS, summary

STEPS = 200
"""Bins along an axis, where more points are drawn as a line."""

SHADES = 10
"""Bins of a colour, where each is a line."""


def means(subject: Subject, choice: Choice, there: Columns) -> Rows:
    """The means of results over a parameter, apart by colour and panel."""
    rows = _gathered(subject, choice)
    frame, remarks, x = rows.frame, list(rows.remarks), rows.columns[choice.x or ""]
    has_intervals = frame["low"].count() > 0
    is_binned = frame.height > MOST and x.about.is_continuous
    if is_binned:
        frame, count = _in_steps(_fewer_shades(rows), rows, x)
        remarks.append(f"summarised in {count:,} steps of {choice.x}: the mean, and the middle 80%, of each")
    over = _over(rows, subject.record.repeats, has_intervals and not is_binned)
    frame = first_rows(frame, remarks)
    return replace(rows, frame=frame, has_intervals=has_intervals, is_binned=is_binned, remarks=[*over, *remarks])


def maps(subject: Subject, choice: Choice, there: Columns) -> Rows:
    """The means of results over two parameters, apart by panel."""
    rows = _gathered(subject, choice)
    frame, remarks = rows.frame, list(rows.remarks)
    axes = [rows.columns[name] for name in (choice.x, choice.y) if name is not None]
    is_binned = frame.height > MOST and any(axis.about.is_continuous for axis in axes)
    panels = [*(rows.columns[name].field for name in (choice.facet,) if name), "result"]
    if is_binned or not choice.is_scattered:
        side = sides(axes, frame, panels) if is_binned else None
        for axis in axes:
            frame = in_cells(frame, axis, side)
    if is_binned:
        value = rows.value.field
        cells = frame.group_by(*(name for axis in axes for name in axis.place), *panels, maintain_order=True)
        middles = [pl.col(axis.field).mean() for axis in axes if axis.about.is_continuous]
        frame = cells.agg(*middles, pl.col(value).mean(), **_sums())
        remarks.append("summarised in cells: the mean of the points in each")
    return replace(
        rows,
        choice=replace(choice, is_scattered=choice.is_scattered and not is_binned),
        frame=first_rows(frame, remarks),
        is_binned=is_binned,
        remarks=[*_over(rows, subject.record.repeats, False), *remarks],
    )


def _gathered(subject: Subject, choice: Choice) -> Rows:
    """The mean of each group of trials of which something is known."""
    found = summary(subject.record, subject.files, list(choice.results) or None, choice.shown)
    own = found.columns[-len(STATISTICS) :]  # a parameter may be called as one of these
    said = {word: found[name] for name, word in zip(own, STATISTICS, strict=True)}
    value = value_of(subject, choice)
    columns, values = placed(subject, found, choice.shown, [*OWN, value.field])
    numbers = {value.field: "mean", "low": "low", "high": "high"}
    means = [drawable(said[word])[1].alias(name) for name, word in numbers.items()]
    counts = [said[word].alias(word) for word in ("n", "trials", "failed")]
    frame = pl.DataFrame([*values, said["result"].fill_null("").alias("result"), *means, *counts])
    remarks = []
    if unseen := frame.filter((pl.col("n") > 0) & pl.col(value.field).is_null()).height:
        remarks.append(f"not drawn: the mean at {plural(unseen, 'point')}, which is infinite")
    frame = frame.filter(pl.col(value.field).is_not_null() | (pl.col("failed") > 0))
    frame = drawn(_with_errors(subject, frame, columns), choice, columns, remarks)
    return Rows(choice=choice, frame=frame, columns=columns, value=value, remarks=remarks)


def _over(rows: Rows, repeats: int, has_intervals: bool) -> list[str]:
    """Of what the means are, in a sentence; nothing where each is of one trial, as of a sampled design."""
    over = [*rows.choice.over, *(["repeats"] if repeats > 1 else [])]
    if not over or not (rows.frame["trials"] > 1).any():
        return []
    named = " and ".join([", ".join(over[:-1]), over[-1]] if len(over) > 1 else over)
    return [f"means over {named}" + (", with 95% intervals" if has_intervals else "")]


def _in_steps(frame: pl.DataFrame, rows: Rows, x: Column) -> tuple[pl.DataFrame, int]:
    """The rows in steps along x, and how many steps there are."""
    value = rows.value.field
    series = [*(column.field for name, column in rows.columns.items() if name != rows.choice.x), "result"]
    count = max(2, min(STEPS, MOST // max(1, frame.select(series).n_unique())))
    bins = bins_of(x.about, count)
    step = pl.Series("step", bins.of(frame[x.field].cast(pl.Float64).to_numpy()))
    quantiles = {"low": 0.1, "high": 0.9}
    found = (
        frame.with_columns(step)
        .group_by(*series, "step", maintain_order=True)
        .agg(
            pl.col(value).mean(),
            *(pl.col(value).quantile(share, "linear").alias(name) for name, share in quantiles.items()),
            **_sums(),
        )
        .sort("step", maintain_order=True)
    )
    middles = pl.Series(x.field, bins.middles(x.about.is_log)[found["step"].to_numpy()])
    return found.drop("step").insert_column(0, middles), count


def _sums() -> dict[str, pl.Expr]:
    counts = {name: pl.col(name).sum() for name in ("n", "trials", "failed")}
    return counts | {"error": pl.col("error").drop_nulls().first()}


def _fewer_shades(rows: Rows) -> pl.DataFrame:
    """The rows with a colour of many numbers in SHADES steps, as each is a line."""
    color = rows.columns.get(rows.choice.color or "")
    if color is None or not color.about.is_continuous or color.about.levels <= LEVELS["color"]:
        return rows.frame
    bins = bins_of(color.about, SHADES)
    at = bins.of(rows.frame[color.field].cast(pl.Float64).to_numpy())
    return rows.frame.with_columns(pl.Series(color.field, bins.middles(color.about.is_log)[at]))


def _with_errors(subject: Subject, frame: pl.DataFrame, columns: dict[str, Column]) -> pl.DataFrame:
    """The rows with the first line of what the first of their trials that failed said."""
    if not frame["failed"].sum():
        return frame.with_columns(error=pl.lit(None, pl.String))
    said = _errors(subject, columns)
    own: Sequence[str] = [column.field for column in columns.values()]
    first = said.group_by(own).agg(pl.col("error").first())
    first = first.with_columns(pl.col(name).cast(frame.schema[name]) for name in own)
    return frame.join(first, on=own, how="left", nulls_equal=True, maintain_order="left")


def _errors(subject: Subject, columns: dict[str, Column]) -> pl.DataFrame:
    """What each trial said that is failed now, beside the columns by which rows are told apart."""
    record, metadata = subject.record, ("_point", "_repeat", "_attempt", "_status", "_error")
    failed = results(record, subject.files, status=FAILED, metadata=metadata)
    trials = (failed[name].to_numpy() for name in metadata[:3])
    failed = failed.filter(~is_taken_back(record, *trials))
    said = failed.select(error=pl.coalesce("_error", "_status")).to_series()
    lines = {text: first_line(text) for text in said.unique().to_list()}
    keys = [drawable(failed[name])[1].alias(column.field) for name, column in columns.items()]
    return pl.DataFrame([*keys, said.replace_strict(lines, return_dtype=pl.String)])
