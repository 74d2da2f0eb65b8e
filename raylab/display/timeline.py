"""A timeline: which process ran which trial when, what became of it, and what happened to the sweep meanwhile.

Promises: at most MOST bars, each a trial or several that follow each other in one process with the same end; what
failed is never merged with what is done. Draws nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from raylab.core.request import Request
from raylab.core.statuses import STATUSES
from raylab.display.plot_columns import MOST, first_line
from raylab.display.subject import Subject
from raylab.notebook.frames import executions

COLUMNS = ("_point", "_repeat", "_attempt", "_status", "_started", "_elapsed_s", "_error", "_node", "_pid")

LANES = 500
"""Of more processes those of a node share a lane."""

EVENTS = {
    "submitted": "submitted",
    "grown": "grown, or run again",
    "continued": "other code",
    "paused": "paused",
    "resumed": "resumed",
    "cancelled": "cancelled",
    "ran_alone": "a process died",
}
"""What requests tell of a sweep, in words. A trial whose process died runs alone next; a request counts that run."""

LAB_BEGAN = "the lab began again"
"""An earlier one had ended, or was killed; nobody can tell when."""

WORDS = tuple(dict.fromkeys([*EVENTS.values(), LAB_BEGAN]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What is drawn of one.

    Attributes:
        bars: `lane`, `node`, `from` and `to` (ms since the epoch), `status`, how many trials (`n`), `what`, `error`.
        lanes: the lanes, by node, then by when their processes began.
        events: `at` (ms since the epoch), `event` and `what`.
        remarks: what is to be known of it.
    """

    bars: pl.DataFrame
    lanes: Sequence[str]
    events: pl.DataFrame
    remarks: Sequence[str]


def timeline(subject: Subject) -> Timeline:
    """The timeline of a sweep, of every time that one of its trials ran."""
    ran = executions(subject.record, subject.files, COLUMNS)
    known = ran.filter(pl.col("_started").is_not_null())
    remarks = []
    if unknown := ran.height - known.height:
        remarks.append(f"{unknown:,} of which nobody knows when they ran are not drawn")
    runs = _runs(known)
    lanes = runs["lane"].unique(maintain_order=True).to_list()
    if len(lanes) > LANES:
        runs = runs.with_columns(lane="node")
        lanes = runs["lane"].unique(maintain_order=True).to_list()
    bars = merged(runs, len(lanes))
    if bars.height < runs.height:
        remarks.append(f"summarised: trials that follow each other are one bar, {runs.height:,} in {bars.height:,}")
    return Timeline(bars=bars, lanes=lanes, events=events(subject), remarks=remarks)


def _runs(known: pl.DataFrame) -> pl.DataFrame:
    """A bar for each time that a trial ran, lane by lane."""
    begun = pl.col("_started").dt.epoch("us") / 1_000
    node = pl.col("_node").fill_null("?")
    lines = {text: first_line(text) for text in known["_error"].unique().drop_nulls().to_list()}
    attempt = pl.when(pl.col("_attempt") > 1).then(pl.format(", attempt {}", "_attempt")).otherwise(pl.lit(""))
    runs = known.select(
        pl.format("{} · {}", node, pl.col("_pid").cast(pl.String).fill_null("?")).alias("lane"),
        node.alias("node"),
        begun.alias("from"),
        (begun + pl.col("_elapsed_s").fill_null(0.0).fill_nan(0.0) * 1_000).alias("to"),
        pl.col("_status").alias("status"),
        pl.lit(1).alias("n"),
        pl.format("point {}, repeat {}{}", "_point", "_repeat", attempt).alias("what"),
        pl.col("_error").replace_strict(lines, return_dtype=pl.String).alias("error"),
    )
    return runs.sort(pl.col("node"), pl.col("from").min().over("lane"), "lane", "from")


def merged(runs: pl.DataFrame, lanes: int) -> pl.DataFrame:
    """As few bars as are drawn: trials of one lane, one end, and one stretch of time together; the stretches double
    until the bars are no more than MOST.

    Args:
        runs: the bars, one for each trial.
        lanes: how many lanes there are.
    """
    if runs.height <= MOST:
        return runs
    first, last = runs["from"].min(), runs["to"].max()
    assert isinstance(first, float)
    assert isinstance(last, float)
    stretches = max(1, MOST // max(1, lanes))
    found = runs
    while found.height > MOST:
        stretch = ((pl.col("from") - first) / max(last - first, 1.0) * stretches).floor().alias("stretch")
        alike = runs.group_by("lane", "node", "status", stretch, maintain_order=True)
        what = pl.when(pl.len() > 1).then(pl.format("{} trials", pl.len())).otherwise(pl.col("what").first())
        found = alike.agg(
            pl.col("from").min(), pl.col("to").max(), pl.col("n").sum(), what.alias("what"), pl.col("error").first()
        ).drop("stretch")
        if stretches == 1:
            break
        stretches //= 2
    return found.head(MOST)


def events(subject: Subject) -> pl.DataFrame:
    """What happened to the sweep: what people asked, which processes died, and when a lab began on its notebook."""
    record = subject.record
    own = [row for row in subject.requests() if row.sweep == record.name and row.folder == record.folder]
    since = record.time_us / 1_000
    found = [(row.time_us / 1_000, EVENTS[row.kind], _told(row)) for row in own if row.kind in EVENTS]
    begun = [(datetime.fromisoformat(life.time).timestamp() * 1_000, _who(life.writer)) for life in subject.lives()]
    found += [(at, LAB_BEGAN, who) for at, who in begun[1:] if at >= since]
    schema = {"at": pl.Float64, "event": pl.String, "what": pl.String}
    frame = pl.DataFrame(found, schema=schema, orient="row").sort("at")
    return frame if frame.height <= MOST else frame.sample(MOST, seed=0).sort("at")


def _told(row: Request) -> str:
    if row.kind == "ran_alone":
        return f"its first trial runs alone now, at position {row.body['position']:,}"
    if row.kind == "paused":
        return first_line(str(row.body.get("reason", "")))
    return f"by {first_line(row.user)}" if row.user else ""


def _who(writer: Mapping[str, str]) -> str:
    return first_line(f"as process {writer.get('pid', '?')} of {writer.get('host', '?')}")


def order(statuses: Iterable[str]) -> list[str]:
    """Statuses in the order in which they are always named.

    Example:
        >>> order(["crashed", "done"])
        ['done', 'crashed']
    """
    there = set(statuses)
    return [status for status in STATUSES if status in there]
