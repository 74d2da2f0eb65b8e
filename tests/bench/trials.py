"""Trials of the benchmarks, in a module of their own: it is all that travels with them."""

from __future__ import annotations

import os
import time


def trivial(p: float, n: int) -> dict[str, float]:
    """Costs nothing, but where `n` is above zero a second."""
    if n > 0:
        time.sleep(1)
    return {"x": p * n, "y": p + n}


def cube(x: int, y: int, z: int) -> dict[str, int]:
    return {"volume": x * y * z}


def fragile(p: float, n: int, mark: str) -> dict[str, float]:
    """Every tenth of them fails as long as the mark is there."""
    if n % 10 == 3 and os.path.exists(mark):  # noqa: PTH110
        raise ValueError("the mark is there")
    return {"x": p * n, "y": p + n}
