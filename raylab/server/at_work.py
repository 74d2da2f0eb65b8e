"""A sweep at work: all that the lab knows of one sweep beside its queue, in one object.

It is found by the folder of its results, which no other sweep ever has.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from raylab.core.causes import Failing, still_said, without
from raylab.core.failed_now import in_force
from raylab.core.request import SweepRecord
from raylab.core.summary import Summary
from raylab.notebook.log_rows import LogRows
from raylab.notebook.writer import SweepTable
from raylab.worker.batch import Batch

Stage = Literal["known", "opening", "open", "set aside", "removed"]
"""Nobody writes its table; this lab is about to; it does; another sweep has its name; its files are being deleted.

    known ──► opening ──► open ──► known          known again: complete and put away, or broken
"""


class Held(NamedTuple):
    """What a sweep's table holds: what it says, with an error of what is failed now, and why that failed."""

    found: Summary
    causes: list[Failing]

    @staticmethod
    def of(record: SweepRecord, found: Summary) -> Held:
        """Of 10^6 failures, some of which run again, this takes a second: nothing for the lab's loop."""
        causes = in_force(record, found.causes)
        return Held(replace(found, error=still_said(found.error, causes)), causes)


@dataclass(slots=True, eq=False)
class AtWork:
    """One sweep of a lab.

    Attributes:
        record: what was asked.
        stage: how far it is taken up.
        queued: whether the ledger has a queue of it.
        table: its results, while they are written.
        package: what workers load, as the pool holds it, while it is open.
        waiting: batches that wait for the disk.
        logs: what trials printed, that waits likewise.
        writing: held while its table is opened, committed to or sealed.
        rows: how many rows are durable.
        first_error: of its trials that are failed now.
        causes: why those of them failed that are failed now.
        trouble: why it cannot be worked on; empty if it can.
        passing: whether that is a trouble of the disk's, so that another look may find it gone.
        news: a number that grows with each piece of news of it.
        where: the node of each lease that has begun, by the lease's number.
        heard: which version has run in which environment on which node.
        unnoted: those of it that are not in the requests yet.
        untold: why some cannot be told what becomes of it at the moment, by the keys of the recipients.
    """

    record: SweepRecord
    stage: Stage = "known"
    queued: bool = False
    table: SweepTable | None = None
    package: Any = None
    waiting: list[Batch] = field(default_factory=list)
    logs: list[LogRows] = field(default_factory=list)
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    rows: int = 0
    first_error: str | None = None
    causes: list[Failing] = field(default_factory=list)
    trouble: str = ""
    passing: bool = False
    news: int = 0
    where: dict[int, str] = field(default_factory=dict)
    heard: set[tuple[int, str, str]] = field(default_factory=set)
    unnoted: list[tuple[int, str, str]] = field(default_factory=list)
    untold: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The folder of its results, by which the ledger knows it, too."""
        return self.record.folder

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def is_at_work(self) -> bool:
        """Whether its trials are leased, or will be in a moment."""
        return self.stage in ("opening", "open")

    @property
    def is_over(self) -> bool:
        """Whether nothing of it will ever be leased or written again."""
        return self.stage in ("set aside", "removed")

    @property
    def nodes(self) -> dict[str, int]:
        """The nodes that work at it, and how many trials run on each: a lease runs one at a time."""
        return dict(sorted(Counter(self.where.values()).items()))

    def know(self, held: Held) -> None:
        """Take note of what its table holds; so it can be read."""
        self.trouble, self.passing = "", False
        self.rows, self.causes = held.found.rows, held.causes
        self.first_error = self.first_error or held.found.error

    def take_back(self, gone: Sequence[Failing]) -> None:
        """What runs again is failed no more."""
        self.causes = without(self.causes, gone)
        self.first_error = still_said(self.first_error, self.causes)

    def close(self, stage: Stage) -> None:
        """Nothing more is written."""
        self.stage, self.table, self.package = stage, None, None
        self.heard = set()  # the record has it
