"""Trials that ran elsewhere, before raylab knew of them: an experiment that gives each its record back.

A lab writes what workers send, and nothing else. So records of another tool come in as an experiment's results do:
submitted, durable, counted, whatever dies on the way. Workers load this module.
"""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Sequence
from dataclasses import fields
from functools import cached_property
from typing import Any

from raylab.worker.outcome import Outcome


class Recorded:
    """What came of trials that ran elsewhere, by the numbers of the trials.

    Args:
        outcomes: of all trials, each with `ran`.

    Example:
        >>> Recorded([Outcome(status="done", rows=[{"y": 1}], ran=(0.0, 2.5))])[0].rows
        [{'y': 1}]
    """

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        # By the fields' names: a later raylab may have more of them.
        told = [{each.name: getattr(outcome, each.name) for each in fields(Outcome)} for outcome in outcomes]
        self._packed = zlib.compress(pickle.dumps(told, protocol=5))

    def __getitem__(self, trial: int) -> Outcome:
        return Outcome(**self._told[trial])

    @cached_property
    def _told(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = pickle.loads(zlib.decompress(self._packed))
        return found
