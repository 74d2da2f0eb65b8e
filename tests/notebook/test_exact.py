"""Which integers a float does not hold, where they stand in a value, and what a field says of that."""

from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import wire_batch

import raylab.notebook.exact
from raylab.notebook.arrow_types import describe, unify
from raylab.notebook.columns import column
from raylab.notebook.exact import EXACT, about, fits, inexact, inexact_ints, marks
from raylab.notebook.schema import Schema

BIG = 2**53 + 1


def test_the_examples() -> None:
    assert doctest.testmod(raylab.notebook.exact).failed == 0


@given(st.integers(-(2**64), 2**64))
def test_a_float_holds_what_comes_back_from_it(number: int) -> None:
    assert fits(number) == (int(float(number)) == number)


@pytest.mark.parametrize(
    ("value", "places"),
    [
        (1, []),
        (2**54, []),
        (BIG, [()]),
        (-BIG, [()]),
        (2**64 - 1, [()]),
        ([1, None, BIG], [(0,)]),
        ([[1], [BIG]], [(0, 0)]),
        ({"a": BIG, "b": 1, "c": "x"}, [("a",)]),
        ([{"a": 1}, {"a": BIG}, None], [(0, "a")]),
        (np.array([1, BIG]), [(0,)]),
        (np.array([[1, 2], [3, BIG]]), [(0, 0)]),
        (np.array([0.5, 1e300]), []),
        (None, []),
    ],
)
def test_the_places_of_a_value(value: Any, places: list[Any]) -> None:
    assert inexact(*describe(value)) == set(places)


def test_a_columns_field_tells_it() -> None:
    ((field, _),) = column("x", [1, None, BIG])
    assert field.metadata == {EXACT: b"[[]]"}
    ((field, _),) = column("x", [[1], [{"a": 1}][:0], [BIG]])
    assert marks(field) == {(0,)}
    ((field, _),) = column("x", [1, 2**54])
    assert field.metadata is None
    assert marks(pa.field("x", pa.int64(), metadata=about({(0,), ("a", 0)}))) == {(0,), ("a", 0)}


def test_what_a_slice_does_not_hold_is_not_looked_at() -> None:
    array = pa.array([BIG, 1, None, BIG])
    assert inexact_ints(array) == {()}
    assert inexact_ints(array[1:3]) == frozenset()
    assert inexact_ints(pa.array([], pa.int64())) == frozenset()


def test_types_do_not_unite_where_one_has_such_integers() -> None:
    ints, floats = pa.struct([("a", pa.int64()), ("b", pa.int64())]), pa.struct([("a", pa.float64())])
    assert unify(ints, floats, {("b",)}) is not None
    assert unify(ints, floats, {("a",)}) is None
    assert unify(pa.int64(), pa.string(), frozenset()) is None


def test_marks_are_told_from_batch_to_batch_and_from_file_to_file() -> None:
    schema = Schema()
    for values in ([1], [BIG], [2]):
        schema.concat([wire_batch({"x": values}, {}, 1)])
    again = Schema([schema.arrow])
    for each in (schema, again):
        assert each.concat([wire_batch({"x": [0.5]}, {}, 1)]).to_pylist() == [{"x": None, "x__float": 0.5}]
    late = Schema()
    late.concat([wire_batch({"x": [0.5]}, {}, 1)])
    assert late.concat([wire_batch({"x": [BIG]}, {}, 1)]).to_pylist() == [{"x": None, "x__int": BIG}]
