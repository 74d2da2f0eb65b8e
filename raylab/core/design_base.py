"""What every design is: axes turned into points, which are computed when asked for and never listed.

A design is a value. It does not change, it is written down as JSON (`dumps`) and read back with the same
points of the same types, and two designs are equal when what is written down is equal. A factorial of 10^9
points costs what its axes cost (`raylab.core.axes`).

Levels are the very values that were given, of the same type (`raylab.core.values`), whether the design comes from the
caller or from the notebook. What cannot be kept exactly is refused when the design is made, before anything is stored.
Types matter: 1, 1.0 and True are three levels, `(1, 2)` and `[1, 2]` two. So does the order of a dict's keys, which an
experiment can see. Names are NFKC, as Python's identifiers are, also where they are looked up.
"""

from __future__ import annotations

import json
import operator
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import chain, count
from pkgutil import resolve_name
from typing import Any, Final, TypeAlias

import numpy as np

from raylab.core.axes import Axis, Places, read_axis
from raylab.core.closest import did_you_mean, some_of
from raylab.core.kinds import MISSING, Missing, is_whole, type_name
from raylab.core.names import read_name
from raylab.core.showing import Bundle, Showing
from raylab.core.shown import DesignShown, plural, shown_level, shown_values
from raylab.core.values import JSON, copy_of, modules_of, weight_of
from raylab.errors import DesignError

__all__ = ["MAX_SIZE", "Design", "Point", "read_axes", "seeds_of"]

MAX_SIZE: Final = 2**62
"""Points are int64 on disk and in `places`; a bit is kept for arithmetic on them."""

Point: TypeAlias = dict[str, Any]

KINDS: Final = {
    "factorial": "raylab.core.factorial:Factorial",
    "points": "raylab.core.points:Points",
    "joined": "raylab.core.joined:Joined",
    "sobol": "raylab.core.sobol:Sobol",
    "latin": "raylab.core.latin_hypercube:LatinHypercube",
    "random": "raylab.core.random_points:Random",
    "product": "raylab.core.product:Product",
    "selected": "raylab.core.selected:Selected",
}
"""The kinds of designs by the word in what is written down. Imported when one is read back: they are made of this."""


class Design(Showing, ABC):
    """Parameters, and a value of each at every point.

    Attributes:
        parameters: the names, in the order they first appear.
        size: how many points there are, exactly.
        axes: the levels of each parameter.
        optional: the parameters that some points do not have.
        is_grid: whether its points are combinations of the levels of its axes, each once at most but where a level
            stands twice.
        samples: the sampled designs in it, in order.
    """

    is_grid = False
    samples: Sequence[Any] = ()
    __array_ufunc__ = None  # so that numpy leaves `array * design` to the design

    def __init__(self, axes: dict[str, Axis], size: int) -> None:
        if size > MAX_SIZE:
            raise DesignError(f"a design has at most 2**62 points, this one {size:,}; make the axes shorter")
        self.axes = axes
        kinds = {name: set(map(type, axis.others)) for name, axis in axes.items()}
        self.optional = [name for name, some in kinds.items() if Missing in some]
        self._changeable = [
            name
            for name, some in kinds.items()
            if some - {str, Missing} and any(copy_of(each) is not each for each in axes[name].others)
        ]
        self.parameters = tuple(axes)
        self.size = size

    @property
    def is_sampled(self) -> bool:
        """Whether its points, or some of them, are drawn by a seed."""
        return bool(self.samples)

    @property
    def is_seeded(self) -> bool:
        """Whether that was done, so that there are points."""
        return all(sample.seed is not None for sample in self.samples)

    def axis(self, name: str) -> Axis:
        """The levels of a parameter."""
        try:
            return self.axes[read_name(name)]
        except KeyError:
            known = f"its parameters are {some_of(self.parameters)}{did_you_mean(name, self.parameters)}"
            raise DesignError(f"this design has no parameter {name!r}; {known}") from None

    def column(self, name: str, points: Places) -> list[Any]:
        """The level of a parameter at each of these points."""
        return self.axis(name).take(self.places(name, points))

    @abstractmethod
    def places(self, name: str, points: Places) -> Places:
        """Where on the axis of a parameter the level of each of these points stands."""

    def seeded(self, seed: int) -> Design:
        """The design with its points drawn by this seed, also where they were drawn by another; one that has nothing
        to draw as it is.

        Args:
            seed: 0 ≤ seed < 2^63.

        Raises:
            DesignError: it is no such number.
        """
        return self._seeded(seeds_of(seed), anew=True)

    def settled(self, seed: int) -> Design:
        """The design as `submit` takes it under a sweep's seed: what has no points yet is drawn by it, what has keeps
        its own."""
        return self if self.is_seeded else self._seeded(seeds_of(seed), anew=False)

    def _seeded(self, seeds: Iterator[int], anew: bool) -> Design:
        """The design with its points drawn. Each sampled design in it takes the next of these seeds, also one that
        keeps its own, so that no two share one.

        Args:
            seeds: as `seeds_of` gives them.
            anew: whether what was drawn is drawn again.
        """
        return self

    def where(self, expression: Any) -> Design:
        """The points for which a polars expression over the parameters is true, in the order they stand here.

        It is evaluated at once, in this process, piece by piece. The design keeps the numbers of the points, not the
        expression. An expression sees the parameters as `results()` shows them: of an axis of mixed kinds the levels'
        texts, and typed values in its siblings (`x__int`).

        Args:
            expression: gives a truth value for each point by that point's own parameters; a point for which it gives
                null is not taken, as by polars' `filter`.

        Returns:
            The points that were taken; all of them are this design itself.

        Raises:
            DesignError: the design has more than 10^8 points; the expression names another column, gives something else
                than truth values, depends on other points (`pl.col("p").mean()`, `.head()`) or takes no point; what is
                taken falls into more than 10^7 runs; the points are not drawn yet (`seeded`).

        Example:
            >>> from raylab.core.design import Factorial
            >>> import polars as pl
            >>> Factorial(x=range(4), y=range(4)).where(pl.col("x") < pl.col("y")).head(2)
            [{'x': 0, 'y': 1}, {'x': 0, 'y': 2}]
        """
        # By its name: rows, as whose columns an expression sees the parameters, are no part of the core, and workers
        # have designs without paying for polars.
        taken: Design = resolve_name("raylab.notebook.selecting:taken")(self, expression)
        return taken

    def __mul__(self, other: Any) -> Design:
        """Every point of this design with every point of the other, whose points vary fastest. No parameter may stand
        in both. A dict of levels or a list of dicts can stand on either side, a frame on the right:
        `design * {"q": [1, 2]}`.

        Raises:
            DesignError: a parameter stands in both; the product has more than 2^62 points; the other is no design.

        Example:
            >>> from raylab.core.design import Factorial
            >>> Factorial(x=[1, 2]) * {"q": ["a", "b"]}
            Factorial(x=1 to 2 (2 levels), q='a' or 'b') of 4 points
        """
        return _composed("times", self, other)

    def __rmul__(self, other: Any) -> Design:
        return _composed("times", other, self)

    def __add__(self, other: Any) -> Design:
        """The points of this design, then those of the other, which has the same parameters in whatever order. A point
        that stands in both stands there twice, and runs twice; `submit` says so.

        Raises:
            DesignError: a parameter stands in one of them only; the other is no design.

        Example:
            >>> from raylab.core.design import Factorial
            >>> (Factorial(x=[1, 2]) + Factorial(x=[9])).head()
            [{'x': 1}, {'x': 2}, {'x': 9}]
        """
        return _composed("plus", self, other)

    def __radd__(self, other: Any) -> Design:
        return _composed("plus", other, self)

    def points_at(self, points: Places) -> Iterator[Point]:
        """These points, as `[i]` gives each."""
        return map(self.__getitem__, points.tolist())

    def head(self, n: int = 5) -> list[Point]:
        """The first `n` points."""
        return [self[i] for i in range(min(n, self.size))]

    def dumps(self) -> str:
        """The design as JSON; the same text for every way of writing the same design down."""
        return JSON.encode(self._document())

    @staticmethod
    def loads(text: str, *, imports: bool = False) -> Design:
        """The design that `dumps` wrote.

        Args:
            text: what it wrote.
            imports: import the classes of levels (an Enum's, a named tuple's, pandas'), as workers do. Elsewhere such a
                level is its text; a Timestamp or Timedelta of pandas is a datetime or a timedelta.

        Raises:
            DesignError: the text is no design, or one that only a newer raylab can read; or a class cannot be imported.
        """
        try:
            return Design._made(json.loads(text), imports)
        except DesignError:
            raise
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            kinds = " or ".join(KINDS)
            message = f"this text is no design: a JSON object of kind {kinds}, as dumps() writes, is expected"
            raise DesignError(f"{message}; got {str(text)[:100]!r} ({error!r})") from error

    @property
    def is_plain(self) -> bool:
        """Whether each point has all parameters, and no trial could change a level in place."""
        return not self._changeable and not self.optional

    def modules(self) -> set[str]:
        """The modules that a worker imports for the classes of levels."""
        return {module for axis in self.axes.values() for each in axis.others for module in modules_of(each)}

    def weights(self) -> dict[str, int]:
        """About how many bytes a parameter's levels have, but for numbers; quick to tell, unlike `dumps`."""
        return {name: sum(map(weight_of, axis.others)) for name, axis in self.axes.items()}

    @abstractmethod
    def repeated(self) -> list[str]:
        """What stands twice in it, a phrase for each axis or row; its points run twice. Of each, the first is named."""

    def __len__(self) -> int:
        """The number of points; OverflowError beyond `sys.maxsize`. `size` is exact everywhere."""
        return self.size

    def __getitem__(self, i: int) -> Point:
        """The point with this number, from the end if negative. What can be changed in it is the caller's own."""
        try:
            number = operator.index(i)
        except TypeError:
            hint = "give the number of one point, or use head(n) for the first few"
            raise TypeError(f"a design is not indexed by {type_name(i)}; {hint}") from None
        at = number + self.size if number < 0 else number
        if not 0 <= at < self.size:
            points = plural(self.size, "point")
            raise IndexError(f"there is no point {number} in a design of {points}; they count from 0")
        point = self._point(at)
        # An experiment may change what it is given; the next trial must not see that.
        for name in self._changeable:
            if name in point:
                point[name] = copy_of(point[name])
        return point

    def __iter__(self) -> Iterator[Point]:
        return (self[i] for i in range(self.size))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Design):
            return NotImplemented
        return self is other or (self.size == other.size and self.dumps() == other.dumps())

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.parameters, self.size))

    def __repr__(self) -> str:
        words = list(map(self._describe, self.parameters[:6])) + ["..."] * (len(self.parameters) > 6)
        return f"{type(self).__name__}({', '.join(words)}) of {plural(self.size, 'point')}{self._drawn_by}"

    def __str__(self) -> str:
        """A line for each parameter, and a table of the first points."""
        return str(self._as_shown())

    def _as_shown(self) -> DesignShown:
        head = self.head() if self.parameters and self.is_seeded else []
        return DesignShown(
            title=f"{type(self).__name__} of {plural(self.size, 'point')}{self._drawn_by}",
            ranges=[(name, self._shown(name)) for name in self.parameters],
            hint=self._hint,
            of_points="the first points" if len(head) < self.size else "the points" if head else "",
            points=[[shown_level(point.get(name, MISSING)) for name in self.parameters] for point in head],
        )

    def _card(self) -> Bundle:
        # By its name: pages are no part of the core, and workers have designs without paying for templates.
        shown = self._as_shown()
        made: Bundle = resolve_name("raylab.display.cards:of_design")(shown, str(shown))
        return made

    @property
    def _drawn_by(self) -> str:
        """By what its points are drawn, as the end of a phrase."""
        return "" if self.is_seeded else ", not seeded"

    _hint = ""
    """What a person may want to know of it, as a line."""

    @abstractmethod
    def _point(self, at: int) -> Point: ...

    def _describe(self, name: str) -> str:
        return "=".join(filter(None, [name, self._shown(name)]))

    def _shown(self, name: str) -> str:
        """What values a parameter has, in a few words; nothing where there is no telling."""
        return shown_values(self.axes[name])

    @abstractmethod
    def _document(self) -> dict[str, Any]: ...

    @staticmethod
    def _made(document: dict[str, Any], imports: bool) -> Design:
        kind: type[Design] = resolve_name(KINDS[document["kind"]])
        return kind._from_document(document, imports)

    @classmethod
    @abstractmethod
    def _from_document(cls, document: dict[str, Any], imports: bool) -> Design: ...

    def _written(self) -> list[dict[str, Any]]:
        return [{"name": name, **axis.written()} for name, axis in self.axes.items()]

    def _within(self, points: Places) -> Places:
        """A copy of `points` as int64, all of them points of this design."""
        inside = np.asarray(points).astype(np.int64, casting="same_kind")
        if inside.size and not (inside.min() >= 0 and inside.max() < self.size):
            raise IndexError(f"points {inside.min()} to {inside.max()} of a design of {self.size:,} points")
        return inside


def _composed(how: str, one: Any, other: Any) -> Design:
    made: Design = resolve_name(f"raylab.core.algebra:{how}")(one, other)
    return made


def read_axes(axes: list[dict[str, Any]], imports: bool) -> dict[str, Axis]:
    """The axes of a design as they were written."""
    return {axis["name"]: read_axis(axis, imports=imports) for axis in axes}


def seeds_of(seed: int) -> Iterator[int]:
    """Seeds for the sampled designs of one design, in their order: the first is the seed itself, so that a product of
    a factorial and a Sobol design has the very points of that one.

    Raises:
        DesignError: the seed is none.
    """
    if not is_whole(seed) or not 0 <= operator.index(seed) < 2**63:
        raise DesignError(f"the seed of a design is a whole number, 0 ≤ seed < 2^63; got {seed!r}")
    first = operator.index(seed)
    return chain([first], (_derived(first, number) for number in count(1)))


def _derived(seed: int, number: int) -> int:
    digest = blake2b(f"{seed}:{number}".encode(), digest_size=8, person=b"raylab.design").digest()
    return int.from_bytes(digest, "little") >> 1
