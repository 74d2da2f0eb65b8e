"""Going on with mended code, in memory: what is done stays, what waits or failed runs with the new version."""

from __future__ import annotations

import os
import shutil
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from clusters import eventually
from said import refused, said

import raylab
import raylab.testing

Fit = Callable[..., dict[str, Any]]


def held(gate: str) -> None:
    while gate and not os.path.exists(gate):  # noqa: PTH110
        time.sleep(0.005)


def broken() -> Fit:
    def fit(x: int, gate: str = "") -> dict[str, Any]:
        held(gate)
        if x % 3 == 0:
            raise ValueError(f"bad {x}")
        return {"y": x, "by": 1}

    return fit


def mended() -> Fit:
    def fit(x: int, gate: str = "") -> dict[str, Any]:
        held(gate)
        return {"y": x, "by": 2}

    return fit


def again() -> Fit:
    def fit(x: int, gate: str = "") -> dict[str, Any]:
        held(gate)
        return {"y": x, "by": 3}

    return fit


AXES = {"x": range(9)}


def finished(sweep: raylab.Sweep) -> raylab.Sweep:
    assert sweep.wait(timeout=60, progress=False), sweep.progress()
    return sweep


def codes(sweep: raylab.Sweep) -> list[tuple[int, int, int]]:
    """Level, version of the code, attempt of each trial."""
    with warnings.catch_warnings(action="ignore"):
        frame = sweep.results(status="all", metadata=["_code", "_attempt"])
    return frame.select("x", "_code", "_attempt").rows()


def test_what_is_done_stays_and_what_failed_runs_with_the_new_code(lab: raylab.Lab) -> None:
    sweep = finished(lab.submit(broken(), AXES, name="s", seed=5))
    before = sweep.results(metadata=True)
    with refused(raylab.SweepExists, "source has changed", "if_exists='continue'", "if_exists='replace'", "name="):
        lab.submit(mended(), AXES, name="s")
    same, told = said(lambda: lab.submit(mended(), AXES, name="s", if_exists="continue"))
    assert told == [
        "'s' goes on with version 2 of its code: function fit: its source has changed. What is done stays, 3 "
        "trials that failed run again"
    ]
    assert same.name == "s"
    assert lab.sweeps().height == 1
    finished(sweep)
    assert codes(sweep) == [(x, 2, 2) if x % 3 == 0 else (x, 1, 1) for x in range(9)]
    with warnings.catch_warnings(action="ignore"):
        after = sweep.results(metadata=True)
    assert after.filter(pl.col("by") == 1).equals(before), "not a bit of it has changed"
    assert after.filter(pl.col("by") == 2)["x"].to_list() == [0, 3, 6]
    assert sweep.failures().is_empty()

    first, second = sweep.info()["code"]
    assert (first["version"], first["differs"]) == (1, [])
    assert (second["version"], second["differs"]) == (2, ["function fit: its source has changed"])
    assert first["submitted"] < second["submitted"]
    assert first["user"] == second["user"] == lab.info()["user"]

    for word in ("fail", "continue"):  # the cell is run again
        _, told = said(lambda word=word: lab.submit(mended(), AXES, name="s", if_exists=word))  # type: ignore[misc]
        assert told == []
    assert len(sweep.info()["code"]) == 2
    assert sweep.number_of_results() == 12


def test_results_that_mix_versions_say_so_in_one_line(lab: raylab.Lab) -> None:
    sweep = finished(lab.submit(broken(), AXES, name="s"))
    assert said(sweep.results)[1] == []
    lab.submit(mended(), AXES, name="s", if_exists="continue")
    assert said(sweep.results)[1] == []
    finished(sweep)
    notebook = raylab.Notebook(lab.info()["notebook"])
    for read in (
        sweep.results,
        sweep.scan,
        lambda: sweep.results(status="all"),
        lambda: lab.results("s"),
        lambda: lab.scan(["s"]),
        lambda: notebook.results("s"),
        lambda: notebook.scan("s"),
    ):
        _, (told,) = said(read)
        assert "the results of 's' are of versions 1 and 2 of its code" in told
        assert 'metadata=["_code"]' in told
        assert 'info()["code"]' in told
    for silent in (sweep.failures, sweep.progress, lambda: sweep.results(status="failed"), sweep.info):
        assert said(silent)[1] == [], "nothing of it is a result"

    only = finished(lab.submit(again(), {"x": [0, 3]}, name="only"))
    del only
    failed = finished(lab.submit(broken(), {"x": [0, 3]}, name="failed"))
    lab.submit(mended(), {"x": [0, 3]}, name="failed", if_exists="continue")
    finished(failed)
    assert said(failed.results)[1] == [], "all that is done is of one version"
    assert said(lambda: failed.results(status="all"))[1] == []


def test_a_warning_is_of_the_line_that_reads(lab: raylab.Lab) -> None:
    sweep = finished(lab.submit(broken(), AXES, name="s"))
    lab.submit(mended(), AXES, name="s", if_exists="continue")
    finished(sweep)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sweep.results()
    assert [each.filename for each in caught] == [__file__]


def test_what_has_begun_ends_with_its_own_code_and_what_waits_runs_with_the_new_one(
    lab: raylab.Lab, gate: Path
) -> None:
    axes = {"x": [1, 2, 4, 5], "gate": [str(gate)]}
    sweep = lab.submit(broken(), axes, name="s", order="design")
    while not sweep.progress().running:
        time.sleep(0.01)
    lab.submit(mended(), axes, name="s", order="design", if_exists="continue")
    gate.touch()
    finished(sweep)
    assert codes(sweep) == [(1, 1, 1), (2, 2, 1), (4, 2, 1), (5, 2, 1)]


def test_a_sweep_that_stands_still_goes_on(lab: raylab.Lab) -> None:
    axes = {"x": range(0, 450, 3)}
    paused = lab.submit(broken(), axes, name="paused")
    assert paused.wait(timeout=60, progress=False) is False
    failed = paused.progress().failed
    assert paused.progress().state == "paused"
    _, (told,) = said(lambda: lab.submit(mended(), axes, name="paused", if_exists="continue"))
    assert f"{failed} trials that failed run again" in told
    assert finished(paused).results().height == 150

    cancelled = lab.submit(broken(), axes, name="cancelled")
    cancelled.cancel()
    eventually(lambda: not cancelled.progress().running)  # what ran by then has failed, and is known to
    lab.submit(mended(), axes, name="cancelled", if_exists="continue")
    assert finished(cancelled).results().height == 150


def test_nothing_failed_and_all_is_done_takes_the_version_and_runs_nothing(lab: raylab.Lab) -> None:
    sweep = finished(lab.submit(broken(), {"x": [1, 2]}, name="s"))
    _, (told,) = said(lambda: lab.submit(mended(), {"x": [1, 2]}, name="s", if_exists="continue"))
    assert told.endswith("What is done stays")
    assert sweep.progress().state == "ready"
    assert sweep.number_of_results() == 2
    assert len(sweep.info()["code"]) == 2


def test_the_code_of_before_is_told_by_its_number_and_can_come_back(lab: raylab.Lab) -> None:
    sweep = finished(lab.submit(broken(), AXES, name="s"))
    lab.submit(again(), AXES, name="s", if_exists="continue")
    finished(sweep)
    with refused(raylab.SweepExists, "that of version 1", "if_exists='continue'"):
        lab.submit(broken(), AXES, name="s")
    _, (told,) = said(lambda: lab.submit(broken(), AXES, name="s", if_exists="continue"))
    assert "version 3 of its code, which is version 1 again" in told
    assert len(sweep.info()["code"]) == 3
    assert {code for _, code, _ in codes(sweep)} == {1, 2}


def test_only_the_code_may_differ_and_only_ones_own_sweep_goes_on(
    lab: raylab.Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = finished(lab.submit(broken(), AXES, name="s", seed=5, repeats=2))
    differing: list[dict[str, Any]] = [{"seed": 6, "repeats": 2}, {"repeats": 2, "order": "design"}]
    for words in differing:
        with refused(raylab.SweepExists, *(word for word in words if word != "repeats")):
            lab.submit(mended(), AXES, name="s", if_exists="continue", **words)
    monkeypatch.setenv("LOGNAME", "somebody-else")
    with refused(raylab.SweepExists, "only ", "go on with other code"):
        lab.submit(mended(), AXES, name="s", repeats=2, if_exists="continue")
    monkeypatch.undo()
    sweep.lock()
    with refused(raylab.SweepLocked, "'s' is locked", "its code stays"):
        lab.submit(mended(), AXES, name="s", repeats=2, if_exists="continue")
    assert len(sweep.info()["code"]) == 1


def test_without_a_name_the_one_that_can_go_on_is_meant(lab: raylab.Lab) -> None:
    sweep = finished(lab.submit(broken(), AXES))
    assert lab.submit(mended(), AXES, if_exists="continue").name == sweep.name == "fit"
    finished(sweep)
    other, _ = said(lambda: lab.submit(again(), AXES, seed=77, if_exists="continue"))
    assert other.name == "fit-2", "with another seed none can go on"


def test_another_environment_is_another_version(lab: raylab.Lab) -> None:
    sweep = finished(lab.submit(broken(), AXES, name="s"))
    _, (told,) = said(
        lambda: lab.submit(
            broken(), AXES, name="s", if_exists="continue", runtime_env={"env_vars": {"MODE": "2"}}, retries=1
        )
    )
    assert "MODE" in told
    finished(sweep)
    assert {code for x, code, _ in codes(sweep) if x % 3 == 0} == {2}
    assert sweep.info()["runtime_env"] == {"env_vars": {"MODE": "2"}}
    assert sweep.info()["retries"] == 1


def test_it_goes_on_after_the_lab_was_started_again(tmp_path: Path, gate: Path) -> None:
    place = tmp_path / "lab"
    with raylab.testing.lab(notebook=place) as lab:
        sweep = finished(lab.submit(broken(), AXES, name="s"))
        sweep.pause()
        lab.submit(again(), AXES, name="s", if_exists="continue")
    with raylab.testing.lab(notebook=place) as lab:
        sweep = finished(lab.sweep("s"))
        assert {code for x, code, _ in codes(sweep) if x % 3 == 0} == {2}
        assert [each["version"] for each in sweep.info()["code"]] == [1, 2]
        assert said(lambda: lab.submit(again(), AXES, name="s"))[1] == []


def test_the_code_of_all_versions_is_kept_checked_and_copied(tmp_path: Path) -> None:
    place = tmp_path / "lab"
    with raylab.testing.lab(notebook=place) as lab:
        sweep = finished(lab.submit(broken(), AXES, name="s"))
        old = lab._client.record("s").code
        lab.submit(mended(), AXES, name="s", if_exists="continue")
        finished(sweep)
    notebook = raylab.Notebook(place)
    assert notebook.verify().is_empty()
    notebook.copy(tmp_path / "copy")
    assert {each.name for each in (tmp_path / "copy" / "code").iterdir()} == {
        each.name for each in (place / "code").iterdir()
    }
    (place / "code" / f"{old}.pkl").unlink()
    (finding,) = notebook.verify().to_dicts()
    assert (finding["file"], finding["sweep"], finding["what"]) == (f"code/{old}.pkl", "s", "it is missing")
    with refused(raylab.NotebookDamaged, old):
        notebook.copy(tmp_path / "second")
    shutil.rmtree(tmp_path / "second", ignore_errors=True)
    salvaged = notebook.copy(tmp_path / "third", salvage=True)
    assert salvaged.verify().is_empty()
    with raylab.testing.lab(notebook=tmp_path / "third") as lab:  # the version in force is whole
        record = lab._client.record("s")
        assert [bool(version.code) for version in record.versions] == [False, True]
        assert said(lambda: lab.submit(mended(), AXES, name="s"))[1] == []
        assert lab.sweep("s").ready()


def test_the_design_may_grow_as_well(lab: raylab.Lab) -> None:
    sweep = finished(lab.submit(broken(), AXES, name="s"))
    _, (told,) = said(lambda: lab.submit(mended(), {"x": range(12)}, name="s", if_exists="continue"))
    assert told.endswith("What is done stays, 3 trials are new, 3 trials that failed run again")
    finished(sweep)
    assert codes(sweep) == [(x, 1, 1) if x < 9 and x % 3 else (x, 2, 2 if x < 9 else 1) for x in range(12)]
    for axes in (AXES, {"x": range(12)}):
        assert said(lambda axes=axes: lab.submit(mended(), axes, name="s"))[1] == []  # type: ignore[misc]
    fewer, (told,) = said(lambda: lab.submit(again(), {"x": [1, 2]}, name="s", if_exists="continue"))
    assert "goes on with version 3" in told
    assert fewer.progress().total == 12
    _, told = said(lambda: lab.submit(again(), {"x": [30]}, name="s", if_exists="continue"))
    assert told == [], "the same code: more points and no new version"
    assert finished(sweep).progress().total == 13
    assert len(sweep.info()["code"]) == 3
