"""What a person gets to see: which rows, which columns, in which order."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sweeps import Bench, leased, packaged, sweep

from raylab.core.design import Design, Factorial, Points
from raylab.notebook.file import Loaded
from raylab.notebook.frames import check_status, updates
from raylab.notebook.table_files import listing
from raylab.notebook.tables import Tables
from raylab.offline import Notebook
from raylab.worker.experiment import Experiment

METADATA = {
    "_seq": pl.Int64,
    "_point": pl.Int64,
    "_repeat": pl.Int64,
    "_attempt": pl.Int64,
    "_code": pl.Int64,
    "_status": pl.String,
    "_warnings": pl.Int64,
    "_printed": pl.Int64,
    "_seed": pl.Int64,
    "_started": pl.Datetime("us", "UTC"),
    "_elapsed_s": pl.Float64,
    "_num_cpus": pl.Float64,
    "_memory": pl.Float64,
    "_time_limit": pl.Float64,
    "_peak_memory": pl.Int64,
    "_error": pl.String,
    "_traceback": pl.String,
    "_node": pl.String,
    "_pid": pl.Int64,
}


def picked() -> Any:
    """A function that travels by value."""

    def picky(p: int) -> dict[str, float]:
        if p == 2:
            raise ValueError("two")
        return {"x": p / 2, "y": -p}

    return picky


def frame(root: Path, **words: Any) -> pl.DataFrame:
    return Notebook(root).results("SWEEP", **words)


# -- columns


def test_columns_are_parameters_results_and_what_was_asked_for(tmp_path: Path) -> None:
    sweep(tmp_path, picked(), Factorial(p=range(4)))
    assert frame(tmp_path).columns == ["p", "x", "y"]
    assert frame(tmp_path, metadata=["_seed", "_seq"]).columns == ["p", "x", "y", "_seed", "_seq"]
    assert frame(tmp_path, metadata="_seed").columns == ["p", "x", "y", "_seed"]
    assert frame(tmp_path, metadata=["_seed", "_seed"]).columns == ["p", "x", "y", "_seed"]
    whole = frame(tmp_path, metadata=True)
    assert whole.columns == ["p", "x", "y", *METADATA]
    assert {name: kind for name, kind in whole.schema.items() if name in METADATA} == METADATA
    assert frame(tmp_path, metadata=[]).columns == frame(tmp_path, metadata=False).columns == ["p", "x", "y"]


def test_the_repeat_stands_behind_the_parameters_when_there_are_repeats(tmp_path: Path) -> None:
    sweep(tmp_path, picked(), Factorial(p=range(4)), repeats=2)
    assert frame(tmp_path).columns == ["p", "_repeat", "x", "y"]
    assert frame(tmp_path, metadata=["_repeat", "_seed"]).columns == ["p", "_repeat", "x", "y", "_seed"]
    rest = [name for name in METADATA if name != "_repeat"]
    assert frame(tmp_path, metadata=True).columns == ["p", "_repeat", "x", "y", *rest]
    assert frame(tmp_path).group_by("p").agg(pl.col("_repeat").sort()).sort("p").rows() == [
        (0, [0, 1]),
        (1, [0, 1]),
        (3, [0, 1]),
    ]


def test_metadata_that_nobody_has_is_refused_with_what_there_is(tmp_path: Path) -> None:
    sweep(tmp_path, picked(), Factorial(p=range(4)))
    with pytest.raises(ValueError, match=r"no '_sead', 'x', there are _seq, _point, .*_pid. Did you mean '_seed'"):
        frame(tmp_path, metadata=["_seed", "_sead", "x"])


def test_metadata_of_some_experiments_is_there_when_they_are(tmp_path: Path) -> None:
    class Timed(Experiment):
        def do(self, params: dict[str, Any]) -> dict[str, Any]:
            return {"x": params["p"]}

    bench = Bench(tmp_path)
    bench.submit("SWEEP", Timed(), Factorial(p=range(4)))
    words = {"metadata": ["_do_s", "_metadata"]}
    assert dict(frame(tmp_path, **words).schema) == {"p": pl.Int64, "_do_s": pl.Float64, "_metadata": pl.Null}
    bench.run("SWEEP")
    assert frame(tmp_path, metadata=True).columns[-3:] == ["_set_up_s", "_do_s", "_tear_down_s"]
    assert frame(tmp_path, **words)["_do_s"].null_count() == 0


def test_epycs_metadata_in_all_its_kinds_is_metadata(tmp_path: Path) -> None:
    class Epyc:
        def set(self, params: dict[str, Any]) -> Any:
            self.p = params["p"]
            return self

        def run(self) -> dict[str, Any]:
            about = {"steps": self.p} if self.p else {"odd": {1: 2}}
            return {"metadata": about, "results": {"x": self.p}}

    sweep(tmp_path, Epyc(), Factorial(p=range(3)))
    whole = frame(tmp_path, metadata=True)
    assert whole.columns[:2] == ["p", "x"]
    there = [name for name in whole.columns if name.startswith("_metadata")]
    assert len(there) == 2
    assert whole.columns[-2:] == there
    assert frame(tmp_path).columns == ["p", "x"]
    assert frame(tmp_path, metadata=there).columns == ["p", "x", *there]


def test_siblings_stand_beside_the_column_they_are_of(tmp_path: Path) -> None:
    def mixed(p: Any, q: int) -> dict[str, Any]:
        return {"loss": "diverged" if q else 0.5, "n": q}

    sweep(tmp_path, mixed, Factorial(p=[1, "a", None], q=[0, 1]))
    assert frame(tmp_path).columns == ["p", "p__int", "p__string", "q", "loss", "loss__string", "n"]


def test_a_parameter_called_like_anothers_sibling_is_itself(tmp_path: Path) -> None:
    """`p` has a sibling of the name that a parameter and a result have of their own."""

    def shown(**params: Any) -> dict[str, Any]:
        return {"p__result": 1, "p__x__y": 2, "p": 3}

    design = Factorial({"p": [1, "a"], "p__x": [5], "p__string": [7.5], "p__int": [8.5]})
    sweep(tmp_path, shown, design)
    found = frame(tmp_path)
    own = ["p", "p__int2", "p__string2", "p__x", "p__string", "p__int"]
    assert found.columns == [*own, "p__result", "p__x__y", "p__result__result"]
    assert found.rows() == [("1", 1, None, 5, 7.5, 8.5, 1, 2, 3), ("a", None, "a", 5, 7.5, 8.5, 1, 2, 3)]


def test_a_result_called_p__result_is_a_result(tmp_path: Path) -> None:
    sweep(tmp_path, lambda p: {"p__result": p + 1}, Factorial(p=[1]))
    assert frame(tmp_path).to_dicts() == [{"p": 1, "p__result": 2}]


def test_what_does_not_fit_into_a_thousand_columns_is_in_more(tmp_path: Path) -> None:
    sweep(tmp_path, lambda p: {f"x{i}": i for i in range(1_100)}, Factorial(p=[1]))
    found = frame(tmp_path)
    assert found.columns[0] == "p"
    assert "_more" in found.columns
    assert "_status" not in found.columns


# -- a sweep without rows


@pytest.mark.parametrize(
    ("design", "schema"),
    [
        (Factorial(p=range(4)), {"p": pl.Int64}),
        (Factorial(p=[0.5, 1], q=["a"], r=[[1, 2]]), {"p": pl.Float64, "q": pl.String, "r": pl.List(pl.Int64)}),
        (Factorial(t=[dt.datetime(2026, 1, 1)], n=[None]), {"t": pl.Datetime("us"), "n": pl.Null}),
        (Points([{"a": 1}, {"b": True}]), {"a": pl.Int64, "b": pl.Boolean}),
        (Factorial(), {}),
    ],
)
def test_a_sweep_without_rows_has_its_columns(tmp_path: Path, design: Design, schema: dict[str, Any]) -> None:
    bench = Bench(tmp_path)
    bench.submit("SWEEP", picked(), design)
    bench.submit("repeated", picked(), design, repeats=2)
    notebook = Notebook(tmp_path)
    for status in ("done", "all"):
        assert dict(notebook.results("SWEEP", status=status).schema) == schema
        assert notebook.results("SWEEP", status=status, metadata=True).height == 0
    assert dict(notebook.results("repeated").schema) == {**schema, "_repeat": pl.Int64}
    whole = notebook.results("SWEEP", metadata=True)
    assert dict(whole.schema) == schema | METADATA


def test_a_parameter_that_has_had_no_value_yet_is_a_column(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.submit("SWEEP", lambda **params: {"x": 1}, Points([{"a": 1}, {"a": 2, "b": "late"}, {"c": None}]))
    package = packaged(lambda **params: {"x": 1}, Points([{"a": 1}]))
    bench.commit("SWEEP", leased(package))
    assert dict(frame(tmp_path).schema) == {"a": pl.Int64, "b": pl.String, "c": pl.String, "x": pl.Int64}


def test_an_axis_whose_first_kind_comes_second_to_disk(tmp_path: Path) -> None:
    """Lists and strings have no type in common: what is expected must not be mixed with what is there."""
    bench = Bench(tmp_path)
    bench.submit("SWEEP", lambda p: {"x": 1}, Factorial(p=[[1, 2], "a"]))
    bench.commit("SWEEP", leased(packaged(lambda p: {"x": 1}, Factorial(p=["a"]))))
    assert frame(tmp_path).rows() == [("a", 1)]
    bench.commit("SWEEP", leased(packaged(lambda p: {"x": 1}, Factorial(p=[[1, 2]]))))
    assert frame(tmp_path).sort("p").select("p", "p__list").rows() == [(None, [1, 2]), ("a", None)]


# -- rows


def test_rows_by_status(tmp_path: Path) -> None:
    sweep(tmp_path, picked(), Factorial(p=range(4)))
    assert sorted(frame(tmp_path)["p"]) == [0, 1, 3]
    assert frame(tmp_path, status="failed").rows() == [(2, None, None)]
    assert frame(tmp_path, status=["failed", "done"]).height == frame(tmp_path, status="all").height == 4
    assert frame(tmp_path, status=("crashed", "out_of_memory", "timed_out")).height == 0
    assert frame(tmp_path, status="failed", metadata=["_error"])["_error"].to_list() == ["ValueError: two"]


@pytest.mark.parametrize("status", ["", "dnoe", [], ["done", "cancelled"], "ALL"])
def test_a_status_that_is_none_is_refused(tmp_path: Path, status: Any) -> None:
    words = "status is one or several of 'done', 'failed', 'crashed', 'out_of_memory', 'timed_out', or 'all'"
    with pytest.raises(ValueError, match=words):
        check_status(status)
    sweep(tmp_path, picked(), Factorial(p=range(4)))
    with pytest.raises(ValueError, match="status is one or several of"):
        Notebook(tmp_path).scan("SWEEP", status=status)


def files(bench: Bench) -> list[Loaded]:
    found = listing(bench.writer.store, "sweeps/SWEEP")
    return [loaded for loaded in found if loaded.info.kind != "opening"]


@pytest.mark.parametrize("sealed", [False, True])
def test_rows_since_a_sequence_number_each_once(tmp_path: Path, sealed: bool) -> None:
    bench = Bench(tmp_path)
    bench.submit("SWEEP", picked(), Factorial(p=range(9)))
    for start in range(0, 9, 3):
        bench.run("SWEEP", start, start + 3)
        if sealed and start == 3:
            bench.seal("SWEEP")
    record = Notebook(tmp_path)._records()["SWEEP"]
    whole = updates(record, files(bench), 0)
    assert whole["_seq"].to_list() == list(range(9))
    for since in range(11):
        found = updates(record, files(bench), since)
        assert found.equals(whole.filter(pl.col("_seq") >= since))
        assert found.columns == whole.columns
        needed = Tables(bench.writer.store).of("sweeps/SWEEP", since)
        if needed:
            assert updates(record, needed, since).equals(found)
        else:
            assert since >= 9


@pytest.mark.parametrize("sealed", [0, 1, 2])
def test_the_record_of_a_trial_is_the_rows_of_its_highest_attempt(tmp_path: Path, sealed: int) -> None:
    """Nothing sets a flag: that positions occur twice is enough, in the journal, in a part, or between the two."""

    def walk(p: int) -> list[dict[str, int]]:
        return [{"step": 0}, {"step": 1}]

    bench = Bench(tmp_path)
    bench.submit("SWEEP", walk, Factorial(p=range(4)))
    bench.run("SWEEP")
    if sealed == 1:
        bench.seal("SWEEP")
    bench.run("SWEEP", 1, 2, attempt=2)
    if sealed == 2:
        bench.seal("SWEEP")
    found = frame(tmp_path, metadata=["_attempt", "_seq", "_point"])
    assert found.height == 8
    again = found.filter(pl.col("_attempt") == 2)
    assert again.select("step", "_seq").rows() == [(0, 8), (1, 9)]
    assert found.group_by("_point").len()["len"].to_list() == [2] * 4
    assert not again.filter(pl.col("_point").is_in(found.filter(pl.col("_attempt") == 1)["_point"].to_list())).height


def test_a_later_attempt_that_failed_is_the_record(tmp_path: Path) -> None:
    def once(p: int) -> dict[str, int]:
        if ran:
            raise ValueError("second time")
        ran.append(1)
        return {"x": 1}

    ran: list[int] = []
    bench = Bench(tmp_path)
    bench.submit("SWEEP", once, Factorial(p=[1]))
    bench.run("SWEEP")
    assert frame(tmp_path).height == 1
    bench.run("SWEEP", attempt=2)
    assert frame(tmp_path).height == 0
    assert frame(tmp_path, status="all", metadata=["_error"]).rows() == [(1, None, "ValueError: second time")]


def test_columns_that_come_late_and_widen(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.submit("SWEEP", picked(), Factorial(p=range(9)))
    for number, result in enumerate([{"x": 1}, {"x": 2.5, "y": "late"}, {}, {"x": [1]}]):
        bench.commit("SWEEP", leased(packaged(lambda p, result=result: result, Factorial(p=[number]))))
    assert frame(tmp_path).to_dicts() == [
        {"p": 0, "x": 1.0, "y": None, "x__list": None},
        {"p": 1, "x": 2.5, "y": "late", "x__list": None},
        {"p": 2, "x": None, "y": None, "x__list": None},
        {"p": 3, "x": None, "y": None, "x__list": [1]},
    ]


def test_results_may_be_named_like_patterns(tmp_path: Path) -> None:
    def patterns(x: int) -> dict[str, int]:
        return {"*": x, "^y$": x + 1}

    bench = Bench(tmp_path)
    bench.submit("SWEEP", patterns, Factorial(x=[1, 2]))
    bench.run("SWEEP", 0, 2)
    found = Notebook(tmp_path).results().sort("x").to_dict(as_series=False)
    assert found == {"x": [1, 2], "*": [1, 2], "^y$": [2, 3]}
