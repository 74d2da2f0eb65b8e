"""The types that values have: two unite only if no value changes its kind, and arrays follow."""

from __future__ import annotations

import pyarrow as pa

from raylab.notebook.arrow_types import cast, unify


def test_cast_works_on_slices_and_nulls() -> None:
    array = pa.array([[{"a": 1}], None, [], [{"a": None}, None, {"a": 3}]])[1:]
    wide = cast(array, pa.list_(pa.struct([("b", pa.string()), ("a", pa.float64())])))
    assert wide.to_pylist() == [None, [], [{"b": None, "a": None}, None, {"b": None, "a": 3.0}]]
    wide.validate(full=True)


def test_unify_knows_what_clashes() -> None:
    assert unify(pa.bool_(), pa.int64()) is None
    assert unify(pa.timestamp("us"), pa.timestamp("us", "UTC")) is None
    assert unify(pa.null(), pa.string()) == pa.string()
    wide = [pa.struct([(f"{letter}{n}", pa.int64()) for n in range(600)]) for letter in "ab"]
    assert unify(*wide) is None
