"""Rows from what came of trials."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from raylab.core.design import Factorial
from raylab.notebook.label_columns import CONTENTS, DIGEST
from raylab.notebook.parameters import Parameters
from raylab.notebook.rows import METADATA, RESERVED, SELDOM, TIMES, Asked, Trials, wire
from raylab.notebook.schema import MAX_COLUMNS, MORE, SEQ

UTC = dt.UTC


def trials(*results: Any, **words: Any) -> Trials:
    count = len(results)
    return Trials(
        points=np.arange(count),
        repeats=np.zeros(count, dtype=np.int64),
        seeds=np.arange(count) + 10,
        started=1_767_323_045.000001 + np.arange(count),
        elapsed=np.full(count, 0.5),
        results=results,
        **words,
    )


def wired(some: Trials, design: Factorial | None = None) -> pa.RecordBatch:
    return wire(some, Parameters(design or Factorial(p=range(10, 20))), "node", 7)


def values(batch: pa.RecordBatch, name: str) -> list[list[Any]]:
    """Of every column of that name."""
    return [a.to_pylist() for f, a in zip(batch.schema, batch.columns, strict=True) if f.name == name]


def test_every_row_says_all_about_its_trial() -> None:
    batch = wired(
        trials(
            {"x": 1},
            {},
            failures={1: ("failed", "E: e", "Traceback")},
            attempts={1: 3},
            version=2,
            warnings={1: 4},
            printed={1: 12},
            first_point=100,
            peaks={1: 4096},
            asked=Asked(2.0, 1e9, 60.0),
        )
    )
    for name, kind in METADATA.items():
        assert batch.schema.field(name).type == kind
    assert batch.select(list(METADATA)).to_pylist() == [
        {
            "_point": 100,
            "_repeat": 0,
            "_attempt": 1,
            "_code": 2,
            "_status": "done",
            "_warnings": 0,
            "_printed": None,
            "_seed": 10,
            "_started": dt.datetime(2026, 1, 2, 3, 4, 5, 1, tzinfo=UTC),
            "_elapsed_s": 0.5,
            "_num_cpus": 2.0,
            "_memory": 1e9,
            "_time_limit": 60.0,
            "_peak_memory": None,
            "_error": None,
            "_traceback": None,
            "_node": "node",
            "_pid": 7,
        },
        {
            "_point": 101,
            "_repeat": 0,
            "_attempt": 3,
            "_code": 2,
            "_status": "failed",
            "_warnings": 4,
            "_printed": 12,
            "_seed": 11,
            "_started": dt.datetime(2026, 1, 2, 3, 4, 6, 1, tzinfo=UTC),
            "_elapsed_s": 0.5,
            "_num_cpus": 2.0,
            "_memory": 1e9,
            "_time_limit": 60.0,
            "_peak_memory": 4096,
            "_error": "E: e",
            "_traceback": "Traceback",
            "_node": "node",
            "_pid": 7,
        },
    ]


def test_metadata_come_first_because_columns_have_a_limit_and_results_have_none() -> None:
    names = wired(trials({f"x{i}": i for i in range(MAX_COLUMNS)})).schema.names
    usual = [name for name in METADATA if name not in SELDOM]
    assert names[: len(usual) + 1] == [*usual, "p"]


def test_reserved_names_are_all_that_raylab_gives() -> None:
    assert {SEQ, MORE, "_metadata", DIGEST, CONTENTS, *METADATA, *TIMES} == RESERVED


def test_values_of_several_kinds_are_columns_of_one_name() -> None:
    batch = wired(trials({"x": 1}, {"x": "a"}, {}))
    assert values(batch, "x") == [[1, None, None], [None, "a", None]]


def test_results_that_come_and_go() -> None:
    batch = wired(trials({"a": 1, "b": 2}, {"a": 3, "c": 4}, {}))
    assert [values(batch, name) for name in "abc"] == [[[1, 3, None]], [[2, None, None]], [[None, 4, None]]]


def test_records_of_several_rows_share_all_but_their_results() -> None:
    some = trials([{"i": 0}, {"i": 1}], {"i": 2}, [], times=[{"_do_s": 1.0}, {}, {}], metadata=[{"m": 1}, None, {}])
    batch = wired(some)
    assert values(batch, "i") == [[0, 1, 2, None]]
    assert values(batch, "_point") == [[0, 0, 1, 2]]
    assert values(batch, "p") == [[10, 10, 11, 12]]
    assert values(batch, "_do_s") == [[1.0, 1.0, None, None]]
    assert values(batch, "_metadata") == [[{"m": 1}, {"m": 1}, None, None]]


def test_parameters_of_any_points_are_taken_by_index() -> None:
    design = Factorial(p=range(10, 1_000_000_000, 3), q=["a", None, 2])
    columns = Parameters(design).columns(np.array([0, 4, 7]))
    assert [(field.name, array.to_pylist()) for field, array in columns] == [
        ("p", [10, 13, 16]),
        ("q", ["a", "None", "None"]),  # the texts of an axis of mixed kinds, then its kinds
        ("q", ["a", None, None]),
        ("q", [None, None, None]),
    ]
    assert [array.to_pylist() for _, array in Parameters(design).columns(np.array([2]))] == [[10], ["2"], [None], [2]]


NAMES = st.lists(
    st.sampled_from(["p", "p__result", "p__result__result", "_seed", "_seed__result", "x", "a\0", "a\\x00"]),
    unique=True,
)


@given(NAMES, st.lists(st.sampled_from(["p", "p__result", "q"]), min_size=1, unique=True))
def test_no_result_is_lost_to_another_of_its_name(results: list[str], parameters: list[str]) -> None:
    design = Factorial(dict.fromkeys(parameters, -1))
    batch = wired(trials({name: number for number, name in enumerate(results)}), design)
    names = batch.schema.names
    assert len(set(names)) == len(names)
    first = batch.to_pylist()[0]
    assert all(first[name] == -1 for name in parameters)
    assert sorted(v for name, v in first.items() if name not in {*parameters, *METADATA}) == list(range(len(results)))
    for number, name in enumerate(results):
        if name not in {*parameters, *RESERVED, "a\0"}:
            assert first[name] == number  # under its own name
