"""Selecting: the points of a design for which a polars expression is true, as runs of their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from raylab.core.design import Design, Selected
from raylab.core.selected import MOST_POINTS
from raylab.errors import DesignError, repr_of
from raylab.notebook.formula import CHUNK, Formula

__all__ = ["taken"]

MOST_RUNS: Final = 10**7
"""160 MB in memory, and 27 MB of a request where they lie close together, as every other point does."""

Runs = NDArray[np.int64]


def taken(design: Design, expression: object) -> Design:
    """The points of a design for which an expression is true; see `Design.where`."""
    if not design.is_seeded:
        raise DesignError(
            "where() takes points by their values, and this design has none yet: they are drawn by the sweep's seed. "
            "Draw them first: design.seeded(n).where(expression), with the n that submit's seed= would be"
        )
    if design.size > MOST_POINTS:
        raise DesignError(
            f"where() looks at each point, {MOST_POINTS:,} at most, and this design has {design.size:,}. Select on a "
            "part that has the parameters of the expression, then multiply: Factorial(p=...).where(expression) * "
            "Factorial(q=...). Or give the points that are meant as grids, and add them: a + b"
        )
    formula = Formula("where()", design, expression)
    formula.check()
    kind = formula.values(np.arange(1)).dtype
    if kind != pl.Boolean:
        raise DesignError(
            f"where() takes the points for which the expression is true, and it gives {kind}, no truth value: "
            f"{expression}. Compare it, as polars.col('p') > 0.5"
        )
    runs = _together(_pieces(formula, design.size), expression)
    if not len(runs):
        raise DesignError(
            f"where() takes none of the {design.size:,} points: {expression} is true at no point (null counts as not "
            f"true). The first point is {repr_of(design[0], 200)}"
        )
    if len(runs) == 1 and runs[0, 1] - runs[0, 0] == design.size:
        return design
    return design.within(runs) if isinstance(design, Selected) else Selected(design, runs)


def _pieces(formula: Formula, size: int) -> Iterator[Runs]:
    """The runs of the points that are taken, piece by piece."""
    for start in range(0, size, CHUNK):
        stop = min(start + CHUNK, size)
        true = formula.values(np.arange(start, stop)).fill_null(False).to_numpy()
        edges = np.flatnonzero(np.diff(true, prepend=False, append=False))
        yield edges.reshape(-1, 2) + start


def _together(pieces: Iterator[Runs], expression: object) -> Runs:
    """Runs that ascend, with those that touch as one."""
    found: list[Runs] = []
    count = 0
    for piece in pieces:
        if found and len(piece) and found[-1][-1, 1] == piece[0, 0]:
            found[-1][-1, 1] = piece[0, 1]
            piece = piece[1:]
        if len(piece):
            found.append(piece)
            count += len(piece)
        if count > MOST_RUNS:
            raise DesignError(
                f"the points for which {expression} is true stand in more than {MOST_RUNS:,} runs, too many to keep. "
                "Let what is taken stand together: the parameters of the expression first, since the last one varies "
                "fastest; or select on a part and multiply: Factorial(p=...).where(expression) * Factorial(q=...)"
            )
    return np.concatenate(found) if found else np.empty((0, 2), np.int64)
