"""What a sweep's recipients are told, each event once: which have happened, who is still to be told. Pure.

An event is known by a key that is made of what the notebook says, so that a lab after a restart finds the same key for
the same event: the positions of a sweep that is complete, how often it was paused or cancelled, the code version whose
first trial failed. What happened is noted under its key, and so is who was told of it.

The key of a standstill holds how far the sweep was: a sweep that went on and stands still again is told of again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from raylab.core.notice import Notice, Notices
from raylab.core.recipient import Event, Recipient
from raylab.core.request import SweepRecord
from raylab.core.schedule import TROUBLES
from raylab.core.status import Status

__all__ = ["DAY_S", "happened", "new", "pause_after", "recipients_of", "remark", "room_after", "standstill"]

DAY_S: Final = 86_400.0
"""After this nobody is told any more what happened."""

AGAIN_S: Final = 3_600.0
"""A sweep that goes on and stands still by turns, as nodes come and go, is told of once an hour."""

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 900.0
"""Between two tries, twice as long each time: 1 s, 2 s, … 15 min; some 105 tries in a day."""

SWIFT: Final = 10
MINUTE_S: Final = 60.0
"""So many messages go to one recipient in a minute; what comes beyond that waits, and goes as one."""


def standstill(now: Status, trouble: str) -> str:
    """What keeps a sweep from running that is to run, in a word; empty if nothing does.

    Args:
        now: how far it is.
        trouble: why its files cannot be used; empty if they can.
    """
    if not now.outstanding:
        return ""
    if trouble:
        return "unusable"
    if now.state in ("infeasible", "disk_full"):
        return now.state
    return "environment" if now.troubles >= TROUBLES else ""


def happened(record: SweepRecord, now: Status, stood: str = "") -> dict[str, Event]:
    """All that is to be said of a sweep as it is, by the keys of the events.

    Args:
        record: what was asked.
        now: how far it is.
        stood: what has kept it from running for a while.
    """
    found: dict[str, Event] = {}
    if now.failed:
        found[f"failed-{record.version}"] = "failed"
    if not now.outstanding:
        given_up = now.cancelled and record.cancelled
        found[f"cancelled-{record.cancellations}" if given_up else f"ended-{record.positions}"] = "ended"
    elif record.paused:
        found[f"paused-{record.pauses}"] = "paused"
    elif stood:
        found[f"{stood}-{record.positions}-{now.ready}"] = "stands_still"
    return found


def new(found: Mapping[str, Event], before: Notices, now_us: int) -> dict[str, Event]:
    """Those of them that nobody has noted."""
    stood = max((each.time_us for each in before.values() if each.event == "stands_still"), default=None)
    quiet = stood is not None and now_us - stood < AGAIN_S * 1e6
    return {key: event for key, event in found.items() if key not in before and not (quiet and event == "stands_still")}


def pause_after(tries: int) -> float:
    """Seconds until the next try, after so many.

    Example:
        >>> [pause_after(tries) for tries in (1, 2, 3, 10, 11)]
        [1.0, 2.0, 4.0, 512.0, 900.0]
    """
    return min(FIRST_PAUSE_S * 2.0 ** min(tries - 1, 60), LONGEST_PAUSE_S)


def room_after(sent: Sequence[float], now: float) -> float:
    """Seconds until one more message may go, after these times of earlier ones.

    Example:
        >>> room_after([0.0] * 9, 1.0), room_after([0.0] * 10, 1.0)
        (0.0, 59.0)
    """
    return max(0.0, sent[-SWIFT] + MINUTE_S - now) if len(sent) >= SWIFT else 0.0


def remark(recipients: Sequence[Recipient], notices: Notices, untold: Mapping[str, str]) -> str:
    """Who of them is not told, and why, in a sentence.

    Args:
        recipients: those of a sweep.
        notices: the sweep's.
        untold: why some cannot be told at the moment, by their keys.
    """
    told = []
    for each in recipients:
        last = max((known for known in notices.values() if each.key in known.told), key=_when, default=None)
        if each.key in untold:
            told.append(f"{each.shown} cannot be told what becomes of it: {untold[each.key]}")
        elif last is not None and (why := last.told[each.key]):
            told.append(f"{each.shown} was not told that {last.message['title']}: {why}")
    return "; ".join(told)


def _when(notice: Notice) -> int:
    return notice.time_us


def recipients_of(record: SweepRecord, labs: Sequence[Recipient]) -> Sequence[Recipient]:
    """Who is told of a sweep: those that it names itself, be it nobody, else those of the lab."""
    own = record.policy.notify
    return labs if own is None else own
