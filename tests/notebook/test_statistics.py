"""What results come to, beside scipy, numpy and the rows themselves."""

from __future__ import annotations

import datetime as dt
import math
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats
from sweeps import Bench, sweep

import raylab
import raylab.testing
from raylab.core.design import Factorial, Points
from raylab.notebook import statistics
from raylab.notebook.statistics import STATISTICS
from raylab.offline import Notebook


def table_of(results: Sequence[Sequence[Any]]) -> Callable[[int, int], Any]:
    """An experiment that gives what stands in a list of lists, by x and repeat; what is an exception it raises."""

    def looked_up(x: int, seed: int) -> Any:
        found = results[x][seen.setdefault((x, seed), sum(each == x for each, _ in seen))]
        if isinstance(found, Exception):
            raise found
        return found

    seen: dict[tuple[int, int], int] = {}
    return looked_up


def summed(root: Path, results: Sequence[Sequence[Any]], *words: Any, **more: Any) -> pl.DataFrame:
    """The summary of these results, by x and repeat: their order in a point says nothing."""
    sweep(root, table_of(results), Factorial(x=range(len(results))), repeats=len(results[0]))
    return Notebook(root).summary("SWEEP", *words, **more)


# -- the numbers


def test_the_numbers_are_those_of_numpy_and_scipy(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    values = [rng.normal(rng.uniform(-1e3, 1e3), 10.0 ** rng.integers(-3, 4), 6).tolist() for _ in range(70)]
    for n, own in enumerate(values):
        own[n % 7 :] = [None] * len(own[n % 7 :])  # of each number of values from 0 to 6 some
    found = summed(tmp_path, values, "value", confidence=0.9)
    assert found["x"].to_list() == list(range(len(values)))
    for all_of, row in zip(values, found.iter_rows(named=True), strict=True):
        own = [value for value in all_of if value is not None]
        n = len(own)
        assert (row["result"], row["trials"], row["n"], row["complete"]) == ("value", 6, n, n == 6)
        if n:
            assert (row["min"], row["max"]) == (min(own), max(own))
            assert row["mean"] == pytest.approx(np.mean(own), rel=1e-12)
            quartiles = [row[word] for word in ("q25", "median", "q75")]
            assert quartiles == pytest.approx(np.percentile(own, [25, 50, 75]).tolist(), rel=1e-12)
        else:
            assert [row[word] for word in STATISTICS[6:]] == [None] * 10
        if n > 1:
            assert row["sd"] == pytest.approx(np.std(own, ddof=1), rel=1e-6)
            assert row["se"] == pytest.approx(stats.sem(own), rel=1e-6)
            low, high = stats.t.interval(0.9, n - 1, loc=np.mean(own), scale=stats.sem(own))
            assert (row["low"], row["high"]) == pytest.approx((low, high), rel=1e-6)
        else:
            assert [row[word] for word in ("sd", "se", "low", "high")] == [None] * 4


@pytest.mark.parametrize("confidence", [1e-9, 0.5, 0.95, 0.999999])
def test_the_interval_is_as_wide_as_students_t_says(tmp_path: Path, confidence: float) -> None:
    own = [1.0, 2.0, 4.0, 8.0, 9.0]
    (row,) = summed(tmp_path, [own], confidence=confidence).to_dicts()
    low, high = stats.t.interval(confidence, 4, loc=np.mean(own), scale=stats.sem(own))
    assert (row["low"], row["high"]) == pytest.approx((low, high), rel=1e-9)


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.5, math.nan, "0.95", True])
def test_what_is_no_share_is_refused(tmp_path: Path, confidence: Any) -> None:
    with pytest.raises(ValueError, match=r"confidence is the share .* got"):
        summed(tmp_path, [[1.0]], confidence=confidence)


def test_without_scipy_a_sentence_says_what_to_do_and_how_to_do_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep(tmp_path, table_of([[1.0, 2.0]]), Factorial(x=[0]), repeats=2)
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ModuleNotFoundError, match=r"confidence=None leaves out, needs scipy.* 'raylab\[scipy\]'"):
        Notebook(tmp_path).summary()
    (row,) = Notebook(tmp_path).summary(confidence=None).to_dicts()
    assert (row["mean"], row["low"], row["high"]) == (1.5, None, None)


# -- what a value is


def test_what_is_no_number_counts_as_missing_and_infinity_counts(tmp_path: Path) -> None:
    found = summed(tmp_path, [[1.0, math.nan, 3.0], [1.0, None, math.inf], [math.nan, None, None]], "value")
    assert found["n"].to_list() == [2, 2, 0]
    assert found["complete"].to_list() == [False, False, False]
    assert found["finished"].to_list() == [1.0, 1.0, 1.0]
    assert found["mean"].to_list() == [2.0, math.inf, None]
    assert found["max"].to_list() == [3.0, math.inf, None]
    assert found["low"][2] is None


def test_a_truth_value_comes_to_the_share_that_is_true(tmp_path: Path) -> None:
    (row,) = summed(tmp_path, [[True, False, True, True]]).to_dicts()
    assert (row["mean"], row["n"], row["min"], row["max"]) == (0.75, 4, 0.0, 1.0)


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ([2**60, 2**60 + 2], 2.0**60),
        ([2**63, 2**63], 2.0**63),
        ([2**53 + 1, 0.5], 2.0**52),  # an int that no float holds lies in a column of its own
        ([Decimal("1.5"), Decimal("2.5")], 2.0),
        ([dt.timedelta(seconds=1), dt.timedelta(seconds=2, milliseconds=500)], 1.75),
        ([np.float32(1.5), np.int8(2)], 1.75),
        ([True, 3], 2.0),
    ],
)
def test_numbers_of_every_kind_are_summed_up_as_floats(tmp_path: Path, values: list[Any], mean: float) -> None:
    (row,) = summed(tmp_path, [values]).to_dicts()
    assert (row["mean"], row["n"], row["complete"]) == (mean, 2, True)


def test_values_that_are_no_numbers_are_left_out_and_told(tmp_path: Path) -> None:
    values = [[{"loss": 1.0, "why": "a"}, {"loss": "diverged", "why": "b"}, {"loss": 3.0, "why": "c"}]]
    with pytest.warns(
        UserWarning, match=r"'loss' is no number in 1 rows \(string\), which summary\(\) leaves out"
    ) as told:
        found = summed(tmp_path, values)
    assert told[0].filename == __file__
    (row,) = found.to_dicts()  # `why` has no numbers
    assert (row["result"], row["mean"], row["n"], row["complete"]) == ("loss", 2.0, 2, False)


def test_numbers_in_dicts_are_results_by_names_with_dots(tmp_path: Path) -> None:
    rows = [{"m": {"mean": 1.5, "of": {"n": 3, "*": 1}, "word": "a"}}, {"m": {"mean": 2.5, "of": {"n": 5}}}]
    found = summed(tmp_path, [rows])
    assert found.select("result", "n", "mean").rows() == [("m.mean", 2, 2.0), ("m.of.n", 2, 4.0)]
    again = Notebook(tmp_path)
    assert again.summary("SWEEP", "m.of.n")["mean"].to_list() == [4.0]
    with pytest.raises(
        ValueError, match=r"'m' has no numbers to sum up \(struct\); results with numbers are 'm.mean', 'm"
    ):
        again.summary("SWEEP", "m")


def test_a_result_that_is_called_as_an_entry_of_another_is_itself(tmp_path: Path) -> None:
    found = summed(tmp_path, [[{"m": {"a": 1}, "m.a": 7}]])
    assert found.select("result", "mean").rows() == [("m.a", 7.0)]


def test_where_no_result_is_a_number_that_is_said(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"no result is one: 'list' \(list\), 'word' \(string\)"):
        found = summed(tmp_path, [[{"list": [1.0], "word": "a", "none": None}]])
    assert found.select("result", "trials").rows() == [(None, 1)]
    with pytest.raises(ValueError, match=r"those with numbers are none"):
        Notebook(tmp_path).summary("SWEEP", "loss")


def test_what_is_summed_up_is_named_or_all_that_has_numbers(tmp_path: Path) -> None:
    found = summed(tmp_path, [[{"a": 1, "s": "x", "b": 2.0, "c": [1]}], [{"a": 3, "s": "x", "b": 4.0, "c": [1]}]])
    assert found.select("x", "result", "mean").rows() == [(0, "a", 1.0), (0, "b", 2.0), (1, "a", 3.0), (1, "b", 4.0)]
    assert found.columns == ["x", "_point", *STATISTICS]
    notebook = Notebook(tmp_path)
    assert notebook.summary(of="b")["result"].to_list() == ["b", "b"]
    assert notebook.summary(of=["b", "a", "b"])["result"].to_list() == ["b", "a", "b", "a"]
    assert notebook.summary(of="_elapsed_s")["n"].to_list() == [1, 1]
    for of, why in [
        ("d", "there is no 'd', those with numbers are 'a', 'b'"),
        ("x", "there is no 'x'"),
        ("s", r"'s' has no numbers to sum up \(string\)"),
        ("_nothing", "there is no '_nothing'"),
        (["a", 3], "of is a name, or several; got 3"),
        (3, "of is a name, or several; got 3"),
        ([["a"]], r"of is a name, or several; got \['a'\]"),
    ]:
        with pytest.raises(ValueError, match=why):
            notebook.summary(of=of)


def test_a_statistic_that_is_called_as_a_parameter_has_another_name(tmp_path: Path) -> None:
    sweep(tmp_path, lambda n, mean, result: n * mean, Factorial(n=[1, 2], mean=[0.5], result=["r"]))
    found = Notebook(tmp_path).summary()
    assert found.select("n", "mean", "result", "n__summary", "mean__summary", "result__summary").rows() == [
        (1, 0.5, "r", 1, 0.5, "value"),
        (2, 0.5, "r", 1, 1.0, "value"),
    ]


def test_no_statistic_takes_the_name_of_a_parameter(tmp_path: Path) -> None:
    sweep(tmp_path, lambda n, n__summary: n, Factorial(n=[7], n__summary=[8]))
    assert Notebook(tmp_path).summary().select("n", "n__summary", "n__summary2").row(0) == (7, 8, 1)


@pytest.mark.parametrize("name", ["*", "^a.*$", "0 n", "a b"])
def test_any_name_may_be_a_result_or_a_parameter(tmp_path: Path, name: str) -> None:
    bench = Bench(tmp_path)
    bench.submit("SWEEP", lambda **given: {name: given["a"]}, Factorial(a=[1, 2]))
    bench.submit("OTHER", lambda **given: {"a": 1}, Factorial({name: [1, 2]}))
    bench.run("SWEEP")
    bench.run("OTHER")
    assert Notebook(tmp_path).summary("SWEEP", name)["mean"].to_list() == [1.0, 2.0]
    assert Notebook(tmp_path).summary("OTHER", "a", by=name)[name].to_list() == [1, 2]


# -- what is counted


def test_a_trial_of_many_rows_is_one(tmp_path: Path) -> None:
    rows = [[[{"v": 1.0}, {"v": 3.0}], [{"v": 5.0}] * 50, []]]
    (row,) = summed(tmp_path, rows, "v").to_dicts()
    assert (row["n"], row["trials"], row["mean"], row["complete"]) == (2, 3, 3.5, False)
    assert row["sd"] == pytest.approx(np.std([2.0, 5.0], ddof=1))
    assert Notebook(tmp_path).results().height == 53, "no row is lost"


def test_what_failed_is_counted_and_marked(tmp_path: Path) -> None:
    found = summed(tmp_path, [[1.0, ValueError("no"), 3.0], [5.0, 6.0, 7.0], [ValueError("no")] * 3], "value")
    assert found["failed"].to_list() == [1, 0, 3]
    assert found["n"].to_list() == [2, 3, 0]
    assert found["finished"].to_list() == [2 / 3, 1.0, 0.0]
    assert found["complete"].to_list() == [False, True, False]
    assert found["mean"].to_list() == [2.0, 6.0, None]
    assert Notebook(tmp_path).summary("SWEEP", "_elapsed_s")["n"].to_list() == [2, 3, 0]


def test_points_of_which_nothing_is_in_are_there(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.submit("SWEEP", lambda x, name: x / 2, Factorial(x=[1, 2, 3], name=["a", "b"]), repeats=4)
    empty = Notebook(tmp_path).summary("SWEEP")
    assert empty.select("x", "name", "_point").rows() == [
        *[(1, "a", 0), (1, "b", 1), (2, "a", 2), (2, "b", 3), (3, "a", 4), (3, "b", 5)]
    ]
    assert set(empty.select("result", "trials", "failed", "finished", "n", "complete", "mean", "low").rows()) == {
        (None, 4, 0, 0.0, 0, False, None, None)
    }
    assert Notebook(tmp_path).summary("SWEEP", "later")["result"].to_list() == ["later"] * 6
    bench.run("SWEEP", 0, 5)
    some = Notebook(tmp_path).summary("SWEEP")
    assert some.schema == empty.schema
    rows = Notebook(tmp_path).results(metadata=["_point"])
    counts = dict(rows.group_by("_point").len().rows())
    assert some["n"].to_list() == [counts.get(point, 0) for point in range(6)]
    assert some["finished"].to_list() == [counts.get(point, 0) / 4 for point in range(6)]
    bench.run("SWEEP", 5)
    assert Notebook(tmp_path).summary("SWEEP")["complete"].all()


def test_of_a_design_of_very_many_points_only_those_of_which_something_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    bench.submit("SWEEP", lambda x, y: x, Factorial(x=range(10), y=range(10)), repeats=2)
    bench.run("SWEEP", 0, 3)
    whole = Notebook(tmp_path).summary()
    by_x = Notebook(tmp_path).summary(by="x")
    assert by_x["trials"].to_list() == [20] * 10
    monkeypatch.setattr(statistics, "PIECE", 7)
    assert Notebook(tmp_path).summary(by="x").equals(by_x)
    monkeypatch.setattr(statistics, "LISTED", 99)
    assert Notebook(tmp_path).summary().equals(whole.filter(pl.col("n") > 0))
    some = Notebook(tmp_path).summary(by="x")
    assert some.drop("trials", "finished", "complete").equals(
        by_x.filter(pl.col("n") > 0).drop("trials", "finished", "complete")
    )
    assert set(some.select("trials", "finished", "complete").rows()) == {(None, None, None)}


def test_a_sweep_of_points_that_nobody_can_list_is_summed_up(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.submit("SWEEP", lambda x, y: x, Factorial(x=range(10**6), y=range(10**3)))
    bench.run("SWEEP", 0, 3)
    found = Notebook(tmp_path).summary()
    assert found["mean"].to_list() == found["x"].to_list()
    assert (found.height, found["complete"].all()) == (3, True)


# -- groups


def test_by_parameters_the_trials_of_their_points_are_one_group(tmp_path: Path) -> None:
    sweep(tmp_path, lambda b, a: {"y": a + (0 if b == "lo" else 10)}, Factorial(b=["lo", "hi"], a=[1, 2, 3]), repeats=2)
    notebook = Notebook(tmp_path)
    found = notebook.summary("SWEEP", "y", by="b")
    assert found.columns == ["b", *STATISTICS]
    assert found.select("b", "trials", "n", "mean").rows() == [("lo", 6, 6, 2.0), ("hi", 6, 6, 12.0)]
    own = [1, 1, 2, 2, 3, 3]
    assert found["sd"][0] == pytest.approx(np.std(own, ddof=1))
    assert notebook.summary(by=["a", "b"]).select("a", "b", "n").rows() == [
        *[(1, "lo", 2), (2, "lo", 2), (3, "lo", 2), (1, "hi", 2), (2, "hi", 2), (3, "hi", 2)]
    ]
    (whole,) = notebook.summary(by=[]).to_dicts()
    assert (list(whole), whole["n"], whole["mean"]) == (list(STATISTICS), 12, 7.0)
    with pytest.raises(ValueError, match=r"by names parameters.*there is no 'y', there are 'b', 'a'"):
        notebook.summary(by="y")


@pytest.mark.parametrize(
    "levels", [[1, "1", None], [0.5, None], [math.nan, 1.0], [(1, 2), (3, 4)], [True, 1], [dt.date(2026, 1, 1), None]]
)
def test_levels_of_every_kind_are_told_apart(tmp_path: Path, levels: list[Any]) -> None:
    sweep(tmp_path, lambda x, k: k, Factorial(x=levels, k=[1, 2]))
    by_point, by_x = Notebook(tmp_path).summary(), Notebook(tmp_path).summary(by="x")
    assert by_point.height == 2 * len(levels)
    assert (by_x["n"] == 2).all()
    assert by_x.height == len(levels)
    rows = Notebook(tmp_path).results(metadata=["_point"])
    parameters = [name for name in rows.columns if name.startswith("x")]
    assert by_point.select(parameters).equals(rows.select(parameters)), "in the columns that results() has"


def test_points_that_stand_twice_are_two_points_and_one_group(tmp_path: Path) -> None:
    sweep(tmp_path, lambda x: x, Points(x=[5, 5, 6]))
    assert Notebook(tmp_path).summary().select("x", "_point", "n").rows() == [(5, 0, 1), (5, 1, 1), (6, 2, 1)]
    assert Notebook(tmp_path).summary(by="x").select("x", "n").rows() == [(5, 2), (6, 1)]


# -- sweeps that change


def test_a_sweep_is_summed_up_as_far_as_it_is_whatever_has_become_of_it() -> None:
    with raylab.testing.lab() as lab:
        sweep = lab.submit(lambda x: 1 / x, {"x": [1, 2]}, repeats=2, name="s")
        sweep.wait(progress=False)
        assert sweep.summary()["n"].to_list() == [2, 2]
        sweep.change(num_cpus=99)  # the rest waits
        sweep.extend({"x": [1, 7]}, repeats=3)  # one more of 1, three of 7
        found = sweep.summary()
        counts = found.select("x", "trials", "n", "complete").rows()
        assert counts == [(1, 3, 2, False), (2, 2, 2, True), (7, 3, 0, False)]
        sweep.cancel()
        assert sweep.summary().equals(found), "what was cancelled is missing"
        sweep.change(num_cpus=1)
        sweep.resume()
        sweep.wait(progress=False)
        assert sweep.summary()["n"].to_list() == [3, 2, 3]
        assert sweep.summary()["complete"].all()


def test_what_is_to_be_run_again_is_no_failure_and_then_counts_by_its_newest_record(tmp_path: Path) -> None:
    mended = tmp_path / "mended"

    def fragile(x: int, file: str) -> int:
        from pathlib import Path

        if x == 2 and not Path(file).exists():
            raise ValueError("no")
        return x

    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        sweep = lab.submit(fragile, {"x": [1, 2], "file": [str(mended)]}, repeats=2, name="s")
        sweep.wait(progress=False)
        assert sweep.summary().select("failed", "finished").rows() == [(0, 1.0), (2, 0.0)]
        sweep.change(num_cpus=99)
        assert sweep.retry() == 2
        assert sweep.summary().select("failed", "finished", "n").rows() == [(0, 1.0, 2), (0, 0.0, 0)]
        mended.touch()
        sweep.change(num_cpus=1)
        sweep.wait(progress=False)
        assert sweep.summary().select("failed", "finished", "n").rows() == [(0, 1.0, 2), (0, 1.0, 2)]
        assert Notebook(tmp_path / "lab").summary(by="x").equals(sweep.summary(by="x"))
