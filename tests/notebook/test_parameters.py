"""Parameters in rows: no two levels of an axis are merged, whatever their types; and trials get the very levels."""

from __future__ import annotations

import datetime as dt
import http
import math
import sys
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sweeps import rows_of, sweep

from raylab import integers
from raylab.core.design import Design, Factorial, Points, Random
from raylab.core.kinds import MISSING
from raylab.core.values import key_of
from raylab.notebook.columns import KIND
from raylab.notebook.parameters import TEXT, Parameters, stand
from raylab.offline import Notebook

BERLIN = ZoneInfo("Europe/Berlin")


def stood(levels: list[Any]) -> list[tuple[str, list[Any]]]:
    """The columns of an axis: `text` for texts of a mixture, else the type's name."""
    columns = stand("x", levels)
    return [
        ("text" if (field.metadata or {}).get(KIND) == TEXT else str(field.type), array.to_pylist())
        for field, array in columns
    ]


@pytest.mark.parametrize(
    ("levels", "kinds"),
    [
        ([1, 2], ["int64"]),
        ([1, 0.5], ["double"]),
        ([1, None], ["int64"]),
        (["a", None], ["string"]),
        ([math.nan, None, 1.0], ["double"]),
        ([(1, 2), (3, 4)], ["list<item: int64>"]),
        ([np.float32(0.5), np.float32(1)], ["double"]),
        ([uuid.UUID(int=1), None], ["string"]),
        ([http.HTTPStatus.OK], ["string"]),
        ([Path("a"), Path("b")], ["string"]),
        ([1j], ["string"]),
        ([2**70, 2**71], ["string"]),
        ([(1, "a")], ["string"]),
        (["a" * 2000, "b"], ["string"]),
        ([np.zeros(1000)], ["string"]),
        ([pd.Timestamp("2024"), pd.Timestamp("2025")], ["timestamp[us]"]),
        (["sqrt", 0.5, 3, None], ["text", "string", "double"]),
        ([1, 1.0], ["text", "double"]),
        ([True, 1], ["text", "bool", "int64"]),
        ([0.0, -0.0], ["text", "double"]),
        ([(1, 2), [1, 2]], ["text", "list<item: int64>"]),
        ([np.float32(0.5), 0.5], ["text", "double"]),
        ([{"a": 1, "b": 2}, {"b": 2, "a": 1}], ["text", "struct<a: int64, b: int64>"]),
        ([Decimal("1.5"), Decimal("1.50")], ["text", "decimal128(38, 18)"]),
        ([np.datetime64("2024-01-01"), dt.date(2024, 1, 1)], ["text", "date32[day]"]),
        ([http.HTTPStatus.OK, "HTTPStatus.OK"], ["text", "string"]),
        ([1, 2**70], ["text", "int64"]),
        ([None, MISSING, 1], ["text", "int64"]),
    ],
    ids=lambda value: "-".join(each if isinstance(each, str) else type(each).__name__ for each in value)[:60],
)
def test_an_axis_of_one_kind_is_one_column_and_a_mixture_its_texts_and_kinds(
    levels: list[Any], kinds: list[str]
) -> None:
    columns = stood(levels)
    assert [kind for kind, _ in columns] == kinds
    if kinds[0] == "text":
        texts = columns[0][1]
        assert len(set(texts)) == len({key_of(level) for level in levels})
        assert [text is None for text in texts] == [level is MISSING for level in levels]
    elif kinds == ["string"]:
        assert [text is None for text in columns[0][1]] == [level is None for level in levels]


LEVELS = st.lists(
    st.sampled_from(
        [None, MISSING, True, 1, 1.0, 2**53 + 1, 2.0**53, 0.5, "1", "None", "True", "", (1,), [1], [1.0], {"a": 1},
         b"1", np.float32(0.5), np.array([1]), Decimal(1), dt.date(2024, 1, 1), dt.datetime(2024, 1, 1), "2024-01-01",
         dt.datetime(2024, 1, 1, tzinfo=dt.UTC), dt.datetime(2024, 1, 1, 1, tzinfo=BERLIN), uuid.UUID(int=1)]
    ),
    min_size=1, max_size=6,
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(LEVELS)
def test_grouping_by_the_plain_column_merges_no_two_levels(levels: list[Any]) -> None:
    columns = stood(levels)
    first = pl.Series(columns[0][1], strict=False) if columns else pl.Series([None] * len(levels))
    groups = {first.to_frame("x").with_row_index().group_by("x").agg("index").height}
    assert groups == {len({key_of(level) for level in levels})} or {None, MISSING} == set(levels)


@settings(deadline=None, max_examples=100)
@given(LEVELS)
def test_columns_are_the_same_where_classes_are_not_imported(levels: list[Any]) -> None:
    design = Points([{} if level is MISSING else {"x": level, "y": 1} for level in [*levels, http.HTTPStatus.OK]])
    here, there = design.axis("x"), Design.loads(design.dumps()).axis("x")
    assert stand("x", here) == stand("x", there)


def test_computed_columns_hold_the_levels_that_the_points_have() -> None:
    design = Factorial(p=np.linspace(0, 1, 101), n=range(5, -5, -2), big=range(0, 2**70, 2**68), m=["a", None])
    points = np.arange(design.size)[::-7]
    columns = Parameters(design).columns(points)
    assert [(field.name, str(field.type)) for field, _ in columns] == [
        ("p", "double"), ("n", "int64"), ("big", "string"), ("m", "string"),
    ]  # fmt: skip
    rows = [design[at] for at in points.tolist()]
    for field, array in columns:
        levels = [row[field.name] for row in rows]
        assert array.to_pylist() == (list(map(str, levels)) if field.name == "big" else levels)


# -- through the worker and the notebook


def telling() -> Any:
    def told(x: Any) -> dict[str, Any]:
        import numpy

        array = (x.dtype.str, x.shape, x.tolist()) if isinstance(x, numpy.ndarray) else None
        return {"type": f"{type(x).__module__}.{type(x).__qualname__}", "repr": repr(x), "array": repr(array)}

    return told


@pytest.mark.parametrize(
    "levels",
    [
        [(1, 2), [1, 2], {"a": (1, [2])}],
        [np.array([1.0, 2.0]), np.array(3), np.eye(2, dtype=np.float32), np.array([1j]), np.array([True])],
        [np.array(["2024-07-01", "NaT"], dtype="M8[ns]"), np.float32(0.1), np.datetime64("2024", "Y"), np.int8(3)],
        [b"a", Decimal("1.50"), dt.date(2024, 7, 1), dt.time(1, 2), dt.timedelta(1), uuid.UUID(int=1), Path("a/b")],
        [http.HTTPStatus.OK, http.HTTPMethod.GET, None, "GET", 200],
        [dt.datetime(2024, 7, 1, 0, 30, tzinfo=BERLIN), dt.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1)],
        [pd.Timestamp("2024-07-01T00:30", tz="Europe/Berlin"), pd.Timedelta("1ns")],
    ],
    ids=lambda value: "-".join(each if isinstance(each, str) else type(each).__name__ for each in value)[:60],
)
def test_a_trial_gets_the_very_value(levels: list[Any]) -> None:
    rows = rows_of(telling(), Points([{"x": level} for level in levels]))
    by_hand = [telling()(level) for level in levels]
    assert [{name: row[name] for name in ("type", "repr", "array")} for row in rows] == by_hand


def test_a_trial_that_changes_its_level_changes_it_for_nobody_else() -> None:
    def spoils(x: Any, i: int) -> dict[str, Any]:
        seen = repr(x)
        x[0] = 99
        return {"seen": seen}

    for level in ([1, [2]], np.array([1.0, 2.0]), bytearray(b"ab")):
        rows = rows_of(spoils, Factorial(x=[level], i=range(3)))
        assert {row["seen"] for row in rows} == {repr(level)}


def test_the_mean_by_a_mixed_axis_is_that_of_each_level(tmp_path: Path) -> None:
    def score(max_features: Any, seed: int) -> dict[str, float]:
        return {"score": {"sqrt": 1.0, 0.5: 2.0, 3: 3.0, None: 4.0}[max_features]}

    sweep(tmp_path, score, Factorial(max_features=["sqrt", 0.5, 3, None]), repeats=3)
    rows = Notebook(tmp_path).results()
    means = rows.group_by("max_features").agg(pl.col("score").mean(), pl.len()).sort("score")
    assert means.rows() == [("sqrt", 1.0, 3), ("0.5", 2.0, 3), ("3", 3.0, 3), ("None", 4.0, 3)]


def test_a_large_level_costs_its_rows_nothing(tmp_path: Path) -> None:
    weights = np.random.default_rng(1).random(250_000)  # 2 MB

    def fit(weights: Any, k: int) -> dict[str, Any]:
        return {"n": len(weights * 2), "sum": float(weights.sum())}

    sweep(tmp_path, fit, Factorial(weights=[weights], k=range(50)))
    rows = Notebook(tmp_path).results()
    assert rows["n"].unique().to_list() == [250_000]
    assert rows["sum"].unique().to_list() == [float(weights.sum())]
    assert rows["weights"].n_unique() == 1
    assert rows["weights"][0].startswith("array 250000 of float64: [")
    commits = [file for file in (tmp_path / "sweeps").rglob("*.arrow") if file.name != "000000000001.arrow"]
    assert commits
    assert sum(file.stat().st_size for file in commits) < 100_000


def test_levels_that_cannot_be_computed_for_want_of_scipy_are_null_where_the_lab_itself_makes_a_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = Random(8, z=stats.norm(0, 1), n=integers(0, 3)).seeded(1).dumps()
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ModuleNotFoundError, match="needs scipy"):
        Parameters(Design.loads(text)).columns(np.arange(2))
    (z, unknown), (n, known) = Parameters(Design.loads(text), partly=True).columns(np.arange(2))
    assert (z.name, z.type, unknown.to_pylist()) == ("z", pa.float64(), [None, None])
    assert (n.name, known.to_pylist()) == ("n", Design.loads(text).column("n", np.arange(2)))
