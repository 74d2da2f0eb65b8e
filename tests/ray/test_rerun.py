"""Trials here: the first points before a sweep, and one trial again, from a handle of a real lab, over `ray://` too,
and from the notebook in a process without Ray."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from clusters import COMMON_LAB, Client, Cluster, clean_environment

HASHES = {"PYTHONHASHSEED": "0"}
"""As workers have it."""

MODEL = """
import os, random
import numpy as np

def noisy(x, seed, rng):
    if x == 4:
        raise ValueError(f"{x} is bad")
    drawn = {"rng": rng.random(), "random": random.random(), "numpy": np.random.random()}
    return {**drawn, "text": "".join({"a", "b", "c"})}

def where(x):
    return {"y": x, "pid": os.getpid()}
"""

AGAIN = """
import os, traceback
lab = raylab.Lab(name)
sweep = lab.sweep("noisy")
for point in range(4):
    again = sweep.rerun(point, 1)
    assert again.same and again.differences == (), again
try:
    sweep.rerun(4)
except ValueError as error:
    assert traceback.extract_tb(error.__traceback__)[-1].name == "noisy"
    assert "failed with the same error" in error.__notes__[0], error.__notes__
else:
    raise AssertionError("nothing was raised")
again = lab.sweep("where").rerun(2)
assert again.same is False and again.result == {"y": 2, "pid": os.getpid()}, again
import model
assert model.noisy(0) == "newer"
assert sweep.rerun(0).same
assert sweep.progress().total == 10
import ray
assert ray.is_initialized()
assert sweep.progress().done == 8
"""


@pytest.fixture(scope="module")
def submitted(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the client that filled the lab."""
    folder = tmp_path_factory.mktemp("submitted")
    (folder / "model.py").write_text(MODEL)
    script = """
    import model
    lab = raylab.Lab(name)
    noisy = lab.submit(model.noisy, {"x": range(5)}, name="noisy", repeats=2, seed=1)
    where = lab.submit(model.where, {"x": range(3)}, name="where")
    assert noisy.wait(timeout=150, progress=False) and where.wait(timeout=150, progress=False)
    about = ["_point", "_seed", "_code"]
    here = raylab.run_here(model.noisy, {"x": range(5)}, n=4, repeats=2, seed=1, metadata=about)
    assert here.drop("text").equals(noisy.results(metadata=about).drop("text")), here
    summed = noisy.summary("rng")
    assert summed.select("x", "n", "failed", "complete").rows() == [
        *((x, 2, 0, True) for x in range(4)), (4, 0, 2, False)
    ], summed
    """
    cluster.client(dedent(script), name=COMMON_LAB, cwd=folder)
    (folder / "model.py").write_text("def noisy(x):\n    return 'newer'\n")
    return folder


@pytest.mark.parametrize("way", [pytest.param("driver", marks=pytest.mark.long), "ray://"])
def test_from_a_handle(cluster: Cluster, submitted: Path, way: str) -> None:
    address = cluster.client_address if way == "ray://" else None
    cluster.client(AGAIN, name=COMMON_LAB, cwd=submitted, address=address, env=HASHES)


def test_from_the_notebook_alone(cluster: Cluster, submitted: Path) -> None:
    script = """
    import sys
    notebook = raylab.Notebook(place)
    assert notebook.rerun("noisy", 2, 1).same
    assert notebook.rerun("where", 2).same is False
    assert "ray" not in sys.modules
    """
    place = str(cluster.home / COMMON_LAB)
    with Client(dedent(script), None, env={**clean_environment(), **HASHES}, place=place) as client:
        assert client.ended() == 0, client.stderr
