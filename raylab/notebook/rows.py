"""Records: what came of trials, as rows. Built in the worker, whole columns at a time.

A record batch on its way to the lab ("wire") may have several columns of one name and different types; the lab's
`Schema` gives each its name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from raylab.core.labelled import LABELS
from raylab.core.summary import Names
from raylab.notebook import label_columns
from raylab.notebook.arrow_types import DATETIME_UTC, FLOAT, INT, STRING
from raylab.notebook.columns import clean_name, column, renamed, result_name
from raylab.notebook.parameters import Parameters

METADATA: dict[str, Any] = {
    "_point": INT,
    "_repeat": INT,
    "_attempt": INT,
    "_code": INT,
    "_status": STRING,
    "_warnings": INT,
    "_printed": INT,
    "_seed": INT,
    "_started": DATETIME_UTC,
    "_elapsed_s": FLOAT,
    "_num_cpus": FLOAT,
    "_memory": FLOAT,
    "_time_limit": FLOAT,
    "_peak_memory": INT,
    "_error": STRING,
    "_traceback": STRING,
    "_node": STRING,
    "_pid": INT,
}
"""What every row says about its trial, beside `_seq`, which the table adds."""

SELDOM = frozenset({"_printed", "_memory", "_time_limit", "_peak_memory"})
"""Those of it that are left out where none of the trials has any, since 24 bytes of a row are a fifth of it; whoever
reads sees nulls."""

TIMES: dict[str, Any] = {"_set_up_s": FLOAT, "_do_s": FLOAT, "_tear_down_s": FLOAT}
"""What a `raylab.Experiment` adds: seconds of its three parts."""

NAMES = b"raylab.names"
"""Metadata of a wire batch: its `Names`, as JSON."""

RESERVED = frozenset({"_seq", "_more", "_metadata", label_columns.DIGEST, label_columns.CONTENTS, *METADATA, *TIMES})


class Asked(NamedTuple):
    """What each of some trials asked for; None for nothing."""

    num_cpus: float | None = None
    memory: float | None = None
    time_limit: float | None = None


NOTHING: Final = Asked()


@dataclass(slots=True)
class Trials:
    """What is known of some trials in a row, in lists and arrays of one entry each."""

    points: NDArray[np.int64]  # of the design
    repeats: NDArray[np.int64]
    seeds: NDArray[np.int64]
    started: NDArray[np.float64]  # seconds since the epoch; NaN where nobody knows
    elapsed: NDArray[np.float64]  # seconds; NaN where nobody knows, since its process died
    results: Sequence[Any]  # a mapping, or a list of them, for each trial; {} where there is none
    failures: Mapping[int, tuple[str, str | None, str | None]] = field(default_factory=dict)
    attempts: Mapping[int, int] = field(default_factory=dict)  # where it is not `attempt`
    warnings: Mapping[int, int] = field(default_factory=dict)  # how many were shown, where it is not 0
    peaks: Mapping[int, int] = field(default_factory=dict)  # bytes of memory, where they were measured
    printed: Mapping[int, int] = field(default_factory=dict)  # bytes, where it is not `unsaid`
    unsaid: int | None = None  # what the others printed: 0, or None where nobody listened
    asked: Asked = NOTHING
    elsewhere: bool = False  # they did not run here: nobody knows their seeds, nodes and processes
    attempt: int = 1
    version: int = 1  # of the sweep's code
    first_point: int = 0  # the number of the design's first point in the sweep
    times: Sequence[Mapping[str, float]] | None = None
    metadata: Sequence[Mapping[str, object] | None] | None = None
    sent: AbstractSet[str] = frozenset()  # the digests of the labels' contents that the lab has from this lease

    def __len__(self) -> int:
        return len(self.points)


def wire(trials: Trials, parameters: Parameters, node: str, pid: int) -> pa.RecordBatch:
    """The rows of these trials: metadata, parameters, results.

    In this order, because a sweep has only so many columns, and results may be any number.

    Args:
        trials: what came of them.
        parameters: the design's columns.
        node: the name of the machine they ran on.
        pid: of the process they ran in.

    Returns:
        The rows; their schema's metadata has the `Names` of the results.
    """
    rows, lengths = _flat(trials.results)
    results, alike = _transposed(rows)
    labels = results.pop(LABELS, None)
    columns = _about(trials, node, pid) + parameters.columns(trials.points)
    if lengths is not None:  # records of several rows share all but their results
        index = pa.array(np.repeat(np.arange(len(trials)), lengths))
        columns = [(f, array.take(index)) for f, array in columns]
    if labels is not None:
        columns += label_columns.columns(labels, trials.sent)  # type: ignore[arg-type]
    columns += _result_columns(results, parameters.names)
    about = {NAMES: json.dumps(_named(trials, alike)).encode()} if results else None
    schema = pa.schema([f for f, _ in columns], metadata=about)
    return pa.RecordBatch.from_arrays([array for _, array in columns], schema=schema)


def _flat(results: Sequence[Any]) -> tuple[Sequence[Mapping[str, object]], list[int] | None]:
    """The rows of all trials one after the other, and how many each has; None if each has just one."""
    if list not in set(map(type, results)):
        return results, None
    rows: list[Mapping[str, object]] = []
    lengths = []
    for result in results:
        own = (result or [{}]) if isinstance(result, list) else [result]
        rows.extend(own)
        lengths.append(len(own))
    return rows, lengths


def _result_columns(results: Mapping[str, Sequence[object]], parameters: AbstractSet[str]) -> list[tuple[Any, Any]]:
    kept = _kept(results, parameters)
    return [
        (field if kept[name] == name else renamed(field, name), array)
        for name, values in results.items()
        for field, array in column(kept[name], values)
    ]


def _kept(results: Iterable[str], parameters: AbstractSet[str]) -> dict[str, str]:
    """Under which name each result is kept: its own, or NAME__result where that is another's."""
    used = {*parameters, *RESERVED}
    # First those that keep their own: a result may well be called p__result.
    kept = {name: name for name in results if name not in used and clean_name(name) == name}
    used.update(kept)
    for name in results:
        if name not in kept:
            kept[name] = result_name(clean_name(name), used)
            used.add(kept[name])
    return kept


def _transposed(rows: Sequence[Mapping[str, object]]) -> tuple[dict[str, Sequence[object]], bool]:
    """Rows to columns, and whether all rows have the same keys: nearly always, and then no row is looked at twice."""
    if not rows:
        return {}, True
    first = rows[0]
    if set(map(len, rows)) == {len(first)}:
        try:
            return {name: [row[name] for row in rows] for name in first}, True
        except KeyError:
            pass
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}, False


def _named(trials: Trials, alike: bool) -> Names:
    """The names of these trials' results, by trial; of all of them the lowest's if they are alike."""
    points, repeats = trials.points, trials.repeats
    if alike:
        lowest = np.flatnonzero(points == points.min())
        order = [int(lowest[np.argmin(repeats[lowest])])]
    else:
        order = np.lexsort((repeats, points)).tolist()
    found: list[list[Any]] = []
    seen: set[str] = {LABELS}  # which is no result
    for at in order:
        result = trials.results[at]
        rows = result if isinstance(result, list) else [result]
        if new := list(dict.fromkeys(name for row in rows if not seen.issuperset(row) for name in row)):
            new = [name for name in new if name not in seen]
            seen.update(new)
            found.append([int(points[at]) + trials.first_point, int(repeats[at]), new])
    return found


def names_of(batch: pa.RecordBatch) -> Names:
    """Which results a wire batch has, and in which order they came."""
    told = (batch.schema.metadata or {}).get(NAMES)
    found: Names = json.loads(told) if told else []
    return found


def _about(trials: Trials, node: str, pid: int) -> list[tuple[Any, Any]]:
    """The metadata columns, in the order of METADATA."""
    count = len(trials)
    failures = trials.failures
    values: dict[str, Any] = {
        "_point": pa.array(trials.points + trials.first_point),
        "_repeat": pa.array(trials.repeats),
        "_attempt": _mostly(trials.attempt, INT, count, trials.attempts),
        "_code": _mostly(trials.version, INT, count, {}),
        "_status": _mostly("done", STRING, count, {at: failure[0] for at, failure in failures.items()}),
        "_warnings": _mostly(0, INT, count, trials.warnings),
        "_printed": _mostly(trials.unsaid, INT, count, trials.printed),
        "_seed": pa.nulls(count, INT) if trials.elsewhere else pa.array(trials.seeds),
        "_started": _moments(trials.started),
        "_elapsed_s": pa.array(trials.elapsed, from_pandas=True),  # NaN is null there
        "_num_cpus": _mostly(trials.asked.num_cpus, FLOAT, count, {}),
        "_memory": _mostly(trials.asked.memory, FLOAT, count, {}),
        "_time_limit": _mostly(trials.asked.time_limit, FLOAT, count, {}),
        "_peak_memory": _mostly(None, INT, count, trials.peaks),
        "_error": _mostly(None, STRING, count, {at: failure[1] for at, failure in failures.items()}),
        "_traceback": _mostly(None, STRING, count, {at: failure[2] for at, failure in failures.items()}),
        "_node": _mostly(None if trials.elsewhere else node, STRING, count, {}),
        "_pid": _mostly(None if trials.elsewhere else pid, INT, count, {}),
    }
    columns = [
        (pa.field(name, kind), values[name])
        for name, kind in METADATA.items()
        if name not in SELDOM or values[name].null_count < count
    ]
    if trials.times is not None:
        for name, kind in TIMES.items():
            columns.append((pa.field(name, kind), pa.array([times.get(name) for times in trials.times], kind)))
    if trials.metadata is not None:
        columns += column("_metadata", [dict(each) if each else None for each in trials.metadata])
    return columns


def _moments(seconds: NDArray[np.float64]) -> Any:
    unknown = np.isnan(seconds)
    micros = np.rint(np.where(unknown, 0.0, seconds) * 1e6).astype(np.int64)
    return pa.array(micros, mask=unknown if unknown.any() else None).view(METADATA["_started"])


def _mostly(usual: object, kind: Any, count: int, exceptions: Mapping[int, object]) -> Any:
    """A column of one value, but for a few rows."""
    if not exceptions:
        return pa.repeat(pa.scalar(usual, kind), count)
    values = [usual] * count
    for at, value in exceptions.items():
        values[at] = value
    return pa.array(values, kind)
