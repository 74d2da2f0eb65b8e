"""Experiments from every place where people define them."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest
from clusters import Cluster

import raylab


@pytest.fixture
def lab_name(common_lab: str) -> str:
    """One lab has the experiments of all these tests, as a lab of several people would."""
    return common_lab


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
    assert lab.wait(timeout=150)
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
    assert sweep.wait(timeout=150)
    rows = sweep.results().sort("x")
    assert rows["y"].to_list() == [0, 3, 6], sweep.failures()
    here = os.path.dirname(os.path.abspath(__file__))
    assert not any(here in path.split(os.pathsep) for path in rows["path"]) and here not in set(rows["cwd"])
    """
    cluster.client(script, name=lab_name)


@pytest.mark.long
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
    cluster.client("assert raylab.Lab(name, create=False).wait(timeout=150)", name=lab_name)
    notebook = raylab.Notebook(cluster.home / lab_name)
    for number in (1, 2):
        assert notebook.results(f"by-{number}")["who"].to_list() == [number] * 5


@pytest.mark.long
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
    assert good.wait(timeout=150)
    assert set(good.results()["y"]) == {"hello"}
    assert broken.wait(timeout=3) is False
    progress = broken.progress()
    assert (progress.ready, progress.failed) == (0, 0) and "ZeroDivisionError" in progress.reason, progress
    broken.cancel()
    """
    cluster.client(script, name=lab_name)
    assert raylab.Notebook(cluster.home / lab_name).sweeps().filter(pl.col("name") == "broken")["rows"].item() == 0


def test_levels_of_any_type_reach_a_trial_as_they_were_given(cluster: Cluster, lab_name: str, tmp_path: Path) -> None:
    (tmp_path / "shapes.py").write_text(
        "import enum, typing\n"
        "class Colour(enum.Enum):\n    RED = 'r'\n    BLUE = 'b'\n"
        "class Level(enum.IntEnum):\n    LOW = 1\n"
        "class Place(typing.NamedTuple):\n    x: int\n    y: int\n"
    )
    script = """
    import datetime, decimal, pathlib, uuid, zoneinfo
    import numpy as np, pandas as pd
    from shapes import Colour, Level, Place

    def look(v):
        array = (v.dtype.str, v.shape, v.tolist()) if isinstance(v, np.ndarray) else None
        return {"type": type(v).__qualname__, "repr": repr(v), "array": repr(array), "hour": getattr(v, "hour", None)}
    def pick(at):
        return {"y": int(np.arange(12).reshape(3, 4)[at])}

    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    levels = [
        (1, 2), [1, 2], {"a": (1, [2])}, np.array([1.0, 2.0]), np.eye(2, dtype=np.float32), np.array(3),
        np.float32(0.1),
        np.array(["2024-07-01"], dtype="M8[ns]"), np.datetime64("2024", "Y"), b"a", 1j, decimal.Decimal("1.50"),
        datetime.datetime(2024, 7, 1, 0, 30, tzinfo=berlin),
        datetime.datetime(2024, 10, 27, 2, 30, tzinfo=berlin, fold=1),
        datetime.time(1, 2), uuid.UUID(int=7), pathlib.Path("a/b"), Colour.RED, Level.LOW, Place(1, 2), [Colour.BLUE],
        pd.Timestamp("2024-07-01T00:30", tz="Europe/Berlin"), {1, 2}, None, "text", 3, 0.5, True,
    ]
    lab = raylab.Lab(name)
    sweep = lab.submit(look, {"v": levels}, seed=1)
    picked = lab.submit(pick, {"at": [(1, 2), (2, 0)]}, seed=1)
    assert lab.wait(timeout=150)
    rows = sweep.results(metadata=["_point"]).sort("_point")
    wrong = [
        (level, row) for level, row in zip(levels, rows.iter_rows(named=True), strict=True)
        if {key: row[key] for key in ("type", "repr", "array", "hour")} != look(level)
    ]
    assert not wrong, wrong
    assert rows["v"].n_unique() == len(levels)
    assert {"Colour.RED", "Level.LOW", "Place(x=1, y=2)", "None", "(1, 2)", "[1, 2]"} <= set(rows["v"])
    assert sorted(picked.results()["y"]) == [6, 8]
    # the same again is the same; a list for a tuple is not
    assert lab.submit(look, {"v": levels}, seed=1).name == sweep.name
    assert lab.submit(pick, {"at": [[1, 2], [2, 0]]}, seed=1).name != picked.name
    """
    cluster.client(script, cwd=tmp_path, name=lab_name)
    # Somebody who has none of these classes still reads it.
    notebook = raylab.Notebook(cluster.home / lab_name)
    assert "Colour.RED" in set(notebook.results("look")["v"])
    cluster.client(
        "assert raylab.Lab(name, create=False).sweep('look').design[17] == {'v': 'Colour.RED'}", name=lab_name
    )
