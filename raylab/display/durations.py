"""Durations: how long trials ran, by what came of them. Counts; draws nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from raylab.core.shown import plural
from raylab.display.forecast import took
from raylab.display.plot_trials import histogram
from raylab.display.subject import Subject
from raylab.notebook.frames import executions

WIDE = 100.0
"""So many times the shortest the longest one is on a logarithmic axis."""

LEAST = 1e-6
"""Seconds: what a clock tells apart; a logarithm has no zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """What is drawn of them.

    Attributes:
        bars: how many trials (`n`) of each `status` ran between so many seconds (`from`, `to`).
        is_log: whether the seconds are on a logarithmic axis.
        remarks: the figures that people ask for.
    """

    bars: pl.DataFrame
    is_log: bool
    remarks: list[str]


def durations(subject: Subject) -> Durations:
    """How long trials ran, of every time that one did."""
    ran = executions(subject.record, subject.files, ("_status", "_elapsed_s"))
    known = ran.select(
        pl.col("_elapsed_s").fill_nan(None).clip(LEAST).alias("seconds"), pl.col("_status").alias("status")
    )
    known = known.drop_nulls("seconds")
    seconds = known["seconds"].sort()
    is_log = len(seconds) > 1 and seconds[-1] >= WIDE * seconds[0]
    remarks = [figures(seconds)] if len(seconds) else []
    if unknown := ran.height - known.height:
        remarks.append(f"{plural(unknown, 'trial')} of which nobody knows how long they ran are not counted")
    return Durations(bars=histogram(known, "seconds", is_log=is_log), is_log=is_log, remarks=remarks)


def figures(seconds: pl.Series) -> str:
    """A few figures of durations.

    Example:
        >>> figures(pl.Series([1.0, 2.0, 3.0, 4.0, 10.0]))
        'median 3 s, nine of ten within 7.6 s, longest 10 s; together 20 s'
    """
    values = seconds.to_numpy()
    median, most = np.quantile(values, [0.5, 0.9]).tolist()
    longest, whole = float(values.max()), float(values.sum())
    return f"median {took(median)}, nine of ten within {took(most)}, longest {took(longest)}; together {took(whole)}"
