"""The rows of sweeps under epyc's names: metadata, parameters, results, each in alphabetical order.

What an experiment in epyc's manner says of its run is in the column `_metadata`; where an experiment says nothing of
the kind, raylab's own columns stand for it. A moment is a local time without a zone, as epyc's are. Of a failed row the
results are missing; epyc has zeros there, which read like results.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from raylab.compat.epyc.combinators import RepeatedExperiment
from raylab.compat.epyc.experiment import Experiment, ResultsDict
from raylab.extras import needed

SAID = "_metadata"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows, with the names of their columns by what they are."""

    rows: pl.DataFrame = field(default_factory=pl.DataFrame)
    metadata: list[str] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)

    @staticmethod
    def together(tables: Iterable[Table]) -> Table:
        """The rows of all, one table after the other."""
        some = list(tables)
        names = {kind: {name for each in some for name in getattr(each, kind)} for kind in _KINDS}
        metadata, parameters = sorted(names["metadata"]), sorted(names["parameters"] - names["metadata"])
        results = sorted(names["results"] - names["parameters"] - names["metadata"])
        if not some:
            return Table()
        rows = pl.concat([each.rows for each in some], how="diagonal_relaxed") if some[1:] else some[0].rows
        rows = rows.select(*metadata, *parameters, *results)
        return Table(rows=rows, metadata=metadata, parameters=parameters, results=results)

    def where(self, params: Mapping[str, Any]) -> Table:
        """The rows at these parameters; of a list of values, at any of them.

        Raises:
            KeyError: there is no such parameter.
        """
        rows = self.rows
        for name, wanted in params.items():
            if name not in self.parameters:
                raise KeyError(f"no parameter {name!r}; there are: {', '.join(self.parameters) or 'none'}")
            several = hasattr(wanted, "__iter__") and not isinstance(wanted, str | bytes)
            values = list(wanted) if several else [wanted]
            rows = rows.filter(pl.Series([value in values for value in rows[name].to_list()], dtype=pl.Boolean))
        return self._with(rows)

    def successful(self) -> Table:
        """The rows of runs that ended well."""
        return self._with(self.rows.filter(pl.col(Experiment.STATUS))) if self.rows.width else self

    def _with(self, rows: pl.DataFrame) -> Table:
        return Table(rows=rows, metadata=self.metadata, parameters=self.parameters, results=self.results)

    def pandas(self) -> Any:
        """As a pandas DataFrame. A list stays a list, as epyc has it."""
        return _pandas(self.rows)

    def dicts(self) -> list[ResultsDict]:
        """As epyc's results dicts."""
        return [
            {
                Experiment.PARAMETERS: {name: row[name] for name in self.parameters},
                Experiment.METADATA: {name: row[name] for name in self.metadata},
                Experiment.RESULTS: {name: row[name] for name in self.results} if row[Experiment.STATUS] else {},
            }
            for row in self.rows.iter_rows(named=True)
        ]


_KINDS = ("metadata", "parameters", "results")


def table(rows: pl.DataFrame, parameters: Iterable[str], label: str, repeats: int) -> Table:
    """The rows of one sweep under epyc's names.

    Args:
        rows: all of them, with all of raylab's metadata.
        parameters: of the sweep's design.
        label: what the experiment is called, where it does not say it itself.
        repeats: of the sweep; epyc's words for them are there if it has any.
    """
    own = [name for name in rows.columns if not name.startswith("_") and name != Experiment.EXCEPTION]
    named = sorted(set(parameters) & set(own))
    results = sorted(set(own) - set(named))
    columns = {**_said(rows, _ours(rows, label, repeats)), **_outcome(rows)}
    metadata = sorted(columns)
    made = pl.DataFrame([columns[name].alias(name) for name in metadata])
    return Table(rows=made.hstack(rows.select(*named, *results)), metadata=metadata, parameters=named, results=results)


def _said(rows: pl.DataFrame, ours: Mapping[str, pl.Series]) -> dict[str, pl.Series]:
    """What the experiment says of its runs; where it says nothing at all, what raylab knows of them."""
    if SAID not in rows.columns or not isinstance(rows.schema[SAID], pl.Struct):
        return {**ours}
    told, found = rows[SAID].is_not_null(), rows[SAID].struct.unnest()
    said = {name: found[name] for name in found.columns}
    both = [name for name in ours if name in said and said[name].dtype == ours[name].dtype]
    return {**ours, **said, **{name: said[name].zip_with(told, ours[name]) for name in both}}


def _outcome(rows: pl.DataFrame) -> dict[str, pl.Series]:
    """Whether it ended well, and why not. Of several repetitions in one trial one that failed says so in its row."""
    done, error = rows["_status"] == "done", rows["_error"]
    if Experiment.EXCEPTION in rows.columns:
        inner = rows[Experiment.EXCEPTION].cast(pl.String)
        done, error = done & inner.is_null(), error.fill_null(inner)
    return {
        Experiment.STATUS: done,
        Experiment.EXCEPTION: error.fill_null(""),
        Experiment.TRACEBACK: rows["_traceback"].fill_null(""),
    }


def _ours(rows: pl.DataFrame, label: str, repeats: int) -> dict[str, pl.Series]:
    """What raylab itself knows of the runs, by epyc's names."""
    started = [None if each is None else each.astimezone().replace(tzinfo=None) for each in rows["_started"].to_list()]
    begins = pl.Series(started, dtype=pl.Datetime("us"))
    takes = rows["_elapsed_s"]
    nothing = pl.Series([None] * rows.height, dtype=pl.Float64)
    found = {
        Experiment.EXPERIMENT: pl.Series([label] * rows.height, dtype=pl.String),
        Experiment.START_TIME: begins,
        Experiment.END_TIME: begins + (takes * 1e6).cast(pl.Int64, strict=False).cast(pl.Duration("us")),
        Experiment.ELAPSED_TIME: takes,
        Experiment.SETUP_TIME: rows.get_column("_set_up_s", default=nothing),
        Experiment.EXPERIMENT_TIME: rows.get_column("_do_s", default=takes),
        Experiment.TEARDOWN_TIME: rows.get_column("_tear_down_s", default=nothing),
    }
    if "_repeat" in rows.columns and repeats > 1:
        found[RepeatedExperiment.I] = rows["_repeat"]
        found[RepeatedExperiment.REPETITIONS] = pl.Series([repeats] * rows.height, dtype=pl.Int64)
    return found


def _pandas(rows: pl.DataFrame) -> Any:
    with needed("pandas", extra="epyc", purpose="dataframe()"):
        import pandas
    columns = {
        name: pandas.Series(rows[name].to_list(), dtype=object) if kind.is_nested() else rows[name].to_pandas()
        for name, kind in rows.schema.items()
    }
    return pandas.DataFrame(columns)
