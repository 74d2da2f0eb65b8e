"""Tables of other libraries as columns of Python values: frames and series of polars, pandas and pyarrow.

Promises: no library is imported for it: whoever holds one of its objects has it loaded. What a frame calls missing
(NA, NaT, None; NaN where the column holds no floats) is None; NaN in a column of floats stays NaN.
Must never change a value, or leave out a column without being told to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Table", "frame_columns", "frame_rows", "is_frame", "series_values", "table_of"]

_FRAMES = {"polars": {"DataFrame", "LazyFrame"}, "pandas": {"DataFrame"}, "pyarrow": {"Table", "RecordBatch"}}
_SERIES = {
    "polars": {"Series"},
    "pandas": {"Series", "Index", "ExtensionArray"},
    "pyarrow": {"Array", "ChunkedArray"},
}


@dataclass(frozen=True, slots=True)
class Table:
    """A frame as plain data: what a frame is that stands in a row.

    Attributes:
        columns: by name their values.
        rows: how many there are.
    """

    columns: Mapping[str, Sequence[object]]
    rows: int

    @property
    def nbytes(self) -> int:
        """About how many bytes it takes."""
        return 8 * self.rows * len(self.columns)


def table_of(frame: Any) -> Table | None:
    """A frame as plain data, with an index that tells something as a column; None for what is no frame."""
    columns = frame_columns(frame, labels=True)
    if columns is None:
        return None
    names = list(_unique(str(name) for name, _ in columns))
    rows = len(columns[0][1]) if columns else 0
    return Table(dict(zip(names, (values for _, values in columns), strict=True)), rows)


def is_frame(value: object) -> bool:
    """Whether the value is a frame or a table of one of the three libraries."""
    return _library(value, _FRAMES) is not None


def frame_columns(frame: Any, *, labels: bool = False) -> list[tuple[Any, list[Any]]] | None:
    """The columns of a frame by name, in its order; None for what is no frame.

    Args:
        frame: of polars (a lazy one is collected), pandas or pyarrow.
        labels: also take a pandas index that has no name and is no numbering, as the column `index`. An index with a
            name is a column in any case.

    Example:
        >>> import polars as pl
        >>> frame_columns(pl.DataFrame({"p": [0.1, None]}))
        [('p', [0.1, None])]
    """
    match _library(frame, _FRAMES):
        case "polars":
            frame = frame.collect() if hasattr(frame, "collect") else frame
            return [(column.name, column.to_list()) for column in frame.get_columns()]
        case "pyarrow":
            return [(name, column.to_pylist()) for name, column in zip(frame.column_names, frame.columns, strict=True)]
        case "pandas":
            return [(name, _of_pandas(column)) for name, column in _pandas_columns(frame, labels)]
        case _:
            return None


def frame_rows(frame: Any, *, labels: bool = False) -> list[dict[Any, Any]] | None:
    """The rows of a frame; None for what is no frame. Of columns with one name, the later ones get `__2` and so on.

    Args:
        frame: as `frame_columns` takes it.
        labels: see there.
    """
    columns = frame_columns(frame, labels=labels)
    if columns is None:
        return None
    names = list(_unique(name for name, _ in columns))
    return [dict(zip(names, row, strict=True)) for row in zip(*(values for _, values in columns), strict=True)]


def series_values(series: Any) -> list[Any] | None:
    """The values of a series, an index or an Arrow array; None for what is none."""
    match _library(series, _SERIES):
        case "polars":
            return list(series.to_list())
        case "pyarrow":
            return list(series.to_pylist())
        case "pandas":
            return _of_pandas(series)
        case _:
            return None


def _library(value: object, classes: Mapping[str, set[str]]) -> str | None:
    """Which library the value is of, if it is of one of these classes."""
    for base in type(value).__mro__:  # what the value really is: a mock answers isinstance() as it likes
        library = str(base.__module__).partition(".")[0]
        if base.__name__ in classes.get(library, ()):
            return library
    return None


def _pandas_columns(frame: Any, labels: bool) -> Iterator[tuple[Any, Any]]:
    """The index as far as it tells something, then the columns by their place: two may have one name."""
    for level in range(frame.index.nlevels):
        index = frame.index.get_level_values(level)
        if index.name is not None:
            yield index.name, index
        elif labels and getattr(index.dtype, "kind", "O") not in "iu":
            yield "index" if frame.index.nlevels == 1 else f"index_{level}", index
    for place, name in enumerate(frame.columns):
        yield name, frame.iloc[:, place]


def _of_pandas(column: Any) -> list[Any]:
    values = column.tolist()
    is_float = isinstance(column.dtype, np.dtype) and column.dtype.kind in "fc"
    if is_float:
        return list(values)
    return [None if missing else value for value, missing in zip(values, column.isna().tolist(), strict=True)]


def _unique(names: Iterable[Any]) -> Iterator[Any]:
    given: set[Any] = set()
    for name in names:
        free, count = name, 1
        while free in given:
            count += 1
            free = f"{name}__{count}"
        given.add(free)
        yield free
