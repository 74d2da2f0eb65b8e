"""Rows handed back as a design: what `failures()` or `results()` gave, submitted again.

Promises: what rows say about trials is left out, and a line says so; each point is there once, whatever its repeats,
and the line says that, too; no rows are no design;
the levels of an axis of mixed kinds are what they were. Must never guess which columns are parameters: a result that is
handed back as well is the experiment's to refuse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raylab.core.design import Points
from raylab.core.kinds import MISSING
from raylab.core.tabular import frame_rows, is_frame
from raylab.core.values import key_of
from raylab.errors import DesignError
from raylab.notebook.arrow_types import SIBLING
from raylab.notebook.rows import METADATA, TIMES
from raylab.notebook.trial_logs import LAST_LINES

ABOUT_TRIALS = frozenset({"_sweep", "_seq", "_metadata", LAST_LINES, *METADATA, *TIMES})


def without_metadata(design: Any) -> tuple[Any, list[str]]:
    """What a person gives for a design, and what to say of it.

    Rows that raylab gave, as `failures()` does, are taken without the columns about trials, and each point once. Any
    other name that begins with `_` is the design's to refuse.

    Raises:
        DesignError: there are no rows, as where nothing failed.
    """
    names = _names_in(design)
    about = [name for name in names if name in ABOUT_TRIALS]
    if not about:
        return design, []
    if is_frame(design):
        design = frame_rows(design) or []
    rows = [{name: value for name, value in row.items() if name not in ABOUT_TRIALS} for row in design]
    are_failures = "_error" in about
    if not rows:
        none = "no trial failed" if are_failures else "there are no rows"
        raise DesignError(f"{none}, so there is nothing to submit: the frame that was given for a design is empty")
    points = _each_once(Points(typed(rows)))
    told = f"{', '.join(about)}: these columns are about trials, so they are left out of the design"
    if points.size == len(rows):
        return points, [told]
    trials = f"{len(rows):,} {'failed trials' if are_failures else 'rows'} are {points.size:,} points"
    return points, [f"{told}; {trials}: repeats of a point are not told apart, repeats= says how often each point runs"]


def typed(rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The rows with the levels of an axis of mixed kinds as they were: a column of texts and one of each kind."""
    names = dict.fromkeys(name for row in rows for name in row)
    kinds: dict[str, list[str]] = {}
    for name in names:
        match = SIBLING.fullmatch(name) if isinstance(name, str) else None
        if match and match["name"] in names and all(isinstance(row.get(match["name"]), str | None) for row in rows):
            kinds.setdefault(match["name"], []).append(name)
    siblings = {name for some in kinds.values() for name in some}
    if not siblings:
        return rows
    return [{name: _level(row, name, kinds.get(name, ())) for name in row if name not in siblings} for row in rows]


def _level(row: Mapping[str, Any], name: str, siblings: Sequence[str]) -> Any:
    """The level that a row has: of an axis of mixed kinds the typed one. None has no type there, and an int beside
    floats is one of them; their texts tell."""
    text = row[name]
    value = next((row[each] for each in siblings if row.get(each) is not None), None)
    if value is None:
        absent = MISSING if text is None else None
        return absent if siblings and text in (None, "None") else text
    return int(value) if type(value) is float and text.lstrip("-").isdecimal() else value


def _names_in(design: Any) -> list[Any]:
    """The names of columns of a frame, or in a list of mappings."""
    if is_frame(design):
        if hasattr(design, "collect_schema"):
            return list(design.collect_schema().names())
        return list(design.column_names if hasattr(design, "column_names") else design.columns)
    if isinstance(design, list | tuple) and all(isinstance(row, Mapping) for row in design):
        return list(dict.fromkeys(name for row in design for name in row))
    return []


def _each_once(points: Points) -> Points:
    """Each point at the place where it stands first."""
    first: dict[Any, dict[str, Any]] = {}
    for point in points:
        first.setdefault(key_of(point), point)
    return Points(list(first.values()))
