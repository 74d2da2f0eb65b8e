"""Variables: columns as a chart takes them, each of one of four kinds.

Promises: what a chart gets is finite numbers, moments, and text without control characters; nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from raylab.core.harmless import harmless
from raylab.core.kinds import text_of
from raylab.notebook.dense import is_pickled

Kind: TypeAlias = Literal["number", "time", "truth", "text"]

EXACT = 2**53
"""Up to here a browser's numbers hold every integer."""

WIDE = 16.0
"""So many times the least level the largest one has to be for a logarithmic scale."""

NONE = "None"
"""The text of a level, or a result, that is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """What is known of a column before it is drawn.

    Attributes:
        name: of the column.
        kind: of its values.
        levels: how many different ones there are.
        low, high: between which numbers or moments (in ms) they lie; None if there is none.
        is_log: whether they are spread evenly on a logarithmic scale.
    """

    name: str
    kind: Kind
    levels: int
    low: float | None = None
    high: float | None = None
    is_log: bool = False

    @property
    def is_continuous(self) -> bool:
        """Whether there is something between two of its values."""
        return self.kind in ("number", "time")


def variable(column: pl.Series) -> Variable:
    """What is known of a column.

    Example:
        >>> variable(pl.Series("p", [0.001, 0.01, 0.1]))
        Variable(name='p', kind='number', levels=3, low=0.001, high=0.1, is_log=True)
    """
    kind, values = drawable(column)
    different = values.unique()
    known = Variable(name=column.name, kind=kind, levels=len(different))
    numbers = different.drop_nulls()
    if not known.is_continuous or numbers.is_empty():
        return known
    found = numbers.cast(pl.Float64).sort().to_numpy()
    return Variable(
        name=column.name,
        kind=kind,
        levels=len(different),
        low=float(found[0]),
        high=float(found[-1]),
        is_log=kind == "number" and is_log(found),
    )


def is_log(levels: NDArray[np.float64]) -> bool:
    """Whether sorted levels are spread evenly on a logarithmic scale: over a wide range, with the middle one near the
    middle of the logarithms.

    Example:
        >>> [is_log(np.array(levels)) for levels in ([1.0, 3.0, 10.0, 30.0, 100.0], [1.0, 50.0, 100.0], [1.0, 10.0])]
        [True, False, False]
    """
    low, high, middle = float(levels[0]), float(levels[-1]), float(np.median(levels))
    if len(levels) < 3 or low <= 0 or high < WIDE * low:
        return False
    return abs(math.log(middle / low) / math.log(high / low) - 0.5) < 0.15


def drawable(column: pl.Series) -> tuple[Kind, pl.Series]:
    """The values of a column as a chart takes them, null where there is none that can be drawn.

    Numbers stay what they are where a browser holds them; truth values are text; moments are milliseconds of what the
    clock shows in their own zone; durations are seconds.
    """
    dtype = column.dtype
    if dtype == pl.Boolean:
        return "truth", column.cast(pl.String).str.to_titlecase().fill_null(NONE)
    if dtype.is_integer():
        is_exact = column.is_between(-EXACT, EXACT).all()
        return "number", column.cast(pl.Int64 if is_exact else pl.Float64)
    if dtype.is_float() or dtype.is_decimal():
        values = column.cast(pl.Float64)
        return "number", pl.select(pl.when(values.is_finite()).then(values)).to_series().alias(column.name)
    if isinstance(dtype, pl.Duration):
        return "number", column.dt.total_microseconds() / 1e6
    if isinstance(dtype, pl.Datetime):
        return "time", column.dt.replace_time_zone(None).dt.epoch("ms")
    if dtype == pl.Date:
        return "time", column.cast(pl.Datetime("ms")).dt.epoch("ms")
    return "text", _texts(column)


def _texts(column: pl.Series) -> pl.Series:
    dtype = column.dtype
    if is_pickled(dtype):
        column = column.struct.field("repr").alias(column.name)
    elif dtype not in (pl.String, pl.Null) and not isinstance(dtype, pl.Categorical | pl.Enum):
        texts = [None if value is None else text_of(value) for value in column.to_list()]
        column = pl.Series(column.name, texts, dtype=pl.String)
    different = column.cast(pl.String).unique().to_list()
    shown = {text: harmless(text).replace("\n", " ").replace("\t", " ") for text in different if text is not None}
    return column.cast(pl.String).replace(shown).fill_null(NONE)
