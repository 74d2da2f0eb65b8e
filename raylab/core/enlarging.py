"""Enlarging: which trials that had too little memory or time are tried again, with how much more.

Follows from the notebook and the policy alone, so that a look that is repeated finds what is left to do, and nothing
twice: what is tried again already stands in a selection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from raylab.core.box import Run
from raylab.core.policy import GROWS, Policy
from raylab.core.request import SweepRecord
from raylab.core.retry import Failure, failures, selections
from raylab.core.segment import Segment
from raylab.core.summary import Summary

__all__ = ["enlarge"]


def enlarge(
    record: SweepRecord, found: Summary, *, in_hand: Sequence[Run], has_room: Callable[[Policy], bool]
) -> tuple[tuple[Segment, ...], list[Failure]]:
    """The selections in which a sweep's trials are tried again with more, none if none gets more; and what those are.

    Args:
        record: the sweep.
        found: what its table holds.
        in_hand: positions that are not counted yet, whatever the table says of them by now.
        has_room: whether a node can run such trials. What no node can run is tried only where a person has said how
            much an amount may be: a larger node may be on its way.

    Raises:
        DesignError: so many had too little that no request holds them.
    """
    policy = record.policy
    statuses = [status for status, name in GROWS.items() if name in policy.grow]
    short: list[Failure] = []
    failed = failures(record, found.not_done, statuses, known=len(record.segments), in_hand=in_hand)
    for each in failed:
        more = policy.more(each.segment.need, each.status)
        if more is not None and (policy.has_limit(each.status) or has_room(policy.at(more))):
            short.append(each._replace(segment=replace(each.segment, need=more)))
    return selections(record, short, found.attempt + 1), short
