"""What trials ask for, as a person says it: numbers, dicts by level, expressions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylab.client import demands as module
from raylab.client.demands import Demands, demands
from raylab.core.design import Design, Factorial, Points
from raylab.core.places import numbers
from raylab.errors import DesignError

GRID = Factorial(L=[64, 128, 256], p=[0.1, 0.2], method=["a", "b"])


def asked(design: Design, **given: Any) -> list[dict[str, float | None]]:
    """What each point asks for."""
    found = demands(design, **given)
    by_point: dict[int, dict[str, float | None]] = {}
    for klass, box in found.partition.parts:
        size = math.prod(sum(stop - start for start, stop in runs) for runs in box)
        for point in numbers(box, found.partition.grid, np.arange(size)).tolist():
            assert point not in by_point
            by_point[point] = dict(found.classes[klass])
    return [by_point[point] for point in range(design.size)]


def refused(design: Design, **given: Any) -> str:
    with pytest.raises(DesignError) as caught:
        demands(design, **given)
    return str(caught.value)


def test_numbers_stay_as_they_are() -> None:
    assert demands(GRID, num_cpus=2, memory=None, time_limit="soon") == Demands(
        numbers={"num_cpus": 2, "memory": None, "time_limit": "soon"}
    )


def test_a_dict_by_a_level() -> None:
    by = {64: 1e9, 128: 4e9, 256: 4e9}
    assert asked(GRID, memory={"L": by}) == [{"memory": by[point["L"]]} for point in GRID]
    found = demands(GRID, memory={"L": by})
    assert found.numbers == {"memory": None}
    assert len(found.partition.parts) == 2


def test_an_expression() -> None:
    memory = pl.when(pl.col("L") > 100).then(pl.col("L") * 1e7).otherwise(1e6)
    expected = [{"memory": point["L"] * 1e7 if point["L"] > 100 else 1e6} for point in GRID]
    assert asked(GRID, memory=memory) == expected
    assert asked(Points(list(GRID)), memory=memory) == expected


def test_several_at_once_make_their_combinations() -> None:
    given = {"memory": {"L": {64: 1e9, 128: 2e9, 256: 2e9}}, "num_cpus": pl.col("p") * 10, "time_limit": 60}
    found = demands(GRID, **given)
    assert len(found.classes) == 4
    assert found.numbers == {"memory": None, "num_cpus": 1, "time_limit": 60}
    expected = [{"memory": 1e9 if point["L"] == 64 else 2e9, "CPU": point["p"] * 10} for point in GRID]
    assert asked(GRID, **given) == expected


@given(
    st.lists(st.sampled_from([1.0, 2.0, 3.0]), min_size=3, max_size=3),
    st.lists(st.sampled_from([1.0, 2.0]), min_size=2, max_size=2),
    st.booleans(),
)
def test_whatever_they_depend_on_each_point_has_its_own(memory: list[float], cpus: list[float], listed: bool) -> None:
    design: Design = Points(list(GRID)) if listed else GRID
    by_l, by_method = dict(zip((64, 128, 256), memory, strict=True)), dict(zip("ab", cpus, strict=True))
    given = {
        "memory": {"L": by_l},
        "num_cpus": pl.col("method").replace_strict(by_method),
        "time_limit": pl.col("p") * pl.col("L"),
    }
    assert asked(design, **given) == [
        {
            **({"memory": by_l[point["L"]]} if len(set(memory)) > 1 else {}),
            **({"CPU": by_method[point["method"]]} if len(set(cpus)) > 1 else {}),
            "time_limit": point["p"] * point["L"],
        }
        for point in GRID
    ]


@pytest.mark.parametrize("memory", [{"L": {64: 5, 128: 5, 256: 5.0}}, pl.lit(5), pl.col("L") * 0 + 5])
def test_what_is_the_same_everywhere_is_a_number(memory: Any) -> None:
    assert demands(GRID, memory=memory) == Demands(numbers={"memory": 5.0})


def test_a_billion_points_cost_what_their_levels_cost() -> None:
    design = Factorial(x=range(10**6), L=[1, 2], y=range(10**6))
    found = demands(design, memory=pl.col("L") * 1e9, num_cpus={"L": {1: 1, 2: 4}})
    assert found.classes == ({"memory": 1e9, "CPU": 1.0}, {"memory": 2e9, "CPU": 4.0})
    assert len(found.partition.parts) == 2


def test_an_expression_over_a_long_axis_is_looked_at_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 100)
    design = Factorial(x=range(1_001), y=range(10**6))
    found = demands(design, memory=(pl.col("x") // 500 + 1) * 1e9)
    assert [part.points[0] for part in found.partition.parts] == [((0, 500),), ((500, 1_000),), ((1_000, 1_001),)]


def test_none_for_a_level_asks_for_nothing() -> None:
    assert asked(GRID, time_limit={"method": {"a": None, "b": 60}}) == [
        {"time_limit": None if point["method"] == "a" else 60.0} for point in GRID
    ]
    assert "num_cpus is CPUs" in refused(GRID, num_cpus={"method": {"a": None, "b": 1}})


@pytest.mark.parametrize(
    ("memory", "words"),
    [
        ({"L": {64: 1e9, 128: 4e9}}, r"no amount for the level 256 (int)"),
        ({"L": {64.0: 1e9, 128: 4e9, 256: 1}}, "no amount for the level 64 (int); it has [64.0, 128, 256]"),
        ({"q": {64: 1e9}}, "'q', and the design has the parameters 'L', 'p', 'method'"),
        ({"L": {64: 1e9, 128: -1, 256: 1}}, "it got -1 for L=128"),
        ({"L": {64: 1e9, 128: "4 GB", 256: 1}}, "it got '4 GB' for L=128"),
        ({"L": 4e9}, "a dict of one parameter and its levels"),
        ({}, "a dict of one parameter and its levels"),
        ({"L": {}, "p": {}}, "a dict of one parameter and its levels"),
        (pl.col("q"), "'q', and the design has"),
        (pl.col("method"), "the expression gives String"),
        (pl.col("L") == 64, "the expression gives Boolean"),
        (pl.col("L") - 100, "gives -36 at L=64"),
        (pl.when(pl.col("L") != 128).then(1e9), "gives null or NaN at L=128"),
        (pl.lit(None), "gives null or NaN at each point"),
        (pl.col("L") / 0, "gives inf at L=64"),
        (pl.col("L").log(-1.0), "gives null or NaN at L=64"),
        (pl.col("L").max(), "a point's own parameters"),
        (pl.col("L").cum_sum(), "a point's own parameters"),
        (pl.col("L").shift(1), "a point's own parameters"),
        (pl.col("L", "p"), "several columns"),
        (pl.col("L") + pl.col("method"), "cannot be told from the parameters"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(memory: Any, words: str) -> None:
    said = refused(GRID, memory=memory)
    assert words in said, said
    assert "memory" in said


def test_a_parameter_that_some_points_do_not_have() -> None:
    design = Points([{"L": 64}, {"p": 0.1}])
    assert "by 'L', which point 1 does not have" in refused(design, memory={"L": {64: 1e9}})
    assert "null or NaN at" in refused(design, memory=pl.col("L") * 1.0)


def test_more_than_sixteen_are_refused_with_their_number() -> None:
    design = Factorial(x=range(1, 101), y=range(1, 6), z=range(1, 6))
    assert "memory has 100 different amounts or more" in refused(design, memory=pl.col("x"))
    assert "memory has 17 different amounts or more" in refused(design, memory={"x": {x: x for x in range(1, 101)}})
    said = refused(design, memory=pl.col("y"), num_cpus=pl.col("z"))
    assert "memory (5), num_cpus (5) make 25 classes together" in said
    assert len(demands(design, memory=(pl.col("x") / 7).ceil()).classes) == 15


def test_more_points_than_can_be_looked_at_are_refused_with_the_way_out() -> None:
    design = Factorial(x=range(10**5), y=range(10**5))
    assert "10,000,000,000 points" in refused(design, memory=pl.col("x") + pl.col("y") + 1)


def test_levels_of_any_kind() -> None:
    design = Factorial(kind=["a", 1, None, (2, 3)])
    assert [each["memory"] for each in asked(design, memory={"kind": {"a": 1, 1: 2, None: 3, (2, 3): 4}})] == [
        1,
        2,
        3,
        4,
    ]
