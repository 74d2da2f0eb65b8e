"""The way through: one client submits and ends, another comes back and finds what is in."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from clusters import Cluster, answer, client
from polars.testing import assert_frame_equal

import raylab
from raylab.notebook.rows import SELDOM

SUBMIT = """
def percolation(p, L, seed, rng):
    if p > 0.85:
        raise ValueError(f"too dense: {p}")
    return {"largest": p * L, "drawn": seed, "first": float(rng.random())}

sweep = raylab.Lab(lab).submit(
    percolation, raylab.Factorial(p=[0.1 * i for i in range(10)], L=[32, 64]), name="coarse", repeats=5, seed=1
)
assert 0.0 <= sweep.ready_fraction() <= 1.0
"""

SCHEMA = {
    "p": pl.Float64,
    "L": pl.Int64,
    "_repeat": pl.Int64,
    "largest": pl.Float64,
    "drawn": pl.Int64,
    "first": pl.Float64,
}
METADATA = {
    "_seq": pl.Int64,
    "_point": pl.Int64,
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

LOOK = """
import json
lab = raylab.Lab(lab, create=False)
sweep = lab.sweep("coarse")
assert sweep.wait(timeout=150) is True
assert sweep.ready() and lab.ready() and sweep.ready_fraction() == lab.ready_fraction() == 1.0
assert sweep.number_of_results() == lab.number_of_results() == 100
assert (sweep.update_results(), sweep.update_results(), lab.update_results()) == (100, 0, 0)
progress = sweep.progress()
assert (progress.total, progress.ready, progress.done, progress.failed) == (100, 100, 90, 10), progress
assert (progress.running, progress.waiting, progress.cancelled, progress.state) == (0, 0, 0, "ready"), progress
assert dict(progress.by_status) == {"done": 90, "failed": 10}, progress
sweep.results().write_ipc(out + "/done.arrow")
sweep.results(status="all", metadata=True).write_ipc(out + "/all.arrow")
sweep.failures().write_ipc(out + "/failures.arrow")
lab.sweeps().write_ipc(out + "/sweeps.arrow")
print(json.dumps(lab.info(), default=str))
"""


@pytest.fixture(scope="module")
def found(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a second client read after a first one submitted and ended."""
    out = tmp_path_factory.mktemp("way")
    cluster.client(SUBMIT, lab="way", fresh=True)
    info = answer(cluster.client(LOOK, lab="way", out=str(out)))
    assert info["notebook"] == str(cluster.home / "way")
    assert {"name", "notebook", "node", "pid", "started", "user", "raylab", "ray", "python", "format"} <= info.keys()
    return out


def test_results_are_parameters_repeat_and_results_of_what_is_done(found: Path) -> None:
    done = pl.read_ipc(found / "done.arrow")
    assert dict(done.schema) == SCHEMA
    assert done.height == 90
    assert done.null_count().sum_horizontal().item() == 0
    assert (done["largest"] == done["p"] * done["L"]).all()
    assert (
        done.group_by("p", "L").agg(pl.col("_repeat").sort()).get_column("_repeat").to_list() == [[0, 1, 2, 3, 4]] * 18
    )


def test_metadata_columns_have_their_types_and_every_trial_has_one_row(found: Path) -> None:
    rows = pl.read_ipc(found / "all.arrow")
    assert dict(rows.schema) == SCHEMA | METADATA
    assert rows["_seq"].sort().to_list() == list(range(100))
    assert rows.select("_point", "_repeat").n_unique() == 100
    assert rows.select("_point", "p", "L").n_unique() == 20
    assert set(rows["_attempt"]) == {1}


def test_seeds_are_distinct_in_range_and_what_the_experiment_got(found: Path) -> None:
    rows = pl.read_ipc(found / "all.arrow")
    assert rows["_seed"].n_unique() == 100
    assert rows["_seed"].is_between(1, 2**31 - 1).all()
    done = rows.filter(_status="done")
    assert (done["drawn"] == done["_seed"]).all()
    assert done["first"].n_unique() == 90


def test_failures_tell_the_error_and_leave_the_rest_alone(found: Path) -> None:
    failures = pl.read_ipc(found / "failures.arrow")
    columns = ["p", "L", "_repeat", "_point", "_status", "_attempt", "_error", "_traceback"]
    assert failures.columns == [*columns, "_last_lines", "_node", "_seed"]
    assert failures.height == 10
    assert set(failures["_error"]) == {"ValueError: too dense: 0.9"}
    assert all("in percolation" in text for text in failures["_traceback"])
    failed = pl.read_ipc(found / "all.arrow").filter(_status="failed")
    assert failed.select("largest", "drawn", "first").null_count().row(0) == (10, 10, 10)


def test_the_same_seed_gives_the_same_results_in_another_lab(lab: raylab.Lab, found: Path) -> None:
    """In one that is in memory."""
    exec(SUBMIT.replace("raylab.Lab(lab)", "lab"), {"raylab": raylab, "lab": lab, "__name__": "__main__"})
    assert lab.wait(timeout=150)
    order = ["p", "L", "_repeat"]
    assert_frame_equal(lab.results().sort(order), pl.read_ipc(found / "done.arrow").sort(order))


def test_the_notebook_reads_the_same_without_ray(cluster: Cluster, found: Path) -> None:
    script = """
    import sys
    notebook = raylab.Notebook(path)
    notebook.results("coarse", status="all", metadata=True).write_ipc(out + "/notebook.arrow")
    assert notebook.sweeps()["ready"].to_list() == [100]
    assert "ray" not in sys.modules
    """
    client(script, None, path=str(cluster.home / "way"), out=str(found))
    assert_frame_equal(pl.read_ipc(found / "notebook.arrow"), pl.read_ipc(found / "all.arrow"))


def test_the_code_in_the_folders_readme_reads_it_with_polars_alone(
    cluster: Cluster, found: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = cluster.home / "way"
    (code,) = re.findall(r"```python\n(.*?)```", (notebook / "README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(notebook)
    names: dict[str, pl.DataFrame] = {}
    exec(code.replace('"SWEEP"', '"coarse"'), names)
    rows = pl.read_ipc(found / "all.arrow")
    unknown = [name for name in SELDOM if rows[name].null_count() == rows.height]  # left out of the files
    rows = rows.drop(unknown)
    assert_frame_equal(names["results"].select(rows.columns).sort("_seq"), rows.sort("_seq"))


def test_the_lab_lists_its_sweeps(found: Path) -> None:
    (row,) = pl.read_ipc(found / "sweeps.arrow").to_dicts()
    expected = {"name": "coarse", "state": "ready", "total": 100, "ready": 100, "done": 90, "failed": 10, "rows": 100}
    assert {name: row[name] for name in expected} == expected


def test_the_page_this_project_started_from_reads_naturally(cluster: Cluster, lab_name: str) -> None:
    script = """
    def experiment(x):
        return {"y": x * x}

    lab = raylab.Lab(name)
    lab["x"] = range(1000)
    assert lab["x"] == range(1000) and lab.axes == {"x": range(1000)}
    for refused in (len, iter):
        try:
            refused(lab)
            raise AssertionError(refused)
        except TypeError:
            pass
    try:
        lab["coarse"]
        raise AssertionError("no error")
    except raylab.SweepNotFound as error:
        assert "lab.sweep('coarse')" in str(error)
    lab.submit(experiment)
    print("We have {r} results available ({f} of the total)".format(r=lab.number_of_results(), f=lab.ready_fraction()))
    assert lab.wait()
    assert lab.ready() and lab.ready_fraction() == 1.0 and lab.number_of_results() == 1000
    assert lab.update_results() == 1000 and lab.update_results() == 0
    frame = lab.results()
    assert frame.columns == ["x", "y"] and frame.height == 1000
    assert sorted(frame["y"]) == [x * x for x in range(1000)]
    """
    said = cluster.client(script, name=lab_name)
    assert re.search(r"We have \d+ results available", said)


def _dedent(code: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in code.splitlines())
