"""Deadlines of leases that run under a looser time limit than their sweep has by now.

A worker ends a trial at the limit that its lease was given. When a person sets one later, for a trial that hangs, only
the lab knows of it: a lease that has not been heard of for longer than any trial may take is stopped, and what it had
runs again under the new limit. Usually there are none of these leases, and asking costs nothing.
"""

from __future__ import annotations

from raylab.core import schedule
from raylab.core.lease import Lease


class Deadlines:
    """The ledger tells it of every lease whose sweep has got another limit, and of every end."""

    def __init__(self) -> None:
        self._silences: dict[int, tuple[Lease, float]] = {}  # how long each may be silent

    def file(self, lease: Lease, limit: float | None, slots: int) -> None:
        """Take note of the limit that is in force now."""
        if limit is None or (lease.time_limit is not None and lease.time_limit <= limit):
            self.drop(lease.ident)
        else:
            self._silences[lease.ident] = lease, limit + schedule.flush_interval(slots) + schedule.GRACE_S

    def drop(self, ident: int) -> None:
        """The lease is over."""
        self._silences.pop(ident, None)

    def overdue(self, now: float) -> list[Lease]:
        """Those to be stopped."""
        return [lease for lease, until in self._running() if until <= now]

    def wake(self) -> float | None:
        """When the next of them is overdue."""
        return min((until for _, until in self._running()), default=None)

    def _running(self) -> list[tuple[Lease, float]]:
        found = self._silences.values()
        return [(lease, lease.since + each) for lease, each in found if lease.state == "running"]

    def check(self, out: dict[int, Lease]) -> None:
        """Only leases that are out have deadlines (for tests)."""
        assert self._silences.keys() <= out.keys()
