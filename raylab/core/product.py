"""Products: every point of one design with every point of the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

from raylab.core.axes import Places
from raylab.core.design_base import Design, Point
from raylab.core.names import read_name

__all__ = ["Product"]


class Product(Design):
    """Every combination of the points of several designs; those of the last one vary fastest. What `a * b` is where
    it is no factorial (`core/algebra.py`).

    Args:
        factors: the designs, no two of which have a parameter in common.

    Raises:
        DesignError: the product has more than 2**62 points.

    Example:
        >>> from raylab.core.design import Factorial, Points
        >>> design = Product([Points(x=[1, 2], y=[3, 4]), Factorial(m=["a", "b"])])
        >>> design, design[1]
        (Product(x=1 to 2, y=3 to 4, m='a' or 'b') of 4 points, {'x': 1, 'y': 3, 'm': 'b'})
    """

    def __init__(self, factors: Sequence[Design]) -> None:
        self.factors = tuple(factors)
        super().__init__(
            {name: axis for factor in factors for name, axis in factor.axes.items()},
            prod(factor.size for factor in factors),
        )
        self.optional = [name for factor in factors for name in factor.optional]
        self.is_grid = all(factor.is_grid for factor in factors)
        self.samples = [sample for factor in factors for sample in factor.samples]
        self._strides = [prod(factor.size for factor in factors[at + 1 :]) for at in range(len(factors))]
        self._home = {name: at for at, factor in enumerate(factors) for name in factor.parameters}

    def factor_points(self, points: Places) -> list[Places]:
        """The point of each factor that these of its points have."""
        sizes = [factor.size for factor in self.factors]
        return [points // stride % size for stride, size in zip(self._strides, sizes, strict=True)]

    def places(self, name: str, points: Places) -> Places:
        self.axis(name)  # says so if there is no such parameter
        at = self._home[read_name(name)]
        factor = self.factors[at]
        return factor.places(name, self._within(points) // self._strides[at] % factor.size)

    def repeated(self) -> list[str]:
        return [phrase for factor in self.factors for phrase in factor.repeated()]

    def _seeded(self, seeds: Iterator[int], anew: bool) -> Design:
        return Product([factor._seeded(seeds, anew) for factor in self.factors])

    def _point(self, at: int) -> Point:
        found: Point = {}
        for factor, stride in zip(self.factors, self._strides, strict=True):
            found |= factor._point(at // stride % factor.size)
        return found

    def _shown(self, name: str) -> str:
        return self.factors[self._home[name]]._shown(name)

    def _document(self) -> dict[str, Any]:
        return {"kind": "product", "factors": [factor._document() for factor in self.factors]}

    @classmethod
    def _from_document(cls, document: dict[str, Any], imports: bool) -> Design:
        return cls([Design._made(factor, imports) for factor in document["factors"]])
