"""Pause, resume and change on a cluster: what runs ends by itself, a pause outlives the lab, few at once are few."""

from __future__ import annotations

from pathlib import Path

import pytest
from clusters import Cluster

import raylab

GATED = """
import os, time
def gated(x, gate):
    while not os.path.exists(gate):
        time.sleep(0.02)
    return {"y": x, "pid": os.getpid()}

def timed(x):
    begun = time.time()
    time.sleep(0.2)
    return {"begun": begun, "ended": time.time()}

def until(is_so):
    begun = time.monotonic()
    while not is_so():
        assert time.monotonic() < begun + 100
        time.sleep(0.02)
"""


def test_what_has_begun_ends_by_itself_and_a_pause_outlives_the_lab(
    cluster: Cluster, common_lab: str, gate: Path
) -> None:
    script = """
    lab = raylab.Lab(name)
    sweep = lab.submit(gated, {"x": range(40), "gate": [gate]}, name="paused")
    until(lambda: sweep.progress().running)
    sweep.pause()
    before = sweep.progress()
    assert before.state == "paused" and before.reason.startswith("paused by ") and before.running >= 1, before
    assert sweep.wait(timeout=1, progress=False) is False
    open(gate, "w").close()
    assert sweep.wait(timeout=150, progress=False) is False
    after = sweep.progress()
    assert after.running == 0 and after.done >= before.running and after.done + after.waiting == 40, (before, after)

    os.kill(lab.info()["pid"], 9)
    assert sweep.progress() == after
    lab.resume("paused")
    assert sweep.wait(timeout=150, progress=False)
    """
    cluster.client(GATED + _dedent(script), name=common_lab, gate=str(gate))
    assert raylab.Notebook(cluster.home / common_lab).progress("paused").done == 40


@pytest.mark.long
def test_no_more_run_at_once_than_are_allowed_until_that_changes(cluster: Cluster, common_lab: str) -> None:
    script = """
    lab = raylab.Lab(name)
    sweep = lab.submit(timed, {"x": range(40)}, name="few", max_concurrency=1)
    until(lambda: sweep.progress().done >= 5)
    alone = sweep.results().sort("begun")
    assert all(end <= begin for end, begin in zip(alone["ended"][:-1], alone["begun"][1:])), alone
    sweep.change(max_concurrency=None)
    assert sweep.wait(timeout=150, progress=False)
    rest = sweep.results().sort("begun")
    assert any(end > begin for end, begin in zip(rest["ended"][:-1], rest["begun"][1:])), rest
    """
    cluster.client(GATED + _dedent(script), name=common_lab)


@pytest.mark.long
def test_a_higher_priority_goes_before_long_trials_that_wait(cluster: Cluster, common_lab: str) -> None:
    script = """
    import polars as pl
    def long(x):
        begun = time.time()
        time.sleep(1)
        return {"begun": begun}
    lab = raylab.Lab(name)
    low = lab.submit(long, {"x": range(12)}, name="low", order="design")
    until(lambda: low.progress().running == 2)
    high = lab.submit(timed, {"x": range(8)}, name="high", priority=1)
    assert high.wait(timeout=150, progress=False)
    first, last = high.results()["begun"].min(), high.results()["begun"].max()
    assert low.wait(timeout=150, progress=False)
    between = low.results().filter(pl.col("begun").is_between(first, last))
    assert between.height == 0, (first, last, low.results())
    """
    cluster.client(GATED + _dedent(script), name=common_lab)


@pytest.mark.long
def test_users_share_a_cluster_evenly_however_many_sweeps_each_has(cluster: Cluster, common_lab: str) -> None:
    script = """
    from unittest.mock import patch
    lab = raylab.Lab(name)
    lab.submit(timed, {"x": range(4)}, name="warm").wait(progress=False)
    of_ada = [lab.submit(timed, {"x": range(60)}, name=f"ada-{n}") for n in range(3)]
    with patch("getpass.getuser", lambda: "bob"):
        of_bob = lab.submit(timed, {"x": range(60)}, name="bob")
    before = sum(sweep.progress().done for sweep in of_ada)
    until(lambda: of_bob.progress().done >= 20)
    done, theirs = of_bob.progress().done, sum(sweep.progress().done for sweep in of_ada) - before
    for sweep in (*of_ada, of_bob):
        sweep.cancel()
    assert 0.5 * done <= theirs <= 2 * done, (done, theirs)      # by sweeps it would be three times as many
    """
    cluster.client(GATED + _dedent(script), name=common_lab)


def _dedent(code: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in code.splitlines())
