"""Why that failed which is failed now, of what commits say: what runs again counts no more. Reads no row.

Of 10^6 trials, 10^5 of them failed and run again, this takes some 0.2 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from raylab.core.box import Run
from raylab.core.causes import Failing, merged, united
from raylab.core.places import pairs
from raylab.core.request import SweepRecord
from raylab.core.retry import MOST_TRIALS, Failure, failures
from raylab.core.statuses import FAILED


def in_force(record: SweepRecord, causes: Sequence[Failing]) -> list[Failing]:
    """The causes of what is failed now: what runs again is not, be it that nothing came of it yet.

    Args:
        record: the sweep.
        causes: what its table says.
    """
    if not record.runs_again or sum(each.count for each in causes) > MOST_TRIALS:
        return [each.counted(each.by_status) for each in causes]
    not_done = united(each.places for each in causes)
    failed = failures(record, not_done, FAILED, known=len(record.segments))
    return merged(each for each in causes_of(failed, causes) if each.count)


def causes_of(failed: Iterable[Failure], causes: Sequence[Failing]) -> list[Failing]:
    """How many of these failures are of each of these causes."""
    positions: dict[str, list[NDArray[np.int64]]] = {}
    for failure in failed:
        positions.setdefault(failure.status, []).append(failure.positions)
    there = {status: np.sort(np.concatenate(some)) for status, some in positions.items()}
    found = []
    for each in causes:
        counts = {status: _count(there[status], runs) for status, runs in each.places.items() if status in there}
        found.append(each.counted({status: count for status, count in counts.items() if count}))
    return found


def _count(numbers: NDArray[np.int64], runs: Sequence[Run]) -> int:
    """How many of some numbers, in their order, are in a set."""
    starts, stops = pairs(runs).T
    return int((np.searchsorted(numbers, stops) - np.searchsorted(numbers, starts)).sum())
