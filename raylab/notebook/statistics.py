"""Statistics of a sweep's results over its trials: by point over the repeats, or by levels of parameters.

Promises: what is counted are trials, never rows, so that a trial of a hundred rows weighs as much as one of a single
row; a point of which trials are missing says so, and one of which nothing is in is there, too. Reads, changes nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from operator import or_
from typing import NamedTuple

import numpy as np
import polars as pl
import polars.selectors as cs
import pyarrow as pa
from numpy.typing import NDArray

from raylab.core.closest import did_you_mean, some_of
from raylab.core.names import one_or_several, read_name
from raylab.core.request import SweepRecord
from raylab.core.retry import is_taken_back
from raylab.extras import needed
from raylab.notebook.arrow_types import DataType, Field
from raylab.notebook.columns import numbered_name
from raylab.notebook.file import Loaded
from raylab.notebook.frames import View, outside, viewed
from raylab.notebook.headings import Heading
from raylab.notebook.picking import tell_not_yet
from raylab.notebook.point_rows import point_rows
from raylab.notebook.schema import is_pattern, kept_apart, kind_word

LISTED = 10_000_000
"""So many points a sweep may have for those of which nothing is in to be there, too: what they take, some 100 bytes
each, is what a frame of results takes."""

PIECE = 1_000_000
"""Points whose parameters are made at a time."""

TRIAL = ("_point", "_repeat")

STATISTICS = (
    *("result", "trials", "failed", "finished", "n", "complete"),
    *("mean", "sd", "se", "low", "high", "median", "q25", "q75", "min", "max"),
)
"""What a row says, in this order, after the parameters."""

Words = str | Sequence[str] | None


def summary(
    record: SweepRecord, files: Sequence[Loaded], of: Words = None, by: Words = None, confidence: float | None = 0.95
) -> pl.DataFrame:
    """See `Sweep.summary`.

    Args:
        record: the sweep.
        files: its files in force, in order.
        of, by, confidence: as of `Sweep.summary`.

    Raises:
        ValueError: there is no such result or parameter, the result is no number, or `confidence` is no share.
        ModuleNotFoundError: scipy is not installed, and `confidence` is not None.
    """
    check_confidence(confidence)
    view, tables = viewed(record, files, "all", [each for each in _words(of, "of") or () if each.startswith("_")])
    keys = None if by is None else _keys(by, view.parameters)
    chosen = _chosen(view, of)
    rows = view.rows(tables, (*TRIAL, "_attempt", "_status", *view.mixing))
    if view.mixing:
        view.tell_mixed(rows.select(view.mixing).collect())
    _tell_left_out(chosen, rows)
    if record.runs_again:
        rows = _standing(record, rows)
    trials = _trials(rows, chosen, view.has_lists)
    found = _by_point(record, trials, len(chosen)) if keys is None else _by_keys(record, trials, len(chosen), keys)
    return _shown(found, [each.name for each in chosen], confidence)


def check_confidence(confidence: object) -> None:
    """Refuse what is no share.

    Raises:
        ValueError: it is neither None nor between 0 and 1.
    """
    if confidence is None:
        return
    if isinstance(confidence, bool) or not isinstance(confidence, int | float | np.number) or not 0 < confidence < 1:
        raise ValueError(
            "confidence is the share of intervals that hold the true mean, above 0 and below 1, as 0.95, or None for "
            f"no interval; got {confidence!r}"
        )


def _column(name: str) -> pl.Expr:
    """The column of this very name: as a plain string it may be a pattern."""
    return cs.by_name(name).as_expr()


def _words(given: Words, what: str) -> list[str] | None:
    """One or several names as a list, each once.

    Raises:
        ValueError: they are none.
    """
    if given is None:
        return None
    names = one_or_several(given)
    if odd := [name for name in names if not isinstance(name, str)]:
        raise ValueError(f"{what} is a name, or several; got {odd[0]!r}")
    return list(dict.fromkeys(names))


def _keys(by: Words, parameters: Sequence[str]) -> list[str]:
    names = [read_name(name) for name in _words(by, "by") or ()]
    if unknown := [name for name in names if name not in parameters]:
        raise ValueError(
            f"by names parameters, whose levels are told apart; there is no {some_of(unknown)}, there are "
            f"{some_of(parameters)}{did_you_mean(unknown[0], parameters)}"
        )
    return names


# what is counted --------------------------------------------------------------------------------------------------


class _Number(NamedTuple):
    """Where a number stands on disk: a column, or an entry of what a dict became."""

    path: tuple[str, ...]
    kind: DataType

    @property
    def value(self) -> pl.Expr:
        """The number as a float."""
        found = reduce(lambda outer, name: outer.struct.field(name), self.path[1:], _column(self.path[0]))
        if pa.types.is_duration(self.kind):
            return found.dt.total_microseconds() / 1e6
        return found.cast(pl.Float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """A result that is summed up, where its numbers are, and the columns on disk that have other values of it."""

    name: str
    numbers: tuple[_Number, ...] = ()
    others: tuple[Field, ...] = ()

    @property
    def values(self) -> pl.Expr:
        """Its numbers as floats; null where there is none, and NaN is none."""
        return pl.coalesce(*(each.value for each in self.numbers), pl.lit(None, pl.Float64)).fill_nan(None)


def _is_number(kind: DataType) -> bool:
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal, pa.types.is_duration)
    return any(test(kind) for test in tests)


def _result(heading: Heading) -> _Result:
    there = [field for field in heading.fields if not pa.types.is_null(field.type)]
    own = [field for field in there if _is_number(field.type) and not kept_apart(field)]
    numbers = tuple(_Number((field.name,), field.type) for field in own)
    return _Result(name=heading.name, numbers=numbers, others=tuple(each for each in there if each not in own))


def _of_dicts(heading: Heading) -> Iterator[_Result]:
    """The numbers in dicts as results, by names with dots."""
    entries: dict[str, list[_Number]] = {}
    for field in heading.fields:
        for number in () if kept_apart(field) else _entries((field.name,), field.type):
            entries.setdefault(".".join((heading.name, *number.path[1:])), []).append(number)
    return (_Result(name=name, numbers=tuple(found)) for name, found in entries.items())


def _entries(path: tuple[str, ...], kind: DataType) -> Iterator[_Number]:
    """The numbers in a dict, at any depth; polars takes some names of entries for patterns."""
    if pa.types.is_struct(kind):
        for field in kind:
            if not is_pattern(field.name):
                inner = (*path, field.name)
                yield from [_Number(inner, field.type)] if _is_number(field.type) else _entries(inner, field.type)


def known_results(record: SweepRecord, files: Sequence[Loaded]) -> dict[str, bool]:
    """The results there are, in their order, each with whether it has numbers; those in dicts by names with dots.

    Args:
        record: the sweep.
        files: its files in force, in order.
    """
    view, _ = viewed(record, files, "done", False)
    return {name: bool(each.numbers) for name, each in _there(view).items() if each.numbers or each.others}


def _there(view: View) -> dict[str, _Result]:
    """The results and metadata that are seen, by name."""
    seen = [each for each in view.seen if each.name not in {*view.parameters, "_repeat"}]
    there = {each.name: _result(each) for each in seen}
    for entry in chain.from_iterable(map(_of_dicts, seen)):  # a result that is called as an entry of another one stands
        there.setdefault(entry.name, entry)
    return there


def _chosen(view: View, of: Words) -> list[_Result]:
    """The results that are summed up: all that have numbers, if none are named.

    Raises:
        ValueError: there is no such one, or it has no number.
    """
    there = _there(view)
    numeric = [each for each in there.values() if each.numbers]
    shown = some_of(each.name for each in numeric)
    wanted = _words(of, "of")
    if wanted is None:
        own = [each for each in there.values() if not each.name.startswith("_")]
        found = [each for each in own if each.numbers]
        if not found and (kinds := [f"{each.name!r} ({_kinds(each)})" for each in own if each.others]):
            warnings.warn(f"summary() is of numbers, and no result is one: {', '.join(kinds)}", stacklevel=outside())
        return found
    found = []
    for name in wanted:
        if name not in there and view.results:
            known = [each.name for each in numeric]
            raise ValueError(
                f"of names results; there is no {name!r}, those with numbers are {shown}{did_you_mean(name, known)}"
            )
        each = there.get(name, _Result(name=name))  # nothing is in, so nobody knows
        if each.others and not each.numbers:
            raise ValueError(f"{name!r} has no numbers to sum up ({_kinds(each)}); results with numbers are {shown}")
        found.append(each)
    if unknown := [name for name in wanted if name not in there]:
        tell_not_yet(unknown, repr(view.name))
    return found


def _kinds(result: _Result) -> str:
    return " and ".join(kind_word(field) for field in result.others)


def _standing(record: SweepRecord, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Without the failures that are to be run again: they are none any more, and not finished."""
    failed = rows.filter(pl.col("_status") != "done").select(*TRIAL, "_attempt").collect()
    again = failed.filter(is_taken_back(record, *(failed[name].to_numpy() for name in failed.columns)))
    return rows.join(again.lazy(), on=TRIAL, how="anti", maintain_order="left")


def _tell_left_out(chosen: Sequence[_Result], rows: pl.LazyFrame) -> None:
    """Warn of values that are no numbers."""
    mixed = [each for each in chosen if each.others]
    if not mixed:
        return
    no_number = (reduce(or_, (_column(field.name).is_not_null() for field in each.others)) for each in mixed)
    counts = rows.select(each.sum().alias(str(at)) for at, each in enumerate(no_number)).collect().row(0)
    for each, count in zip(mixed, counts, strict=True):
        if count:
            warnings.warn(
                f"{each.name!r} is no number in {count:,} rows ({_kinds(each)}), which summary() leaves out",
                stacklevel=outside(),
            )


# by what it is grouped --------------------------------------------------------------------------------------------
# No parameter's name begins with an underscore, so the names of all other columns do until they are shown.

_GATHERED = {
    "n": pl.Expr.count,
    "mean": pl.Expr.mean,
    "sd": pl.Expr.std,  # by n - 1
    "median": pl.Expr.median,
    "q25": lambda values: values.quantile(0.25, "linear"),  # as numpy's percentile; polars alone would take a neighbour
    "q75": lambda values: values.quantile(0.75, "linear"),
    "min": pl.Expr.min,
    "max": pl.Expr.max,
}


def _trials(rows: pl.LazyFrame, chosen: Sequence[_Result], has_lists: bool) -> pl.LazyFrame:
    """A row for each trial: `_point`, `_status`, and its value of each result, in columns `_0`, `_1`, …; of several
    rows their mean."""
    is_done = pl.col("_status") == "done"  # of what failed only metadata has values
    values = [pl.when(is_done).then(each.values).alias(f"_{at}") for at, each in enumerate(chosen)]
    if not has_lists:
        return rows.select("_point", "_status", *values)
    means = (pl.col(f"_{at}").mean() for at in range(len(chosen)))
    trials = rows.select(*TRIAL, "_status", *values).group_by(TRIAL)
    return trials.agg(pl.col("_status").first(), *means).drop("_repeat")


def _gathered(trials: pl.LazyFrame, keys: Sequence[str], count: int) -> pl.DataFrame:
    """A row for each group of trials: how many are done, how many failed, and what is known of each result."""
    done = pl.col("_status") == "done"
    known = [
        gather(pl.col(f"_{at}")).alias(f"_{at} {word}") for at in range(count) for word, gather in _GATHERED.items()
    ]
    return trials.group_by(keys).agg(done.sum().alias("_done"), (~done).sum().alias("_failed"), *known).collect()


def _by_point(record: SweepRecord, trials: pl.LazyFrame, count: int) -> pl.DataFrame:
    """A row for each point."""
    found = _gathered(trials, ["_point"], count)
    points = point_rows(record, _points(record, found["_point"])).sort("_point")
    return points.join(found, on="_point", how="left", maintain_order="left")


def _by_keys(record: SweepRecord, trials: pl.LazyFrame, count: int, keys: Sequence[str]) -> pl.DataFrame:
    """A row for each group of points, in the order of their first ones."""
    own = [f"_key{at}" for at in range(len(keys))] or ["_all"]
    levels = [_column(key).alias(name) for key, name in zip(keys, own, strict=False)] or [pl.lit(True).alias("_all")]
    is_listed = record.points <= LISTED
    every = _points(record, pl.Series(dtype=pl.Int64) if is_listed else trials.select("_point").collect().to_series())
    starts = range(0, max(1, len(every)), PIECE)
    pieces = [point_rows(record, every[at : at + PIECE]).select("_point", "_trials", *levels) for at in starts]
    points = pl.concat(pieces, how="vertical_relaxed")
    asked = pl.col("_trials").sum() if is_listed else pl.lit(None, pl.Int64).alias("_trials")
    groups = points.group_by(own).agg(asked, pl.col("_point").min()).sort("_point")
    found = _gathered(trials.join(points.lazy().select("_point", *own), on="_point"), own, count)
    joined = groups.join(found, on=own, how="left", nulls_equal=True, maintain_order="left")
    shown = (pl.col(name).alias(key) for name, key in zip(own, keys, strict=False))
    return joined.select(*shown, cs.exclude(*own, "_point"))


def _points(record: SweepRecord, there: pl.Series) -> NDArray[np.int64]:
    """The numbers of all points; of more than LISTED those that are there."""
    if record.points <= LISTED:
        return np.arange(record.points)
    return there.unique().sort().to_numpy()


# how it is shown --------------------------------------------------------------------------------------------------


def _shown(found: pl.DataFrame, names: Sequence[str | None], confidence: float | None) -> pl.DataFrame:
    """A row for each group and result, those of a group together; without any result one for each group."""
    if not names:
        names = [None]
        found = found.with_columns(pl.lit(None, pl.Float64).alias(f"_0 {word}") for word in _GATHERED)
    rows = [_of_one(found, name, at, confidence) for at, name in enumerate(names)]
    turns = np.arange(found.height * len(names)).reshape(len(names), found.height).T.ravel()
    return pl.concat(rows, rechunk=True)[turns]


def _of_one(found: pl.DataFrame, name: str | None, at: int, confidence: float | None) -> pl.DataFrame:
    """The statistics of one result, a row for each group."""
    keys = [each for each in found.columns if each == "_point" or not each.startswith("_")]
    known = {word: pl.col(f"_{at} {word}") for word in _GATHERED}
    n = known["n"].fill_null(0).cast(pl.Int64)
    error = known["sd"] / n.sqrt()
    half = error * pl.lit(_reach(found.select(n).to_series(), confidence))
    parts = known | {
        "result": pl.lit(name, pl.String),
        "trials": pl.col("_trials"),
        "failed": pl.col("_failed").fill_null(0).cast(pl.Int64),
        "finished": pl.col("_done").fill_null(0) / pl.col("_trials"),
        "n": n,
        "complete": n == pl.col("_trials"),
        "se": error,
        "low": known["mean"] - half,
        "high": known["mean"] + half,
    }
    used = {*keys, *STATISTICS}
    labels = {word: numbered_name(f"{word}__summary", used) if word in keys else word for word in STATISTICS}
    return found.select(*map(_column, keys), *(parts[word].alias(labels[word]) for word in STATISTICS))


def _reach(n: pl.Series, confidence: float | None) -> pl.Series:
    """By how many standard errors an interval reaches to either side: Student's t of n - 1 degrees of freedom.

    Student, "The probable error of a mean", Biometrika 6 (1908) 1-25; the quantile is scipy's.
    """
    if confidence is None:
        return pl.Series([None] * len(n), dtype=pl.Float64)
    with needed("scipy", extra="scipy", purpose="the interval of summary(), which confidence=None leaves out,"):
        from scipy import special
    freedom, place = np.unique(n.to_numpy() - 1, return_inverse=True)
    reach = -special.stdtrit(np.where(freedom > 0, freedom, np.nan), (1 - confidence) / 2)  # exact also next to 1
    return pl.Series(reach[place], dtype=pl.Float64, nan_to_null=True)
