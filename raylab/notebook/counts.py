"""A sweep in numbers and words, as far as its files tell: of one that no lab is at work on.

Asks nobody; the dicts are those that a lab gives of its sweeps at work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raylab.core.handle import when
from raylab.core.request import SweepRecord

ON_DISK = "as far as the notebook tells; whether a lab is at work on it, `raylab ls` tells"


def counts(record: SweepRecord, found: Mapping[str, Any]) -> dict[str, Any]:
    """A sweep's counts, its state and what else an overview says of it.

    Args:
        record: what was asked.
        found: what its table holds, as `records.summary` tells it.
    """
    recorded = sum(stop - start for start, stop in found["positions"])
    done = found["by_status"].get("done", 0)
    rest = record.total - recorded
    given_up = rest if record.cancelled or record.replaced else 0
    state, reason = _standing(record, rest)
    return {
        "name": record.name,
        "folder": record.folder,
        "user": record.user,
        "state": state,
        "reason": reason,
        "total": record.total,
        "done": done,
        "failed": recorded - done,
        "cancelled": given_up,
        "running": 0,
        "waiting": rest - given_up,
        "retrying": 0,
        "by_status": found["by_status"],
        "eta_s": None,
        "rows": found["rows"],
        "repeats": record.repeats,
        "design": record.shape,
        "description": record.policy.description,
        "submitted_us": record.time_us,
        "first_error": found["error"] or "",
    }


def _standing(record: SweepRecord, rest: int) -> tuple[str, str]:
    """The state in a word, and the reason."""
    if record.replaced is not None:
        by = f"{record.replaced.user} at {when(record.replaced.time_us)}"
        return "cancelled" if rest else "ready", f"it was set aside for another {record.replaced.name!r}, by {by}"
    if not rest:
        return ("locked" if record.locked else "ready"), ""
    if record.cancelled:
        return "cancelled", ""
    return ("paused", record.paused) if record.paused else ("running", ON_DISK)
