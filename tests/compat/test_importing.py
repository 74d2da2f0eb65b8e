"""Notebooks that epyc 1.7.2 has written (tests/data/epyc) come into a lab as they are."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import raylab
from raylab.compat import epyc
from raylab.compat.epyc.files import read_notebook
from raylab.compat.epyc.importing import Imported, import_notebook
from raylab.errors import ExperimentError, NameRefused, SweepExists

DATA = Path(__file__).parents[1] / "data" / "epyc"
JSON, HDF5, FIRST_FORMAT = DATA / "notebook.json", DATA / "notebook.h5", DATA / "notebook-v1.json"
TAGS = {"first", "repeated", "summary", "arrays", "cancelled"}


def taken(lab: raylab.Lab, path: Path, name: str | None = None) -> list[Imported]:
    found = import_notebook(lab._client, path, name)
    assert lab.wait(progress=False)
    return found


def result(parameters: dict[str, Any], results: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    about = {"epyc.experiment.status": True, **{f"epyc.experiment.{name}": value for name, value in metadata.items()}}
    return {"parameters": parameters, "metadata": about, "results": results}


def written(tmp_path: Path, **sets: list[dict[str, Any]]) -> Path:
    path = tmp_path / "made.json"
    stored = {tag: {"results": rows, "pending-results": {}, "description": tag} for tag, rows in sets.items()}
    path.write_text(json.dumps({"version": "2", "description": "", "current": "", "resultsets": stored}))
    return path


# what is in the rows ------------------------------------------------------------------------------------------------


def test_each_result_set_with_results_is_a_sweep_of_its_tag(lab: raylab.Lab) -> None:
    found = taken(lab, JSON)
    assert {each.sweep.name for each in found if each.sweep} == TAGS == set(lab.sweeps()["name"])
    assert [each.stored.tag for each in found if each.sweep is None] == [epyc.LabNotebook.DEFAULT_RESULTSET]
    assert {each.stored.tag: each.stored.pending for each in found if each.stored.pending} == {"arrays": 1}
    about = lab.sweep("first").info()
    assert (about["description"], about["experiment"], about["imported"]) == ("some words", "Product", True)
    assert lab.progress().total == lab.number_of_results() == 6 + 12 + 3 + 3 + 1, "what was pending is no trial"


@pytest.mark.parametrize(("path", "name"), [(JSON, "first"), (HDF5, "first"), (FIRST_FORMAT, "old")])
def test_rows_have_parameters_results_statuses_and_times(lab: raylab.Lab, path: Path, name: str) -> None:
    taken(lab, path, name if path is FIRST_FORMAT else None)
    rows = lab.results(name, status="all", metadata=True)
    good = rows.filter(_status="done")
    assert good.select("k", "x", "y", "word", "big", "half").sort("k", "x").rows() == [
        (1, 1.0, 1.0, "v1", False, 0.5),
        (1, 2.0, 2.0, "v1", True, 0.5),
        (1, 3.0, 3.0, "v1", True, 0.5),
        (2, 1.0, 2.0, "v2", False, 0.5),
        (2, 2.0, 4.0, "v2", True, 0.5),
    ]
    assert [rows.schema[column] for column in ("k", "x", "y", "word", "big")] == [
        *(pl.Int64, pl.Float64, pl.Float64, pl.String, pl.Boolean),
    ]
    (bad,) = rows.filter(_status="failed").iter_rows(named=True)
    assert (bad["k"], bad["x"], bad["y"], bad["word"]) == (2, 3.0, None, None)
    assert bad["_error"] == "ValueError: bad 3.0"
    assert 'raise ValueError(f"bad' in bad["_traceback"]
    stored = json.loads(JSON.read_text())["resultsets"]["first"]["results"]
    if path is not HDF5:
        times = {tuple(each["parameters"].values()): each["metadata"] for each in stored}
        for row in rows.iter_rows(named=True):
            told = times[row["k"], row["x"]]
            began = datetime.fromisoformat(told[epyc.Experiment.START_TIME]).astimezone(UTC)
            assert (row["_started"], row["_elapsed_s"]) == (began, told[epyc.Experiment.ELAPSED_TIME])
            assert row["_metadata"][epyc.Experiment.SETUP_TIME] == told[epyc.Experiment.SETUP_TIME]
    assert rows.select("_node", "_pid", "_seed", "_num_cpus").null_count().row(0) == (6,) * 4, "nobody knows"


def test_json_and_hdf5_give_the_same_rows(lab: raylab.Lab) -> None:
    taken(lab, JSON)
    taken(lab, HDF5, "h5")
    for tag in TAGS - {"cancelled"}:
        one, other = (lab.results(name).sort("k", "x") for name in (tag, f"h5-{tag}"))
        assert one.equals(other), tag
    assert lab.results("arrays").sort("x").row(2) == ("word", 2, [1, 2, 2], ["a", "b"])


def test_repetitions_are_repeats_and_their_data_frame_is_that_of_epyc(lab: raylab.Lab) -> None:
    taken(lab, JSON)
    assert lab.sweep("repeated").info()["repeats"] == 4
    assert lab.results("repeated")["_repeat"].to_list() == [0, 1, 2, 3] * 3
    nb = epyc.JSONLabNotebook(lab)
    frame = nb.dataframe("repeated")
    assert list(frame.columns[:12]) == sorted(frame.columns[:12])
    assert list(frame.columns[12:]) == ["k", "x", "big", "half", "word", "y"]
    assert list(frame[epyc.RepeatedExperiment.I]) == [0, 1, 2, 3] * 3
    assert set(frame[epyc.Experiment.EXPERIMENT]) == {"__main__.Product"}
    summary = nb.dataframe("summary")
    assert set(summary[epyc.SummaryExperiment.UNDERLYING_RESULTS]) == {4}
    assert sorted(summary["y_mean"]) == [0.0, 5.0, 10.0]
    assert nb.dataframe("cancelled", only_successful=False)[epyc.Experiment.START_TIME].isna().all()


class Doubled(epyc.Experiment):
    def do(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"y": 2 * params["x"]}


def ran(lab: raylab.Lab) -> str:
    """The unchanged script in a new process; the result set in which it ran."""
    nb = epyc.JSONLabNotebook(lab)
    script = epyc.ClusterLab(nb)
    script["x"] = [1, 2]
    script.runExperiment(Doubled())
    script.wait()
    return nb.currentTag()


@pytest.mark.parametrize("path", [JSON, HDF5])
def test_an_import_does_not_change_the_current_result_set(
    lab: raylab.Lab, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    default = epyc.LabNotebook.DEFAULT_RESULTSET
    assert ran(lab) == default
    taken(lab, path)
    before = lab.number_of_results()
    capsys.readouterr()
    assert (ran(lab), lab.number_of_results()) == (default, before), "the same again adds nothing"
    said = capsys.readouterr().err
    assert said.count(f"runs in the result set {default!r}") == 1
    assert "'first'" in said


@pytest.mark.parametrize("path", [JSON, HDF5])
@pytest.mark.parametrize("current", ["cancelled", "first"])
def test_of_imported_result_sets_alone_that_of_the_file_is_current(
    lab: raylab.Lab, tmp_path: Path, path: Path, current: str
) -> None:
    if path is JSON:
        made = tmp_path / "made.json"
        made.write_text(json.dumps({**json.loads(path.read_text()), "current": current}))
    else:
        import h5py

        made = tmp_path / "made.h5"
        made.write_bytes(path.read_bytes())
        with h5py.File(made, "r+") as file:
            file.attrs["current-resultset"] = current
    taken(lab, made)
    assert epyc.JSONLabNotebook(lab).currentTag() == current
    assert ran(lab) == current, "and what is run there is in it"
    assert f"{current}+2" in set(lab.sweeps()["name"])
    assert epyc.JSONLabNotebook(lab).currentTag() == current


def test_an_imported_sweep_that_goes_on_with_code_counts_as_submitted_to(lab: raylab.Lab) -> None:
    taken(lab, JSON)
    design = lab.sweep("arrays").design
    with pytest.warns(UserWarning, match="goes on with version 2"):
        assert lab.submit(Doubled(), design, name="arrays", if_exists="continue").wait(progress=False)
    assert epyc.JSONLabNotebook(lab).currentTag() == "arrays"


def test_points_with_different_numbers_of_results_are_points_of_their_own(lab: raylab.Lab, tmp_path: Path) -> None:
    rows = [result({"x": x}, {"y": y}) for y, x in enumerate([1, 2, 1])]
    taken(lab, written(tmp_path, ragged=rows))
    assert lab.results("ragged").rows() == [(1, 0), (2, 1), (1, 2)]


def test_a_time_at_the_edge_of_the_calendar_is_none(lab: raylab.Lab, tmp_path: Path) -> None:
    early = result({"x": 1}, {"y": 2}, **{epyc.Experiment.START_TIME: "0001-01-01T00:00:00"})
    taken(lab, written(tmp_path, s=[early]))
    assert lab.results("s", metadata=["_started"]).select("y", "_started").rows() == [(2, None)]


def test_values_of_every_type_of_json_are_kept(lab: raylab.Lab, tmp_path: Path) -> None:
    odd = [
        result({"x": 1, "p": [1, 2], "n": None}, {"y": {"a": 1.5}, "x": "clash", "none": None}),
        result({"x": "1", "p": [], "n": True}, {"y": {"a": 2.5}, "late": 2**60}, rep=0),
    ]
    taken(lab, written(tmp_path, odd=odd))
    first, second = lab.results("odd").to_dicts()
    assert (first["y"], first["x__result"], second["late"]) == ({"a": 1.5}, "clash", 2**60)
    assert [point["p"] for point in lab.sweep("odd").design] == [[1, 2], []]
    assert [type(point["x"]) for point in lab.sweep("odd").design] == [int, str]


def test_more_failures_than_pause_a_sweep_are_taken_as_they_are(lab: raylab.Lab, tmp_path: Path) -> None:
    bad = [result({"x": x}, {}, status=False, exception="no fit", traceback="") for x in range(150)]
    taken(lab, written(tmp_path, bad=bad))
    progress = lab.progress("bad")
    assert (progress.failed, progress.state) == (150, "ready")
    assert lab.sweep("bad").failures(by="cause")["count"].to_list() == [150]


# which sweep --------------------------------------------------------------------------------------------------------


def test_the_same_again_adds_nothing_and_something_else_is_refused_before_anything_is_stored(
    lab: raylab.Lab, tmp_path: Path
) -> None:
    one, two = [result({"x": 1}, {"y": 1})], [result({"x": 2}, {"y": 1})]
    taken(lab, written(tmp_path, a=one))
    (again,) = taken(lab, written(tmp_path, a=one))
    assert (again.known, lab.number_of_results()) == (True, 1)
    with pytest.raises(SweepExists, match=r"sweep 'a' already, .* not what .*made\.json has as the .* 'a'"):
        taken(lab, written(tmp_path, b=one, a=two))
    assert lab.sweeps()["name"].to_list() == ["a"]
    taken(lab, written(tmp_path, b=one, a=two), "other")
    assert lab.sweeps()["name"].to_list() == ["a", "other-b", "other-a"]
    taken(lab, written(tmp_path, z=two), "single")
    assert lab.results("single").rows() == [(2, 1)]


def test_a_cancelled_import_goes_on_when_it_is_repeated(lab: raylab.Lab, tmp_path: Path) -> None:
    path = written(tmp_path, a=[result({"x": x}, {"y": 1}) for x in range(3000)])
    import_notebook(lab._client, path)
    lab.cancel("a")
    taken(lab, path)
    assert lab.results("a").height == 3000


def test_names_that_no_sweep_or_parameter_can_have_are_mended_and_said(lab: raylab.Lab, tmp_path: Path) -> None:
    path = written(tmp_path, **{"p/q: 1": [result({"_x": 1}, {"y": 1})]})
    (found,) = taken(lab, path)
    assert lab.results("p-q- 1").rows() == [(1, 1)]
    assert lab.sweep("p-q- 1").design.parameters == ("x",)
    assert "'p/q: 1' is no name" in " ".join(found.remarks)
    assert "'_x' is called 'x'" in " ".join(found.remarks)
    with pytest.raises(NameRefused, match="several result sets"):
        taken(lab, written(tmp_path, **{"a/b": path and [result({"x": 1}, {})], "a:b": [result({"x": 1}, {})]}))
    taken(lab, written(tmp_path, both=[result({"_x": 1, "x": 2}, {"y": 3})]))
    assert lab.results("both").to_dicts() == [{"x_": 1, "x": 2, "y": 3}]


# what cannot be done with it ----------------------------------------------------------------------------------------


def test_what_needs_the_experiment_says_that_it_did_not_come_along(lab: raylab.Lab) -> None:
    taken(lab, JSON)
    sweep = lab.sweep("first")
    for call in (sweep.retry, lambda: sweep.extend({"x": [9.0], "k": [1]}), lambda: sweep.extend(repeats=2)):
        with pytest.raises(ExperimentError, match="'first' was imported, and its experiment did not come along"):
            call()
    for place in (sweep, raylab.Notebook(lab.info()["notebook"])):
        with pytest.raises(ExperimentError, match="its experiment did not come along"):
            place.rerun(0) if place is sweep else place.rerun("first", 0)
    assert sweep.progress().total == 6
    assert raylab.Notebook(lab.info()["notebook"]).verify().is_empty()


def test_the_experiment_itself_goes_on_where_the_records_end(lab: raylab.Lab) -> None:
    taken(lab, JSON)

    def product(x: float, k: int) -> dict[str, float]:
        return {"y": x * k}

    with pytest.raises(SweepExists, match="records that were imported, now code"):
        lab.submit(product, {"x": [1.0], "k": [1]}, name="first")
    design = raylab.Factorial(x=[1.0, 2.0, 3.0, 4.0], k=[1, 2])
    with pytest.warns(UserWarning, match="2 trials are new, 1 trial that failed runs again"):
        sweep = lab.submit(product, design, name="first", if_exists="continue")
    assert sweep.wait(progress=False)
    with pytest.warns(UserWarning, match="versions 1 and 2"):
        rows = sweep.results(metadata=["_code"])
    assert rows.sort("k", "x")["y"].to_list() == [1.0, 2.0, 3.0, 4.0, 2.0, 4.0, 6.0, 8.0]
    assert sorted(rows["_code"]) == [1] * 5 + [2] * 3
    again = taken(lab, JSON)
    assert all(each.known for each in again if each.sweep)
    assert sweep.extend({"x": [9.0], "k": [1]}) == 1
    assert sweep.wait(progress=False)
    assert sweep.rerun(7).same
    with pytest.raises(ExperimentError, match="did not come along"):
        sweep.rerun(0)


# files --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["", "no json", "[]", '{"version": "2"}', '{"version": "2", "resultsets": {"a": {"results": [{}]}}}', "{}", "\xff"],
)
def test_what_is_no_notebook_of_epyc_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"other\.json is no notebook of epyc"):
        read_notebook(path)


def test_later_formats_broken_files_and_missing_ones_are_named(tmp_path: Path) -> None:
    path = tmp_path / "later.json"
    path.write_text('{"version": "3"}')
    with pytest.raises(ValueError, match=r"later\.json has format '3'"):
        read_notebook(path)
    path.write_bytes(HDF5.read_bytes()[:3000])
    with pytest.raises((OSError, ValueError), match=r"(?i)truncated|later\.json"):
        read_notebook(path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_notebook(tmp_path / "nowhere")


def test_without_h5py_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'raylab\[epyc\]'"):
        read_notebook(HDF5)


def test_arrays_of_hdf5_stay_arrays(lab: raylab.Lab) -> None:
    (arrays,) = [each for each in read_notebook(HDF5) if each.tag == "arrays"]
    listed = arrays.results[0]["results"]["listed"]
    assert (type(listed), listed.dtype) == (np.ndarray, np.dtype(np.int64))
