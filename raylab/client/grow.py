"""How what had too little is tried again, as a person says it: `grow=` of `submit`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from raylab.core.kinds import is_whole
from raylab.core.policy import TRIES
from raylab.errors import DesignError

TRIES_UNSAID = 3
"""Twice as much each time, eight times as much is what the last one has."""

MOST_FACTOR = 1_000.0
MOST_TRIES = 20

GROW = "grow is a factor each for 'memory' and 'time_limit', or (factor, the most), and 'tries'"


def read_grow(given: object) -> dict[str, Any]:
    """What a policy has of it.

    Args:
        given: a factor above 1 for `memory`, `time_limit` or both, each alone or with the most that it grows to, as
            `(2.0, 64e9)`; and the number of `tries` beyond the first, 3 if it is not said. None lets nothing grow.

    Raises:
        DesignError: it cannot be used; the message says what can.

    Example:
        >>> read_grow({"memory": (2, 64e9), "time_limit": 1.5})
        {'memory': [2.0, 64000000000.0], 'time_limit': [1.5, None], 'tries': 3}
    """
    if given is None or given == {}:
        return {}
    if not isinstance(given, Mapping) or not given.keys() <= {"memory", "time_limit", TRIES}:
        raise DesignError(f"{GROW}, as {{'memory': 2.0, 'time_limit': (2.0, 3600), 'tries': 3}}; got {given!r}")
    found = {name: _pair(name, given[name]) for name in ("memory", "time_limit") if name in given}
    tries = given.get(TRIES, TRIES_UNSAID)
    if not is_whole(tries) or not 1 <= int(tries) <= MOST_TRIES:
        raise DesignError(f"{GROW}; tries is a whole number from 1 to {MOST_TRIES}, got {tries!r}")
    if not found:
        raise DesignError(f"{GROW}; at least one of the two, got {given!r}")
    return {**found, TRIES: int(tries)}


def _pair(name: str, given: object) -> list[float | None]:
    pair: Any = given if isinstance(given, tuple | list) and len(given) == 2 else (given, None)
    factor, most = pair
    if not _is_number(factor) or not 1 < factor <= MOST_FACTOR:
        raise DesignError(f"{GROW}; {name} grows by a factor above 1, at most {MOST_FACTOR:g}, got {given!r}")
    if most is not None and (not _is_number(most) or not 0 < most < math.inf):
        raise DesignError(f"{GROW}; the most {name} is a number above 0, got {given!r}")
    return [float(factor), None if most is None else float(most)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def check_grow(grow: Mapping[str, Any], amounts: Mapping[str, float | None], where: str) -> None:
    """Refuse to let something grow that trials do not have.

    Args:
        grow: as `read_grow` gives it.
        amounts: what the trials ask for.
        where: which trials, for the message.

    Raises:
        DesignError: it is nothing, or more than the most already.
    """
    for name, pair in grow.items():
        if name == TRIES:
            continue
        amount = amounts.get(name)
        if not amount:
            raise DesignError(f"grow= lets {name} grow, so {name}= says what it is at first{where}; it is not given")
        if pair[1] is not None and pair[1] < amount:
            raise DesignError(f"grow= lets {name} grow to {pair[1]:g} at most, and it is {amount:g} at first{where}")
