"""The columns of one name: which kinds there are, in a fixed order, each value in one of them. Mixed axes, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from sweeps import Bench, leased

from raylab.core.design import Factorial
from raylab.notebook import rows
from raylab.notebook.columns import KIND
from raylab.notebook.frames import in_turn
from raylab.notebook.headings import Heading, headings, labels
from raylab.notebook.schema import Schema
from raylab.notebook.siblings import settled
from raylab.offline import Notebook

BIG = 2**53 + 1


def kinds(**columns: Any) -> list[tuple[str, list[Any]]]:
    """What is seen of these columns on disk, by their word."""
    fields = [pa.field(name, array.type) for name, array in columns.items()]
    series = [pl.Series(array) for array in columns.values()]
    return [(kind.word, kind.values.to_list()) for kind in settled(fields, series)]


def test_integers_go_to_the_floats_that_hold_them() -> None:
    ints, floats = pa.array([1, BIG, None, 2**63 - 1]), pa.array([None, None, 0.5, None])
    assert kinds(v=ints, v__float=floats) == [
        ("float", [1.0, None, 0.5, None]),
        ("int", [None, BIG, None, 2**63 - 1]),
    ]
    large = pa.array([None, 2**63, 2**64 - 1], pa.uint64())
    assert kinds(v=pa.array([0.5, None, None]), v__uint=large) == [
        ("float", [0.5, 2.0**63, None]),
        ("uint", [None, None, 2**64 - 1]),
    ]


def test_without_floats_integers_stay() -> None:
    assert kinds(v__int=pa.array([1, None]), v=pa.array([None, "a"])) == [("int", [1, None]), ("string", [None, "a"])]


def test_a_kind_without_a_value_is_left_out_unless_all_are() -> None:
    assert kinds(v=pa.array([None], pa.string()), w=pa.array([1])) == [("int", [1])]
    assert kinds(v=pa.array([None], pa.string()), w=pa.array([None], pa.int64())) == [("int", [None])]
    assert kinds(v=pa.nulls(1), w=pa.array([None], pa.binary())) == [("binary", [None])]
    clash = {"v": pa.array([None], pa.list_(pa.int64())), "w": pa.array([None], pa.list_(pa.string()))}
    assert kinds(**clash) == [("null", [None])]


def test_names_of_siblings_are_nobody_elses() -> None:
    seen = [Heading(name, ()) for name in ("v", "v__int", "v__list")]
    assert labels(seen, [["float", "int", "list", "list"], ["string"], ["int", "float"]]) == [
        ["v", "v__int2", "v__list2", "v__list3"],
        ["v__int"],
        ["v__list", "v__list__float"],
    ]


def test_columns_of_what_is_not_there_yet_are_nobody_elses() -> None:
    there = pa.schema([pa.field("q", pa.int64())])
    found = headings(there, parameters=[pa.field("p", pa.string())], repeats=False, names=[], metadata=["_seed"])
    assert [heading.name for heading in found] == ["p", "q", "_seed"]
    assert [heading.fields[0].type for heading in found] == [pa.string(), pa.int64(), pa.int64()]


# -- mixed axes: their levels' text, and typed values beside it


class Mixed(rows.Parameters):
    """A mixed axis, as its columns go out: each level's text, then the typed values."""

    TEXT = pa.array(["sqrt", "0.5", "3", "None"])
    TYPED = (pa.array(["sqrt", None, None, None]), pa.array([None, 0.5, 3.0, None]))

    def columns(self, points: Any) -> list[tuple[Any, Any]]:
        index = pa.array(points)
        text = (pa.field("p", pa.string(), metadata={KIND: b"text"}), self.TEXT.take(index))
        return [text, *((pa.field("p", each.type), each.take(index)) for each in self.TYPED)]


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("way", [1, -1])
def test_the_text_of_a_mixed_axis_has_the_plain_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: int, sealed: bool
) -> None:
    monkeypatch.setattr("raylab.worker.lease.Parameters", Mixed)
    bench = Bench(tmp_path)
    bench.submit("SWEEP", lambda p: {"y": 1}, Factorial(p=["sqrt", 0.5, 3, None]))
    batches = [batch for at in range(4) for batch in leased(bench._packages["SWEEP"][0], at, at + 1)]
    for batch in sorted(batches, key=lambda batch: way * batch.rows["_point"][0].as_py()):
        bench.commit("SWEEP", [batch])
    if sealed:
        bench.seal("SWEEP")
    found = Notebook(tmp_path).results()
    assert found.to_dict(as_series=False) == {
        "p": ["sqrt", "0.5", "3", "None"],
        "p__float": [None, 0.5, 3.0, None],
        "p__string": ["sqrt", None, None, None],
        "y": [1, 1, 1, 1],
    }
    assert found.group_by("p").len().height == 4


def test_text_and_strings_are_kept_apart_on_disk() -> None:
    schema = Schema()
    text = pa.field("p", pa.string(), metadata={KIND: b"text"})
    fields = [text, pa.field("p", pa.string())]
    batch = pa.RecordBatch.from_arrays([pa.array(["a"]), pa.array(["a"])], schema=pa.schema(fields))
    assert schema.concat([batch]).to_pylist() == [{"p": "a", "p__string": "a"}]
    again = Schema([schema.arrow])
    assert again.concat([batch]).to_pylist() == [{"p": "a", "p__string": "a"}]


# -- the order of rows


@pytest.mark.parametrize(
    ("points", "repeats"),
    [
        ([3, 1, 2], None),
        ([7, 7, 5, 5, 5, 6], None),
        ([10**12, 3, 10**9], None),
        ([0, 0, 2], None),
        ([2, 2, 0, 0], None),
        ([1, 0, 1, 0], None),
        ([1, 0, 1], None),
        ([1, 1, 0, 0], [0, 1, 1, 0]),
        ([2**31, 2**31 + 5, 2**31 + 1], None),
    ],
)
def test_rows_are_put_by_trial(points: list[int], repeats: list[int] | None) -> None:
    given = [np.array(each) for each in (points, repeats) if each is not None]
    order = in_turn(*given)
    keys = list(zip(*(each.tolist() for each in given), strict=True))
    expected = sorted(range(len(keys)), key=lambda row: keys[row])
    assert (list(range(len(keys))) if order is None else order.to_list()) == expected


def test_rows_that_stand_so_are_left_alone() -> None:
    assert in_turn(np.array([0, 1, 1, 5])) is None
    assert in_turn(np.array([], dtype=np.int64)) is None
    assert in_turn(np.array([0, 0, 1]), np.array([0, 1, 0])) is None
