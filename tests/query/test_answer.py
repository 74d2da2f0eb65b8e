"""What a query's function may return, and that it comes back as it was."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from polars.testing import assert_frame_equal
from polars.testing.parametric import dataframes
from said import refused

from raylab.query import answer

ROWS = pl.LazyFrame({"x": [1, 2, 3], "y": [0.5, None, float("nan")]})


def back(found: object, path: Path) -> Any:
    kind = answer.save(answer.settled(found, ROWS), path)
    return answer.loaded(kind, path.read_bytes())


@pytest.mark.parametrize(
    "value",
    [3, 2**70, 0.5, True, "naïve", b"\0", 1j, date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC), time(3), timedelta(4),
     Decimal("1.20")],
)  # fmt: skip
def test_a_plain_value_is_the_same_value(value: object, tmp_path: Path) -> None:
    found = back(value, tmp_path / "answer")
    assert found == value
    assert type(found) is type(value)


def test_a_number_of_numpys_is_a_number(tmp_path: Path) -> None:
    assert back(np.float64(0.5), tmp_path / "answer") == 0.5
    assert back(np.int32(7), tmp_path / "answer") == 7


def test_what_is_lazy_is_worked_out(tmp_path: Path) -> None:
    assert back(ROWS.select(pl.col("x").sum()), tmp_path / "a").rows() == [(6,)]
    assert back(pl.col("x").max().alias("most"), tmp_path / "b").to_dict(as_series=False) == {"most": [3]}
    assert back(pl.len(), tmp_path / "c").item() == 3


def test_a_series_keeps_its_name_and_type(tmp_path: Path) -> None:
    for name in ("x", ""):
        series = pl.Series(name, [1, None], dtype=pl.UInt8)
        found = back(series, tmp_path / "answer")
        assert found.name == name
        assert found.equals(series, check_dtypes=True)


def test_frames_without_rows_or_columns_come_back(tmp_path: Path) -> None:
    assert back(pl.DataFrame(), tmp_path / "a").shape == (0, 0)
    none = back(pl.DataFrame(schema={"x": pl.Int8, "when": pl.Datetime("us", "UTC")}), tmp_path / "b")
    assert none.schema == {"x": pl.Int8, "when": pl.Datetime("us", "UTC")}


@given(frame=dataframes(max_cols=3, max_size=3, excluded_dtypes=[pl.Categorical, pl.Enum, pl.Object]))
@settings(max_examples=20)
def test_a_frame_is_the_same_frame(frame: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> None:
    found = back(frame, tmp_path_factory.getbasetemp() / "frame")
    assert_frame_equal(found, frame, check_exact=True)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, ("None", "`return`")),
        ({"a": 1}, ("dict", "LazyFrame")),
        ([1, 2], ("list", "columns or rows of one frame")),
        (lambda: 3, ("function",)),
        (pl.DataFrame({"o": [object()]}), ("'o'", "do not travel")),
    ],
    ids=["none", "dict", "list", "function", "objects"],
)
def test_anything_else_is_an_error_that_says_what_came(found: object, words: tuple[str, ...], tmp_path: Path) -> None:
    with refused(TypeError, *words):
        back(found, tmp_path / "answer")


def test_an_answer_that_is_too_large_is_refused_and_scan_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "ANSWER_BYTES", 10**6)
    with refused(ValueError, "2 MB", "1 MB", "scan()"):
        back(pl.DataFrame({"x": range(200_000)}), tmp_path / "answer")
    with refused(ValueError, "scan()"):
        back("x" * 2 * 10**6, tmp_path / "answer")
    assert not (tmp_path / "answer").exists()
