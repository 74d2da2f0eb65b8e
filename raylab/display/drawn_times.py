"""Drawing of times: a timeline, and how long trials took, as Altair charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from raylab.display import palette
from raylab.display.charts import alt
from raylab.display.drawing import decades, titled
from raylab.display.durations import Durations
from raylab.display.timeline import WORDS, Timeline, order

WIDTH = 720
LANE = 14
NAMED = 40
"""So many lanes are called by name; more are too thin for it."""

TALLEST = 700
"""Pixels."""

SHAPES = ("triangle-down", "square", "diamond", "circle", "triangle-right", "cross", "stroke", "triangle-up")


def draw_timeline(found: Timeline, title: str, subtitle: Sequence[str]) -> Any:
    """The timeline as a chart: a lane for each process, a bar for each trial, a mark for each event above them."""
    lanes = list(found.lanes)
    step = min(LANE, max(1.0, TALLEST / max(1, len(lanes))))
    height = max(LANE * 2, step * len(lanes))
    named = {"labels": len(lanes) <= NAMED, "ticks": False, "grid": False, "labelLimit": 260}
    said = None if len(lanes) <= NAMED else f"{len(lanes):,} processes, by node"
    y = alt.Y("lane", type="nominal", sort=lanes, title=said, axis=alt.Axis(**named))
    about = [("what", "trial"), ("status", "status"), ("lane", "ran in")]
    tips = [alt.Tooltip(field, type="nominal", title=word) for field, word in about]
    tips += [
        _moment("from", "from"),
        _moment("to", "to"),
        alt.Tooltip("n", type="quantitative", title="trials"),
        alt.Tooltip("error", type="nominal"),
    ]
    there = order(found.bars["status"])
    colors = alt.Scale(domain=there, range=[palette.STATUSES[each] for each in there])
    legend = alt.Legend() if there else None
    color = alt.Color("status", type="nominal", title="trials", scale=colors, legend=legend)
    bars = alt.Chart(found.bars).encode(
        x=alt.X(
            "from",
            type="temporal",
            title="time (UTC)",
            scale=alt.Scale(type="utc", nice=False, padding=10),
            axis=alt.Axis(format=_clock(found), tickCount=8, labelOverlap=True),
        ),
        y=y,
        color=color,
        tooltip=tips,
    )
    outline = alt.Stroke("status", type="nominal", scale=colors, legend=None)  # seen, however narrow the bar
    layers = [bars.mark_bar(height=max(1.0, 0.75 * step), strokeWidth=0.6).encode(x2=alt.X2("to"), stroke=outline)]
    crosses = bars.transform_filter("datum.status != 'done'")
    layers.append(
        crosses.mark_point(shape="M-1,-1L1,1M-1,1L1,-1", size=45, strokeWidth=2, filled=False, opacity=1).encode(
            x="to:T"
        )
    )
    if found.events.height:
        layers += _events(found)
    return titled(alt.layer(*layers).properties(width=WIDTH, height=height), title, subtitle)


def _clock(found: Timeline) -> str:
    """How finely the axis says what time it is."""
    times = np.concatenate([found.bars["from"].to_numpy(), found.bars["to"].to_numpy(), found.events["at"].to_numpy()])
    span = np.ptp(times) / 1_000 if len(times) else 0.0
    return "%H:%M:%S.%L" if span < 5 else "%H:%M:%S" if span < 600 else "%H:%M" if span < 86_400 else "%b %d, %H:%M"


def _events(found: Timeline) -> list[Any]:
    at = alt.Chart(found.events).encode(
        x=alt.X("at", type="temporal"),
        tooltip=[alt.Tooltip("event", type="nominal"), alt.Tooltip("what", type="nominal"), _moment("at", "at")],
    )
    there = [word for word in WORDS if word in set(found.events["event"])]
    shapes = [SHAPES[WORDS.index(word)] for word in there]
    shape = alt.Shape("event", type="nominal", title="events", scale=alt.Scale(domain=there, range=shapes))
    marks = at.mark_point(size=60, filled=True, color=palette.OUTSIDE, opacity=1, yOffset=-9)
    rules = at.mark_rule(color=palette.OUTSIDE, strokeDash=[3, 3], strokeWidth=1)
    return [rules, marks.encode(y=alt.value(0), shape=shape)]


def draw_durations(found: Durations, title: str, subtitle: Sequence[str]) -> Any:
    """How long trials took, as a chart: how many took so long, by what came of them."""
    there = order(found.bars["status"]) if found.bars.height else []
    axis: dict[str, Any] = {}
    scale = alt.Scale(type="log", nice=False) if found.is_log else alt.Scale(zero=False, nice=False)
    if found.is_log:
        low, high = found.bars["from"].to_numpy().min(), found.bars["to"].to_numpy().max()
        axis = {"axis": alt.Axis(values=decades(low, high), format="~g")}
    bars = alt.Chart(found.bars).mark_bar(binSpacing=0, stroke="white", strokeWidth=0.5)
    chart = bars.encode(
        x=alt.X("from", type="quantitative", bin="binned", title="duration of a trial / s", scale=scale, **axis),
        x2=alt.X2("to"),
        y=alt.Y("n", type="quantitative", title="trials"),
        color=alt.Color(
            "status",
            type="nominal",
            title="trials",
            scale=alt.Scale(domain=there, range=[palette.STATUSES[each] for each in there]),
            legend=alt.Legend() if set(there) - {"done"} else None,
        ),
        order=alt.Order("status", type="nominal"),
        tooltip=[
            alt.Tooltip("from", type="quantitative", title="from / s", format=".4~g"),
            alt.Tooltip("to", type="quantitative", title="to / s", format=".4~g"),
            alt.Tooltip("n", type="quantitative", title="trials"),
            alt.Tooltip("status", type="nominal"),
        ],
    )
    return titled(chart.properties(width=480, height=300), title, subtitle)


def _moment(field: str, title: str) -> Any:
    return alt.Tooltip(field, type="temporal", title=title, timeUnit="utcyearmonthdatehoursminutesseconds")
