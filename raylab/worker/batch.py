"""Rows on their way to the lab: results that wait in a worker, and the batch that is made of them.

Promises: a batch holds whole trials; what waits is bounded by its bytes; a record that is too large, or that nothing
can be made of, is a failed row that says so. Runs nothing, sends nothing.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from raylab.core.block import Block
from raylab.core.causes import Cause, Failing, cause_of
from raylab.core.causes import merged as merged_causes
from raylab.core.labelled import Labels
from raylab.core.places import runs_of
from raylab.core.policy import Policy
from raylab.core.summary import Summary, together
from raylab.core.tabular import Table
from raylab.core.trial_log import Log
from raylab.core.trial_warnings import Kind, merged
from raylab.notebook.label_columns import brought
from raylab.notebook.log_rows import to_rows
from raylab.notebook.parameters import Parameters
from raylab.notebook.rows import NOTHING, Asked, Trials, names_of, wire
from raylab.worker.capture import Said
from raylab.worker.outcome import Outcome

FIRST_ROWS = 16
"""The most rows of the first batch, whose size nobody knows yet; each later one may have 8 times as many."""

MAX_ROWS = 65_536
BATCH_BYTES = 8 * 2**20
"""What waits in a worker at most, by the size of the rows before."""

RECORD_BYTES = 64 * 2**20
"""The most that one trial may return."""

MAX_WORDS = 1_000

MANY_KINDS = 1_000
"""Of warnings, before those that are the same are put together."""

NODE = platform.node()


def asked(policy: Policy) -> Asked:
    """What trials ask for under a policy, as their rows say it.

    Example:
        >>> asked(Policy(resources={"CPU": 2.0, "memory": 1e9}))
        Asked(num_cpus=2.0, memory=1000000000.0, time_limit=None)
    """
    return Asked(policy.resources.get("CPU"), policy.resources.get("memory"), policy.time_limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows of `count` trials from position `first` on."""

    first: int
    count: int
    rows: pa.RecordBatch
    by_status: dict[str, int]
    busy_s: float
    error: str | None = None
    warnings: tuple[Kind, ...] = ()  # that its trials showed
    causes: tuple[Failing, ...] = ()  # why those failed that did
    attempt: int = 1  # the highest
    version: int = 1  # of the code
    logs: pa.RecordBatch | None = None  # what trials printed, as far as it is kept

    @property
    def summary(self) -> Summary:
        """What it holds."""
        return Summary(
            positions=[(self.first, self.first + self.count)],
            by_status=self.by_status,
            rows=self.rows.num_rows,
            seconds=self.busy_s,
            error=self.error,
            warnings=self.warnings,
            names=names_of(self.rows),
            causes=self.causes,
            attempt=self.attempt,
            versions=[self.version],
        )


def summary(batches: Sequence[Batch]) -> Summary:
    """What a commit of these batches says of itself."""
    return together([batch.summary for batch in batches])


@dataclass(slots=True)
class Pending:
    """Trials that are done and not sent yet. Times are of the process's clock, in seconds."""

    first: int
    parameters: Parameters
    first_point: int
    since: float  # when it was begun
    epoch: float  # what makes a time of this clock one since 1970
    blocks: list[Block] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)
    started: dict[int, float] = field(default_factory=dict)  # where it is not when the one before ended
    failures: dict[int, tuple[str, str | None, str | None]] = field(default_factory=dict)
    attempts: dict[int, int] = field(default_factory=dict)
    warnings: dict[int, int] = field(default_factory=dict)  # how many a trial showed, where it is not 0
    peaks: dict[int, int] = field(default_factory=dict)  # bytes of memory, of trials that were measured
    printed: dict[int, int] = field(default_factory=dict)  # bytes that a trial printed, where it is not `unsaid`
    unsaid: int | None = None  # None: the logs of such trials are not kept
    logs: list[tuple[int, int, Said]] = field(default_factory=list)  # by trial and attempt
    asked: Asked = NOTHING
    kinds: list[Kind] = field(default_factory=list)  # of these; merged now and then
    nbytes: int = 0  # of the results that were weighed
    sent: set[str] = field(default_factory=set)  # the digests of the labels' contents that the lease has sent
    times: dict[int, dict[str, float]] = field(default_factory=dict)
    metadata: dict[int, dict[str, object]] = field(default_factory=dict)
    ran: dict[int, tuple[float | None, float | None]] = field(default_factory=dict)  # of those that ran elsewhere

    def note(self, at: int, outcome: Outcome) -> Any:
        """Keep what an outcome says beside its rows; return the rows."""
        if outcome.status != "done":
            self.failures[at] = (outcome.status, outcome.error, outcome.traceback)
        if outcome.times is not None:
            self.times[at] = outcome.times
        if outcome.metadata is not None:
            self.metadata[at] = outcome.metadata
        if outcome.ran is not None:
            self.ran[at] = outcome.ran
        return outcome.rows[0] if len(outcome.rows) == 1 else outcome.rows

    def warned(self, at: int, heard: Mapping[tuple[str, str], Sequence[Any]], point: int, repeat: int) -> None:
        """Take note of what a trial showed: by kind how often, and an example."""
        self.warnings[at] = sum(count for count, _ in heard.values())
        self.kinds += [
            Kind(
                category=category,
                text=text,
                count=count,
                trials=1,
                example=example,
                point=self.first_point + point,
                repeat=repeat,
            )
            for (category, text), (count, example) in heard.items()
        ]
        if len(self.kinds) > MANY_KINDS:
            self.kinds = merged(self.kinds)

    def log(self, at: int, said: Said | None, attempt: int) -> None:
        """Keep what an attempt at a trial printed; None where it is not kept."""
        if said is None:
            self.printed.pop(at, None)
            return
        self.printed[at] = said.printed
        if said.printed:
            self.logs.append((at, attempt, said))
            self.nbytes += len(said.text)

    def weigh(self, result: object) -> bool:
        """Take note of a result's size; whether what waits is enough."""
        self.nbytes += weight(result)
        return self.nbytes >= BATCH_BYTES

    def refuse(self, at: int, why: str) -> None:
        """Make a trial whose record cannot be kept a failed one. What failed already keeps its own error."""
        self.results[at] = {}
        self.metadata.pop(at, None)
        words = f"{why}; write large results to a file and return the file's path"
        self.failures.setdefault(at, ("failed", words, None))


def grown(max_rows: int, count: int, nbytes: int) -> int:
    """How many rows the next batch may have, after one of `count` rows and so many bytes."""
    return max(1, min(MAX_ROWS, 8 * max_rows, BATCH_BYTES * count // max(1, nbytes)))


def weight(result: object) -> int:
    """About how many bytes a result takes, as far as that is cheap to know."""
    rows = result if isinstance(result, list) else [result]
    values = [value for row in rows if isinstance(row, dict) for value in row.values()]
    return sum(_weight(value) for value in values)


def _weight(value: object) -> int:
    kind = type(value)  # a user's class may answer isinstance() as it likes
    if kind in (np.ndarray, Labels, Table):
        return int(value.nbytes)  # type: ignore[attr-defined]
    if kind in (str, bytes):
        return len(value)  # type: ignore[arg-type]
    return 8 * len(value) if kind in (list, tuple, dict, set) else 8  # type: ignore[arg-type]


def make_batch(pending: Pending, *, attempt: int, pid: int, busy_s: float, version: int = 1) -> tuple[Batch, int]:
    """What waits, as a batch, and about how many bytes its rows have. Records that are too large become failures."""
    count = len(pending.results)
    rows, nbytes = _rows(pending, attempt, version, pid)
    pending.sent.update(brought(rows))
    by_status = Counter(status for status, _, _ in pending.failures.values())
    if len(pending.failures) < count:
        by_status["done"] = count - len(pending.failures)
    error = next(iter(pending.failures.values()))[1] if pending.failures else None
    batch = Batch(
        first=pending.first,
        count=count,
        rows=rows,
        by_status=dict(by_status),
        busy_s=busy_s,
        error=error,
        warnings=tuple(merged(pending.kinds)),
        causes=tuple(_causes(pending)),
        attempt=max([attempt, *pending.attempts.values()]),
        version=version,
        logs=_logs(pending),
    )
    return batch, nbytes


def _causes(pending: Pending) -> list[Failing]:
    """Why those failed that did."""
    alike: dict[tuple[str, Cause], list[int]] = {}
    for at, (status, error, traceback) in pending.failures.items():
        alike.setdefault((status, cause_of(status, error or "", traceback)), []).append(pending.first + at)
    places = ((cause, {status: runs_of(np.array(each))}) for (status, cause), each in alike.items())
    return merged_causes(Failing.at(cause, each) for cause, each in places)


def _logs(pending: Pending) -> pa.RecordBatch | None:
    if not pending.logs:
        return None
    _, points, repeats, _ = map(np.concatenate, zip(*pending.blocks, strict=True))
    return to_rows(
        Log(
            point=pending.first_point + int(points[at]),
            repeat=int(repeats[at]),
            attempt=attempt,
            printed=said.printed,
            text=said.text,
        )
        for at, attempt, said in pending.logs
    )


def _rows(pending: Pending, attempt: int, version: int, pid: int) -> tuple[pa.RecordBatch, int]:
    """The rows, records that are too large made failures; and how many bytes it all was."""
    try:
        rows = wire(_trials(pending, attempt, version), pending.parameters, NODE, pid)
    except Exception as error:  # 2 GB of text in a column, no memory
        if len(pending.results) > 1:
            raise  # the lab gives the trials out again in smaller leases, in the end each alone
        pending.refuse(0, f"its result cannot be kept ({type(error).__name__}: {error})"[:MAX_WORDS])
        return wire(_trials(pending, attempt, version), pending.parameters, NODE, pid), RECORD_BYTES
    nbytes: int = rows.nbytes
    if nbytes > RECORD_BYTES and _refuse_too_large(pending, rows):
        rows = wire(_trials(pending, attempt, version), pending.parameters, NODE, pid)
    return rows, nbytes


def _trials(pending: Pending, attempt: int, version: int) -> Trials:
    _, *columns = zip(*pending.blocks, strict=True)
    points, repeats, own_seeds = map(np.concatenate, columns)
    each = range(len(pending.results))
    ended = np.asarray(pending.ended)
    started = np.concatenate(([pending.since], ended[:-1]))
    started[list(pending.started)] = list(pending.started.values())
    started, elapsed = started + pending.epoch, ended - started
    if pending.ran:  # of None comes NaN
        at = list(pending.ran)
        started[at], elapsed[at] = np.array(list(pending.ran.values()), np.float64).T
    return Trials(
        points=points,
        repeats=repeats,
        seeds=own_seeds,
        started=started,
        elapsed=elapsed,
        results=pending.results,
        failures=pending.failures,
        attempts=pending.attempts,
        warnings=pending.warnings,
        peaks=pending.peaks,
        printed=pending.printed,
        unsaid=pending.unsaid,
        asked=NOTHING if pending.ran else pending.asked,
        elsewhere=bool(pending.ran),
        attempt=attempt,
        version=version,
        first_point=pending.first_point,
        times=[pending.times.get(at, {}) for at in each] if pending.times else None,
        metadata=[pending.metadata.get(at) for at in each] if pending.metadata else None,
        sent=pending.sent,
    )


def _refuse_too_large(pending: Pending, rows: pa.RecordBatch) -> bool:
    """Make every record over the limit a failure that says so; whether there was one."""
    found, start = False, 0
    for at, result in enumerate(pending.results):
        count = (len(result) or 1) if isinstance(result, list) else 1
        nbytes = rows.slice(start, count).nbytes
        start += count
        if nbytes > RECORD_BYTES:
            found = True
            pending.refuse(at, f"its record has {_megabytes(nbytes)}, and can have {_megabytes(RECORD_BYTES)} at most")
    return found


def _megabytes(nbytes: int) -> str:
    return f"{nbytes / 2**20:,.1f} MB"
