"""A trial that costs next to nothing, in a module of its own: it is all that travels with it."""

from __future__ import annotations


def trivial(p: float, n: int) -> dict[str, float]:
    return {"x": p * n, "y": p + n}


def chunk(points: list[tuple[float, int]]) -> list[dict[str, float]]:
    """What one would write by hand: some points as one Ray task."""
    return [trivial(p, n) for p, n in points]
