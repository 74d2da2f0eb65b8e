"""A sweep grows on a cluster: while it runs, over `ray://`, and through the death of its lab."""

from __future__ import annotations

from pathlib import Path

from clusters import Cluster

import raylab

GATED = """
import os, signal, time
import polars as pl
def gated(x, gate, seed):
    while not os.path.exists(gate):
        time.sleep(0.02)
    return {"y": x, "drawn": seed}
"""


def test_a_sweep_grows_while_it_runs_and_through_a_death_and_when_it_is_complete(
    cluster: Cluster, common_lab: str, gate: Path
) -> None:
    script = """
    lab = raylab.Lab(name)
    sweep = lab.submit(gated, {"x": range(20), "gate": [gate]}, name="grows", seed=1)
    until = time.monotonic() + 100
    while not sweep.progress().running and time.monotonic() < until:
        time.sleep(0.02)
    assert sweep.extend({"x": range(30), "gate": [gate]}, repeats=2) == 20 + 20
    assert lab.sweep("grows").extend({"x": range(30), "gate": [gate]}, repeats=2) == 0
    assert sweep.progress().total == 60
    os.kill(lab.info()["pid"], signal.SIGKILL)
    assert sweep.extend({"x": [99], "gate": [gate]}) == 1
    open(gate, "w").close()
    assert sweep.wait(timeout=150, progress=False) and sweep.progress().done == 61, sweep.progress()
    before = sweep.results(metadata=True)

    assert sweep.extend(repeats=3) == 30 + 2        # it was complete: it is taken up again
    again = lab.submit(gated, {"x": range(31), "gate": [gate]}, name="grows", if_exists="extend")
    assert again.wait(timeout=150, progress=False) and again.progress().done == 94
    rows = sweep.results(metadata=True)
    assert rows.join(before, on=before.columns, how="semi", nulls_equal=True).height == 61
    assert lab.submit(gated, {"x": range(20), "gate": [gate]}, name="grows").progress().total == 94
    try:
        lab.submit(gated, {"x": range(9), "gate": [gate]}, name="grows")
    except raylab.SweepExists as error:
        assert "if_exists='extend'" in str(error)
    else:
        raise AssertionError("another design under the name")

    ranges = {"x": (0, 1), "gate": raylab.choice([gate])}
    sampled = lab.submit(gated, raylab.Sobol(16, ranges), name="sampled")
    assert lab.submit(gated, raylab.Sobol(16, ranges), name="sampled").extend(raylab.Sobol(32, ranges)) == 16
    assert sampled.wait(timeout=150, progress=False)
    assert sampled.results()["x"].to_list() == [point["x"] for point in sampled.design]
    assert sampled.design == raylab.Sobol(32, ranges).seeded(sampled.info()["seed"])

    grid = raylab.Points(x=[1, 2, 3]) * {"gate": [gate]} + {"x": range(4, 9), "gate": [gate]}
    composed = lab.submit(gated, grid.where(pl.col("x") % 2 == 0), name="composed")
    assert composed.extend(grid) == 4
    assert composed.wait(timeout=150, progress=False)
    assert composed.results()["y"].to_list() == [2, 4, 6, 8, 1, 3, 5, 7]
    """
    cluster.client(GATED + _dedent(script), name=common_lab, gate=str(gate))
    notebook = raylab.Notebook(cluster.home / common_lab)
    rows = notebook.results("grows", metadata=True)
    assert rows.height == 94
    assert rows["_seed"].n_unique() == 94
    assert notebook.sweeps().filter(name="grows")["design"].item().endswith("grown to 32 points in up to 3 repeats")
    assert notebook.verify().is_empty()


def _dedent(code: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in code.splitlines())
