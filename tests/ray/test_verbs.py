"""The verbs where Ray is the subject: cancelling what runs, shutting down, attaching, several clients at once.

All else about them is in tests/server/test_verbs.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from clusters import Cluster, answer
from parts import REFUSED

import raylab
from raylab.terminal.settings import IDLE

SAID = """
import time, warnings
def said(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = call()
    return made, [str(each.message) for each in caught]
"""

GATED = """
import os, time
def gated(x, gate):
    while not os.path.exists(gate):
        time.sleep(0.02)
    return {"y": x}
"""


@pytest.fixture
def busy_lab(common_lab: str) -> str:
    """One lab for the tests that look at nothing but their own sweep."""
    return common_lab


def test_cancelling_gives_up_what_is_not_recorded_and_submitting_again_goes_on(
    cluster: Cluster, busy_lab: str, gate: Path
) -> None:
    script = """
    lab = raylab.Lab(name)
    axes = {"x": range(50), "gate": [gate]}
    sweep = lab.submit(gated, axes, name="cancelled", seed=3)
    assert sweep.cancel() == 50 and lab.cancel("cancelled") == 50
    progress = sweep.progress()
    assert (progress.cancelled, progress.waiting, progress.running, progress.state) == (50, 0, 0, "cancelled"), progress
    assert sweep.ready() and sweep.ready_fraction() == 1.0 and sweep.wait(timeout=5)
    assert lab.sweeps().filter(name="cancelled").select("state", "cancelled").rows() == [("cancelled", 50)]
    assert sweep.results().height == 0 and sweep.results().columns[:2] == ["x", "gate"]

    again = lab.submit(gated, axes, name="cancelled")    # no seed: matches
    assert again.progress().cancelled == 0 and again.info()["seed"] == 3
    assert again.wait(timeout=1, progress=False) is False
    open(gate, "w").close()
    assert again.wait(timeout=150) and again.progress().done == 50
    assert sweep.cancel() == 0
    assert sweep.progress().state == "ready" and sweep.results().height == 50
    """
    cluster.client(GATED + REFUSED + _dedent(script), name=busy_lab, gate=str(gate))


def test_a_running_sweep_gives_way_only_when_told_to_and_its_handle_says_so(
    cluster: Cluster, busy_lab: str, gate: Path
) -> None:
    script = """
    import threading
    lab = raylab.Lab(name)
    mine = lab.submit(gated, {"x": range(4), "gate": [gate]}, name="coarse")
    other = {"x": [7], "gate": [gate]}
    with refused(raylab.SweepExists, "another name with name=", "if_exists='replace'", "lab.results('coarse')"):
        lab.submit(gated, other, name="coarse")
    theirs, told = said(lambda: lab.submit(gated, other))
    assert theirs.name == "gated" and mine.progress().total == 4

    ends = []
    def watch(call):
        try:
            ends.append(call())
        except raylab.SweepNotFound as error:
            ends.append(str(error))
    calls = (lambda: mine.wait(timeout=150, progress=False), lambda: list(mine.updates(timeout=90)),
             lambda: lab.wait("coarse", timeout=150, progress=False))
    threads = [threading.Thread(target=watch, args=[call]) for call in calls]
    [thread.start() for thread in threads]
    until = time.monotonic() + 100
    while not mine.progress().running and time.monotonic() < until:
        time.sleep(0.02)
    new, told = said(lambda: lab.submit(gated, other, name="coarse", if_exists="replace"))
    assert len(told) == 1 and told[0].endswith("The rows of that one are read as 'coarse~1'"), told
    [thread.join(timeout=60) for thread in threads]
    assert len(ends) == 3 and all("was replaced by" in str(end) and "'coarse~1'" in str(end) for end in ends), ends

    verbs = (mine.info, mine.progress, mine.ready, mine.ready_fraction, mine.number_of_results, mine.update_results,
             mine.results, mine.scan, mine.failures, mine.warnings, mine.cancel, mine.lock, lambda: mine.design,
             lambda: mine.wait(timeout=1), lambda: next(mine.updates(timeout=1)))
    for verb in verbs:
        with refused(raylab.SweepNotFound, "was replaced by", "UTC", "'coarse~1'"):
            verb()
    open(gate, "w").close()
    assert new.wait(timeout=150, progress=False) and new.results()["x"].to_list() == [7]
    old = lab.sweep("coarse~1")
    assert old.wait(timeout=5, progress=False) and old.progress().total == 4 and old.info()["replaced_by"]
    assert old.results().height == lab.results("coarse~1").height == old.number_of_results()
    for verb in (old.cancel, old.lock, lambda: lab.cancel("coarse~1")):
        with refused(raylab.SweepLocked, "'coarse~1' was set aside for another 'coarse'"):
            verb()
    with refused(raylab.NameRefused, "'coarse~1' cannot be the name of a new sweep"):
        lab.submit(gated, other, name="coarse~1")
    assert "coarse~1" not in lab.sweeps()["name"] and lab.cancel("coarse") == 0
    again = lab.submit(gated, other, name="coarse", if_exists="replace")     # the same: nothing is replaced
    assert again.results().height == 1
    """
    cluster.client(GATED + REFUSED + SAID + _dedent(script), name=busy_lab, gate=str(gate))
    assert raylab.Notebook(cluster.home / busy_lab).results("coarse")["x"].to_list() == [7]


def test_shutdown_refuses_while_trials_are_outstanding_and_force_keeps_them(
    cluster: Cluster, lab_name: str, gate: Path
) -> None:
    script = """
    lab = raylab.Lab(name)
    lab.submit(gated, {"x": range(20), "gate": [gate]}, name="gated")
    with refused(raylab.LabBusy, "20", "force=True"):
        lab.shutdown()
    first = lab.info()["pid"]
    lab.shutdown(force=True)
    running = dict(raylab.labs().select("name", "running").rows())
    assert running[name] is False
    with refused(raylab.LabUnavailable, name):
        lab.progress()

    lab = raylab.Lab(name, create=False)
    assert lab.info()["pid"] != first and lab.progress().total == 20
    open(gate, "w").close()
    assert lab.wait(timeout=150)
    lab.shutdown()
    """
    cluster.client(GATED + REFUSED + _dedent(script), name=lab_name, gate=str(gate))
    assert raylab.Notebook(cluster.home / lab_name).results()["y"].sort().to_list() == list(range(20))


def test_attaching_finds_a_lab_and_makes_none_when_told_so(cluster: Cluster, lab_name: str) -> None:
    script = """
    import json
    with refused(raylab.LabNotFound, "no-such-lab", repr(name)):
        raylab.Lab("no-such-lab", create=False)
    for bad in ("", "a/b", "..", ".hidden", "a" * 200, 3):
        with refused(raylab.NameRefused):
            raylab.Lab(bad)
    print(json.dumps(raylab.Lab(name).info(), default=str))
    """
    make = "import json; print(json.dumps(raylab.Lab(name).info(), default=str))"
    with cluster.begin(make, name=lab_name) as one, cluster.begin(make, name=lab_name) as two:
        infos = [answer(one.wait()), answer(two.wait())]
    infos.append(answer(cluster.client(REFUSED + _dedent(script), name=lab_name)))
    assert len({info["pid"] for info in infos}) == 1, "two clients at once and a third later got one lab"
    assert not (cluster.home / "no-such-lab").exists()


@pytest.mark.long  # by default: the simulated lives of many clients
def test_two_clients_that_submit_the_same_at_once_get_one_sweep(cluster: Cluster, busy_lab: str) -> None:
    script = """
    def same(x):
        return {"y": x}
    lab = raylab.Lab(name)
    sweeps = [lab.submit(same, {"x": range(20)}) for _ in range(3)]
    assert {sweep.name for sweep in sweeps} == {"same"}
    assert sweeps[0].wait(timeout=150)
    """
    with cluster.begin(script, name=busy_lab) as one, cluster.begin(script, name=busy_lab) as two:
        one.wait()
        two.wait()
    assert raylab.Notebook(cluster.home / busy_lab).sweeps().filter(name="same")["rows"].to_list() == [20]


@pytest.mark.long
def test_a_sweep_after_a_pause_finds_the_processes_of_the_one_before(lab_name: str) -> None:
    """The job that a lab's trials belong to is over, and Ray would end its idle processes within a moment.

    On a cluster as `raylab start` makes it. (Where many labs share one, each keeps processes, and Ray warns drivers.)
    """
    script = """
    import time
    def quick(x):
        return {"y": x}
    lab = raylab.Lab(name)
    def processes(name):
        sweep = lab.submit(quick, {"x": range(20)}, name=name)
        assert sweep.wait(timeout=150, progress=False)
        return set(sweep.results(metadata=["_pid"])["_pid"])
    first = processes("first")
    until = time.monotonic() + 1.5    # seven of the moments at which Ray looks, if it is not told otherwise
    while time.monotonic() < until:
        assert lab.ready()
    assert processes("second") & first
    """
    with Cluster(env=IDLE) as cluster:
        cluster.client(_dedent(script), name=lab_name)


def _dedent(code: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in code.splitlines())
