"""Rows that are picked by a condition, and columns by their names, as `--where` and `--columns` say it.

A condition is an SQL expression as polars reads it: it can compute and compare, and touch nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import polars as pl
import polars.selectors as cs

from raylab.core.closest import did_you_mean, some_of
from raylab.notebook.picking import metadata_for, picked

OF_ALL = ("Agg", "Over", "Window", "Rolling", "Len")
"""What polars calls the parts of an expression that look at more than one row."""

REPEAT = "_repeat"
"""Of metadata it is seen unasked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """Which rows and columns are wanted.

    Attributes:
        where: a condition; None for all rows.
        columns: their names, in order; None for all.
        metadata: what is wanted beside the columns, as `results` takes it.
        sweeps: whose rows they are, in a sentence.
    """

    where: str | None = None
    columns: Sequence[str] | None = None
    metadata: bool | Sequence[str] = False
    sweeps: str = "this sweep"
    _condition: pl.Expr | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.where is None:
            return
        try:
            condition = pl.sql_expr(self.where)
        except pl.exceptions.PolarsError as error:
            raise ValueError(
                f'--where is a condition in SQL, such as "p > 0.5 AND L = 64"; {self.where!r} is none: {_first(error)}'
            ) from None
        object.__setattr__(self, "_condition", condition)

    @property
    def needed(self) -> bool | list[str]:
        """The metadata that has to be read."""
        if self._condition is None:
            return metadata_for(self.columns, self.metadata)
        return metadata_for([*(self.columns or ()), *self._condition.meta.root_names()], self.metadata)

    @property
    def is_by_row(self) -> bool:
        """Whether it may be applied to a part of the rows: `loss = max(loss)` speaks of all of them."""
        if self._condition is None:
            return True
        # polars' own `is_row_separable` says so of `y = max(y)`, too
        tree = self._condition.meta.serialize(format="json")
        return not any(f'"{kind}"' in tree for kind in OF_ALL)

    def of(self, frame: pl.DataFrame, known: Collection[str] = ()) -> pl.DataFrame:
        """The rows and columns that are wanted.

        Args:
            frame: rows with all that is needed.
            known: the names that are no results.

        Raises:
            ValueError: there is no such column, or the condition says nothing that is true or false of a row.
        """
        if self._condition is not None:
            frame = self._filtered(frame)
        if self.columns is not None:
            return picked(frame, self.columns, self.metadata, sweeps=self.sweeps, known=known)
        needed, asked = self.needed, metadata_for(None, self.metadata)
        if not isinstance(needed, list) or not isinstance(asked, list):
            return frame
        return frame.drop(cs.by_name([*({*needed} - {*asked} - {REPEAT})], require_all=False))

    def _filtered(self, frame: pl.DataFrame) -> pl.DataFrame:
        assert self._condition is not None
        unknown = [name for name in self._condition.meta.root_names() if name not in frame.columns]
        if unknown:
            raise ValueError(
                f"--where speaks of {unknown[0]!r}, and there is no such column; there are {some_of(frame.columns)}"
                f"{did_you_mean(unknown[0], frame.columns)}"
            )
        try:
            return frame.filter(self._condition)
        except pl.exceptions.PolarsError as error:
            raise ValueError(f"--where {self.where!r} cannot be told of these rows: {_first(error)}") from None


def _first(error: Exception) -> str:
    """What polars says, without the pages that follow it."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
