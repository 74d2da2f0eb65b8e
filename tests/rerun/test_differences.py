"""Values of rows are the same if their bits are."""

from __future__ import annotations

import math
import pickle
import struct
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylab.rerun.differences import Difference, same, values

BERLIN = ZoneInfo("Europe/Berlin")
OTHER_NAN = struct.unpack("<d", struct.pack("<Q", 0xFFF8_0000_0000_0123))[0]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (math.nan, OTHER_NAN),
        ([math.nan, 1.0], [OTHER_NAN, 1.0]),
        ({"a": [1]}, {"a": [1]}),
        (None, None),
        (b"x", b"x"),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_same(a: object, b: object) -> None:
    assert same(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (0.0, -0.0),
        (1, 1.0),
        (1, True),
        (0.1 + 0.2, 0.3),
        ([1, 2], [1]),
        ({"a": 1}, {"a": 1, "b": None}),
        ({"a": 0.0}, {"a": -0.0}),
        ("1", 1),
        (None, 0),
        (Decimal("1.1"), 1.1),
        (datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN), datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1)),
    ],
)
def test_not_the_same(a: object, b: object) -> None:
    assert not same(a, b)


@given(st.floats(), st.floats())
def test_floats_are_the_same_if_their_bits_are(a: float, b: float) -> None:
    bits = struct.pack("<d", a) == struct.pack("<d", b)
    assert same(a, b) == (bits or (math.isnan(a) and math.isnan(b)))


def pickled(value: object, shown: str = "x") -> dict[str, object]:
    return {"repr": shown, "pickle": pickle.dumps(value)}


def test_pickles_are_the_same_if_what_they_stand_for_is() -> None:
    one, other = pickle.dumps({"a", "b"}, protocol=4), pickle.dumps({"b", "a"}, protocol=5)
    assert one != other
    assert same({"repr": "", "pickle": one}, {"repr": "", "pickle": other})
    assert same(pickled(np.arange(3), "<at 0x1>"), pickled(np.arange(3), "<at 0x2>"))
    assert not same(pickled({1, 2}), pickled({1, 3}))
    assert not same(pickled({1, 2}), {"repr": "x", "pickle": None})
    assert not same({"repr": "", "pickle": b"broken"}, {"repr": "", "pickle": b"broken, too"})


def test_each_column_and_row_is_told() -> None:
    then = pl.DataFrame({"x": [1, 1, 1], "y": [0.5, 1.5, math.nan], "gone": ["a", None, None]})
    now = pl.DataFrame({"x": [1, 1], "y": [0.5, 2.5], "new": [None, 7]})
    found = list(values(then, now))
    assert [(each.name, each.row, each.recorded, each.now) for each in found] == [
        ("rows", 0, 3, 2),
        ("y", 1, 1.5, 2.5),
        ("new", 1, None, 7),
        ("gone", 0, "a", None),
    ]
    assert str(found[1]) == "y in row 1: 2.5 here, 1.5 in the record"


def test_a_long_value_is_shown_by_its_beginning() -> None:
    shown = str(Difference(kind="value", name="y", recorded=list(range(1000)), now=None))
    assert len(shown) < 150
