"""Sampled designs: points drawn from ranges, each computed from its number and the design's seed.

Without a seed a design has a size, parameters and ranges, and no points; `submit` draws them by the sweep's seed.
Promises: a point is the same wherever and in whichever order points are asked for; those of `Sobol` and `Random` do not
depend on how many there are, those of `Random` on one axis not on the other axes either.
"""

from __future__ import annotations

import operator
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np

from raylab.core.axes import Places
from raylab.core.design_base import MAX_SIZE, Design, Point
from raylab.core.drawn import Drawn, Range, Stream, scaled
from raylab.core.given import by_name
from raylab.core.kinds import is_whole, type_name
from raylab.core.names import read_name
from raylab.core.ranges import as_range, read_range
from raylab.core.values import JSON, copy_of
from raylab.errors import DesignError

__all__ = ["Sampled"]


class Sampled(Design):
    """What sampled designs have in common; see `Sobol`, `LatinHypercube` and `Random`.

    Attributes:
        ranges: what each parameter's values are drawn from.
        first: the number of the design's first point in its sequence.
        seed: by which points are drawn; None as long as there are none.
    """

    MOST = MAX_SIZE
    """Points that a design of this kind has at most."""

    def __init__(self, n: int, ranges: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        kind = type(self).__name__
        given = by_name(kind, ranges, more)
        size = self._checked(n)
        if not given:
            raise DesignError(f"{kind} was given no ranges; give at least one by name, as p=(0, 1)")
        self._set(size, {name: as_range(value, f"{kind}: {name!r}") for name, value in given.items()}, 0, None)

    def _checked(self, n: Any) -> int:
        kind = type(self).__name__
        if not is_whole(n):
            raise DesignError(f"{kind}(n, ...) takes a whole number of points first; got {n!r} ({type_name(n)})")
        size = operator.index(n)
        if not 1 <= size <= self.MOST:
            raise DesignError(f"{kind} has 1 to {self.MOST:,} points; got {size:,}")
        return size

    def _set(self, size: int, ranges: Mapping[str, Range], first: int, seed: int | None) -> None:
        self.ranges, self.first, self.seed = dict(ranges), first, seed
        self.samples = (self,)
        streams = {} if seed is None else {name: self._stream(name, seed, first + size) for name in ranges}
        self._streams: dict[str, Stream] = streams
        super().__init__(
            {
                name: law.levels if law.levels is not None else Drawn(size, first, law, streams.get(name))
                for name, law in ranges.items()
            },
            size,
        )

    @abstractmethod
    def _stream(self, name: str, seed: int, stop: int) -> Stream:
        """Where points of numbers below `stop` lie on an axis."""

    def _other(self, *, size: int | None = None, first: int | None = None, seed: int | None) -> Self:
        """The same design but for these."""
        made = type(self).__new__(type(self))
        made._take(self)
        made._set(self.size if size is None else size, self.ranges, self.first if first is None else first, seed)
        return made

    def _take(self, other: Self) -> None:
        """Take what another design of the same kind and ranges has beside these."""

    def part(self, start: int, stop: int) -> Sampled:
        """The points from one number on to another; negative ones stand before the first of them."""
        if (start, stop) == (0, self.size):
            return self
        return self._other(size=stop - start, first=self.first + start, seed=self.seed)

    def meets(self, other: Sampled) -> tuple[int, int] | None:
        """Which of its points, from one number on to another, are points of another design as well, as those of a
        stretch of the same sequence are; None if there are none.

        Raises:
            DesignError: the other one is meant to go on with this one, and cannot.
        """
        if self.sequence != other.sequence:
            return None
        start = max(self.first, other.first)
        stop = min(self.first + self.size, other.first + other.size)
        return (start - self.first, stop - self.first) if start < stop else None

    def goes_on_with(self, other: Sampled) -> bool:
        """Whether the points of another design are those that follow in the sequence, with parameters in this order."""
        follows = other.first == self.first + self.size and self.sequence == other.sequence
        return follows and self.parameters == other.parameters

    def places(self, name: str, points: Places) -> Places:
        within = self._within(points)
        axis = self.axis(name)
        if isinstance(axis, Drawn):
            return within
        if self.seed is None:
            raise self._unseeded()
        return scaled(self._streams[read_name(name)].at(within + self.first), axis.size).astype(np.int64)

    def points_at(self, points: Places) -> Iterator[Point]:
        if self.seed is None:
            raise self._unseeded()
        columns = [self.column(name, points) for name in self.parameters]
        for values in zip(*columns, strict=True):
            point = dict(zip(self.parameters, values, strict=True))
            for name in self._changeable:
                point[name] = copy_of(point[name])
            yield point

    def repeated(self) -> list[str]:
        """Chance may bring a point twice, as every point of a few levels."""
        return []

    @property
    def sequence(self) -> str:
        """What tells the endless sequence that the design is a stretch of."""
        document = self._document()
        for word in ("size", "first", "numbers"):
            document.pop(word, None)
        if not self._is_ordered:
            document["ranges"].sort(key=operator.itemgetter("name"))
        return JSON.encode(document)

    def _unseeded(self) -> DesignError:
        return DesignError(
            "a design that is not seeded has no points yet: they are drawn by a seed. submit draws them by the "
            f"sweep's, .seeded(n) of the design draws them here: {self!r}"
        )

    def _seeded(self, seeds: Iterator[int], anew: bool) -> Design:
        seed = next(seeds)
        return self._other(seed=seed) if anew or self.seed is None else self

    def _point(self, at: int) -> Point:
        if self.seed is None:
            raise self._unseeded()
        return {name: self.column(name, np.array([at]))[0] for name in self.parameters}

    def _shown(self, name: str) -> str:
        return self.ranges[name].shown

    @property
    def _drawn_by(self) -> str:
        return super()._drawn_by if self.seed is None else f", seed {self.seed}"

    def _document(self) -> dict[str, Any]:
        ranges = [{"name": name, **law.written()} for name, law in self.ranges.items()]
        return {"kind": self._word, "size": self.size, "first": self.first, "seed": self.seed, "ranges": ranges}

    _word = ""
    _is_ordered = False
    """Whether another order of the ranges makes other points."""

    @classmethod
    def _from_document(cls, document: dict[str, Any], imports: bool) -> Self:
        made = cls.__new__(cls)
        made._read(document)
        ranges = {each["name"]: read_range(each, imports=imports) for each in document["ranges"]}
        made._set(document["size"], ranges, document["first"], document["seed"])
        return made

    def _read(self, document: dict[str, Any]) -> None:
        """Take of what was written down what only this kind of design has."""
