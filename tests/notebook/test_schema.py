"""Columns only widen, kinds that clash get columns of their own, and polars, pyarrow and duckdb read them all."""

from __future__ import annotations

import datetime as dt
import glob
import pickle
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import polars.selectors as cs
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tables import wire_batch

from raylab.notebook import schema as schema_module
from raylab.notebook.posix import PosixStore
from raylab.notebook.rows import SELDOM, TIMES
from raylab.notebook.schema import Schema, align
from raylab.notebook.table import Table
from raylab.notebook.table_files import listing

UTC = dt.UTC
NOON = dt.datetime(2026, 1, 2, 12, 0, 0, 5)


class Nasty:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __reduce__(self) -> Any:
        raise RuntimeError("no pickle")


def test_names_that_readers_choke_on_are_cleaned() -> None:
    assert wire_batch({"a\0b\ud800": [1]}, {}, 1).schema.names == [r"a\x00b\ud800"]


def conform(schema: Schema, values: dict[str, list[Any]]) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = schema.concat([wire_batch(values, {}, len(next(iter(values.values()))))]).to_pylist()
    return result


def test_the_plain_name_belongs_to_the_kind_that_came_first() -> None:
    schema = Schema()
    assert conform(schema, {"x": [1]}) == [{"x": 1}]
    assert conform(schema, {"x": ["a", 2.5]}) == [
        {"x": None, "x__string": "a"},
        {"x": 2.5, "x__string": None},
    ]
    assert conform(schema, {"y": [True]}) == [{"x": None, "x__string": None, "y": True}]
    assert conform(schema, {"x": ["b"]})[0]["x__string"] == "b"
    assert str(schema.arrow.field("x").type) == "double"


def test_siblings_bear_short_words_and_second_ones_a_number() -> None:
    schema = Schema()
    odd = [1, "a", [1], ["a"], {"a": 1}, {1}, NOON, NOON.replace(tzinfo=UTC), NOON.date(), 2**63, b"", True]
    for value in odd:
        conform(schema, {"x": [value]})
    words = [
        "string",
        "list",
        "list2",
        "struct",
        "pickle",
        "datetime",
        "datetime_utc",
        "date",
        "uint",
        "binary",
        "bool",
    ]
    assert schema.arrow.names == ["x", *(f"x__{word}" for word in words)]


def test_sibling_names_never_collide_with_the_users_own() -> None:
    schema = Schema()
    conform(schema, {"x": [1], "x__string": [1]})
    assert conform(schema, {"x": ["a"], "x__string": ["b"]}) == [
        {"x": None, "x__string": None, "x__string2": "a", "x__string__string": "b"}
    ]
    assert conform(schema, {"_seq": [1]})[0]["_seq__int"] == 1


def test_a_dict_that_looks_like_a_pickled_value_stays_a_dict() -> None:
    schema = Schema()
    row = conform(schema, {"x": [{"repr": "r", "pickle": b"p"}, {1}]})
    assert row[0] == {"x": {"repr": "r", "pickle": b"p"}, "x__pickle": None}
    assert row[1]["x"] is None


def test_kinds_that_meet_in_a_wider_column_are_put_together() -> None:
    schema = Schema()
    conform(schema, {"x": [0.5]})
    assert conform(schema, {"x": [1, 2**63, None]}) == [{"x": 1.0}, {"x": 2.0**63}, {"x": None}]


def test_the_schema_is_rebuilt_from_files(tmp_path: Path) -> None:
    schema = Schema()
    table = Table(PosixStore(tmp_path), "t", {})
    table.open()
    for values in ({"x": [1]}, {"x": ["a"]}, {"x": [{1}]}, {"x": [0.5]}):
        table.commit(schema.concat([wire_batch(values, {}, 1)]), {})
    again = Schema(file.info.schema for file in listing(table.store, "t"))
    assert again.arrow.equals(schema.arrow, check_metadata=True)
    assert Schema([listing(table.store, "t")[-1].info.schema]).arrow == schema.arrow
    assert conform(again, {"x": ["b"]})[0]["x__string"] == "b"
    assert conform(again, {"x": [{2}]})[0]["x__pickle"]["repr"] == "{2}"


def test_several_batches_become_one_table_in_the_final_columns() -> None:
    batches = [wire_batch(v, {}, 1) for v in ({"x": [1]}, {"x": ["a"]}, {"x": [0.5], "y": [1]})]
    table = Schema().concat(batches)
    assert table.to_pydict() == {"x": [1.0, None, 0.5], "x__string": [None, "a", None], "y": [None, None, 1]}


def test_batches_of_the_same_fields_are_put_together_before_they_are_placed() -> None:
    values = [{"x": [1, 2]}, {"x": [3]}, {"x": ["a"]}, {"x": [{1}]}, {"x": [{2}]}, {"x": [4]}]
    batches = [wire_batch(each, {}, len(each["x"])) for each in values]
    one, each = Schema(), Schema()
    table = one.concat(batches)
    rows = [row for batch in batches for row in each.concat([batch]).to_pylist()]
    assert one.arrow.equals(each.arrow, check_metadata=True)
    assert table.to_pylist() == [dict.fromkeys(table.column_names) | row for row in rows]
    assert [row["x"] for row in table.to_pylist()] == [1, 2, 3, None, None, None, 4]
    assert len(table["x"].chunks) == 4
    assert Schema().concat([wire_batch({"x": []}, {}, 0)] * 2).num_rows == 0


def test_too_many_columns_go_into_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_module, "MAX_COLUMNS", 2)
    schema = Schema()
    rows = conform(schema, {"a": [1, 2], "b": [1, 2], "c": [3, None], "d": ["x", None]})
    assert [row["a"] for row in rows] == [1, 2]
    assert pickle.loads(rows[0]["_more"]) == {"c": 3, "d": "x"}
    assert rows[1]["_more"] is None
    rows = conform(schema, {"e": [1], "a": ["clash"]})
    assert pickle.loads(rows[0]["_more"]) == {"e": 1, "a": "clash"}
    assert schema.arrow.names == ["a", "b", "_more"]


def test_what_rows_say_of_their_trials_gets_a_column_however_late_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `_peak_memory` does, which only trials of 10 ms have: a column of results is no less seldom."""
    monkeypatch.setattr(schema_module, "MAX_COLUMNS", 2)
    schema = Schema()
    conform(schema, {"a": [1], "b": [1], "c": [3]})
    late = dict.fromkeys((*SELDOM, *TIMES))
    (row,) = conform(schema, {"d": [4]} | {name: [7] for name in late})
    assert pickle.loads(row["_more"]) == {"d": 4}
    assert {name: row[name] for name in late} == dict.fromkeys(late, 7)


def test_other_arrow_types_are_turned_into_the_few() -> None:
    strange = {
        "small": pa.array([1], pa.int8()),
        "half": pa.array([1.5], pa.float32()),
        "large": pa.array(["a"], pa.large_string()),
        "view": pa.array(["a"], pa.string_view()),
        "dict": pa.array(["a"]).dictionary_encode(),
        "ns": pa.array([1000], pa.timestamp("ns")),
        "zone": pa.array([1000], pa.timestamp("us", "Europe/Rome")),
        "fixed": pa.array([[1, 2]], pa.list_(pa.int32(), 2)),
        "null": pa.nulls(1),
    }
    batch = Schema().concat([wire_batch({}, strange, 1)])
    assert {f.name: str(f.type) for f in batch.schema} == {
        "small": "int64",
        "half": "double",
        "large": "string",
        "view": "string",
        "dict": "string",
        "ns": "timestamp[us]",
        "zone": "timestamp[us, tz=Europe/Rome]",
        "fixed": "list<item: int64>",
        "null": "null",
    }


def test_tables_whose_columns_clash_are_not_put_together() -> None:
    with pytest.raises(ValueError, match="'x' is int64 in one file and string"):
        align([pa.table({"x": [1]}), pa.table({"x": ["a"]})])


# -- the law: whatever comes, all readers see the same

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.integers(-5, 5),
    st.floats(),
    st.text(max_size=4),
    st.binary(max_size=4),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.dates(),
    st.times(),
    st.timedeltas(dt.timedelta(-1000), dt.timedelta(1000)),
    st.decimals(-1000, 1000, places=3),
    st.complex_numbers(),
    st.frozensets(st.integers(), max_size=2),
    st.builds(Nasty),
    st.floats(width=32).map(np.float32),
    st.integers(0, 255).map(np.uint8),
    st.lists(st.floats(width=32), max_size=3).map(lambda v: np.array(v, np.float32)),
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)
batches = st.lists(
    st.lists(st.dictionaries(st.sampled_from("abc") | st.text(max_size=3), anything, max_size=4), max_size=4),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches)
def test_any_rows_come_through_and_all_readers_agree(given_batches: list[list[dict[str, Any]]]) -> None:
    with tempfile.TemporaryDirectory() as root:
        schema, table = Schema(), Table(PosixStore(Path(root)), "t", {})
        table.open()
        for number, rows in enumerate(given_batches):
            names = {name: None for row in rows for name in row}
            columns = {name: [row.get(name) for row in rows] for name in names}
            fixed = {"_n": pa.array([number] * len(rows), pa.int64())}
            table.commit(schema.concat([wire_batch(columns, fixed, len(rows))]), {})
        before = check_readers(root, given_batches)
        table.seal(lambda metas: {})
        assert_same(check_readers(root, given_batches), before)


def check_readers(root: str, given_batches: list[list[dict[str, Any]]]) -> pl.DataFrame:
    total = sum(map(len, given_batches))
    paths = sorted(glob.glob(f"{root}/t/*.arrow")) + sorted(glob.glob(f"{root}/t/journal/*.arrow"))  # noqa: PTH207
    lf = pl.concat([pl.scan_ipc(path) for path in paths], how="diagonal_relaxed")
    frame = lf.unique("_seq", keep="first", maintain_order=True).collect()
    assert frame["_seq"].to_list() == list(range(total))
    ours = align([file.table for file in listing(PosixStore(Path(root)), "t")])
    ours.validate(full=True)
    assert set(frame.columns) == set(ours.column_names)
    assert duckdb.sql("select * from ours").arrow().read_all().num_rows == total
    assert duckdb.sql("select * from frame").arrow().read_all().num_rows == total
    # Every value that was given is there, in exactly one column.
    given_cells = sum(value is not None for rows in given_batches for row in rows for value in row.values())
    cells = sum(len(ours) - ours.column(name).null_count for name in ours.column_names if name not in {"_seq", "_n"})
    assert cells == given_cells
    return frame


def assert_same(a: pl.DataFrame, b: pl.DataFrame) -> None:
    assert a.select(cs.by_name(sorted(a.columns))).equals(b.select(cs.by_name(sorted(b.columns))))
