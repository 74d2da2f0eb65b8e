"""Frames of the same columns, one after the other, as text: CSV or JSON lines."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import IO

import polars as pl
import polars.selectors as cs

from raylab.terminal.cells import NOT_FINITE, Notes, is_exact, is_finite, jsonable, leaves, plain

LARGE = "integers beyond 2^53 are exact here, and read as floats by JavaScript and jq"


SLICE_ROWS = 2**17


def write_csv(sink: IO[bytes], frames: Iterable[pl.DataFrame], notes: Notes) -> int:
    """As CSV with one line of names; nulls are empty, an empty text is quoted. Gives the number of rows."""
    rows = 0
    for at, frame in enumerate(_slices(frames)):
        sink.write(_written(partial(plain(frame, notes=notes).write_csv, include_header=not at)))
        rows += frame.height
    return rows


def write_jsonl(sink: IO[bytes], frames: Iterable[pl.DataFrame], notes: Notes) -> int:
    """As JSON lines: an object for each row. Gives the number of rows.

    JSON has no NaN and no infinity, and polars makes null of them; here they are texts that say so.
    """
    rows = 0
    for frame in _slices(frames):
        rows += frame.height
        told = _flat(frame, notes)
        odd = [name for name in told.columns if not is_finite(told[name])]
        for name in odd:
            notes.add(NOT_FINITE, name)
        for name in told.columns:
            if not is_exact(told[name]):
                notes.add(LARGE, name)
        if odd or any(_is_foreign(values) for values in told):
            lines = (json.dumps(jsonable(row), ensure_ascii=False) for row in told.iter_rows(named=True))
            sink.writelines(f"{line}\n".encode("utf-8", "backslashreplace") for line in lines)
        elif told.height:
            sink.write(_written(told.write_ndjson))
    return rows


def _slices(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Frames whose text is in memory as a whole."""
    for frame in frames:
        yield from frame.iter_slices(SLICE_ROWS) if frame.height else [frame]


def _written(write: Callable[[IO[bytes]], object]) -> bytes:
    """What polars writes. Of a pipe that nobody reads it says something else than BrokenPipeError."""
    text = io.BytesIO()
    write(text)
    return text.getvalue()


def _flat(frame: pl.DataFrame, notes: Notes) -> pl.DataFrame:
    """With texts and numbers for all that JSON has no type for, but inside of lists and structs."""
    flat = plain(frame.select(~cs.nested()), notes=notes)
    told = flat.with_columns(cs.temporal().dt.to_string("iso:strict"), cs.decimal().cast(pl.String))
    return frame.with_columns(told)


def _is_foreign(values: pl.Series) -> bool:
    """Whether lists or structs hold what JSON has no type for: that takes a look at each."""
    kinds = [leaf.dtype for leaf in leaves(values.clear())] if values.dtype.is_nested() else []
    return any(kind == pl.Binary or kind.is_temporal() or kind.is_decimal() for kind in kinds)
