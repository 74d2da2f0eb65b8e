"""How far sweeps are, in numbers and a word. Plain records: they ask nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pkgutil import resolve_name
from typing import Any, Literal, TypeAlias, get_args

from raylab.core.causes import Failing, commonest, still_said
from raylab.core.handle import when
from raylab.core.provenance import Environment
from raylab.core.request import SweepRecord
from raylab.core.schedule import TROUBLES
from raylab.core.segment import Need
from raylab.core.showing import Bundle, Showing
from raylab.core.summary import Summary

State: TypeAlias = Literal[
    "fenced", "running", "disk_full", "infeasible", "paused", "at rest", "cancelled", "ready", "locked"
]

# The first that one of them has is that of several sweeps together: the sum runs while any part of it does; what keeps
# the rest from running comes before what has ended.
_WORST_FIRST = get_args(State)

STANDSTILL = frozenset({"paused", "fenced"})
"""States that time does not cure."""

ON_DISK = "as far as the notebook tells; whether a lab is at work on it, `raylab ls` tells"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Trials in numbers: total = done + failed + cancelled + running + waiting."""

    total: int
    done: int
    failed: int
    cancelled: int
    running: int
    waiting: int
    retrying: int
    by_status: Mapping[str, int]
    eta_s: float | None

    @property
    def ready(self) -> int:
        return self.done + self.failed

    @property
    def asked(self) -> int:
        """Trials that were not given up."""
        return self.total - self.cancelled

    @property
    def outstanding(self) -> int:
        """Trials that are still to be recorded."""
        return self.running + self.waiting

    @property
    def ready_fraction(self) -> float:
        """ready / (total − cancelled); 1.0 when nothing was asked."""
        return self.ready / self.asked if self.asked else 1.0

    @property
    def rate(self) -> float | None:
        """Trials per second, by what trials took lately and how many run at once: the rate at which what is outstanding
        takes `eta_s`. 0.0 when nothing is outstanding; None when nobody can say.
        """
        if not self.outstanding:
            return 0.0
        return self.outstanding / self.eta_s if self.eta_s else None


_COUNTED = tuple(each.name for each in fields(Counts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Showing, Counts):
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
        rate: trials per second, by what trials took lately: what is outstanding takes `eta_s` at this rate. 0.0 when
            nothing is outstanding; None when nobody can say.
        nodes: which nodes work at it now, and how many trials run on each at this moment.
        state: `running`, `ready`, `paused`, `infeasible`, `disk_full`, `fenced`, `cancelled` or `locked`.
        reason: a sentence, where there is something to say.
    """

    rows: int
    state: State
    reason: str
    nodes: Mapping[str, int] = field(default_factory=dict)

    def _card(self) -> Bundle:
        made: Bundle = resolve_name("raylab.display.cards:of_progress")(self)  # by its name: as of designs
        return made

    @staticmethod
    def of(sweeps: Sequence[Status]) -> Progress:
        """The sum of some sweeps; of none of them, all is ready.

        Example:
            >>> Progress.of([]).state, Progress.of([]).ready_fraction
            ('ready', 1.0)
        """
        numbers = ("total", "done", "failed", "cancelled", "running", "waiting", "retrying", "rows")
        sums: dict[str, Any] = {name: sum(getattr(sweep, name) for sweep in sweeps) for name in numbers}
        by_status: Counter[str] = Counter()
        nodes: Counter[str] = Counter()
        for sweep in sweeps:
            by_status.update(sweep.by_status)
            nodes.update(sweep.nodes)
        etas = [sweep.eta_s for sweep in sweeps if sweep.outstanding]
        known = [eta for eta in etas if eta is not None]
        worst = min(sweeps, key=lambda sweep: _WORST_FIRST.index(sweep.state), default=None)
        reason = worst.reason if worst else ""
        return Progress(
            **sums,
            by_status=dict(by_status),
            eta_s=max(known, default=0.0) if len(known) == len(etas) else None,
            state=worst.state if worst else "ready",
            reason=f"{worst.name}: {reason}" if worst and reason and len(sweeps) > 1 else reason,
            nodes=dict(sorted(nodes.items())),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Progress):
    """All that is said of one sweep, at work or at rest.

    Attributes:
        name, folder: which sweep it is.
        user: who asked for it.
        repeats: of each point.
        design: in a few words.
        description: for people.
        priority, max_concurrency, max_failures: how it is run.
        submitted_us: when, since the epoch.
        archived: whether it is hidden.
        first_error: of the trials that failed; None if none did, or none said anything.
        causes: why they failed: the commonest ones.
        troubles: how many leases in a row could not build its environment.
        remark: what to know of the workers that it ran on, and of whom cannot be told what becomes of it, in a
            sentence; empty if there is nothing.
    """

    name: str
    folder: str
    user: str
    repeats: int
    design: str
    description: str
    priority: int
    max_concurrency: int | None
    max_failures: float | None
    submitted_us: int
    first_error: str | None
    causes: Sequence[Failing]
    troubles: int
    archived: bool = False
    remark: str = ""

    @property
    def submitted(self) -> datetime:
        return datetime.fromtimestamp(self.submitted_us / 1e6, UTC)

    def told(self) -> dict[str, Any]:
        """All of it by name, with what follows from it: the rows of `sweeps()` and what `--json` says."""
        more = {name: getattr(self, name) for name in ("ready", "ready_fraction", "rate", "submitted")}
        nodes = [{"node": name, "running": count} for name, count in self.nodes.items()]
        return {**asdict(self), **more, "nodes": nodes, "causes": [each.told() for each in self.causes]}

    @property
    def stands_still(self) -> bool:
        """Whether time alone does not bring what is left. The lab goes on trying an environment, since what is missing
        may be put there; whoever waits has to know."""
        return self.state in STANDSTILL or self.troubles >= TROUBLES


def status(
    record: SweepRecord,
    counts: Counts,
    state: State,
    reason: str,
    *,
    rows: int,
    first_error: str | None,
    causes: Sequence[Failing],
    troubles: int = 0,
    environments: Mapping[str, Environment] = {},
    nodes: Mapping[str, int] = {},
) -> Status:
    """All that is said of a sweep, of what was asked and of what became of its trials."""
    return Status(
        name=record.name,
        folder=record.folder,
        user=record.user,
        **{name: getattr(counts, name) for name in _COUNTED},
        rows=rows,
        state="locked" if record.locked and state == "ready" else state,
        reason=reason,
        repeats=record.repeats,
        design=record.outline,
        description=record.policy.description,
        priority=record.policy.priority,
        max_concurrency=record.policy.max_concurrency,
        max_failures=record.policy.max_failures,
        submitted_us=record.time_us,
        first_error=first_error if counts.failed else None,
        causes=commonest(causes),
        troubles=troubles,
        archived=record.archived,
        remark=record.remark(environments),
        nodes=nodes,
    )


def infeasible(record: SweepRecord, needs: Sequence[Need]) -> str:
    """Why the trials of these classes do not run: no node can run one."""
    wanted = "; ".join(record.policy.at(need).amounts for need in needs)
    if len(needs) == len(record.needs) == 1:
        return f"no node of the cluster has what one trial asks for; it runs when one joins: {wanted}"
    return f"no node of the cluster has what some trials ask for; they run when one joins: {wanted}"


def recorded(record: SweepRecord, positions: int, by_status: Mapping[str, int]) -> Counts:
    """The trials of a sweep of which nothing runs: so many positions are recorded, the others wait or were given up."""
    found = Counter(by_status)
    for segment in record.segments:
        found.subtract(segment.taken_back)
    ready = positions - (record.positions - record.total)
    rest = record.total - ready
    given_up = rest if record.cancelled or record.replaced else 0
    return Counts(
        total=record.total,
        done=found["done"],
        failed=ready - found["done"],
        cancelled=given_up,
        running=0,
        waiting=rest - given_up,
        retrying=0,
        by_status={word: count for word, count in found.items() if count},
        eta_s=None if rest > given_up else 0.0,
    )


def on_disk(
    record: SweepRecord, found: Summary, causes: Sequence[Failing], environments: Mapping[str, Environment] = {}
) -> Status:
    """All that is said of a sweep that no lab is at work on, by what its table holds, and why trials are failed now."""
    counts = recorded(record, found.recorded, found.by_status)
    state, reason = _standing(record, counts)
    return status(
        record,
        counts,
        state,
        reason,
        rows=found.rows,
        first_error=still_said(found.error, causes),
        causes=causes,
        environments=environments,
    )


def _standing(record: SweepRecord, counts: Counts) -> tuple[State, str]:
    """The state of what lies on the disk, and the reason."""
    if record.replaced is not None:
        by = f"{record.replaced.user} at {when(record.replaced.time_us)}"
        state: State = "cancelled" if counts.cancelled else "ready"
        return state, f"it was set aside for another {record.replaced.name!r}, by {by}"
    if counts.cancelled:
        return "cancelled", ""
    if not counts.waiting:
        return "ready", ""
    return ("paused", record.paused) if record.paused else ("running", ON_DISK)
