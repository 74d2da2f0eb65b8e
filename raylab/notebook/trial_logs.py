"""What trials printed, for those who read: which log is a record's, and why there is none.

Logs are written before the records that they are of. So there are logs without a record, of attempts that were run
again and of what a lab did not come to write; a record's log is the newest of its attempt that has as many bytes as the
record says. A record whose process died may not know that number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from raylab.core.request import SweepRecord
from raylab.core.statuses import DEAD
from raylab.core.trial import whole
from raylab.core.trial_log import SWEEP_BYTES, Log, last_lines
from raylab.errors import LogNotFound
from raylab.notebook.arrow_types import INT
from raylab.notebook.attempts import Ran, attempts_of, mine
from raylab.notebook.file import Loaded
from raylab.notebook.log_rows import from_rows
from raylab.notebook.log_table import tally_of
from raylab.notebook.store import Reader

LAST_LINES = "_last_lines"
"""The column of failures that has them."""

Files: TypeAlias = Callable[[], Sequence[Loaded]]
"""Reads the files in force of a table, in order."""


def find_log(
    reader: Reader, record: SweepRecord, logs: Files, point: int, repeat: int, attempt: int | None = None
) -> str | None:
    """The log of a trial; None if it has no record yet.

    Args:
        reader: the notebook.
        record: the sweep.
        logs: the table of its logs, read if the trial's record says that it has one.
        point, repeat: the trial.
        attempt: which one, as `_attempt` counts them; the one of the record if None.

    Raises:
        LogNotFound: none is kept, or there is no such trial; the message says why.
        TypeError: a number is none.
    """
    try:
        known = attempts_of(reader, record, point, repeat)
    except IndexError as error:
        raise LogNotFound(str(error)) from None
    point, repeat = index(point), index(repeat)
    if attempt is not None:
        return _of_attempt(record, known, logs, point, repeat, whole(attempt, "attempt"))
    if not known:
        return None
    return _of(record, known[-1], logs, point, repeat)


def last_lines_of(
    logs: Files,
    points: Sequence[int],
    repeats: Sequence[int],
    attempts: Sequence[int],
    statuses: Sequence[str],
    printed: Sequence[int | None],
) -> list[str | None]:
    """The last lines of what trials printed; None where that was not kept.

    Args:
        logs: the table of the logs, read if one of the trials has any.
        points, repeats, attempts, statuses, printed: of each trial, as its rows say.
    """
    records = list(map(Ran, attempts, statuses, printed))
    found: dict[tuple[int, int], list[Log]] = {}
    if any(ran.may_have for ran in records):
        some = pa.array(set(points), INT)
        for loaded in logs():
            for log in from_rows(loaded.table.filter(pc.is_in(loaded.table.column("_point"), value_set=some))):
                found.setdefault((log.point, log.repeat), []).append(log)
    return [
        _last_lines(ran, found.get((point, repeat), ()))
        for point, repeat, ran in zip(points, repeats, records, strict=True)
    ]


def _last_lines(ran: Ran, logs: Sequence[Log]) -> str | None:
    if ran.printed == 0:
        return ""
    own = [log for log in logs if ran.has(log)]
    return last_lines(own[-1].text) if own else None


def _of(record: SweepRecord, ran: Ran, logs: Files, point: int, repeat: int) -> str:
    if ran.printed == 0:
        return ""
    files = logs()
    there = _logs(files, point, repeat)
    own = [log for log in there if ran.has(log)]
    if own:
        return own[-1].text
    earlier = sorted({log.attempt for log in there if log.attempt < ran.attempt})
    ways = f"; there are logs of attempts before it: attempt={', '.join(map(str, earlier))}" if earlier else ""
    raise LogNotFound(f"{named(record, point, repeat)} has no log: {_why(record, ran, files)}{ways}")


def _of_attempt(record: SweepRecord, known: Sequence[Ran], logs: Files, point: int, repeat: int, attempt: int) -> str:
    for ran in known:
        if ran.attempt == attempt:
            return _of(record, ran, logs, point, repeat)
    there = _logs(logs(), point, repeat)
    own = [log for log in there if log.attempt == attempt]
    if own:
        return own[-1].text
    attempts = sorted({ran.attempt for ran in known} | {log.attempt for log in there})
    has = f"those it has are {', '.join(map(str, attempts))}" if attempts else "it has none yet"
    raise LogNotFound(f"{named(record, point, repeat)} has no attempt {attempt} with a record or a log; {has}")


def named(record: SweepRecord, point: int, repeat: int) -> str:
    """A trial in a sentence."""
    return f"point {point:,}{f', repeat {repeat:,},' if repeat or record.repeats > 1 else ''} of {record.name!r}"


def _why(record: SweepRecord, ran: Ran, logs: Sequence[Loaded]) -> str:
    if ran.printed is not None:
        trials, nbytes = tally_of([loaded.info for loaded in logs]).left_out
        if trials:
            return (
                f"it printed {ran.printed:,} bytes when the logs of its sweep had their {SWEEP_BYTES / 2**20:.0f} MB "
                f"already; what {trials:,} attempts have printed since, {nbytes:,} bytes, was only counted"
            )
        return f"it printed {ran.printed:,} bytes, and their file is lost; `raylab verify` tells what is damaged"
    if ran.status in DEAD and record.policy.capture != "none":
        return f"it is {ran.status}, and nobody could ask its node what it had printed: the lab had ended as well"
    what = "all" if ran.status == "done" else "failed"
    return (
        f"it is {ran.status}, and what such trials print was not kept when it ran (capture is "
        f"{record.policy.capture!r} now). change(capture={what!r}) keeps it for what runs from then on, and so does "
        f"submit(..., capture={what!r})"
    )


def _logs(files: Sequence[Loaded], point: int, repeat: int) -> list[Log]:
    """The logs of a trial, the newest the last."""
    return [log for loaded in files for log in from_rows(mine(loaded.table, point, repeat))]
