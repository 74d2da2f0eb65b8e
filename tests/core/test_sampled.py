"""Sampled designs: their points, whatever is asked for first; what is known without a seed; what goes on with what."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import tracemalloc
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.stats import qmc

from raylab import (
    Design,
    DesignError,
    Factorial,
    LatinHypercube,
    Points,
    Random,
    Sobol,
    choice,
    integers,
    loguniform,
    uniform,
)
from raylab.core.design import Joined, Sampled
from raylab.core.scipy_stats import direction_numbers

KINDS = [Sobol, LatinHypercube, Random]
RANGES: dict[str, Any] = {
    "p": (0.1, 0.5),
    "rate": loguniform(1e-3, 1),
    "L": integers(8, 16),
    "method": choice(["fast", (1, 2), None]),
    "z": stats.norm(0, 1),
}


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


# points


def test_a_seeded_design_has_its_points_however_they_are_asked_for(kind: Any) -> None:
    design = kind(100, RANGES).seeded(3)
    points = list(design)
    assert (design.size, len(points), design.parameters) == (100, 100, tuple(RANGES))
    assert [design[7], design[-93], design.head(8)[7]] == [points[7]] * 3
    some = np.array([99, 0, 7])
    assert list(design.points_at(some)) == [points[at] for at in some.tolist()]
    columns = {name: design.column(name, some) for name in RANGES}
    assert [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)] == [
        points[at] for at in some.tolist()
    ]
    assert [type(value) for value in points[0].values()][:3] == [float, float, int]
    assert {repr(point["method"]) for point in points} == {"'fast'", "(1, 2)", "None"}
    assert all(0.1 <= point["p"] < 0.5 and 8 <= point["L"] < 16 and 1e-3 <= point["rate"] < 1 for point in points)


def test_a_design_is_written_down_and_read_back_with_the_same_points(kind: Any) -> None:
    for design in (kind(20, RANGES), kind(20, RANGES).seeded(9)):
        for imports in (False, True):
            again = Design.loads(design.dumps(), imports=imports)
            assert (again, again.is_seeded, repr(again)) == (design, design.is_seeded, repr(design))
        assert pickle.loads(pickle.dumps(design)) == design
        assert hash(design) == hash(again)
    assert list(again) == list(design)
    json.loads(design.dumps(), parse_constant=pytest.fail)


def test_a_seed_tells_the_points(kind: Any) -> None:
    one, same, other = (kind(20, RANGES).seeded(seed) for seed in (1, np.int64(1), 2))
    assert list(one) == list(same)
    assert not {point["p"] for point in one} & {point["p"] for point in other}
    assert one.seeded(2) == other
    assert one.settled(2) == one


def test_the_points_of_a_sobol_design_are_those_of_scipy_in_its_ranges() -> None:
    design = Sobol(64, p=uniform(0.1, 0.5), z=stats.norm(1, 2), L=integers(0, 10)).seeded(7)
    expected = qmc.Sobol(3, bits=62, rng=7).random(64)
    assert [point["p"] for point in design] == qmc.scale(expected[:, :1], 0.1, 0.5).ravel().tolist()
    assert [point["z"] for point in design] == stats.norm(1, 2).ppf(expected[:, 1]).tolist()
    assert [point["L"] for point in design] == np.floor(expected[:, 2] * 10).astype(int).tolist()


@pytest.mark.parametrize("kind", [Sobol, Random])
def test_more_points_are_the_same_and_others_behind(kind: Any) -> None:
    assert list(kind(37, RANGES).seeded(3)) == kind(1_000, RANGES).seeded(3).head(37)


def test_other_parameters_change_no_point_of_a_random_design_nor_of_a_latin_hypercube() -> None:
    for kind in (Random, LatinHypercube):
        alone, beside = kind(9, p=(0, 1)).seeded(3), kind(9, q=(5, 6), p=(0, 1)).seeded(3)
        assert [point["p"] for point in alone] == [point["p"] for point in beside]


def test_sampled_points_are_as_even_as_they_are_meant_to_be() -> None:
    def discrepancy(kind: Any) -> float:
        design = kind(256, x=(0, 1), y=(0, 1)).seeded(5)
        return float(qmc.discrepancy([[point["x"], point["y"]] for point in design]))

    sobol, latin, random = map(discrepancy, KINDS)
    assert sobol < latin < random
    assert sobol < 2e-4 < 5e-4 < random


def test_each_part_of_each_range_has_one_point_of_a_latin_hypercube() -> None:
    design = LatinHypercube(50, p=(0, 1), n=integers(0, 50), m=choice("abcde" * 1), z=stats.expon()).seeded(4)
    points = list(design)
    assert sorted(int(point["p"] * 50) for point in points) == list(range(50))
    assert sorted(point["n"] for point in points) == list(range(50))
    assert sorted(int(stats.expon().cdf(point["z"]) * 50) for point in points) == list(range(50))


def test_a_sobol_design_of_a_power_of_two_is_even_over_the_levels_of_a_choice() -> None:
    design = Sobol(64, m=choice(["a", "b", "c", "d"]), n=integers(0, 8)).seeded(1)
    cells = [(point["m"], point["n"]) for point in design]
    assert {cells.count(cell) for cell in cells} == {2}


def test_a_point_of_a_thousand_million_costs_as_much_as_any_other_and_a_design_of_them_bytes(kind: Any) -> None:
    n = 10**9
    tracemalloc.start()
    design = kind(n, {name: RANGES[name] for name in ("p", "rate", "L", "method")}).seeded(1)
    point, text = design[n - 1], design.dumps()
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert Design.loads(text)[n - 1] == point
    assert used < 2_000_000
    assert len(text) < 2_000
    assert design.repeated() == []
    assert sum(design.weights().values()) < 100
    with pytest.raises(IndexError, match="1,000,000,000 points"):
        design[n]


def test_what_can_be_changed_in_a_point_is_its_own() -> None:
    design = Random(3, x=choice([[1], [2]])).seeded(1)
    design[0]["x"].append(7)
    next(design.points_at(np.array([0])))["x"].append(7)
    assert len(design[0]["x"]) == 1
    assert not design.is_plain


# without a seed


def test_without_a_seed_all_is_known_but_the_points(kind: Any) -> None:
    design = kind(100, RANGES)
    assert (design.size, len(design), design.parameters) == (100, 100, tuple(RANGES))
    assert (design.is_sampled, design.is_seeded) == (True, False)
    assert design.axis("L").take(np.arange(3)) == [8, 9, 10]
    assert design.ranges["p"] == uniform(0.1, 0.5)
    for ask in (
        lambda: design[0],
        lambda: design.head(),
        lambda: list(design),
        lambda: design.column("p", np.arange(2)),
        lambda: design.places("L", np.arange(2)),
        lambda: list(design.points_at(np.arange(2))),
        lambda: list(design.axis("p")),
    ):
        with pytest.raises(DesignError, match=r"\.seeded\(n\)"):
            ask()


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, True, "1", None])
def test_what_is_no_seed_is_refused(seed: Any) -> None:
    with pytest.raises(DesignError, match="whole number, 0 ≤ seed < 2\\^63; got"):
        Random(3, p=(0, 1)).seeded(seed)


def test_a_design_that_draws_nothing_stays_as_it_is_under_any_seed() -> None:
    design = Factorial(x=[1, 2])
    assert (design.seeded(1), design.settled(1)) == (design, design)


def test_each_sampled_part_of_a_design_has_a_seed_of_its_own_the_first_that_of_the_whole() -> None:
    one, two = Random(4, p=(0, 1)), Random(4, p=(0, 1))
    both = Joined([Points(p=[9.0]), one, two])
    assert not both.is_seeded
    first, second = [part.seed for part in both.seeded(7).samples if isinstance(part, Sampled)]
    assert (first, second != 7) == (7, True)
    assert list(both.seeded(7))[1:5] == list(one.seeded(7))
    kept = Joined([one.seeded(3), two]).settled(7)
    assert [part.seed for part in kept.samples if isinstance(part, Sampled)] == [3, second]
    assert Design.loads(both.dumps()).seeded(7) == both.seeded(7)


# what goes on with what


@pytest.mark.parametrize("kind", [Sobol, Random])
def test_a_stretch_of_a_sequence_meets_another_by_number(kind: Any) -> None:
    whole = kind(100, RANGES).seeded(3)
    part = whole.part(30, 60)
    assert list(part) == list(whole)[30:60]
    assert Design.loads(part.dumps()) == part
    assert (whole.meets(part), part.meets(whole)) == ((30, 60), (0, 30))
    assert whole.part(0, 30).meets(part) is None
    assert whole.meets(kind(100, RANGES).seeded(4)) is None
    assert whole.meets(kind(100, {**RANGES, "p": (0.1, 0.6)}).seeded(3)) is None
    assert whole.part(0, 100) is whole


def test_a_latin_hypercube_does_not_go_on_and_says_what_does() -> None:
    one = LatinHypercube(10, p=(0, 1)).seeded(3)
    assert one.meets(one.seeded(3)) == (0, 10)
    assert one.meets(LatinHypercube(20, p=(0, 1)).seeded(4)) is None
    with pytest.raises(DesignError, match=r"10 points is not gone on with by one of 20.*Sobol or a Random"):
        one.meets(LatinHypercube(20, p=(0, 1)).seeded(3))


# shown


def test_a_design_shows_its_size_its_ranges_and_its_first_points() -> None:
    ranges = {name: RANGES[name] for name in ("p", "rate", "L", "method")}
    design = Sobol(8, ranges)
    shown = "p=0.1 to 0.5, rate=loguniform 0.001 to 1, L=integers 8 to 15, method='fast' or (1, 2) or None"
    assert repr(design) == f"Sobol({shown}) of 8 points, not seeded"
    assert repr(design.seeded(3)) == f"Sobol({shown}) of 8 points, seed 3"
    assert str(design).splitlines() == [
        "Sobol of 8 points, not seeded",
        "  p       0.1 to 0.5",
        "  rate    loguniform 0.001 to 1",
        "  L       integers 8 to 15",
        "  method  'fast' or (1, 2) or None",
    ]
    lines = str(design.seeded(3)).splitlines()
    assert lines[5:7] == ["the first points:", "  p         rate        L   method"]
    first = design.seeded(3)[0]
    assert lines[7].split() == [f"{first['p']:.6g}", f"{first['rate']:.6g}", str(first["L"]), repr(first["method"])]


@pytest.mark.parametrize("kind", [Sobol, LatinHypercube, Random])
def test_a_composed_design_says_that_it_has_no_points_yet(kind: Any) -> None:
    for design in (kind(4, p=(0, 1)) * {"q": [1, 2]}, Factorial(p=[0.5, 0.6, 0.7, 0.8]) + kind(4, p=(0, 1))):
        assert repr(design).endswith(" of 8 points, not seeded")
        assert str(design).splitlines()[0] == f"{type(design).__name__} of 8 points, not seeded"
        assert "seeded" not in repr(design.seeded(1)) + str(design.seeded(1))


def test_a_sobol_design_says_at_which_sizes_it_is_most_even() -> None:
    assert "Sobol designs are most even at 2^k points, here 64 or 128." in str(Sobol(100, p=(0, 1)))
    for design in (Sobol(64, p=(0, 1)), Random(100, p=(0, 1)), LatinHypercube(100, p=(0, 1))):
        assert "even" not in str(design)


@pytest.mark.parametrize(
    ("design", "lines"),
    [
        (
            Factorial(p=[0.1, 0.5], m=["a", "b"]),
            ["Factorial of 4 points", "  p  0.1 to 0.5 (2 levels)", "  m  'a' or 'b'", "the points:", "  p    m"],
        ),
        (
            Points([{"n": 1}, {"n": 20, "warm": True}]),
            ["Points of 2 points", "  n     1 to 20", "  warm  True", "the points:", "  n   warm", "  1", "  20  True"],
        ),
        (Factorial(), ["Factorial of 1 point"]),
        (
            Joined([Factorial(x=range(6)), Factorial(x=[0.5])]),
            ["Joined of 7 points", "  x  0 to 5", "the first points:", "  x", "  0"],
        ),
    ],
)
def test_every_design_is_printed_as_a_table(design: Design, lines: list[str]) -> None:
    assert str(design).splitlines()[: len(lines)] == lines


# what is refused


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda kind: kind(0, p=(0, 1)), "1 to .* points; got 0"),
        (lambda kind: kind(2**63, p=(0, 1)), "1 to .* points; got 9,223"),
        (lambda kind: kind(1.5, p=(0, 1)), "whole number of points first; got 1.5"),
        (lambda kind: kind(True, p=(0, 1)), "whole number of points first; got True"),
        (lambda kind: kind({"p": (0, 1)}), "whole number of points first; got"),
        (lambda kind: kind(4), "was given no ranges"),
        (lambda kind: kind(4, {}), "was given no ranges"),
        (lambda kind: kind(4, (0, 1)), "takes axes by name"),
        (lambda kind: kind(4, {"p": (0, 1)}, p=(0, 1)), "'p' twice"),
        (lambda kind: kind(4, _p=(0, 1)), "neither empty nor begins with '_'"),
        (lambda kind: kind(4, p=[0, 1]), r"'p': a range is .* choice\(values\)"),
        (lambda kind: kind(4, p=(1, 0)), "'p': uniform.* low < high"),
        (lambda kind: kind(4, p=(0, float("inf"))), "'p': uniform.* finite numbers; got inf"),
    ],
)
def test_what_makes_no_design_is_refused(kind: Any, make: Any, message: str) -> None:
    with pytest.raises(DesignError, match=message):
        make(kind)


def test_a_latin_hypercube_and_the_axes_of_a_sobol_design_have_their_limits() -> None:
    with pytest.raises(DesignError, match="1 to 2,147,483,648 points"):
        LatinHypercube(2**31 + 1, p=(0, 1))
    with pytest.raises(DesignError, match="21,201 axes at most, and these are 21,202; Random"):
        direction_numbers(21_202)


# without scipy


def without_scipy(code: str) -> str:
    script = f"import sys\nsys.modules['scipy'] = None\n{code}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def test_a_worker_needs_scipy_for_distributions_of_scipy_alone_and_says_so() -> None:
    ranges = {name: RANGES[name] for name in ("p", "rate", "L", "method")}
    plain = [kind(8, ranges).seeded(3) for kind in KINDS]
    frozen = Random(8, z=stats.norm(0, 1)).seeded(3)
    code = f"""
from raylab.core.design import Design, Random
for text in {[design.dumps() for design in plain]!r}:
    print(Design.loads(text, imports=True)[5])
frozen = Design.loads({frozen.dumps()!r})
print(repr(frozen), frozen.axis('z').of)
for ask in (lambda: Design.loads(frozen.dumps(), imports=True), lambda: frozen[0]):
    try:
        ask()
    except ModuleNotFoundError as error:
        print(error)
"""
    missing = (
        "the distribution norm(loc=0, scale=1) needs scipy, which is not installed here: pip install 'raylab[scipy]'"
    )
    assert without_scipy(code).splitlines() == [
        *[str(design[5]) for design in plain],
        "Random(z=norm(loc=0, scale=1)) of 8 points, seed 3 <class 'float'>",
        missing,
        missing,
    ]


def test_to_make_a_sobol_design_without_scipy_says_what_to_install() -> None:
    code = "import raylab\ntry:\n    raylab.Sobol(4, p=(0, 1))\nexcept ModuleNotFoundError as error:\n    print(error)"
    assert without_scipy(code) == (
        "a Sobol design, which has its direction numbers from there, needs scipy, which is not installed here: "
        "pip install 'raylab[scipy]'"
    )
