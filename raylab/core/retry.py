"""Retrying: what of a sweep has failed and is to be run again, as selections of its trials.

What became of a trial is told by the last position it stands at: a trial that is to be run again, and has not been yet,
is waiting and no failure. Whoever asks says how many segments of the sweep it knows of: what ran in a later one is not
what it means. So a call that is repeated, because its answer was lost, never runs again what has failed again since.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from raylab.core.block import numbers_at
from raylab.core.box import Run
from raylab.core.places import among, listed, pairs, runs_of
from raylab.core.request import SweepRecord
from raylab.core.segment import Segment
from raylab.core.statuses import USUAL
from raylab.core.summary import Summary
from raylab.errors import DesignError

__all__ = ["Failure", "again", "failures", "is_taken_back", "not_taken", "selections", "stay", "taken"]

MOST_TRIALS = 10_000_000
"""As many are looked at in one go: eight bytes each in a few arrays are some 300 MB, for a second or two."""

MOST_RUNS = 2_000_000
"""A request holds as many runs of trials: 20 bytes each, of the 64 MB that a request may have."""


def stay(sweep: str, failed: Mapping[str, int]) -> str:
    """What to know where trials that failed would be run otherwise by now; nothing where none did.

    Example:
        >>> stay("s", {"failed": 2, "done": 5})
        "2 trials of 's' failed before this change; ... lab.sweep('s').retry() runs them again"
    """
    usual, more = sum(failed.get(word, 0) for word in USUAL), failed.get("out_of_memory", 0)
    if not usual + more:
        return ""
    memory = "retry(status='out_of_memory')"
    way = f"{'retry()' if usual else memory} runs them again"
    also = f", {memory} those that ran out of memory" if usual and more else ""
    return (
        f"{usual + more:,} trials of {sweep!r} failed before this change; their rows stay as they are, and "
        f"lab.sweep({sweep!r}).{way}{also}"
    )


def not_taken(segments: Sequence[Segment], known: int, statuses: Sequence[str]) -> list[str]:
    """The statuses that nothing has been taken back of since the sweep had so many segments: who asks again for the
    others asks for what is on its way."""
    return [status for status in statuses if not taken(segments, known, [status])]


def taken(segments: Sequence[Segment], known: int, statuses: Sequence[str]) -> int:
    """How many trials of these statuses are run again since the sweep had so many segments."""
    return sum(segment.taken_back.get(status, 0) for segment in segments[known:] for status in statuses)


class Failure(NamedTuple):
    """Trials that failed: the segment that they ran in last, what came of them, and of each its number and position."""

    segment: Segment
    status: str
    numbers: NDArray[np.int64]
    positions: NDArray[np.int64]


@dataclass(slots=True)
class _Group:
    """Trials that one selection can hold: of one design and its numbers, and of one need.

    Attributes:
        like: the selection is like this one.
        numbers: those that failed.
        taken_back: how many these are, by status.
    """

    like: Segment
    numbers: list[NDArray[np.int64]] = field(default_factory=list)
    taken_back: Counter[str] = field(default_factory=Counter)


def again(
    record: SweepRecord, found: Summary, statuses: Sequence[str], *, known: int, in_hand: Sequence[Run] = ()
) -> tuple[tuple[Segment, ...], list[Failure]]:
    """The segments in which everything is run again that failed, none if nothing did; and what that is.

    Args:
        record: the sweep.
        found: what its table holds.
        statuses: which failures.
        known: how many of the sweep's segments are known to whoever asks.
        in_hand: positions that are not counted yet, whatever the table says of them by now.

    Raises:
        DesignError: so much failed that no request holds it.
    """
    failed = list(failures(record, found.not_done, statuses, known=known, in_hand=in_hand))
    return selections(record, failed, found.attempt + 1), failed


def failures(
    record: SweepRecord,
    not_done: Mapping[str, Sequence[Run]],
    statuses: Iterable[str],
    *,
    known: int,
    in_hand: Sequence[Run] = (),
) -> Iterator[Failure]:
    """What failed and is not run again yet, of these positions by status; else arguments and error as of `again`."""
    failed = {status: pairs(not_done.get(status, ())) for status in statuses}
    _check_many(sum(int((runs[:, 1] - runs[:, 0]).sum()) for runs in failed.values()))
    later: list[NDArray[np.int64]] = []  # the selections that were met, from the last one back
    for number in reversed(range(len(record.segments))):
        segment = record.segments[number]
        for status, runs in failed.items() if number < known else ():
            inside = _within(runs, segment)
            if not inside.size:
                continue
            positions = listed(inside)
            positions = positions[~among(in_hand, positions)]
            numbers = numbers_at(segment, positions)
            for selection in later:
                left = ~among(selection, numbers)
                numbers, positions = numbers[left], positions[left]
            yield Failure(segment, status, numbers, positions)
        if segment.selection:
            later.append(pairs(segment.selection))


def _group(groups: list[_Group], segment: Segment) -> _Group:
    like = replace(segment, first_position=0, part=(), grid=(), selection=(), attempt=1, taken_back={})
    found = next((group for group in groups if group.like == like), None)
    if found is None:
        groups.append(found := _Group(like))
    return found


def _within(runs: NDArray[np.int64], segment: Segment) -> NDArray[np.int64]:
    """The part of some runs of positions, in order, that lies in a segment."""
    first = np.searchsorted(runs[:, 1], segment.first_position, side="right")
    last = np.searchsorted(runs[:, 0], segment.stop, side="left")
    return runs[first:last].clip(segment.first_position, segment.stop)


def selections(record: SweepRecord, failed: Iterable[Failure], attempt: int) -> tuple[Segment, ...]:
    """The segments in which these run again, after the last one of the sweep.

    Raises:
        DesignError: they are so many that no request holds them.
    """
    groups: list[_Group] = []
    for each in failed:
        group = _group(groups, each.segment)
        group.numbers.append(each.numbers)
        group.taken_back[each.status] += len(each.numbers)
    found: list[Segment] = []
    first_position, runs = record.positions, 0
    for group in reversed(groups):
        selection = runs_of(np.concatenate(group.numbers)) if group.numbers else ()
        if not selection:
            continue
        runs += len(selection)
        one = replace(
            group.like,
            first_position=first_position,
            selection=selection,
            attempt=attempt,
            taken_back={status: count for status, count in group.taken_back.items() if count},
        )
        first_position = one.stop
        found.append(one)
    if runs > MOST_RUNS:
        raise _too_many(f"{runs:,} stretches of trials", MOST_RUNS)
    return tuple(found)


def _check_many(count: int) -> None:
    if count > MOST_TRIALS:
        raise _too_many(f"{count:,} trials", MOST_TRIALS)


def _too_many(what: str, most: int) -> DesignError:
    return DesignError(
        f"{what} failed, and {most:,} can be run again at a time; give one status after the other, or submit the sweep "
        "anew with if_exists='replace'. Nothing was stored"
    )


def is_taken_back(
    record: SweepRecord, points: NDArray[np.int64], repeats: NDArray[np.int64], attempts: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which records count no more, because their trial is to be run again, be it that nothing came of that yet.

    Args:
        record: the sweep.
        points, repeats, attempts: of each record, as its rows say.
    """
    found = np.zeros(len(points), dtype=bool)
    for segment in record.segments:
        if segment.selection:
            own, repeat = points - segment.first_point, repeats - segment.first_repeat
            here = (own >= 0) & (own < segment.size) & (repeat >= 0) & (repeat < segment.repeats)
            numbers = segment.first_trial + own * segment.repeats + repeat
            found |= here & (attempts < segment.attempt) & among(segment.selection, numbers)
    return found
