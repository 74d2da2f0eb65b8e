"""What commits of a sweep say of themselves, one by one and together: the one shape of it, in their metadata and here.

A commit carries it, a part the sum of its commits; so a lab that starts reads metadata, and no row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from raylab.core import causes
from raylab.core.box import Run, joined
from raylab.core.causes import Failing
from raylab.core.packing import packed, unpacked
from raylab.core.trial_warnings import Kind, merged

Names: TypeAlias = Sequence[list[Any]]
"""Which results came in which order: `[point, repeat, names]` of each trial that brings names which no lower one has,
by trial. So what some batches say together does not depend on which of them came first."""

MAX_NAMES = 1_000
"""As many as a sweep has columns: no more of them can be in an order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What some commits hold.

    Attributes:
        positions: the trials recorded in them, as runs of positions in order: (start, stop).
        by_status: records by `_status`; a trial that was run again counts with each of its records.
        rows: of all these records.
        seconds: that the trials took.
        error: the first one, if a trial failed.
        warnings: that trials showed, grouped.
        names: of the results, in their order.
        causes: why trials failed, each with the positions of those that did.
        attempt: the highest `_attempt`; 0 of no records.
        versions: the code versions with which the trials ran, in order.
        labels: the digests of what they have first that labels results (`notebook/label_columns.py`).
    """

    positions: Sequence[tuple[int, int]]
    by_status: Mapping[str, int]
    rows: int
    seconds: float
    error: str | None
    warnings: Sequence[Kind]
    names: Names
    causes: Sequence[Failing]
    attempt: int
    versions: Sequence[int]
    labels: Sequence[str] = ()

    @property
    def recorded(self) -> int:
        """How many trials."""
        return sum(stop - start for start, stop in self.positions)

    @property
    def not_done(self) -> dict[str, list[Run]]:
        """The positions that are recorded as anything but `done`, by status, as runs in order."""
        return causes.united(failing.places for failing in self.causes)

    @property
    def again(self) -> bool:
        """Whether a position is recorded more than once. A lab never does that; whoever reads counts the newest."""
        return sum(self.by_status.values()) > self.recorded

    def dumps(self) -> dict[str, Any]:
        """As plain data for a file's metadata."""
        return {
            "positions": packed(self.positions),
            "by_status": dict(self.by_status),
            "rows": self.rows,
            "seconds": round(self.seconds, 6),
            "error": self.error,
            "warnings": [kind.dumps() for kind in self.warnings],
            "names": self.names,
            "causes": [failing.dumps() for failing in self.causes],
            "attempt": self.attempt,
            "versions": list(self.versions),
            "labels": list(self.labels),
        }

    @staticmethod
    def loads(meta: Mapping[str, Any]) -> Summary:
        """Read it; KeyError if something is missing. What a later version says beside it is left out."""
        return Summary(
            positions=list(unpacked(meta["positions"])),
            by_status=meta["by_status"],
            rows=meta["rows"],
            seconds=meta["seconds"],
            error=meta["error"],
            warnings=[Kind.loads(data) for data in meta["warnings"]],
            names=meta["names"],
            causes=[Failing.loads(data) for data in meta["causes"]],
            attempt=meta["attempt"],
            versions=meta["versions"],
            labels=tuple(meta["labels"]),
        )


def together(some: Sequence[Summary]) -> Summary:
    """What several commits hold, in their order; of none of them, nothing.

    Example:
        >>> together([]).recorded
        0
    """
    by_status: Counter[str] = Counter()
    for each in some:
        by_status.update(each.by_status)
    return Summary(
        positions=joined([each.positions for each in some]),
        by_status=dict(by_status),
        rows=sum(each.rows for each in some),
        seconds=sum(each.seconds for each in some),
        error=next((each.error for each in some if each.error), None),
        warnings=merged(kind for each in some for kind in each.warnings),
        names=merged_names(each.names for each in some),
        causes=causes.merged(failing for each in some for failing in each.causes),
        attempt=max((each.attempt for each in some), default=0),
        versions=sorted({version for each in some for version in each.versions}),
        labels=tuple(dict.fromkeys(digest for each in some for digest in each.labels)),
    )


def merged_names(some: Iterable[Names]) -> Names:
    """The names that several batches or commits have together.

    Example:
        >>> merged_names([[[2, 0, ["b", "a"]]], [[0, 0, ["a"]]]])
        [[0, 0, ['a']], [2, 0, ['b']]]
    """
    found: list[list[Any]] = []
    seen: set[str] = set()
    for point, repeat, names in sorted(entry for each in some for entry in each):
        new = [name for name in names if name not in seen]
        if new and len(seen) < MAX_NAMES:
            seen.update(new)
            found.append([point, repeat, new])
    return found
