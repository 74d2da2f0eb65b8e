"""Frames of three libraries as columns: what they call missing is None, nothing else changes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from raylab.core.tabular import frame_columns, frame_rows, is_frame, series_values


@pytest.mark.parametrize(
    "column",
    [
        pd.Categorical(["a", None, "b"]),
        pd.Categorical([1.0, None, 2.0]),
        pd.Series(["x", None, "y"]),
        pd.Series(["x", math.nan, 1], dtype=object),
        pd.array([1.5, None, 2.5], dtype="Float64"),
        pd.array([1, None, 3], dtype="Int64"),
        pd.array([True, None, False], dtype="boolean"),
        pd.array([1, None, 3], dtype=pd.ArrowDtype(pa.int64())),
        pd.to_datetime(["2024-01-01", None, "2024-01-02"]),
        pd.to_datetime(["2024-01-01", None, "2024-01-02"]).tz_localize("Europe/Berlin"),
        pd.to_timedelta([1, None, 2], unit="s"),
    ],
)
def test_what_pandas_calls_missing_is_none(column: Any) -> None:
    for values in (frame_columns(pd.DataFrame({"x": column}))[0][1], series_values(pd.Series(column))):  # type: ignore[index]
        assert values is not None
        assert [value is None for value in values] == [False, True, False]


def test_nan_in_a_column_of_floats_stays_nan() -> None:
    for kind in (np.float64, np.float32):
        values = series_values(pd.Series([1.0, math.nan], dtype=kind))
        assert values is not None
        assert values[0] == 1.0
        assert math.isnan(values[1])
    assert math.isnan(frame_columns(pl.DataFrame({"x": [math.nan, None]}))[0][1][0])  # type: ignore[index]
    assert series_values(pl.Series([math.nan, None]))[1] is None  # type: ignore[index]


def test_rows_of_each_library_are_the_same() -> None:
    rows = [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    table = pa.Table.from_pylist(rows)
    frames = [pl.DataFrame(rows), pl.LazyFrame(rows), pd.DataFrame(rows), table, table.to_batches()[0]]
    assert [frame_rows(frame) for frame in frames] == [rows] * 5
    assert all(map(is_frame, frames))


def test_an_index_with_a_name_is_a_column_and_a_numbering_is_none() -> None:
    frame = pd.DataFrame({"p": [1, 2], "y": [3.0, 4.0]})
    assert frame_rows(frame.set_index("p")) == [{"p": 1, "y": 3.0}, {"p": 2, "y": 4.0}]
    assert frame_rows(frame[frame.p > 1]) == [{"p": 2, "y": 4.0}]
    labelled = pd.DataFrame({"y": [3.0]}, index=["mean"])
    assert frame_rows(labelled) == [{"y": 3.0}]
    assert frame_rows(labelled, labels=True) == [{"index": "mean", "y": 3.0}]
    many = frame.set_index(["p", "y"])
    assert frame_rows(many) == [{"p": 1, "y": 3.0}, {"p": 2, "y": 4.0}]


def test_of_columns_with_one_name_none_is_lost() -> None:
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    assert frame_columns(frame) == [("a", [1]), ("a", [2])]
    assert frame_rows(frame) == [{"a": 1, "a__2": 2}]


@pytest.mark.parametrize("value", [[1], {"a": [1]}, np.array([1]), "text", None, 3])
def test_anything_else_is_neither(value: Any) -> None:
    assert frame_columns(value) is None
    assert series_values(value) is None
    assert not is_frame(value)


def test_series_of_each_library_are_lists() -> None:
    made = [pl.Series([1, None]), pd.Series([1, None], dtype="Int64"), pd.Index([1, None], dtype="Int64")]
    made += [pa.array([1, None]), pa.chunked_array([[1], [None]]), pd.array([1, None], dtype="Int64")]
    assert [series_values(each) for each in made] == [[1, None]] * 6
