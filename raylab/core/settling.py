"""Settling: the points that an unseeded design has in a sweep."""

from __future__ import annotations

from dataclasses import replace

from raylab.core.design import Design
from raylab.core.request import Submission, SweepRecord

__all__ = ["settled", "under"]


def under(submission: Submission, seed: int) -> Submission:
    """A submission with the points that its design has in a sweep of this seed."""
    if submission.is_seeded:
        return submission
    design = Design.loads(submission.design).settled(seed)
    return replace(submission, design=design.dumps(), shape=repr(design), is_seeded=True)


def settled(record: SweepRecord, design: Design) -> Design:
    """A design as it is added to a sweep. One that goes on with a design of the sweep is drawn by that one's seed, any
    other by the sweep's.

    Args:
        record: the sweep.
        design: what has points already stays as it is.
    """
    if design.is_seeded:
        return design
    there = [sample for text in record.designs for sample in Design.loads(text).samples]
    sequences = {sample.sequence for sample in there}
    for seed in dict.fromkeys([record.seed, *(sample.seed for sample in there if sample.seed is not None)]):
        made = design.settled(seed)
        if any(sample.sequence in sequences for sample in made.samples):
            return made
    return design.settled(record.seed)
