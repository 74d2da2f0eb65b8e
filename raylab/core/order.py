"""In which order trials run, and which seed each has: both computed, never stored.

A sweep of 10^12 trials has no list of them. The run order is a keyed permutation that can be asked from
either side, position to trial and trial to position, in constant time and memory; so is the seed of a trial.
Neither depends on the other.

What these functions return is on record in every notebook: positions and seeds of a sweep are computed again
when it is taken up years later. **They must never change.** A better permutation gets a new name in `KINDS`;
the literal numbers in `tests/core/test_order.py` hold the old ones still.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from operator import index
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from raylab.errors import DesignError

KINDS: Final = ("random", "design")
"""`random`: a permutation that depends on the key, so that what is ready first is a fair sample of the whole
sweep. `design`: as the design lists them."""

MAX_SIZE: Final = 2**62
"""Positions are int64 on disk; one bit is kept so that sums of two of them need no care."""

MAX_SEED: Final = 2**31 - 1
"""What numpy's legacy seeding, R and Fortran take as a seed: 1 to 2^31 - 1."""

ROUNDS: Final = 6
"""After four, every bit of the input flips every bit of the output half the time (0.48 to 0.52, at 8 to
62 bits); two more make small domains look shuffled too, for 0.2 ms in 100,000 positions."""

N = TypeVar("N", int, NDArray[np.uint64])


class Bijection:
    """A permutation of `[0, 2**bits)` chosen by a key.

    A few rounds of what a multiplicative hash does, each step a bijection modulo 2**bits: add a key word,
    multiply by an odd key word (which carries low bits up), xor with the upper half shifted down (which
    carries high bits down). It mixes; it is not a cipher.

    Args:
        bits: 0 to 63.
        key: any integer.
        purpose: permutations for different purposes have nothing to do with each other under the same key.

    Example:
        >>> shuffle = Bijection(3, key=1)
        >>> sorted(shuffle.forward(x) for x in range(8)) == list(range(8))
        True
        >>> shuffle.back(shuffle.forward(5))
        5
    """

    __slots__ = ("_mask", "_rounds", "_shift", "bits")

    def __init__(self, bits: int, key: int, purpose: str = "order") -> None:
        if not 0 <= bits <= 63:
            raise ValueError(f"a bijection has 0 to 63 bits; got {bits}")
        self.bits = bits
        self._mask = (1 << bits) - 1
        # At least half the bits, so that the xor-shift undoes itself.
        self._shift = max(1, (bits + 1) // 2)
        self._rounds = [self._words(f"{purpose}:{bits}:{index(key):d}:{n}") for n in range(ROUNDS)]

    def _words(self, text: str) -> tuple[int, int, int]:
        """What one round adds, multiplies by, and multiplies by to go back."""
        digest = blake2b(text.encode(), digest_size=16, person=b"raylab.core").digest()
        add = int.from_bytes(digest[:8], "little") & self._mask
        multiply = (int.from_bytes(digest[8:], "little") | 1) & self._mask
        return add, multiply, pow(multiply, -1, 1 << self.bits)

    # Both ways are written once for Python ints and for uint64 arrays. On ints the augmented assignments
    # rebind and the mask keeps them small; on arrays they work in place (on a copy) and wrap modulo 2**64,
    # which is the same.

    def forward(self, x: N) -> N:
        """The image of `x`, an int or a uint64 array, each in `[0, 2**bits)`."""
        x = x + 0
        for add, multiply, _ in self._rounds:
            x += add
            x *= multiply
            x &= self._mask
            x ^= x >> self._shift
        return x

    def back(self, y: N) -> N:
        """What `forward` takes to `y`."""
        y = y + 0
        for add, _, divide in reversed(self._rounds):
            y ^= y >> self._shift
            y *= divide
            y -= add
            y &= self._mask
        return y


@dataclass(frozen=True, slots=True)
class Order:
    """The run order of a sweep (of one segment of it): a permutation of its trials.

    `random` is a bijection on the next power of two, applied again until it lands inside the size: the "cycle
    walking" of J. Black and P. Rogaway, Ciphers with arbitrary finite domains, CT-RSA 2002. Less than half of
    the power of two is outside, so a position needs fewer than two steps on average.

    Args:
        kind: one of `KINDS`.
        size: how many trials there are, up to 2**62. Building an order costs the same for every size.
        key: any integer; orders of the same kind, size and key are equal.

    Example:
        >>> order = Order("random", 10**12, key=7)
        >>> order.position(order.trial(123_456))
        123456
        >>> Order("design", 10).trials(2, 5)
        array([2, 3, 4])
    """

    kind: str
    size: int
    key: int = 0
    _shuffle: Bijection = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise DesignError(f"order must be one of {', '.join(map(repr, KINDS))}; got {self.kind!r}")
        object.__setattr__(self, "size", index(self.size))
        if not 0 <= self.size <= MAX_SIZE:
            raise DesignError(f"a sweep has 0 to 2**62 trials; got {self.size:,}. Make the design smaller")
        bits = max(self.size - 1, 0).bit_length()
        object.__setattr__(self, "_shuffle", Bijection(bits, self.key))

    def trial(self, position: int) -> int:
        """Which trial runs at a position. IndexError outside `[0, size)`."""
        at = self._checked(position, "position")
        if self.kind == "design":
            return at
        at = self._shuffle.forward(at)
        while at >= self.size:
            at = self._shuffle.forward(at)
        return at

    def position(self, trial: int) -> int:
        """At which position a trial runs: the other way round. IndexError outside `[0, size)`."""
        at = self._checked(trial, "trial")
        if self.kind == "design":
            return at
        at = self._shuffle.back(at)
        while at >= self.size:
            at = self._shuffle.back(at)
        return at

    def trials(self, start: int, stop: int) -> NDArray[np.int64]:
        """Which trials run at the positions `[start, stop)`. IndexError unless all are in `[0, size)`."""
        if not 0 <= start <= stop <= self.size:
            raise IndexError(f"positions {start} to {stop} are not within the {self.size:,} of this order")
        return self._trials(np.arange(start, stop, dtype=np.int64))

    def trials_at(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which trials run at these positions, in the order in which they are given. IndexError unless all of them are
        in `[0, size)`."""
        if positions.size:
            self._checked(int(positions.min()), "position")
            self._checked(int(positions.max()), "position")
        return self._trials(positions)

    def _trials(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        if self.kind == "design":
            return positions
        at = self._shuffle.forward(positions.astype(np.uint64))
        outside = np.flatnonzero(at >= self.size)
        while outside.size:
            walked = self._shuffle.forward(at[outside])
            at[outside] = walked
            outside = outside[walked >= self.size]
        return at.view(np.int64)

    def _checked(self, number: int, what: str) -> int:
        number = index(number)
        if not 0 <= number < self.size:
            raise IndexError(f"{what} {number} is not within the {self.size:,} trials of this order")
        return number


def seed(key: int, trial: int) -> int:
    """The seed of one trial: 1 <= seed < 2**31. See `seeds`."""
    high, low = divmod(index(trial), MAX_SEED)
    if high < 0:
        raise IndexError(f"trials count from 0; got {trial}")
    shuffle = _seeder(key, high)
    drawn = shuffle.forward(low + 1)
    return drawn or shuffle.forward(drawn)


def seeds(key: int, trials: NDArray[np.int64]) -> NDArray[np.int64]:
    """The seeds of trials, each 1 <= seed < 2**31, whatever the order they run in.

    A 31-bit bijection that steps over 0, so no two of the trials below 2**31 - 1 share a seed. Each further
    run of 2**31 - 1 trials has a bijection of its own.

    Args:
        key: the sweep's seed, any integer.
        trials: numbers of trials, not negative.

    Example:
        >>> drawn = seeds(1, np.arange(5))
        >>> [seed(1, trial) for trial in range(5)] == drawn.tolist()
        True
    """
    trials = np.asarray(trials).astype(np.int64, casting="same_kind")
    if trials.size and trials.min() < 0:
        raise IndexError(f"trials count from 0; got {trials.min()}")
    if not trials.size or trials.max() < MAX_SEED:  # nearly always; the rest costs ten times as much
        return _draw(_seeder(key, 0), trials)
    high, low = np.divmod(trials, MAX_SEED)
    drawn = np.empty(trials.shape, dtype=np.int64)
    for part in np.unique(high).tolist():
        here = high == part
        drawn[here] = _draw(_seeder(key, part), low[here])
    return drawn


def _draw(shuffle: Bijection, low: NDArray[np.int64]) -> NDArray[np.int64]:
    drawn = shuffle.forward((low + 1).astype(np.uint64))
    # Only one number goes to 0, and 0, not being drawn itself, goes to a seed that is still free.
    drawn[drawn == 0] = shuffle.forward(0)
    return drawn.astype(np.int64)


@lru_cache(maxsize=256)
def _seeder(key: int, high: int) -> Bijection:
    return Bijection(31, key, purpose=f"seed:{high}")
