"""Values that text cannot hold, as JSON and text, and what is to be said of it: nothing is silently another value."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

import polars as pl

EXACT = 2**53 - 1
"""Up to here each integer is a float of its own: JavaScript, jq and Excel know no other numbers."""

NESTED = "lists and structs are JSON"
BYTES = "bytes are text in base64"
SPANS = "durations are seconds"
NOT_FINITE = 'what is no finite number is the text "NaN", "Infinity" or "-Infinity"'


class Notes:
    """What was made of values that a format cannot hold, and in which columns.

    Example:
        >>> notes = Notes()
        >>> notes.add("durations are seconds", "took")
        >>> notes.lines()
        ['durations are seconds: took']
    """

    def __init__(self) -> None:
        self._columns: dict[str, dict[str, None]] = {}

    def add(self, what: str, column: str) -> None:
        """Note what became of some values of a column."""
        self._columns.setdefault(what, {})[column] = None

    def lines(self) -> list[str]:
        """A line for each thing that was done."""
        return [f"{what}: {', '.join(columns)}" for what, columns in self._columns.items()]


def plain(frame: pl.DataFrame, *, nested: bool = False, notes: Notes | None = None) -> pl.DataFrame:
    """The frame with what text cannot hold (lists, structs, bytes) as JSON, bytes in base64, durations in seconds.

    Args:
        frame: any.
        nested: leave lists and structs without bytes as they are.
        notes: takes what was done.

    Example:
        >>> plain(pl.DataFrame({"a": [[1, 2]], "b": [b"x"]})).row(0)
        ('[1, 2]', 'eA==')
    """
    notes = notes or Notes()
    changed: list[pl.Series] = []
    for name, kind in frame.schema.items():
        values = frame[name]
        if kind == pl.Binary:
            notes.add(BYTES, name)
            changed.append(_each(values, _bytes))
        elif kind.is_nested() and not (nested and "Binary" not in str(kind)):
            notes.add(NESTED, name)
            changed.append(_each(values, lambda value: json.dumps(jsonable(value), ensure_ascii=False)))
        elif kind == pl.Duration:
            notes.add(SPANS, name)
            changed.append(seconds(values))
    return frame.with_columns(changed)


def seconds(spans: pl.Series) -> pl.Series:
    """Durations in seconds, to the microsecond."""
    return spans.dt.total_microseconds() / 1e6


def jsonable(value: Any, odd: Callable[[float], Any] | None = None) -> Any:
    """A value as JSON has it, whatever it is: numbers that are not finite by their names, or what `odd` makes of them,
    bytes in base64, times as ISO 8601 has them, durations in seconds, decimals as text.

    Example:
        >>> jsonable({"loss": [1.5, float("-inf")], "raw": b"x"})
        {'loss': [1.5, '-Infinity'], 'raw': 'eA=='}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else (odd or _name)(value)
    if isinstance(value, dict):
        return {name: jsonable(each, odd) for name, each in value.items()}
    if isinstance(value, list | tuple | pl.Series):
        return [jsonable(each, odd) for each in value]
    if isinstance(value, bytes):
        return _bytes(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value if value is None or isinstance(value, str | int) else str(value)


def leaves(values: pl.Series) -> Iterator[pl.Series]:
    """A column's values, and those inside of lists and structs, those of one place in each."""
    if values.dtype in (pl.List, pl.Array):
        yield from leaves(values.explode())
    elif values.dtype == pl.Struct:
        for name in values.struct.fields:
            yield from leaves(values.struct.field(name))
    else:
        yield values


def is_finite(values: pl.Series) -> bool:
    """Whether no number in it is NaN or infinite, at any depth."""
    return all(bool(leaf.is_finite().all()) for leaf in leaves(values) if leaf.dtype.is_float())


def is_exact(values: pl.Series) -> bool:
    """Whether a float holds each integer in it, at any depth."""
    ints = [leaf.cast(pl.Float64) for leaf in leaves(values) if leaf.dtype.is_integer()]
    return not any(bool((leaf.abs() > EXACT).any()) for leaf in ints)


def _each(values: pl.Series, text: Callable[[Any], str]) -> pl.Series:
    found = [None if value is None else text(value) for value in values.to_list()]
    return pl.Series(values.name, found, dtype=pl.String)


def _bytes(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _name(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
