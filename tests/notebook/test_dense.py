"""Columns as arrays."""

from __future__ import annotations

import datetime as dt
import math
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from raylab.notebook.dense import block, put
from raylab.notebook.pickled import packed

NAN = math.nan


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, 2], np.int64, [1, 2]),
        ([1, None], np.float64, [1.0, NAN]),
        ([2**60, None], object, [2**60, None]),
        ([True, False], np.bool_, [True, False]),
        ([True, None], np.float64, [1.0, NAN]),
        (["a", None], object, ["a", None]),
        ([None, None], np.float64, [NAN, NAN]),
        ([[1, 2], [3]], np.float64, [[1, 2], [3, NAN]]),
        ([[[1], [2]], [[3], [4]]], np.int64, [[[1], [2]], [[3], [4]]]),
        ([[[1.0], []], [[2.0], [3.0]]], np.float64, [[[1], [NAN]], [[2], [3]]]),
        ([[], None, [True]], np.float64, [[NAN], [NAN], [1.0]]),
        ([["a"], ["b", None]], object, [["a", None], ["b", None]]),
        ([dt.time(1), None], object, [dt.time(1), None]),
    ],
)
def test_a_block_has_an_entry_for_each_row(values: Any, kind: Any, expected: Any) -> None:
    found = block(pl.Series(values))
    assert found.dtype == kind
    assert repr(found.tolist()) == repr(np.array(expected, dtype=kind).tolist())


def test_times_are_in_utc_and_nothing_is_no_time() -> None:
    moment = dt.datetime(2020, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    series = pl.Series([moment, None]).dt.convert_time_zone("Europe/Berlin")
    assert block(series).tolist() == [dt.datetime(2019, 12, 31, 23), None]
    assert block(pl.Series([dt.timedelta(days=1), None])).tolist() == [dt.timedelta(days=1), None]
    assert block(pl.Series([dt.date(2020, 1, 1)])).dtype == "datetime64[us]"


def test_arrays_that_were_kept_pickled_are_arrays_and_nothing_else_is_loaded() -> None:
    arrays = [np.array([1 + 2j, 3]), None, np.array([4j])]
    found = block(pl.Series([None if each is None else packed(each) for each in arrays]))
    assert found[0].tolist() == [1 + 2j, 3]
    assert np.isnan(found[1]).all()
    assert found[2, 0] == 4j
    trap = {"repr": "a trap", "pickle": pickle.dumps(os.getcwd)}
    odd = [packed({1: 2 + 1j}), packed(Path("x")), {"repr": "no pickle", "pickle": None}, trap]
    assert block(pl.Series(odd)).tolist() == [{1: 2 + 1j}, "PosixPath('x')", "no pickle", "a trap"]


def test_blocks_are_put_where_they_belong_and_the_type_is_kept_where_nothing_is_missing() -> None:
    both = [np.arange(2)]
    two = [(np.array([1]), both, np.array([[5, 6]], np.int8)), (np.array([0]), both, np.ones((1, 2), np.int8))]
    assert put(two, 2, [2]).dtype == np.int8
    assert put(two, 2, [2]).tolist() == [[1, 1], [5, 6]]
    assert repr(put(two[:1], 2, [2]).tolist()) == "[[nan, nan], [5.0, 6.0]]"
    assert put([(np.array([1]), [], np.array(["b"], object))], 2, []).tolist() == [None, "b"]
    assert put([(np.array([0]), [np.array([2, 0])], np.array([[1.5, 2.5]], np.float32))], 1, [3]).dtype == np.float32
    assert put([], 3, []).tolist() != [0, 0, 0]
