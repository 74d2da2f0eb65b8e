"""What can happen to the queue, and what the queue can ask for.

Events are facts in the past tense, instructions are imperatives. Both are plain frozen data: a run of the lab can be
written down, replayed and compared. Positions are half-open runs `[start, stop)` of a sweep's run order. A sweep is
named by the folder of its results, which no other sweep ever has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from raylab.core.box import Run
from raylab.core.request import SweepRecord
from raylab.core.segment import Need
from raylab.core.strikes import Strikes

End = Literal["normal", "died", "out_of_memory", "lost", "stopped", "environment"]
"""How a lease's stream ended: by itself; its process died; it was killed because its node had no memory left; its node
is gone; we cancelled it; it never came to its first trial (an environment that could not be built, code that does not
load)."""

Death = Literal["crashed", "out_of_memory", "timed_out"]
"""What a trial that its process died with is recorded as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOpened(Event):
    """A sweep is in the request table: submitted just now, or found there when the lab started."""

    sweep: str
    record: SweepRecord
    recorded: tuple[Run, ...] = ()
    by_status: Mapping[str, int] = field(default_factory=dict)  # of each recorded position
    seconds: float = 0.0
    error: str | None = None  # the first of them
    slots: Mapping[Need, int]  # as `SlotsChanged` has them


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepChanged(Event):
    """Requests have changed a sweep: its policy, its segments, whether it is cancelled or paused."""

    sweep: str
    record: SweepRecord
    slots: Mapping[Need, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepResumed(Event):
    """A person wants a sweep to go on: what made it stand still is over."""

    sweep: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepDropped(Event):
    """A sweep was replaced, or cannot be worked on: nothing of it counts any more."""

    sweep: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotsChanged(Event):
    """How many trials of each class of each sweep the cluster could run at once, were it empty."""

    slots: Mapping[str, Mapping[Need, int]]
    totals: Mapping[str, float] = field(default_factory=dict)  # what the cluster has in all; nothing: as before


@dataclass(frozen=True, slots=True, kw_only=True)
class PressureChanged(Event):
    """Whether more results wait for the disk than the lab wants to hold."""

    high: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseStarted(Event):
    """Its process is up, the experiment is loaded, the first trial is about to run."""

    lease: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchArrived(Event):
    """Results of `count` trials from position `first` on; `busy_s` is what they took, row building included."""

    lease: int
    first: int
    count: int
    by_status: Mapping[str, int]
    busy_s: float
    error: str | None = None  # the first failure's, for the sweep that pauses


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsCommitted(Event):
    """Rows of these positions are durable. The only event that makes a trial ready."""

    sweep: str
    first: int
    count: int
    by_status: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseEnded(Event):
    lease: int
    end: End
    detail: str = ""
    late_s: float = 0.0  # how long ago its process ended, as far as that is known


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortageSeen(Event):
    """Somebody has looked at what had too little: what gets more waits in segments of its own by now; of the rest, by
    status so many, nothing is tried any more."""

    sweep: str
    spent: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked(Event):
    """Time has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """Something the shell must do, in the order given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch(Instruction):
    """Run these positions of a segment as one Ray task."""

    lease: int
    sweep: str
    segment: int
    start: int
    stop: int
    attempt: int = 1  # the `_attempt` of its first try at each
    version: int = 1  # of the code


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep(Instruction):
    """The batch that just arrived counts: write it, then say `RowsCommitted`."""

    lease: int
    sweep: str
    first: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse(Instruction):
    """The batch that just arrived is nobody's: drop it."""

    lease: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop(Instruction):
    """Cancel the lease's task by force; its `LeaseEnded` follows."""

    lease: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRun(Instruction):
    """Write that a suspect runs alone now, and what is held against it."""

    sweep: str
    position: int
    strikes: Strikes


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDeath(Instruction):
    """Write the record of a trial that its process died with, then say `RowsCommitted`."""

    sweep: str
    position: int
    attempt: int
    status: Death
    error: str
    version: int = 1  # of the code with which it died


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(Instruction):
    """Write that the sweep has paused itself, and why."""

    sweep: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Enlarge(Instruction):
    """See which trials of the sweep had too little memory or time, and have them tried again with more; then say
    `ShortageSeen`."""

    sweep: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wake(Instruction):
    """Say `Ticked` at this time."""

    at: float
