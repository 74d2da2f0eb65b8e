"""A lease, as the ledger knows it: which positions are out with one task, and how far that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

State = Literal["asked", "running", "withdrawn", "stopping"]
"""What a lease is: asked for; at its trials; asked to end before it began, or after."""

MOVES: Mapping[State, frozenset[State]] = {
    "asked": frozenset({"running", "withdrawn"}),
    "running": frozenset({"stopping"}),
    "withdrawn": frozenset({"stopping"}),  # it began all the same
    "stopping": frozenset(),
}


@dataclass(slots=True, kw_only=True)
class Lease:
    """A run of positions that one task works through; `next` is where its next batch must begin."""

    ident: int
    sweep: str
    segment: int
    start: int
    stop: int
    next: int
    limit: int = 0  # of a run that came back from a lease that died: how long its leases may be; 0 for any length
    alone: bool = False  # a suspect
    time_limit: float | None = None  # what one of its trials may take
    version: int = 1  # of the code
    since: float = 0.0  # when it came to its first trial, or its last batch arrived
    state: State = "asked"

    @property
    def left(self) -> int:
        """Trials that no batch has brought yet."""
        return self.stop - self.next

    @property
    def began(self) -> bool:
        """Whether it has come to its first trial."""
        return self.state in ("running", "stopping")

    @property
    def ending(self) -> bool:
        """Whether it was asked to end."""
        return self.state in ("withdrawn", "stopping")

    def move(self, to: State) -> None:
        """ValueError if no lease ever goes there from where this one is."""
        if to not in MOVES[self.state]:
            raise ValueError(f"lease {self.ident} is {self.state} and cannot be {to}")
        self.state = to
