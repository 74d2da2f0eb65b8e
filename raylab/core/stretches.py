"""Stretches: which points of a sweep a sampled design goes on with, and what both are together.

Promises: points are found by their numbers in the sequence that both designs are a stretch of, at no cost however many
they are, also where the sampled design is a factor of a product. Any other point of a sampled design counts as new,
whatever its values: they are not compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from math import prod

from raylab.core.algebra import times
from raylab.core.area import LISTED, Area
from raylab.core.box import Runs
from raylab.core.design import Design, Factorial, Joined, Product, Sampled
from raylab.errors import DesignError

__all__ = ["gone_on_with", "in_turn", "sample_first", "stretch"]


def gone_on_with(there: Design, design: Design) -> tuple[Area, Area]:
    """The points of a design of a sweep and those of a sampled design that are the same, by their numbers in each.

    Raises:
        DesignError: the one is meant to go on with the other, and cannot.

    Example:
        >>> from raylab.core.design import Random
        >>> gone_on_with(Random(10, p=(0, 1)).seeded(3), Random(20, p=(0, 1)).seeded(3))
        ([(((0, 10),),)], [(((0, 10),),)])
    """
    ours, theirs = _strip(there), _strip(design)
    if ours is None or theirs is None or ours.others != theirs.others:
        return [], []
    own, other = ours.sample.meets(theirs.sample), theirs.sample.meets(ours.sample)
    return ([(ours.runs(*own),)], [(theirs.runs(*other),)]) if own and other else ([], [])


@dataclass(frozen=True, slots=True)
class _Strip:
    """A sampled design alone, or as a factor between others, which are not sampled.

    Attributes:
        sample: the sampled design.
        others: the product of the others.
        before, after: how many points those have that vary more slowly, and faster.
    """

    sample: Sampled
    others: Design
    before: int
    after: int

    def runs(self, start: int, stop: int) -> Runs:
        """The points with those of the sampled design from one number on to another."""
        size = self.sample.size
        if (start, stop) == (0, size):
            return ((0, self.before * size * self.after),)
        if self.before > LISTED:
            raise DesignError(
                f"the points that are there stand in {self.before:,} places, and {LISTED:,} can be told apart. "
                "Multiply in the other order, the sampled design first, and submit that under another name"
            )
        return tuple(((at * size + start) * self.after, (at * size + stop) * self.after) for at in range(self.before))


def _strip(design: Design) -> _Strip | None:
    factors = design.factors if isinstance(design, Product) else (design,)
    place = [at for at, factor in enumerate(factors) if factor.is_sampled]
    sample = factors[place[0]] if len(place) == 1 else None
    if not isinstance(sample, Sampled):
        return None
    slow, fast = factors[: place[0]], factors[place[0] + 1 :]
    nothing: Design = Factorial()
    return _Strip(
        sample,
        reduce(times, (*slow, *fast), nothing),
        prod(each.size for each in slow),
        prod(each.size for each in fast),
    )


def sample_first(design: Design) -> Design:
    """The points of a product with those of its sampled factor varying most slowly, so that what goes on with them
    stands together; any other design as it is."""
    strip = _strip(design)
    return design if strip is None or strip.before == 1 else times(strip.sample, strip.others)


def stretch(design: Design, start: int, stop: int) -> Design:
    """The points of a design, the sampled factor of which comes first, from one number on to another."""
    strip = _strip(design)
    if strip is None or strip.before > 1 or (start, stop) == (0, design.size):
        return design
    return times(strip.sample.part(start // strip.after, stop // strip.after), strip.others)


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
