"""How far sweeps are, in numbers and a word. A plain record: it asks nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

STANDSTILL = frozenset({"paused", "fenced"})
"""States that time does not cure."""

# The sum runs while any part of it does; what keeps the rest from running comes before what has ended.
_WORST_FIRST = ("fenced", "running", "disk_full", "infeasible", "paused", "cancelled", "ready", "locked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A sweep, or several, in numbers.

    In trials: total = done + failed + cancelled + running + waiting.

    Attributes:
        total: trials asked for.
        ready: recorded, whatever came out: done + failed.
        done: recorded with results.
        failed: recorded without: failed, crashed, out of memory or timed out; `by_status` tells them apart.
        cancelled: given up.
        running: in leases that have started, or waiting for the disk.
        waiting: not started.
        retrying: the part of `waiting` that was tried before.
        by_status: recorded trials by `_status`.
        rows: rows recorded; differs from `ready` where an experiment returns several.
        eta_s: about how many seconds are left; None when nobody can say.
        state: `running`, `ready`, `paused`, `infeasible`, `disk_full`, `fenced`, `cancelled` or `locked`.
        reason: a sentence, where there is something to say.
    """

    total: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0
    running: int = 0
    waiting: int = 0
    retrying: int = 0
    by_status: Mapping[str, int] = field(default_factory=dict)
    rows: int = 0
    eta_s: float | None = 0.0
    state: str = "ready"
    reason: str = ""

    @property
    def ready(self) -> int:
        return self.done + self.failed

    @property
    def outstanding(self) -> int:
        """Trials that are still to be recorded."""
        return self.running + self.waiting

    @property
    def ready_fraction(self) -> float:
        """ready / (total − cancelled); 1.0 when nothing was asked.

        Example:
            >>> Progress(total=10, done=3, failed=1, waiting=6).ready_fraction
            0.4
        """
        asked = self.total - self.cancelled
        return self.ready / asked if asked else 1.0

    @staticmethod
    def of(sweeps: Sequence[Mapping[str, Any]]) -> Progress:
        """The sum of what the lab says of some sweeps."""
        if not sweeps:
            return Progress()
        by_status: Counter[str] = Counter()
        for sweep in sweeps:
            by_status.update(sweep["by_status"])
        worst = min(sweeps, key=lambda sweep: _WORST_FIRST.index(sweep["state"]))
        etas = [sweep["eta_s"] for sweep in sweeps if sweep["running"] + sweep["waiting"]]
        counts = {
            name: sum(sweep[name] for sweep in sweeps)
            for name in ("total", "done", "failed", "cancelled", "running", "waiting", "retrying", "rows")
        }
        reason = worst["reason"]
        return Progress(
            **counts,
            by_status=dict(by_status),
            eta_s=None if None in etas else max(etas, default=0.0),
            state=worst["state"],
            reason=f"{worst['name']}: {reason}" if reason and len(sweeps) > 1 else reason,
        )
