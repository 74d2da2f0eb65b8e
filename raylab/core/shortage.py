"""Shortage: the trials of a sweep that had too little memory or time, and are tried again with more.

The lab sees to them by itself, some at a time: when nothing of the sweep waits any more, and as many have gathered as
are still out. So a sweep that runs for days tries them long before its end, and a thousand trials that time out one by
one make some ten requests, not a thousand. Which of them get more is told by looking at the notebook
(`core/enlarging.py`); those that do not are spent, and failed for good. Nothing of this is written down: after a
restart the lab looks again, and finds the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from raylab.core.policy import GROWS, Policy


class Shortage:
    """What the queue of a sweep knows of them.

    Attributes:
        spent: by status, how many get no more, as the last look told.
        looking: whether somebody looks now.
    """

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self.looking = False

    def among(self, by_status: Mapping[str, int], policy: Policy) -> Counter[str]:
        """Those among recorded trials, by status, that are to be tried again, as far as nobody has looked yet.

        Example:
            >>> Shortage().among({"done": 9, "timed_out": 2}, Policy(grow={"time_limit": [2.0, None], "tries": 3}))
            Counter({'timed_out': 2})
        """
        if not policy.grow:
            return Counter()
        concerned = Counter({status: by_status.get(status, 0) for status, name in GROWS.items() if name in policy.grow})
        return concerned - self.spent

    def looked(self, spent: Mapping[str, int]) -> None:
        """Somebody has looked: what gets more waits in segments of its own by now, the rest is spent."""
        self.spent, self.looking = Counter(spent), False

    def look_again(self) -> None:
        """The sweep has grown or has another policy: the next look may find otherwise."""
        self.spent.clear()
