"""Resources that follow the trial where Ray is the subject: each trial is given what its class asks for."""

from __future__ import annotations

from textwrap import dedent

import pytest
from clusters import Cluster, answer

FOLLOWS = """
import json, os, time, warnings
import polars as pl
import ray

def given(size, p):
    held = ray.get_runtime_context().get_assigned_resources()
    time.sleep(5 if p == 0.9 else 0)
    return {"cpus": held.get("CPU", 0.0), "memory": held.get("memory", 0.0), "threads": os.environ["OMP_NUM_THREADS"]}

lab = raylab.Lab(name)
"""


def test_each_trial_is_given_what_its_class_asks_for(cluster: Cluster, common_lab: str) -> None:
    script = """
    sweep = lab.submit(
        given,
        {"size": [1, 2, 4], "p": [0.1, 0.9]},
        name="follows",
        repeats=2,
        num_cpus=pl.min_horizontal(pl.col("size"), 2),
        memory={"size": {1: 50e6, 2: 50e6, 4: 100e6}},
        time_limit=pl.when(pl.col("p") > 0.5).then(0.5).otherwise(30.0),
    )
    assert sweep.wait(timeout=120), sweep.progress()
    rows = sweep.results(status="all", metadata=["_status"]).select("size", "p", "_status", "cpus", "memory", "threads")
    print(json.dumps([sweep.info()["classes"], rows.rows()]))
    """
    classes, rows = answer(cluster.client(FOLLOWS + dedent(script), name=common_lab))
    assert len(classes) == 6
    assert "2 trials, of size=4 and p=0.9: 2 CPU, 100 MB memory, at most 0.5 s" in classes
    expected = [
        [size, p, "done", float(min(size, 2)), 100e6 if size == 4 else 50e6, str(min(size, 2))]
        if p == 0.1
        else [size, p, "timed_out", None, None, None]
        for size in (1, 2, 4)
        for p in (0.1, 0.9)
        for _ in range(2)
    ]
    assert rows == expected


def test_a_class_that_no_node_has_is_told_and_the_others_are_done(cluster: Cluster, common_lab: str) -> None:
    script = """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sweep = lab.submit(given, {"size": range(1, 21), "p": [0.1]}, name="large",
                           num_cpus=pl.when(pl.col("size") > 18).then(64).otherwise(1))
    until = time.monotonic() + 120
    while sweep.progress().done < 18:
        assert time.monotonic() < until, sweep.progress()
        time.sleep(0.1)
    left = sweep.progress()
    again = lab.submit(given, {"size": range(1, 21), "p": [0.1]}, name="large", num_cpus=1)
    assert again.wait(timeout=120), again.progress()
    print(json.dumps([[str(each.message) for each in caught], left.state, left.reason, left.waiting]))
    """
    (told,), state, reason, waiting = answer(cluster.client(FOLLOWS + dedent(script), name=common_lab))
    assert "'large': no node of the cluster has what some trials ask for" in told
    assert "64 CPU" in told
    assert (state, waiting) == ("infeasible", 2)
    assert "64 CPU" in reason


@pytest.mark.long
def test_what_timed_out_is_tried_again_with_more_time(cluster: Cluster, common_lab: str) -> None:
    script = """
    def settles(takes):
        time.sleep(takes)
        return {"took": takes}
    sweep = lab.submit(settles, {"takes": [0.0, 0.7, 1.5, 30.0]}, name="settling", seed=3, repeats=2,
                       time_limit=0.5, grow={"time_limit": 2.0, "tries": 2})
    assert sweep.wait(timeout=120), sweep.progress()
    rows = sweep.results(status="all", metadata=["_status", "_attempt", "_error"]).sort("takes")
    print(json.dumps([rows.select("takes", "_status").rows(), rows["_attempt"].to_list(), rows["_error"].to_list()[-1],
                      sweep.progress().by_status]))
    """
    rows, attempts, error, by_status = answer(cluster.client(FOLLOWS + dedent(script), name=common_lab))
    assert rows == [[takes, "done"] for takes in (0.0, 0.0, 0.7, 0.7, 1.5, 1.5)] + [[30.0, "timed_out"]] * 2
    assert attempts[0] == 1
    assert 1 < attempts[2] < attempts[4]
    assert error == "it took longer than its time limit of 2 s; it was tried with 0.5 s, 1 s and 2 s"
    assert by_status == {"done": 6, "timed_out": 2}
