"""Axes: the very levels by their places, written alike however they are given, computed in equal steps."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylab.core.axes import Listed, Stepped, axis_of, read_axis, repeated
from raylab.core.values import JSON, key_of

LEVELS = st.lists(
    st.sampled_from(
        [None, True, 0, 1, 2, 3, 2.0, 0.5, 1.5, -0.0, math.nan, math.inf, "1", (1,), [1], Decimal(1), 2**70]
    ),
    min_size=1,
    max_size=5,
)
RANGES = st.builds(range, st.integers(-9, 9), st.integers(-9, 9), st.sampled_from([-3, -1, 1, 2])).filter(len)
LINSPACES = st.builds(
    lambda first, last, size: np.linspace(first, last, size).tolist(),
    st.floats(allow_nan=False, allow_infinity=False, width=16),
    st.floats(allow_nan=False, allow_infinity=False, width=16),
    st.integers(1, 50),
)


@given(LEVELS | RANGES | LINSPACES)
def test_an_axis_has_the_very_levels_by_place_and_read_back(levels: Any) -> None:
    axis = axis_of(levels if isinstance(levels, range) else tuple(levels))
    back = read_axis(json.loads(JSON.encode(axis.written()), parse_constant=pytest.fail))

    for each in (axis, back):
        assert list(map(repr, each)) == list(map(repr, levels))
        assert repr(each.take(np.arange(each.size)[::-1])) == repr(list(levels)[::-1])
        assert repr(each[-1]) == repr(levels[-1])
    assert back.written() == axis.written()


@given(LEVELS)
def test_what_stands_twice_is_found_where_it_stands_again(levels: list[Any]) -> None:
    keys = list(map(key_of, levels))
    assert repeated(levels) == next((at for at, key in enumerate(keys) if key in keys[:at]), None)


@pytest.mark.parametrize(
    "levels",
    [
        (5, 3, 1),
        range(5, 0, -2),
        tuple(np.linspace(0, 1, 101).tolist()),
        tuple(np.linspace(0, 1, 50).tolist()),  # 49 steps of 1/49 are 0.9999999999999999
        tuple(np.linspace(3, -7, 12).tolist()),
        (0.0, 0.5, 1.0),
        range(-(2**70), 2**70, 2**60),
    ],
)
def test_equal_steps_are_computed(levels: Any) -> None:
    assert isinstance(axis_of(levels), Stepped)
    assert len(JSON.encode(axis_of(levels).written())) < 100


@pytest.mark.parametrize(
    "levels",
    [
        (1,),
        range(2),
        (1, 1, 1),
        (0, True, 2),
        (0, 1, 2.0),
        (-1.0, -0.0, 1.0),
        (0.0, 0.1, 0.3),
        (1.0, math.inf, math.inf),
        (math.nan, math.nan, math.nan),
        tuple(np.linspace(1e16, 1e16 + 4, 9).tolist()),
        (1, 2, 1),
    ],
)
def test_what_is_not_in_equal_steps_or_repeats_a_level_is_listed(levels: Any) -> None:
    assert isinstance(axis_of(levels), Listed)


def test_a_huge_axis_is_computed_exactly() -> None:
    axis = axis_of(range(-(2**63), 2**63, 2**32 + 1))
    assert axis.size == len(range(-(2**63), 2**63, 2**32 + 1))
    places = np.array([0, 1, axis.size - 1])
    assert axis.take(places) == [axis[0], axis[1], axis[-1]]
    assert axis.computed(places).dtype == np.int64
    beyond = axis_of(range(10**30))
    assert (beyond.size, beyond[10**29]) == (10**30, 10**29)
    assert beyond.take(np.array([2**62])) == [2**62]
    with pytest.raises(IndexError):
        axis[axis.size]
