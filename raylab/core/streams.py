"""Streams: where each point of a sampled design lies on an axis, by its number and the design's seed.

What these give is on record in every notebook that holds a sampled design: points are computed again years later. **It
must never change**; the literal numbers in `tests/core/test_streams.py` hold it still.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import numpy as np

from raylab.core.axes import Places
from raylab.core.drawn import BITS, Stream, Where, scaled
from raylab.core.order import Bijection, Order

__all__ = ["STRATA", "Chance", "Strata"]

STRATA: Final = 2**31
"""The most strata of an axis: their edges then need no more than 64 bits to be computed."""


class Chance(Stream):
    """Independent of each other and uniform: a keyed hash of the point's number.

    Args:
        seed: of the design.
        axis: its name. Other axes do not change where a point lies on this one.
        purpose: streams for different purposes have nothing to do with each other.

    Example:
        >>> stream = Chance(1, "p")
        >>> stream.at(np.array([7])) == stream.at(np.arange(10))[7]
        array([ True])
    """

    def __init__(self, seed: int, axis: str, purpose: str = "random") -> None:
        self._hash = Bijection(BITS, seed, purpose=f"{purpose}:{axis}")

    def at(self, points: Places) -> Where:
        return self._hash.forward(points.astype(np.uint64))


class Strata(Stream):
    """A Latin hypercube's: of so many strata of equal width each holds one point, somewhere in it.

    After M. McKay, R. Beckman and W. Conover, A comparison of three methods for selecting values of input variables,
    Technometrics 21 (1979). The strata are dealt out by a permutation that is computed (`core/order.py`).

    Args:
        seed: of the design.
        axis: its name.
        count: how many strata there are, up to STRATA, and points.

    Example:
        >>> sorted(scaled(Strata(1, "p", 5).at(np.arange(5)), 5).tolist())
        [0, 1, 2, 3, 4]
    """

    def __init__(self, seed: int, axis: str, count: int) -> None:
        digest = blake2b(f"latin:{seed}:{axis}".encode(), digest_size=16, person=b"raylab.design").digest()
        self._deal = Order("random", count, int.from_bytes(digest, "little"))
        self._within = Chance(seed, axis, "jitter")
        self._count = np.uint64(count)
        self._width, self._left = map(np.uint64, divmod(2**BITS, count))

    def at(self, points: Places) -> Where:
        stratum = self._deal.trials_at(points).astype(np.uint64)
        edge = self._edge(stratum)
        found: Where = edge + scaled(self._within.at(points), self._edge(stratum + np.uint64(1)) - edge)
        return found

    def _edge(self, stratum: Where) -> Where:
        """Where strata begin, rounded up, so that `scaled(…, count)` gives the stratum of a point exactly."""
        one = np.uint64(1)
        found: Where = stratum * self._width + (stratum * self._left + self._count - one) // self._count
        return found
