"""No value is refused, none is changed into another, and an odd one is alone."""

from __future__ import annotations

import datetime as dt
import math
import pickle
from decimal import Decimal
from enum import IntEnum
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raylab.notebook.columns import column
from raylab.notebook.pickled import PICKLED

UTC = dt.UTC
NOON = dt.datetime(2026, 1, 2, 12, 0, 0, 5)


class Nasty:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __reduce__(self) -> Any:
        raise RuntimeError("no pickle")


class Color(IntEnum):
    RED = 3


def kinds(values: list[Any]) -> list[str]:
    return [str(field.type) for field, _ in column("x", values)]


def one(values: list[Any]) -> list[Any]:
    ((_, array),) = column("x", values)
    result: list[Any] = array.to_pylist()
    return result


@pytest.mark.parametrize(
    ("value", "kind", "back"),
    [
        (True, "bool", True),
        (3, "int64", 3),
        (2**63, "uint64", 2**63),
        (2.5, "double", 2.5),
        ("a", "string", "a"),
        (b"a", "binary", b"a"),
        (bytearray(b"a"), "binary", b"a"),
        (NOON, "timestamp[us]", NOON),
        (NOON.replace(tzinfo=UTC), "timestamp[us, tz=UTC]", NOON.replace(tzinfo=UTC)),
        (
            NOON.replace(tzinfo=dt.timezone(dt.timedelta(hours=2))),
            "timestamp[us, tz=UTC]",
            NOON.replace(hour=10, tzinfo=UTC),
        ),
        (NOON.date(), "date32[day]", NOON.date()),
        (NOON.time(), "time64[us]", NOON.time()),
        (dt.timedelta(days=1, microseconds=1), "duration[us]", dt.timedelta(days=1, microseconds=1)),
        (Decimal("1.50"), "decimal128(38, 18)", Decimal("1.5")),
        ([1, None], "list<item: int64>", [1, None]),
        ((1, 2.5), "list<item: double>", [1.0, 2.5]),
        ({"a": 1, "b": [True]}, "struct<a: int64, b: list<item: bool>>", {"a": 1, "b": [True]}),
        ([], "list<item: null>", []),
        (np.float32(1.5), "double", 1.5),
        (np.float16(1.5), "double", 1.5),
        (np.uint64(2**63), "uint64", 2**63),
        (np.int8(3), "int64", 3),
        (np.bool_(True), "bool", True),
        (np.str_("a"), "string", "a"),
        (np.datetime64("2026-01-02T12:00:00.000005"), "timestamp[us]", NOON),
        (np.datetime64("2026-01-02"), "date32[day]", NOON.date()),
        (np.timedelta64(3, "s"), "duration[us]", dt.timedelta(seconds=3)),
        (np.arange(3), "list<item: int64>", [0, 1, 2]),
        (np.array([[1.5], [2.5]], np.float32), "list<item: list<item: double>>", [[1.5], [2.5]]),
        (np.array(["a", "b"]), "list<item: string>", ["a", "b"]),
        (np.array([1, None], object), "list<item: int64>", [1, None]),
        (np.ma.masked_array([1, 2], [False, True]), "list<item: int64>", [1, None]),
        (np.array(1.5), "double", 1.5),
        (Color.RED, "int64", 3),
    ],
    ids=repr,
)
def test_a_value_gets_its_type(value: Any, kind: str, back: Any) -> None:
    ((field, array),) = column("x", [None, value])
    assert (str(field.type), array.to_pylist()) == (kind, [None, back])


@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        1j,
        2**64,
        -(2**63) - 1,
        [1, "a"],
        {},
        {1: 2},
        {"a\0b": 1},
        {"a": {}},
        Decimal("NaN"),
        Decimal("1e-30"),
        Decimal("1e30"),
        "\ud800",
        ["\ud800"],
        np.longdouble(1.5),
        np.complex64(1),
        dt.time(1, tzinfo=UTC),
        range(3),
    ],
    ids=repr,
)
def test_a_value_of_no_type_is_pickled_beside_its_repr(value: Any) -> None:
    ((field, array),) = column("x", [value, None])
    assert field.metadata == {b"raylab.kind": b"pickle"}
    cell, none = array.to_pylist()
    assert none is None
    assert cell["repr"] == repr(value)
    if value == value:
        assert pickle.loads(cell["pickle"]) == value


def test_what_can_neither_be_shown_nor_pickled_is_noted() -> None:
    deep: list[Any] = []
    for _ in range(2000):
        deep = [deep]
    nasty, nested = one([Nasty(), deep])
    assert nasty == {"repr": "<Nasty; its repr raises an error>", "pickle": None}
    assert len(nested["repr"]) <= 10_000


def test_one_sick_value_does_not_sink_its_neighbours() -> None:
    assert kinds([1.5, Nasty(), 2.5]) == ["double", str(PICKLED)]
    (_, floats), _ = column("x", [1.5, Nasty(), 2.5])
    assert floats.to_pylist() == [1.5, None, 2.5]


def test_mixed_columns_are_split_by_kind_and_ints_widen() -> None:
    assert one([1, 2.5, 2**60, np.float32(1)]) == [1.0, 2.5, 2.0**60, 1.0]
    assert one([[1], [2**60], [0.5]]) == [[1.0], [2.0**60], [0.5]]
    assert one([{"a": 1}, {"a": 0.5, "b": "x"}]) == [{"a": 1.0, "b": None}, {"a": 0.5, "b": "x"}]
    assert one([[], [1], [None]]) == [[], [1], [None]]
    assert kinds([1, "a", True, None]) == ["int64", "string", "bool"]
    assert kinds([NOON, NOON.replace(tzinfo=UTC)]) == ["timestamp[us]", "timestamp[us, tz=UTC]"]
    assert kinds([1, 2**63]) == ["int64", "uint64"]
    assert kinds([None, None]) == kinds([]) == kinds([np.datetime64("NaT")]) == ["null"]


def test_nan_is_a_number_and_none_is_nothing() -> None:
    values = one([math.nan, None, math.inf])
    assert math.isnan(values[0])
    assert values[1:] == [None, math.inf]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.none() | st.floats() | st.integers(-(2**53), 2**53) | st.text(max_size=3), max_size=8))
def test_simple_values_come_back_as_they_were(values: list[Any]) -> None:
    back: list[Any] = [None] * len(values)
    for _, array in column("x", values):
        for row, value in enumerate(array.to_pylist()):
            if value is not None:
                assert back[row] is None
                back[row] = value
    assert [repr(float(v) if isinstance(v, int) else v) for v in back] == [
        repr(float(v) if isinstance(v, int) else v) for v in values
    ]
