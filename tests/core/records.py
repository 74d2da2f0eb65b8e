"""Sweeps as the core's tests ask for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raylab.core.box import Run
from raylab.core.causes import Cause, Failing
from raylab.core.events import SlotsChanged, SweepOpened
from raylab.core.failures import NOTHING, Tally
from raylab.core.places import runs_of
from raylab.core.policy import Policy
from raylab.core.request import SweepRecord, Version
from raylab.core.segment import Need, Segment
from raylab.core.statuses import FAILED
from raylab.core.strikes import Strikes


def segment(total: int, *, after: Segment | None = None, **more: Any) -> Segment:
    """The trials of a design of so many points; the next segment of a sweep, if `after` is the one before."""
    begins = 0 if after is None else after.stop
    words: dict[str, Any] = {
        "design": "{}",
        "size": total,
        "repeats": 1,
        "order": "random",
        "key": 1,
        "seed": 1,
        "first_position": begins,
        "first_trial": begins,
        "first_point": begins,
    }
    return Segment(**{**words, **more})


def record(
    total: int = 1,
    *,
    sweep: str = "s",
    user: str = "",
    group: str = "",
    time_limit: float | None = None,
    cancelled: bool = False,
    paused: str = "",
    forgiven: Tally = NOTHING,
    strikes: Mapping[int, Strikes] | None = None,
    segments: tuple[Segment, ...] = (),
    version: int = 1,
    **policy: Any,
) -> SweepRecord:
    """A sweep of so many trials, or of these segments, with so many versions of its code, and of this policy."""
    return SweepRecord(
        name=sweep,
        folder=sweep,
        user=user,
        time_us=0,
        label="f",
        shape="",
        segments=segments or (segment(total),),
        seed=1,
        seed_given=True,
        versions=(Version(code="", modules=group or None, ingredients={}),) * version,
        policy=Policy(time_limit=time_limit, **policy),
        cancelled=cancelled,
        paused=paused,
        forgiven=forgiven,
        strikes=strikes or {},
    )


CAUSE = Cause("E", "no #")


def failing(places: Mapping[str, Sequence[Run]], cause: Cause = CAUSE) -> Failing:
    """Failures of one cause at these positions, by status."""
    return Failing.at(cause, places)


def causes(status: Mapping[int, str], kinds: int = 1) -> list[Failing]:
    """Why those failed that did, of these positions: as many causes by turns."""
    found = []
    for kind in range(kinds):
        own = {word: [at for at in sorted(status) if status[at] == word and at % kinds == kind] for word in FAILED}
        places = {word: list(runs_of(np.array(each))) for word, each in own.items() if each}
        found += [failing(places, cause=Cause("E", f"kind {'abcdef'[kind]}"))] if places else []
    return found


def opened(
    total: int = 1,
    *,
    sweep: str = "s",
    recorded: tuple[tuple[int, int], ...] = (),
    by_status: Mapping[str, int] | None = None,
    seconds: float = 0.0,
    error: str | None = None,
    slots: int | Mapping[Need, int] = 1,
    **asked: Any,
) -> SweepOpened:
    """That a sweep of so many trials is in the request table; `slots` as for `each`, `asked` as for `record`."""
    made = record(total, sweep=sweep, **asked)
    return SweepOpened(
        sweep=sweep,
        record=made,
        recorded=recorded,
        by_status=by_status or {},
        seconds=seconds,
        error=error,
        slots=each(made, slots),
    )


def each(record: SweepRecord, slots: int | Mapping[Need, int]) -> Mapping[Need, int]:
    """So many trials of each class the cluster could run at once; a number holds for all of them."""
    return dict.fromkeys(record.needs, slots) if isinstance(slots, int) else slots


def resized(**slots: int) -> SlotsChanged:
    """So many trials of each sweep the cluster could run at once now; the sweeps are of one class."""
    return SlotsChanged(slots={sweep: {Need(): count} for sweep, count in slots.items()})
