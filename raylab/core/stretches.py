"""Stretches: which points of a sweep a sampled design goes on with, and what both are together.

Promises: points are found by their numbers in the sequence that both designs are a stretch of, at no cost however many
they are; where points of products were selected, one by one. Any other point of a sampled design counts as new,
whatever its values: they are not compared.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from itertools import chain
from typing import TypeAlias

import numpy as np

from raylab.core import box
from raylab.core.algebra import terms
from raylab.core.area import LISTED, Area
from raylab.core.axes import Places
from raylab.core.box import Box, Runs
from raylab.core.common_points import Ground, among_rows, common_runs, in_design, meeting, of_one
from raylab.core.design import Design, Joined, Product, Sampled, Selected
from raylab.core.places import numbers, runs_of
from raylab.core.selected import unselected
from raylab.core.values import key_of
from raylab.errors import DesignError

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
    if isinstance(there, Product) and isinstance(design, Product):
        return _by_factor(there, design)
    one, other = map(unselected, (there, design))
    if not isinstance(one, Sampled) or not isinstance(other, Sampled):
        return of_one(there, design) or _one_by_one(there, design)
    run = one.meets(other)
    if run is None:
        return [], []
    both = np.array([run]) + one.first
    for each, whole in ((there, one), (design, other)):
        if isinstance(each, Selected):
            both = common_runs(both, each.runs + whole.first)
    return in_design(there, both - one.first), in_design(design, both - other.first)


def _by_factor(there: Product, design: Product) -> tuple[Area, Area]:
    """The points of two products that are the same, by the numbers of the points of their factors, in whatever order
    these stand."""
    place = {frozenset(each.parameters): at for at, each in enumerate(design.factors)}
    at = [place.get(frozenset(each.parameters)) for each in there.factors]
    own, others = list[Runs](), dict[int, Runs]()
    for one, number in zip(there.factors, at, strict=True):
        if number is None or len(at) != len(place):
            return _one_by_one(there, design)
        other = design.factors[number]
        if other.is_sampled and one.dumps() != other.dumps():
            areas = gone_on_with(one, other)
        else:
            areas = meeting(Ground(one), Ground(other))
        own.append(_numbers(one, areas[0]))
        others[number] = _numbers(other, areas[1])
    return ([tuple(own)], [tuple(others[number] for number in sorted(others))]) if all(own) else ([], [])


def _numbers(design: Design, area: Area) -> Runs:
    """The points of an area by their numbers."""
    sizes = Ground(design).sizes
    every = box.whole(sizes)
    found = [((0, design.size),) if each == every else _listed(each, sizes) for each in area]
    return tuple(box.joined(found)) if found else ()


def _listed(piece: Box, sizes: Sequence[int]) -> Runs:
    if len(piece) == 1:
        return piece[0]
    if (count := box.size(piece)) > LISTED:
        raise DesignError(
            f"{count:,} points of a factor of the product are there, and {LISTED:,} at most are listed. Submit what is "
            "new under another name"
        )
    return runs_of(numbers(piece, sizes, np.arange(count)))


Marks: TypeAlias = dict[tuple[str, ...], Sequence[Hashable]]
"""What tells points of sampled designs apart, by what each column is of: parameters, and their sequence if any."""


def _one_by_one(there: Design, design: Design) -> tuple[Area, Area]:
    """The points of two designs that are the same, by the numbers that they have in the same sequences and by the
    levels of what is not drawn."""
    none = np.empty(0, np.int64)
    own, other = _marks(there, none), _marks(design, none)
    if own.keys() != other.keys():
        return [], []
    for one in there.samples:
        for another in design.samples:
            one.meets(another)  # says so if the one cannot go on with the other
    rows = []
    for each in (there, design):
        Ground(each).check()
        marks = _marks(each, np.arange(each.size))
        rows.append(list(zip(*(marks[name] for name in sorted(own)), strict=True)))
    return among_rows(rows[0], rows[1]), among_rows(rows[1], rows[0])


def _marks(design: Design, points: Places) -> Marks:
    if isinstance(design, Selected):
        return _marks(design.of, design.chosen(points))
    if isinstance(design, Product):
        found: Marks = {}
        for factor, own in zip(design.factors, design.factor_points(points), strict=True):
            found |= _marks(factor, own)
        return found
    if isinstance(design, Sampled):
        return {(*sorted(design.parameters), design.sequence): (points + design.first).tolist()}
    return {(name,): list(map(key_of, design.column(name, points))) for name in design.parameters}


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
    for each in chain.from_iterable(map(terms, given)):
        last = found[-1] if found else None
        if isinstance(last, Sampled) and isinstance(each, Sampled) and last.goes_on_with(each):
            found[-1] = each.part(-last.size, each.size)
        else:
            found.append(each)
    return found[0] if len(found) == 1 else Joined(found)
