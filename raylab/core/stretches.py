"""Stretches: which points of a sweep a sampled design goes on with, and what both are together.

Promises: points are found by their numbers in the sequence that both designs are a stretch of, at no cost however many
they are. Any other point of a sampled design counts as new, whatever its values: they are not compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from raylab.core.area import Area
from raylab.core.design import Design, Joined, Sampled

__all__ = ["gone_on_with", "in_turn"]


def gone_on_with(there: Design, design: Design) -> tuple[Area, Area]:
    """The points of a design of a sweep and those of a sampled design that are the same, by their numbers in each.

    Raises:
        DesignError: the one is meant to go on with the other, and cannot.

    Example:
        >>> from raylab.core.design import Random
        >>> gone_on_with(Random(10, p=(0, 1)).seeded(3), Random(20, p=(0, 1)).seeded(3))
        ([(((0, 10),),)], [(((0, 10),),)])
    """
    if not isinstance(there, Sampled) or not isinstance(design, Sampled):
        return [], []
    own, other = there.meets(design), design.meets(there)
    return ([((own,),)], [((other,),)]) if own and other else ([], [])


def in_turn(designs: Iterable[Design]) -> Design:
    """The points of one or more designs, one design after the other: what stands together in a sequence is one design.

    Example:
        >>> from raylab.core.design import Random
        >>> design = Random(20, p=(0, 1)).seeded(3)
        >>> in_turn([design.part(0, 10), design.part(10, 20)]) == design
        True
    """
    given = list(designs)
    if len(given) == 1:
        return given[0]
    found: list[Design] = []
    for each in chain.from_iterable(design.parts if isinstance(design, Joined) else (design,) for design in given):
        last = found[-1] if found else None
        if isinstance(last, Sampled) and isinstance(each, Sampled) and last.goes_on_with(each):
            found[-1] = each.part(-last.size, each.size)
        else:
            found.append(each)
    return found[0] if len(found) == 1 else Joined(found)
