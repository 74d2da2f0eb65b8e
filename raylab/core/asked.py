"""What was asked of a sweep, as documents that people read without raylab: its parameters, and the requests in turn."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from raylab.core.design import Design
from raylab.core.request import Request, SweepRecord, Version
from raylab.core.status import Status

__all__ = ["environments", "numbers", "parameters", "requests", "source", "without_source"]

_TEXT = "text "
"""How the ingredients are called that are a source as it was written."""

_UNTOLD = ("workers", "noticed", "told")
"""Requests that are no part of it: what workers had installed is told with the versions, and who was told what becomes
of a sweep is nobody else's business."""

_COUNTS = ("total", "done", "failed", "cancelled", "waiting", "by_status", "rows")


def numbers(status: Status) -> dict[str, Any]:
    """What came of a sweep's trials, as far as it is on disk: whether a lab is at work on the rest, nobody can tell."""
    goes_on = status.state == "running"
    said = {"state": "outstanding", "reason": ""} if goes_on else {"state": status.state, "reason": status.reason}
    return {name: getattr(status, name) for name in _COUNTS} | said


def parameters(record: SweepRecord) -> dict[str, Any]:
    """The designs with their axes and levels, and the segments that tell which trials there are."""
    designs = list(dict.fromkeys(segment.design for segment in record.segments))
    return {
        "sweep": record.name,
        "parameters": list(Design.loads(designs[0]).parameters),
        "points": record.points,
        "repeats": record.repeats,
        "trials": record.total,
        "seed": record.seed,
        "order": record.asked.order,
        "designs": list(map(json.loads, designs)),
        "segments": [
            {
                **replace(segment, part=(), selection=()).plain(),
                "design": designs.index(segment.design),
                "part": segment.part,
                "selection": segment.selection,
            }
            for segment in record.segments
        ],
    }


def requests(asked: Sequence[Request]) -> list[dict[str, Any]]:
    """The requests of one sweep in turn. Segments and code versions are named by their numbers: of segments from 0 on,
    as `parameters` has them, of versions from 1 on. Addresses that are told of the sweep are left out."""
    segments, versions, found = 0, 0, []
    for each in asked:
        if each.kind in _UNTOLD:
            continue
        body = _without_recipients(each)
        if "segments" in body:
            first, segments = segments, segments + len(body["segments"])
            body["segments"] = list(range(first, segments))
        if each.kind == "submitted":
            versions = len(body["versions"])
            body["versions"] = list(range(1, versions + 1))
        if each.kind == "continued":
            versions += 1
            body = {"version": versions}
        when = datetime.fromtimestamp(each.time_us / 1e6, UTC).isoformat()
        found.append({"kind": each.kind, "user": each.user, "time": when, **body})
    return found


def _without_recipients(request: Request) -> dict[str, Any]:
    """What a request says, but who is told what becomes of the sweep: addresses may be secrets."""
    body = {name: part for name, part in request.body.items() if name != "notify"}
    if "policy" in body:
        body["policy"] = {name: part for name, part in body["policy"].items() if name != "notify"}
    return body


def environments(asked: Sequence[Request]) -> list[Mapping[str, Any]]:
    """The `runtime_env` of each code version of one sweep: another one is another version."""
    found: list[Mapping[str, Any]] = []
    for each in asked:
        if each.kind == "submitted":
            found = [each.body["policy"]["runtime_env"]] * len(each.body["versions"])
        elif each.kind == "continued":
            found = [*found, found[-1]]
        elif each.kind == "policy":
            found = [*found[:-1], each.body["runtime_env"]]
    return found


def source(version: Version) -> str:
    """The functions and classes of a script or of a notebook's cells that a code version is made of, as they were
    written; empty where all of it came from modules.

    Example:
        >>> code = {"function f": "source 1", "text function f": "def f(x):\\n    return x"}
        >>> print(source(Version(code="", modules=None, ingredients=code)))
        # function f
        <BLANKLINE>
        def f(x):
            return x
        <BLANKLINE>
    """
    texts = {name.removeprefix(_TEXT): text for name, text in version.ingredients.items() if name.startswith(_TEXT)}
    return "\n\n".join(f"# {name}\n\n{text.rstrip()}\n" for name, text in texts.items())


def without_source(version: Version) -> dict[str, str]:
    """The other ingredients of a code version."""
    return {name: text for name, text in version.ingredients.items() if not name.startswith(_TEXT)}
