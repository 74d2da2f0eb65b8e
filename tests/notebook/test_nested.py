"""Lists and structs whose types clash lie together by what they are, not by what came first."""

from __future__ import annotations

import doctest
import random
from typing import Any

import pyarrow as pa
import pytest
from tables import wire_batch

import raylab.notebook.nested
from raylab.notebook.nested import by_name, put_together
from raylab.notebook.schema import Schema


def test_the_examples() -> None:
    assert doctest.testmod(raylab.notebook.nested).failed == 0


def stored(values: list[Any], order: list[int]) -> list[pa.Array]:
    """The columns that a lab makes of these values when they come one by one in that order, then put together."""
    schema = Schema()
    table = schema.concat([wire_batch({"v": [values[at]]}, {}, 1) for at in order])
    places = [order.index(at) for at in range(len(values))]
    columns = [table[field.name].take(pa.array(places)).to_pylist() for field in schema.arrow]
    return put_together(list(schema.arrow), columns)


CASES = {
    "empty lists": [["a"], [], [1], [None], []],
    "numbers": [[1], [2**53 + 1], [0.5], [2**63], [2**64 - 1], [1, 2**53 + 1]],
    "places of their own": [{"a": 1, "b": 2**53 + 1}, {"b": 0.5}, {"a": 0.5}, {"a": "x"}],
    "structs that fit several": [{"a": 1}, {"a": "x"}, {"b": 1}, {"b": "x"}, {"c": [1]}, {"c": [{"d": 1}]}],
    "all null": [{"a": None}, {"a": 1}, {"a": "x"}, {"b": None, "a": None}],
    "deep": [[{"a": [1]}], [{"a": ["x"]}], [{"b": 1}], [], [{}.get("a")], [{"a": []}]],
}


@pytest.mark.parametrize("name", CASES)
def test_whatever_came_first_they_are_the_same_columns(name: str) -> None:
    values = CASES[name]
    orders = [random.Random(seed).sample(range(len(values)), len(values)) for seed in range(30)]
    first = stored(values, orders[0])
    for order in orders:
        found = stored(values, order)
        assert [array.type for array in found] == [array.type for array in first]
        assert [array.to_pylist() for array in found] == [array.to_pylist() for array in first]
    for row, value in enumerate(values):
        (there,) = [array[row].as_py() for array in first if array[row].is_valid]
        assert without_nulls(there) == without_nulls(value)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def test_no_struct_is_without_fields() -> None:
    for array in stored(CASES["all null"], [0, 1, 2, 3]):
        assert array.type.num_fields > 0
    fields = [pa.field("v", pa.struct([("a", pa.int64())])), pa.field("w", pa.struct([("a", pa.string())]))]
    (array,) = put_together(fields, [[{"a": None}], [None]])
    assert array.type == pa.struct([("a", pa.null())])


def test_fields_by_name_at_any_depth() -> None:
    kind = pa.struct([("b", pa.list_(pa.struct([("d", pa.int64()), ("c", pa.int64())]))), ("a", pa.int64())])
    inner = pa.list_(pa.struct([("c", pa.int64()), ("d", pa.int64())]))
    assert by_name(kind) == pa.struct([("a", pa.int64()), ("b", inner)])
