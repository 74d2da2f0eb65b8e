"""Products, sums and selections of designs against lists of points."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raylab.core.design import Design, Factorial, Joined, Points, Product, Selected
from raylab.core.doubles import doubles
from raylab.core.places import runs_of
from raylab.core.summands import in_any_order, summands
from raylab.core.values import key_of
from raylab.errors import DesignError

NAMES = ("x", "y", "z")
LEVELS = st.lists(st.sampled_from([0, 1, 2, 5, 0.5, "a", None, (1, 2), [1, 2]]), min_size=1, max_size=3)
AXES = (
    LEVELS | st.builds(range, st.integers(1, 4)) | st.builds(lambda n: np.linspace(0, 1, n).tolist(), st.integers(1, 4))
)


@st.composite
def composed(draw: st.DrawFn, names: tuple[str, ...] = NAMES, depth: int = 3) -> tuple[Design, list[dict[str, Any]]]:
    """A design, and the points that it is to have."""
    kinds = ["factorial", "points", *["sum", "product", "selected"] * bool(depth)]
    kind = draw(st.sampled_from(kinds))
    if kind == "sum":
        other = tuple(draw(st.permutations(names)))
        (a, some), (b, more) = (draw(composed(order, depth - 1)) for order in (names, other))
        return a + b, some + more
    if kind == "product" and len(names) > 1:
        cut = draw(st.integers(1, len(names) - 1))
        (a, some), (b, more) = draw(composed(names[:cut], depth - 1)), draw(composed(names[cut:], depth - 1))
        return a * b, [one | other for one in some for other in more]
    if kind == "selected":
        of, points = draw(composed(names, depth - 1))
        taken = draw(st.lists(st.booleans(), min_size=of.size, max_size=of.size)) if of.size < 40 else [True] * of.size
        runs = np.array(runs_of(np.flatnonzero(taken or [True]))) if any(taken) else np.array([[0, 1]])
        some = [point for start, stop in runs.tolist() for point in points[start:stop]]
        return (of.within(runs) if isinstance(of, Selected) else Selected(of, runs)), some
    if kind == "points":
        rows = [{name: draw(st.sampled_from([1, 2, "b"])) for name in names} for _ in range(draw(st.integers(1, 3)))]
        if draw(st.booleans()):
            del rows[0][names[0]]
            rows.append(dict.fromkeys(names, 7))
        return Points(rows), rows
    axes = {name: draw(AXES) for name in names}
    return Factorial(axes), [dict(zip(names, levels, strict=True)) for levels in itertools.product(*axes.values())]


def keys(points: Any) -> list[Any]:
    return [key_of(dict(sorted(point.items()))) for point in points]


@settings(max_examples=50)
@given(composed())
def test_a_composed_design_has_the_points_of_the_lists_it_stands_for(made: tuple[Design, list[dict[str, Any]]]) -> None:
    design, points = made
    want = keys(points)
    assert keys(design) == want
    assert design.size == len(want)
    assert keys([design[-1]]) == want[-1:]
    every = np.arange(design.size)
    assert keys(design.points_at(every[::-1])) == want[::-1]
    for name in design.parameters:
        column = design.column(name, every)
        assert [key_of(value) for value in column] == [
            key_of(design.axis(name)[at]) for at in design.places(name, every).tolist()
        ]
        assert [key_of(p[name]) for p in points if name in p] == [
            key_of(value) for value, p in zip(column, points, strict=True) if name in p
        ]
    assert set(design.optional) == {name for name in design.parameters if any(name not in p for p in points)}
    read = Design.loads(design.dumps())
    assert read == design
    assert keys(read) == want
    assert keys(itertools.chain.from_iterable(summands(design))) == want
    assert Counter(keys(itertools.chain.from_iterable(in_any_order(design)))) == Counter(want)
    if doubles(design):
        assert len(set(want)) < len(want) or design.repeated()
    elif not isinstance(design, Selected):
        assert len(set(want)) == len(want)


A, B, C = Factorial(x=[1, 2]), Points(y=[1, 2], z=[3, 4]), Factorial(w=range(3))


def test_it_does_not_show_how_a_design_was_put_together() -> None:
    assert (A * B) * C == A * (B * C) == math.prod([A, B, C])
    assert (A + A) + A == A + (A + A) == sum([A, A, A])
    assert Factorial(x=[1, 2], w=range(3)) == A * C
    assert B * Factorial(x=[1, 2], w=range(3)) == (B * A) * C
    assert A * Factorial() == Factorial() * A == A
    assert Points([{}]) * B == B
    assert isinstance(A + A, Joined)
    assert isinstance(A * B, Product)


def test_what_submit_takes_stands_on_either_side() -> None:
    rows = [{"y": 1, "z": 3}, {"y": 2, "z": 4}]
    assert A * rows == A * Points(rows)
    assert A * {"w": range(3)} == A * C
    assert {"w": range(3)} * A == C * A
    assert rows * A == Points(rows) * A
    assert rows + B == Points(rows) + B
    assert B + rows == B + Points(rows)
    for wrong in (3, "x", np.array([1, 2]), None, 1.0):
        for made in (lambda: A * wrong, lambda: A + wrong, lambda: wrong * A):  # noqa: B023
            with pytest.raises(DesignError, match="a design is"):
                made()


def test_a_parameter_in_both_factors_or_in_one_summand_is_named() -> None:
    with pytest.raises(DesignError, match=r"'x', 'w': in a product each design has parameters of its own.*a \+ b"):
        A * C * Factorial(x=[1], w=[2], q=[3])
    with pytest.raises(DesignError, match="the second has no 'x'; the first has no 'w'"):
        A + C
    with pytest.raises(DesignError, match=r"2\*\*62"):
        Factorial(x=range(2**40)) * Points(y=range(2**30), z=range(2**30))


def test_a_product_of_a_billion_by_a_billion_costs_bytes() -> None:
    design = Points(x=range(10**9), y=range(10**9)) * Factorial(z=range(10**9))
    assert len(design.dumps()) < 300
    assert design[10**18 - 2] == {"x": 10**9 - 1, "y": 10**9 - 1, "z": 10**9 - 2}
    assert design.places("x", np.array([10**18 - 1, 5])).tolist() == [10**9 - 1, 0]
    wide = Factorial(x=range(2**31)) * Factorial(y=range(2**31))
    assert wide[2**62 - 1] == {"x": 2**31 - 1, "y": 2**31 - 1}


def test_a_long_range_beside_a_few_numbers_is_not_listed() -> None:
    design = Factorial(x=range(10**9)) + Factorial(x=[5]) + Factorial(x=[7, 9])
    assert design.axis("x").is_computed
    assert design.column("x", np.array([0, 10**9, 10**9 + 2])) == [0, 5, 9]
    with pytest.raises(DesignError, match="'x': one design has 1,000,000,000 levels of one kind"):
        Factorial(x=range(10**9)) + Factorial(x=["a"])


def test_a_point_of_both_summands_is_named_also_where_it_is_one_of_thousand_millions() -> None:
    assert doubles(A + A) == ["x=1"]
    grid = Factorial(x=range(10**9), y=[1, 2])
    assert doubles(grid + Factorial(y=[2], x=range(7, 10**8))) == ["x=7, y=2"]
    assert doubles(grid + Factorial(y=[3], x=range(10**8))) == []
    assert doubles(Factorial(y=[0]) * (A + Factorial(x=[2]))) == ["y=0, x=2"]
    assert doubles(Selected(A, [[0, 1]]) * (Factorial(y=[3]) + Factorial(y=[3]))) == ["x=1, y=3"]
    assert doubles(Selected(A, [[0, 1]]) * (Factorial(y=[3]) + Factorial(y=[4]))) == []


def test_any_point_of_a_selection_is_found_among_a_million_runs() -> None:
    runs = np.stack([np.arange(0, 2 * 10**6, 2), np.arange(1, 2 * 10**6, 2)], axis=1)
    design = Selected(Factorial(x=range(10**8)), runs)
    assert design.size == 10**6
    assert design.column("x", np.array([0, 1, 999_999])) == [0, 2, 1_999_998]
    assert len(design.dumps()) < 3 * 10**6
    assert Design.loads(design.dumps()) == design
    assert design.found(np.array([0, 1, 2, -1, 10**7])).tolist() == [0, -1, 1, -1, -1]


@pytest.mark.parametrize("runs", [[], [[2, 1]], [[0, 11]], [[-1, 2]], [[0, 2], [2, 3]], [[4, 5], [0, 1]]])
def test_runs_that_are_none_of_a_design_are_no_selection(runs: Any) -> None:
    with pytest.raises(DesignError, match="no design"):
        Design.loads('{"kind":"selected","of":%s,"runs":%s}' % (Factorial(x=range(10)).dumps(), runs))  # noqa: UP031
