"""One writer: of two labs on one notebook, the older one is fenced and stays so."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import LAB, Cluster, answer, eventually
from sealed import is_sealed

import raylab

SUBMIT = """
import json, os, time
def slow(x):
    time.sleep(0.05)
    return {"y": x}
lab = raylab.Lab("shared")
lab.submit(slow, {"x": range(200)}, name="slow")
print(json.dumps(lab.info()["pid"]))
"""

REFUSED = """
import contextlib, io, json
lab = raylab.Lab("shared", create=False)               # attaching works, so that it can be shut down
with contextlib.redirect_stderr(io.StringIO()) as told:
    assert lab.wait() is False                          # time does not cure it
said = [told.getvalue()]
for verb in (
    lab.progress, lab.sweeps, lab.results, lab.info, lambda: lab.cancel("slow"), lambda: lab.sweep("slow"),
    lambda: lab.submit(lambda x: {}, {"x": [1]}, name="new"),
):
    try:
        verb()
    except raylab.LabFenced as error:
        said.append(str(error))
    else:
        raise AssertionError(f"{verb} was answered")
print(json.dumps(said))
"""


@pytest.fixture
def second_cluster() -> Iterator[Cluster]:
    with Cluster() as other:
        yield other


def files(notebook: Path) -> set[str]:
    return {str(path) for path in notebook.rglob("*.arrow")}


def test_a_lab_whose_notebook_was_taken_over_is_fenced_and_stays_so(cluster: Cluster, second_cluster: Cluster) -> None:
    notebook = cluster.home / "shared"
    pid = answer(cluster.client(SUBMIT))
    eventually(lambda: raylab.Notebook(notebook).progress("slow").ready > 20)
    os.kill(pid, signal.SIGSTOP)
    try:
        take_over = """
        lab = raylab.Lab("shared", notebook=notebook)
        assert lab.sweep("slow").wait(timeout=150)
        """
        second_cluster.client(take_over, notebook=str(notebook))
        eventually(lambda: is_sealed(notebook, "sweeps/slow"))  # the other lab has nothing left to do
        before = files(notebook)
    finally:
        os.kill(pid, signal.SIGCONT)

    for said in answer(cluster.client(REFUSED)):
        assert "shut this one down and attach again" in said
    labs = set(cluster.workers(LAB))
    assert pid in labs
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: set(cluster.workers(LAB)) - labs)
    for said in answer(cluster.client(REFUSED)):
        assert "shut this one down and attach again" in said
    assert files(notebook) == before, "a fenced lab writes nothing"

    rows = raylab.Notebook(notebook).results("slow", metadata=True)
    assert rows["_seq"].sort().to_list() == list(range(200))
    assert rows["_point"].n_unique() == 200

    take_back = """
    lab = raylab.Lab("shared")
    lab.shutdown()
    lab = raylab.Lab("shared", create=False)
    assert lab.results("slow").height == 200
    lab.submit(lambda x: {"y": x}, {"x": [1]}, name="new")
    assert lab.wait(timeout=150)
    """
    cluster.client(take_back)
    submit = """
    try:
        raylab.Lab("shared").submit(lambda x: {"y": x}, {"x": [2]}, name="newer")
    except raylab.LabFenced:
        print("fenced")
    """
    assert second_cluster.client(submit) == "fenced\n"
    assert raylab.Notebook(notebook).sweeps()["name"].to_list() == ["slow", "new"]
