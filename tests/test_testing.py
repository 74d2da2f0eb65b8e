"""A lab in memory, as its page says: the real lab, whose trials run in a thread of the test's own process."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from said import refused, said

import raylab
import raylab.testing


def square(x: int) -> dict[str, int]:
    return {"y": x * x}


def gated(x: int, gate: str) -> dict[str, int]:
    while x and not os.path.exists(gate):  # noqa: PTH110
        time.sleep(0.005)
    return {"y": x}


@pytest.fixture
def own() -> Iterator[raylab.Lab]:
    """As a user would write it."""
    with raylab.testing.lab() as made:
        yield made


def test_a_sweep_runs_and_is_read_from_a_users_fixture(own: raylab.Lab) -> None:
    sweep = own.submit(square, {"x": range(5)}, repeats=2, seed=1)
    assert sweep.wait(timeout=60, progress=False)
    assert sweep.results().sort("x", "_repeat")["y"].to_list() == [0, 0, 1, 1, 4, 4, 9, 9, 16, 16]
    assert set(sweep.results(metadata=True)["_pid"]) == {os.getpid()}


def test_the_notebook_of_a_lab_is_gone_with_it_unless_it_has_a_place_of_its_own(tmp_path: Path) -> None:
    with raylab.testing.lab() as lab:
        folder = Path(lab.info()["notebook"])
        assert folder.is_dir()
    assert not folder.exists()
    with raylab.testing.lab("kept", notebook=tmp_path / "there") as lab:
        assert lab.info()["notebook"] == str(tmp_path / "there")
    assert raylab.Notebook(tmp_path / "there").sweeps().is_empty()


def test_a_lab_on_an_earlier_notebook_goes_on_where_that_one_ended(tmp_path: Path, gate: Path) -> None:
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        sweep = lab.submit(gated, {"x": range(4), "gate": [str(gate)]}, name="gated", order="design")
        assert next(iter(sweep.updates(timeout=60)))["y"].to_list() == [0]
    gate.touch()
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        sweep = lab.sweep("gated")
        assert sweep.wait(timeout=60, progress=False)
        assert sweep.results()["y"].to_list() == [0, 1, 2, 3]
    with refused(raylab.LabUnavailable, "open it again"):
        lab.progress()


def test_a_lab_that_was_shut_down_in_its_block_ends_with_it_all_the_same() -> None:
    with raylab.testing.lab() as lab:
        lab.shutdown()
        with refused(raylab.LabUnavailable, "'test' was shut down"):
            lab.submit(square, {"x": [1]})


def test_results_are_there_while_others_run_and_a_cancel_gives_up_the_rest(own: raylab.Lab, gate: Path) -> None:
    sweep = own.submit(gated, {"x": range(3), "gate": [str(gate)]}, order="design")
    assert next(iter(sweep.updates(timeout=60)))["y"].to_list() == [0]
    assert 0 < sweep.ready_fraction() < 1
    assert sweep.cancel() == 2
    assert sweep.progress().state == "cancelled"
    gate.touch()
    after = own.submit(square, {"x": range(3)}, name="after")
    assert after.wait(timeout=60, progress=False), "the thread goes on with another sweep"
    assert sweep.number_of_results() == 1


def test_two_labs_at_once_are_two(tmp_path: Path) -> None:
    with raylab.testing.lab("a") as one, raylab.testing.lab("b") as two:
        sweeps = [lab.submit(square, {"x": [number]}, name="s") for number, lab in enumerate((one, two), start=2)]
        assert all(sweep.wait(timeout=60, progress=False) for sweep in sweeps)
        assert [lab.results("s")["y"].to_list() for lab in (one, two)] == [[4], [9]]
        assert [lab.info()["name"] for lab in (one, two)] == ["a", "b"]


def test_an_exception_in_the_block_ends_the_lab_and_arrives() -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), raylab.testing.lab("broken") as lab:
        lab.submit(lambda x: {"y": x}, {"x": [1 // len(lab.sweeps())]})
    assert not [thread.name for thread in threading.enumerate() if thread.name == "lab broken"]
    assert threading.active_count() <= before + 1, "its last lease may yet run"


def test_a_trial_that_fails_is_a_row_and_the_lab_goes_on(own: raylab.Lab) -> None:
    sweep = own.submit(lambda x: {"y": 1 // x}, {"x": [0, 1]}, name="half", retries=1)
    assert sweep.wait(timeout=60, progress=False)
    assert sweep.failures().select("x", "_attempt", "_error").rows() == [
        (0, 2, "ZeroDivisionError: integer division or modulo by zero")
    ]
    assert sweep.results()["y"].to_list() == [1]


def test_what_the_only_node_does_not_have_is_waited_for(tmp_path: Path) -> None:
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        sweep, told = said(lambda: lab.submit(square, {"x": [3]}, name="greedy", num_gpus=1))
        assert len(told) == 1
        assert "GPU" in told[0]
        assert not sweep.wait(timeout=0.2, progress=False)
        assert sweep.progress().state == "infeasible"
    with raylab.testing.lab(notebook=tmp_path / "lab", resources={"CPU": 1, "GPU": 1}) as lab:
        assert lab.wait(timeout=60, progress=False)
        assert lab.results("greedy")["y"].to_list() == [9]


def test_what_does_not_travel_is_refused_as_on_a_cluster(own: raylab.Lab) -> None:
    lock = threading.Lock()
    with refused(raylab.ExperimentError, "lock"):
        own.submit(lambda x: {"y": lock.locked()}, {"x": [1]})
