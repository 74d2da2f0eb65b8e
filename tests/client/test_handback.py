"""Rows handed back as a design: each point once, with the levels that it had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sweeps import Bench

from raylab import Factorial, Notebook, Points
from raylab.client.handback import without_metadata
from raylab.core.design import as_design
from raylab.errors import DesignError

ROWS = pl.DataFrame(
    {"x": [1, 1, 2], "k": ["a", "a", "b"], "_repeat": [0, 1, 1], "_status": ["failed"] * 3, "_error": ["no"] * 3}
)


@pytest.mark.parametrize(
    "given",
    [ROWS, ROWS.lazy(), ROWS.to_pandas(), ROWS.to_arrow(), ROWS.to_dicts(), tuple(ROWS.to_dicts())],
    ids=["polars", "lazy", "pandas", "arrow", "dicts", "tuple"],
)
def test_failures_handed_back_are_their_points_each_once(given: Any) -> None:
    design, (told,) = without_metadata(given)
    assert design == Points(x=[1, 2], k=["a", "b"])
    assert told == (
        "_repeat, _status, _error: these columns are about trials, so they are left out of the design; 3 failed trials "
        "are 2 points: repeats of a point are not told apart, repeats= says how often each point runs"
    )


def test_nothing_is_said_of_repeats_where_each_point_failed_once() -> None:
    for rows in (ROWS[1:], ROWS[1:].drop("_error")):
        _, (told,) = without_metadata(rows)
        assert told.endswith("left out of the design")
    _, (told,) = without_metadata(ROWS.drop("_error"))
    assert "; 3 rows are 2 points: " in told


@pytest.mark.parametrize(
    "convert", [pl.DataFrame.clone, pl.DataFrame.lazy, pl.DataFrame.to_pandas, pl.DataFrame.to_arrow]
)
def test_where_nothing_failed_there_is_nothing_to_submit(convert: Callable[[pl.DataFrame], Any]) -> None:
    with pytest.raises(DesignError, match=r"^no trial failed, so there is nothing to submit"):
        without_metadata(convert(ROWS[:0]))
    with pytest.raises(DesignError, match=r"^there are no rows, so there is nothing to submit"):
        without_metadata(convert(ROWS[:0].drop("_error")))


def test_failures_of_an_experiment_without_parameters_are_its_only_point() -> None:
    for rows in (ROWS.drop("x", "k"), ROWS.drop("x", "k").to_dicts()):
        design, _ = without_metadata(rows)
        assert (design.size, design.parameters) == (1, ())


def test_all_that_results_tell_about_trials_is_left_out(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.submit("SWEEP", lambda p: {"_x": 1} if p else {}, Factorial(p=range(3)), repeats=2)
    bench.run("SWEEP")
    bench.submit("other", lambda p: {}, Factorial(p=range(3)))
    frame = Notebook(tmp_path).results(["SWEEP", "other"], metadata=True, status="all")
    design, (told,) = without_metadata(frame.drop("_x"))
    assert design == Points(p=range(3))
    for name in frame.columns:
        assert name in ("p", "_x") or name in told


def test_levels_of_several_kinds_are_the_levels_they_were(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    levels = ["auto", 3, "3", 0.5, None, True]
    bench.submit("SWEEP", lambda k, p: {"y": 1 / 0}, Factorial(k=levels, p=[1]), repeats=2)
    bench.run("SWEEP")
    frame = Notebook(tmp_path).results(status="failed", metadata=["_status"])
    assert "k__string" in frame.columns
    for given in (frame, frame.to_dicts()):
        design, _ = without_metadata(given)
        assert design.parameters == ("k", "p")
        assert [(type(point["k"]), point["k"]) for point in design.head(9)] == [(type(k), k) for k in levels]


@pytest.mark.parametrize("given", [ROWS.drop("_repeat", "_status", "_error"), [{"x": 1}], {"x": [1]}, Points(x=[1, 1])])
def test_what_is_no_rows_of_ours_is_taken_as_it_is(given: Any) -> None:
    design, told = without_metadata(given)
    assert design is given
    assert told == []


@pytest.mark.parametrize(
    "given", [{"_x": [1]}, [{"_x": 1}], pl.DataFrame({"_x": [1]}), ROWS.with_columns(_x=1), {"_repeat": [1], "x": [2]}]
)
def test_a_parameter_that_begins_as_ours_do_stays_refused(given: Any) -> None:
    with pytest.raises(DesignError, match=r"'(_x|_repeat)'"):
        as_design(without_metadata(given)[0])


def test_failures_of_an_experiment_without_parameters_are_one_point() -> None:
    design, _ = without_metadata(ROWS.select("_repeat", "_status"))
    assert design == Points([{}])
