"""Drawing: from the rows of a plot to an Altair chart, one that a person can go on editing.

Promises: rows lie in one frame of plain column names; nothing is set for the chart as a whole that would keep it from
being laid over another one. Decides nothing about what is shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from raylab.display import palette
from raylab.display.charts import alt, offline
from raylab.display.plot_columns import Column, Rows

SIZE = (480, 300)
PANEL = (210, 160)
ACROSS = 3
"""Panels side by side."""

PLAIN = palette.FEW[0]
"""The colour of what is not told apart by colour."""

SPARSE = 40
"""So many means along an axis have a point and a bar each; more are a line in a band."""

CROSS = "M-1,-1L1,1M-1,1L1,-1"
"""The path of the mark of what failed."""

NAMED = 12
"""So many levels on an axis of numbers have a tick each."""


def draw(rows: Rows, title: str, subtitle: Sequence[str]) -> Any:
    """The chart of these rows."""
    makers = {"means": _means, "map": _map, "trials": _trials, "shares": _shares, "distribution": _distribution}
    layers = makers[rows.choice.mark](rows)
    return titled(_in_panels(rows, layers), title, subtitle)


def titled(chart: Any, title: str, subtitle: Sequence[str]) -> Any:
    """The chart under its title, as one that needs no network."""
    words = alt.TitleParams(
        text=title, subtitle=list(subtitle), anchor="start", frame="group", subtitleColor="#555", offset=8
    )
    return offline(chart.properties(title=words))


# the kinds of plots -----------------------------------------------------------------------------------------------


def _means(rows: Rows) -> list[Any]:
    x, color = rows.columns[rows.choice.x or ""], rows.columns.get(rows.choice.color or "")
    base = alt.Chart().encode(
        x=_axis(alt.X, x, ends=True),
        y=_down(rows),
        tooltip=_tips(rows),
        **({"color": _color(color)} if color else {}),
        **({"xOffset": _offset(color)} if color and not x.about.is_continuous else {}),
    )
    is_line = x.about.is_continuous and (rows.has_intervals or rows.is_binned)
    along = rows.frame[x.field].n_unique()
    drawn = base.transform_filter(f"isValid(datum['{rows.value.field}'])")
    layers = []
    if rows.has_intervals or rows.is_binned:
        # The layers share an axis, which has a title only where they all say the same one.
        limits = {"y": alt.Y("low", type="quantitative", title=_title(rows)), "y2": alt.Y2("high")}
        if is_line and along > SPARSE:
            layers.append(drawn.mark_area(opacity=0.22, color=PLAIN).encode(**limits))
        else:
            layers.append(
                drawn.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=1.5, color=PLAIN).encode(**limits)
            )
    if is_line:
        layers.append(drawn.mark_line(strokeWidth=1.5, color=PLAIN))
    points = drawn.mark_point(
        filled=True, color=PLAIN, size=_point_size(rows.frame.height), opacity=1 if along <= SPARSE else 0.7
    )
    if is_line and along > SPARSE:
        points = points.transform_filter("!isValid(datum.low)")
    return [*layers, points, _failures(rows, base)]


def _failures(rows: Rows, base: Any) -> Any:
    """A cross at the foot of the plot for each point of which a trial failed."""
    marks = base.transform_filter("datum.failed > 0").mark_point(
        shape=CROSS, size=40, strokeWidth=1.8, filled=False, color=palette.FAILED, yOffset=-6, opacity=1
    )
    return marks.encode(y=alt.value("height"), color=alt.value(palette.FAILED), tooltip=_tips(rows))


def _map(rows: Rows) -> list[Any]:
    across, down = rows.columns[rows.choice.x or ""], rows.columns[rows.choice.y or ""]
    shade = alt.Color(
        rows.value.field,
        type="quantitative",
        title=_title(rows),
        scale=alt.Scale(scheme=palette.SHADES, zero=False),
        legend=alt.Legend() if rows.frame.height else None,
    )
    base = alt.Chart().encode(tooltip=_tips(rows))
    drawn = base.transform_filter(f"isValid(datum['{rows.value.field}'])").encode(color=shade)
    if rows.choice.is_scattered:
        places = {"x": _axis(alt.X, across, ends=True), "y": _axis(alt.Y, down, ends=True)}
        cells = drawn.mark_point(
            filled=True, color=PLAIN, size=_point_size(rows.frame.height) * 1.5, opacity=0.95
        ).encode(**places)
        middle: dict[str, Any] = places
    else:
        cells = drawn.mark_rect().encode(**_cell(rows, "x", across), **_cell(rows, "y", down))
        middle = {"x": _axis(alt.X, across), "y": _axis(alt.Y, down)}
    crosses = base.transform_filter("datum.failed > 0").mark_point(
        shape=CROSS, size=30, strokeWidth=1.8, filled=False, opacity=1
    )
    return [cells, crosses.encode(color=alt.value(palette.FAILED), **middle)]


def _cell(rows: Rows, word: str, column: Column) -> dict[str, Any]:
    """The channels by which a cell reaches from one edge to the other."""
    kind = {"x": alt.X, "y": alt.Y}[word]
    other = {"x": alt.X2, "y": alt.Y2}[word]
    if not column.about.is_continuous:
        return {word: _axis(kind, column)}
    low, high = f"{column.field}_from", f"{column.field}_to"
    values = {}
    levels = rows.frame[column.field].unique().sort().to_list() if column.field in rows.frame.columns else []
    if 0 < len(levels) <= NAMED:
        values = {"values": levels}
    axis = alt.Axis(grid=False, labelLimit=160, labelOverlap=True, **values)
    is_empty = rows.frame.is_empty()
    return {word: _axis(kind, column, ends=is_empty, field=low, axis=axis), f"{word}2": other(high)}


def _trials(rows: Rows) -> list[Any]:
    across, down = rows.columns[rows.choice.x or ""], rows.value
    color = rows.columns.get(rows.choice.color or "")
    base = alt.Chart().encode(tooltip=_tips(rows))
    if rows.is_binned and (color is None or color.about.is_continuous):
        shade = (
            _color(color)
            if color
            else alt.Color("n", type="quantitative", title="trials", scale=alt.Scale(scheme=palette.SHADES, type="log"))
        )
        return [base.mark_rect().encode(**_cell(rows, "x", across), **_cell(rows, "y", down), color=shade)]
    size = (
        {"size": alt.Size("n", type="quantitative", title="trials", scale=alt.Scale(range=[4, 120]))}
        if rows.is_binned
        else {}
    )
    dots = base.mark_point(
        filled=True, opacity=0.7, **({} if rows.is_binned else {"size": _point_size(rows.frame.height)})
    )
    return [
        dots.encode(x=_axis(alt.X, across), y=_axis(alt.Y, down), **({"color": _color(color)} if color else {}), **size)
    ]


def _shares(rows: Rows) -> list[Any]:
    (result,) = rows.choice.results
    said = rows.columns[result]
    share = alt.Y("n", type="quantitative", stack="normalize", title=rows.value.label, axis=alt.Axis(format="%"))
    base = alt.Chart().encode(y=share, color=_color(said), tooltip=_tips(rows))
    x = rows.columns.get(rows.choice.x or "")
    across = {} if x is None else _cell(rows, "x", x)
    if x is not None and x.about.is_continuous:
        across["x"].bin = "binned"
    return [base.mark_bar(**({"size": 60} if x is None else {})).encode(**across)]


def _distribution(rows: Rows) -> list[Any]:
    bars = alt.Chart().mark_bar(binSpacing=0, stroke="white", strokeWidth=0.5, color=PLAIN)
    color = rows.columns.get(rows.choice.color or "")
    scale = alt.Scale(zero=False, nice=False)
    return [
        bars.encode(
            x=alt.X("from", type="quantitative", bin="binned", title=_title(rows), scale=scale),
            x2=alt.X2("to"),
            y=alt.Y("n", type="quantitative", title="trials"),
            tooltip=_tips(rows),
            **({"color": _color(color)} if color else {}),
        )
    ]


# channels ---------------------------------------------------------------------------------------------------------


def _axis(kind: Any, column: Column, *, ends: bool = False, field: str | None = None, axis: Any = None) -> Any:
    """The channel of a column: with its title, its type, and its scale.

    Args:
        kind: the channel's class.
        column: what is drawn along it.
        ends: whether it reaches over all levels, also those of which nothing is in.
        field: the column of the frame, if it is not the column's own.
        axis: how its axis is, if not as usual.
    """
    about = column.about
    words: dict[str, Any] = {"title": column.label, "axis": axis or alt.Axis(labelLimit=160)}
    if about.is_log:
        words["axis"].values, words["axis"].format = decades(about.low or 0.0, about.high or 0.0), "~g"
    field = field or column.field
    if not about.is_continuous:
        return kind(field, type="nominal", sort=list(column.order), **words)
    scale: dict[str, Any] = {"zero": False, "nice": False, "padding": 8}
    if ends and about.low is not None and about.low != about.high:
        scale["domain"] = [about.low, about.high]
    if about.kind == "time":
        del scale["zero"]
        return kind(field, type="temporal", scale=alt.Scale(type="utc", **scale), **words)
    if about.is_log:
        del scale["zero"]
        scale["type"] = "log"
    if field != column.field:
        scale["padding"] = 0
    return kind(field, type="quantitative", scale=alt.Scale(**scale), **words)


def decades(low: float, high: float) -> list[float]:
    """Where a logarithmic axis has its ticks: at powers of ten, and between them where these are few.

    Example:
        >>> decades(2e-3, 20.0), decades(16, 256)
        ([0.01, 0.1, 1.0, 10.0], [16.0, 32.0, 64.0, 128.0, 256.0])
    """
    for base, most in ((10, 3), (2, 0)):
        first, last = (math.log(end, base) for end in (low, high))
        powers = range(math.ceil(first - 1e-9), math.floor(last + 1e-9) + 1)
        if len(powers) >= most:
            break
    step = max(1, math.ceil(len(powers) / 10))
    return [float(base) ** power for power in powers[::step]]


def _down(rows: Rows) -> Any:
    return alt.Y(rows.value.field, type="quantitative", title=_title(rows), scale=alt.Scale(zero=False))


def _title(rows: Rows) -> str | None:
    """What stands at the axis of a result; of several each panel says its own."""
    return rows.value.label if len(rows.choice.results) == 1 else None


def _color(column: Column) -> Any:
    about = column.about
    words: dict[str, Any] = {"title": column.label, "legend": alt.Legend(labelLimit=200, symbolOpacity=1)}
    if about.is_continuous and about.kind == "number":
        shades = alt.SchemeParams(name=palette.SHADES, extent=list(palette.EXTENT))
        if about.levels <= NAMED:
            words["legend"] = alt.Legend(labelLimit=200, symbolOpacity=1, format=".4~g", formatType="number")
            return alt.Color(column.field, type="ordinal", scale=alt.Scale(scheme=shades), **words)
        kind = {"type": "log"} if about.is_log else {"zero": False}
        return alt.Color(column.field, type="quantitative", scale=alt.Scale(scheme=shades, **kind), **words)
    if about.kind == "time":
        words["legend"] = alt.Legend(labelLimit=200)
        return alt.Color(column.field, type="temporal", scale=alt.Scale(type="utc", scheme=palette.SHADES), **words)
    levels = list(column.order)
    colors = palette.for_texts(len(levels))
    scale = alt.Scale(domain=levels, **({"range": colors[: len(levels)]} if colors else {"scheme": "tableau20"}))
    return alt.Color(column.field, type="nominal", scale=scale, **words)


def _offset(column: Column) -> Any:
    return alt.XOffset(column.field, type="nominal", sort=list(column.order) or None)


def _tips(rows: Rows) -> list[Any]:
    """What is said of a mark where the pointer is on it."""
    there, found = rows.frame.columns, {}
    of_results = [rows.columns[name] for name in rows.choice.results if name in rows.columns]
    for column in [*(rows.columns[name] for name in rows.choice.shown), rows.value, *of_results]:
        for end, words in (("", ""), ("_from", ", from"), ("_to", ", to")):
            if f"{column.field}{end}" in there and not (end and column.field in there):
                found[f"{column.field}{end}"] = _tip(f"{column.field}{end}", column.label + words, column.about.kind)
    for field in ("from", "to", "low", "high", "n", "trials", "failed"):
        if field in there:
            found.setdefault(field, _tip(field, field, "number"))
    if "error" in there:
        found["error"] = _tip("error", "error", "text")
    return list(found.values())


def _tip(field: str, title: str, kind: str) -> Any:
    if title in ("image", "title"):  # of these Vega's tooltips make a picture, loaded from where it says, and a heading
        title += " "
    if kind == "time":
        return alt.Tooltip(field, type="temporal", title=title, timeUnit="utcyearmonthdatehoursminutesseconds")
    if kind == "number":
        return alt.Tooltip(field, type="quantitative", title=title, format=",.6~g")
    return alt.Tooltip(field, type="nominal", title=title)


def _point_size(count: int) -> int:
    return 45 if count <= 200 else 22 if count <= 1_000 else 10


# panels -----------------------------------------------------------------------------------------------------------


def _in_panels(rows: Rows, layers: list[Any]) -> Any:
    """The layers over each other, once or in panels."""
    several, facet = len(rows.choice.results) > 1, rows.columns.get(rows.choice.facet or "")
    width, height = PANEL if several or facet else SIZE
    if rows.choice.mark == "shares" and rows.choice.x is None:
        width = 120
    x = rows.columns.get(rows.choice.x or "")
    if x is not None and not x.about.is_continuous:
        width = max(width // 2, min(900, 22 * len(x.order) * max(1, _side_by_side(rows))))
    layers = [layer.properties(width=width, height=height) for layer in layers]
    chart = alt.layer(*layers, data=rows.frame) if len(layers) > 1 else layers[0].properties(data=rows.frame)
    header = alt.Header(labelLimit=200, labelFontWeight="bold")
    if several:
        result = alt.Row("result", type="nominal", title=None, sort=list(rows.choice.results), header=header)
        column = {"column": _panel(alt.Column, facet, header)} if facet else {}
        made = chart.facet(row=result, **column)
        free = "color" if rows.choice.mark == "map" else "y"
        return made.resolve_scale(
            **{free: "independent"} | ({"x": "independent"} if rows.choice.mark == "distribution" else {})
        )
    if facet:
        return chart.facet(facet=_panel(alt.Facet, facet, header), columns=ACROSS)
    return chart


def _side_by_side(rows: Rows) -> int:
    color = rows.columns.get(rows.choice.color or "")
    return min(6, color.about.levels) if color and rows.choice.mark == "means" else 1


def _panel(kind: Any, column: Column, header: Any) -> Any:
    sort = list(column.order) or "ascending"
    if column.about.kind == "time":
        header = header.copy()
        header.labelExpr = "utcFormat(datum.value, '%Y-%m-%d %H:%M')"
    words = {"title": column.label, "sort": sort, "header": header}
    return kind(column.field, type="nominal" if column.order else "ordinal", **words)
