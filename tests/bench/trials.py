"""Trials of the benchmarks, in a module of their own: it is all that travels with them."""

from __future__ import annotations

import time


def trivial(p: float, n: int) -> dict[str, float]:
    """Costs nothing, but where `n` is above zero a second."""
    if n > 0:
        time.sleep(1)
    return {"x": p * n, "y": p + n}


def cube(x: int, y: int, z: int) -> dict[str, int]:
    return {"volume": x * y * z}
