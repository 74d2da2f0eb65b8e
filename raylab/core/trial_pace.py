"""What a trial of a sweep takes, as far as its batches tell: recent ones weigh more."""

from __future__ import annotations

from collections.abc import Sequence

FADE = 5
"""How many batches count towards what a trial takes, on a cluster of fewer slots."""


class TrialPace:
    """Measured by the trials that come back, and by those that do not.

    Attributes:
        longest: the most trials one lease has brought back so far.
    """

    def __init__(self) -> None:
        self.longest = 0
        self._busy_s = 0.0
        self._trials = 0.0
        self._batches = 0
        self._silent = 0  # leases that began and have brought nothing yet
        self._silent_since = 0.0  # the sum of their starts

    @property
    def seconds(self) -> float | None:
        """What one trial takes, recent ones weighing more; None before the first has come back."""
        return self._busy_s / self._trials if self._trials else None

    def expected(self, now: float, slots: int) -> float | None:
        """What the next trial may take; None as long as too little is known. Quick trials come back first: until each
        slot has had the time to bring something, what runs and has brought nothing counts with its time so far."""
        if self._batches >= slots:
            return self.seconds
        if self._batches <= self._silent:
            return None
        return (self._busy_s + self._silent * now - self._silent_since) / self._trials

    def begun(self, now: float) -> None:
        """A lease has come to its first trial."""
        self._silent += 1
        self._silent_since += now

    def heard(self, since: float) -> None:
        """A lease that began then is silent no longer: it brings something, or is over."""
        self._silent -= 1
        self._silent_since -= since

    def measure(self, count: int, busy_s: float, *, slots: int, run: int) -> None:
        """A batch of so many trials has come, with which its lease has brought `run` of them.

        Older measurements fade, so that the estimate follows a sweep whose trials grow; weighing by trials lets the
        first one, with its imports, be forgotten at once. What each slot has brought last counts in any case.
        """
        keep = 1 - 1 / max(FADE, slots)
        self._busy_s = keep * self._busy_s + busy_s
        self._trials = keep * self._trials + count
        self._batches += 1
        self.longest = max(self.longest, run)

    def restore(self, count: int, seconds: float) -> None:
        """What an earlier lab has measured: so many trials in so many seconds of work."""
        if count and seconds > 0:
            self._busy_s, self._trials, self._batches = seconds / count, 1.0, count

    def wait_anew(self, now: float) -> None:
        """Nobody listened for a while, so that silence says nothing."""
        self._silent_since = self._silent * now

    def check(self, since: Sequence[float]) -> None:
        """The silent leases are those that began at these times (for tests)."""
        assert self._silent == len(since)
        assert abs(self._silent_since - sum(since)) < 1e-6 * (1 + abs(sum(since)))
