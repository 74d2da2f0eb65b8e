"""Sweeps of composed designs, on a lab in memory: products, sums, selections; from submit to rows, and growing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from said import refused, said

import raylab
import raylab.testing
from raylab import Factorial, Points, Random, Sobol
from raylab.core.block import block
from raylab.core.design import Design
from raylab.errors import DesignError, SweepExists

X, Y = pl.col("x"), pl.col("y")
PAIRS = Points([{"m": "cg", "tol": 0.5}, {"m": "lu"}])


def solved(m: str, x: Any, tol: float = 0.0) -> dict[str, Any]:
    return {"y": f"{m} {x} {tol}"}


def added(x: float, y: float) -> dict[str, float]:
    return {"sum": x + y}


def finished(sweep: raylab.Sweep, **words: Any) -> pl.DataFrame:
    assert sweep.wait(timeout=60, progress=False), sweep.progress()
    return sweep.results(**words)


def test_all_of_it_together_runs_once_at_each_point(lab: raylab.Lab, tmp_path: Path) -> None:
    design = ((PAIRS * {"x": range(4)}) + [{"x": 9, "m": "lu"}, {"x": 8, "m": "cg", "tol": 0.1}]).where(
        (X > 0) & (pl.col("tol").is_null() | (X < 3))
    )
    sweep = lab.submit(solved, design, name="s", repeats=2, seed=1)
    rows = finished(sweep)
    assert sweep.design == design
    assert rows.select("m", "x", "tol", "_repeat").rows() == [
        (point["m"], point["x"], point.get("tol"), repeat) for point in design for repeat in range(2)
    ]
    assert rows["y"][0] == "cg 1 0.5"
    assert sweep.rerun(1, 1).same
    again, warned = said(lambda: lab.submit(solved, design, name="s", repeats=2))
    assert (again.name, again.progress().total, warned) == ("s", 2 * design.size, [])
    twice = raylab.Notebook(lab.info()["notebook"]).results("s")
    assert twice.equals(rows)


def test_a_sweep_of_a_composed_design_grows_by_another(lab: raylab.Lab) -> None:
    grid = Factorial(x=range(10), y=range(10))
    sweep = lab.submit(added, grid.where(X < Y) + Factorial(x=[20], y=[5]), name="s", seed=1)
    before = finished(sweep, metadata=True)
    assert before.height == 46
    assert sweep.extend(grid.where(X < Y)) == sweep.extend({"x": [20], "y": [5]}) == 0
    assert sweep.extend(grid.where(X <= Y)) == 10
    assert sweep.extend(grid) == 45
    assert sweep.extend(Factorial(y=[5]) * (Factorial(x=range(3)) + Factorial(x=[20, 21]))) == 1
    assert sweep.extend(Factorial(x=[20], y=[5]), repeats=3) == 2
    assert sweep.extend(grid.where((X == 0) & (Y == 1)), repeats=2) == 1
    after = finished(sweep, metadata=True)
    assert after.filter(pl.col("_repeat") == 0).head(46).drop("_repeat").equals(before.drop("_repeat", strict=False))
    assert after.height == 46 + 10 + 45 + 1 + 3
    assert after.filter(pl.col("_repeat") > 0).select("x", "y").rows() == [(0, 1), (20, 5), (20, 5)]
    assert [sweep.design[point] for point in after["_point"]] == after.select("x", "y").to_dicts()
    assert after["sum"].to_list() == (after["x"] + after["y"]).to_list()


def test_submitting_with_extend_says_what_differs_and_adds_what_is_new(lab: raylab.Lab) -> None:
    grid = Factorial(x=[1, 2], y=[1, 2, 3])
    lab.submit(added, grid.where(X < Y), name="s", seed=1)
    with refused(SweepExists, "of 6 points, was Selected("):
        lab.submit(added, grid, name="s")
    sweep, _ = said(lambda: lab.submit(added, grid, name="s", if_exists="extend"))
    assert sweep.progress().total == 6
    for same in (
        grid,
        grid.where(X < 2) + grid.where(X > 1),
        Factorial(y=[1, 2, 3]) * Points(x=[1, 2]),
        grid.where(X < Y),
    ):
        again, warned = said(lambda same=same: lab.submit(added, same, name="s"))
        assert (again.name, again.progress().total, warned) == ("s", 6, [])


def test_a_point_of_both_summands_is_named_and_runs_twice(lab: raylab.Lab) -> None:
    design = Factorial(x=[1, 2], y=[3]) + Points(y=[3, 4], x=[2, 2])
    sweep, warned = said(lambda: lab.submit(added, design, name="s"))
    assert any("x=2, y=3: this stands twice" in each for each in warned), warned
    assert finished(sweep)["x"].to_list() == [1, 2, 2, 2]


def test_resources_follow_the_points_of_a_composed_design(tmp_path: Path) -> None:
    with raylab.testing.lab(resources={"CPU": 4, "memory": 64e9}) as roomy:
        for design in (
            Factorial(x=[1, 2], y=[1, 2]).where(X <= Y),
            Factorial(x=[1, 2], y=[2]) + Factorial(x=[1], y=[1]),
            Points([{"x": 1}, {"x": 2}]) * Factorial(y=[1, 2]),
        ):
            for memory in (pl.col("x") * 1e9, {"x": {1: 1e9, 2: 2e9}}):
                name = f"{type(design).__name__} {type(memory).__name__}"
                sweep = roomy.submit(added, design, name=name, memory=memory)
                record = sweep._client.record(sweep._handle)
                found = {}
                for segment in record.segments:
                    own = Design.loads(segment.design)
                    need = record.policy.at(segment.need).resources["memory"]
                    for point in block(segment, segment.first_position, segment.stop).points.tolist():
                        found[point] = need == own[point]["x"] * 1e9
                assert found == dict.fromkeys(range(design.size), True), name
                assert finished(sweep).height == design.size
                more = Factorial(x=[1, 2], y=[1, 2, 3])
                again = roomy.submit(added, more, name=name, memory=pl.col("x") * 1e9, if_exists="extend")
                assert finished(again).height == 6


def test_what_has_no_points_yet_is_not_selected_from_and_each_sampled_part_has_its_own_seed(lab: raylab.Lab) -> None:
    both = Random(3, x=(0, 1)) * Random(2, y=(0, 1))
    with pytest.raises(DesignError, match=r"\.seeded\(n\)\.where"):
        both.where(X > 0)
    drawn = both.seeded(5)
    assert drawn.column("x", np.arange(2))[0] != drawn.column("y", np.arange(2))[0]
    sweep = lab.submit(added, both, name="s", seed=5)
    assert sweep.design == drawn
    assert finished(sweep).select("x", "y").to_dicts() == list(drawn)
    taken = drawn.where(drawn[0]["x"] - 1e-9 < X)
    assert finished(lab.submit(added, taken, name="t")).height == taken.size
    with pytest.raises(DesignError, match=r"draw others first"):
        taken.seeded(6)
    assert (taken + both).settled(7).is_seeded


def test_a_product_with_a_sobol_design_goes_on_as_that_does(lab: raylab.Lab) -> None:
    few, more = Sobol(4, x=(0, 1)), Sobol(8, x=(0, 1))
    for one, other in (
        (few * {"y": [1, 2]}, more * {"y": [1, 2]}),
        (Factorial(y=[1, 2]) * few, Factorial(y=[1, 2]) * more),
    ):
        sweep = lab.submit(added, one, name="s", seed=3, if_exists="replace")
        assert sweep.extend(other) == 8
        assert sweep.extend(other) == sweep.extend(one) == 0
        assert sweep.extend(other, repeats=2) == 16
        rows = finished(sweep)
        assert rows.select("x", "y").n_unique() == 16
        assert math.isclose(rows["x"].sum(), 4 * sum(point["x"] for point in more.seeded(3)))
