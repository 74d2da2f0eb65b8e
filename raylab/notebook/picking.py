"""The columns of rows that are asked for by name.

Promises: whoever names columns gets these very ones, in that order, also before the first result is in: of what nobody
knows yet there are nulls, and a warning says so. A name that nothing has, once there are results, is refused.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from typing import Any, TypeAlias, TypeVar

import polars as pl
import polars.selectors as cs

from raylab.core.closest import did_you_mean, some_of
from raylab.core.names import one_or_several, read_name
from raylab.notebook.frames import outside
from raylab.notebook.headings import ALWAYS
from raylab.notebook.rows import RESERVED

Columns: TypeAlias = str | Sequence[str] | None
"""How columns are asked for: by their names; None for all that are seen."""

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)


def check_columns(columns: object) -> list[str] | None:
    """The names that an argument means, each once.

    Raises:
        ValueError: it is no name and no list of names.
    """
    if columns is None:
        return None
    names = one_or_several(columns)
    odd = [name for name in names if not isinstance(name, str)]
    if odd or not names:
        came = repr(odd[0]) if odd else "no name"
        raise ValueError(f"columns names the columns that are wanted, as ['p', 'loss'], or is None for all; got {came}")
    return list(dict.fromkeys(names))


def metadata_for(columns: Columns, metadata: bool | Sequence[str]) -> bool | list[str]:
    """The metadata that has to be read: what is asked for as such, and what is among the columns."""
    if metadata is True:
        return True
    named = [name for name in check_columns(columns) or () if name in RESERVED]
    return list(dict.fromkeys([*_listed(metadata), *named]))


def _listed(metadata: bool | Sequence[str]) -> list[Any]:
    return [] if metadata is False else one_or_several(metadata)


def picked(
    frame: Frame, columns: Columns, metadata: bool | Sequence[str], *, sweeps: str, known: Collection[str]
) -> Frame:
    """The columns that were named, in their order, then what is metadata beside them.

    Args:
        frame: rows with all their columns.
        columns: as `results` takes them.
        metadata: likewise.
        sweeps: whose rows they are, in a sentence.
        known: the names of what there is before any result: of their parameters, and of the column of sweeps.

    Raises:
        ValueError: there is no such column, and there are results.
    """
    wanted = check_columns(columns)
    if wanted is None:
        return frame
    there: list[str] = frame.collect_schema().names()
    names: dict[str, str] = {name: name if name in there else read_name(name) for name in wanted}
    unknown: list[str] = [name for name, read in names.items() if read not in there]
    before = (*known, *RESERVED)
    has_results = any(not any(name == own or name.startswith(f"{own}__") for own in before) for name in there)
    refused = [name for name in unknown if has_results or name.startswith("_")]
    if refused:
        raise ValueError(
            f"there is no column {refused[0]!r} in the results of {sweeps}; there are {some_of(there)}"
            f"{did_you_mean(refused[0], [*there, *ALWAYS])}"
        )
    if unknown:
        tell_not_yet(unknown, sweeps)
        frame = frame.with_columns(pl.repeat(None, pl.len(), dtype=pl.Float64).alias(name) for name in unknown)
    beside: list[str] = [name for name in there if name in RESERVED and (metadata is True or name in _listed(metadata))]
    kept = dict.fromkeys([*(name if name in unknown else read for name, read in names.items()), *beside])
    return frame.select(cs.by_name(list(kept)))


def tell_not_yet(names: Sequence[str], sweeps: str) -> None:
    """Warn that nobody knows yet whether results will have these names."""
    what, are = ("a column", "it is") if len(names) == 1 else ("columns", "they are")
    warnings.warn(
        f"no result of {sweeps} is in yet, so nobody knows whether there will be {what} {some_of(names)}; {are} null "
        "here",
        stacklevel=outside(),
    )
