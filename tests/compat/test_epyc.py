"""epyc's names over raylab do what epyc 1.7.2 does with them, as far as the page "Coming from epyc" says so."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from typing import Any

import numpy as np
import pytest

import raylab
from raylab.compat import epyc

STANDARD = [
    "epyc.experiment.classname",
    "epyc.experiment.elapsed_time",
    "epyc.experiment.end_time",
    "epyc.experiment.exception",
    "epyc.experiment.experiment_time",
    "epyc.experiment.setup_time",
    "epyc.experiment.start_time",
    "epyc.experiment.status",
    "epyc.experiment.teardown_time",
    "epyc.experiment.traceback",
]
"""The columns of metadata that a data frame of epyc 1.7.2 begins with."""


class Product(epyc.Experiment):
    def setUp(self, params: dict[str, Any]) -> None:
        self.factor = 2

    def do(self, params: dict[str, Any]) -> dict[str, Any]:
        if params["x"] == 3:
            raise ValueError("no three")
        return {"y": params["x"] * self.factor, "both": [params["x"], 1]}


class Noisy(epyc.Experiment):
    def do(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"y": float(np.random.random()), "name": "noise", "flag": True}


@pytest.fixture
def nb(lab: raylab.Lab) -> epyc.LabNotebook:
    return epyc.JSONLabNotebook(lab)


@pytest.fixture
def cluster_lab(nb: epyc.LabNotebook) -> epyc.ClusterLab:
    return epyc.ClusterLab(nb)


# experiments by themselves ------------------------------------------------------------------------------------------


class Told(epyc.Experiment):
    """Says what is done with it, and fails where it is told to."""

    def __init__(self, fails: str = "") -> None:
        super().__init__()
        self.fails = fails
        self.said: list[str] = []

    def _say(self, what: str) -> None:
        self.said.append(what)
        if what in self.fails.split():
            raise RuntimeError(what)

    def configure(self, params: dict[str, Any]) -> None:
        super().configure(params)
        self._say(f"configure {params}")

    def deconfigure(self) -> None:
        super().deconfigure()
        self._say("deconfigure")

    def setUp(self, params: dict[str, Any]) -> None:
        self._say("setUp")

    def do(self, params: dict[str, Any]) -> dict[str, Any]:
        self._say("do")
        return {"y": 1}

    def tearDown(self) -> None:
        self._say("tearDown")


def test_an_experiment_is_set_and_run_in_epycs_order_and_reports_what_epyc_reports() -> None:
    told = Told()
    assert told.set({"x": 1}) is told
    ran = told.run()
    assert told.said == ["deconfigure", "configure {'x': 1}", "setUp", "do", "tearDown"]
    assert ran.keys() == {"parameters", "metadata", "results"}
    assert (ran["parameters"], ran["results"], told["y"]) == ({"x": 1}, {"y": 1}, 1)
    about = ran["metadata"]
    assert about.keys() == set(STANDARD) - {epyc.Experiment.EXCEPTION, epyc.Experiment.TRACEBACK}
    assert about[epyc.Experiment.EXPERIMENT] == f"{__name__}.Told"
    assert about[epyc.Experiment.START_TIME] <= about[epyc.Experiment.END_TIME] <= datetime.now()
    parts = sum(about[f"epyc.experiment.{part}_time"] for part in ("setup", "experiment", "teardown"))
    assert about[epyc.Experiment.ELAPSED_TIME] == pytest.approx(parts, abs=1e-9)
    assert (told.success(), told.failed()) == (True, False)


@pytest.mark.parametrize(
    ("fails", "then"),
    [("setUp", ["setUp"]), ("do", ["setUp", "do", "tearDown"]), ("do tearDown", ["setUp", "do", "tearDown"])],
)
def test_a_run_that_fails_says_why_and_cleans_up_what_was_set_up(fails: str, then: list[str]) -> None:
    told = Told(fails).set({"x": 1})
    ran = told.run()
    assert told.said[2:] == then
    assert ran["results"] == {}
    assert (told.success(), told.failed()) == (False, True)
    error = ran["metadata"][epyc.Experiment.EXCEPTION]
    assert (type(error), str(error)) == (RuntimeError, fails.split()[0])
    assert "in _say" in ran["metadata"][epyc.Experiment.TRACEBACK]
    with pytest.raises(RuntimeError, match=fails.split()[0]):
        told.run(fatal=True)


def test_a_summary_has_epycs_names_and_statistics_and_leaves_failures_and_texts_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    numbers = iter([1, 2, None, 6])

    class Next(epyc.Experiment):
        def do(self, params: dict[str, Any]) -> dict[str, Any]:
            if (number := next(numbers)) is None:
                raise ValueError("none")
            return {"y": number, "word": "a"}

    ran = epyc.SummaryExperiment(epyc.RepeatedExperiment(Next(), 4)).set({"x": 1}).run()
    assert ran["parameters"] == {"x": 1}
    assert ran["results"] == {"y_mean": 3.0, "y_median": 2.0, "y_variance": 14 / 3, "y_min": 1, "y_max": 6}
    about = ran["metadata"]
    assert about[epyc.SummaryExperiment.UNDERLYING_RESULTS] == 4
    assert about[epyc.SummaryExperiment.UNDERLYING_SUCCESSFUL_RESULTS] == 3
    assert "word is not summarised" in capsys.readouterr().err
    assert epyc.SummaryExperiment(Told(), ["nothing"]).set({}).run()["results"] == {}


def test_a_worker_that_runs_an_experiment_loads_nothing_of_the_client() -> None:
    script = "import sys; from raylab.compat import epyc; epyc.SummaryExperiment; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"ray", "polars", "pandas", "raylab.lab", "raylab.compat.epyc.lab"} & set(loaded)


# parameters and designs ---------------------------------------------------------------------------------------------


def test_parameters_are_kept_as_epyc_keeps_them(cluster_lab: epyc.ClusterLab) -> None:
    lab = cluster_lab
    lab["x"] = range(3)
    lab["name"] = "one"
    lab.addParameter("p", 0.5)
    lab["q"] = np.linspace(0, 1, 3)
    assert lab.parameters() == ["x", "name", "p", "q"]
    assert (lab["x"], lab["name"], lab["p"], lab["q"]) == ([0, 1, 2], ["one"], [0.5], [0, 0.5, 1])
    assert {type(each) for each in lab["q"]} == {float}, "so that 0.5 of a list is the same point"
    assert (len(lab), "x" in lab, "z" in lab) == (9, True, False)
    assert ("e", {"x": 0, "name": "one", "p": 0.5, "q": 1.0}) in lab.experiments("e")
    del lab["q"]
    lab.deleteParameter("never there")
    assert len(lab) == 3
    lab.deleteAllParameters()
    assert (lab.parameters(), len(lab), lab.experiments("e")) == ([], 0, [])


def test_designs_of_ones_own_and_epycs_two_are_points(nb: epyc.LabNotebook) -> None:
    class Diagonal(epyc.Design):
        def experiments(self, e: Any, ps: dict[str, Any]) -> list[tuple[Any, dict[str, Any]]]:
            return [(e, {"x": x, "y": x}) for x in ps["x"]]

    for design, points in (
        (epyc.PointwiseDesign(), [{"x": 1, "k": 5}, {"x": 2, "k": 5}]),
        (epyc.FactorialDesign(), [{"x": 1, "k": 5}, {"x": 2, "k": 5}]),
        (Diagonal(), [{"x": 1, "y": 1}, {"x": 2, "y": 2}]),
    ):
        nb.addResultSet(type(design).__name__)
        lab = epyc.Lab(nb, design=design)
        lab["x"], lab["k"] = [1, 2], 5
        assert [point for _, point in lab.experiments("e")] == points
        lab.runExperiment(Noisy())
        assert [each["parameters"] for each in nb.results()] == points
    with pytest.raises(epyc.DesignException, match="x has 2, k has 3"):
        epyc.PointwiseDesign().experiments(None, {"x": [1, 2], "k": [1, 2, 3]})


# running ------------------------------------------------------------------------------------------------------------


def test_the_page_that_raylab_started_from_holds_under_epycs_names(cluster_lab: epyc.ClusterLab, lab: Any) -> None:
    cluster_lab["x"] = range(5)
    assert cluster_lab.runExperiment(Product()) is None
    assert cluster_lab.wait() is True
    again = epyc.ClusterLab(epyc.JSONLabNotebook(lab))  # as another process has it
    assert (again.updateResults(), again.updateResults()) == (5, 0)
    assert (again.numberOfResults(), again.readyFraction(), again.ready()) == (5, 1.0, True)
    assert again.numberOfPendingResults() == again.notebook().numberOfAllPendingResults() == 0


def test_a_data_frame_has_epycs_columns_in_epycs_order(cluster_lab: epyc.ClusterLab) -> None:
    cluster_lab["x"], cluster_lab["k"] = range(5), "word"
    cluster_lab.runExperiment(Product())
    cluster_lab.wait()
    nb = cluster_lab.notebook()
    frame = nb.dataframe(only_successful=False)
    assert list(frame.columns) == [*STANDARD, "k", "x", "both", "y"]
    assert list(frame["x"]) == [0, 1, 2, 3, 4]
    assert list(frame[epyc.Experiment.STATUS]) == [True, True, True, False, True]
    assert frame["y"].isna().to_list() == [False, False, False, True, False]
    assert frame["both"][4] == [4, 1]
    assert frame[epyc.Experiment.EXCEPTION].to_list() == ["", "", "", "ValueError: no three", ""]
    assert "no three" in frame[epyc.Experiment.TRACEBACK][3]
    assert set(frame[epyc.Experiment.EXPERIMENT]) == {f"{__name__}.Product"}
    assert all(frame[epyc.Experiment.START_TIME] <= frame[epyc.Experiment.END_TIME])
    assert str(frame.dtypes[epyc.Experiment.START_TIME]) == "datetime64[us]"
    assert list(cluster_lab.dataframe()["x"]) == [0, 1, 2, 4]
    assert str(cluster_lab.dataframe().dtypes["y"]) == "int64"
    assert list(nb.dataframeFor({"x": [1, 4], "k": "word"})["y"]) == [2, 8]
    assert nb.dataframeFor({"x": 7}).empty
    with pytest.raises(KeyError, match="no parameter 'z'; there are: k, x"):
        nb.dataframeFor({"z": 7})


def test_results_are_epycs_dicts(cluster_lab: epyc.ClusterLab) -> None:
    cluster_lab["x"] = [2, 3]
    cluster_lab.runExperiment(Product())
    cluster_lab.wait()
    good, bad = cluster_lab.results()
    assert (good["parameters"], good["results"]) == ({"x": 2}, {"y": 4, "both": [2, 1]})
    assert (bad["parameters"], bad["results"]) == ({"x": 3}, {})
    assert good["metadata"].keys() == set(STANDARD)
    assert bad["metadata"][epyc.Experiment.EXCEPTION] == "ValueError: no three"
    assert cluster_lab.notebook().resultsFor({"x": 3}) == [bad]


def test_what_raylab_ran_itself_has_epycs_columns_too(lab: raylab.Lab, nb: epyc.LabNotebook) -> None:
    lab.submit(lambda x: {"y": x}, {"x": [1]}, name="native", repeats=2).wait(progress=False)
    frame = nb.dataframe("native")
    assert list(frame.columns) == [*sorted([*STANDARD, "epyc.experiment.rep", "epyc.experiment.repetitions"]), "x", "y"]
    assert frame[epyc.Experiment.EXPERIMENT].to_list() == ["lambda"] * 2
    assert frame[epyc.Experiment.ELAPSED_TIME].notna().all()


def test_a_repeated_experiment_is_the_one_that_it_repeats_in_so_many_repeats(
    cluster_lab: epyc.ClusterLab, lab: raylab.Lab
) -> None:
    cluster_lab["x"] = [2, 3]
    cluster_lab.runExperiment(epyc.RepeatedExperiment(epyc.RepeatedExperiment(Noisy(), 2), 3))
    cluster_lab.wait()
    frame = cluster_lab.dataframe()
    assert list(frame[epyc.RepeatedExperiment.I]) == [0, 1, 2, 3, 4, 5] * 2
    assert set(frame[epyc.RepeatedExperiment.REPETITIONS]) == {6}
    assert frame["y"].nunique() == 12, "each repeat has random numbers of its own"
    assert lab.sweep(epyc.LabNotebook.DEFAULT_RESULTSET).info()["repeats"] == 6


def test_a_summary_of_repetitions_is_a_row_with_their_numbers_as_metadata(cluster_lab: epyc.ClusterLab) -> None:
    cluster_lab["x"] = [2, 3]
    cluster_lab.runExperiment(epyc.SummaryExperiment(epyc.RepeatedExperiment(Product(), 4), ["y"]))
    cluster_lab.wait()
    frame = cluster_lab.dataframe()
    assert list(frame.columns[-6:]) == ["x", "y_max", "y_mean", "y_median", "y_min", "y_variance"]
    assert list(frame[epyc.SummaryExperiment.UNDERLYING_RESULTS]) == [4, 4]
    assert list(frame[epyc.SummaryExperiment.UNDERLYING_SUCCESSFUL_RESULTS]) == [4, 0]
    assert frame["y_mean"].iloc[0] == 4.0


def test_the_same_again_adds_nothing_and_says_so_other_points_are_added(
    cluster_lab: epyc.ClusterLab, capsys: pytest.CaptureFixture[str]
) -> None:
    for levels, known in (([1, 2], False), ([1, 2], True), ([2, 4], False), ([1], True)):
        cluster_lab["x"] = levels
        cluster_lab.runExperiment(Product())
        cluster_lab.wait()
        assert ("nothing is added" in capsys.readouterr().err) == known
    assert sorted(cluster_lab.dataframe()["x"]) == [1, 2, 4]


def test_another_experiment_and_other_parameters_are_further_results_of_the_same_set(
    cluster_lab: epyc.ClusterLab, lab: raylab.Lab
) -> None:
    nb = cluster_lab.notebook()
    nb.addResultSet("mixed")
    cluster_lab["x"] = [1]
    for experiment in (Product(), Noisy(), Product()):
        cluster_lab.runExperiment(experiment)
    cluster_lab["k"] = ["a", "b"]
    cluster_lab.runExperiment(Product())
    cluster_lab.wait()
    assert lab.sweeps()["name"].to_list() == ["mixed", "mixed+2", "mixed+3"]
    assert nb.resultSets() == [nb.DEFAULT_RESULTSET, "mixed"]
    assert nb.numberOfResults("mixed") == 4
    frame = nb.dataframe()
    assert list(frame.columns) == [*STANDARD, "k", "x", "both", "flag", "name", "y"]
    assert frame["k"].isna().sum() == 2
    assert nb.current().parameterSpace() == {"k": {None, "a", "b"}, "x": {1}}
    assert nb.current().resultNames() == ["both", "flag", "name", "y"]


def test_without_parameters_nothing_runs_as_in_epyc(
    cluster_lab: epyc.ClusterLab, lab: raylab.Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster_lab.runExperiment(Product())
    assert "no parameters" in capsys.readouterr().err
    assert lab.sweeps().is_empty()


def test_a_lab_and_a_parallel_lab_come_back_when_all_is_in(nb: epyc.LabNotebook, lab: raylab.Lab) -> None:
    for made in (epyc.Lab(nb), epyc.ParallelLab(nb, cores=1)):
        nb.addResultSet(type(made).__name__)
        made["x"] = [1, 2]
        made.runExperiment(Product())
        assert (made.numberOfResults(), made.readyFraction()) == (2, 1.0)
    assert made.numberOfCores() == 1
    assert lab.sweeps()["max_concurrency"].to_list() == [None, 1]
    assert epyc.ParallelLab(nb, cores=-1000).numberOfCores() == 1


def test_what_is_for_ipyparallel_is_left_out_and_a_line_says_so(
    nb: epyc.LabNotebook, capsys: pytest.CaptureFixture[str]
) -> None:
    epyc.ClusterLab(nb, profile="cluster", url_file="ipcontroller.json")
    assert capsys.readouterr().err.count("\n") == 1
    epyc.ClusterLab(nb, "ipcontroller.json")
    assert "url_file is for ipyparallel" in capsys.readouterr().err
    with epyc.ClusterLab(nb).sync_imports():
        import math  # noqa: F401
    assert capsys.readouterr().err == ""


# result sets --------------------------------------------------------------------------------------------------------


def test_result_sets_are_added_selected_found_again_and_deleted(cluster_lab: epyc.ClusterLab, lab: raylab.Lab) -> None:
    nb = cluster_lab.notebook()
    assert (nb.currentTag(), nb.resultSets(), len(nb)) == (nb.DEFAULT_RESULTSET, [nb.DEFAULT_RESULTSET], 1)
    assert nb.dataframe().empty
    assert nb.results() == []
    first = nb.addResultSet("first", "some words")
    assert (nb.current() is first, nb.currentTag(), "first" in nb) == (True, "first", True)
    cluster_lab["x"] = [1]
    cluster_lab.runExperiment(Product())
    cluster_lab.wait()
    assert not nb.already("second")
    assert (nb.currentTag(), nb.readyFraction(), nb.readyFraction("first")) == ("second", 1.0, 1.0)
    assert (nb.numberOfResults(), nb.numberOfResults("first")) == (0, 1)

    later = epyc.JSONLabNotebook(lab)
    assert later.currentTag() == "first", "what was submitted last"
    assert later.current().description() == "some words"
    assert later.already("first")
    assert later.select("first").numberOfResults() == 1
    with pytest.raises(KeyError, match=r"no result set .third.; there are: epyc\.resultset\.default, first"):
        later.select("third")
    with pytest.raises(ValueError, match="'first' is the current"):
        later.deleteResultSet("first")
    later.select(later.DEFAULT_RESULTSET)
    later.deleteResultSet("first")
    assert lab.sweeps().is_empty()


def test_a_finished_set_takes_nothing_more_also_in_another_process(
    cluster_lab: epyc.ClusterLab, lab: raylab.Lab
) -> None:
    nb = cluster_lab.notebook()
    nb.addResultSet("first")
    cluster_lab["x"] = [1]
    cluster_lab.runExperiment(Product())
    cluster_lab.wait()
    nb.current().finish()
    for each in (nb, epyc.JSONLabNotebook(lab)):
        assert each.select("first").isLocked()
        with pytest.raises(epyc.ResultSetLockedException, match="'first' is finished"):
            _run(each)
    assert nb.numberOfResults() == 1
    nb.finish()
    with pytest.raises(epyc.LabNotebookLockedException):
        nb.addResultSet("more")


def _run(nb: epyc.LabNotebook) -> None:
    lab = epyc.ClusterLab(nb)
    lab["x"] = [2]
    lab.runExperiment(Product())


def test_create_with_fills_a_set_once(cluster_lab: epyc.ClusterLab) -> None:
    calls: list[list[str]] = []

    def fill(lab: epyc.Lab) -> None:
        calls.append(lab.parameters())
        lab["x"] = [1, 2]
        lab.runExperiment(Product())

    cluster_lab["old"] = 1
    for _ in range(2):
        assert cluster_lab.createWith("made", fill, description="words", finish=True)
    assert calls == [[]]
    assert cluster_lab.notebook().current().isLocked()
    assert cluster_lab.already("made")


def test_create_with_deletes_what_was_made_in_vain(cluster_lab: epyc.ClusterLab, lab: raylab.Lab) -> None:
    nb = cluster_lab.notebook()

    def fail(lab: epyc.Lab) -> None:
        lab["x"] = [1, 2]
        lab.runExperiment(Product())
        raise OSError("in vain")

    with pytest.raises(OSError, match="in vain"):
        cluster_lab.createWith("made", fail)
    assert (nb.currentTag(), "made" in nb) == (nb.DEFAULT_RESULTSET, False)
    assert lab.sweeps().is_empty()
    assert cluster_lab.createWith("made", fail, propagate=False, delete=False) is False
    assert "made" in nb


# notebooks ----------------------------------------------------------------------------------------------------------


def test_a_notebook_is_named_after_its_file_and_nothing_is_started_for_a_name() -> None:
    nb = epyc.HDF5LabNotebook("data/run 3.h5", description="words")
    assert (nb.name(), nb.description(), nb.isPersistent()) == ("data/run 3.h5", "words", True)
    assert "lab" not in vars(nb)
    with pytest.raises(raylab.NameRefused, match="raylab import"):
        epyc.HDF5LabNotebook("https://example.org/run.h5")


def test_the_arguments_of_each_notebook_stand_where_epyc_has_them(lab: raylab.Lab) -> None:
    lab.submit(lambda x: x, {"x": [1]}, name="old").wait(progress=False)
    assert epyc.LabNotebook(lab, "words").description() == "words"
    assert epyc.HDF5LabNotebook(lab, False, "words").description() == "words"
    assert lab.number_of_results() == 1


def test_create_begins_with_nothing(lab: raylab.Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.submit(lambda x: x, {"x": [1]}, name="old").wait(progress=False)
    capsys.readouterr()
    nb = epyc.JSONLabNotebook(lab, create=True)
    assert lab.sweeps(archived=True).is_empty()
    assert "old" in capsys.readouterr().err
    assert nb.numberOfResults() == 0


def test_a_name_that_is_not_there_says_what_is() -> None:
    with pytest.raises(AttributeError, match="has no 'JSONLabNotrebook'; it has ClusterLab, "):
        epyc.JSONLabNotrebook  # noqa: B018
