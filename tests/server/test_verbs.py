"""A lab's verbs, in memory: cancel, submit again, lock, wait, pause; and what is refused."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from said import refused, said

import raylab


def gated(x: int, gate: str) -> dict[str, int]:
    while not os.path.exists(gate):  # noqa: PTH110
        time.sleep(0.005)
    return {"y": x}


def test_cancelling_gives_up_what_is_not_recorded_and_submitting_again_goes_on(lab: raylab.Lab, gate: Path) -> None:
    axes = {"x": range(50), "gate": [str(gate)]}
    sweep = lab.submit(gated, axes, name="gated", seed=3)
    assert sweep.cancel() == 50
    assert lab.cancel("gated") == 50
    progress = sweep.progress()
    assert (progress.cancelled, progress.waiting, progress.running, progress.state) == (50, 0, 0, "cancelled"), progress
    assert sweep.ready()
    assert sweep.ready_fraction() == 1.0
    assert sweep.wait(timeout=5)
    assert lab.sweeps().filter(name="gated").select("state", "cancelled").rows() == [("cancelled", 50)]
    assert sweep.results().height == 0
    assert sweep.results().columns[:2] == ["x", "gate"]

    again = lab.submit(gated, axes, name="gated")  # no seed: matches
    assert again.progress().cancelled == 0
    assert again.info()["seed"] == 3
    assert again.wait(timeout=0.2, progress=False) is False
    gate.touch()
    assert again.wait(timeout=60)
    assert again.progress().done == 50
    assert sweep.cancel() == 0
    assert sweep.progress().state == "ready"
    assert sweep.results().height == 50


def test_another_policy_reaches_what_was_never_started(lab: raylab.Lab) -> None:
    def echo(x: int) -> dict[str, int]:
        return {"y": x}

    greedy, _ = said(lambda: lab.submit(echo, {"x": range(5)}, name="greedy", num_gpus=8))
    assert not greedy.wait(timeout=0.2, progress=False)
    assert greedy.progress().state == "infeasible"
    again = lab.submit(echo, {"x": range(5)}, name="greedy")
    assert again.wait(timeout=60, progress=False), again.progress()
    assert again.results().height == 5


def test_policy_is_no_part_of_identity_and_changes_on_submitting_again(
    lab: raylab.Lab, gate: Path, tmp_path: Path
) -> None:
    def flaky(x: int, folder: str, gate: str) -> dict[str, int]:
        gated(x, gate)
        Path(folder, f"{x}-{time.time_ns()}").touch()
        runs = len(list(Path(folder).glob(f"{x}-*")))
        if runs < 3:
            raise RuntimeError(f"run {runs}")
        return {"runs": runs}

    (folder := tmp_path / "runs").mkdir()
    axes = {"x": range(5), "folder": [str(folder)], "gate": [str(gate)]}
    sweep = lab.submit(flaky, axes, name="flaky", description="first")
    sweep.cancel()  # leases that are out keep the policy they went with
    gate.touch()
    again = lab.submit(flaky, axes, name="flaky", retries=2, description="second")
    assert lab.sweeps()["name"].to_list() == ["flaky"]
    assert (again.info()["retries"], again.info()["description"]) == (2, "second")
    assert again.wait(timeout=60)
    rows = again.results(metadata=True)
    assert set(rows["runs"]) == {3}
    assert set(rows["_attempt"]) <= {2, 3}  # the trial that waited at the gate has run once before, and was nobody's


def test_a_locked_sweep_takes_no_change(lab: raylab.Lab) -> None:
    def done(x: int) -> dict[str, int]:
        return {"y": x}

    def other(x: int) -> dict[str, int]:
        return {"y": -x}

    sweep = lab.submit(done, {"x": [1, 2]}, name="kept")
    assert sweep.wait(timeout=60)
    sweep.lock()
    sweep.lock()
    assert sweep.progress().state == "locked"
    with refused(raylab.SweepLocked, "kept"):
        sweep.cancel()
    with refused(raylab.SweepLocked, "kept"):
        lab.submit(done, {"x": [1, 2]}, name="kept", retries=5)
    with refused(raylab.SweepExists, "kept", "other"):
        lab.submit(other, {"x": [1, 2]}, name="kept")
    assert lab.submit(done, {"x": [1, 2]}, name="kept").results().height == 2


def test_what_cannot_be_right_is_refused_before_anything_is_stored(lab: raylab.Lab, tmp_path: Path) -> None:
    lock = threading.Lock()

    def fine(x: int) -> dict[str, int]:
        return {"y": x}

    def unpicklable(x: int) -> dict[str, bool]:
        return {"y": lock.locked()}

    def needs(x: int, z: int) -> dict[str, int]:
        return {}

    async def coroutine(x: int) -> dict[str, int]:
        return {}

    axes = {"x": [1, 2]}
    anything: Any = lab
    calls: list[tuple[type[Exception], list[str], Callable[[], object]]] = [
        (raylab.DesignError, ["'x'"], lambda: lab.submit(fine, {"x": []})),
        (raylab.DesignError, ["x", "w"], lambda: lab.submit(fine, raylab.Points(x=[1, 2], w=[1, 2, 3]))),
        (raylab.DesignError, ["_x"], lambda: lab.submit(fine, {"_x": [1]})),
        (raylab.DesignError, ["x", "set"], lambda: lab.submit(fine, {"x": {1, 2}})),
        (raylab.DesignError, ["x", "object"], lambda: lab.submit(fine, {"x": [object()]})),
        (raylab.DesignError, [], lambda: anything.submit(fine, 42)),
        (raylab.DesignError, ["repeats", "0"], lambda: lab.submit(fine, axes, repeats=0)),
        (raylab.DesignError, ["seed", "-1"], lambda: lab.submit(fine, axes, seed=-1)),
        (raylab.DesignError, ["order", "sorted"], lambda: anything.submit(fine, axes, order="sorted")),
        (raylab.DesignError, ["retries"], lambda: lab.submit(fine, axes, retries=-1)),
        (raylab.DesignError, ["CPU"], lambda: lab.submit(fine, axes, num_cpus=-1)),
        (raylab.DesignError, ["num_cpus"], lambda: lab.submit(fine, axes, ray_remote_args={"num_cpus": 2})),
        (raylab.DesignError, ["runtime_env"], lambda: lab.submit(fine, axes, runtime_env={"env_vars": {"A": lock}})),
        (raylab.ExperimentError, ["unpicklable", "lock"], lambda: lab.submit(unpicklable, axes)),
        (raylab.ExperimentError, ["z"], lambda: lab.submit(needs, axes)),
        (raylab.ExperimentError, ["w"], lambda: lab.submit(fine, {"x": [1], "w": [1]})),
        (raylab.ExperimentError, [], lambda: anything.submit(42, axes)),
        (raylab.ExperimentError, ["coroutine"], lambda: lab.submit(coroutine, axes)),
        (raylab.ExperimentError, ["no-such-file"], lambda: lab.submit(fine, axes, include="no-such-file")),
        (raylab.NameRefused, ["a/b"], lambda: lab.submit(fine, axes, name="a/b")),
        (raylab.NameRefused, [], lambda: lab.submit(fine, axes, name="")),
        (raylab.SweepNotFound, ["nothing", "none yet"], lambda: lab.sweep("nothing")),
        (raylab.SweepNotFound, ["nothing"], lambda: lab.cancel("nothing")),
        (raylab.SweepNotFound, ["none yet"], lab.results),
        (ValueError, ["-1"], lambda: lab.wait(timeout=-1)),
    ]
    for kind, words, call in calls:
        with refused(kind, *words):
            call()
    assert lab.sweeps().height == 0
    assert lab.wait(timeout=0)
    assert not list((tmp_path / "lab").glob("code/*"))
    assert not list((tmp_path / "lab").glob("sweeps/*"))


def test_a_lab_without_sweeps_is_ready(lab: raylab.Lab) -> None:
    assert lab.ready()
    assert lab.ready_fraction() == 1.0
    assert lab.number_of_results() == lab.update_results() == lab.sweeps().height == 0


def test_a_wait_that_times_out_cancels_nothing_and_what_no_node_has_is_infeasible(lab: raylab.Lab, gate: Path) -> None:
    axes = {"x": range(3), "gate": [str(gate)]}
    greedy, told = said(lambda: lab.submit(gated, axes, name="greedy", num_gpus=8))
    assert any("'greedy'" in line and "GPU" in line for line in told), told
    sweep = lab.submit(gated, axes, name="gated")
    assert sweep.wait(timeout=0.3) is False
    assert sweep.wait(timeout=0) is False
    assert (sweep.progress().cancelled, sweep.progress().total) == (0, 3)
    progress = greedy.progress()
    assert progress.state == "infeasible"
    assert "GPU" in progress.reason
    gate.touch()
    assert sweep.wait(timeout=60)
    assert greedy.progress().state == "infeasible"
    assert greedy.wait(timeout=0.1) is False
    greedy.cancel()
    assert lab.wait(timeout=1)


def test_a_sweep_whose_first_hundred_trials_fail_pauses_itself(
    lab: raylab.Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> Callable[[int], dict[str, int]]:
        def fit(x: int) -> dict[str, int]:
            raise KeyError("typo")

        return fit

    def mended() -> Callable[[int], dict[str, int]]:
        def fit(x: int) -> dict[str, int]:
            return {"y": x}

        return fit

    sweep = lab.submit(broken(), {"x": range(500)}, name="fit")
    assert sweep.wait(timeout=60) is False
    progress = sweep.progress()
    assert (progress.state, progress.running) == ("paused", 0)
    assert "typo" in progress.reason
    assert 100 <= progress.failed < 500, progress
    lab.update_results()

    ended = False
    while not sweep.ready():  # each hundred more of failures pauses it again
        before = sweep.progress().failed
        lab.submit(broken(), {"x": range(500)}, name="fit")  # goes on; a hundred may have failed before anybody looks
        ended = sweep.wait(timeout=60)
        assert sweep.progress().failed >= min(before + 100, 500)
    assert ended is True
    assert sweep.progress().failed == 500
    captured = capsys.readouterr()
    assert captured.out == "", "what is said to a person goes to stderr"
    assert "raylab: fit is paused" in captured.err
    assert "500 of 500 trials failed, the first with KeyError" in captured.err

    lab.update_results()
    sweep, _ = said(lambda: lab.submit(mended(), {"x": range(500)}, name="fit"))
    assert sweep.wait(timeout=60)
    assert sweep.update_results() == 500, "the rows of the sweep that was replaced do not count"
    assert sweep.results().height == 500
    assert sweep.failures().height == 0
    assert lab.sweeps().select("name", "done", "failed").rows() == [("fit", 500, 0)]
    assert raylab.Notebook(tmp_path / "lab").results("fit")["y"].sort().to_list() == list(range(500))


def test_updates_give_each_row_once_as_it_comes(lab: raylab.Lab, gate: Path) -> None:
    def slow(x: int, gate: str) -> dict[str, int]:
        return gated(x, gate) if x >= 50 else {"y": x}

    sweep = lab.submit(slow, raylab.Factorial(x=range(100), gate=[str(gate)]), order="design")
    seen = []
    for frame in sweep.updates(timeout=60):
        seen += frame["_seq"].to_list()
        gate.touch()
    assert seen == list(range(100))
    assert [frame["_seq"].to_list() for frame in sweep.updates(since=90)] == [list(range(90, 100))]


def test_shutdown_refuses_while_trials_are_outstanding_and_force_keeps_them(gate: Path, tmp_path: Path) -> None:
    import raylab.testing

    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        lab.submit(gated, {"x": range(20), "gate": [str(gate)]}, name="gated")
        with refused(raylab.LabBusy, "20", "force=True"):
            lab.shutdown()
        lab.shutdown(force=True)
        with refused(raylab.LabUnavailable, "test"):
            lab.progress()
    gate.touch()
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        assert lab.progress().total == 20
        assert lab.wait(timeout=60)
        assert lab.results()["y"].sort().to_list() == list(range(20))


def test_large_levels_cost_little_and_larger_requests_are_refused(lab: raylab.Lab, tmp_path: Path) -> None:
    import numpy as np

    def fit(weights: Any, k: int) -> dict[str, Any]:
        return {"type": type(weights).__name__, "n": len(weights * 2)}

    sweep = lab.submit(fit, {"weights": [np.random.default_rng(1).random(250_000)], "k": range(50)}, seed=1)
    assert sweep.wait(timeout=60)
    rows = sweep.results()
    assert set(rows["type"]) == {"ndarray"}
    assert set(rows["n"]) == {250_000}
    assert rows["weights"].n_unique() == 1
    assert len(rows["weights"][0]) < 200
    assert sum(path.stat().st_size for path in (tmp_path / "lab").rglob("*")) < 20_000_000
    designs: list[Any] = [[{"k": 1, "weights": np.zeros(300 * 2**17)}], {"k": [1], "weights": ["a" * 65 * 2**20]}]
    for design in designs:
        with refused(raylab.DesignError, "64 MB at most, most of it in the levels of 'weights'", "include="):
            lab.submit(fit, design, name="too large")
    assert "too large" not in lab.sweeps()["name"]


def test_what_stands_twice_is_told_and_runs_twice(lab: raylab.Lab) -> None:
    import pandas as pd

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sweep = lab.submit(lambda x: {"y": x}, {"x": [1, 1, 2]}, name="twice", seed=1)
    (told,) = [str(each.message) for each in caught if "twice" in str(each.message)]
    assert told.startswith("x=1: this stands twice in the design")
    assert "repeats=" in told
    assert sweep.wait(timeout=60)
    assert sweep.results()["y"].to_list() == [1, 1, 2]
    frame = pd.DataFrame({"c": pd.Categorical(["a", None]), "f": [float("nan"), 1.0]})
    rows = lab.submit(lambda c, f: {"seen": repr((c, f))}, frame, name="frame", seed=1)
    assert rows.wait(timeout=60)
    assert rows.results()["seen"].to_list() == ["('a', nan)", "(None, 1.0)"]
