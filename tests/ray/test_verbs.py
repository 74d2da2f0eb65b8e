"""The lab's verbs: cancel, submit again, lock, shut down, attach; and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from clusters import Cluster, answer

import raylab
from raylab.terminal.settings import IDLE

REFUSED = """
def refused(kind, *words):
    import contextlib
    @contextlib.contextmanager
    def check():
        try:
            yield
        except kind as error:
            missing = [word for word in words if word not in str(error)]
            assert not missing, (missing, str(error))
        else:
            raise AssertionError(f"no {kind.__name__}")
    return check()
"""

GATED = """
import os, time
def gated(x, gate):
    while not os.path.exists(gate):
        time.sleep(0.02)
    return {"y": x}
"""


@pytest.fixture
def busy_lab() -> str:
    """One lab for the tests that look at nothing but their own sweep."""
    return "busy"


def test_cancelling_gives_up_what_is_not_recorded_and_submitting_again_goes_on(
    cluster: Cluster, busy_lab: str, gate: Path
) -> None:
    script = """
    lab = raylab.Lab(name)
    axes = {"x": range(50), "gate": [gate]}
    sweep = lab.submit(gated, axes, name="gated", seed=3)
    assert sweep.cancel() == 50 and lab.cancel("gated") == 50
    progress = sweep.progress()
    assert (progress.cancelled, progress.waiting, progress.running, progress.state) == (50, 0, 0, "cancelled"), progress
    assert sweep.ready() and sweep.ready_fraction() == 1.0 and sweep.wait(timeout=5)
    assert lab.sweeps().filter(name="gated").select("state", "cancelled").rows() == [("cancelled", 50)]
    assert sweep.results().height == 0 and sweep.results().columns[:2] == ["x", "gate"]

    again = lab.submit(gated, axes, name="gated")        # no seed: matches
    assert again.progress().cancelled == 0 and again.info()["seed"] == 3
    assert again.wait(timeout=1, progress=False) is False
    open(gate, "w").close()
    assert again.wait(timeout=90) and again.progress().done == 50
    assert sweep.cancel() == 0
    assert sweep.progress().state == "ready" and sweep.results().height == 50
    """
    cluster.client(GATED + REFUSED + _dedent(script), name=busy_lab, gate=str(gate))


def test_another_policy_reaches_what_was_never_started(cluster: Cluster, busy_lab: str) -> None:
    script = """
    import warnings
    lab = raylab.Lab(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        greedy = lab.submit(lambda x: {"y": x}, {"x": range(5)}, name="greedy", num_gpus=8)
    assert not greedy.wait(timeout=1, progress=False) and greedy.progress().state == "infeasible"
    again = lab.submit(lambda x: {"y": x}, {"x": range(5)}, name="greedy")
    assert again.wait(timeout=60, progress=False), again.progress()
    assert again.results().height == 5
    """
    cluster.client(script, name=busy_lab)


def test_policy_is_no_part_of_identity_and_changes_on_submitting_again(
    cluster: Cluster, busy_lab: str, gate: Path, tmp_path: Path
) -> None:
    script = """
    def flaky(x, folder, gate):
        while not os.path.exists(gate):
            time.sleep(0.02)
        open(f"{folder}/{x}-{time.time_ns()}", "w").close()
        runs = len([name for name in os.listdir(folder) if name.startswith(f"{x}-")])
        if runs < 3:
            raise RuntimeError(f"run {runs}")
        return {"runs": runs}
    lab = raylab.Lab(name)
    axes = {"x": range(5), "folder": [folder], "gate": [gate]}
    sweep = lab.submit(flaky, axes, name="flaky", description="first")
    sweep.cancel()                                      # leases that are out keep the policy they went with
    open(gate, "w").close()
    again = lab.submit(flaky, axes, name="flaky", retries=2, description="second")
    assert [name for name in lab.sweeps()["name"] if "flaky" in name] == ["flaky"]
    assert (again.info()["retries"], again.info()["description"]) == (2, "second")
    assert again.wait(timeout=90)
    rows = again.results(metadata=True)
    assert set(rows["runs"]) == {3} and set(rows["_attempt"]) == {3}, rows
    """
    folder = tmp_path / "runs"
    folder.mkdir()
    cluster.client(GATED + _dedent(script), name=busy_lab, gate=str(gate), folder=str(folder))


def test_a_locked_sweep_takes_no_change(cluster: Cluster, busy_lab: str) -> None:
    script = """
    def done(x):
        return {"y": x}
    def other(x):
        return {"y": -x}
    lab = raylab.Lab(name)
    sweep = lab.submit(done, {"x": [1, 2]}, name="kept")
    assert sweep.wait(timeout=90)
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
    """
    cluster.client(REFUSED + _dedent(script), name=busy_lab)


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
    assert lab.wait(timeout=90)
    lab.shutdown()
    assert raylab.Lab(name, create=False).results()["y"].sort().to_list() == list(range(20))
    """
    cluster.client(GATED + REFUSED + _dedent(script), name=lab_name, gate=str(gate))


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


def test_what_cannot_be_right_is_refused_before_anything_is_stored(cluster: Cluster, lab_name: str) -> None:
    script = """
    import threading
    lock = threading.Lock()
    def fine(x):
        return {"y": x}
    def unpicklable(x):
        return {"y": lock.locked()}
    def needs(x, z):
        return {}
    async def coroutine(x):
        return {}

    lab = raylab.Lab(name)
    axes = {"x": [1, 2]}
    for kind, words, call in [
        (raylab.DesignError, ["'x'"], lambda: lab.submit(fine, {"x": []})),
        (raylab.DesignError, ["x", "w"], lambda: lab.submit(fine, raylab.Points(x=[1, 2], w=[1, 2, 3]))),
        (raylab.DesignError, ["_x"], lambda: lab.submit(fine, {"_x": [1]})),
        (raylab.DesignError, ["x", "set"], lambda: lab.submit(fine, {"x": {1, 2}})),
        (raylab.DesignError, ["x", "object"], lambda: lab.submit(fine, {"x": [object()]})),
        (raylab.DesignError, [], lambda: lab.submit(fine, 42)),
        (raylab.DesignError, ["repeats", "0"], lambda: lab.submit(fine, axes, repeats=0)),
        (raylab.DesignError, ["seed", "-1"], lambda: lab.submit(fine, axes, seed=-1)),
        (raylab.DesignError, ["order", "sorted"], lambda: lab.submit(fine, axes, order="sorted")),
        (raylab.DesignError, ["retries"], lambda: lab.submit(fine, axes, retries=-1)),
        (raylab.DesignError, ["CPU"], lambda: lab.submit(fine, axes, num_cpus=-1)),
        (raylab.DesignError, ["num_cpus"], lambda: lab.submit(fine, axes, ray_remote_args={"num_cpus": 2})),
        (raylab.DesignError, ["runtime_env"], lambda: lab.submit(fine, axes, runtime_env={"env_vars": {"A": lock}})),
        (raylab.ExperimentError, ["unpicklable", "lock"], lambda: lab.submit(unpicklable, axes)),
        (raylab.ExperimentError, ["z"], lambda: lab.submit(needs, axes)),
        (raylab.ExperimentError, ["w"], lambda: lab.submit(fine, {"x": [1], "w": [1]})),
        (raylab.ExperimentError, [], lambda: lab.submit(42, axes)),
        (raylab.ExperimentError, ["coroutine"], lambda: lab.submit(coroutine, axes)),
        (raylab.ExperimentError, ["no-such-file"], lambda: lab.submit(fine, axes, include="no-such-file")),
        (raylab.NameRefused, ["a/b"], lambda: lab.submit(fine, axes, name="a/b")),
        (raylab.NameRefused, [], lambda: lab.submit(fine, axes, name="")),
        (raylab.SweepNotFound, ["nothing", "none yet"], lambda: lab.sweep("nothing")),
        (raylab.SweepNotFound, ["nothing"], lambda: lab.cancel("nothing")),
        (ValueError, ["-1"], lambda: lab.wait(timeout=-1)),
    ]:
        with refused(kind, *words):
            call()
    assert lab.sweeps().height == 0 and lab.wait(timeout=0)
    """
    cluster.client(REFUSED + _dedent(script), name=lab_name)
    notebook = cluster.home / lab_name
    assert list((notebook / "code").iterdir()) == []
    assert list((notebook / "sweeps").iterdir()) == []


def test_a_wait_that_times_out_cancels_nothing_and_what_no_node_has_is_infeasible(
    cluster: Cluster, lab_name: str, gate: Path
) -> None:
    script = """
    import warnings
    lab = raylab.Lab(name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        greedy = lab.submit(gated, {"x": range(3), "gate": [gate]}, name="greedy", num_gpus=8)
    assert any("'greedy'" in str(warning.message) and "GPU" in str(warning.message) for warning in caught), caught
    sweep = lab.submit(gated, {"x": range(4), "gate": [gate]}, name="gated")
    assert sweep.wait(timeout=1.5) is False
    assert sweep.wait(timeout=0) is False
    assert sweep.progress().cancelled == 0 and sweep.progress().total == 4
    progress = greedy.progress()
    assert progress.state == "infeasible" and "GPU" in progress.reason, progress
    open(gate, "w").close()
    assert sweep.wait(timeout=90)
    assert greedy.progress().state == "infeasible" and greedy.wait(timeout=0.1) is False
    greedy.cancel()
    assert lab.wait(timeout=1)
    """
    cluster.client(GATED + _dedent(script), name=lab_name, gate=str(gate))


def test_a_sweep_whose_first_hundred_trials_fail_pauses_itself(cluster: Cluster, lab_name: str) -> None:
    fails = """
    import json
    def fit(x):
        raise KeyError("typo")
    lab = raylab.Lab(name)
    sweep = lab.submit(fit, {"x": range(500)}, name="fit")
    assert sweep.wait(timeout=90) is False
    progress = sweep.progress()
    assert (progress.state, progress.running) == ("paused", 0) and "typo" in progress.reason, progress
    assert 100 <= progress.failed < 500, progress
    lab.update_results()

    while not sweep.ready():                             # each hundred more of failures pauses it again
        before = sweep.progress().failed
        lab.submit(fit, {"x": range(500)}, name="fit")   # goes on; a hundred may have failed before anybody looks
        ended = sweep.wait(timeout=90)
        assert sweep.progress().failed >= min(before + 100, 500)
    assert ended is True and sweep.progress().failed == 500
    """
    fixed = """
    def fit(x):
        return {"y": x}
    lab = raylab.Lab(name)
    lab.update_results()
    sweep = lab.submit(fit, {"x": range(500)}, name="fit")
    assert sweep.wait(timeout=90)
    assert sweep.update_results() == 500, "the rows of the sweep that was replaced do not count"
    assert sweep.results().height == 500 and sweep.failures().height == 0
    assert lab.sweeps().select("name", "done", "failed").rows() == [("fit", 500, 0)]
    """
    with cluster.begin(fails, name=lab_name) as client:
        assert client.ended() == 0, client.stderr
        assert client.stdout == "", "what is said to a person goes to stderr"
        assert "raylab: fit is paused" in client.stderr
        assert "500 of 500 trials failed, the first with KeyError" in client.stderr
    cluster.client(fixed, name=lab_name)
    assert raylab.Notebook(cluster.home / lab_name).results("fit")["y"].sort().to_list() == list(range(500))


def test_two_clients_that_submit_the_same_at_once_get_one_sweep(cluster: Cluster, lab_name: str) -> None:
    script = """
    def same(x):
        return {"y": x}
    lab = raylab.Lab(name)
    sweeps = [lab.submit(same, {"x": range(20)}) for _ in range(3)]
    assert {sweep.name for sweep in sweeps} == {"same"}
    assert sweeps[0].wait(timeout=90)
    """
    with cluster.begin(script, name=lab_name) as one, cluster.begin(script, name=lab_name) as two:
        one.wait()
        two.wait()
    assert raylab.Notebook(cluster.home / lab_name).sweeps()["rows"].to_list() == [20]


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
        assert sweep.wait(timeout=60, progress=False)
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
