"""Submitting again, in memory: what gives way, what does not, and that a handle means one sweep."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from said import refused, said

import raylab
import raylab.testing


def test_a_loop_over_a_value_makes_a_sweep_for_each_and_each_handle_gives_its_own(lab: raylab.Lab) -> None:
    sweeps: list[raylab.Sweep] = []
    for _ in range(2):  # also where the cell is run again
        with warnings.catch_warnings(action="ignore"):
            sweeps = [lab.submit(lambda x, k=k: {"y": k * x}, {"x": range(5)}) for k in (1, 10, 100)]
        assert lab.wait(timeout=60, progress=False)
        assert [sweep.results()["y"].to_list() for sweep in sweeps] == [[k * x for x in range(5)] for k in (1, 10, 100)]
    names = [sweep.name for sweep in sweeps]
    assert lab.sweeps()["name"].to_list() == names
    assert len(set(names)) == 3
    frame = lab.results(names)
    assert frame.columns == ["_sweep", "x", "y"]
    assert frame["_sweep"].unique(maintain_order=True).to_list() == names
    assert lab.scan(names).collect().height == 15
    assert (lab.ready(names), lab.progress(names[:2]).total, lab.number_of_results(names[1:])) == (True, 10, 10)
    assert lab.wait(names, timeout=5, progress=False)
    assert lab.update_results(names[:1]) == 5
    with refused(raylab.SweepNotFound, "'nothing'", *names):
        lab.results([names[0], "nothing"])
    with refused(raylab.SweepNotFound, f"results([{names[0]!r}, {names[1]!r}])"):
        lab.results()
    one: Any = names
    for verb in (lab.sweep, lab.cancel):
        with refused(raylab.NameRefused, "the name of one sweep is wanted"):
            verb(one)
    bads: list[Any] = [[], [3], 3]
    for bad in bads:
        with refused(raylab.NameRefused):
            lab.results(bad)


Fit = Callable[[int], dict[str, float]]


def broken() -> Fit:
    def fit(x: int) -> dict[str, float]:
        raise KeyError(x)

    return fit


def mended() -> Fit:
    def fit(x: int) -> dict[str, float]:
        return {"y": x}

    return fit


def changed() -> Fit:
    def fit(x: int) -> dict[str, float]:
        return {"y": -x}

    return fit


def test_a_bug_that_is_mended_takes_the_name_and_its_failures_are_a_design(lab: raylab.Lab) -> None:
    axes = {"x": range(4)}
    sweep = lab.submit(broken(), axes, repeats=3)
    assert sweep.wait(timeout=60, progress=False)
    failures = sweep.failures()
    assert "_repeat" in failures.columns
    assert failures.height == 12
    good, told = said(lambda: lab.submit(mended(), axes, repeats=3))
    assert good.name == "fit"
    assert "read as 'fit~1'" in told[0]
    assert good.wait(timeout=60, progress=False)
    assert good.results().height == 12
    assert lab.sweep("fit~1").failures().equals(failures)
    with refused(raylab.SweepExists, "function fit: its source has changed"):
        lab.submit(changed(), axes, repeats=3, name="fit")

    again, told = said(lambda: lab.submit(changed(), failures, name="again"))
    assert "_repeat, _point, _status, _attempt, _error" in told[0]
    assert "12 failed trials are 4 points: repeats" in told[0]
    assert again.wait(timeout=60, progress=False)
    assert again.results()["y"].to_list() == [0, -1, -2, -3]
    rows = good.results(metadata=True).select("x", "_seq", "_repeat")
    some, told = said(lambda: lab.submit(changed(), rows, name="some"))
    assert some.progress().total == 4
    assert len(told) == 1
    with refused(raylab.DesignError, "'_x'"):
        lab.submit(changed(), failures.with_columns(_x=1), name="bad")


def test_what_was_set_aside_is_still_there_after_the_lab_was_started_again(tmp_path: Path) -> None:
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        for number, experiment in enumerate((lambda x: {"y": x}, lambda x: {"y": -x}, lambda x: {"y": 0})):
            submit = partial(lab.submit, experiment, {"x": [1, 2]}, name="s", if_exists="replace")
            sweep, told = said(submit)
            assert len(told) == (number > 0)
            assert sweep.wait(timeout=60, progress=False)
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        assert [lab.results(which)["y"].to_list() for which in ("s~1", "s~2", "s")] == [[1, 2], [-1, -2], [0, 0]]
        assert lab.results(["s", "s~1"])["_sweep"].to_list() == ["s", "s", "s~1", "s~1"]
