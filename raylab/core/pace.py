"""The pace at which leases are made: not faster than one actor can follow them.

Ten thousand empty slots call for twenty thousand leases. Made at once they would stand in a line of first leases of one
trial each, before anyone knows how long a trial takes, and the lab would read of their ends for a minute. So each lease
has its price in time, a lower one as long as few wait for a slot; a lab that has rested makes `schedule.LAUNCHES` at
once.
"""

from __future__ import annotations

from raylab.core import schedule

REST_S = (schedule.LAUNCHES - 0.5) / schedule.RUSH_PER_S
"""How much of a rest counts."""

LOT_S = 10 / schedule.RUSH_PER_S
"""A lab that has to wait waits for more than one lease: to be woken has its price too."""


class Pace:
    """When the next lease may be made.

    Example:
        >>> pace = Pace()
        >>> while pace.opens <= 5.0:
        ...     pace.spend(5.0, line=0)
        >>> round(pace.opens, 3)
        5.001
    """

    def __init__(self) -> None:
        self.opens = float("-inf")

    def spend(self, now: float, line: float) -> None:
        """A lease was made; so many wait for a slot."""
        self.opens = max(self.opens, now - REST_S) + 1 / schedule.launch_rate(line)

    @property
    def wake(self) -> float:
        """When to look again."""
        return self.opens + LOT_S
