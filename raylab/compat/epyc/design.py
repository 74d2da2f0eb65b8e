"""epyc's designs, as raylab's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from raylab.core.design import Design as Made
from raylab.core.design import Factorial, Points
from raylab.errors import DesignError

ExperimentalConfiguration: TypeAlias = list[tuple[Any, dict[str, Any]]]
"""Which experiment runs at which parameters."""


class DesignException(DesignError):
    """A design cannot be made of the ranges that the lab's parameters have."""


class Design:
    """Turns the ranges of a lab's parameters into points. To be subclassed, with `experiments`."""

    def experiments(self, e: Any, ps: Mapping[str, list[Any]]) -> ExperimentalConfiguration:
        """Pairs of the experiment and the parameters of each point."""
        return [(e, point) for point in self.points(ps)]

    def points(self, ps: Mapping[str, list[Any]]) -> Made:
        """The points as one of raylab's designs.

        Raises:
            DesignException: another experiment than the one that was given is to run somewhere.
        """
        mark = object()
        found = self.experiments(mark, ps)
        if any(experiment is not mark for experiment, _ in found):
            raise DesignException(
                f"{type(self).__name__} has another experiment run than the one that was given; a sweep has one "
                "experiment, so run each by itself"
            )
        return Points([point for _, point in found])


class FactorialDesign(Design):
    """Every combination of the parameters' values.

    Example:
        >>> [point for _, point in FactorialDesign().experiments(None, {"a": [1, 2], "b": [3]})]
        [{'a': 1, 'b': 3}, {'a': 2, 'b': 3}]
    """

    def points(self, ps: Mapping[str, list[Any]]) -> Made:
        """As a raylab `Factorial`, which lists no points."""
        return Factorial(ps)


class PointwiseDesign(Design):
    """The first values of all parameters, the second ones, and so on; a single value stands at every point.

    Example:
        >>> [point for _, point in PointwiseDesign().experiments(None, {"a": [1, 2], "b": [3]})]
        [{'a': 1, 'b': 3}, {'a': 2, 'b': 3}]
    """

    def points(self, ps: Mapping[str, list[Any]]) -> Made:
        """As raylab `Points`.

        Raises:
            DesignException: parameters have different numbers of values, and more than one.
        """
        lengths = {len(levels) for levels in ps.values()} - {1}
        if len(lengths) > 1:
            said = ", ".join(f"{name} has {len(levels)}" for name, levels in ps.items())
            raise DesignException(f"parameters of a pointwise design have as many values each, or a single one: {said}")
        size = lengths.pop() if lengths else 1
        return Points({name: levels * size if len(levels) == 1 else levels for name, levels in ps.items()})
