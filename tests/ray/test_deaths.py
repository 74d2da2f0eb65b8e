"""Whatever is killed, and however often: every trial has exactly one record in the end."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
from pathlib import Path

import pytest
from clusters import LEASE, Cluster, answer, eventually
from hook import hook

import raylab
from raylab.core import schedule

SLOW = """
import os, time
def slow(x, seed):
    time.sleep(0.02)
    return {"y": x, "pid": os.getpid()}
"""


@pytest.fixture
def lab_name(common_lab: str) -> str:
    """One lab, which is killed in some of these tests."""
    return common_lab


def check_each_once(notebook: Path, sweep: str, total: int, status: dict[str, int] | None = None) -> None:
    """Every trial has one record, the rows are numbered without a gap."""
    rows = raylab.Notebook(notebook).results(sweep, status="all", metadata=True)
    assert sorted(rows["_seq"]) == list(range(total))
    assert rows.select("_point", "_repeat").n_unique() == total
    counts = dict(rows["_status"].value_counts().iter_rows())
    assert counts == (status or {"done": total})


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def recorded(notebook: Path, sweep: str) -> int:
    """How many trials are on disk."""
    try:
        return int(raylab.Notebook(notebook).progress(sweep).ready)
    except (raylab.LabNotFound, raylab.SweepNotFound):
        return 0


def test_a_waiting_client_carries_on_over_deaths_of_the_actor(cluster: Cluster, lab_name: str) -> None:
    script = """
    import threading
    lab = raylab.Lab(name)
    sweep = lab.submit(slow, {"x": range(200)}, name="slow", repeats=2)
    def assassin():
        for _ in range(2):
            enough = min(sweep.progress().ready + 40, 400)
            while sweep.progress().ready < enough:
                time.sleep(0.05)
            os.kill(lab.info()["pid"], 9)
    killer = threading.Thread(target=assassin)
    killer.start()
    assert sweep.wait(timeout=150) is True
    killer.join()
    assert sweep.update_results() == 400 and sweep.update_results() == 0
    """
    cluster.client(SLOW + _dedent(script), name=lab_name)
    check_each_once(cluster.home / lab_name, "slow", 400)
    openings = list((cluster.home / lab_name / "requests").rglob("*.arrow"))
    assert len(openings) >= 3, "the actor was started again twice"


def test_what_becomes_of_a_sweep_is_told_once_whoever_is_down_or_killed(
    cluster: Cluster, lab_name: str, tmp_path: Path
) -> None:
    submitting = """
    lab = raylab.Lab(name)
    command = {"command": f"cat >> {told}"}
    sweep = lab.submit(slow, {"x": range(3)}, name="told", notify=[{"url": url, "on": ["ended"]}, command])
    assert sweep.wait(timeout=60, progress=False)
    until = time.monotonic() + 60
    while "Connection refused" not in lab._client.overview("told")[0].remark:
        assert time.monotonic() < until
        time.sleep(0.05)
    os.kill(lab.info()["pid"], 9)
    lab.info()
    """
    killing = """
    lab = raylab.Lab(name)
    until = time.monotonic() + 60
    while lab._client.overview("told")[0].remark:
        assert time.monotonic() < until
        time.sleep(0.05)
    os.kill(lab.info()["pid"], 9)
    assert lab.sweep("told").extend({"x": [7]}) == 1
    """
    words = {"name": lab_name, "told": str(tmp_path / "told")}
    with hook(up=False) as there:
        cluster.client(SLOW + _dedent(submitting), url=there.url, **words)
        there.start()
        eventually(lambda: there.came, timeout=60)
        cluster.client(SLOW + _dedent(killing), **words)
        eventually(lambda: len(there.came) == 2, timeout=60)
    assert [each.json["done"] for each in there.came] == [3, 4]
    # A lab that dies while the command runs has it run again, with the same id.
    lines = (tmp_path / "told").read_text
    eventually(lambda: len({json.loads(line)["id"] for line in lines().splitlines()}) == 2)


@pytest.mark.long
def test_another_cluster_goes_on_after_all_of_the_first_was_killed(own_cluster: Cluster, tmp_path: Path) -> None:
    elsewhere = tmp_path / "data" / "notebook"
    submit = """
    raylab.Lab("here").submit(slow, {"x": range(total)}, name="slow")
    raylab.Lab("there", notebook=elsewhere).submit(slow, {"x": range(total)}, name="slow")
    """
    go_on = """
    for name in ("here", "there"):
        lab = raylab.Lab(name, create=False)
        assert lab.wait()
        assert lab.number_of_results() == total
    assert raylab.Lab("there", notebook=elsewhere).info()["notebook"] == elsewhere
    for other in (lambda: raylab.Lab("there", notebook=elsewhere + "2"), lambda: raylab.Lab("new", notebook=elsewhere)):
        try:
            other()
        except raylab.NameRefused as error:
            assert elsewhere in str(error) and "'there'" in str(error), error
        else:
            raise AssertionError("no error")
    lab.shutdown()
    frame = raylab.labs()
    assert frame.select("name", "running").rows() == [("here", True), ("there", False)], frame
    try:
        raylab.Lab("there", notebook=elsewhere + "2", create=False)
    except raylab.NameRefused as error:
        assert elsewhere in str(error), error
    else:
        raise AssertionError("no error")
    """
    total = 600
    own_cluster.client(SLOW + _dedent(submit), elsewhere=str(elsewhere), total=total)
    places = (own_cluster.home / "here", elsewhere)
    for _ in range(2):
        enough = {place: min(recorded(place, "slow") + 20, total - 1) for place in places}
        eventually(lambda enough=enough: all(recorded(place, "slow") >= least for place, least in enough.items()))
        own_cluster.restart()
        own_cluster.client("for name in ('here', 'there'): raylab.Lab(name, create=False)")
    own_cluster.client(go_on, elsewhere=str(elsewhere), total=total)
    for place in places:
        check_each_once(place, "slow", total)
    assert not (own_cluster.home / "there").exists()


def test_killed_workers_cost_nobody_a_result(
    cluster: Cluster, lab_name: str, tmp_path: Path, gate: Path, rounds: int
) -> None:
    script = """
    def held(x, mark, gate):
        if x >= total - 4:                      # the sweep does not end before the last worker was killed
            open(mark, "w").close()
            while not os.path.exists(gate):
                time.sleep(0.02)
        time.sleep(0.02)
        return {"y": x}
    axes = {"x": range(total), "mark": [mark], "gate": [gate]}
    raylab.Lab(name).submit(held, axes, name=sweep, order="design")
    """
    sweep, total, mark = f"killed-{rounds}", 300 * rounds, tmp_path / "mark"
    words = {"mark": str(mark), "gate": str(gate), "sweep": sweep, "total": total}
    cluster.client(SLOW + _dedent(script), name=lab_name, **words)
    notebook = cluster.home / lab_name
    chance = random.Random(1)
    for _ in range(3 * rounds):
        before = recorded(notebook, sweep)
        eventually(lambda before=before: recorded(notebook, sweep) > before + 20 or mark.exists())
        kill(chance.choice(eventually(lambda: cluster.workers(LEASE))))
    gate.touch()
    eventually(lambda: recorded(notebook, sweep) == total)
    check_each_once(notebook, sweep, total)


def test_a_trial_that_kills_its_process_is_recorded_as_crashed_and_all_others_are_done(
    cluster: Cluster, lab_name: str
) -> None:
    script = """
    import os
    def deadly(x):
        if x == 777:
            os._exit(1)
        return {"y": x}
    sweep = raylab.Lab(name).submit(deadly, {"x": range(3000)})
    assert sweep.wait()
    progress = sweep.progress()
    assert dict(progress.by_status) == {"done": 2999, "crashed": 1} and progress.failed == 1, progress
    (row,) = sweep.failures().to_dicts()
    assert (row["x"], row["_status"]) == (777, "crashed") and row["_error"], row
    assert sweep.results(status="crashed", metadata=True)["_attempt"].to_list() == [3]
    drawn = [row for rows in sweep.plot.timeline().to_dict()["datasets"].values() for row in rows]
    died = [row["at"] for row in drawn if row.get("event") == "a process died"]
    bars = [row for row in drawn if "lane" in row]
    assert died and {row["status"] for row in bars} == {"done", "crashed"}, drawn[-9:]
    assert sum(row["n"] for row in bars if row["status"] == "done") == 2999, bars
    assert sweep.plot().data["failed"].sum() == 1
    """
    cluster.client(_dedent(script), name=lab_name)
    check_each_once(cluster.home / lab_name, "deadly", 3000, {"done": 2999, "crashed": 1})


def test_a_trial_that_never_ends_is_ended_at_its_time_limit_and_its_neighbours_are_done(
    cluster: Cluster, lab_name: str
) -> None:
    script = """
    import itertools, time
    def endless(x):
        if x == 77:
            time.sleep(1000)
        if x == 177:
            sum(itertools.repeat(1))   # in C, with the interpreter's lock: no exception reaches it
        return {"y": x}
    sweep = raylab.Lab(name).submit(endless, {"x": range(300)}, time_limit=1)
    assert sweep.wait()
    assert dict(sweep.progress().by_status) == {"done": 298, "timed_out": 2}, sweep.progress()
    failures = sweep.failures().sort("x")
    assert failures["x"].to_list() == [77, 177] and set(failures["_status"]) == {"timed_out"}, failures
    for error in failures["_error"]:
        assert "time limit of 1 s" in error, error
    """
    cluster.client(_dedent(script), name=lab_name)
    check_each_once(cluster.home / lab_name, "endless", 300, {"done": 298, "timed_out": 2})


@pytest.mark.parametrize("capture", ["failed", pytest.param("none", marks=pytest.mark.long)])
def test_a_trial_that_kills_its_process_within_its_time_limit_is_crashed_also_where_all_slots_are_taken(
    cluster: Cluster, lab_name: str, capture: str
) -> None:
    """Ray tells of the death once it has a slot for the task again: here behind the trial that takes all of its limit,
    and where it runs alone after 1.5 s, which is its limit and half of its grace."""
    script = """
    import os, time
    def dies(x):
        if x == 0:
            os._exit(0)
        time.sleep(1000)
    sweep = raylab.Lab(name).submit(
        dies, {"x": [0, 1]}, name=f"dies-{capture}", time_limit=1, order="design", num_cpus=2, capture=capture
    )
    assert sweep.wait()
    found = sweep.results(status="all", metadata=True).sort("x")
    assert found["_status"].to_list() == ["crashed", "timed_out"], found["_error"].to_list()
    assert found["_attempt"].to_list() == [3, 1]
    """
    cluster.client(_dedent(script), name=lab_name, capture=capture)


def test_a_time_limit_given_later_ends_what_hangs_already(cluster: Cluster, lab_name: str, tmp_path: Path) -> None:
    script = """
    import os, time
    def hangs(x):
        if x == 3:
            open(mark, "w").close()
            time.sleep(1000)
        return {"y": x}
    lab = raylab.Lab(name)
    sweep = lab.submit(hangs, {"x": range(8)})
    while not os.path.exists(mark):     # not all the others are ready then: some may wait behind it in its lease
        time.sleep(0.05)
    lab.submit(hangs, {"x": range(8)}, time_limit=2)
    assert sweep.wait()
    assert dict(sweep.progress().by_status) == {"done": 7, "timed_out": 1}, sweep.progress()
    """
    cluster.client(_dedent(script), name=lab_name, mark=str(tmp_path / "mark"))


@pytest.mark.long  # what it shows, the ledger's machine and the simulated lives show by default
def test_strikes_survive_the_actor(cluster: Cluster, lab_name: str, tmp_path: Path) -> None:
    """A trial that takes its worker and then the lab down does not run for ever."""
    script = """
    import json, os
    def deadly(x, log):
        with open(log, "a") as file:
            file.write("ran\\\\n")
        os._exit(1)
    lab = raylab.Lab(name)
    sweep = lab.submit(deadly, {"x": [1], "log": [log]})
    seen = 0
    while sweep.progress().ready < 1:
        ran = len(open(log).readlines()) if os.path.exists(log) else 0
        if ran > seen and seen < 3:
            seen = ran
            os.kill(lab.info()["pid"], 9)
    print(json.dumps([dict(sweep.progress().by_status), sweep.failures()["_attempt"].to_list()]))
    """
    log = tmp_path / "log"
    by_status, attempts = answer(cluster.client(_dedent(script), name=lab_name, log=str(log)))
    assert by_status == {"crashed": 1}
    assert len(log.read_text().splitlines()) <= 8, "a death that the lab saw is not forgotten with the lab"
    assert attempts[0] >= schedule.STRIKES, json.dumps(attempts)


def _dedent(code: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in code.splitlines())
