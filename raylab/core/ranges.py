"""Ranges: what the values of a parameter are drawn from, as a person says it.

Promises: a range has no values outside; the values at a point are the same on every machine, to the last bit, but for
distributions of scipy, whose last bits are the machine's.
"""

from __future__ import annotations

import math
from decimal import Context, Decimal
from numbers import Real
from operator import index
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from raylab.core.axes import Axis, axis_of, read_axis
from raylab.core.drawn import BITS, Range, Where, fractions
from raylab.core.frozen import Frozen, frozen_range, is_of_scipy
from raylab.core.given import levels_given
from raylab.core.kinds import is_whole, type_name
from raylab.core.shown import shown_levels, shown_number
from raylab.errors import DesignError

__all__ = ["as_range", "choice", "integers", "loguniform", "read_range", "uniform"]

TAYLOR: Final = [1 / math.factorial(power) for power in range(14, -1, -1)]
"""Of e^t for |t| ≤ ln(2)/2: what is left out is below 10^-18."""


class Uniform(Range):
    """Floats, any of which is as likely as any other."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def at(self, where: Where) -> NDArray[Any]:
        # Rounded, the largest could be `high` itself.
        return np.minimum(self.low + (self.high - self.low) * fractions(where), math.nextafter(self.high, self.low))

    def written(self) -> dict[str, Any]:
        return {"uniform": [self.low, self.high]}

    @property
    def shown(self) -> str:
        return f"{shown_number(self.low)} to {shown_number(self.high)}"

    def __repr__(self) -> str:
        return f"uniform({self.low!r}, {self.high!r})"


class LogUniform(Range):
    """Floats whose logarithms are uniform."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high
        exact = Context(prec=40)  # of the two logarithms, which are a machine's own in its mathematical library
        logarithms = (Decimal(each).ln(exact) for each in (high, low, 2))
        over, under, two = logarithms
        self._octaves = float(exact.divide(exact.subtract(over, under), two))

    def at(self, where: Where) -> NDArray[Any]:
        mantissa, exponent = math.frexp(self.low)
        values = _raised(mantissa, exponent, self._octaves * fractions(where))
        return np.clip(values, self.low, math.nextafter(self.high, self.low))

    def written(self) -> dict[str, Any]:
        return {"loguniform": [self.low, self.high]}

    @property
    def shown(self) -> str:
        return f"loguniform {shown_number(self.low)} to {shown_number(self.high)}"

    def __repr__(self) -> str:
        return f"loguniform({self.low!r}, {self.high!r})"


def _raised(mantissa: float, exponent: int, octaves: NDArray[np.float64]) -> NDArray[np.float64]:
    """The number mantissa × 2^exponent × 2^octaves, by sums and products alone: these have the same bits everywhere,
    and numpy's `exp` has those of the processor's vector instructions."""
    whole = np.rint(octaves)
    t = (octaves - whole) * math.log(2)
    found = np.full_like(t, TAYLOR[0])
    for term in TAYLOR[1:]:
        found = found * t + term
    return np.ldexp(mantissa * found, whole.astype(np.int32) + exponent)


class Integers(Range):
    """Ints, each as likely as any other."""

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high
        self.levels = axis_of(range(low, high))

    def written(self) -> dict[str, Any]:
        return {"integers": [self.low, self.high]}

    @property
    def shown(self) -> str:
        return f"integers {self.low} to {self.high - 1}"

    def __repr__(self) -> str:
        return f"integers({self.low}, {self.high})"


class Choice(Range):
    """Levels, each as likely as any other."""

    def __init__(self, levels: Axis) -> None:
        self.levels = levels

    def written(self) -> dict[str, Any]:
        assert self.levels is not None
        return {"choice": self.levels.written()}

    @property
    def shown(self) -> str:
        assert self.levels is not None
        return shown_levels(self.levels)

    def __repr__(self) -> str:
        return f"choice({self.shown})"


def uniform(low: float, high: float) -> Range:
    """A range of a sampled design: floats from `low` on, below `high`. A pair `(low, high)` means the same.

    Args:
        low, high: finite numbers.

    Raises:
        DesignError: they are none, or `low` is not below `high`.

    Example:
        >>> from raylab import Random, uniform
        >>> Random(3, p=uniform(0.1, 0.5)).seeded(1).head(2)
        [{'p': 0.38641...}, {'p': 0.17510...}]
    """
    return Uniform(*_floats("uniform", low, high))


def loguniform(low: float, high: float) -> Range:
    """A range of a sampled design: floats from `low` on, below `high`, whose logarithms are uniform, so that each
    power of ten has as many points.

    Args:
        low, high: finite numbers above 0.

    Raises:
        DesignError: they are none, or `low` is not below `high`.

    Example:
        >>> from raylab import Random, loguniform
        >>> Random(3, rate=loguniform(1e-3, 1)).seeded(1).head(2)
        [{'rate': 0.00805...}, {'rate': 0.02086...}]
    """
    low, high = _floats("loguniform", low, high)
    if low <= 0:
        raise DesignError(f"loguniform(low, high) is for numbers above 0; got low = {low!r}. uniform takes any")
    return LogUniform(low, high)


def integers(low: int, high: int) -> Range:
    """A range of a sampled design: ints n with low ≤ n < high, each as likely as any other.

    Args:
        low, high: whole numbers, at most 2^62 apart.

    Raises:
        DesignError: they are none, or `low` is not below `high`.

    Example:
        >>> from raylab import Sobol, integers
        >>> [point["L"] for point in Sobol(8, L=integers(0, 4)).seeded(1)]
        [2, 0, 1, 3, 3, 1, 0, 2]
    """
    for each in (low, high):
        if not is_whole(each):
            raise DesignError(f"integers(low, high) takes whole numbers; got {each!r} ({type_name(each)})")
    first, after = index(low), index(high)
    if not 0 < after - first <= 2**BITS:
        raise DesignError(
            f"integers(low, high) are those with low ≤ n < high, at most 2^62 of them; from {first} to {after} there "
            f"are {max(0, after - first):,}"
        )
    return Integers(first, after)


def choice(values: Any) -> Range:
    """A range of a sampled design: one of these values, each as likely as any other; one that is given twice is twice
    as likely.

    Args:
        values: what an axis of `Factorial` takes, of the types that levels have.

    Raises:
        DesignError: there are none, or one cannot be kept exactly.

    Example:
        >>> from raylab import Random, choice
        >>> [point["method"] for point in Random(4, method=choice(["fast", "exact"])).seeded(1)]
        ['fast', 'exact', 'fast', 'fast']
    """
    return Choice(levels_given("choice(values)", values))


def _floats(what: str, low: Any, high: Any) -> tuple[float, float]:
    for each in (low, high):
        if isinstance(each, bool | np.bool_) or not isinstance(each, Real) or not math.isfinite(each):
            raise DesignError(f"{what}(low, high) takes finite numbers; got {each!r} ({type_name(each)})")
    first, last = float(low), float(high)
    if not first < last or not math.isfinite(last - first):
        raise DesignError(f"{what}(low, high) takes low < high, less than 1.7e308 apart; got {first!r} and {last!r}")
    return first, last


def as_range(value: Any, where: str) -> Range:
    """A range as it is; a pair as a uniform one; a frozen distribution of scipy.

    Args:
        value: what a person gives.
        where: what an error calls the place.

    Raises:
        DesignError: it is none.
    """
    if isinstance(value, Range):
        return value
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(each, Real) for each in value):
        return Uniform(*_floats(f"{where}: uniform", *value))
    if is_of_scipy(value):
        return frozen_range(value, where)
    raise DesignError(
        f"{where}: a range is uniform(low, high) or a pair (low, high), loguniform(low, high), integers(low, high), "
        f"choice(values), or a frozen distribution of scipy.stats; got {value!r}. For a list of values give "
        "choice(values); for one value at every point multiply by a Factorial"
    )


def read_range(written: dict[str, Any], *, imports: bool = False) -> Range:
    """The range that `Range.written` gave, within what else is written there.

    Args:
        written: what it gave.
        imports: whether classes and distributions are imported, as only workers do.
    """
    if "uniform" in written:
        return Uniform(*written["uniform"])
    if "loguniform" in written:
        return LogUniform(*written["loguniform"])
    if "integers" in written:
        return Integers(*written["integers"])
    if "choice" in written:
        return Choice(read_axis(written["choice"], imports=imports))
    found = Frozen.read(written)
    if imports:
        found.ready()
    return found
