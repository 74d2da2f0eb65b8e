"""Sobol's sequence: points that fill a box evenly, each found by its number.

The direction numbers are scipy's, of S. Joe and F. Kuo, Constructing Sobol sequences with better two-dimensional
projections, SIAM J. Sci. Comput. 30 (2008). They are scrambled by the seed: a linear matrix scrambling after J.
Matoušek, On the L2-discrepancy for anchored boxes, J. Complexity 14 (1998), and a digital shift, just as
`scipy.stats.qmc.Sobol(d, bits=62, rng=seed)` does it, with the bits of numpy's PCG64, which never change (NEP 19). So
a design keeps direction numbers, and its points need numpy alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raylab.core.axes import Places
from raylab.core.drawn import BITS, Stream, Where

__all__ = ["SobolStream"]

BYTE: Final = 8
"""Bits of a point's number that are looked up at once: tables of 2 kB, four of them for 10^9 points."""


class SobolStream(Stream):
    """Where the points of a sequence lie on one of its axes.

    Args:
        seed: by which it is scrambled.
        axis: which axis it is, from 0 on.
        axes: how many axes there are.
        numbers: the direction numbers of the axis: the j-th is odd and below 2^(j+1). With k of them there are 2^k
            points.

    Example:
        >>> stream = SobolStream(1, 0, 1, [1, 1, 1])
        >>> stream.at(np.array([5])) == stream.at(np.arange(8))[5]
        array([ True])
    """

    def __init__(self, seed: int, axis: int, axes: int, numbers: Sequence[int]) -> None:
        self._seed, self._axis, self._axes, self._numbers = seed, axis, axes, tuple(numbers)

    def at(self, points: Places) -> Where:
        shift, tables = self._scrambled
        found = np.full(points.shape, shift, np.uint64)
        for number, table in enumerate(tables):
            found ^= table[points >> BYTE * number & (2**BYTE - 1)]
        return found

    @cached_property
    def _scrambled(self) -> tuple[Where, list[Where]]:
        """What all points are shifted by, and what each byte of a point's number adds. Kept: it takes 0.1 ms."""
        shift = _number(self._drawn(self._axis * BITS, BITS)[::-1])
        rows = self._drawn((self._axes + self._axis * BITS) * BITS, BITS * BITS).reshape(BITS, BITS)
        matrix = _number(np.tril(rows, -1) | np.eye(BITS, dtype=np.uint64))
        exponents = range(BITS - 1, BITS - 1 - len(self._numbers), -1)
        plain = np.array([m << by for m, by in zip(self._numbers, exponents, strict=True)], dtype=np.uint64)
        columns = _number(_parity(matrix[:, None] & plain).T)
        # Point i is made of the columns of i ^ (i >> 1), its Gray code; so of these for each bit of i itself.
        columns[1:] ^= columns[:-1].copy()
        return shift, [_table(columns[at : at + BYTE]) for at in range(0, len(columns), BYTE)]

    def _drawn(self, first: int, count: int) -> NDArray[np.uint64]:
        """Single bits as `Generator.integers(2)` draws them: the upper one of each half of what PCG64 gives, the lower
        half first. Both numbers are even. scipy's engines have a spawned generator of their own."""
        bits = np.random.PCG64(np.random.SeedSequence(self._seed, spawn_key=(0,)))
        raw = bits.advance(first // 2).random_raw(count // 2)
        return np.stack([raw >> np.uint64(31) & np.uint64(1), raw >> np.uint64(63)], axis=1).ravel()


def _number(bits: NDArray[np.uint64]) -> Where:
    """Bits as numbers, the last axis from the highest to the lowest."""
    found: Where = (bits << np.arange(bits.shape[-1] - 1, -1, -1, dtype=np.uint64)).sum(axis=-1, dtype=np.uint64)
    return found


def _parity(numbers: Where) -> Where:
    for by in (32, 16, 8, 4, 2, 1):
        numbers = numbers ^ numbers >> np.uint64(by)
    return numbers & np.uint64(1)


def _table(columns: Where) -> Where:
    """What each number of as many bits is made of."""
    found = np.zeros(1, np.uint64)
    for column in columns:
        found = np.concatenate([found, found ^ column])
    return found
