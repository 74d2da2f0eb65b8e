"""Where points lie: the very numbers that are on record, and that they are spread as promised."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import qmc

from raylab.core.drawn import fractions, scaled
from raylab.core.scipy_stats import direction_numbers
from raylab.core.sobol_sequence import SobolStream
from raylab.core.streams import Chance, Strata

ALL = np.arange(4_096)


def test_the_numbers_that_are_on_record_stay() -> None:
    """Points of sweeps that were submitted years ago are computed by these again."""
    at = np.array([0, 1, 10**9, 2**62 - 1])
    assert Chance(7, "p").at(at).tolist() == CHANCE
    assert Strata(7, "p", 2**31).at(at[:3] % 2**31).tolist() == STRATA
    numbers = direction_numbers(3)
    assert [SobolStream(7, axis, 3, numbers[axis]).at(at[:3]).tolist() for axis in range(3)] == SOBOL


CHANCE = [1955834101981169471, 1149511481310525250, 4174235992663861279, 2562734944170068563]
STRATA = [1929349463251693351, 1618066298399446022, 1799700485352900911]
SOBOL = [
    [1057586612304648178, 2373227887832410037, 1046771325073080166],
    [1998108446789695551, 3121948826234284388, 163385278654187497],
    [2753005145239907295, 880565832828622587, 3968896650888373974],
]


@pytest.mark.parametrize("axes", [1, 2, 200])
@pytest.mark.parametrize("seed", [0, 1, 2**62 + 5])
def test_sobols_sequence_has_the_very_points_of_scipy(axes: int, seed: int) -> None:
    expected = qmc.Sobol(axes, bits=62, rng=seed).random(1_024)
    numbers = direction_numbers(axes)
    for axis in {0, 1, axes - 1} & set(range(axes)):
        stream = SobolStream(seed, axis, axes, numbers[axis][:10])
        assert np.array_equal(fractions(stream.at(np.arange(1_024))), expected[:, axis])


@given(st.integers(0, 2**63 - 1), st.integers(1, 500), st.text(max_size=3))
@settings(max_examples=40)
def test_each_stratum_has_one_point(seed: int, count: int, axis: str) -> None:
    stream, every = Strata(seed, axis, count), np.arange(count)
    where = stream.at(every)
    assert scaled(stream._edge(every.astype(np.uint64)), count).tolist() == every.tolist()  # a point may lie just there
    assert sorted(scaled(where, count).tolist()) == list(range(count))
    assert np.floor(fractions(where) * count).max() <= count


@pytest.mark.parametrize("count", [2**31, 2**31 - 1, 10**9])
def test_so_have_strata_of_more_points_than_are_listed(count: int) -> None:
    stream = Strata(1, "p", count)
    at = np.random.default_rng(1).choice(count, 2_000, replace=False)
    where = stream.at(at)
    assert np.unique(scaled(where, count)).size == 2_000
    assert np.array_equal(stream.at(at[:1]), where[:1])


@pytest.mark.parametrize("make", [lambda seed, axis: Chance(seed, axis), lambda seed, axis: Strata(seed, axis, 4_096)])
def test_points_are_uniform_and_axes_and_seeds_have_nothing_to_do_with_each_other(make: object) -> None:
    drawn = [fractions(make(seed, axis).at(ALL)) for seed, axis in [(1, "p"), (1, "q"), (2, "p"), (2, "pp")]]  # type: ignore[operator]
    for one in drawn:
        assert stats.kstest(one, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.06
    assert np.abs(np.corrcoef(drawn) - np.eye(4)).max() < 0.06
    pairs = np.histogram2d(drawn[0], drawn[1], bins=8, range=[[0, 1], [0, 1]])[0]
    assert stats.chisquare(pairs.ravel()).pvalue > 1e-3


def test_where_a_point_lies_costs_the_same_wherever_it_is() -> None:
    some = np.array([5, 2**40, 3, 2**61])
    numbers = direction_numbers(2)
    for stream in (Chance(3, "p"), SobolStream(3, 1, 2, numbers[1])):
        together = stream.at(some)
        assert [stream.at(some[at : at + 1]).tolist() for at in range(4)] == [[each] for each in together.tolist()]
