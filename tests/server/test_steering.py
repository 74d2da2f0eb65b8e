"""The verbs that steer a sweep, in memory: pause, resume, change, and what they come to with the others."""

from __future__ import annotations

import os
import platform
import re
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
from clusters import eventually
from said import refused, said

import raylab
import raylab.testing
from raylab.core.request import Request
from raylab.errors import DesignError, ExperimentError
from raylab.notebook import layout
from raylab.notebook.requests import from_rows
from raylab.server.protocol import person


def gated(x: int, gate: str) -> dict[str, int]:
    while not os.path.exists(gate):  # noqa: PTH110
        time.sleep(0.005)
    return {"y": x}


def doubled(x: int) -> dict[str, int]:
    return {"y": 2 * x}


def failing(x: int) -> dict[str, int]:
    if x % 2:
        raise KeyError(x)
    return {"y": x}


@pytest.fixture
def sweep(lab: raylab.Lab, gate: Path) -> raylab.Sweep:
    """One of whose trials the first runs, and waits at the gate."""
    found = lab.submit(gated, {"x": range(30), "gate": [str(gate)]}, name="gated", order="design")
    eventually(lambda: found.progress().running)
    return found


def rows(place: Path, *kinds: str) -> list[Request]:
    """What was asked, as the notebook has it."""
    files = raylab.Notebook(place)._files.of(layout.REQUESTS)
    return [row for loaded in files for row in from_rows(loaded.table) if row.kind in kinds]


def test_the_nodes_are_those_on_which_something_runs(lab: raylab.Lab, sweep: raylab.Sweep, gate: Path) -> None:
    assert (sweep.progress().nodes, sweep.progress().rate) == ({platform.node(): 1}, None)
    assert lab.sweeps()["nodes"].to_list() == [[{"node": platform.node(), "running": 1}]]
    gate.touch()
    sweep.wait(timeout=60, progress=False)
    eventually(lambda: not sweep.progress().nodes)
    assert (sweep.progress().rate, lab.sweeps()["rate"].to_list()) == (0.0, [0.0])


def test_of_a_sweep_that_is_cancelled_or_replaced_nothing_runs_anywhere(
    lab: raylab.Lab, sweep: raylab.Sweep, gate: Path
) -> None:
    sweep.cancel()
    gate.touch()
    eventually(lambda: not sweep.progress().nodes)
    again = lab.submit(doubled, {"x": range(3)}, name="gated", if_exists="replace")
    assert again.wait(timeout=60, progress=False)
    eventually(lambda: not lab.progress().nodes)
    assert lab.progress("gated~1").nodes == {}


def test_a_pause_lets_what_runs_end_and_a_resume_goes_on(lab: raylab.Lab, sweep: raylab.Sweep, gate: Path) -> None:
    sweep.pause()
    progress = sweep.progress()
    assert (progress.state, progress.reason) == ("paused", f"paused by {person()}")
    assert progress.running == 1
    assert sweep.wait(timeout=0.2, progress=False) is False
    gate.touch()
    ended, told = said(lambda: sweep.wait(timeout=60, progress=False))
    assert ended is False
    assert (sweep.progress().done, sweep.progress().running, sweep.progress().waiting) == (1, 0, 29)
    assert sweep.progress().eta_s is None
    assert lab.sweeps().select("name", "state").rows() == [("gated", "paused")]
    lab.pause("gated")
    lab.resume("gated")
    assert sweep.wait(timeout=60, progress=False)
    assert sweep.results()["y"].sort().to_list() == list(range(30))
    assert told == []


def test_a_wait_says_once_that_a_person_paused_it(
    sweep: raylab.Sweep, gate: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep.pause()
    gate.touch()
    assert not sweep.wait(timeout=60)
    assert f"raylab: gated is paused by {person()}\n" in capsys.readouterr().err


def test_said_twice_is_asked_once(lab: raylab.Lab, sweep: raylab.Sweep, gate: Path, tmp_path: Path) -> None:
    for verb in (sweep.pause, sweep.pause, sweep.resume, sweep.resume, sweep.pause):
        verb()
    assert [row.kind for row in rows(tmp_path / "lab", "paused", "resumed")] == ["paused", "resumed", "paused"]
    for _ in range(2):
        sweep.change(priority=3)
    assert len(rows(tmp_path / "lab", "policy")) == 1
    gate.touch()


def test_a_pause_outlives_the_lab(gate: Path, tmp_path: Path) -> None:
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        lab.submit(gated, {"x": range(5), "gate": [str(gate)]}, name="gated").pause()
        lab.submit(gated, {"x": range(5), "gate": [str(gate)]}, name="other")
    gate.touch()
    assert raylab.Notebook(tmp_path / "lab").progress("gated").state == "paused"
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        assert lab.wait("other", timeout=60, progress=False)
        progress = lab.progress("gated")
        assert (progress.state, progress.reason) == ("paused", f"paused by {person()}")
        assert progress.waiting == 5
        lab.resume("gated")
        assert lab.wait(timeout=60, progress=False)


def test_a_cancelled_sweep_is_not_paused_and_a_resume_lets_it_go_on(
    lab: raylab.Lab, sweep: raylab.Sweep, gate: Path
) -> None:
    sweep.pause()
    sweep.cancel()
    assert sweep.progress().state == "cancelled"
    sweep.pause()
    assert sweep.progress().state == "cancelled"
    gate.touch()
    lab.resume("gated")
    assert sweep.wait(timeout=60, progress=False)
    assert sweep.progress().done == 30


def test_submitting_again_lets_a_paused_sweep_go_on(lab: raylab.Lab, sweep: raylab.Sweep, gate: Path) -> None:
    sweep.pause()
    gate.touch()
    lab.submit(gated, {"x": range(30), "gate": [str(gate)]}, name="gated", order="design")
    assert sweep.wait(timeout=60, progress=False)


def test_what_is_complete_is_neither_paused_nor_resumed_and_takes_another_policy(
    lab: raylab.Lab, sweep: raylab.Sweep, gate: Path, tmp_path: Path
) -> None:
    gate.touch()
    assert sweep.wait(timeout=60, progress=False)
    sweep.pause()
    sweep.resume()
    assert sweep.progress().state == "ready"
    assert not rows(tmp_path / "lab", "paused", "resumed")
    sweep.change(description="kept", priority=4)
    assert sweep.info()["description"] == "kept"
    assert lab.sweeps().select("description", "priority", "state").rows() == [("kept", 4, "ready")]


def test_a_locked_sweep_is_neither_paused_nor_changed_but_goes_on(
    lab: raylab.Lab, sweep: raylab.Sweep, gate: Path
) -> None:
    sweep.pause()
    sweep.lock()
    with refused(raylab.SweepLocked, "gated"):
        sweep.pause()
    with refused(raylab.SweepLocked, "gated", "policy", "name="):
        sweep.change(priority=1)
    sweep.change(priority=0)
    sweep.resume()
    gate.touch()
    assert sweep.wait(timeout=60, progress=False)


def test_a_sweep_that_was_set_aside_takes_no_change(lab: raylab.Lab, sweep: raylab.Sweep, gate: Path) -> None:
    lab.submit(gated, {"x": [1], "gate": [str(gate)]}, name="gated", if_exists="replace")
    for verb in (sweep.pause, sweep.resume, lambda: sweep.change(priority=1)):
        with refused(raylab.SweepNotFound, "was replaced by", "'gated~1'"):
            verb()
    aside = lab.sweep("gated~1")
    for verb in (aside.pause, aside.resume, lambda: aside.change(priority=1), lambda: lab.pause("gated~1")):
        with refused(raylab.SweepLocked, "'gated~1' was set aside for another 'gated'"):
            verb()
    for call in (lambda: lab.pause("nothing"), lambda: lab.resume("nothing")):
        with refused(raylab.SweepNotFound, "nothing", "gated"):
            call()
    gate.touch()


def test_a_policy_changes_without_the_code_and_outlives_the_lab(gate: Path, tmp_path: Path) -> None:
    words: dict[str, Any] = {"description": "x", "retries": 1, "time_limit": 60.0, "priority": 5}
    words |= {"max_concurrency": 1, "max_failures": 0.5}
    with raylab.testing.lab(notebook=tmp_path / "lab", resources={"CPU": 4.0, "licence": 3.0}) as lab:
        sweep = lab.submit(gated, {"x": range(5), "gate": [str(gate)]}, name="gated", resources={"licence": 1})
        sweep.change(**words, num_cpus=2, memory=1e6)
        sweep.change(num_cpus=1)
        info = sweep.info()
    with raylab.testing.lab(notebook=tmp_path / "lab", resources={"CPU": 4.0, "licence": 3.0}) as lab:
        assert lab.sweep("gated").info() == info
    assert {word: info[word] for word in words} == words
    assert info["resources"] == {"CPU": 1, "licence": 1, "memory": 1e6}
    frame = raylab.Notebook(tmp_path / "lab").sweeps()
    assert frame.select("priority", "max_concurrency", "max_failures").rows() == [(5, 1, 0.5)]


def test_what_waits_for_a_node_that_is_not_there_runs_once_it_asks_for_less(
    lab: raylab.Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    greedy, _ = said(lambda: lab.submit(failing, {"x": [0, 2]}, name="greedy", num_gpus=8))
    assert greedy.progress().state == "infeasible"
    greedy.change(num_gpus=0)
    assert greedy.wait(timeout=60, progress=False)
    greedy.change(resources={"robot": 1})
    assert capsys.readouterr().err == "", "nothing of it is left to run"
    lab.submit(failing, {"x": [0, 2]}, name="other", priority=-1).change(resources={"robot": 1})
    assert "other: no node of the cluster has what one trial asks for" in capsys.readouterr().err


def test_one_amount_for_all_takes_the_place_of_those_by_level(gate: Path, tmp_path: Path) -> None:
    with raylab.testing.lab(notebook=tmp_path / "lab", resources={"CPU": 2.0, "memory": 3e9}) as lab:
        axes = {"x": [0, 1], "gate": [str(gate)]}
        sweep = lab.submit(gated, axes, name="gated", memory={"x": {0: 1e9, 1: 9e9}}, time_limit={"x": {0: 50, 1: 60}})
        sweep.change(memory=2e9)
        assert sweep.info()["classes"] == [
            "1 trial, of x=0: 1 CPU, 2 GB memory, at most 50 s",
            "1 trial, of x=1: 1 CPU, 2 GB memory, at most 60 s",
        ]
        with refused(raylab.DesignError, "one memory for all trials", "submitting the same again"):
            sweep.change(memory={"x": {0: 1e9, 1: 9e9}})
        gate.touch()
        assert sweep.wait(timeout=60, progress=False)


def test_another_limit_says_that_what_failed_stays(lab: raylab.Lab, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = lab.submit(failing, {"x": range(6)}, name="half")
    assert sweep.wait(timeout=60, progress=False)
    sweep.change(priority=1)
    assert capsys.readouterr().err == ""
    sweep.change(retries=2)
    told = capsys.readouterr().err
    assert told.startswith("raylab: 3 trials of 'half' failed before this change")
    assert "lab.sweep('half').retry()" in told
    sweep.change(retries=2)
    assert capsys.readouterr().err == ""


def test_a_sweep_pauses_at_its_limit_and_counts_anew_after_a_resume_also_in_another_life(
    tmp_path: Path, gate: Path
) -> None:
    def paused(sweep: raylab.Sweep) -> tuple[str, int]:
        assert sweep.wait(timeout=60, progress=False) is False
        progress = sweep.progress()
        assert (progress.state, progress.running) == ("paused", 0)
        return progress.reason, progress.failed

    hasty = str(gate)

    def slow(x: int) -> dict[str, int]:
        if not os.path.exists(hasty):  # noqa: PTH110
            time.sleep(0.02)  # a lease is no more than 100 of the 1,000
        return failing(x)

    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        sweep = lab.submit(slow, {"x": range(1_000)}, name="half", max_failures=3, order="design")
        reason, first = paused(sweep)
        assert re.match(r"\d+ trials failed, and max_failures is 3,", reason), reason
        assert "the first with KeyError: 1;" in reason
        assert 3 <= first < 200
        assert lab.sweeps()["max_failures"].to_list() == [3.0]
    assert raylab.Notebook(tmp_path / "lab").progress().reason == reason
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        sweep = lab.sweep("half")
        assert paused(sweep) == (reason, first)
        sweep.resume()
        reason, second = paused(sweep)
        assert "since it was resumed" in reason
        assert second >= first + 3
        for limit, told in ((None, "was 3 (now None)"), (9, "was 3 (now 9)"), (3, "is 3"), (None, "was 3 (now None)")):
            sweep.change(max_failures=limit)
            assert sweep.progress().state == "paused", "only a person lets it go on"
            assert sweep.progress().reason == reason.replace("is 3,", f"{told},", 1)
    assert "max_failures was 3 (now None)," in raylab.Notebook(tmp_path / "lab").progress().reason
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        sweep = lab.sweep("half")
        assert "max_failures was 3 (now None)," in sweep.progress().reason
        gate.touch()
        sweep.resume()
        assert sweep.wait(timeout=60, progress=False)
        assert (sweep.progress().done, sweep.progress().failed) == (500, 500)


def test_one_that_has_paused_itself_keeps_the_reason_when_a_person_pauses_it(lab: raylab.Lab, tmp_path: Path) -> None:
    sweep = lab.submit(failing, {"x": range(1, 3_000, 2)}, name="bad")
    assert sweep.wait(timeout=60, progress=False) is False
    reason = sweep.progress().reason
    for _ in range(2):
        sweep.pause()
    assert sweep.progress().reason == reason
    assert [row.body.get("by") for row in rows(tmp_path / "lab", "paused")] == [None, person()]
    assert sweep.retry() > 0
    assert sweep.progress().state == "paused", "what a person paused goes on when a person says so"


def test_a_share_pauses_once_a_hundred_are_in(lab: raylab.Lab) -> None:
    sweep = lab.submit(failing, {"x": range(1_000)}, name="half", max_failures=0.2)
    assert sweep.wait(timeout=60, progress=False) is False
    progress = sweep.progress()
    assert "trials failed, and max_failures is 0.2" in progress.reason
    assert progress.ready >= 100
    quiet = lab.submit(failing, {"x": range(1_000)}, name="quiet", max_failures=0.6)
    assert quiet.wait(timeout=60, progress=False)


def test_the_same_again_says_what_of_the_policy_is_other_than_before(lab: raylab.Lab) -> None:
    sweep = lab.submit(doubled, {"x": [1]}, name="s", priority=2)
    sweep.change(priority=7, max_failures=3)
    with pytest.warns(
        UserWarning, match=r"'s' is run otherwise from now on: priority: 2, was 7; max_failures: None, was 3"
    ):
        lab.submit(doubled, {"x": [1]}, name="s", priority=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lab.submit(doubled, {"x": [1]}, name="s", priority=2)


def test_a_cell_that_is_run_again_keeps_what_was_said_of_the_sweep_since(lab: raylab.Lab) -> None:
    sweep = lab.submit(doubled, {"x": [1]}, name="s", units={"x": "m"})
    sweep.change(description="the first", units={"y": ("m", "twice as much")})
    kept = {"x": {"units": "m"}, "y": {"units": "m", "description": "twice as much"}}
    for words in ({}, {"units": {"x": "m"}}, {"if_exists": "continue"}):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            again = lab.submit(doubled, {"x": [1]}, name="s", **words).info()
        assert (again["description"], again["units"]) == ("the first", kept)
    with pytest.warns(UserWarning, match=r"description: 'more', was 'the first'; units: .*'km'.*, was .*'m'"):
        grown = lab.submit(
            doubled, {"x": [1, 2]}, name="s", if_exists="extend", units={"x": "km"}, description="more"
        ).info()
    assert (grown["description"], grown["units"]) == ("more", kept | {"x": {"units": "km"}})


def test_what_has_an_argument_of_its_own_is_no_custom_resource(lab: raylab.Lab) -> None:
    for name, word in (("CPU", "num_cpus"), ("GPU", "num_gpus"), ("memory", "memory")):
        with pytest.raises(DesignError, match=f"say {name} with {word}="):
            lab.submit(doubled, {"x": [1]}, resources={name: 2})
        with pytest.raises(DesignError, match=f"say {name} with {word}="):
            lab.submit(doubled, {"x": [1]}, name="s").change(resources={name: 2})
    with pytest.raises(DesignError, match="resources are amounts by name"):
        lab.submit(doubled, {"x": [1]}, resources=["licence"])
    with pytest.raises(ExperimentError, match="include names files, folders or modules"):
        lab.submit(doubled, {"x": [1]}, include=3)
    with pytest.raises(ValueError, match="since is the first _seq of interest"):
        lab.submit(doubled, {"x": [1]}, name="s").updates(since="a")
