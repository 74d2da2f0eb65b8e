"""What is taken of scipy, and nothing else is: direction numbers of Sobol's sequence, and distributions by their names.

The direction numbers are taken where a design is made, by a client. A distribution is taken wherever its values are
computed, so on workers, too.
"""

from __future__ import annotations

from typing import Any, Final

from raylab.core.drawn import BITS
from raylab.errors import DesignError
from raylab.extras import needed

__all__ = ["MAX_AXES", "direction_numbers", "distribution"]

MAX_AXES: Final = 21_201
"""As many axes have direction numbers."""


def direction_numbers(axes: int) -> list[list[int]]:
    """The direction numbers of each of so many axes: of each 62, the j-th odd and below 2^(j+1).

    Raises:
        DesignError: there are none for so many.
        ModuleNotFoundError: scipy is not installed.

    Example:
        >>> [numbers[:4] for numbers in direction_numbers(3)]
        [[1, 1, 1, 1], [1, 3, 5, 15], [1, 3, 3, 9]]
    """
    if axes > MAX_AXES:
        raise DesignError(
            f"Sobol's sequence has {MAX_AXES:,} axes at most, and these are {axes:,}; Random has no such limit"
        )
    with needed("scipy", extra="scipy", purpose="a Sobol design, which has its direction numbers from there,"):
        from scipy.stats import qmc
    # scipy has no public name for them, and gives points only one after the other.
    found = qmc.Sobol(axes, scramble=False, bits=BITS)._sv
    return [[int(number) >> BITS - 1 - at for at, number in enumerate(own)] for own in found]


def distribution(name: str, what: str) -> Any:
    """A distribution of `scipy.stats` by its name; None if there is none.

    Args:
        name: the name.
        what: the distribution as an error calls it.

    Raises:
        ModuleNotFoundError: scipy is not installed.
    """
    with needed("scipy", extra="scipy", purpose=f"the distribution {what}"):
        from scipy import stats
    return getattr(stats, name, None)
