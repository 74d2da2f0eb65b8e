"""Experiments of every kind, from every place where people define them."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest
from clusters import Cluster

import raylab


@pytest.fixture
def lab_name() -> str:
    """One lab has the experiments of all these tests, as a lab of several people would."""
    return "experiments"


def test_functions_classes_and_epycs_protocol_run(cluster: Cluster, lab_name: str) -> None:
    script = """
    import functools

    class Walk(raylab.Experiment):
        def __init__(self, scale):
            self.scale = scale
        def set_up(self, params):
            self.steps = [self.scale] * params["x"]
        def do(self, params):
            return {"end": sum(self.steps), "drawn": self.seed, "random": float(self.rng.random())}
        def tear_down(self):
            self.steps = None

    class Epyc:
        def set(self, params):
            self.params = params
            return self
        def run(self):
            x = self.params["x"]
            if x == 3:
                status = {"epyc.experiment.status": False, "epyc.experiment.exception": ValueError("three")}
                return {"parameters": self.params, "metadata": status, "results": {}}
            meta = {"epyc.experiment.status": True, "machine": "m"}
            return {"parameters": self.params, "metadata": meta, "results": [{"part": i, "y": x * i} for i in range(x)]}

    def power(x, n=2, **rest):
        return [{"part": part, "y": x**n} for part in range(2)]

    lab = raylab.Lab(name)
    axis = {"x": [1, 2, 3]}
    walk, epyc = lab.submit(Walk(2), axis), lab.submit(Epyc(), axis)
    cube = lab.submit(functools.partial(power, n=3), axis)
    assert lab.wait(timeout=90)
    assert (walk.name, epyc.name, cube.name) == ("Walk", "Epyc", "power")

    rows = walk.results(metadata=True).sort("x")
    assert rows["end"].to_list() == [2, 4, 6] and (rows["drawn"] == rows["_seed"]).all()
    for column in ("_set_up_s", "_do_s", "_tear_down_s"):
        assert (rows[column] >= 0).all() and column not in walk.results().columns

    rows = epyc.results(metadata=True).sort("x", "part")
    assert rows.select("x", "part", "y").rows() == [(1, 0, 0), (2, 0, 0), (2, 1, 2)], rows
    assert rows["_metadata"].null_count() == 0 and "machine" in str(rows["_metadata"][0])
    (failed,) = epyc.failures().to_dicts()
    assert failed["x"] == 3 and "three" in failed["_error"]
    assert epyc.number_of_results() == 4 and epyc.progress().ready == 3

    rows = cube.results().sort("x", "part")
    assert rows["y"].to_list() == [1, 1, 8, 8, 27, 27]
    """
    cluster.client(script, name=lab_name)


def test_a_module_beside_the_script_travels_and_the_folder_may_go(
    cluster: Cluster, lab_name: str, gate: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    (folder / "tools").mkdir(parents=True)
    (folder / "tools" / "__init__.py").write_text("from tools.deep import FACTOR\n")
    (folder / "tools" / "deep.py").write_text("FACTOR = 7\n")
    (folder / "tools" / "table.txt").write_text("35")
    (folder / "model.py").write_text(
        "from pathlib import Path\nimport tools\n\n"
        "def run(x):\n"
        "    from tools import deep\n"
        "    table = int((Path(tools.__file__).parent / 'table.txt').read_text())\n"
        "    return {'y': x * tools.FACTOR + table, 'where': tools.__file__}\n"
    )
    submit = """
    import os, time
    import model
    def block(i):
        while not os.path.exists(gate):
            time.sleep(0.02)
    lab = raylab.Lab(name)
    lab.submit(block, {"i": range(4)})
    lab.submit(model.run, {"x": [1, 2]}, name="model")
    """
    look = """
    lab = raylab.Lab(name, create=False)
    assert lab.sweep("model").progress().ready == 0, "it has begun while its folder was there"
    open(gate, "w").close()
    assert lab.wait(timeout=90)
    rows = lab.sweep("model").results().sort("x")
    assert rows["y"].to_list() == [42, 49], lab.sweep("model").failures()
    assert not any(where.startswith(folder) for where in rows["where"])
    """
    cluster.client(submit.replace("exists(gate)", f"exists({str(gate)!r})"), cwd=folder, name=lab_name)
    shutil.rmtree(folder)
    cluster.client(look, name=lab_name, gate=str(gate), folder=str(folder))


def test_a_script_of_its_own_may_hold_everything(cluster: Cluster, lab_name: str) -> None:
    """Functions, classes and globals of `__main__` go along; nothing of the laptop is on the worker's path."""
    script = """
    import dataclasses, math, os, sys

    SCALE = 3
    @dataclasses.dataclass
    class Point:
        x: int
    def helper(point):
        return SCALE * point.x
    def experiment(x):
        return {"y": helper(Point(x)), "pi": math.pi, "path": os.pathsep.join(sys.path), "cwd": os.getcwd()}

    sweep = raylab.Lab(name).submit(experiment, {"x": range(3)})
    assert sweep.wait(timeout=90)
    rows = sweep.results().sort("x")
    assert rows["y"].to_list() == [0, 3, 6], sweep.failures()
    here = os.path.dirname(os.path.abspath(__file__))
    assert not any(here in path.split(os.pathsep) for path in rows["path"]) and here not in set(rows["cwd"])
    """
    cluster.client(script, name=lab_name)


def test_results_of_odd_shapes_are_all_kept(cluster: Cluster, lab_name: str) -> None:
    script = """
    import datetime, numpy as np
    def odd(kind):
        made = {
            "none": None, "int": {"v": 1}, "float": {"v": 2.5}, "text": {"v": "a"}, "late": {"late": True},
            "numpy": {"v": np.float32(0.5), "array": np.arange(3)}, "object": {"v": {1, 2}}, "name": {"kind": "mine"},
            "time": {"v": datetime.datetime(2024, 1, 1)}, "nested": {"deep": {"a": [1, 2], "b": "x"}},
        }
        return made[kind] if kind != "single" else 42
    kinds = ["none", "int", "float", "text", "late", "numpy", "object", "name", "time", "nested", "single"]
    sweep = raylab.Lab(name).submit(odd, {"kind": kinds})
    assert sweep.wait(timeout=90)
    rows = {row["kind"]: row for row in sweep.results().to_dicts()}
    assert list(rows) == kinds and rows["single"]["value"] == 42
    siblings = lambda kind: [v for k, v in rows[kind].items() if (k == "v" or k.startswith("v__")) and v is not None]
    assert siblings("int") == [1] and siblings("float") == [2.5] and siblings("text") == ["a"]
    assert siblings("numpy") == [0.5] and rows["numpy"]["array"] == [0, 1, 2]
    assert siblings("time") == [datetime.datetime(2024, 1, 1)]
    assert siblings("object")[0]["repr"] == "{1, 2}" and siblings("object")[0]["pickle"]
    assert rows["late"]["late"] is True and rows["name"]["kind__result"] == "mine"
    assert rows["nested"]["deep"] == {"a": [1, 2], "b": "x"}
    assert sweep.failures().is_empty()
    """
    cluster.client(script, name=lab_name)


def test_side_by_side_sweeps_with_modules_of_their_own_both_run(
    cluster: Cluster, lab_name: str, tmp_path: Path
) -> None:
    """Two clients bring different modules of the same name."""
    for number in (1, 2):
        folder = tmp_path / f"client{number}"
        folder.mkdir()
        (folder / "shared_name.py").write_text(f"def run(x):\n    return {{'who': {number}}}\n")
        script = """
        import shared_name
        raylab.Lab(name).submit(shared_name.run, {"x": range(5)}, name=sweep)
        """
        cluster.client(script, cwd=folder, name=lab_name, sweep=f"by-{number}")
    cluster.client("assert raylab.Lab(name, create=False).wait(timeout=90)", name=lab_name)
    notebook = raylab.Notebook(cluster.home / lab_name)
    for number in (1, 2):
        assert notebook.results(f"by-{number}")["who"].to_list() == [number] * 5


def test_an_environment_that_cannot_be_made_stops_its_own_sweep_only(cluster: Cluster, lab_name: str) -> None:
    script = """
    import os
    def fine(x):
        return {"y": os.environ["GREETING"]}
    class Fragile:
        def __reduce__(self):
            return (__import__("operator").truediv, (1, 0))
        def __call__(self, x):
            return {}
    lab = raylab.Lab(name)
    broken = lab.submit(Fragile(), {"x": range(3)}, name="broken")
    good = lab.submit(fine, {"x": range(3)}, runtime_env={"env_vars": {"GREETING": "hello"}})
    assert good.wait(timeout=90)
    assert set(good.results()["y"]) == {"hello"}
    assert broken.wait(timeout=3) is False
    progress = broken.progress()
    assert (progress.ready, progress.failed) == (0, 0) and "ZeroDivisionError" in progress.reason, progress
    broken.cancel()
    """
    cluster.client(script, name=lab_name)
    assert raylab.Notebook(cluster.home / lab_name).sweeps().filter(pl.col("name") == "broken")["rows"].item() == 0
