"""A trial that takes its process along, by its memory, by a signal or by itself: alone in the end, the rest is done."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from clusters import Cluster, answer
from ray._private import utils

import raylab
from raylab.terminal import settings

ROOM = 6e9
"""What a cluster and its trials may use, and what tests in other processes use meanwhile (4 GB were seen)."""

GREED = 9e9


def by_status(notebook: Path, sweep: str, total: int) -> dict[str, int]:
    """How many trials came out how; each has one record."""
    rows = raylab.Notebook(notebook).results(sweep, status="all", metadata=True)
    assert rows.height == rows["_point"].n_unique() == total
    return dict(rows["_status"].value_counts().iter_rows())


@pytest.mark.skipif(utils.get_system_memory() - utils.get_used_memory() < 2 * GREED, reason="needs memory to spare")
@pytest.mark.long
def test_rays_memory_monitor_takes_the_greedy_trial_and_not_the_lab() -> None:
    threshold = (utils.get_used_memory() + ROOM) / utils.get_system_memory()
    script = """
    import json, os, time
    def greedy(x):
        held = []
        while x == 50 and len(held) < greed // 2**26:
            held.append(bytearray(b"x") * 2**26)             # every page is touched
            time.sleep(0.01)
        time.sleep(0.01)
        return {"y": x}
    lab = raylab.Lab("lab")
    before = lab.info()
    sweep = lab.submit(greedy, {"x": range(100)}, name="greedy")
    assert sweep.wait(timeout=150), sweep.progress()
    assert [lab.info()[word] for word in ("pid", "started")] == [before[word] for word in ("pid", "started")]
    print(json.dumps(sweep.failures().select("x", "_status", "_error").rows()))
    """
    env = {"RAY_memory_usage_threshold": f"{threshold:.4f}", **settings.MEMORY}
    with Cluster(env=env) as cluster:
        ((x, status, error),) = answer(cluster.client(script, greed=int(GREED)))
        assert by_status(cluster.home / "lab", "greedy", 100) == {"done": 99, "out_of_memory": 1}
    assert (x, status) == (50, "out_of_memory")
    assert re.search(r"its process had [\d.]+ ?GB, the node \S+ had [\d.]+ ?GB of [\d.]+ ?GB in use", error), error
    assert "died 3 times" in error


@pytest.mark.long
def test_deaths_in_the_middle_of_a_hundred_thousand_trivial_trials(cluster: Cluster, lab_name: str) -> None:
    script = """
    import json, time
    def deadly(x):
        if x == 31_415:
            import ctypes
            ctypes.string_at(0)                              # a segmentation fault
        if x == 77_777:
            import os
            os._exit(3)
        return {"y": x}
    began = time.monotonic()
    sweep = raylab.Lab(name).submit(deadly, {"x": range(100_000)}, order="design")
    assert sweep.wait()
    print(f"{time.monotonic() - began:.1f} s", json.dumps(dict(sweep.progress().by_status)))
    print(json.dumps(sweep.failures().sort("x").select("x", "_status", "_attempt", "_error").rows()))
    """
    said = cluster.client(script, name=lab_name)
    rows = answer(said)
    print(said)
    assert [row[:3] for row in rows] == [[31_415, "crashed", 3], [77_777, "crashed", 3]]
    assert all("process ended unexpectedly" in row[3] for row in rows), rows
    assert by_status(cluster.home / lab_name, "deadly", 100_000) == {"done": 99_998, "crashed": 2}


HALF, ROOM_FOR_ONE = 7e9, 10.5e9
"""Two such trials are more than there is room for, one is not, whatever other processes use meanwhile."""


@pytest.mark.skipif(utils.get_system_memory() - utils.get_used_memory() < 2 * GREED, reason="needs memory to spare")
@pytest.mark.long
def test_what_ran_out_of_memory_beside_another_is_tried_again_with_more(tmp_path: Path) -> None:
    """Side by side two trials are too much for the node. With more memory asked for, they run one after the other."""
    threshold = (utils.get_used_memory() + ROOM_FOR_ONE) / utils.get_system_memory()
    script = """
    import json, os, time
    import ray
    def greedy(x, there):
        held = []
        open(os.path.join(there, str(x)), "w").close()
        until = time.monotonic() + 20
        while len(os.listdir(there)) < 2 and time.monotonic() < until:
            time.sleep(0.01)                                 # the first time, they fill the node together
        while len(held) < half // 2**26:
            held.append(bytearray(b"x") * 2**26)             # every page is touched
            time.sleep(0.01)
        time.sleep(1.0)
        return {"asked": ray.get_runtime_context().get_assigned_resources()["memory"]}
    lab = raylab.Lab("lab")
    sweep = lab.submit(greedy, {"x": [1, 2], "there": [there]}, name="greedy",
                       memory=ray.cluster_resources()["memory"] * 0.45, grow={"memory": 2.0})
    assert sweep.wait(timeout=120), sweep.progress()
    rows = sweep.results(metadata=["_attempt"]).sort("_attempt")
    print(json.dumps([dict(sweep.progress().by_status), rows["_attempt"].to_list(), rows["asked"].to_list()]))
    """
    env = {"RAY_memory_usage_threshold": f"{threshold:.4f}", **settings.MEMORY}
    with Cluster(env=env) as cluster:
        by_status, attempts, asked = answer(cluster.client(script, half=int(HALF), there=str(tmp_path)))
    assert by_status == {"done": 2}
    assert attempts[0] == 1
    assert attempts[1] > 1
    assert asked[1] == pytest.approx(2 * asked[0], rel=0.01)
