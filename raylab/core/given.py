"""What a caller gives for a design, as axes by name.

Promises: names are checked and brought to NFKC, levels checked and kept exactly; an error names the axis or the column,
what was expected, what came and what to do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, EnumType
from typing import Any

import numpy as np

from raylab.core.axes import Axis, axis_of
from raylab.core.drawn import Drawn, Range
from raylab.core.frozen import is_of_scipy
from raylab.core.kinds import MISSING, PYTHONS, check_integer, check_text, type_name
from raylab.core.names import read_name
from raylab.core.tabular import frame_columns, series_values
from raylab.core.values import exact_levels
from raylab.errors import DesignError

__all__ = ["axis_given", "by_name", "levels_given", "of_columns", "of_rows"]


def by_name(what: str, given: Mapping[str, Any] | None, more: dict[str, Any]) -> dict[str, Any]:
    """The mapping and the keywords as one, its names checked."""
    if given is not None and not isinstance(given, Mapping):
        raise DesignError(f"{what} takes axes by name, or as a mapping; got {type_name(given)}")
    pairs = [*(given or {}).items(), *more.items()]
    return _named(pairs, what, "in the mapping, by name, or typed with another letter that Python reads as the same")


def axis_given(name: str, given: Any) -> Axis:
    """The axis of what a caller gives for its levels, at least one."""
    return levels_given(f"axis {name!r}", given)


def levels_given(where: str, given: Any) -> Axis:
    """Such an axis, which errors call `where`."""
    if isinstance(given, Axis) and not isinstance(given, Drawn):
        return given
    if isinstance(given, Range) or (is_of_scipy(given) and hasattr(given, "rvs")):
        shown = repr(given) if isinstance(given, Range) else type_name(given)
        raise DesignError(
            f"{where}: {shown} is a range, of which Sobol, LatinHypercube and Random draw values, and an axis has "
            "levels. A product has both: Factorial(...) * Sobol(...)"
        )
    if isinstance(given, set | frozenset):
        raise DesignError(f"{where}: a {type_name(given)} has no order; give a list, as sorted(...) makes one")
    if hasattr(given, "columns") and not isinstance(given, Enum | EnumType):
        raise DesignError(f"{where}: a frame ({type_name(given)}) is no axis; give one column, or Points(frame)")
    if isinstance(given, range):
        for number in (given.start, given.stop, given.step):
            check_integer(number, where)
        levels: tuple[Any, ...] | range = given
    else:
        levels = exact_levels([given] if is_scalar(given) else _listed(given), where)
    if not levels:
        raise DesignError(f"{where} has no levels; give at least one, or leave it out")
    return axis_of(levels)


def is_scalar(value: Any) -> bool:
    """Whether a value is one level; what has values in an order is an axis of them. A dict or a named tuple is one."""
    if isinstance(value, EnumType):
        return False
    if isinstance(value, str | bytes | bytearray | Mapping | type | Enum) or hasattr(value, "_fields"):
        return True
    return getattr(value, "ndim", 1) == 0 or not hasattr(value, "__iter__")


def _listed(given: Any) -> Iterable[Any]:
    """The values of a collection, as a loop over it gives them; Python's own for those of a Series."""
    if isinstance(given, np.ma.MaskedArray):
        return [None if value is np.ma.masked else value for value in given]
    if isinstance(given, np.ndarray):
        return given.tolist() if given.ndim == 1 and given.dtype in PYTHONS else given
    values = series_values(given)
    if values is not None:
        return values
    return list(given.tolist() if hasattr(given, "tolist") else given)  # other libraries' arrays


def of_columns(given: dict[str, Any]) -> tuple[dict[str, Axis], int]:
    """Columns of one length, and that length; a scalar holds for every row."""
    if not given:
        raise DesignError("Points was given no points; give a list of mappings, a frame, or columns by name")
    columns = {name: axis_given(name, value) for name, value in given.items()}
    scalars = {name for name, value in given.items() if is_scalar(value)}
    lengths = {name: axis.size for name, axis in columns.items() if name not in scalars}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise DesignError(f"the columns of Points differ in length: {shown}. Factorial makes combinations")
    size = max(lengths.values(), default=1)
    return columns | {name: axis_of((columns[name][0],) * size) for name in scalars}, size


def of_rows(given: Any) -> tuple[dict[str, Axis], int]:
    """The rows of a frame or a list of mappings as columns, and their number. A name that a row lacks is MISSING."""
    pairs = frame_columns(given)
    if pairs is None:
        pairs, size = _of_mappings(given)
    else:
        size = len(pairs[0][1]) if pairs else 0
    if not size:
        raise DesignError("Points was given no rows; give at least one")
    columns = _named(pairs, "Points", "in the names of columns, or typed with another letter that Python reads as it")
    return {name: axis_of(exact_levels(values, f"column {name!r}")) for name, values in columns.items()}, size


def _of_mappings(given: Any) -> tuple[list[tuple[Any, list[Any]]], int]:
    if is_scalar(given):
        raise DesignError(f"Points takes a list of mappings, a frame, or columns by name; got {type_name(given)}")
    rows = list(given)
    names: dict[Any, None] = {}
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise DesignError(
                f"row {number} of Points must map names to values; got {type_name(row)}. The levels of one parameter "
                "are given by its name, as {'x': [1, 2, 3]}"
            )
        names.update(dict.fromkeys(row))
    return [(name, [row.get(name, MISSING) for row in rows]) for name in names], len(rows)


def _named(pairs: Sequence[tuple[Any, Any]], what: str, how: str) -> dict[str, Any]:
    """The pairs as a dict, the names checked and as Python reads them."""
    names = [parameter_name(name) for name, _ in pairs]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DesignError(f"{what} was given {', '.join(map(repr, twice))} twice, {how}")
    return dict(zip(names, (value for _, value in pairs), strict=True))


def parameter_name(name: Any) -> str:
    if not isinstance(name, str):
        raise DesignError(f"the name of a parameter is a string; got {name!r} ({type_name(name)})")
    check_text(name := str.__str__(name), "a parameter's name")
    read = read_name(name)
    if not read or read.startswith("_"):
        raise DesignError(f"a parameter's name is neither empty nor begins with '_', as ours do; got {name!r}")
    return read
