"""Sweeps of sampled designs: whose seed draws their points, what is the same again, how they grow, what they cost."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from scipy import stats

import raylab
import raylab.testing
from raylab import Design, DesignError, Factorial, LatinHypercube, Points, Random, Sobol, SweepExists, choice, integers
from raylab.core.design import Joined

RANGES: dict[str, Any] = {"x": (0.0, 1.0), "n": integers(0, 8), "m": choice(["a", (1, 2)]), "z": stats.norm(0, 1)}


def told(x: float, n: int = 0, m: Any = "", z: float = 0.0) -> dict[str, Any]:
    if x < 0.1:
        raise ValueError("too low")
    return {"y": 2 * x, "types": f"{type(x).__name__} {type(n).__name__} {type(m).__name__} {type(z).__name__}"}


def finished(sweep: raylab.Sweep) -> pl.DataFrame:
    assert sweep.wait(timeout=60, progress=False)
    return sweep.results(status="all")


@pytest.mark.parametrize("kind", [Sobol, LatinHypercube, Random])
def test_an_unseeded_design_is_drawn_by_the_seed_of_its_sweep_and_read_back_so(lab: raylab.Lab, kind: Any) -> None:
    drawn, given, own = (
        lab.submit(told, kind(16, RANGES), name="drawn", order="design"),
        lab.submit(told, kind(16, RANGES), name="given", seed=5),
        lab.submit(told, kind(16, RANGES).seeded(5), name="own", seed=6),
    )
    for sweep, seed in [(drawn, drawn.info()["seed"]), (given, 5), (own, 5)]:
        points = list(kind(16, RANGES).seeded(seed))
        assert sweep.design == kind(16, RANGES).seeded(seed)
        rows = finished(sweep)
        assert [(row["x"], row["n"], row["z"]) for row in rows.iter_rows(named=True)] == [
            (point["x"], point["n"], point["z"]) for point in points
        ]
        assert set(rows["types"].drop_nulls()) <= {"float int str float", "float int tuple float"}
    assert (given.info()["seed"], own.info()["seed"]) == (5, 6)
    shown = "x=0 to 1, n=integers 0 to 7, m='a' or (1, 2), z=norm(loc=0, scale=1)"
    assert given.info()["design"] == f"{kind.__name__}({shown}) of 16 points, seed 5"


@pytest.mark.parametrize("kind", [Random, LatinHypercube])
def test_the_order_of_the_ranges_counts_only_where_it_makes_other_points(lab: raylab.Lab, kind: Any) -> None:
    sweep = lab.submit(told, kind(8, x=(0, 1), n=integers(0, 8)), name="s", seed=1)
    assert sweep.extend(kind(8, n=integers(0, 8), x=(0, 1))) == 0
    if kind is Random:
        assert sweep.extend(Random(16, n=integers(0, 8), x=(0, 1))) == 8
    size = sweep.design.size
    whole = kind(size, x=(0, 1), n=integers(0, 8)).seeded(1)
    assert list(sweep.design) == list(whole)
    rows = finished(sweep)
    assert rows.select("x", "n").rows() == [(point["x"], point["n"]) for point in whole]
    ordered = lab.submit(told, Sobol(8, x=(0, 1), n=integers(0, 8)), name="ordered", seed=1)
    assert ordered.extend(Sobol(8, n=integers(0, 8), x=(0, 1))) == 8


def test_the_same_cell_again_is_the_same_sweep_whoever_drew_its_seed(lab: raylab.Lab) -> None:
    for name in (None, "s"):
        sweep = lab.submit(told, Sobol(8, x=(0, 1)), name=name)
        seed = sweep.info()["seed"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for words in ({}, {"seed": seed}, {"if_exists": "extend"}, {"if_exists": "continue"}):
                assert lab.submit(told, Sobol(8, x=(0, 1)), name=name, **words).name == sweep.name
            assert lab.submit(told, Sobol(8, x=(0, 1)).seeded(seed), name=name).name == sweep.name
        assert sweep.info()["total"] == 8
    for design, wanted, message in [
        (Sobol(8, x=(0, 1)), seed + 1, f"differs: seed: {seed + 1}, was {seed}. What"),
        (Sobol(8, x=(0, 2)), None, r"x=0 to 2\) of 8 points, seed .*, was Sobol\(x=0 to 1\) of 8 points"),
        (Sobol(8, x=(0, 1)).seeded(seed + 1), None, f"of 8 points, seed {seed + 1}, was Sobol"),
        (Random(8, x=(0, 1)), None, r"Random\(x=0 to 1\) .*, was Sobol\(x=0 to 1\)"),
    ]:
        with pytest.raises(SweepExists, match=message):
            lab.submit(told, design, name="s", seed=wanted)


@pytest.mark.parametrize("kind", [Sobol, Random])
def test_a_longer_design_adds_what_comes_behind(lab: raylab.Lab, kind: Any) -> None:
    sweep = lab.submit(told, kind(8, RANGES), name="s", repeats=2)
    first = finished(sweep)
    whole = kind(32, RANGES).seeded(sweep.info()["seed"])
    assert [sweep.extend(kind(16, RANGES)), sweep.extend(kind(16, RANGES)), sweep.extend(kind(4, RANGES))] == [16, 0, 0]
    assert lab.submit(told, kind(16, RANGES), name="s", repeats=2).info()["total"] == 32
    assert lab.submit(told, kind(32, RANGES), name="s", repeats=2, if_exists="extend").info()["total"] == 64
    assert sweep.design == whole
    rows = finished(sweep)
    assert rows["x"].to_list() == [point["x"] for point in whole for _ in range(2)]
    assert rows.head(16).equals(first)
    assert lab.submit(told, kind(8, RANGES), name="s", repeats=2).info()["total"] == 64
    assert sweep.extend(kind(8, RANGES), repeats=3) == 8


def test_a_design_with_a_seed_of_its_own_is_gone_on_with_by_that_seed(lab: raylab.Lab) -> None:
    sweep = lab.submit(told, Sobol(8, x=(0, 1)).seeded(5), name="s", seed=6)
    assert sweep.extend(Sobol(16, x=(0, 1))) == 8
    assert sweep.design == Sobol(16, x=(0, 1)).seeded(5)
    assert sweep.extend(Sobol(16, x=(0, 1)).seeded(6)) == 16
    assert sweep.extend(Random(4, x=(0, 1))) == 4
    assert sweep.design == Joined([Sobol(16, x=(0, 1)).seeded(5), Sobol(16, x=(0, 1)).seeded(6), _random(4, 6)])


def _random(n: int, seed: int) -> Any:
    return Random(n, x=(0, 1)).seeded(seed)


def test_a_latin_hypercube_is_not_gone_on_with(lab: raylab.Lab) -> None:
    sweep = lab.submit(told, LatinHypercube(8, x=(0, 1)), name="s")
    assert sweep.extend(LatinHypercube(8, x=(0, 1))) == 0
    with pytest.raises(DesignError, match="is not gone on with by one of 16"):
        sweep.extend(LatinHypercube(16, x=(0, 1)))
    with pytest.raises(DesignError, match="is not gone on with by one of 16"):
        lab.submit(told, LatinHypercube(16, x=(0, 1)), name="s", if_exists="extend")
    with pytest.raises(SweepExists, match="of 16 points"):
        lab.submit(told, LatinHypercube(16, x=(0, 1)), name="s")
    assert sweep.info()["total"] == 8
    assert sweep.extend(LatinHypercube(16, x=(0, 1)).seeded(3)) == 16


def test_rows_of_a_sampled_sweep_are_its_points_and_other_designs_bring_new_ones(lab: raylab.Lab) -> None:
    sweep = lab.submit(told, Sobol(16, x=(0, 1), m=choice(["a", "b"])), name="s")
    rows = finished(sweep).filter(pl.col("x") < 0.5).select("x", "m")
    assert sweep.extend(rows, repeats=3) == 2 * rows.height
    assert sweep.extend(rows.to_dicts(), repeats=3) == 0
    assert sweep.extend(Factorial(x=[2.0, 3.0], m=["a", "b"])) == 4
    assert sweep.extend([*rows.head(2).to_dicts(), {"x": 9.0, "m": "a"}]) == 1
    with pytest.raises(DesignError, match="'m' is missing"):
        sweep.extend(Sobol(4, x=(0, 1)))
    with pytest.raises(DesignError, match="axis 'm': 7 is of another kind"):
        sweep.extend(Sobol(4, x=(0, 1), m=choice([7])))
    listed = lab.submit(told, Points(x=[0.25, 0.75]), name="listed")
    assert listed.extend(Random(5, x=(0, 1))) == 5
    assert finished(listed).height == 7


@pytest.mark.parametrize("kind", [Sobol, Random])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_product_goes_on_in_each_of_its_factors(lab: raylab.Lab, kind: Any, is_first: bool) -> None:
    def made(levels: int, n: int) -> Any:
        grid, sampled = Factorial(n=range(levels)), kind(n, x=(0.2, 1))
        return sampled * grid if is_first else grid * sampled

    sweep = lab.submit(told, made(3, 8), name="s", seed=4)
    assert [sweep.extend(made(3, 16)), sweep.extend(made(3, 16)), sweep.extend(made(2, 4))] == [24, 0, 0]
    assert sweep.extend(made(4, 16)) == 16
    assert sweep.extend(made(3, 32), repeats=2) == 48 + 2 * 48
    assert lab.submit(told, made(3, 8), name="s").info()["total"] == 64 + 48 + 96
    rows = finished(sweep).select("x", "n")
    points = [(point["x"], point["n"]) for point in [*made(3, 32).seeded(4), *made(4, 16).seeded(4)]]
    assert sorted(set(rows.rows())) == sorted(set(points))
    assert rows.height == 64 + 48 + 96


def test_sums_and_selections_of_sampled_designs_go_on_too(lab: raylab.Lab) -> None:
    def low(n: int, most: float) -> Any:
        return Sobol(n, x=(0, 1)).seeded(3).where(pl.col("x") < most)

    sweep = lab.submit(told, low(64, 0.5), name="s")
    assert [sweep.extend(low(64, 0.75)), sweep.extend(low(128, 0.75)), sweep.extend(low(128, 2.0))] == [16, 48, 32]
    assert finished(sweep)["x"].n_unique() == finished(sweep).height == 128
    both = lab.submit(told, Random(8, x=(0, 1)) + Factorial(x=[5.0, 6.0]), name="both")
    assert both.extend(Random(16, x=(0, 1)) + Factorial(x=[5.0, 7.0])) == 9


@pytest.mark.parametrize("is_first", [True, False])
def test_selections_of_products_of_sampled_designs_go_on(lab: raylab.Lab, is_first: bool) -> None:
    def made(levels: int, n: int) -> Any:
        grid, sampled = Factorial(n=range(levels)), Random(n, x=(0.2, 1)).seeded(4)
        return sampled * grid if is_first else grid * sampled

    def low(levels: int, n: int, most: float) -> Any:
        return made(levels, n).where((pl.col("x") < most) & (pl.col("n") >= 0))

    def points(design: Any) -> set[Any]:
        return {(point["x"], point["n"]) for point in design}

    sweep, there = lab.submit(told, low(2, 16, 0.5), name="s"), points(low(2, 16, 0.5))
    part = Random(16, x=(0.2, 1)).seeded(4).where(pl.col("x") > 0.4) * Factorial(n=range(3))
    for design in (low(2, 32, 0.5), low(3, 32, 0.7), part, made(2, 16), made(3, 64)):
        new = points(design) - there
        assert [sweep.extend(design), sweep.extend(design)] == [len(new), 0]
        there |= new
    some = low(3, 16, 0.5)
    assert sweep.extend(some, repeats=3) == 2 * some.size
    assert finished(sweep).height == len(there) + 2 * some.size


def test_a_selection_of_drawn_levels_goes_on_by_number_not_by_value(lab: raylab.Lab) -> None:
    def made(n: int, seed: int = 4) -> Any:
        return (Random(n, m=choice(["a", "b"])).seeded(seed) * Factorial(x=[0.5, 0.6])).where(pl.col("m") == "a")

    sweep = lab.submit(told, made(16), name="s")
    assert sweep.extend(made(32)) == made(32).size - made(16).size
    assert sweep.extend(made(8, seed=5)) == made(8, seed=5).size
    hypercube = (LatinHypercube(8, x=(0, 1)).seeded(1) * Factorial(n=[1, 2])).where(pl.col("x") < 0.5)
    longer = (LatinHypercube(16, x=(0, 1)).seeded(1) * Factorial(n=[1, 2])).where(pl.col("x") < 0.5)
    with pytest.raises(DesignError, match="is not gone on with by one of 16"):
        lab.submit(told, hypercube, name="h").extend(longer)


def test_a_level_that_stands_twice_beside_sampled_points_is_added_once(lab: raylab.Lab) -> None:
    sweep = lab.submit(told, Sobol(4, x=(0.2, 1)) * {"n": [1]}, name="s")
    twice = [{"n": 3, "m": "a"}, {"n": 3, "m": "a"}]
    assert [sweep.extend(Sobol(4, x=(0.2, 1)) * {"n": [2, 1, 2]}) for _ in range(2)] == [4, 0]
    rows = lab.submit(told, Factorial(n=[1], m=["a"]) * Sobol(4, x=(0.2, 1)), name="rows")
    assert [rows.extend(Points(twice) * Sobol(4, x=(0.2, 1))) for _ in range(2)] == [4, 0]


def test_what_fails_is_seen_run_again_and_rerun_with_its_values(lab: raylab.Lab) -> None:
    sweep = lab.submit(told, Random(32, x=(0, 0.5), z=stats.norm(0, 1)), name="s", seed=1)
    finished(sweep)
    low = [point for point in sweep.design if point["x"] < 0.1]
    failures = sweep.failures()
    assert failures["x"].to_list() == [point["x"] for point in low]
    assert sweep.retry() == len(low) > 0
    finished(sweep)
    assert sweep.extend(failures, repeats=2) == len(low)
    assert sweep.rerun(31).same or sweep.design[31]["x"] < 0.1


def test_amounts_follow_from_sampled_points_also_where_the_sweep_drew_its_seed(lab: raylab.Lab) -> None:
    def submitted(**words: Any) -> raylab.Sweep:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # no node has so much
            design = Random(words.pop("n", 64), x=(0, 1), n=integers(0, 2))
            return lab.submit(told, design, name="s", num_cpus=pl.col("n") + 2, **words)

    def classes() -> dict[float, list[int]]:
        found: dict[float, list[int]] = {}
        record = lab._client.record("s")
        for segment in record.segments:
            own = record.policy.at(segment.need).resources["CPU"]
            numbers = [at for start, stop in segment.part[0] for at in range(start, stop)]
            found.setdefault(own, []).extend(segment.first_point + at for at in numbers)
        return {cpus: sorted(points) for cpus, points in found.items()}

    def expected(sweep: raylab.Sweep) -> dict[float, list[int]]:
        return {float(2 + n): [at for at, each in enumerate(sweep.design) if each["n"] == n] for n in (0, 1)}

    sweep = submitted()
    assert classes() == expected(sweep)
    again = submitted()
    assert (again.info()["total"], classes()) == (64, expected(sweep))
    submitted(n=128, if_exists="extend")
    assert (sweep.info()["total"], classes()) == (128, expected(sweep))


def test_a_thousand_million_sampled_points_cost_bytes(tmp_path: Path) -> None:
    n = 10**9
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        ranges = {name: law for name, law in RANGES.items() if name != "z"} | {"x": (0.2, 1.0)}
        for kind in (Sobol, LatinHypercube, Random):
            sweep = lab.submit(told, kind(n, ranges), name=kind.__name__, repeats=10, seed=1)
            sweep.pause()
            assert (sweep.progress().total, sweep.design.size) == (10 * n, n)
            if kind is not LatinHypercube:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # it is paused
                    assert sweep.extend(kind(2 * n, ranges)) == 10 * n
            some = sweep.results(metadata=True).head(3)
            points = sweep.design
            assert some["x"].to_list() == [points[at]["x"] for at in some["_point"].to_list()]
        with pytest.raises(DesignError, match="cannot be compared point by point"):
            sweep.extend(Points(x=[0.5], n=[1], m=["a"]))
        files = (tmp_path / "lab" / "requests").rglob("*.arrow")
        assert sum(file.stat().st_size for file in files) < 100_000


def test_a_notebook_at_rest_and_a_parcel_tell_a_sampled_design(tmp_path: Path) -> None:
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        finished(lab.submit(told, Sobol(8, RANGES), name="s", seed=1))
        design = lab.sweep("s").design
    notebook = raylab.Notebook(tmp_path / "lab")
    assert notebook.info("s")["design"] == repr(design)
    assert notebook.results("s", status="all")["x"].to_list() == [point["x"] for point in design]
    parcel = notebook.crate(tmp_path / "parcel", authors=["Ada Lovelace"], licence="MIT")
    (told_of,) = [json.loads(file.read_text()) for file in parcel.rglob("parameters.json")]
    assert Design.loads(json.dumps(told_of["designs"][0])) == design
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        assert lab.sweep("s").extend(Sobol(16, RANGES)) == 8
        assert lab.submit(told, Sobol(8, RANGES), name="s").design == Sobol(16, RANGES).seeded(1)
