"""Summands: a composed design as designs whose points, one design after the other, are its points.

`(a + b) * c` is `a * c + b * c`, `a.where(e) * c` is a selection of `a * c`, and a selection of `a + b` is one of `a`
and one of `b`, each in that order. So what is known of grids serves for sums, products and selections of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise, product
from typing import Final

import numpy as np

from raylab.core.algebra import times
from raylab.core.design import Design, Joined, Product, Selected

__all__ = ["in_any_order", "summands"]

MOST: Final = 1_000
"""As many summands are told apart; what has more is a list of points."""


def summands(design: Design) -> Sequence[Design]:
    """The designs whose points, in turn, are those of a design; none of them is a sum any more.

    Example:
        >>> from raylab.core.design import Factorial, Points
        >>> [each.size for each in summands((Factorial(x=[1, 2]) + Factorial(x=[5])) * Points(y=[3, 4], z=[5, 6]))]
        [4, 2]
    """
    found = _cut(design)
    return found if len(found) <= MOST else [design]


def _cut(design: Design) -> Sequence[Design]:
    if isinstance(design, Joined):
        return [each for part in design.parts for each in _cut(part)]
    if isinstance(design, Product):
        first, rest = design.factors[0], Product(design.factors[1:]) if len(design.factors) > 2 else design.factors[1]
        if isinstance(first, Selected):
            return _cut(Selected(times(first.of, rest), first.runs * rest.size))
        parts = _cut(first)
        return [each for part in parts for each in _cut(times(part, rest))] if len(parts) > 1 else [design]
    if isinstance(design, Selected):
        parts = _cut(design.of)
        return list(_selected(design, parts)) if len(parts) > 1 else [_with_parts(design, parts[0])]
    return [design]


def _with_parts(design: Selected, of: Design) -> Design:
    """A selection of what is a selection itself."""
    if not isinstance(of, Selected):
        return design if of is design.of else Selected(of, design.runs)
    return of.within(design.runs)


def _selected(design: Selected, parts: Sequence[Design]) -> Iterator[Design]:
    """A selection of a sum as selections of its summands, as far as something of them was taken."""
    for part, (first, stop) in zip(parts, pairwise(accumulate((part.size for part in parts), initial=0)), strict=True):
        runs = design.runs[(design.runs[:, 1] > first) & (design.runs[:, 0] < stop)]
        runs = np.clip(runs, first, stop) - first
        if len(runs) == 1 and runs[0, 1] - runs[0, 0] == part.size:
            yield part
        elif len(runs):
            yield part.within(runs) if isinstance(part, Selected) else Selected(part, runs)


def in_any_order(design: Design) -> Sequence[Design]:
    """The designs that have the points of a design together, where it does not matter in which order.

    Example:
        >>> from raylab.core.design import Factorial
        >>> [each.head(2) for each in in_any_order(Factorial(y=[1, 2]) * (Factorial(x=[3, 4]) + Factorial(x=[5])))]
        [[{'y': 1, 'x': 3}, {'y': 1, 'x': 4}], [{'y': 1, 'x': 5}, {'y': 2, 'x': 5}]]
    """
    found: list[Design] = []
    for each in _cut(design):
        if not isinstance(each, Product):
            found.append(each)
            continue
        for some in product(*map(_cut, each.factors)):
            whole = some[0]
            for factor in some[1:]:
                whole = times(whole, factor)
            found.append(whole)
            if len(found) > MOST:
                return [design]
    return found if len(found) <= MOST else [design]
