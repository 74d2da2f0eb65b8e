"""What trials ask for, as a person says it: a number, a dict by a parameter's level, or an expression over parameters.

Promises: what differs from point to point comes down to a few classes, and to the points of each; an amount that
cannot be used is refused with the first point that it is of. Dicts and expressions over the axes of a grid are read by
level, so that 10^9 points cost what the levels cost.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from raylab.core.closest import did_you_mean
from raylab.core.cutting import MOST_CLASSES, MOST_POINTS, cut
from raylab.core.design import Design, Factorial
from raylab.core.kinds import MISSING, type_name
from raylab.core.names import read_name
from raylab.core.partition import WHOLE, Partition
from raylab.core.values import exact, key_of
from raylab.errors import DesignError, repr_of
from raylab.notebook.formula import CHUNK, Formula

Demand: TypeAlias = float | Mapping[str, Mapping[Any, float | None]] | pl.Expr | None
"""A number, a dict by a parameter's level, or an expression over the parameters; None for nothing."""

BOUNDS: Mapping[str, tuple[float, float, str]] = {
    "num_cpus": (0.0, 2.0**62, "CPUs, a number from 0 on"),
    "memory": (0.0, 2.0**62, "bytes, a number from 0 on"),
    "time_limit": (1e-6, 1e8, "seconds above 0, at most 10^8"),  # the system's timers do not take much more
}
"""What an amount may be, and how that is said."""

RESOURCES: Mapping[str, str] = {"num_cpus": "CPU", "memory": "memory", "time_limit": "time_limit"}
"""How the amounts of a class are called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """What the trials of a design ask for.

    Attributes:
        numbers: what all of them ask for, by the name of the argument.
        classes: what each class asks for otherwise, as a policy has it.
        partition: which points are of which class.
    """

    numbers: Mapping[str, Any]
    classes: tuple[Mapping[str, float | None], ...] = ()
    partition: Partition = WHOLE


@dataclass(frozen=True, slots=True)
class _Levels:
    """What an argument asks for at each cell of the axes that it depends on.

    Attributes:
        axes: their places among those of the grid, in order.
        codes: the number of the amount of each cell.
        amounts: these.
    """

    axes: tuple[int, ...]
    codes: NDArray[np.uint8]
    amounts: tuple[float | None, ...]


def follows(given: object) -> bool:
    """Whether a demand follows from a trial's parameters."""
    return isinstance(given, Mapping | pl.Expr)


def demands(design: Design, **given: Any) -> Demands:
    """What the trials of a design ask for, in classes.

    Args:
        design: over whose parameters the amounts are given.
        **given: the amounts by the names of submit's arguments; what is neither a dict nor an expression is returned
            as it is.

    Raises:
        DesignError: an amount cannot be used, or there are too many different ones; the message names the argument, and
            the first point concerned.

    Example:
        >>> found = demands(Factorial(L=[64, 128], p=[0.1, 0.2]), memory={"L": {64: 1e9, 128: 4e9}}, num_cpus=1)
        >>> found.numbers, found.classes
        ({'memory': None, 'num_cpus': 1}, ({'memory': 1000000000.0}, {'memory': 4000000000.0}))
        >>> found.partition.parts[1]
        Part(klass=1, points=(((1, 2),), ((0, 2),)))
    """
    grid = tuple(axis.size for axis in design.axes.values()) if isinstance(design, Factorial) else (design.size,)
    numbers, varied = dict(given), {}
    for name, demand in given.items():
        if not isinstance(demand, Mapping | pl.Expr):
            continue
        levels = _by_level(design, name, demand) if isinstance(demand, Mapping) else _by_formula(design, name, demand)
        if len(levels.amounts) > 1:
            varied[name] = levels
        numbers[name] = levels.amounts[0] if len(levels.amounts) == 1 else None
    if "num_cpus" in varied:
        numbers["num_cpus"] = 1
    if not varied:
        return Demands(numbers=numbers)
    axes, codes, classes = _together(varied, grid)
    return Demands(numbers=numbers, classes=classes, partition=cut(codes, axes, grid))


def _together(
    varied: Mapping[str, _Levels], grid: Sequence[int]
) -> tuple[tuple[int, ...], NDArray[np.uint8], tuple[Mapping[str, float | None], ...]]:
    """The classes that several arguments make together, and which cell is of which; the first cell is of the first."""
    axes = tuple(sorted({axis for levels in varied.values() for axis in levels.axes}))
    shape = [grid[axis] for axis in axes]
    _check_cells(math.prod(shape), ", ".join(varied))
    mixed = np.zeros(shape, np.uint16)  # 16 amounts of each of three arguments are 4,096
    for levels in varied.values():
        mixed = mixed * np.uint16(len(levels.amounts)) + levels.codes.reshape(
            [grid[axis] if axis in levels.axes else 1 for axis in axes]
        )
    present = np.flatnonzero(np.bincount(mixed.ravel(), minlength=1))
    if present.size > MOST_CLASSES:
        each = ", ".join(f"{name} ({len(levels.amounts)})" for name, levels in varied.items())
        raise DesignError(
            f"the amounts of {each} make {present.size} classes together, and a sweep has {MOST_CLASSES} at most; "
            "round them to fewer"
        )
    first = sorted(present.tolist(), key=lambda code: int((mixed == code).argmax()))
    number = np.zeros(int(present.max()) + 1, np.uint8)
    number[first] = np.arange(len(first))
    return axes, number[mixed], tuple(_amounts(code, varied) for code in first)


def _amounts(code: int, varied: Mapping[str, _Levels]) -> Mapping[str, float | None]:
    found: dict[str, float | None] = {}
    for name, levels in reversed(list(varied.items())):
        code, own = divmod(code, len(levels.amounts))
        found[RESOURCES[name]] = levels.amounts[own]
    return dict(reversed(found.items()))


def _by_level(design: Design, name: str, demand: Mapping[Any, Any]) -> _Levels:
    """A dict by a parameter's level."""
    parameter, amounts = next(iter(demand.items()), ("", None))
    if len(demand) != 1 or not isinstance(parameter, str) or not isinstance(amounts, Mapping):
        raise DesignError(
            f"{name} by level is a dict of one parameter and its levels, as {{'L': {{64: 1e9, 128: 4e9}}}}; for more "
            f"parameters than one give a polars expression. It got {repr_of(demand, 200)}"
        )
    if read_name(parameter) not in design.axes:
        meant = did_you_mean(parameter, design.parameters)
        raise DesignError(f"{name} is given by {parameter!r}, and {_parameters(design)}{meant}")
    known: dict[Hashable, float | None] = {}
    for level, amount in amounts.items():
        known[key_of(exact(level, f"{name} by {parameter!r}"))] = _amount(name, amount, f"for {parameter}={level!r}")
    coder = _Coder(name)
    found = [coder.code(amount) for amount in _looked_up(design, name, parameter, known, amounts)]
    codes = np.array(found, np.uint8)
    if not isinstance(design, Factorial):
        return _Levels((0,), _at_each_point(design, name, parameter, codes), tuple(coder.amounts))
    return _Levels((list(design.axes).index(read_name(parameter)),), codes, tuple(coder.amounts))


def _looked_up(
    design: Design, name: str, parameter: str, known: Mapping[Hashable, float | None], amounts: Mapping[Any, Any]
) -> Iterator[float | None]:
    for at, level in enumerate(design.axis(parameter)):
        if level is MISSING:
            raise DesignError(f"{name} is given by {parameter!r}, which point {at} does not have")
        key = key_of(level)
        if key not in known:
            raise DesignError(
                f"{name} by {parameter!r} has no amount for the level {level!r} ({type_name(level)}); it has "
                f"{repr_of(list(amounts), 200)}. Levels are equal when their types are, too"
            )
        yield known[key]


def _at_each_point(design: Design, name: str, parameter: str, codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The codes of a parameter's levels at each point of what is no factorial."""
    _check_cells(design.size, name)
    chunks = (np.arange(start, min(start + CHUNK, design.size)) for start in range(0, design.size, CHUNK))
    return np.concatenate([codes[design.places(parameter, chunk)] for chunk in chunks])


def _by_formula(design: Design, name: str, demand: pl.Expr) -> _Levels:
    """A polars expression over the parameters."""
    formula = Formula(name, design, demand)
    if isinstance(design, Factorial):  # evaluated once for the levels that it follows
        own = {parameter: design.axes[parameter] for parameter in formula.names}
        formula = Formula(name, Factorial(own), demand)
    cells = formula.design
    _check_cells(cells.size, name)
    coder, parts = _Coder(name), []
    formula.check()
    for start in range(0, cells.size, CHUNK):
        numbers = np.arange(start, min(start + CHUNK, cells.size))
        amounts = _amounts_of(name, demand, formula.values(numbers))
        _check_amounts(cells, name, amounts, numbers)
        parts.append(coder.codes(amounts))
    codes = np.concatenate(parts)
    if not isinstance(design, Factorial):
        return _Levels((0,), codes, tuple(coder.amounts))
    places = tuple(at for at, parameter in enumerate(design.axes) if parameter in own)
    return _Levels(places, codes.reshape([axis.size for axis in own.values()]), tuple(coder.amounts))


def _amounts_of(name: str, demand: pl.Expr, found: pl.Series) -> NDArray[np.float64]:
    """The amounts as floats; null is NaN."""
    if not (found.dtype.is_numeric() or found.dtype == pl.Null):
        raise DesignError(f"{name} is {BOUNDS[name][2]}; the expression gives {found.dtype}: {demand}")
    return found.cast(pl.Float64).fill_null(math.nan).to_numpy()


def _check_amounts(cells: Design, name: str, amounts: NDArray[np.float64], numbers: NDArray[np.int64]) -> None:
    least, most, words = BOUNDS[name]
    wrong = np.flatnonzero(~((amounts >= least) & (amounts <= most)))
    if wrong.size:
        at, amount = int(numbers[wrong[0]]), float(amounts[wrong[0]])
        where = ", ".join(f"{parameter}={level!r}" for parameter, level in cells[at].items()) or "each point"
        got = "null or NaN" if math.isnan(amount) else f"{amount:g}"
        raise DesignError(f"{name} is {words}; the expression gives {got} at {where}")


def _amount(name: str, given: Any, where: str) -> float | None:
    """An amount of a dict; None asks for nothing."""
    least, most, words = BOUNDS[name]
    if given is None and name != "num_cpus":
        return None
    if isinstance(given, bool) or not isinstance(given, int | float | np.number) or not least <= given <= most:
        raise DesignError(f"{name} is {words}; it got {given!r} {where}")
    return float(given)


class _Coder:
    """Numbers different amounts in the order in which they come."""

    def __init__(self, name: str) -> None:
        self.amounts: list[float | None] = []
        self._name = name

    def code(self, amount: float | None) -> int:
        if amount not in self.amounts:
            self._check(len(self.amounts) + 1)
            self.amounts.append(amount)
        return self.amounts.index(amount)

    def codes(self, amounts: NDArray[np.float64]) -> NDArray[np.uint8]:
        found, firsts, inverse = np.unique(amounts, return_index=True, return_inverse=True)
        self._check(len({*self.amounts, *found.tolist()}) if found.size < 10_000 else found.size)
        own = np.zeros(found.size, np.uint8)
        for at in np.argsort(firsts):
            own[at] = self.code(float(found[at]))
        return own[inverse.ravel()]

    def _check(self, count: int) -> None:
        if count > MOST_CLASSES:
            raise DesignError(
                f"{self._name} has {count:,} different amounts or more, and a sweep has {MOST_CLASSES} classes of them "
                "at most; round them to fewer"
            )


def _check_cells(cells: int, what: str) -> None:
    if cells > MOST_POINTS:
        raise DesignError(
            f"{what} would be evaluated at {cells:,} points, {MOST_POINTS:,} at most are looked at; let it depend on "
            "fewer parameters, or give it by the levels of one of them"
        )


def _parameters(design: Design) -> str:
    return f"the design has the parameters {', '.join(map(repr, design.parameters)) or 'none'}"
