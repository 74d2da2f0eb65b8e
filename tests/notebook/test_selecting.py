"""Selecting points by polars expressions: against the frame of all points, and what is refused."""

from __future__ import annotations

import tracemalloc
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import numpy as np
import polars as pl
import pytest

from raylab.core.design import Design, Factorial, Points, Selected
from raylab.errors import DesignError
from raylab.notebook import formula, selecting

P, Q, X = pl.col("p"), pl.col("q"), pl.col("x")
GRID = Factorial(x=range(6), p=np.linspace(0, 1, 5), q=["a", "b", None])


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selecting, "CHUNK", 7)


@pytest.mark.parametrize(
    "expression",
    [
        X > 2,
        (X > 2) & (P <= 0.5),
        (Q == "a") | (X % 2 == 0),
        Q.is_null(),
        Q == "b",  # null where there is none: not taken
        pl.any_horizontal(pl.col("x", "p") > 3),
        pl.sum_horizontal("x", "p") < 2,
        pl.when(X > 3).then(Q == "a").otherwise(P > 0.5),
        X.is_in([1, 5]) & Q.str.contains("a|b"),
        X.map_batches(lambda some: some > 4, return_dtype=pl.Boolean),
        pl.all_horizontal(pl.all().is_not_null()),
        pl.lit(value=True) & (X > 0),
    ],
    ids=str,
)
def test_it_takes_the_rows_that_polars_filter_takes(expression: pl.Expr) -> None:
    for design in (GRID, GRID + GRID, Factorial(p=GRID.axis("p")) * Factorial(x=range(6)) * Points(q=["a", "b", None])):
        rows = pl.DataFrame(list(design))
        taken = design.where(expression)
        assert list(taken) == rows.filter(expression).to_dicts()
        assert taken.where(expression) is taken
        once_more = taken.where(X > 0)
        assert once_more == design.where(expression & (X > 0))
        assert Design.loads(taken.dumps()) == taken


def test_all_points_are_the_design_itself() -> None:
    assert GRID.where(X >= 0) is GRID
    assert GRID.where(pl.lit(value=True)) is GRID


class Colour(Enum):
    RED = 1
    BLUE = 2


@pytest.mark.parametrize(
    ("levels", "expression", "want"),
    [
        ([1, "a", (1, 2), None], X == "(1, 2)", [(1, 2)]),
        ([1, "a", (1, 2), 3], pl.col("x__int") > 1, [3]),
        ([1, 1.5, "1"], X == "'1'", ["1"]),
        ([(1, 2), (3, 4)], X.list.sum() > 3, [(3, 4)]),
        ([date(2026, 1, 1), date(2026, 6, 1)], X.dt.month() == 6, [date(2026, 6, 1)]),
        ([timedelta(1), timedelta(3)], timedelta(2) < X, [timedelta(3)]),
        ([{"a": 1}, {"a": 2}], X.struct.field("a") == 2, [{"a": 2}]),
        ([Decimal("1.5"), Decimal("2.5")], X > 2, [Decimal("2.5")]),
        ([True, False], X, [True]),
        ([None, None], X.is_null(), [None, None]),
        ([2**70, 2**70 + 1], str(2**70) == X, [2**70]),
    ],
    ids=str,
)
def test_it_sees_a_level_as_results_show_it(levels: list[Any], expression: pl.Expr, want: list[Any]) -> None:
    for design in (Factorial(x=levels), Points([{"x": level} for level in levels])):
        assert [point["x"] for point in design.where(expression)] == want


def test_an_enum_is_its_text_and_an_array_a_list() -> None:
    text = str(pl.Series(Factorial(x=list(Colour)).where(X.cast(pl.String).str.contains("BLUE"))[0]["x"].name))
    assert "BLUE" in text
    arrays = [np.array([1, 2]), np.array([3, 4])]
    taken = Points([{"x": each} for each in arrays]).where(X.list.first() == 3)
    assert taken[0]["x"].tolist() == [3, 4]


def test_a_parameter_that_a_point_lacks_is_null_and_one_that_all_taken_points_have_is_none_that_some_lack() -> None:
    design = Points([{"x": 1}, {"x": 2, "q": "a"}, {"x": 3, "q": "b"}])
    assert list(design.where(Q.is_null())) == [{"x": 1}]
    having = design.where(Q.is_not_null())
    assert (having.optional, design.optional) == ([], ["q"])
    assert (design * {"z": [1, 2]}).where(Q == "a").optional == []


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        (X, "gives Int64, no truth value"),
        (pl.lit(None), "gives Null, no truth value"),
        (pl.col("r") > 1, "by 'r', and the design has the parameters 'x', 'p', 'q'"),
        (X > 9, "takes none of the 90 points"),
        (pl.lit(value=False), "takes none of the 90 points"),
        (Q > 1, "cannot be told from the parameters, which are 'x', 'p', 'q'"),
        (pl.col("x", "p") > 1, "gives several columns"),
        ("x > 1", "takes a polars expression .* got str"),
        (True, "takes a polars expression .* got bool"),
        (pl.Series([True] * 90), "takes a polars expression"),
        (None, "takes a polars expression"),
    ],
    ids=str,
)
def test_what_is_no_truth_value_of_a_point_is_refused(expression: Any, words: str) -> None:
    with pytest.raises(DesignError, match=words):
        GRID.where(expression)


@pytest.mark.parametrize(
    "expression",
    [
        X.mean() < X,
        X.max() == X,
        X.mean() > 1,
        X.head(7) > 3,
        X.tail(1) > 0,
        X.filter(X > 2) > 2,
        X.shift(1) > 0,
        X.cum_sum() > 4,
        X.cum_max() > 2,
        X.sort() > 2,
        X.reverse() > 2,
        X.rank() > 3,
        X.is_first_distinct(),
        X.is_duplicated(),
        X.unique() > 2,
        P.diff() > 0,
        pl.len() > 3,
        pl.int_range(pl.len()) % 2 == 0,
        (P.sum() > 1).over("q"),
        X.map_batches(lambda s: s > s.mean(), return_dtype=pl.Boolean),
        X.is_in(X.implode()) & (X.first() == X),
        pl.lit(pl.Series([True, False] * 45)),
        Q.fill_null(strategy="forward") == "a",
        X.rle_id() > 2,
    ],
    ids=str,
)
def test_what_depends_on_other_points_is_refused_and_never_told_piece_by_piece(expression: pl.Expr) -> None:
    with pytest.raises(DesignError, match=r"depends on other points|cannot be told"):
        GRID.where(expression)


def test_what_is_alike_within_a_piece_is_told_to_depend_on_other_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selecting, "CHUNK", 1_000)
    with pytest.raises(DesignError, match="depends on other points"):
        Factorial(x=range(100), y=range(1_000)).where(X.max() == X)  # in each piece true


def test_more_points_than_are_looked_at_are_refused_with_the_ways_out() -> None:
    with pytest.raises(DesignError, match=r"100,000,000 at most, .* 1,000,000,000\. .*\.where\(expression\) \* Fact"):
        Factorial(x=range(10**9)).where(X > 1)


def test_more_runs_than_are_kept_are_refused_with_the_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selecting, "MOST_RUNS", 20)
    with pytest.raises(DesignError, match="in more than 20 runs"):
        Factorial(x=range(100)).where(X % 2 == 0)
    assert Factorial(x=range(100)).where(X % 10 == 0).size == 10


def test_a_million_points_are_told_in_pieces_and_written_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selecting, "CHUNK", 2**16)
    design = Factorial(x=range(1_000), y=range(1_000))
    design.where(X < 1)
    tracemalloc.start()
    taken = design.where(pl.col("y") > X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(taken, Selected)
    assert (taken.size, len(taken.runs)) == (499_500, 999)
    assert peak < 20 * 2**20  # all points in columns would be 16 MB and their places as much
    assert len(taken.dumps()) < 6_000
    assert formula.CHUNK == 2**20
