"""What came of a sweep's trials so far, and whether so many of them failed that the sweep pauses itself.

Two rules make it pause. Where nothing has worked at all, `schedule.PAUSE_AFTER` failures are enough: something is
wrong with the experiment. And a person sets `max_failures`: a number of trials, or a share of them, which counts once
`schedule.SHARE_AFTER` are in. Both count from the last time a person let the sweep go on. A trial that is tried again
in its lease counts once, with what came of it in the end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from raylab.core import schedule


@dataclass(frozen=True, slots=True)
class Tally:
    """Trials that came to something, and to nothing, without those that are to be run again.

    Example:
        >>> Tally(5, 3).with_more({"done": 1, "failed": 1, "crashed": 2}).since(Tally(4, 3))
        Tally(done=2, failed=3)
    """

    done: int = 0
    failed: int = 0

    def with_more(self, by_status: Mapping[str, int]) -> Tally:
        """These came, too."""
        done = by_status.get("done", 0)
        return Tally(self.done + done, self.failed + sum(by_status.values()) - done)

    def without(self, by_status: Mapping[str, int]) -> Tally:
        """These are run again. Of which earlier count they are, nobody knows: it never falls below nothing."""
        taken = NOTHING.with_more(by_status)
        return self.since(taken)

    def at_most(self, left: Tally) -> Tally:
        """As much of it as is left."""
        return Tally(min(self.done, left.done), min(self.failed, left.failed))

    def since(self, earlier: Tally) -> Tally:
        """What has come after an earlier count."""
        return Tally(max(0, self.done - earlier.done), max(0, self.failed - earlier.failed))


NOTHING = Tally()


class Failures:
    """Counts what comes, be it still in hand.

    Attributes:
        tally: of all that came.
        first_error: of what failed, as far as anybody said one.
    """

    def __init__(self) -> None:
        self.tally = NOTHING
        self.first_error = ""

    def count(self, by_status: Mapping[str, int], error: str | None) -> None:
        """These came."""
        self.tally = self.tally.with_more(by_status)
        self.first_error = self.first_error or error or ""

    def take_back(self, by_status: Mapping[str, int]) -> None:
        """These are run again."""
        self.tally = self.tally.without(by_status)

    def verdict(self, most: float | None, forgiven: Tally, pending: int = 0) -> str:
        """Why the sweep is to pause; empty if it is to go on.

        Args:
            most: failures that it may not come to: a number from 1 on, or a share below 1; None for any.
            forgiven: what had come when a person let it go on last.
            pending: how many of the failures are tried again by the lab itself.

        Example:
            >>> failures = Failures()
            >>> failures.count({"done": 7, "failed": 3}, "KeyError: 'x'")
            >>> failures.verdict(4, NOTHING), failures.verdict(0.1, NOTHING)
            ('', '')
            >>> failures.verdict(3, NOTHING)[:38]
            '3 trials failed, and max_failures is 3'
        """
        now = self.tally.since(forgiven).since(Tally(0, pending))
        first = self.first_error or "no message"
        if not self.tally.done and now.failed >= schedule.PAUSE_AFTER:
            return (
                f"the first {now.failed:,} executions all failed, the first with {first}; fix the experiment and "
                "submit it again"
            )
        if most is None or not _reached(now, most):
            return ""
        of = f"{now.failed:,} trials" if most >= 1 else f"{now.failed:,} of {now.done + now.failed:,} trials"
        since = " since it was resumed" if forgiven != NOTHING else ""
        return (
            f"{of} failed{since}, and max_failures is {_told(most)}, the first with {first}; resume() goes on and "
            "counts anew, change(max_failures=...) sets another limit, retry() runs again what failed"
        )


_LIMIT = re.compile(r"max_failures (?:is|was) (?P<then>[\d.,e+-]*\d)(?: \(now [^)]+\))?")


def reworded(reason: str, most: float | None) -> str:
    """Why a sweep has paused itself, after a person has set another limit, or none: the old one is in force no more.

    Example:
        >>> reason = reworded("3 trials failed, and max_failures is 3, the first with E; resume() goes on", None)
        >>> reason
        '3 trials failed, and max_failures was 3 (now None), the first with E; resume() goes on'
        >>> reworded(reason, 3) == "3 trials failed, and max_failures is 3, the first with E; resume() goes on"
        True
    """

    def anew(match: re.Match[str]) -> str:
        now = _told(most)
        return f"max_failures is {now}" if match["then"] == now else f"max_failures was {match['then']} (now {now})"

    return _LIMIT.sub(anew, reason, count=1)


def _told(most: float | None) -> str:
    return "None" if most is None else f"{most:,}"


def _reached(tally: Tally, most: float) -> bool:
    if most >= 1:
        return tally.failed >= most
    trials = tally.done + tally.failed
    return trials >= schedule.SHARE_AFTER and tally.failed > most * trials
