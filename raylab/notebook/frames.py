"""Rows as polars frames: which of them, in which order. What a person gets to see is decided here and in `headings`.

Promises: `results` of the same rows is the same frame, in whatever order they came; `scan` has the same columns.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from copy import copy
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
import pyarrow as pa
from numpy.typing import NDArray

from raylab.core.closest import did_you_mean
from raylab.core.design import Design
from raylab.core.names import one_or_several
from raylab.core.request import SweepRecord
from raylab.core.statuses import STATUSES
from raylab.core.summary import together
from raylab.core.trial_warnings import Kind
from raylab.core.versions import mixed
from raylab.notebook.arrow_types import cast
from raylab.notebook.columns import SHUFFLED
from raylab.notebook.file import FileInfo, Loaded
from raylab.notebook.headings import ALWAYS, Heading, headings, labels, results_of
from raylab.notebook.nested import by_name
from raylab.notebook.parameters import Parameters
from raylab.notebook.schema import SEQ, union
from raylab.notebook.siblings import settled
from raylab.notebook.survey import summaries

WARNINGS_SCHEMA: dict[str, Any] = {
    "category": pl.String,
    "text": pl.String,
    "count": pl.Int64,
    "trials": pl.Int64,
    "example": pl.String,
    "_point": pl.Int64,
    "_repeat": pl.Int64,
}


def check_status(status: str | Sequence[str]) -> list[str]:
    """The statuses that a word, several words or "all" mean.

    Raises:
        ValueError: one of the words is no status, or there is none.
    """
    words = one_or_several(status)
    unknown = [word for word in words if word != "all" and word not in STATUSES]
    if unknown or not words:
        meant = did_you_mean(unknown[0], [*STATUSES, "all"]) if unknown else ""
        known = ", ".join(map(repr, STATUSES))
        raise ValueError(f"status is one or several of {known}, or 'all'; got {status!r}{meant}")
    return list(STATUSES) if "all" in words else words


def warnings_frame(kinds: Sequence[Kind]) -> pl.DataFrame:
    """The warnings that a sweep's trials showed, a row for each kind."""
    frame = pl.DataFrame([kind.dumps() for kind in kinds], schema=WARNINGS_SCHEMA, orient="row")
    return frame.sort("count", "text", "category", descending=[True, False, False])


def results(
    record: SweepRecord,
    files: Sequence[Loaded],
    *,
    status: str | Sequence[str] = "done",
    metadata: bool | Sequence[str] = False,
) -> pl.DataFrame:
    """A sweep's rows by point, then by repeat, then as the experiment gave them.

    Args:
        record: what was asked.
        files: the sweep's files in force, in order.
        status: which trials.
        metadata: True for all metadata columns, or some of their names.

    A warning tells where what is done was done by several versions of the code.

    Raises:
        ValueError: there is no such status, or no such metadata.
    """
    view, frame = ordered(record, files, status, metadata)
    return view.shown(frame)


def ordered(
    record: SweepRecord, files: Sequence[Loaded], status: str | Sequence[str], metadata: bool | Sequence[str]
) -> tuple[View, pl.DataFrame]:
    """What is seen of a sweep, and the rows of `results` with the columns as they are on disk; see there."""
    view, tables = viewed(record, files, status, metadata)
    trial = ("_point", "_repeat") if record.repeats > 1 else ("_point",)
    frame = view.rows(tables, (*trial, *view.mixing)).collect()
    view.tell_mixed(frame)
    order = in_turn(*(frame[name].to_numpy() for name in trial))
    frame = frame.select(cs.by_name(view.columns))
    # From many pieces polars gathers four times as slowly as from one.
    return view, frame if order is None else frame.rechunk()[order]


def scan(
    record: SweepRecord,
    files: Sequence[Loaded],
    *,
    status: str | Sequence[str] = "done",
    metadata: bool | Sequence[str] = False,
) -> pl.LazyFrame:
    """The columns of `results`, in the order of `_seq`, which is that of arrival; see there."""
    view, tables = viewed(record, files, status, metadata)
    if view.mixing:
        view.tell_mixed(view.rows(tables, view.mixing).select(view.mixing).collect())
    rows = view.rows(tables)
    return rows if view.is_plain else view.shown(rows.collect()).lazy()


def updates(record: SweepRecord, files: Sequence[Loaded], since: int) -> pl.DataFrame:
    """The rows from this `_seq` on, in its order, of every status and with all metadata, also of trials that ran again
    since: what has come in does not go.

    Columns are called as on disk: what one frame calls a column, a later one does too.
    """
    view, tables = viewed(record, files, "all", True, since)
    return view.rows(tables).collect()


def executions(record: SweepRecord, files: Sequence[Loaded], metadata: Sequence[str]) -> pl.DataFrame:
    """A row for each time that a trial ran, also where it ran again since: this metadata of it, in order of arrival."""
    view, tables = viewed(record, files, "all", metadata)
    rows = view.every_attempt().rows(tables, ("_point", "_repeat", "_attempt"))
    return rows.unique(["_point", "_repeat", "_attempt"], keep="first", maintain_order=True).collect()


def trial(
    record: SweepRecord,
    files: Sequence[Loaded],
    point: int,
    repeat: int,
    metadata: bool | Sequence[str] = False,
) -> pl.DataFrame:
    """The record of one trial, whatever its status, with the columns of `results` and its tables; no rows where there
    is none."""
    view, tables = viewed(record, files, "all", metadata, tables=True)
    mine = (pl.col("_point") == point) & (pl.col("_repeat") == repeat)
    rows = view.rows(tables, ("_point", "_repeat", "_attempt"))
    # Where values of one name lie in several columns, it depends on all rows how these are called.
    frame = (rows.filter(mine) if view.is_plain else rows).collect()
    newest = pl.col("_attempt") == pl.col("_attempt").filter(mine).max()
    wanted = frame.select((mine & newest).alias("wanted")).to_series()
    return view.shown(frame.select(cs.by_name(view.columns))).filter(wanted)


def viewed(
    record: SweepRecord,
    files: Sequence[Loaded],
    status: str | Sequence[str],
    metadata: bool | Sequence[str],
    since: int | None = None,
    tables: bool = False,
) -> tuple[View, list[pa.Table]]:
    """What is seen of these files, and their rows; as `results`, and `since` and `tables` as of `View`."""
    chosen = [loaded for loaded in files if loaded.info.rows and loaded.info.stop > (since or 0)]
    # The last file has all the columns in force.
    rows = [loaded.table for loaded in chosen] or [loaded.table.slice(0, 0) for loaded in files[-1:]]
    infos = [loaded.info for loaded in chosen or files[-1:]]
    return View(record, infos, status, metadata, since, tables), rows


class View:
    """What is seen of a sweep: which of its rows, and which columns of them.

    Args:
        record: what was asked.
        files: those whose rows are seen; at least one, if there is any.
        status, metadata: as `results` takes them.
        since: the first `_seq`, where what is seen is called as on disk.
        tables: whether those results are seen that are tables.

    Attributes:
        name: the sweep's.
        parameters: their names.
        results: the columns on disk of each result, by the name that people see.
        seen: the headings of its columns.
        mixing: the columns by which `tell_mixed` sees whether there is anything to tell.
        has_lists: whether a trial may have several rows.
    """

    def __init__(
        self,
        record: SweepRecord,
        files: Sequence[FileInfo],
        status: str | Sequence[str],
        metadata: bool | Sequence[str],
        since: int | None = None,
        tables: bool = False,
    ) -> None:
        self._sorts = since is None
        words = check_status(status)
        found = together(summaries(info for info in files if info.rows and info.stop > (since or 0)))
        self._schema = union(info.schema for info in files)
        parameters = _parameters(record.designs)
        self.parameters = [field.name for field in parameters]
        self.seen = headings(
            self._schema,
            parameters=parameters,
            repeats=record.repeats > 1,
            names=found.names if self._sorts else [],
            metadata=metadata,
            tables=tables or not self._sorts,
        )
        self.results = results_of(self._schema, parameters, found.names)
        # What runs again while the files are read comes in positions that the record does not know yet.
        later = any(stop > record.positions for _, stop in found.positions[-1:])
        self.again = found.again or (self._sorts and (record.runs_again or later))
        self._filters = _filters(found.by_status, self.again, words, since or 0)
        self.name = record.name
        self.has_lists = found.rows > sum(found.by_status.values())
        self.mixing = ("_code", "_status") if len(found.versions) > 1 else ()
        self.columns = [field.name for heading in self.seen for field in heading.fields]

    def without_results(self) -> View:
        """What is seen of a sweep but its results."""
        made = copy(self)
        made.seen = [heading for heading in self.seen if heading.name not in self.results]
        made.columns = [field.name for heading in made.seen for field in heading.fields]
        return made

    def every_attempt(self) -> View:
        """What is seen of a sweep but its results, of every time that a trial ran."""
        made = self.without_results()
        made._filters = []
        return made

    @property
    def is_plain(self) -> bool:
        """Whether the columns on disk are those that are seen."""
        return all([field.name for field in heading.fields] == [heading.name] for heading in self.seen)

    def rows(self, tables: Sequence[pa.Table], also: Sequence[str] = ()) -> pl.LazyFrame:
        """The rows of these tables, with the columns as they are on disk; of the metadata these, too."""
        names = dict.fromkeys([*self.columns, *also])
        used = {*names, *(name for each in self._filters for name in each.meta.root_names())} or {SEQ}
        rows = self._placed(tables, used)
        for each in self._filters:
            rows = rows.filter(each)
        # Plain strings would be patterns: a result may be called "*".
        return rows.select(cs.by_name(list(names)))

    def piece(self, table: pa.Table, also: Sequence[str] = ()) -> pl.DataFrame:
        """All rows of one table, in the columns and types that the rows of all tables have together; of the metadata
        these, too."""
        names = dict.fromkeys([*self.columns, *also])
        rows = self._placed([self._schema.empty_table(), table], {*names})
        return rows.select(cs.by_name(list(names))).collect()

    def _placed(self, tables: Sequence[pa.Table], used: AbstractSet[str]) -> pl.LazyFrame:
        """The rows of these tables in these columns, whichever of them a table has."""
        kinds = ALWAYS | {field.name: field.type for heading in self.seen for field in heading.fields}
        blank = pa.schema([(name, kinds[name]) for name in used if name not in self._schema.names])
        return _together([*(self._in_order(table, used) for table in tables), blank.empty_table()], used)

    def _in_order(self, table: pa.Table, used: AbstractSet[str]) -> pa.Table:
        """The table with the fields of those structs sorted whose order depends on which came first, where they are
        used."""
        for at, field in enumerate(table.schema):
            if field.name not in used:
                continue
            known = self._schema.field(field.name)
            if self._sorts and SHUFFLED in (known.metadata or {}) and not pa.types.is_null(field.type):
                kind = by_name(known.type)
                table = table.set_column(at, pa.field(field.name, kind), cast(table.column(at), kind))
        return table

    def tell_mixed(self, frame: pl.DataFrame) -> None:
        """Warn if these rows have results of several versions of the code, by their columns `mixing`."""
        if self.mixing:
            versions = frame.filter(pl.col("_status") == "done")["_code"].unique().sort().to_list()
            if len(versions) > 1:
                warnings.warn(mixed(self.name, versions), stacklevel=outside())

    def shown(self, frame: pl.DataFrame) -> pl.DataFrame:
        """These rows with the columns as they are seen."""
        if self.is_plain:
            return frame
        return pl.DataFrame([values for own in self.apart(frame).values() for values in own])

    def apart(self, frame: pl.DataFrame) -> dict[str, list[pl.Series]]:
        """The columns as they are seen, by the name whose values they hold."""
        kinds = [_settled(heading, frame) for heading in self.seen]
        names = labels(self.seen, [[word for word, _ in some] for some in kinds])
        return {
            heading.name: [values.alias(name) for (_, values), name in zip(some, own, strict=True)]
            for heading, some, own in zip(self.seen, kinds, names, strict=True)
        }


def outside() -> int:
    """How far up whoever reads called raylab: a warning is of that line, and is shown once for it."""
    package, frame, level = __name__.partition(".")[0], sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame, level = frame.f_back, level + 1
    return level


def _settled(heading: Heading, frame: pl.DataFrame) -> list[tuple[str, pl.Series]]:
    columns = [frame[field.name] for field in heading.fields]
    if len(columns) == 1:
        return [("", columns[0])]
    return [(kind.word, kind.values) for kind in settled(heading.fields, columns)]


def in_turn(points: NDArray[np.int64], repeats: NDArray[np.int64] | None = None) -> pl.Series | None:
    """Where the rows are by point, then by repeat, else as they stand; None if they stand so.

    A trial's rows stand together, and its number is its place but for those that are not there: to put each where it
    belongs costs a tenth of sorting them.
    """
    if not len(points):
        return None
    trials = points if repeats is None else points * (int(repeats.max()) + 1) + repeats
    if all(bool((some[1:] >= some[:-1]).all()) for some in (trials[:1_000], trials)):
        return None
    new = trials[1:] != trials[:-1]
    starts = None if new.all() else np.concatenate(([0], np.flatnonzero(new) + 1))
    heads = trials if starts is None else trials[starts]
    low, high = int(heads.min()), int(heads.max())
    if high - low > 8 * len(heads):
        turns: NDArray[Any] = np.argsort(heads, kind="stable")
    else:
        places = np.zeros(high - low + 1, dtype=np.uint32)
        places[heads - low if low else heads] = np.arange(1, len(heads) + 1, dtype=np.uint32)
        places -= 1  # where nothing was put it is NOWHERE now
        turns = places if places.max() != NOWHERE else places[places != NOWHERE]
        if len(turns) < len(heads):  # a trial's rows that stand apart
            turns = np.argsort(heads, kind="stable")
    if starts is not None:
        turns = _all_rows(starts, len(trials), turns)
    return pl.Series(turns, dtype=pl.get_index_type())


NOWHERE = 2**32 - 1


def _all_rows(starts: NDArray[np.int64], count: int, turns: NDArray[Any]) -> NDArray[np.int64]:
    """The rows of the runs that begin there, run by run in these turns."""
    lengths = np.diff(starts, append=count)[turns]
    ends = np.cumsum(lengths)
    rows: NDArray[np.int64] = np.arange(count) + np.repeat(starts[turns] - (ends - lengths), lengths)
    return rows


def _filters(there: Collection[str], again: bool, words: Sequence[str], since: int) -> list[pl.Expr]:
    """What leaves the rows that are wanted, in this order; nothing where all of them are.

    Args:
        there: the statuses that there are.
        again: whether a trial stands there more than once.
        words: the statuses wanted.
        since: the first `_seq` wanted.
    """
    filters = [pl.col(SEQ) >= since] if since else []
    if again:
        filters.append(pl.col("_attempt") == pl.col("_attempt").max().over("_point", "_repeat"))
    if not set(there) <= set(words):
        filters.append(pl.col("_status").is_in(words))
    return filters


@lru_cache(maxsize=8)
def _parameters(designs: tuple[str, ...]) -> list[Any]:
    """A field for each parameter of a sweep, of the type of its first value; of no type if it has none."""
    loaded = list(map(Design.loads, designs))
    kinds: dict[str, Any] = {}
    for at, design in enumerate(loaded):
        own: dict[str, Any] = {}
        for field, _ in Parameters(design, loaded[:at]).columns(np.array([], dtype=np.int64)):
            own.setdefault(field.name, field.type)
        kinds |= {name: kind for name, kind in own.items() if kinds.get(name) in (None, pa.int64())}
    return [pa.field(name, kinds.get(name, pa.null())) for name in loaded[0].parameters]


def _together(tables: Sequence[pa.Table], names: AbstractSet[str]) -> pl.LazyFrame:
    """The rows of all tables, with these columns."""
    frames = []
    for table in _joined([table.select([name for name in table.column_names if name in names]) for table in tables]):
        frame = pl.from_arrow(table.rename_columns(list(map(str, range(table.num_columns)))))
        assert isinstance(frame, pl.DataFrame)
        frame.columns = table.column_names  # from_arrow gives a column called "" another name
        if frame.width:
            frames.append(frame.lazy())
    return pl.concat(frames, how="diagonal_relaxed")


def _joined(tables: Sequence[pa.Table]) -> Iterator[pa.Table]:
    """Tables that follow each other and have the same columns as one, without copying."""
    for _, group in groupby((table.replace_schema_metadata() for table in tables), key=lambda table: table.schema):
        yield pa.concat_tables(group)
