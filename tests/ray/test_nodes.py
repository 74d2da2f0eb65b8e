"""Nodes that lack something, and nodes that join later."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import polars as pl
import pytest
from clusters import LAB, Cluster, answer, eventually

import raylab

COLLECTED = {"RAY_RUNTIME_ENV_TEMPORARY_REFERENCE_EXPIRATION_S": "2"}
"""In a client: how long Ray keeps a package of its after it was uploaded, unless the client's job still lives."""

GREEDY = """
import warnings, ray
def greedy(x):
    return {"y": x, "node": ray.get_runtime_context().get_node_id()}
lab = raylab.Lab("patient")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    sweep = lab.submit(greedy, {"x": range(40)}, name="greedy", num_gpus=8)
assert ["'greedy'" in str(warning.message) for warning in caught] == [True], caught
progress = sweep.progress()
assert progress.state == "infeasible" and "8 GPU" in progress.reason, progress
assert progress.eta_s is None and progress.waiting == 40, progress
assert sweep.wait(timeout=0.5) is False

assert lab.submit(greedy, {"x": range(40)}, name="modest").wait(timeout=150)       # others go on
def days(x):
    import time
    time.sleep(0.2)
    return {"y": x}
long = lab.submit(days, {"x": range(10_000_000)}, name="days")
while long.progress().ready < 4:
    assert long.wait(timeout=0.5) is False
progress = long.progress()
assert progress.state == "running" and 0.5e6 < progress.eta_s < 4e6, progress     # 10^6 s on two slots
assert progress.running <= 1_000 and progress.total == 10_000_000, progress
assert lab.submit(greedy, {"x": range(10)}, name="beside").wait(timeout=150)       # and it starves nobody
assert long.cancel() > 9_000_000
assert lab.progress().state == "infeasible", lab.progress()
"""

PACKED = """
import ray
import os
ray.init(os.environ["RAY_ADDRESS"], namespace="raylab", log_to_driver=False, logging_level="ERROR", runtime_env={
    "working_dir": folder + "/work", "py_modules": [folder + "/extras/extra"],
    "env_vars": {"GREETING": "hello"}, "excludes": ["secret*"],
})
import sys
sys.path[:0] = [folder + "/work", folder + "/extras"]
import model
lab = raylab.Lab("packed")                              # a lab that is born from this job
lab.submit(model.run, {"x": range(30), "gate": [gate]}, name="anywhere")
lab.submit(model.run, {"x": range(10), "gate": [gate]}, name="later", num_gpus=1)
"""


QUICK_TO_MISS = {
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "3",
}
"""In a head: a node that is gone is missed after two seconds, not after ten or more."""

LOST = """
import time, warnings
def long(x, log, gate):
    with open(log, "a") as file:
        file.write(f"{os.getpid()}\\n")
    while not os.path.exists(gate):
        time.sleep(0.02)
    return {"y": x}
import os
warnings.simplefilter("ignore")
sweep = raylab.Lab("lab").submit(long, {"x": [1], "log": [log], "gate": [gate]}, num_gpus=1)
"""

NOWHERE = """
import time
sweep = raylab.Lab("lab", create=False).sweep("long")
until = time.monotonic() + 100
while sweep.progress().running:
    assert time.monotonic() < until, sweep.progress()
    time.sleep(0.1)
assert sweep.progress().state == "infeasible" and sweep.progress().waiting == 1, sweep.progress()
"""


def project(folder: Path) -> None:
    """What a client has in its folders, and its cluster not."""
    (folder / "extras" / "extra").mkdir(parents=True)
    (folder / "work").mkdir()
    (folder / "extras" / "extra" / "__init__.py").write_text("FACTOR = 7\n")
    (folder / "work" / "helper.py").write_text("OFFSET = 35\n")
    (folder / "work" / "model.py").write_text(
        "import os, sys, time\nimport extra, helper\nimport ray\n\n"
        "def run(x, gate):\n"
        "    while not os.path.exists(gate):\n"
        "        time.sleep(0.02)\n"
        "    return {'y': x * extra.FACTOR + helper.OFFSET, 'said': os.environ['GREETING'], 'where': extra.__file__,\n"
        "            'path': os.pathsep.join(sys.path), 'node': ray.get_runtime_context().get_node_id()}\n"
    )


@pytest.mark.long
def test_what_waits_for_a_node_runs_when_it_joins_whatever_became_of_its_client(
    own_cluster: Cluster, tmp_path: Path, gate: Path
) -> None:
    folder = tmp_path / "client"
    project(folder)
    own_cluster.client(GREEDY)
    own_cluster.client(PACKED, env=COLLECTED, folder=str(folder), gate=str(gate))
    shutil.rmtree(folder / "extras")
    (folder / "work" / "helper.py").write_text("OFFSET = -1\n")  # what is there now is another experiment

    use = """
    import json
    lab = raylab.Lab("packed", create=False)
    print(json.dumps(lab.info()["pid"]))
    def other(x):
        import os
        return {"greeting": os.environ.get("GREETING", "none"), "cwd": os.getcwd()}
    lab.submit(other, {"x": range(3)}, name="other", num_gpus=1)
    """
    pid = answer(own_cluster.client("import warnings; warnings.simplefilter('ignore')\n" + _dedent(use), fresh=True))
    os.kill(pid, signal.SIGKILL)  # Ray starts the lab again without what its creator brought
    eventually(lambda: set(own_cluster.workers(LAB)) - {pid})
    own_cluster.add_node(num_cpus=1, num_gpus=8)
    gate.touch()
    own_cluster.client("""
    assert raylab.Lab("packed", create=False).wait(timeout=150)
    assert raylab.Lab("patient", create=False).sweep("greedy").wait(timeout=150)
    """)

    packed = raylab.Notebook(own_cluster.home / "packed")
    for sweep, total in (("anywhere", 30), ("later", 10)):
        rows = packed.results(sweep)
        assert rows.height == total, packed.results(sweep, status="all", metadata=True)
        assert (rows["y"] == rows["x"] * 7 + 35).all()
        assert set(rows["said"]) == {"hello"}
        assert not rows["where"].str.contains("_ray_pkg_").any(), "it came with the sweep, not with the client's job"
        assert not rows["path"].str.contains(str(tmp_path), literal=True).any()
    other = packed.results("other")
    assert set(other["greeting"]) == {"none"}, "what one client's job brings is no other client's"
    late = set(packed.results("later")["node"])
    assert len(late) == 1
    patient = raylab.Notebook(own_cluster.home / "patient")
    assert patient.results("greedy").height == 40
    assert set(patient.results("greedy")["node"]) == late
    assert not late & set(patient.results("modest")["node"])
    assert patient.sweeps().filter(pl.col("name") == "greedy")["state"].item() == "ready"


@pytest.mark.long
def test_the_loss_of_a_node_is_no_trials_fault(tmp_path: Path, gate: Path) -> None:
    """Ray waits with such a lease until it has room, and runs it again by itself, which looks like an early death."""
    log = tmp_path / "log"

    def runs() -> list[int]:
        return [int(line) for line in log.read_text().split()] if log.exists() else []

    with Cluster(env=QUICK_TO_MISS) as cluster:
        nodes = [cluster.add_node(num_gpus=1)]
        cluster.client(LOST, log=str(log), gate=str(gate), fresh=True)
        for number in range(2):
            eventually(lambda number=number: len(runs()) > number)
            at = next(node for node in nodes if runs()[-1] in node.pids())
            if number:
                nodes.append(cluster.add_node(num_gpus=1))
            at.kill()
            nodes.remove(at)
            if not number:
                cluster.client(NOWHERE)
                nodes.append(cluster.add_node(num_gpus=1))
        eventually(lambda: len(runs()) > 2)
        gate.touch()
        cluster.client('assert raylab.Lab("lab", create=False).wait(timeout=150)')
        rows = raylab.Notebook(cluster.home / "lab").results("long", status="all", metadata=True)
        assert rows.select("_status", "_attempt").rows() == [("done", 1)]


def _dedent(code: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in code.splitlines())
