"""Edges: where a stretch of numbers is cut, on a linear or a logarithmic scale. Arithmetic only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Edges:
    """Bins side by side: each from one edge up to the next.

    Example:
        >>> bins = equal(0.0, 10.0, 5)
        >>> bins.of(np.array([0.0, 1.9, 2.0, 10.0])).tolist(), bins.middles(False).tolist()
        ([0, 0, 1, 4], [1.0, 3.0, 5.0, 7.0, 9.0])
    """

    at: Floats

    def of(self, values: Floats) -> NDArray[np.int64]:
        """The number of the bin that each value lies in; the last edge belongs to the last one."""
        return np.clip(np.searchsorted(self.at, values, side="right") - 1, 0, len(self.at) - 2)

    def middles(self, is_log: bool) -> Floats:
        """The middle of each bin."""
        low, high = self.at[:-1], self.at[1:]
        return np.sqrt(low) * np.sqrt(high) if is_log else low + (high - low) / 2


def equal(low: float, high: float, count: int, is_log: bool = False) -> Edges:
    """So many bins of equal widths, or of equal ratios, from one number to another."""
    if low == high:
        return Edges(np.array([low - 0.5, low + 0.5]))
    return Edges((np.geomspace if is_log else np.linspace)(low, high, count + 1))


def between(levels: Floats, is_log: bool = False) -> Edges:
    """A bin around each of these sorted, different levels, which ends halfway to the next one.

    Example:
        >>> between(np.array([1.0, 2.0, 4.0])).at.tolist()
        [0.5, 1.5, 3.0, 5.0]
        >>> between(np.array([1.0, 10.0, 100.0]), is_log=True).at.round(2).tolist()
        [0.32, 3.16, 31.62, 316.23]
    """
    if len(levels) < 2:
        return Edges(np.array([levels[0] - 0.5, levels[0] + 0.5]))
    places = np.log(levels) if is_log else levels
    halves = places[:-1] + np.diff(places) / 2
    ends = 2 * places[:1] - halves[:1], 2 * places[-1:] - halves[-1:]
    found = np.concatenate([ends[0], halves, ends[1]])
    return Edges(np.exp(found) if is_log else found)
