"""Frames of the same columns, one after the other, as text: CSV or JSON lines."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import IO

import polars as pl
import polars.selectors as cs

from raylab.core.harmless import harmless
from raylab.terminal.cells import NOT_FINITE, Notes, is_exact, is_finite, jsonable, leaves, plain

NULLED = "what is no finite number is null"
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


def write_json(sink: IO[bytes], frames: Iterable[pl.DataFrame], notes: Notes) -> int:
    """As one JSON list with an object for each row. Gives the number of rows.

    What is no finite number is null: who reads a list whole expects numbers in a column, and JSON has none for it.
    """
    rows = 0
    sink.write(b"[")
    for frame in _slices(frames):
        told = _flat(frame, notes)
        for name in told.columns:
            if not is_finite(told[name]):
                notes.add(NULLED, name)
            if not is_exact(told[name]):
                notes.add(LARGE, name)
        for row in told.iter_rows(named=True):
            text = json.dumps(jsonable(row, lambda _: None), ensure_ascii=False, allow_nan=False)
            sink.write(f"{',' * bool(rows)}\n{text}".encode("utf-8", "backslashreplace"))
            rows += 1
    sink.write(b"\n]\n")
    return rows


def write_markdown(sink: IO[bytes], frames: Iterable[pl.DataFrame], notes: Notes) -> int:
    """As a table in Markdown, numbers to the right. Gives the number of rows."""
    rows = 0
    for at, frame in enumerate(_slices(frames)):
        told = plain(frame, notes=notes)
        if not at:
            sink.write(_row([_marked(name) for name in told.columns]))
            sink.write(_row(["---:" if kind.is_numeric() else "---" for kind in told.dtypes]))
        for row in told.iter_rows():
            sink.write(_row(["" if value is None else _marked(value) for value in row]))
            rows += 1
    return rows


def _marked(value: object) -> str:
    """A value as the text of a cell, which no sign of it ends, and which is no markup."""
    text = harmless(" ".join(str(value).split()))
    for sign in "\\|`*_<[":
        text = text.replace(sign, f"\\{sign}")
    return text


def _row(cells: Iterable[str]) -> bytes:
    return f"| {' | '.join(cells)} |\n".encode("utf-8", "backslashreplace")


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
