"""Designs: axes turned into points, which are computed when asked for and never listed.

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
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final, TypeAlias

import numpy as np

from raylab.core.axes import Axis, Chained, Places, read_axis, repeated
from raylab.core.given import axis_given, by_name, of_columns, of_rows
from raylab.core.kinds import MISSING, Missing, type_name
from raylab.core.names import read_name
from raylab.core.tabular import is_frame
from raylab.core.values import JSON, copy_of, modules_of, weight_of
from raylab.errors import DesignError

MAX_SIZE: Final = 2**62
"""Points are int64 on disk and in `places`; a bit is kept for arithmetic on them."""

Point: TypeAlias = dict[str, Any]


class Design(ABC):
    """Parameters, and a value of each at every point.

    Attributes:
        parameters: the names, in the order they first appear.
        size: how many points there are, exactly.
        axes: the levels of each parameter.
        optional: the parameters that some points do not have.
    """

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

    def axis(self, name: str) -> Axis:
        """The levels of a parameter."""
        try:
            return self.axes[read_name(name)]
        except KeyError:
            known = ", ".join(self.parameters) or "none"
            raise DesignError(f"this design has no parameter {name!r}; its parameters are: {known}") from None

    def column(self, name: str, points: Places) -> list[Any]:
        """The level of a parameter at each of these points."""
        return self.axis(name).take(self.places(name, points))

    @abstractmethod
    def places(self, name: str, points: Places) -> Places:
        """Where on the axis of a parameter the level of each of these points stands."""

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
            return _made(json.loads(text), imports)
        except DesignError:
            raise
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            kinds = " or ".join(_KINDS)
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
            raise IndexError(f"point {number} of a design of {self.size:,} points")
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
        return f"{type(self).__name__}({', '.join(words)}) of {_plural(self.size, 'point')}"

    @abstractmethod
    def _point(self, at: int) -> Point: ...

    def _describe(self, name: str) -> str:
        return name

    @abstractmethod
    def _document(self) -> dict[str, Any]: ...

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


class Factorial(Design):
    """Every combination of the levels of its axes; the last axis varies fastest, as in `itertools.product`.

    A list, tuple, range, array, Series or any other ordered collection is an axis's levels; a generator is
    listed. A scalar, a string, bytes or a dict is one level. Without any axis there is one point, `{}`.

    Args:
        axes: the axes as a mapping, for names that are not Python identifiers.
        **axes: the axes by name.

    Raises:
        DesignError: an axis without levels, a name or a level that cannot be used, more than 2**62 points.

    Example:
        >>> design = Factorial(p=[0.1, 0.5], L=[64, 128], method="fast")
        >>> design
        Factorial(p=2 levels, L=2 levels, method=1 level) of 4 points
        >>> design[1]
        {'p': 0.1, 'L': 128, 'method': 'fast'}
    """

    def __init__(self, axes: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        given = {name: axis_given(name, value) for name, value in by_name("Factorial", axes, more).items()}
        size = 1
        self._strides: dict[str, int] = {}
        for name, axis in reversed(given.items()):
            self._strides[name] = size
            size *= axis.size
        super().__init__(given, size)
        if self.optional:
            raise DesignError(f"axis {self.optional[0]!r} has the level MISSING; only Points can leave values out")

    def places(self, name: str, points: Places) -> Places:
        axis = self.axis(name)
        return self._within(points) // self._strides[read_name(name)] % axis.size

    def repeated(self) -> list[str]:
        found = {name: repeated(list(axis)) for name, axis in self.axes.items() if not axis.is_computed}
        return [f"{name}={self.axes[name][at]!r}" for name, at in found.items() if at is not None]

    def _point(self, at: int) -> Point:
        strides = self._strides
        return {name: axis[at // strides[name] % axis.size] for name, axis in self.axes.items()}

    def _describe(self, name: str) -> str:
        return f"{name}={_plural(self.axes[name].size, 'level')}"

    def _document(self) -> dict[str, Any]:
        return {"kind": "factorial", "axes": self._written()}

    @classmethod
    def _from_document(cls, document: dict[str, Any], imports: bool) -> Design:
        return cls(_read(document["axes"], imports))


class Points(Design):
    """The points of a list. A name that a row lacks is a parameter that is not passed at that point.

    Args:
        rows: a list of mappings; a polars or pandas frame or pyarrow Table; or a mapping of columns, for
            names that are not Python identifiers.
        **columns: the columns by name, all of one length. A scalar beside them holds for every row.

    Raises:
        DesignError: no rows, columns of unequal length, a name or a value that cannot be used.

    Example:
        >>> Points([{"n": 10}, {"n": 20, "warm": True}]).head()
        [{'n': 10}, {'n': 20, 'warm': True}]
        >>> Points(n=range(10, 30, 10), warm=False)[1]
        {'n': 20, 'warm': False}
    """

    def __init__(self, rows: Any = None, /, **columns: Any) -> None:
        if rows is None or isinstance(rows, Mapping):
            super().__init__(*of_columns(by_name("Points", rows, columns)))
        elif columns:
            raise DesignError(f"Points takes rows or columns; got {type_name(rows)} and {', '.join(columns)}")
        else:
            super().__init__(*of_rows(rows))

    def places(self, name: str, points: Places) -> Places:
        self.axis(name)  # says so if there is no such column
        return self._within(points)

    def repeated(self) -> list[str]:
        if any(axis.is_computed for axis in self.axes.values()):  # no two of its levels are equal
            return []
        at = repeated(list(zip(*self.axes.values(), strict=True)) or [()] * self.size)
        if at is None:
            return []
        return [", ".join(f"{name}={axis[at]!r}" for name, axis in self.axes.items()) or "the empty row"]

    def _point(self, at: int) -> Point:
        cells = ((name, axis[at]) for name, axis in self.axes.items())
        return {name: value for name, value in cells if value is not MISSING}

    def _document(self) -> dict[str, Any]:
        return {"kind": "points", "size": self.size, "columns": self._written()}

    @classmethod
    def _from_document(cls, document: dict[str, Any], imports: bool) -> Design:
        columns, size = _read(document["columns"], imports), document["size"]
        design = cls(columns) if columns else cls([{}] * size)
        if design.size != size:
            raise ValueError(f"{size} points announced, {design.size} there")
        return design


class Joined(Design):
    """The points of several designs, one design after the other; what the design of a sweep that has grown is.

    Args:
        parts: the designs, of the same parameters in whatever order; the first one's is the order of the whole.

    Raises:
        DesignError: the parameters of two of them are not the same.

    Example:
        >>> design = Joined([Factorial(x=[1, 2], m=["a"]), Points(m=["b"], x=[7])])
        >>> design, design[2]
        (Joined(x, m) of 3 points, {'x': 7, 'm': 'b'})
    """

    def __init__(self, parts: Sequence[Design]) -> None:
        self.parts = tuple(parts)
        names = parts[0].parameters
        if any(set(part.parameters) != set(names) for part in parts):
            raise DesignError(f"designs of other parameters than {', '.join(names) or 'none'} cannot be joined to them")
        super().__init__(
            {name: Chained([part.axis(name) for part in parts]) for name in names}, sum(part.size for part in parts)
        )
        self._firsts = [0, *accumulate(part.size for part in parts)]

    def places(self, name: str, points: Places) -> Places:
        within = self._within(points)
        number = np.searchsorted(self._firsts, within, side="right") - 1
        found, start = np.empty_like(within), 0
        for each, part in enumerate(self.parts):
            own = number == each
            found[own] = part.places(name, within[own] - self._firsts[each]) + start
            start += part.axis(name).size
        return found

    def repeated(self) -> list[str]:
        return [phrase for part in self.parts for phrase in part.repeated()]

    def _point(self, at: int) -> Point:
        number = bisect_right(self._firsts, at) - 1
        point = self.parts[number]._point(at - self._firsts[number])
        return {name: point[name] for name in self.parameters if name in point}

    def _document(self) -> dict[str, Any]:
        return {"kind": "joined", "parts": [part._document() for part in self.parts]}

    @classmethod
    def _from_document(cls, document: dict[str, Any], imports: bool) -> Design:
        return cls([_made(part, imports) for part in document["parts"]])


def _made(document: dict[str, Any], imports: bool) -> Design:
    return _KINDS[document["kind"]]._from_document(document, imports)


def _read(axes: list[dict[str, Any]], imports: bool) -> dict[str, Axis]:
    return {axis["name"]: read_axis(axis, imports=imports) for axis in axes}


_KINDS: Final[dict[str, type[Design]]] = {"factorial": Factorial, "points": Points, "joined": Joined}


def as_design(value: Any) -> Design:
    """A design as it is; axes as a factorial; a frame or a list of mappings as points.

    Example:
        >>> as_design({"p": [0.1, 0.2]})
        Factorial(p=2 levels) of 2 points
        >>> as_design([{"p": 0.1}, {"p": 0.2}])
        Points(p) of 2 points
    """
    if isinstance(value, Design):
        return value
    if isinstance(value, Mapping):
        return Factorial(value)
    if isinstance(value, list | tuple) or is_frame(value):
        return Points(value)
    accepted = "a Factorial, a Points, a mapping of axes, a frame, or a list of mappings"
    raise DesignError(f"a design is {accepted}; got {type_name(value)}")


def _plural(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"
