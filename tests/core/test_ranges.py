"""Ranges: what values they give, what is refused, that they are kept exactly."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from raylab import DesignError, choice, integers, loguniform, uniform
from raylab.core.drawn import BITS, Range, fractions, scaled
from raylab.core.ranges import as_range, read_range

ENDS = np.array([0, 1, 2**61, 2**62 - 1], np.uint64)
WHERE = np.random.default_rng(1).integers(0, 2**62, 20_000, dtype=np.uint64)
FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)


def again(law: Range) -> Range:
    return read_range(json.loads(json.dumps(law.written(), allow_nan=False)), imports=True)


# where points lie


@given(st.integers(0, 2**62 - 1), st.integers(1, 2**62))
def test_where_a_point_lies_among_so_many_numbers_is_exact(where: int, size: int) -> None:
    assert scaled(np.array([where], np.uint64), size).tolist() == [where * size >> BITS]
    assert scaled(np.array([where], np.uint64), np.array([size], np.uint64)).tolist() == [where * size >> BITS]


def test_a_fraction_is_never_one() -> None:
    assert fractions(ENDS).tolist() == [0.0, 2.0**-62, 0.5, 1 - 2.0**-53]


# the values


@given(FINITE, FINITE)
@settings(max_examples=50)
def test_a_uniform_range_has_its_lower_end_and_not_its_upper_one(low: float, high: float) -> None:
    if not low < high or math.isinf(high - low):
        with pytest.raises(DesignError, match="low < high"):
            uniform(low, high)
        return
    values = uniform(low, high).at(ENDS)
    assert values[0] == low
    assert ((low <= values) & (values < high)).all()


@given(st.floats(1e-300, 1e300), st.floats(1e-300, 1e300))
@settings(max_examples=50)
def test_a_loguniform_range_is_that_of_scipy_within_its_ends(low: float, high: float) -> None:
    if low >= high * (1 - 1e-9):
        return
    values = loguniform(low, high).at(np.append(ENDS, WHERE[:50]))
    assert values[0] == low
    assert ((low <= values) & (values < high)).all()
    expected = stats.loguniform(low, high).ppf(fractions(np.append(ENDS, WHERE[:50])))
    np.testing.assert_allclose(values, expected, rtol=1e-12)


def test_values_of_a_loguniform_range_have_the_same_bits_everywhere() -> None:
    """numpy's own exp and log would have those of the processor's vector instructions."""
    values = loguniform(1e-3, 1).at(np.array([2**60, 2**61, 3 * 2**60], np.uint64))
    assert [value.hex() for value in values.tolist()] == [
        "0x1.7089380241edfp-8",
        "0x1.030dc4ea03a72p-5",
        "0x1.6c310e3769f41p-3",
    ]


@pytest.mark.parametrize(("low", "high"), [(0, 1), (3, 10), (-5, 5), (0, 256), (2**61, 2**61 + 3)])
def test_integers_are_each_as_likely(low: int, high: int) -> None:
    law = integers(low, high)
    assert law.levels is not None
    drawn = law.levels.take(scaled(WHERE, law.levels.size).astype(np.int64))
    assert set(map(type, drawn)) == {int}
    counts = np.bincount(np.array(drawn) - low, minlength=high - low)
    assert (counts.size, (counts > 0).all()) == (high - low, True)
    if high - low > 1:
        assert stats.chisquare(counts).pvalue > 1e-3


def test_a_choice_has_the_very_levels_and_one_that_stands_twice_is_twice_as_likely() -> None:
    law = choice([(1, 2), "a", "a", None])
    assert law.levels is not None
    drawn = law.levels.take(scaled(WHERE, 4).astype(np.int64))
    assert {repr(value) for value in drawn} == {"(1, 2)", "'a'", "None"}
    assert abs(drawn.count("a") / len(drawn) - 0.5) < 0.02


@pytest.mark.parametrize(
    "frozen",
    [
        stats.norm(3, 2),
        stats.norm(scale=2, loc=3),
        stats.truncnorm(-np.inf, 1.5),
        stats.beta(np.float64(2), 5, scale=3),
        stats.poisson(3.5),
        stats.randint(2, 9),
        stats.binom(10, 0.3, loc=-2),
        stats.expon(),
    ],
    ids=lambda frozen: frozen.dist.name,
)
def test_a_frozen_distribution_of_scipy_has_its_inverse(frozen: Any) -> None:
    law = as_range(frozen, "x")
    values = law.at(WHERE[:1_000])
    assert np.array_equal(values, frozen.ppf(fractions(WHERE[:1_000])))
    assert np.isfinite(law.at(ENDS)).all()
    is_discrete = isinstance(frozen.dist, stats.rv_discrete)
    assert {type(value) for value in values.tolist()} == {int if is_discrete else float}
    assert again(law) == law
    assert np.array_equal(again(law).at(WHERE[:100]), values[:100])


def test_the_same_distribution_is_the_same_however_its_arguments_are_given() -> None:
    one, other = as_range(stats.norm(3, 2), "x"), as_range(stats.norm(scale=2, loc=3), "x")
    assert one == other
    assert repr(one) == "norm(loc=3, scale=2)"


# kept and shown


@pytest.mark.parametrize(
    ("law", "text", "shown"),
    [
        (uniform(0, Fraction(1, 2)), "uniform(0.0, 0.5)", "0 to 0.5"),
        (loguniform(1e-3, 1), "loguniform(0.001, 1.0)", "loguniform 0.001 to 1"),
        (integers(np.int64(8), 65), "integers(8, 65)", "integers 8 to 64"),
        (choice(["fast", "exact"]), "choice('fast' or 'exact')", "'fast' or 'exact'"),
        (choice(range(100)), "choice(0 to 99 (100 levels))", "0 to 99 (100 levels)"),
        (as_range((0.1, 0.5), "p"), "uniform(0.1, 0.5)", "0.1 to 0.5"),
    ],
)
def test_a_range_is_read_back_and_shows_itself(law: Range, text: str, shown: str) -> None:
    assert again(law) == law
    assert hash(again(law)) == hash(law)
    assert (repr(law), law.shown) == (text, shown)


# what is refused


class Own(stats.rv_continuous):
    def _ppf(self, q: Any) -> Any:
        return q


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: uniform(1, 1), "low < high"),
        (lambda: uniform(2, 1), "low < high"),
        (lambda: uniform(0, math.inf), "finite"),
        (lambda: uniform("a", 1), "finite numbers; got 'a'"),
        (lambda: uniform(False, True), "finite numbers; got False"),
        (lambda: loguniform(0, 1), "above 0"),
        (lambda: integers(0, 0), "low ≤ n < high"),
        (lambda: integers(0, 2**63), "at most 2\\^62"),
        (lambda: integers(0, 1e6), "whole numbers; got 1000000.0"),
        (lambda: choice([]), r"^choice\(values\) has no levels"),
        (lambda: choice([object()]), "cannot be kept exactly"),
        (lambda: as_range([0, 1], "p"), r"p: a range is .* choice\(values\)"),
        (lambda: as_range(("a", "b"), "p"), "p: a range is"),
        (lambda: as_range(3, "p"), "multiply by a Factorial"),
        (lambda: as_range(stats.norm, "p"), "no frozen distribution"),
        (lambda: as_range(stats.multivariate_normal([0, 0]), "p"), "no frozen distribution of one dimension"),
        (lambda: as_range(stats.norm([0, 1]), "p"), r"p: loc of norm is a plain number; got \[0, 1\]"),
        (lambda: as_range(stats.norm(0, -1), "p"), "its values are NaN"),
        (lambda: as_range(Own(name="own")(), "p"), r"'own' cannot be kept exactly.*choice\(values\)"),
        (lambda: as_range(Own(name="norm")(), "p"), "cannot be kept exactly"),
        (lambda: as_range(stats.rv_histogram(np.histogram([1, 2, 3]))(), "p"), "cannot be kept exactly"),
        (lambda: as_range(stats.rv_discrete(values=([1, 2], [0.5, 0.5]))(), "p"), "cannot be kept exactly"),
        (lambda: as_range(stats.geom(1e-30), "p").at(ENDS[2:3]), "more than 64 bits"),
    ],
)
def test_what_is_no_range_is_refused_with_what_to_do(make: Any, message: str) -> None:
    with pytest.raises(DesignError, match=message):
        make()


def test_an_axis_of_a_factorial_is_no_range() -> None:
    from raylab import Factorial

    with pytest.raises(DesignError, match=r"axis 'x': scipy.stats.* is a range, .* Sobol"):
        Factorial(x=stats.norm(0, 1))
    with pytest.raises(DesignError, match=r"axis 'x': uniform\(0.0, 1.0\) is a range, .* Sobol"):
        Factorial(x=uniform(0, 1))
