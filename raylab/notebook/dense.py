"""Columns as arrays: a block with an entry for each row, lists as inner dimensions, and where it is put into an array.

What is missing is NaN; of integers and truth values then all are floats (objects, where no float holds an integer), of
times NaT, of texts and anything else None. Lists of unequal length are filled up with what stands for missing.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from raylab.notebook.pickled import PARTS

EXACT: Final = 2**53
"""Integers up to here are floats, too."""


def block(series: pl.Series) -> NDArray[Any]:
    """A column as an array, its rows along the first dimension.

    Example:
        >>> block(pl.Series([[1, 2], [3]]))
        array([[ 1.,  2.],
               [ 3., nan]])
    """
    if isinstance(series.dtype, pl.List):
        return _of_lists(series)
    if is_pickled(series.dtype):
        return _stacked([None if cell is None else _unpickled(cell) for cell in series.to_list()])
    return _flat(series)


def is_pickled(kind: Any) -> bool:
    """Whether values of this type are kept pickled."""
    return isinstance(kind, pl.Struct) and {field.name for field in kind.fields} == PARTS


def _of_lists(series: pl.Series) -> NDArray[Any]:
    lengths = series.list.len().fill_null(0).to_numpy()
    longest = int(lengths.max()) if len(lengths) else 0
    items = block(series.filter(pl.Series(lengths > 0)).explode())
    shape = (len(series), longest, *items.shape[1:])
    if (lengths == longest).all():
        return items.reshape(shape)
    items, missing = widened(items)
    found = np.full(shape, missing, dtype=items.dtype)
    found[np.arange(longest) < lengths[:, None]] = items
    return found


def _flat(series: pl.Series) -> NDArray[Any]:
    kind = series.dtype
    if kind == pl.Boolean and series.null_count():
        series = series.cast(pl.Float64)
    elif kind == pl.Null:
        return np.full(len(series), np.nan)
    elif kind == pl.Date:
        series = series.cast(pl.Datetime("us"))
    elif isinstance(kind, pl.Datetime) and kind.time_zone:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    elif kind.is_integer() and series.null_count():
        if not _are_floats(series.drop_nulls().to_numpy()):
            return _objects(series.to_list())
        series = series.cast(pl.Float64)
    elif not (kind.is_integer() or kind.is_float() or kind in (pl.Boolean, pl.Duration) or kind.is_temporal()):
        return _objects(series.to_list())
    if kind == pl.Time:
        return _objects(series.to_list())
    return np.array(series.to_numpy())


def _objects(values: Sequence[object]) -> NDArray[Any]:
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def _are_floats(values: NDArray[Any]) -> bool:
    return not values.size or bool(values.max() <= EXACT and values.min() >= -EXACT)


def widened(values: NDArray[Any]) -> tuple[NDArray[Any], object]:
    """The values in a type that has something for what is missing, and that."""
    kind = values.dtype.kind
    if kind in "Mm":
        return values, np.array("NaT", values.dtype)
    if kind in "fc":
        return values, np.nan
    if kind == "b" or (kind in "iu" and _are_floats(values)):
        return values.astype(np.float64), np.nan
    return values.astype(object), None


def put(
    pieces: Sequence[tuple[NDArray[np.int64], Sequence[NDArray[np.int64]], NDArray[Any]]],
    cells: int,
    sizes: Sequence[int],
) -> NDArray[Any]:
    """Blocks, put into one array.

    Args:
        pieces: of each block in which cells its rows lie, at which places along each inner dimension, and itself.
        cells: how many there are.
        sizes: of the inner dimensions.
    """
    values = [each for _, _, each in pieces]
    full = sum(each.size for each in values) == cells * int(np.prod(sizes, dtype=np.int64))
    kind = _common([each if full else widened(each)[0] for each in values])
    if full:
        found = np.empty((cells, *sizes), dtype=kind)
    else:
        found = np.full((cells, *sizes), widened(np.empty(0, kind))[1], dtype=kind)
    for rows, places, each in pieces:
        found[np.ix_(rows, *places)] = each
    return found


def _common(values: Sequence[NDArray[Any]]) -> Any:
    """The type that has all of them; that of objects where no other has each as it is."""
    try:
        kind = np.result_type(*values) if values else np.dtype(np.float64)
    except TypeError:  # times beside numbers
        return np.dtype(object)
    return np.dtype(object) if any(_changes(each, kind) for each in values) else kind


def _changes(values: NDArray[Any], kind: np.dtype[Any]) -> bool:
    """Whether numpy would make texts of numbers, or round integers."""
    if kind.kind in "US":
        return values.dtype.kind != kind.kind
    return kind.kind in "fc" and values.dtype.kind in "iu" and not _are_floats(values)


def _stacked(cells: Sequence[Any]) -> NDArray[Any]:
    """Values that were kept pickled, arrays of one number of dimensions as such."""
    arrays = [None if cell is None else np.asarray(cell) for cell in cells]
    there = [array for array in arrays if array is not None]
    if not there or len({array.ndim for array in there}) > 1 or any(a.dtype.hasobject and not a.ndim for a in there):
        return _objects(cells)
    sizes = tuple(np.max([array.shape for array in there], axis=0).astype(int)) if there[0].ndim else ()
    pieces = [
        (np.array([row]), list(map(np.arange, array.shape)), array[None])
        for row, array in enumerate(arrays)
        if array is not None
    ]
    return put(pieces, len(cells), sizes)


def _unpickled(cell: dict[str, Any]) -> Any:
    """A value of numpy or a complex number; of anything else its text: what a notebook holds is not executed."""
    try:
        return _Unpickler(io.BytesIO(cell["pickle"])).load()
    except Exception:  # no pickle, or one of something else
        return cell["repr"]


_NUMPY: Final = {
    "builtins": {"complex"},
    "numpy": {"ndarray", "dtype"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
    "numpy._core.numeric": {"_frombuffer"},
    "numpy.core.multiarray": {"_reconstruct", "scalar"},
    "numpy.core.numeric": {"_frombuffer"},
}
"""What pickles of arrays and of their numbers name."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name not in _NUMPY.get(module, ()):
            raise pickle.UnpicklingError(f"{module}.{name} is no part of an array")
        return super().find_class(module, name)
