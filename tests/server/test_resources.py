"""Resources that follow the trial, on a lab in memory: classes of trials, from submit to rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from said import refused, said

import raylab
import raylab.testing
from raylab.core.events import RecordDeath
from raylab.errors import DesignError
from raylab.server.conductor import death_batch

GRID = {"size": [64, 128, 256], "p": [0.1, 0.2]}
BY_SIZE = {"size": {64: 1e9, 128: 1e9, 256: 4e9}}


def scaled(size: int, p: float, seed: int) -> dict[str, float]:
    return {"y": size * p, "drawn": seed}


@pytest.fixture
def roomy(tmp_path: Path) -> Iterator[raylab.Lab]:
    with raylab.testing.lab(notebook=tmp_path / "lab", resources={"CPU": 4, "memory": 8e9}) as lab:
        yield lab


def classes(sweep: raylab.Sweep) -> list[str]:
    found: list[str] = sweep.info()["classes"]
    return found


def test_the_rows_of_a_sweep_do_not_depend_on_its_classes(roomy: raylab.Lab) -> None:
    frames = []
    for memory in (None, BY_SIZE, pl.col("size") * pl.col("p") * 1e7):
        sweep = roomy.submit(scaled, GRID, name=f"sweep{len(frames)}", repeats=3, seed=7, memory=memory)
        assert sweep.wait(timeout=60, progress=False), sweep.progress()
        frames.append(sweep.results(metadata=["_point", "_seed", "_attempt"]))
    assert frames[0].height == 18
    assert frames[1].equals(frames[0])
    assert frames[2].equals(frames[0])


def test_info_tells_the_classes_in_words(roomy: raylab.Lab) -> None:
    sweep = roomy.submit(
        scaled, GRID, name="s", repeats=3, memory=BY_SIZE, time_limit={"size": {64: 5, 128: 5, 256: 60}}
    )
    assert classes(sweep) == [
        "12 trials, of size=64, 128: 1 CPU, 1 GB memory, at most 5 s",
        "6 trials, of size=256: 1 CPU, 4 GB memory, at most 60 s",
    ]
    plain = roomy.submit(scaled, GRID, name="plain", memory=1e9)
    assert classes(plain) == []
    assert plain.info()["resources"] == {"CPU": 1, "memory": 1e9}


def test_a_class_that_no_node_has_room_for_is_told_and_holds_up_no_other(roomy: raylab.Lab) -> None:
    sweep, told = said(
        lambda: roomy.submit(scaled, GRID, name="s", memory={"size": {64: 1e9, 128: 1e9, 256: 64e9}}, num_cpus=2)
    )
    assert "'s': no node of the cluster has what some trials ask for" in told[0]
    assert "2 CPU, 64 GB memory" in told[0]
    for update in sweep.updates(timeout=30):
        if update["_seq"].max() == 3:
            break
    progress = sweep.progress()
    assert (progress.done, progress.waiting, progress.state) == (4, 2, "infeasible")
    assert "64 GB memory" in progress.reason
    again = roomy.submit(scaled, GRID, name="s", memory=BY_SIZE, num_cpus=2)
    assert again.wait(timeout=60, progress=False)
    assert again.progress().done == 6


def test_the_same_again_with_other_amounts_for_the_same_trials_is_a_policy(roomy: raylab.Lab) -> None:
    def submit(memory: object) -> raylab.Sweep:
        return roomy.submit(scaled, GRID, name="s", memory=memory)  # type: ignore[arg-type]

    assert submit(BY_SIZE).wait(timeout=60, progress=False)
    assert classes(submit({"size": {64: 2e9, 128: 2e9, 256: 3e9}}))[1] == "2 trials, of size=256: 1 CPU, 3 GB memory"
    assert classes(submit(5e8)) == []
    assert submit(5e8).info()["resources"] == {"CPU": 1, "memory": 5e8}
    assert classes(submit(BY_SIZE))[0] == "4 trials, of size=64, 128: 1 CPU, 1 GB memory"
    for other in ({"size": {64: 1e9, 128: 2e9, 256: 4e9}}, pl.col("p") * 1e9):
        with refused(DesignError, "differ within one of them", "if_exists='replace'"):
            submit(other)
    assert classes(submit(BY_SIZE))[0] == "4 trials, of size=64, 128: 1 CPU, 1 GB memory"
    assert len(roomy.sweeps()) == 1


def test_a_sweep_of_one_class_is_not_taken_apart_later(roomy: raylab.Lab) -> None:
    roomy.submit(scaled, GRID, name="s", memory=1e9)
    with refused(DesignError, "differ within one of them"):
        roomy.submit(scaled, GRID, name="s", memory=BY_SIZE)
    replaced, _ = said(
        lambda: roomy.submit(scaled, {"size": [64, 256], "p": [0.3]}, name="s", memory=BY_SIZE, if_exists="replace")
    )
    assert len(classes(replaced)) == 2


def test_classes_are_there_after_a_restart(tmp_path: Path) -> None:
    notebook = tmp_path / "lab"
    with raylab.testing.lab(notebook=notebook, resources={"CPU": 4, "memory": 2e9}) as lab:
        sweep, _ = said(lambda: lab.submit(scaled, GRID, name="s", memory=BY_SIZE, repeats=2))
        told = classes(sweep)
        assert not sweep.wait(timeout=1, progress=False)
    with raylab.testing.lab(notebook=notebook, resources={"CPU": 4, "memory": 4e9}) as lab:
        sweep = lab.sweep("s")
        assert classes(sweep) == told
        assert sweep.wait(timeout=60, progress=False), sweep.progress()
        assert sweep.results().height == 12


def test_a_design_of_rows_has_classes_too(roomy: raylab.Lab) -> None:
    rows = [{"size": size, "p": p} for size in GRID["size"] for p in GRID["p"]]
    sweep = roomy.submit(scaled, rows, name="s", memory=BY_SIZE, num_cpus=pl.col("p") * 10, order="design")
    assert sweep.wait(timeout=60, progress=False)
    assert len(classes(sweep)) == 4
    assert sweep.results()["y"].to_list() == [size * p for size in GRID["size"] for p in GRID["p"]]


def test_what_cannot_be_used_is_refused_before_anything_is_stored(roomy: raylab.Lab) -> None:
    with refused(DesignError, "memory", "no amount for the level 256"):
        roomy.submit(scaled, GRID, name="s", memory={"size": {64: 1, 128: 1}})
    with refused(DesignError, "num_cpus", "-1", "size=128"):
        roomy.submit(scaled, GRID, name="s", num_cpus={"size": {64: 1, 128: -1, 256: 1}})
    assert len(roomy.sweeps()) == 0


def test_what_was_asked_and_what_was_used_stand_in_the_row(roomy: raylab.Lab) -> None:
    def holds(size: int) -> dict[str, int]:
        import time

        held = bytearray(b"x") * (size * 2**20)
        if size > 1:
            time.sleep(0.02)
        return {"held": len(held)}

    sweep = roomy.submit(
        holds,
        {"size": [1, 64, 256]},
        name="s",
        order="design",
        num_cpus=2,
        memory={"size": {1: 1e9, 64: 1e9, 256: 4e9}},
        time_limit={"size": {1: None, 64: None, 256: 60}},
    )
    assert sweep.wait(timeout=60, progress=False)
    rows = sweep.results(metadata=["_num_cpus", "_memory", "_time_limit", "_peak_memory"])
    assert rows["_num_cpus"].to_list() == [2.0] * 3
    assert rows["_memory"].to_list() == [1e9, 1e9, 4e9]
    assert rows["_time_limit"].to_list() == [None, None, 60.0]
    short, middle, large = rows["_peak_memory"].to_list()
    assert short is None, "a trial of less than 10 ms is not measured"
    assert large - middle > 150 * 2**20


def test_a_sweep_that_asks_for_nothing_special_says_so_in_its_rows(roomy: raylab.Lab) -> None:
    sweep = roomy.submit(scaled, GRID, name="s")
    assert sweep.wait(timeout=60, progress=False)
    asked = sweep.results(metadata=["_num_cpus", "_memory", "_time_limit"]).select(
        "_num_cpus", "_memory", "_time_limit"
    )
    assert set(asked.rows()) == {(1.0, None, None)}


def test_a_trial_that_its_process_died_with_says_what_it_asked_for(roomy: raylab.Lab) -> None:
    roomy.submit(scaled, GRID, name="s", memory=BY_SIZE, time_limit=5)
    record = roomy._client.record("s")
    position = record.segments[1].first_position
    order = RecordDeath(sweep="s", position=position, attempt=1, status="out_of_memory", error="no memory")
    (row,) = death_batch(record, order).rows.to_pylist()
    assert (row["size"], row["_num_cpus"], row["_memory"], row["_time_limit"]) == (256, 1.0, 4e9, 5.0)
    assert "_peak_memory" not in row, "nobody knows"
    assert row["_elapsed_s"] is None, "nobody knows; NaN would be in every mean"
