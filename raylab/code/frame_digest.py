"""Frames, series and Arrow data by their content, whatever lies behind it: chunks, offsets, caches, bytes under nulls.

Their pickles differ for a frame that was looked at, sliced, filtered or put together of parts, though its values are
the same. Here such a value becomes plain parts: texts, numpy arrays, lists.
Promises: equal content gives equal parts; pandas and polars are not imported for it; nothing is printed, nothing is
converted in place.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pyarrow as pa


def content(value: Any) -> tuple[object, ...] | None:
    """The parts of a frame, a series, an index, a table or an array; None of anything else."""
    tops = (cls.__module__.partition(".")[0] for cls in type(value).__mro__)
    top = next((top for top in tops if top in _READERS and top in sys.modules), None)
    if top is None:
        return None
    try:
        made = _READERS[top](value, sys.modules[top])
    except Exception:  # of a kind, or a version of the library, that was not met here: its pickle decides
        return None
    return None if made is None else (f"{type(value).__module__}.{type(value).__qualname__}", *made)


# pandas -------------------------------------------------------------------------------------------------------------


def _of_pandas(value: Any, pandas: Any) -> tuple[object, ...] | None:
    if isinstance(value, pandas.DataFrame | pandas.Series):
        more = {name: getattr(value, name, None) for name in type(value)._metadata if name != "_name"}
        about = (_labels(value.index, pandas), dict(value.attrs), more, value.flags.allows_duplicate_labels)
        if isinstance(value, pandas.Series):
            return (*about, value.name, _values(value, pandas))
        return (*about, _labels(value.columns, pandas), [_values(column, pandas) for _, column in value.items()])
    if isinstance(value, pandas.Index):
        return _labels(value, pandas)
    if isinstance(value, pandas.api.extensions.ExtensionArray):
        return _values(pandas.Series(value), pandas)
    return None


def _labels(index: Any, pandas: Any) -> tuple[object, ...]:
    if isinstance(index, pandas.MultiIndex):
        return ("levels", *(_labels(index.get_level_values(n), pandas) for n in range(index.nlevels)))
    return ("labels", index.name, *_values(index, pandas))


def _values(column: Any, pandas: Any) -> tuple[object, ...]:
    dtype, array = column.dtype, column.array
    if isinstance(dtype, np.dtype):
        return (str(dtype), column.to_numpy())
    if isinstance(dtype, pandas.CategoricalDtype):
        return ("category", dtype.ordered, _labels(dtype.categories, pandas), np.asarray(array.codes))
    if hasattr(array, "asi8"):  # times with a zone, periods
        return (str(dtype), array.asi8)
    if hasattr(array, "__arrow_array__"):
        return (str(dtype), *_whole(pa.array(array)))
    return (str(dtype), column.to_numpy(dtype=object))


# polars -------------------------------------------------------------------------------------------------------------


def _of_polars(value: Any, polars: Any) -> tuple[object, ...] | None:
    if isinstance(value, polars.DataFrame):
        return (value.height, [_series(value.to_series(n), polars) for n in range(value.width)])
    return _series(value, polars) if isinstance(value, polars.Series) else None


def _series(series: Any, polars: Any) -> tuple[object, ...]:
    about = (series.name, str(series.dtype))
    if series.dtype == polars.Object:
        return (*about, series.to_list())
    if series.dtype == polars.Categorical:  # its codes depend on what else the process has seen
        series = series.cast(polars.String)
    return (*about, *_array(series.to_arrow(compat_level=polars.CompatLevel.oldest())))


# Arrow --------------------------------------------------------------------------------------------------------------


def _of_arrow(value: Any, _: Any) -> tuple[object, ...] | None:
    if isinstance(value, pa.Table | pa.RecordBatch):
        fields = [(field.name, str(field.type), field.nullable, field.metadata) for field in value.schema]
        return (fields, value.schema.metadata, value.num_rows, [_whole(column) for column in value.columns])
    if isinstance(value, pa.ChunkedArray | pa.Array):
        return _whole(value)
    return (str(value.type), value.as_py()) if isinstance(value, pa.Scalar) else None


def _whole(array: Any) -> tuple[object, ...]:
    if isinstance(array, pa.ChunkedArray):
        joined = array.combine_chunks()
        if isinstance(joined, pa.ChunkedArray):  # more text than one array can hold
            return (str(array.type), joined.to_pylist())
        array = joined
    return _array(array)


def _array(array: Any) -> tuple[object, ...]:
    """Which entries are null, and what the others are: what lies under a null is anything."""
    about = (str(array.type), len(array))
    if isinstance(array, pa.ExtensionArray):
        return (*about, *_array(array.storage))
    if isinstance(array, pa.DictionaryArray):
        return (*about, *_array(array.dictionary_decode()))
    missing = np.asarray(array.is_null().to_numpy(zero_copy_only=False)) if array.null_count else None
    return (*about, missing, *_entries(array.drop_null() if array.null_count else array))


def _entries(array: Any) -> tuple[object, ...]:
    kind = array.type
    if isinstance(array, pa.StructArray):
        return tuple(_array(part) for part in array.flatten())
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return (np.asarray(array.value_lengths()), *_array(array.flatten()))
    if pa.types.is_boolean(kind):
        array = array.cast(pa.int8())
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        array = array.cast(pa.large_binary())
    buffers = array.buffers()
    if pa.types.is_large_binary(array.type):
        ends = np.frombuffer(buffers[1], np.int64, len(array) + 1, array.offset * 8) if len(array) else np.zeros(1, int)
        return (np.diff(ends), bytes(memoryview(buffers[2])[ends[0] : ends[-1]]) if buffers[2] is not None else b"")
    if pa.types.is_primitive(array.type) or pa.types.is_decimal(array.type):
        width = array.type.bit_width // 8
        return (bytes(memoryview(buffers[1])[array.offset * width :][: len(array) * width]),)
    return (array.to_pylist(),)


_READERS = {"pandas": _of_pandas, "polars": _of_polars, "pyarrow": _of_arrow}
