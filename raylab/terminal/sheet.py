"""Frames of the same columns, one after the other, as an Excel file of one sheet.

Promises: no number is another one. Excel has no zones, no integers beyond 2^53, no NaN, no dates before March 1900, no
text of over 32,767 characters and no more than 1,048,576 rows: what it does not have is written as text that says it,
as an error value, or refused. The home of xlsxwriter.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import IO, Any

import polars as pl

from raylab.extras import needed
from raylab.terminal.cells import EXACT, Notes, is_exact, is_finite, plain

MAX_ROWS, MAX_COLUMNS, MAX_CHARS = 2**20, 2**14, 32_767

LARGE = "integers beyond 2^53 are text"
ERRORS = "NaN is #NUM!, an infinity #DIV/0!"
ZONES = "times of a zone are text"
UTC = "times are in UTC"
EARLY = "what is before March 1900 is text"
DECIMALS = "decimals that no float holds are text"
RICH = 'texts from "<r>" to "</r>" have a space at their end'
CUT = f"texts are cut at {MAX_CHARS:,} characters"

_DAY_US = 86_400_000_000
_EPOCH_DAYS = 25_569
"""Of 1970-01-01, as Excel counts."""
_MARCH_1900 = 61
"""Excel counts a 29 February 1900, so only from here on."""

_DAY, _CLOCK, _MOMENT = "yyyy-mm-dd", "hh:mm:ss.000", "yyyy-mm-dd hh:mm:ss.000"
_MOMENT_UTC = f'{_MOMENT} "UTC"'

_SLICE_ROWS = 2**14
"""As many are Python objects at once."""


class _Number(float):
    """A float that is written with all its 17 digits; xlsxwriter asks for 16."""

    def __format__(self, _: str) -> str:
        return repr(float(self))


def write_xlsx(sink: IO[bytes], frames: Iterable[pl.DataFrame], notes: Notes) -> int:
    """As a sheet with one line of names; nulls are empty cells. Gives the number of rows.

    Raises:
        ValueError: they are more rows or columns than a sheet has.
        ModuleNotFoundError: xlsxwriter is not installed.
    """
    with needed("xlsxwriter", extra="excel", purpose="an Excel file"):
        import xlsxwriter
    with xlsxwriter.Workbook(sink, {"constant_memory": True, "nan_inf_to_errors": True}) as book:
        sheet = _Sheet(book, notes)
        for frame in frames:
            sheet.check(frame)
            for rows in frame.iter_slices(_SLICE_ROWS) if frame.height else [frame]:
                sheet.put(rows)
    return sheet.rows


class _Sheet:
    """The sheet of a workbook, row by row."""

    def __init__(self, book: Any, notes: Notes) -> None:
        self.rows = 0
        self._notes = notes
        self._sheet = book.add_worksheet("results")
        self._sheet.freeze_panes(1, 0)
        self._looks = {shape: book.add_format({"num_format": shape}) for shape in (_DAY, _CLOCK, _MOMENT, _MOMENT_UTC)}
        self._bold = book.add_format({"bold": True})
        self._named = False

    def check(self, frame: pl.DataFrame) -> None:
        """Refuse what has no room."""
        if self.rows + frame.height >= MAX_ROWS or frame.width > MAX_COLUMNS:
            raise ValueError(
                f"a sheet of Excel has {MAX_ROWS - 1:,} rows below its heading and {MAX_COLUMNS:,} columns, which is "
                "too little for these results: write them as .parquet or .csv, or fewer of them"
            )

    def put(self, frame: pl.DataFrame) -> None:
        """Write these rows below the others."""
        if not self._named:
            self._named = True
            for at, name in enumerate(frame.columns):
                self._sheet.write_string(0, at, name, self._bold)
        told = plain(frame, notes=self._notes)
        looks = [self._looks.get(_shape(kind) or "") for kind in told.dtypes]
        for row in zip(*(_cells(values, self._notes) for values in told), strict=True):
            self.rows += 1
            for at, (value, look) in enumerate(zip(row, looks, strict=True)):
                if isinstance(value, str):
                    self._sheet.write_string(self.rows, at, value)
                elif isinstance(value, bool):
                    self._sheet.write_boolean(self.rows, at, value)
                elif value is not None:
                    self._sheet.write_number(self.rows, at, value, look)


def _shape(kind: Any) -> str | None:
    """How Excel shows the numbers that times are."""
    if kind == pl.Datetime:
        return _MOMENT if kind.time_zone is None else _MOMENT_UTC if kind.time_zone == "UTC" else None
    return _CLOCK if kind == pl.Time else _DAY if kind == pl.Date else None


def _cells(values: pl.Series, notes: Notes) -> list[Any]:
    """A column as xlsxwriter takes it: numbers, texts, truth values and nulls."""
    kind, name = values.dtype, values.name
    if kind.is_temporal():
        return _times(values, notes)
    if kind.is_decimal():
        cells = [None if each is None else _decimal(each) for each in values]
        if any(isinstance(each, str) for each in cells):
            notes.add(DECIMALS, name)
        return cells
    if kind.is_integer() and not is_exact(values):
        notes.add(LARGE, name)
        return [str(each) if each is not None and abs(each) > EXACT else each for each in values]
    if kind.is_float():
        if not is_finite(values):
            notes.add(ERRORS, name)
        return [None if each is None else _Number(each) for each in values]
    if kind == pl.String:
        return [None if each is None else _text(each, name, notes) for each in values]
    return values.to_list()


def _times(values: pl.Series, notes: Notes) -> list[Any]:
    """Days since the eve of 1900, as Excel counts; text where it does not."""
    kind, name = values.dtype, values.name
    shape = _shape(kind)
    if shape is None:
        notes.add(ZONES, name)
        return values.dt.to_string("iso:strict").to_list()
    if shape == _CLOCK:
        return (values.cast(pl.Int64) / 1e3 / _DAY_US).to_list()
    if shape == _MOMENT_UTC:
        notes.add(UTC, name)
    days = values.cast(pl.Datetime("us")).dt.timestamp("us") / _DAY_US + _EPOCH_DAYS
    if not (days < _MARCH_1900).any():
        return [None if each is None else _Number(each) for each in days]
    notes.add(EARLY, name)
    texts = values.dt.to_string("iso:strict")
    return [text if text is not None and day < _MARCH_1900 else day for text, day in zip(texts, days, strict=True)]


def _decimal(value: Decimal) -> _Number | str:
    return _Number(value) if Decimal(repr(float(value))) == value else str(value)


def _text(value: str, column: str, notes: Notes) -> str:
    if value.startswith("<r>") and value.endswith("</r>"):  # which xlsxwriter takes for text in several fonts
        notes.add(RICH, column)
        value += " "
    if len(value) > MAX_CHARS // 2 and (size := len(value.encode("utf-16-le")) // 2) > MAX_CHARS:
        notes.add(CUT, column)
        mark = f"… (cut here, of {size:,} characters)"
        kept = value.encode("utf-16-le")[: 2 * (MAX_CHARS - len(mark))]
        value = kept.decode("utf-16-le", "ignore") + mark
    return value
