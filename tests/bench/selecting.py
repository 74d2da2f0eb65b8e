"""What it costs to select: 10^8 points by an expression over three axes, beside a loop by hand.

The loop computes the same truth values with numpy, piece by piece, and keeps them as bytes; it knows no levels of other
kinds, no expression and no runs.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator

import numpy as np
from figures import Figure, Run, ratio

SIDES = (1_000, 1_000, 100)
QUICK = (100, 1_000, 100)
PIECE = 2**20
MOST_OF_BARE = 6.0


def measure(run: Run) -> Iterator[Figure]:
    import polars as pl

    from raylab import Factorial

    a, b, c = QUICK if run.quick else SIDES
    design = Factorial(a=np.linspace(0, 1, a), b=range(b), c=range(c))
    expression = pl.col("a") + pl.col("b") / b < pl.col("c") / c
    took, bare = [], []
    for _ in range(run.rounds):
        start = time.perf_counter()
        taken = design.where(expression)
        took.append(time.perf_counter() - start)
        start = time.perf_counter()
        by_hand(a, b, c)
        bare.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    what = f"where() over {design.size:,} points ({len(taken.dumps()) / 1e6:.1f} MB written, peak {peak:.0f} MB)"
    yield ratio("3", what, took, bare, than="numpy by hand", unit="s", most=MOST_OF_BARE)


def by_hand(a: int, b: int, c: int) -> int:
    """How many points there are, by the shortest loop that finds them."""
    levels, found = np.linspace(0, 1, a), 0
    for start in range(0, a * b * c, PIECE):
        at = np.arange(start, min(start + PIECE, a * b * c))
        found += int((levels[at // (b * c)] + at // c % b / b < at % c / c).sum())
    return found
