"""Values: one plain form each, told apart by type, read back as they were written. More of it in test_design."""

from __future__ import annotations

import datetime as dt
import doctest
import json
import math
import pickle
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import raylab.core.values
from raylab.core.values import (
    JSON,
    MISSING,
    Missing,
    copy_of,
    dump_column,
    holds,
    key_of,
    load_column,
    plain_point,
    plain_value,
    plain_values,
    size_of,
)
from raylab.errors import DesignError

LEVELS = st.lists(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec="utf-8")) | st.binary(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "$b"]), inner, max_size=2),
        max_leaves=5,
    )
    | st.just(MISSING),
    max_size=5,
).map(tuple)


@given(LEVELS)
def test_levels_are_read_back_as_they_were_written(levels: tuple[Any, ...]) -> None:
    text = JSON.encode(dump_column("x", levels))
    name, back = load_column(json.loads(text, parse_constant=pytest.fail))

    assert name == "x"
    assert list(map(key_of, back)) == list(map(key_of, levels))
    assert repr(list(back)) == repr(list(levels))


@given(LEVELS)
def test_what_is_plain_stays_as_it_is(levels: tuple[Any, ...]) -> None:
    assert repr(plain_values(levels, "here")) == repr(levels)


def test_keys_tell_types_apart() -> None:
    values = [1, 1.0, True, None, "1", b"1", Decimal(1), [1], [1.0], {"a": 1}, 0.0, -0.0, dt.date(2020, 1, 1), MISSING]

    assert len({key_of(value) for value in values}) == len(values)
    assert key_of(math.nan) == key_of(float("nan"))


def test_equal_steps_are_a_range_however_they_are_given() -> None:
    assert dump_column("x", (5, 3, 1)) == dump_column("x", range(5, 0, -2)) == {"name": "x", "range": [5, -1, -2]}
    assert dump_column("x", (0, True, 2)) == {"name": "x", "levels": [0, True, 2]}


def test_the_size_of_a_range_has_no_limit() -> None:
    assert [size_of(range(10**30)), size_of(range(5, 0, -2)), size_of(range(0)), size_of((1, 2))] == [10**30, 3, 0, 2]


def test_a_range_holds_nothing_but_ints() -> None:
    assert holds((1, [2]), list, dict)
    assert not holds((1, True), float, Missing)
    assert not holds(range(3), int)


def test_a_copy_is_its_own_at_every_depth() -> None:
    value = {"a": [{"b": 1}]}
    copy = copy_of(value)
    copy["a"][0]["b"] = 2

    assert value == {"a": [{"b": 1}]}


def test_a_point_leaves_out_what_is_missing_and_is_none_if_no_design_could_have_it() -> None:
    assert plain_point({"a": np.int8(1), "b": MISSING}) == {"a": 1}
    assert plain_point({"a": object()}) is None


def test_what_has_no_plain_form_is_refused_saying_where() -> None:
    with pytest.raises(DesignError, match=r"^the third: a value of type object cannot be a parameter"):
        plain_value([1, object()], "the third")


def test_missing_is_one_object_in_every_process() -> None:
    assert pickle.loads(pickle.dumps(MISSING)) is MISSING
    assert repr(MISSING) == "MISSING"


def test_the_examples_in_the_docstrings_are_true() -> None:
    assert doctest.testmod(raylab.core.values).failed == 0
