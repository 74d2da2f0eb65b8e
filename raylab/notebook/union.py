"""Unions: the rows of several sweeps as one frame, each under its sweep's name.

Promises: no value changes and none is refused. Columns of one name and one kind are one; an int becomes a float only
where a float holds it. A result of several kinds is several columns, as in one sweep: NAME and NAME__KIND. So is a
parameter, but that its plain column has texts then, so that grouping by it never merges two levels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import polars as pl
import polars.selectors as cs
import pyarrow as pa

from raylab.core.design import Design
from raylab.core.request import SweepRecord
from raylab.core.texts import texts
from raylab.notebook.arrow_types import SIBLING, plain, word
from raylab.notebook.columns import numbered_name, result_name
from raylab.notebook.picking import Columns, metadata_for, picked
from raylab.notebook.siblings import settled

SWEEP = "_sweep"
"""The column with the sweeps' names."""

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)


def of_sweeps(
    records: Sequence[SweepRecord],
    read: Callable[[SweepRecord, bool | Sequence[str]], Frame],
    join: Callable[[Mapping[str, Frame], Sequence[str]], Frame],
    *,
    several: bool,
    metadata: bool | Sequence[str] = False,
    columns: Columns = None,
) -> Frame:
    """What is read of these sweeps: of the one that was meant as it is, of several joined.

    Args:
        records: the sweeps.
        read: gives the rows of one, with this metadata.
        join: `together` for frames, `scanned` for lazy ones.
        several: whether a list was asked for, be it of one.
        metadata, columns: as `results` takes them.
    """
    needed = metadata_for(columns, metadata)
    designs = [Design.loads(record.asked.design) for record in records]
    parameters: list[str] = list(dict.fromkeys(name for design in designs for name in design.parameters))
    if several:
        found = join({record.name: read(record, needed) for record in records}, parameters)
    else:
        found = read(records[0], needed)
    names = " and ".join(repr(record.name) for record in records)
    return picked(found, columns, metadata, sweeps=names, known=[*parameters, SWEEP])


def together(frames: Mapping[str, pl.DataFrame], parameters: Sequence[str]) -> pl.DataFrame:
    """The rows of several sweeps, one sweep after the other, `_sweep` in front; null where a sweep has no such column.

    Args:
        frames: of each sweep its rows, by its name.
        parameters: the names of parameters.

    Example:
        >>> frames = {"a": pl.DataFrame({"p": [1], "y": [2]}), "b": pl.DataFrame({"p": [0.5], "y": ["none"]})}
        >>> together(frames, ["p"]).to_dicts() # doctest: +NORMALIZE_WHITESPACE
        [{'_sweep': 'a', 'p': 1.0, 'y': 2, 'y__string': None},
         {'_sweep': 'b', 'p': 0.5, 'y': None, 'y__string': 'none'}]
    """
    own = [_named(frame) for frame in frames.values()]
    clashing = {name for name in set().union(*(frame.columns for frame in own)) if len(_kinds(name, own)) > 1}
    groups = [_families(frame, clashing, parameters) for frame in own]
    used = {family for group in groups for family in group.values()}
    columns: dict[str, pl.Series] = {}  # a frame of a list would give "" another name
    for family in _merged(list(dict.fromkeys(group.values())) for group in groups):
        parts = [
            (frame.height, [frame[name] for name, of in group.items() if of == family])
            for frame, group in zip(own, groups, strict=True)
        ]
        if family not in clashing:
            columns[family] = _column(family, parts)
            continue
        found = _parameter(family, parts) if family in parameters else _kinds_apart(family, _placed(parts))
        for at, (kind, values) in enumerate(found):
            name = numbered_name(f"{family}__{kind}", used) if at else family
            used.add(name)
            columns[name] = values.alias(name)
    names = pl.Series(SWEEP, [name for name, frame in frames.items() for _ in range(frame.height)], dtype=pl.String)
    made = pl.DataFrame({SWEEP: names, **columns})
    # It is null only for those without repeats, of which each run is the first.
    return made.with_columns(pl.col("_repeat").fill_null(0)) if "_repeat" in made.columns else made


def scanned(frames: Mapping[str, pl.LazyFrame], parameters: Sequence[str]) -> pl.LazyFrame:
    """The same of lazy frames; where columns of one name are of several kinds, their rows are read for it."""
    kinds = common([frame.collect_schema() for frame in frames.values()])
    if kinds is None:
        return together({name: frame.collect() for name, frame in frames.items()}, parameters).lazy()
    return pl.concat([told(frame, name, kinds) for name, frame in frames.items()])


def common(schemas: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The columns of the rows of several sweeps, where those of one name are of one type everywhere; else None."""
    kinds: dict[str, Any] = {}
    alike = all(kinds.setdefault(name, kind) == kind for schema in schemas for name, kind in schema.items())
    if not alike or SWEEP in kinds:
        return None
    return {name: kinds[name] for name in _merged(list(schema) for schema in schemas)}


def told(frame: Frame, name: str, kinds: Mapping[str, Any]) -> Frame:
    """Rows of one sweep in the columns that are common to several, its name in front; null where it has no such column.

    Args:
        frame: the rows.
        name: the sweep's.
        kinds: as `common` gives them.
    """
    there = frame.collect_schema()
    missing = [pl.lit(None, dtype=kind).alias(column) for column, kind in kinds.items() if column not in there]
    rows = frame.with_columns(pl.lit(name).alias(SWEEP), *missing).select(cs.by_name([SWEEP, *kinds]))
    return rows.with_columns(pl.col("_repeat").fill_null(0)) if "_repeat" in kinds else rows


def _named(frame: pl.DataFrame) -> pl.DataFrame:
    """A result that is called as our column is has the name that results get for that."""
    name = result_name(SWEEP, frame.columns)
    return frame.rename({SWEEP: name}) if name != SWEEP else frame


def _kinds(name: str, frames: Sequence[pl.DataFrame]) -> set[Any]:
    return {frame.schema[name] for frame in frames if name in frame.columns} - {pl.Null()}


def _families(frame: pl.DataFrame, clashing: set[str], parameters: Sequence[str]) -> dict[str, str]:
    """The name whose values each column has: of a sibling the plain one, where that has to be put together anew."""
    found: dict[str, str] = {}
    # Beside a parameter's texts is a column of strings.
    texts_of = {name for name in parameters if frame.schema.get(name) == pl.String}
    taken = {(name, str(kind)) for name, kind in frame.schema.items() if name not in texts_of}
    for name, kind in frame.schema.items():
        match = SIBLING.fullmatch(name)
        of = match["name"] if match and match["name"] in clashing and match["name"] in frame.columns else name
        # A result may be called as a sibling would be: it is one if it has that kind, and no other column has it.
        is_one = name.startswith(f"{of}__{word(_type(kind))}") and (of, str(kind)) not in taken
        is_one = is_one and (of in texts_of or of not in parameters)
        found[name] = of if is_one else name
        if name not in texts_of:
            taken.add((found[name], str(kind)))
    return found


def _merged(orders: Iterable[Sequence[str]]) -> list[str]:
    """All names: each order kept where it can be, what only a later one has beside its neighbours, or last."""
    merged: list[str] = []
    for order in orders:
        at = next((merged.index(name) for name in order if name in merged), len(merged))
        for name in order:
            if name not in merged:
                merged.insert(at, name)
            at = max(at, merged.index(name) + 1)
    return merged


Part: TypeAlias = tuple[int, list[pl.Series]]
"""Of one sweep: how many rows it has, and its columns of one name."""


def _column(name: str, parts: Sequence[Part]) -> pl.Series:
    """The one column of a name that is of one kind everywhere."""
    kind = next((values.dtype for _, some in parts for values in some if values.dtype != pl.Null), pl.Null())
    rows = [some[0].cast(kind) if some else pl.Series([None] * height, dtype=kind) for height, some in parts]
    return pl.concat([values.alias(name) for values in rows])


def _placed(parts: Sequence[Part]) -> list[pl.Series]:
    """Each column as long as all sweeps together, null where the rows are another sweep's; those of a kind as one."""
    total, start = sum(height for height, _ in parts), 0
    by_kind: dict[Any, list[pl.Series]] = {}
    for height, some in parts:
        for values in some:
            before, after = (pl.Series([None] * n, dtype=values.dtype) for n in (start, total - start - height))
            placed = pl.concat([each.alias("") for each in (before, values, after)])
            by_kind.setdefault(str(values.dtype), []).append(placed)
        start += height
    return [pl.select(pl.coalesce(*same)).to_series() for same in by_kind.values()]


def _kinds_apart(name: str, placed: Sequence[pl.Series]) -> list[tuple[str, pl.Series]]:
    """The columns of a name that is of several kinds, each with the word for it, the one with the plain name first."""
    fields = [pa.field(name, _type(values.dtype)) for values in placed]
    return [(kind.word, kind.values) for kind in settled(fields, placed)]


def _parameter(name: str, parts: Sequence[Part]) -> list[tuple[str, pl.Series]]:
    """A parameter's columns: the texts first, unless one kind holds all values."""
    mixed = [len(some) > 1 for _, some in parts]  # its plain column has texts already
    typed = [(height, some[1:] if is_text else some) for (height, some), is_text in zip(parts, mixed, strict=True)]
    kinds = _kinds_apart(name, _placed(typed))
    if len(kinds) == 1 and not any(mixed):
        return kinds
    levels = [
        level for (_, some), is_text in zip(parts, mixed, strict=True) if some and not is_text for level in some[0]
    ]
    shown = iter(texts([level.to_list() if isinstance(level, pl.Series) else level for level in levels]))
    rows = [
        some[0].cast(pl.String)
        if is_text
        else pl.Series([next(shown) if some else None for _ in range(height)], dtype=pl.String)
        for (height, some), is_text in zip(parts, mixed, strict=True)
    ]
    return [("", pl.concat([values.alias(name) for values in rows])), *kinds]


def _type(dtype: Any) -> Any:
    """The type that a column of this one has on disk."""
    return plain(pl.Series([], dtype=dtype).to_arrow().type)
