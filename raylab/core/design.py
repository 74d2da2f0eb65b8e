"""Designs of every kind, and what a person gives for one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raylab.core.design_base import Design
from raylab.core.factorial import Factorial
from raylab.core.joined import Joined
from raylab.core.kinds import type_name
from raylab.core.latin_hypercube import LatinHypercube
from raylab.core.points import Points
from raylab.core.product import Product
from raylab.core.random_points import Random
from raylab.core.sampled import Sampled
from raylab.core.selected import Selected
from raylab.core.sobol import Sobol
from raylab.core.tabular import is_frame
from raylab.errors import DesignError

__all__ = [
    "Design",
    "Factorial",
    "Joined",
    "LatinHypercube",
    "Points",
    "Product",
    "Random",
    "Sampled",
    "Selected",
    "Sobol",
    "as_design",
]


def as_design(value: Any) -> Design:
    """A design as it is; axes as a factorial; a frame or a list of mappings as points.

    Example:
        >>> as_design({"p": [0.1, 0.2]})
        Factorial(p=0.1 to 0.2 (2 levels)) of 2 points
        >>> as_design([{"p": 0.1}, {"p": 0.2}])
        Points(p=0.1 to 0.2) of 2 points
    """
    if isinstance(value, Design):
        return value
    if isinstance(value, Mapping):
        return Factorial(value)
    if isinstance(value, list | tuple) or is_frame(value):
        return Points(value)
    accepted = (
        "a Factorial, a Points, a mapping of axes, a frame, or a list of mappings; or it is sampled, as a Sobol, a "
        "LatinHypercube or a Random"
    )
    way = "The levels of one parameter are given by its name, as {'x': [1, 2, 3]}"
    if callable(value):
        way = "submit takes the experiment first, the design second"
    raise DesignError(f"a design is {accepted}; got {type_name(value)}. {way}")
