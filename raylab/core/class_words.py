"""The classes of a sweep's trials in words: which trials they are, and what these ask for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from raylab.core.axes import Axis
from raylab.core.box import Runs, count
from raylab.core.design import Design, Factorial
from raylab.core.request import SweepRecord
from raylab.core.segment import Need, Segment, trials_of
from raylab.core.shown import plural

FEW = 3
"""As many levels of an axis are named."""


def told(record: SweepRecord) -> list[str]:
    """A sentence on each class of a sweep's trials; none where all ask for the same.

    Example:
        >>> told(raylab.Lab("percolation")._client.record("coarse"))     # doctest: +SKIP
        ['2,020 trials, of L=64: 1 CPU, 1 GB memory', '2,020 trials, of L=128: 1 CPU, 4 GB memory']
    """
    if not record.policy.classes:
        return []
    return [_class_told(record, need) for need in record.needs]


def _class_told(record: SweepRecord, need: Need) -> str:
    own = [segment for segment in record.segments if segment.need == need]
    policy = record.policy.at(need)
    limit = "" if policy.time_limit is None else f", at most {policy.time_limit:g} s"
    where = _where(own[0]) if len({segment.part for segment in own}) == 1 else ""
    return f"{plural(trials_of(own), 'trial')}{where}: {policy.amounts}{limit}"


def _where(segment: Segment) -> str:
    """By which levels a part is cut out of its design, where that is by level."""
    design = Design.loads(segment.design)
    if not isinstance(design, Factorial) or len(segment.part) != len(design.axes):
        return ""
    cut = [
        f"{name}={', '.join(map(repr, islice(_levels(axis, runs), FEW)))}{', …' if count(runs) > FEW else ''}"
        for (name, axis), runs in zip(design.axes.items(), segment.part, strict=True)
        if count(runs) < axis.size
    ]
    return f", of {' and '.join(cut)}"


def _levels(axis: Axis, runs: Runs) -> Iterator[Any]:
    return (axis[at] for start, stop in runs for at in range(start, stop))
