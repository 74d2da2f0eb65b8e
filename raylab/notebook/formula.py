"""Formulas: polars expressions over the parameters of a design, evaluated point by point.

An expression sees the parameters as results show them: an axis of mixed kinds as its levels' texts, with typed values
in siblings (`x__int`); a parameter that a point lacks as null. Promises: memory is bounded by the points that are asked
for at a time, and the value at a point follows from that point's parameters alone. What depends on others would be
another value with other neighbours: it is refused, by trial, since polars does not tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from raylab.core.closest import did_you_mean, some_of
from raylab.core.design import Design
from raylab.core.kinds import type_name
from raylab.core.names import read_name
from raylab.errors import DesignError
from raylab.notebook.headings import Heading, labels
from raylab.notebook.parameters import computed, stand
from raylab.notebook.siblings import settled

__all__ = ["CHUNK", "Formula"]

CHUNK = 2**20
"""As many points are evaluated at a time: some 10 MB for each parameter."""

TRIED = 2_000
"""As many points, from all over a design, are evaluated together to see whether they depend on each other,"""

ALONE = 64
"""and as many of these alone, at some 0.1 ms each."""

Numbers = NDArray[np.int64]


class Formula:
    """A polars expression over a design's parameters.

    Args:
        what: what an error calls that which it gives.
        design: the design.
        expression: the expression.

    Raises:
        DesignError: it is no expression, names a column that is no parameter, or gives several columns.
    """

    def __init__(self, what: str, design: Design, expression: object) -> None:
        if not isinstance(expression, pl.Expr):
            raise DesignError(
                f"{what} takes a polars expression over the parameters, as polars.col('p') > 0.5; got "
                f"{type_name(expression)}"
            )
        self._what, self.design, self._expression = what, design, expression
        self._columns = _Columns(design)
        self._names = self._used()
        self._is_constant = not self._names
        first = self._evaluated(self._columns.frame(np.arange(1), self._names))
        if first.width != 1:
            raise DesignError(
                f"{what} is one value for each point, and the expression gives several columns: {expression}"
            )

    def _used(self) -> dict[str, str]:
        """The columns that it uses by the names that it has for them; all of them where that is not told."""
        try:
            roots = dict.fromkeys(self._expression.meta.root_names())
            is_told = not self._expression.meta.has_multiple_outputs()
        except pl.exceptions.PolarsError:  # a selector inside: polars tells only on a frame
            roots, is_told = {}, False
        known = {name: name for name in self._columns.names}
        if not is_told:
            return known
        names = {root: root if root in known else read_name(root) for root in roots}
        if unknown := sorted(root for root, name in names.items() if name not in known):
            raise DesignError(
                f"{self._what} is given by {some_of(unknown)}, and the design has the parameters {self._known}"
                f"{did_you_mean(unknown[0], self._columns.names)}"
            )
        return names

    @property
    def _known(self) -> str:
        return ", ".join(map(repr, self._columns.names)) or "none"

    @property
    def names(self) -> list[str]:
        """The parameters that it follows, in the order of the design."""
        used = {self._columns.parameter[name] for name in self._names.values()}
        return [name for name in self.design.parameters if name in used]

    def check(self) -> None:
        """Try whether the value at a point follows from its own parameters.

        Raises:
            DesignError: it depends on other points.
        """
        size = self.design.size
        spread = np.linspace(0, size - 1, min(size, TRIED)).astype(np.int64)
        tried = np.unique(np.concatenate([np.arange(min(size, TRIED // 2)), spread]))
        # Not in their order: what sorts or counts on would change nothing there.
        tried = np.random.default_rng(0).permutation(tried)
        frame = self._columns.frame(tried, self._names)
        together = self._column(frame)
        step = max(1, frame.height // ALONE)
        for row in range(0, frame.height, step):
            self._compare(frame, together, row)

    def values(self, points: Numbers) -> pl.Series:
        """Its value at each of these points.

        Raises:
            DesignError: it cannot be evaluated, or depends on other points.
        """
        frame = self._columns.frame(points, self._names)
        found = self._column(frame)
        self._compare(frame, found, frame.height - 1)
        return found

    def _column(self, frame: pl.DataFrame) -> pl.Series:
        if self._is_constant:
            value = self._evaluated(frame).to_series()
            return value.new_from_index(0, frame.height) if len(value) == 1 else value
        found = self._evaluated(frame).to_series()
        if len(found) != frame.height:
            raise self._depends()
        return found

    def _compare(self, frame: pl.DataFrame, together: pl.Series, row: int) -> None:
        alone = self._column(frame.slice(row, 1))
        if len(alone) != 1 or len(together) != frame.height or not alone.equals(together.slice(row, 1)):
            raise self._depends()

    def _depends(self) -> DesignError:
        return DesignError(
            f"{self._what} is to follow from a point's own parameters, and this depends on other points: "
            f"{self._expression}. Compute what it takes of all points first, as a number, and compare with that"
        )

    def _evaluated(self, frame: pl.DataFrame) -> pl.DataFrame:
        try:
            return frame.select(self._expression)
        except pl.exceptions.PolarsError as error:
            raise DesignError(
                f"{self._what} cannot be told from the parameters, which are {self._known}: {error}"
            ) from None


class _Columns:
    """The parameters of a design as columns that a reader sees."""

    def __init__(self, design: Design) -> None:
        self._design = design
        self._levels: dict[str, list[pl.Series]] = {}
        self.parameter: dict[str, str] = {}
        """Which parameter's column it is, by the names of all columns."""
        seen, words = [], []
        for name, axis in design.axes.items():
            self._levels[name], own = [], [""]
            if not axis.is_computed:
                self._levels[name], own = _of_levels(stand(name, axis), axis.size)
            seen.append(Heading(name, ()))
            words.append(own)
        self._labels = dict(zip(design.parameters, labels(seen, words), strict=True))
        for name, own in self._labels.items():
            self.parameter |= dict.fromkeys(own, name)

    @property
    def names(self) -> Sequence[str]:
        return list(self.parameter)

    def frame(self, points: Numbers, names: dict[str, str]) -> pl.DataFrame:
        """The columns of these names at these points."""
        columns: dict[str, pl.Series] = {}
        wanted = {self.parameter[name] for name in names.values()}
        for parameter in wanted:
            places = self._design.places(parameter, points)
            columns |= zip(self._labels[parameter], self._taken(parameter, places), strict=True)
        found = {alias: columns[name].alias(alias) for alias, name in names.items()}
        return pl.DataFrame(found) if found else pl.DataFrame({"": pl.zeros(len(points), pl.Int8, eager=True)})

    def _taken(self, parameter: str, places: Numbers) -> Iterable[pl.Series]:
        axis = self._design.axes[parameter]
        if axis.is_computed:
            return [_series(computed(parameter, axis, places)[1])]
        return [values.gather(pl.Series(places)) for values in self._levels[parameter]]


def _of_levels(columns: Sequence[tuple[pa.Field, pa.Array]], size: int) -> tuple[list[pl.Series], list[str]]:
    """The levels of an axis in the columns of their kinds, and the words for these."""
    series = [_series(array) for _, array in columns]
    if len(series) < 2:
        return series or [pl.repeat(None, size, dtype=pl.Null, eager=True)], [""]
    kinds = settled([field for field, _ in columns], series)
    return [kind.values for kind in kinds], [kind.word for kind in kinds]


def _series(array: pa.Array) -> pl.Series:
    found = pl.from_arrow(array)
    assert isinstance(found, pl.Series)
    return found
