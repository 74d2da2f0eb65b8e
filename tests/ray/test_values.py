"""What is given as a level reaches a trial on a cluster as it was given, and rows say which level it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from clusters import Cluster

import raylab


@pytest.fixture
def lab_name() -> str:
    """One lab has the sweeps of all these tests, as a lab of several people would."""
    return "values"


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
    assert lab.wait(timeout=90)
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


def test_a_local_time_keeps_its_zone(cluster: Cluster, lab_name: str) -> None:
    script = """
    import datetime, zoneinfo
    import polars as pl
    def demand(when):
        return {"hour": when.hour, "day": str(when.date()), "weekend": when.weekday() >= 5, "end": when}
    levels = [datetime.datetime(2024, 7, 1, 0, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))]
    sweep = raylab.Lab(name).submit(demand, {"when": levels}, seed=1)
    assert sweep.wait(timeout=90)
    rows = sweep.results()
    assert rows.drop("when").to_dicts() == [demand(levels[0])], rows.to_dicts()
    assert rows["when"].to_list() == levels
    assert rows.schema["when"] == rows.schema["end"] == pl.Datetime("us", "Europe/Berlin")
    """
    cluster.client(script, name=lab_name)


def test_names_are_read_as_python_reads_them(cluster: Cluster, lab_name: str) -> None:
    script = """
    typed, read = "\\u03f5", "\\u03b5"
    space = {"__name__": "__main__"}
    exec("def decay(\\u03f5):\\n    return {'y': 2 * \\u03f5, '\\u03f5': 1}", space)
    lab = raylab.Lab(name)
    lab[typed] = [0.1, 0.2]
    assert lab[typed] == lab[read] == [0.1, 0.2] and list(lab.axes) == [read]
    sweep = lab.submit(space["decay"], name="\\ufb01rst", seed=1)         # the ligature fi
    assert sweep.name == "first" and lab.sweep("\\ufb01rst").name == "first"
    assert sweep.wait(timeout=90)
    rows = lab.results("\\ufb01rst")
    assert rows[read].to_list() == [0.1, 0.2] and rows["y"].to_list() == [0.2, 0.4]
    assert rows[typed].to_list() == [1, 1]                              # a result keeps its own name
    del lab[typed]
    assert not lab.axes
    class Walk(raylab.Experiment):
        def do(self, params):
            return {"y": params[typed] + params[read] + params.get(typed), "in": typed in params}
    walk = lab.submit(Walk(), raylab.Factorial({typed: [1]}), seed=1)
    assert walk.wait(timeout=90) and walk.results()["y"].to_list() == [3] and walk.results()["in"].to_list() == [True]
    """
    cluster.client(script, name=lab_name)
    assert raylab.Notebook(cluster.home / lab_name).results("\ufb01rst").height == 2


def test_large_levels_cost_little_and_larger_requests_are_refused(cluster: Cluster, lab_name: str) -> None:
    script = """
    import os
    import numpy as np
    def fit(weights, k):
        return {"type": type(weights).__name__, "n": len(weights * 2)}
    lab = raylab.Lab(name)
    sweep = lab.submit(fit, {"weights": [np.random.default_rng(1).random(250_000)], "k": range(50)}, seed=1)
    assert sweep.wait(timeout=90)
    rows = sweep.results()
    assert set(rows["type"]) == {"ndarray"} and set(rows["n"]) == {250_000}
    assert rows["weights"].n_unique() == 1 and len(rows["weights"][0]) < 200, rows["weights"][0]
    files = [os.path.join(path, file) for path, _, names in os.walk(lab.info()["notebook"]) for file in names]
    assert sum(map(os.path.getsize, files)) < 20_000_000
    for design in ([{"k": 1, "weights": np.zeros(300 * 2**17)}], {"k": [1], "weights": ["a" * 65 * 2**20]}):
        try:
            lab.submit(fit, design, name="too large")
        except raylab.DesignError as error:
            assert "64 MB at most, most of it in the levels of 'weights'" in str(error), error
            assert "include=" in str(error), error
        else:
            raise AssertionError("it was accepted")
    assert "too large" not in lab.sweeps()["name"]
    """
    cluster.client(script, name=lab_name)


def test_what_stands_twice_is_told_and_runs_twice(cluster: Cluster, lab_name: str) -> None:
    script = """
    import warnings
    lab = raylab.Lab(name)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        sweep = lab.submit(lambda x: {"y": x}, {"x": [1, 1, 2]}, name="twice", seed=1)
    (told,) = [str(each.message) for each in said if "twice" in str(each.message)]
    assert told.startswith("x=1: this stands twice in the design") and "repeats=" in told
    assert sweep.wait(timeout=90) and sweep.results()["y"].to_list() == [1, 1, 2]
    import pandas as pd
    frame = pd.DataFrame({"c": pd.Categorical(["a", None]), "f": [float("nan"), 1.0]})
    rows = lab.submit(lambda c, f: {"seen": repr((c, f))}, frame, name="frame", seed=1)
    assert rows.wait(timeout=90) and rows.results()["seen"].to_list() == ["('a', nan)", "(None, 1.0)"]
    """
    cluster.client(script, name=lab_name)
