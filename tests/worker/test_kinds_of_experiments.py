"""Experiments of every kind, and results of every shape, through a whole lab in memory."""

from __future__ import annotations

import datetime
import functools
import zoneinfo
from typing import Any

import numpy as np
import polars as pl

import raylab


def test_functions_classes_and_epycs_protocol_run(lab: raylab.Lab) -> None:
    class Walk(raylab.Experiment):
        def __init__(self, scale: int) -> None:
            self.scale = scale

        def set_up(self, params: Any) -> None:
            self.steps: list[int] = [self.scale] * params["x"]

        def do(self, params: Any) -> dict[str, Any]:
            return {"end": sum(self.steps), "drawn": self.seed, "random": float(self.rng.random())}

        def tear_down(self) -> None:
            self.steps = []

    class Epyc:
        def set(self, params: dict[str, Any]) -> Any:
            self.params = params
            return self

        def run(self) -> dict[str, Any]:
            x = self.params["x"]
            if x == 3:
                status = {"epyc.experiment.status": False, "epyc.experiment.exception": ValueError("three")}
                return {"parameters": self.params, "metadata": status, "results": {}}
            meta = {"epyc.experiment.status": True, "machine": "m"}
            return {"parameters": self.params, "metadata": meta, "results": [{"part": i, "y": x * i} for i in range(x)]}

    def power(x: int, n: int = 2, **rest: Any) -> list[dict[str, int]]:
        return [{"part": part, "y": x**n} for part in range(2)]

    axis = {"x": [1, 2, 3]}
    walk, epyc = lab.submit(Walk(2), axis), lab.submit(Epyc(), axis)
    cube = lab.submit(functools.partial(power, n=3), axis)
    assert lab.wait(timeout=60)
    assert (walk.name, epyc.name, cube.name) == ("Walk", "Epyc", "power")

    rows = walk.results(metadata=True).sort("x")
    assert rows["end"].to_list() == [2, 4, 6]
    assert (rows["drawn"] == rows["_seed"]).all()
    for column in ("_set_up_s", "_do_s", "_tear_down_s"):
        assert (rows[column] >= 0).all()
        assert column not in walk.results().columns

    rows = epyc.results(metadata=True).sort("x", "part")
    assert rows.select("x", "part", "y").rows() == [(1, 0, 0), (2, 0, 0), (2, 1, 2)]
    assert rows["_metadata"].null_count() == 0
    assert "machine" in str(rows["_metadata"][0])
    (failed,) = epyc.failures().to_dicts()
    assert failed["x"] == 3
    assert "three" in failed["_error"]
    assert epyc.number_of_results() == 4
    assert epyc.progress().ready == 3

    rows = cube.results().sort("x", "part")
    assert rows["y"].to_list() == [1, 1, 8, 8, 27, 27]


def test_results_of_odd_shapes_are_all_kept(lab: raylab.Lab) -> None:
    def odd(kind: str) -> Any:
        made: dict[str, Any] = {
            "none": None,
            "int": {"v": 1},
            "float": {"v": 2.5},
            "text": {"v": "a"},
            "late": {"late": True},
            "numpy": {"v": np.float32(0.5), "array": np.arange(3)},
            "object": {"v": {1, 2}},
            "name": {"kind": "mine"},
            "time": {"v": datetime.datetime(2024, 1, 1)},
            "nested": {"deep": {"a": [1, 2], "b": "x"}},
        }
        return made[kind] if kind != "single" else 42

    kinds = ["none", "int", "float", "text", "late", "numpy", "object", "name", "time", "nested", "single"]
    sweep = lab.submit(odd, {"kind": kinds})
    assert sweep.wait(timeout=60)
    rows = {row["kind"]: row for row in sweep.results().to_dicts()}

    def siblings(kind: str) -> list[Any]:
        return [v for k, v in rows[kind].items() if (k == "v" or k.startswith("v__")) and v is not None]

    assert list(rows) == kinds
    assert rows["single"]["value"] == 42
    assert siblings("int") == [1]
    assert siblings("float") == [2.5]
    assert siblings("text") == ["a"]
    assert siblings("numpy") == [0.5]
    assert rows["numpy"]["array"] == [0, 1, 2]
    assert siblings("time") == [datetime.datetime(2024, 1, 1)]
    assert siblings("object")[0]["repr"] == "{1, 2}"
    assert siblings("object")[0]["pickle"]
    assert rows["late"]["late"] is True
    assert rows["name"]["kind__result"] == "mine"
    assert rows["nested"]["deep"] == {"a": [1, 2], "b": "x"}
    assert sweep.failures().is_empty()


def test_a_local_time_keeps_its_zone(lab: raylab.Lab) -> None:
    def demand(when: datetime.datetime) -> dict[str, Any]:
        return {"hour": when.hour, "day": str(when.date()), "weekend": when.weekday() >= 5, "end": when}

    levels = [datetime.datetime(2024, 7, 1, 0, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))]
    sweep = lab.submit(demand, {"when": levels}, seed=1)
    assert sweep.wait(timeout=60)
    rows = sweep.results()
    assert rows.drop("when").to_dicts() == [demand(levels[0])]
    assert rows["when"].to_list() == levels
    assert rows.schema["when"] == rows.schema["end"] == pl.Datetime("us", "Europe/Berlin")


def test_names_are_read_as_python_reads_them(lab: raylab.Lab) -> None:
    typed, read = "\u03f5", "\u03b5"
    space: dict[str, Any] = {"__name__": "__main__"}
    exec("def decay(\u03f5):\n    return {'y': 2 * \u03f5, '\u03f5': 1}", space)
    lab[typed] = [0.1, 0.2]
    assert lab[typed] == lab[read] == [0.1, 0.2]
    assert list(lab.axes) == [read]
    sweep = lab.submit(space["decay"], name="\ufb01rst", seed=1)  # the ligature fi
    assert sweep.name == "first"
    assert lab.sweep("\ufb01rst").name == "first"
    assert sweep.wait(timeout=60)
    rows = lab.results("\ufb01rst")
    assert rows[read].to_list() == [0.1, 0.2]
    assert rows["y"].to_list() == [0.2, 0.4]
    assert rows[typed].to_list() == [1, 1]  # a result keeps its own name
    assert raylab.Notebook(lab.info()["notebook"]).results("\ufb01rst").height == 2
    del lab[typed]
    assert not lab.axes

    class Walk(raylab.Experiment):
        def do(self, params: Any) -> dict[str, Any]:
            return {"y": params[typed] + params[read] + params.get(typed), "in": typed in params}

    walk = lab.submit(Walk(), raylab.Factorial({typed: [1]}), seed=1)
    assert walk.wait(timeout=60)
    assert walk.results()["y"].to_list() == [3]
    assert walk.results()["in"].to_list() == [True]
