"""What failed of a sweep, as frames: a row for each trial, or for each cause.

Promises: a trial that is to be run again is no failure, and what it came to before counts for no cause.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import polars.selectors as cs

from raylab.core.causes import MORE, Cause, Failing, cause_of, merged, parted
from raylab.core.design import Design
from raylab.core.request import SweepRecord
from raylab.core.retry import is_taken_back
from raylab.core.statuses import FAILED
from raylab.notebook.arrow_types import SIBLING
from raylab.notebook.file import Loaded
from raylab.notebook.frames import results
from raylab.notebook.trial_logs import LAST_LINES, Files, last_lines_of

COLUMNS = ("_point", "_status", "_attempt", "_error", "_traceback", LAST_LINES, "_node", "_seed")
"""What is said of each trial that failed."""

CAUSES_SCHEMA: dict[str, Any] = {
    "type": pl.String,
    "message": pl.String,
    "where": pl.String,
    "root": pl.String,
    "count": pl.Int64,
    "statuses": pl.List(pl.String),
    "example": pl.String,
    "_point": pl.Int64,
    "_repeat": pl.Int64,
    LAST_LINES: pl.String,
    "rerun": pl.String,
}


def check_by(by: object) -> None:
    """Refuse what failures are not grouped by.

    Raises:
        ValueError: it is neither None nor "cause".
    """
    if by not in (None, "cause"):
        raise ValueError(f"by is 'cause', for a row for each cause, or None, for one for each trial; got {by!r}")


def failures(record: SweepRecord, files: Sequence[Loaded], logs: Files, by: str | None, whose: str) -> pl.DataFrame:
    """What failed and is not to be run again.

    Args:
        record: the sweep.
        files: its files in force, in order.
        logs: those of what its trials printed.
        by: "cause" for a row for each cause; None for one for each trial.
        whose: what stands before the arguments of the line that reruns a trial, as `sweep.rerun(`.
    """
    metadata = [name for name in COLUMNS if name != LAST_LINES]
    found = results(record, files, status=FAILED, metadata=[*metadata, "_repeat", "_printed"])
    trials = (found[name].to_numpy() for name in ("_point", "_repeat", "_attempt"))
    found = found.filter(~is_taken_back(record, *trials))
    if by is not None:
        causes = _causes(found, whose)
        examples = _lined(found.join(causes, on=["_point", "_repeat"], how="semi"), logs)
        lines = dict(zip(examples.select("_point", "_repeat").rows(), examples[LAST_LINES], strict=True))
        said = [lines.get(trial) for trial in causes.select("_point", "_repeat").rows()]
        return causes.with_columns(pl.Series(LAST_LINES, said, pl.String))
    found = _lined(found, logs)
    parameters = set(Design.loads(record.designs[0]).parameters)
    head = [name for name in found.columns if name == "_repeat" or _is_of(name, parameters)]
    return found.select(cs.by_name([*head, *COLUMNS]))


def _is_of(column: str, parameters: set[str]) -> bool:
    """Whether a column has a parameter's values, or those of one kind."""
    match = SIBLING.fullmatch(column)
    return column in parameters or (match is not None and match["name"] in parameters)


def _lined(found: pl.DataFrame, logs: Files) -> pl.DataFrame:
    """These trials with the last lines of what they printed."""
    about = (found[name].to_list() for name in ("_point", "_repeat", "_attempt", "_status", "_printed"))
    return found.with_columns(pl.Series(LAST_LINES, last_lines_of(logs, *about), pl.String))


def _causes(found: pl.DataFrame, whose: str) -> pl.DataFrame:
    """The causes of these failures, each with its first one. What is said word by word alike is looked at once."""
    alike = found.group_by("_status", "_error", "_traceback", maintain_order=True)
    some: list[Failing] = []
    first: dict[Cause, dict[str, Any]] = {}
    for row in alike.agg(pl.len(), pl.col("_point", "_repeat").first()).iter_rows(named=True):
        cause = cause_of(row["_status"], row["_error"] or "", row["_traceback"])
        some.append(Failing(cause=cause, by_status={row["_status"]: row["len"]}))
        first.setdefault(cause, row)  # they come by point, then by repeat
    causes = merged(some)
    apart = {each.cause for each in causes}
    first[MORE] = next((row for cause, row in first.items() if cause not in apart), {})
    rows = [each.told() | _example(each.cause, first[each.cause], whose) for each in causes]
    return pl.DataFrame(rows, schema=CAUSES_SCHEMA)


def _example(cause: Cause, row: Mapping[str, Any], whose: str) -> dict[str, Any]:
    """What was said of a trial, which one it is, and the line that reruns it."""
    error, point, repeat = row["_error"] or "", row["_point"], row["_repeat"]
    said = parted(error)[1] if cause.type else error
    trial = f"{point}, repeat={repeat}" if repeat else str(point)
    return {"example": said, "_point": point, "_repeat": repeat, "rerun": f"{whose}{trial})"}
