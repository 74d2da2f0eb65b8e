"""The same rows are the same frame: whatever came first, however it was split into batches, commits and parts."""

from __future__ import annotations

import collections
import datetime as dt
import os
import sys
import tempfile
import types
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import polars.selectors as cs
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sweeps import NEVER, Bench, leased, sweep

from raylab.code.pack import pack
from raylab.core.design import Factorial
from raylab.offline import Notebook

BIG = 2**53 + 1
BERLIN, TOKYO = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Tokyo")
NOON = dt.datetime(2024, 7, 1, 12)

BOX = types.ModuleType("arrivals_of_this_test")
sys.modules[BOX.__name__] = BOX


def returning() -> Any:
    def returns(p: int, seed: int) -> Any:
        import sys

        return sys.modules["arrivals_of_this_test"].made(p)

    return returns


RETURNING = pack(returning())

NUMBERS = st.sampled_from([0, 1, -3, 2**53, 2**54, BIG, -BIG, 2**63, 2**64 - 1, 0.5, 1.0, float("nan"), 1e300])
SCALARS = st.one_of(
    NUMBERS,
    NUMBERS,
    st.sampled_from([None, None, True, "a", "b", b"a", Decimal("1.5"), 1j, 2**70]),
    st.sampled_from([NOON, NOON.replace(tzinfo=dt.UTC), NOON.replace(tzinfo=BERLIN), NOON.replace(tzinfo=TOKYO)]),
    st.sampled_from([NOON.date(), NOON.time(), dt.timedelta(1)]),
)
NESTED = st.recursive(
    st.one_of(NUMBERS, st.sampled_from([None, "a", True])),
    lambda some: st.lists(some, max_size=2) | st.dictionaries(st.sampled_from("abc"), some, min_size=1, max_size=2),
    max_leaves=4,
)
ITEMS = st.sampled_from([None, 1, BIG, 0.5, 2**63, "a"])
FAMILIES = [
    NUMBERS,
    SCALARS,
    st.lists(ITEMS, max_size=2),
    st.dictionaries(st.sampled_from("abc"), ITEMS, min_size=1, max_size=3),
    NESTED,
]
NAMES = st.sampled_from(["a", "b", "a__int", "a__list", "a__list2", "p", "p__result", "_seed", "n\0", "*", "b__float"])


@st.composite
def rows(draw: st.DrawFn) -> list[Any]:
    """What trials return: in few names and of few families, so that kinds meet."""
    families = draw(st.lists(st.sampled_from(FAMILIES), min_size=1, max_size=2))
    values = st.sampled_from(draw(st.lists(st.one_of(*families), min_size=2, max_size=5)))
    names = draw(st.lists(NAMES, min_size=1, max_size=2, unique=True))
    row = st.lists(st.sampled_from(names), max_size=2, unique=True).flatmap(
        lambda own: st.fixed_dictionaries(dict.fromkeys(own, values))
    )
    one = st.one_of(row, row, row, row, st.lists(row, max_size=2), st.just(ValueError("on purpose")))
    return draw(st.lists(one, min_size=2, max_size=6))


def told(trials: list[Any]) -> Any:
    def made(p: int) -> Any:
        if isinstance(trials[p], Exception):
            raise trials[p]
        return trials[p]

    return made


def arrived(root: Path, trials: list[Any], data: st.DataObject, repeats: int) -> Notebook:
    """A notebook of these trials, which came in some order, in some batches and commits, some of them sealed."""
    BOX.made = told(trials)  # type: ignore[attr-defined]
    bench = Bench(root)
    bench.submit("SWEEP", RETURNING, Factorial(p=range(len(trials))), seed=1, repeats=repeats)
    total = len(trials) * repeats
    cuts = sorted(data.draw(st.sets(st.integers(1, total - 1), max_size=total)))
    leases = data.draw(st.permutations(list(zip([0, *cuts], [*cuts, total], strict=True))))
    package, _ = bench._packages["SWEEP"]
    waiting: list[Any] = []
    for start, stop in leases:
        waiting += leased(package, start, stop, flush_s=data.draw(st.sampled_from([0.0, NEVER])))
        if data.draw(st.booleans()):
            bench.commit("SWEEP", waiting)
            waiting = []
            if data.draw(st.booleans()):
                bench.seal("SWEEP")
    if waiting:
        bench.commit("SWEEP", waiting)
    return Notebook(root)


def seen(notebook: Notebook, **words: Any) -> list[pl.DataFrame]:
    about = ["_point", "_repeat", "_status", "_seed", "_error"]
    return [notebook.results("SWEEP", status=status, metadata=about) for status in ("done", "all", "failed")]


def test_the_same_rows_are_the_same_frame(rounds: int) -> None:
    how = settings(max_examples=25 * rounds, deadline=None, suppress_health_check=list(HealthCheck))
    how(given(rows(), st.integers(1, 2), st.data())(check_frames))()


def check_frames(trials: list[Any], repeats: int, data: st.DataObject) -> None:
    with (
        tempfile.TemporaryDirectory() as one,
        tempfile.TemporaryDirectory() as other,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(os, "fsync", lambda _: None)
        first = arrived(Path(one), trials, data, repeats)
        second = arrived(Path(other), trials, data, repeats)
        for before, after in zip(seen(first), seen(second), strict=True):
            assert dict(before.schema) == dict(after.schema)
            assert before.columns == after.columns
            assert before.rows() == after.rows() or before.equals(after)
        check_scan(first)
        check_cells(first, trials, repeats)


def check_scan(notebook: Notebook) -> None:
    """The same columns in the order of `_seq`."""
    frame = notebook.results("SWEEP", metadata=True)
    assert frame.equals(frame.sort("_point", "_repeat", "_seq"))
    lazy = notebook.scan("SWEEP", metadata=True).collect()
    assert lazy["_seq"].is_sorted()
    assert dict(lazy.schema) == dict(frame.schema)
    assert lazy.sort("_point", "_repeat", "_seq").equals(frame)


def check_cells(notebook: Notebook, trials: list[Any], repeats: int) -> None:
    """Every value that was given is there, once."""
    rows = [row for trial in trials if not isinstance(trial, Exception) for row in rows_of(trial)]
    given_cells = repeats * sum(value is not None for row in rows for value in row.values())
    results = notebook.results("SWEEP").drop(cs.by_name("p", "_repeat", require_all=False))
    assert sum(results.height - column.null_count() for column in results.iter_columns()) == given_cells


def rows_of(trial: Any) -> list[dict[str, Any]]:
    return trial or [{}] if isinstance(trial, list) else [trial]


# -- one by one


def both_ways(root: Path, *values: Any) -> list[pl.DataFrame]:
    """The frames of a sweep whose trials return these as `v`, a commit each, in the order given and backwards."""
    frames = []
    for way in (1, -1):
        BOX.made = lambda p: {"v": values[p]}  # type: ignore[attr-defined]
        bench = Bench(root / str(way))
        bench.submit("SWEEP", RETURNING, Factorial(p=range(len(values))))
        batches = [batch for at in range(len(values)) for batch in leased(bench._packages["SWEEP"][0], at, at + 1)]
        for batch in sorted(batches, key=lambda batch: way * batch.rows["p"][0].as_py()):
            bench.commit("SWEEP", [batch])
        before = Notebook(root / str(way)).results("SWEEP")
        bench.seal("SWEEP")
        assert Notebook(root / str(way)).results("SWEEP").equals(before)
        frames.append(before)
    assert frames[0].schema == frames[1].schema
    assert frames[0].equals(frames[1])
    return frames


def test_an_integer_that_no_float_holds_stays_itself(tmp_path: Path) -> None:
    found, _ = both_ways(tmp_path, 1, BIG, 0.5)
    assert found.rows() == [(0, 1.0, None), (1, None, BIG), (2, 0.5, None)]
    assert found.columns == ["p", "v", "v__int"]


def test_integers_that_floats_hold_are_floats_among_floats(tmp_path: Path) -> None:
    found, _ = both_ways(tmp_path, 1, 2**54, 0.5, 2**63)
    assert found["v"].to_list() == [1.0, 2.0**54, 0.5, 2.0**63]
    assert found.width == 2


def test_large_integers_without_a_float_are_one_column(tmp_path: Path) -> None:
    found, _ = both_ways(tmp_path, 1, BIG, -BIG)
    assert found["v"].to_list() == [1, BIG, -BIG]


@pytest.mark.parametrize(
    "wrap",
    [lambda n: [n], lambda n: {"a": n}, lambda n: [{"a": [n]}], lambda n: np.array([n])],
    ids=["list", "dict", "both", "array"],
)
def test_the_same_inside_lists_and_structs(tmp_path: Path, wrap: Any) -> None:
    found, _ = both_ways(tmp_path, wrap(1), wrap(BIG), wrap(0.5))
    values = [row[1] if row[1] is not None else row[2] for row in found.rows()]
    expected = [wrap(1.0), wrap(BIG), wrap(0.5)]
    assert values == [each.tolist() if isinstance(each, np.ndarray) else each for each in expected]
    assert found.width == 3


def test_an_integer_among_floats_in_one_list_is_kept_exactly(tmp_path: Path) -> None:
    found, _ = both_ways(tmp_path, [0.5, 1], [0.5, BIG])
    assert found["v"].to_list() == [[0.5, 1.0], None]
    assert found["v__pickle"][1]["repr"] == f"[0.5, {BIG}]"


def test_the_plain_name_goes_by_kind(tmp_path: Path) -> None:
    found, _ = both_ways(
        tmp_path, [1], {"a": 1}, {1}, b"x", NOON.time(), NOON.replace(tzinfo=TOKYO), NOON.replace(tzinfo=BERLIN), NOON
    )
    assert found.columns[1:] == [
        "v",
        "v__datetime_Asia/Tokyo",
        "v__datetime_Europe/Berlin",
        "v__time",
        "v__binary",
        "v__list",
        "v__struct",
        "v__pickle",
    ]
    assert found["v"][7] == NOON


def test_an_empty_list_lies_with_the_same_lists_whatever_came_first(tmp_path: Path) -> None:
    found, _ = both_ways(tmp_path, ["a"], [], [1], [])
    assert found.columns == ["p", "v", "v__list"]
    assert found["v"].to_list() == [None, [], [1], []]
    assert found["v__list"].to_list() == [["a"], None, None, None]


def test_fields_are_sorted_only_where_their_order_depends_on_arrival(tmp_path: Path) -> None:
    found, _ = both_ways(tmp_path, {"b": 1, "a": 2}, {"c": 3})
    assert found["v"].dtype == pl.Struct({"a": pl.Int64, "b": pl.Int64, "c": pl.Int64})
    alike, _ = both_ways(tmp_path / "alike", {"b": 1, "a": 2}, {"b": 3, "a": 4})
    assert alike["v"].dtype == pl.Struct({"b": pl.Int64, "a": pl.Int64})


def test_a_kind_without_a_value_among_the_rows_is_no_column(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.submit("SWEEP", RETURNING, Factorial(p=range(2)))
    for attempt, values in enumerate((["a", "b"], [1, 2]), 1):  # what the earlier attempts gave is not returned
        BOX.made = lambda p, values=values: {"v": values[p]}  # type: ignore[attr-defined]
        bench.run("SWEEP", attempt=attempt)
    assert Notebook(tmp_path).results("SWEEP").to_dict(as_series=False) == {"p": [0, 1], "v": [1, 2]}


def test_results_stand_as_the_experiment_names_them(tmp_path: Path) -> None:
    """By the lowest trial, then by the lowest one that brings another name, whichever came first."""
    returned = [{"z": 0, "y": 0}, {"y": 1, "x": 1, "z": 1}, {"a": 2}]
    for way in (1, -1):
        BOX.made = lambda p: returned[p]  # type: ignore[attr-defined]
        bench = Bench(tmp_path / str(way))
        bench.submit("SWEEP", RETURNING, Factorial(p=range(3)))
        batches = [batch for at in range(3) for batch in leased(bench._packages["SWEEP"][0], at, at + 1)]
        for batch in sorted(batches, key=lambda batch: way * batch.rows["p"][0].as_py()):
            bench.commit("SWEEP", [batch])
        assert Notebook(tmp_path / str(way)).results("SWEEP").columns == ["p", "z", "y", "x", "a"]


def test_a_result_that_is_only_ever_none_is_a_column_and_takes_any_kind_later(tmp_path: Path) -> None:
    for late in (1, "a", [1], {"a": 1}, {1}, None):
        root = tmp_path / str(late)
        found, _ = both_ways(root, None, late, None)
        assert found.columns == ["p", "v"]
        assert found["v"].null_count() == (3 if late is None else 2)
        (part,) = (root / "1/sweeps/SWEEP").glob("*.arrow")
        assert pl.read_ipc(part).columns[-1] == "v"  # under the plain name on disk, too


def test_the_order_of_a_trials_own_rows_is_the_experiments(tmp_path: Path) -> None:
    BOX.made = lambda p: [{"step": step} for step in range(p)]  # type: ignore[attr-defined]
    bench = Bench(tmp_path)
    bench.submit("SWEEP", RETURNING, Factorial(p=[3, 1, 2]), repeats=2)
    for at in range(5, -1, -1):
        bench.run("SWEEP", at, at + 1)
    found = Notebook(tmp_path).results("SWEEP")
    assert found.rows() == [(p, repeat, step) for p in (3, 1, 2) for repeat in (0, 1) for step in range(p)]


def frames() -> dict[str, Any]:
    """What makes a frame of each library."""
    return {
        "polars": lambda: pl.DataFrame({"a": [1, None], "b": ["x", "y"]}),
        "pandas": lambda: pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": ["x", "y"]}),
        "objects": lambda: pd.DataFrame({"a": pd.Series([1, pd.NA], dtype=object), "b": ["x", "y"]}),
        "pyarrow": lambda: pa.table({"a": [1, None], "b": ["x", "y"]}),
    }


@pytest.mark.parametrize("name", frames())
def test_a_frame_of_any_library_is_rows_in_the_notebook(tmp_path: Path, name: str) -> None:
    BOX.made = lambda p: frames()[name]()  # type: ignore[attr-defined]
    sweep(tmp_path, RETURNING, Factorial(p=[0, 1]))
    assert Notebook(tmp_path).results("SWEEP").rows() == [(p, a, b) for p in (0, 1) for a, b in ((1, "x"), (None, "y"))]


@pytest.mark.parametrize(
    ("returned", "kept"),
    [
        (0.5, 0.5),
        ("text", "text"),
        ((1, 2), [1, 2]),
        (np.arange(3), [0, 1, 2]),
        (pd.Series([1.5, 2.5]), [1.5, 2.5]),
        (pd.Timestamp("2024-01-01"), dt.datetime(2024, 1, 1)),
        (pd.NaT, None),
    ],
)
def test_a_single_value_is_the_column_value(tmp_path: Path, returned: Any, kept: Any) -> None:
    BOX.made = lambda p: returned  # type: ignore[attr-defined]
    sweep(tmp_path, RETURNING, Factorial(p=[0]))
    assert Notebook(tmp_path).results("SWEEP").to_dicts() == [{"p": 0, "value": kept}]


def test_a_named_tuple_of_an_experiment_is_a_row_and_a_list_without_rows_one_of_nulls(tmp_path: Path) -> None:
    pair = collections.namedtuple("pair", ["left", "right"])
    returned = [pair(1, "a"), [pair(2, "b"), {"left": 3}], [], None]
    BOX.made = lambda p: returned[p]  # type: ignore[attr-defined]
    sweep(tmp_path, RETURNING, Factorial(p=range(4)))
    found = Notebook(tmp_path).results("SWEEP").rows()
    assert found == [(0, 1, "a"), (1, 2, "b"), (1, 3, None), (2, None, None), (3, None, None)]
