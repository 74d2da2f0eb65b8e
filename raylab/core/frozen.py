"""Frozen distributions of scipy as ranges: kept by name and arguments, so that they are the same everywhere.

Promises: what cannot be kept so (a histogram, a class of one's own) is refused, and nothing of scipy is imported before
a value is asked for.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raylab.core.drawn import Range, Where, fractions
from raylab.core.kinds import type_name
from raylab.core.scipy_stats import distribution
from raylab.core.values import decode, encode
from raylab.errors import DesignError

__all__ = ["Frozen", "frozen_range", "is_of_scipy"]

LEAST = 2.0**-63
"""Where a point lies at 0, of which the inverse of many distributions is infinite."""

PROBES = (0.1, 0.5, 0.9)


class Frozen(Range):
    """A distribution of `scipy.stats` with its arguments.

    Args:
        name: by which scipy knows it.
        words: all its arguments by name, plain numbers.
        of: the type of its values: int of a discrete one.
    """

    def __init__(self, name: str, words: dict[str, Any], of: type) -> None:
        self._name, self._words, self.of = name, words, of

    @cached_property
    def _distribution(self) -> Any:
        return distribution(self._name, repr(self))(**self._words)

    def ready(self) -> None:
        """Take it of scipy now.

        Raises:
            ModuleNotFoundError: scipy is not installed.
        """
        _ = self._distribution

    def at(self, where: Where) -> NDArray[Any]:
        found: NDArray[Any] = self._distribution.ppf(np.maximum(fractions(where), LEAST))
        if self.of is float:
            return found
        if not (np.abs(found) < 2.0**63).all():
            raise DesignError(f"{self!r} reaches integers of more than 64 bits; {WAY_OUT}")
        return found.astype(np.int64)

    def written(self) -> dict[str, Any]:
        words = {name: encode(value) for name, value in self._words.items()}
        return {"scipy": self._name, "with": words, "whole": self.of is int}

    @staticmethod
    def read(written: dict[str, Any]) -> Frozen:
        """What `written` gave."""
        words = {name: decode(value) for name, value in written["with"].items()}
        return Frozen(written["scipy"], words, int if written["whole"] else float)

    @property
    def shown(self) -> str:
        return repr(self)

    def __repr__(self) -> str:
        return f"{self._name}({', '.join(f'{name}={value!r}' for name, value in self._words.items())})"


def is_of_scipy(value: object) -> bool:
    """Whether a value is a distribution of scipy, of whatever kind, or of a class that is made of one."""
    return any(each.__module__.startswith("scipy.stats") for each in type(value).__mro__)


def frozen_range(value: Any, where: str) -> Frozen:
    """The range of a frozen distribution.

    Args:
        value: as `scipy.stats.norm(0, 1)` gives it.
        where: what an error calls the place.

    Raises:
        DesignError: it is not frozen, not of one dimension, or cannot be kept by its name and arguments.
    """
    own, args, words = (getattr(value, name, None) for name in ("dist", "args", "kwds"))
    if own is None or args is None or words is None or not hasattr(value, "ppf"):
        raise DesignError(
            f"{where}: {type_name(value)} is no frozen distribution of one dimension. Give one with its arguments, as "
            f"scipy.stats.norm(loc=0, scale=1); {WAY_OUT}"
        )
    scale = ["scale"] if hasattr(own, "pdf") else []
    names = [*filter(None, (own.shapes or "").replace(",", " ").split()), "loc", *scale]
    given = {"loc": 0} | dict.fromkeys(scale, 1) | dict(zip(names, args, strict=False)) | words
    numbers = {name: _number(given[name], f"{where}: {name} of {own.name}") for name in names if name in given}
    is_whole = not scale and float(numbers["loc"]).is_integer()
    made = Frozen(own.name, numbers, int if is_whole else float)
    _check(made, value, where)
    return made


WAY_OUT = (
    "values of your own go into a list: choice(values), each as likely as any other, or Points(x=values), where they "
    "are the points themselves"
)


def _number(value: Any, where: str) -> int | float:
    found = value.item() if isinstance(value, np.ndarray | np.generic) and value.ndim == 0 else value
    if not isinstance(found, int | float):
        raise DesignError(f"{where} is a plain number; got {value!r}")
    return found


def _check(made: Frozen, value: Any, where: str) -> None:
    """Refuse a distribution that is another one when it is made anew of what is kept."""
    own = value.dist
    known = distribution(own.name or "", repr(made))
    found = np.full(len(PROBES), np.nan)
    if type(known) is type(own):
        found = np.asarray(made._distribution.ppf(PROBES), dtype=np.float64)
    if not np.array_equal(found, np.asarray(value.ppf(PROBES), dtype=np.float64), equal_nan=True) or (
        type(known) is not type(own)
    ):
        raise DesignError(
            f"{where}: {own.name or type_name(own)!r} cannot be kept exactly, since scipy.stats has no such "
            f"distribution by that name, so no worker could make it; {WAY_OUT}"
        )
    if np.isnan(found).any():
        raise DesignError(f"{where}: {made!r} has arguments that its distribution does not take; its values are NaN")
