"""The algebra of designs: products and sums, each in one form, however it was put together.

Promises: `(a * b) * c` and `a * (b * c)` are the same text, as are `(a + b) + c` and `a + (b + c)`; a product of
factorials is the factorial of all their axes; a factor of one point without parameters adds nothing.
"""

from __future__ import annotations

from typing import Any

from raylab.core.area import LISTED
from raylab.core.axes import Axis
from raylab.core.design import Design, Factorial, Joined, Product, as_design
from raylab.errors import DesignError

__all__ = ["plus", "terms", "times"]


def times(one: Any, other: Any) -> Design:
    """Every point of one design with every point of another, whose points vary fastest.

    Args:
        one, other: designs, or what `as_design` takes for one; 1, with which `math.prod` begins, is nothing.

    Raises:
        DesignError: a parameter stands in both; the product has more than 2**62 points.

    Example:
        >>> times(Factorial(x=[1, 2]), Factorial(y=[3])).dumps() == Factorial(x=[1, 2], y=[3]).dumps()
        True
    """
    if _is_neutral(one, 1):
        return as_design(other)
    a, b = as_design(one), as_design(other)
    if both := [name for name in a.parameters if name in b.axes]:
        raise DesignError(
            f"{', '.join(map(repr, both))}: in a product each design has parameters of its own, and both have "
            f"{'this one' if len(both) == 1 else 'these'}. Leave it out of one of them; a + b is the points of one "
            "design, then those of another"
        )
    found: list[Design] = []
    for factor in (*_factors(a), *_factors(b)):
        if found and isinstance(found[-1], Factorial) and isinstance(factor, Factorial):
            found[-1] = Factorial({**found[-1].axes, **factor.axes})
        else:
            found.append(factor)
    return Product(found) if len(found) > 1 else found[0] if found else a


def _factors(design: Design) -> tuple[Design, ...]:
    if isinstance(design, Product):
        return design.factors
    return () if design.size == 1 and not design.parameters else (design,)


def plus(one: Any, other: Any) -> Design:
    """The points of one design, then those of another.

    Args:
        one, other: designs, or what `as_design` takes for one; 0, with which `sum` begins, is nothing.

    Raises:
        DesignError: a parameter stands in one of them only; they have more than 2**62 points together, or so many
            levels of different kinds that they could not be told apart in the rows.

    Example:
        >>> plus(Factorial(x=[1, 2], y=[0]), [{"y": 5, "x": 7}])[2]
        {'x': 7, 'y': 5}
    """
    if _is_neutral(one, 0):
        return as_design(other)
    a, b = as_design(one), as_design(other)
    alone = [(name, "second") for name in a.parameters if name not in b.axes]
    alone += [(name, "first") for name in b.parameters if name not in a.axes]
    if alone:
        raise DesignError(
            f"{'; '.join(f'the {which} has no {name!r}' for name, which in alone)}: the designs of a sum have the same "
            "parameters. Give the others a value there, as design * {'name': value}; a * b is every point of a with "
            "every point of b"
        )
    made = Joined([*terms(a), *terms(b)])
    for name, axis in made.axes.items():
        _check_kinds(name, axis, [part.axis(name) for part in made.parts])
    return made


def terms(design: Design) -> tuple[Design, ...]:
    """The designs that a sum is of; any other design is one by itself."""
    return design.parts if isinstance(design, Joined) else (design,)


def _check_kinds(name: str, axis: Axis, parts: list[Axis]) -> None:
    """Levels of one kind are a column of numbers; others are listed, to be told apart by their texts."""
    if not axis.is_computed and any(part.is_computed and part.size > LISTED for part in parts):
        raise DesignError(
            f"axis {name!r}: one design has {max(part.size for part in parts):,} levels of one kind, another has "
            f"levels of another kind, and up to {LISTED:,} levels of several kinds can be on one axis. Give the same "
            "kind, ints or floats, or submit two sweeps"
        )


def _is_neutral(value: Any, number: int) -> bool:
    return type(value) is int and value == number
