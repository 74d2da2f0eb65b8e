"""Trials that keep a core busy for a given time, in a module of their own: it is all that travels with them.

A trial's length is a number of turns of a loop, not a time: so both sides of a benchmark do the same work, however busy
the machine is.
"""

from __future__ import annotations

import time

PROBE = 200_000


def spin(turns: int) -> int:
    """Arithmetic on small integers: nothing is allocated that stays, nothing is waited for."""
    x = 1
    for _ in range(turns):
        x = (x * 1_103_515_245 + 12_345) & 0x7FFF_FFFF
    return x


def trial(turns: int, n: int) -> dict[str, int]:
    return {"x": spin(turns) + n}


def chunk(points: list[tuple[int, int]]) -> tuple[list[dict[str, int]], float]:
    """What one would write by hand: some points as one Ray task. And the seconds spent in them, for the record."""
    began = time.perf_counter()
    results = [trial(turns, n) for turns, n in points]
    return results, time.perf_counter() - began


def turns_per_ms(rounds: int = 9) -> float:
    """How many turns take a millisecond of an undisturbed core: the best of some tries."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        spin(PROBE)
        best = min(best, time.process_time() - began)
    return PROBE / best / 1_000


def nap(seconds: float) -> dict[str, float]:
    """A trial that waits."""
    time.sleep(seconds)
    return {"slept": seconds}
