"""Run orders and seeds: permutations, the same from both sides and for ever."""

from __future__ import annotations

import math
import pickle
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from costs import calls
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from raylab.core.order import KINDS, MAX_SEED, MAX_SIZE, Bijection, Order, seed, seeds
from raylab.errors import DesignError

KEYS = st.integers(-(2**70), 2**70)


@pytest.mark.parametrize("bits", range(11))
def test_a_small_bijection_takes_every_value_once(bits: int) -> None:
    shuffle = Bijection(bits, key=bits)
    images = [shuffle.forward(x) for x in range(2**bits)]
    assert sorted(images) == list(range(2**bits))
    assert [shuffle.back(y) for y in images] == list(range(2**bits))


@given(st.integers(0, 63), KEYS, st.data())
def test_a_bijection_can_be_undone_and_arrays_agree_with_ints(bits: int, key: int, data: st.DataObject) -> None:
    xs = data.draw(st.lists(st.integers(0, 2**bits - 1), min_size=1, max_size=20))
    shuffle = Bijection(bits, key)
    images = [shuffle.forward(x) for x in xs]
    assert all(0 <= y < 2**bits for y in images)
    assert [shuffle.back(y) for y in images] == xs
    given_array = np.array(xs, dtype=np.uint64)
    assert shuffle.forward(given_array).tolist() == images
    assert given_array.tolist() == xs, "the caller's array is not changed"
    assert shuffle.back(np.array(images, dtype=np.uint64)).tolist() == xs


@pytest.mark.parametrize("bits", [8, 20, 31, 62])
def test_every_input_bit_flips_every_output_bit_about_half_the_time(bits: int) -> None:
    flips = np.zeros((bits, bits))
    inputs = np.random.default_rng(0).integers(0, 2**bits, size=100, dtype=np.uint64)
    for key in range(30):
        shuffle = Bijection(bits, key)
        images = shuffle.forward(inputs)
        for bit in range(bits):
            changed = images ^ shuffle.forward(inputs ^ np.uint64(1 << bit))
            flips[bit] += ((changed[:, None] >> np.arange(bits, dtype=np.uint64)) & np.uint64(1)).mean(axis=0)
    assert flips.min() / 30 > 0.42
    assert flips.max() / 30 < 0.58


@pytest.mark.parametrize("bits", [-1, 64])
def test_a_bijection_has_0_to_63_bits(bits: int) -> None:
    with pytest.raises(ValueError, match="0 to 63"):
        Bijection(bits, 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [*range(18), 31, 32, 33, 1000])
def test_an_order_runs_every_trial_once_and_knows_its_position(kind: str, size: int) -> None:
    order = Order(kind, size, key=5)
    trials = [order.trial(position) for position in range(size)]
    assert sorted(trials) == list(range(size))
    assert [order.position(trial) for trial in trials] == list(range(size))
    assert order.trials(0, size).tolist() == trials
    assert order.trials(0, size).dtype == np.int64


@given(st.sampled_from(KINDS), st.integers(1, MAX_SIZE), KEYS, st.data())
def test_a_big_order_is_the_same_from_both_sides_and_in_runs(
    kind: str, size: int, key: int, data: st.DataObject
) -> None:
    order = Order(kind, size, key)
    start = data.draw(st.integers(0, size - 1))
    stop = min(size, start + 50)
    trials = order.trials(start, stop)
    assert trials.tolist() == [order.trial(position) for position in range(start, stop)]
    assert [order.position(trial) for trial in trials.tolist()] == list(range(start, stop))
    assert all(0 <= trial < size for trial in trials.tolist())


def test_the_order_of_the_largest_sweep_costs_nothing_to_build() -> None:
    assert calls(lambda: Order("random", MAX_SIZE, 1)) <= calls(lambda: Order("random", 10, 1))


def test_a_run_of_100_000_positions_is_computed_at_once() -> None:
    order = Order("random", 10**6, key=1)
    assert calls(lambda: order.trials(0, 100_000)) < 100


def test_the_design_order_is_the_design_s() -> None:
    assert Order("design", 10**12).trials(10**9, 10**9 + 3).tolist() == [10**9, 10**9 + 1, 10**9 + 2]


def test_different_keys_and_sizes_give_different_orders() -> None:
    orders = {tuple(Order("random", 100, key).trials(0, 100).tolist()) for key in range(-50, 50)}
    assert len(orders) == 100
    assert Order("random", 100, 1).trials(0, 50).tolist() != Order("random", 99, 1).trials(0, 50).tolist()


def test_every_order_of_a_few_trials_is_about_as_likely_as_another() -> None:
    seen = Counter(tuple(Order("random", 4, key).trials(0, 4).tolist()) for key in range(2400))
    assert len(seen) == 24
    assert all(50 <= n <= 160 for n in seen.values()), seen


def unevenness(trials: NDArray[np.int64], shape: tuple[int, ...]) -> float:
    """How unevenly these trials of a grid cover each axis and each pair of axes: chi square for each degree of freedom,
    on average. Where there are more levels or cells than trials, levels that follow one another count as one block."""
    levels = np.unravel_index(trials, shape)
    axes = range(len(shape))
    found = []
    for chosen in [(axis,) for axis in axes] + list(combinations(axes, 2)):
        most = (len(trials) / 5) ** (1 / len(chosen))
        cell, share = np.zeros_like(trials), np.ones(1)
        for axis in chosen:
            size = shape[axis]
            blocks = max(2, min(size, int(most)))
            cell = cell * blocks + levels[axis] * blocks // size
            share = np.outer(share, np.bincount(np.arange(size) * blocks // size, minlength=blocks) / size).ravel()
        expected = share * len(trials)
        chi_square = ((np.bincount(cell, minlength=share.size) - expected) ** 2 / expected).sum()
        found.append(chi_square / (share.size - 1))
    return float(np.mean(found))


@pytest.mark.parametrize(
    "shape", [(10, 10), (50, 40), (101, 2), (128, 64), (1000, 3), (64, 64), (20, 20, 20), (7, 11, 13)], ids=str
)
def test_every_prefix_covers_each_axis_and_each_pair_of_axes_as_evenly_as_a_shuffle(shape: tuple[int, ...]) -> None:
    """The promise of the random order: what is ready first is a fair sample, in each of its axes and of their pairs.

    A shuffle of N trials has a mean of exactly (N - n) / (N - 1) after n of them, however they are counted.
    """
    size = math.prod(shape)
    keys = range(min(400, 10**6 // size))
    ours = [Order("random", size, key).trials(0, size // 2) for key in keys]
    shuffled = [np.random.default_rng(key).permutation(size) for key in keys]
    for share in (20, 10, 4, 2):
        n = size // share
        here = [unevenness(trials[:n], shape) for trials in ours]
        there = [unevenness(trials[:n], shape) for trials in shuffled]
        error = np.std(there) / math.sqrt(len(keys))
        assert np.mean(here) <= (size - n) / (size - 1) + 3 * error, f"the first {n} of {size}"
        assert np.quantile(here, 0.9) <= 1.2 * np.quantile(there, 0.9), f"the first {n} of {size}"


def test_an_unknown_kind_or_an_impossible_size_is_refused() -> None:
    with pytest.raises(DesignError, match=r"'random', 'design'; got 'sorted'"):
        Order("sorted", 10)
    for size in (-1, MAX_SIZE + 1):
        with pytest.raises(DesignError, match=r"2\*\*62"):
            Order("random", size)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_outside_is_an_index_error(kind: str) -> None:
    order = Order(kind, 10)
    for wrong in (-1, 10):
        with pytest.raises(IndexError, match=f"position {wrong} "):
            order.trial(wrong)
        with pytest.raises(IndexError, match=f"trial {wrong} "):
            order.position(wrong)
    for run in ((-1, 3), (0, 11), (5, 4)):
        with pytest.raises(IndexError):
            order.trials(*run)
    with pytest.raises(IndexError):
        Order(kind, 0).trial(0)
    assert Order(kind, 0).trials(0, 0).tolist() == []


def test_an_order_is_a_value() -> None:
    order = Order("random", 100, key=3)
    assert pickle.loads(pickle.dumps(order)) == order == Order("random", np.int64(100), key=3)
    assert pickle.loads(pickle.dumps(order)).trials(0, 9).tolist() == order.trials(0, 9).tolist()
    assert order != Order("random", 100, key=4)


def test_seeds_are_distinct_and_between_1_and_2_to_the_31() -> None:
    drawn = seeds(7, np.arange(300_000))
    assert len(np.unique(drawn)) == 300_000
    assert drawn.dtype == np.int64
    assert drawn.min() >= 1
    assert drawn.max() <= MAX_SEED
    assert drawn.mean() == pytest.approx(2**30, rel=0.01)


@given(KEYS, st.lists(st.integers(0, MAX_SIZE), max_size=20))
def test_seeds_of_an_array_are_the_seeds_one_by_one(key: int, trials: list[int]) -> None:
    one_by_one = [seed(key, trial) for trial in trials]
    assert seeds(key, np.array(trials, dtype=np.int64)).tolist() == one_by_one
    assert all(1 <= drawn < 2**31 for drawn in one_by_one)


def test_the_seed_that_would_be_0_is_another_that_is_free() -> None:
    """Find the trial whose image under the bijection is 0 and look at it from both sides."""
    key = 11
    shuffle = Bijection(31, key, purpose="seed:0")
    trial = shuffle.back(0) - 1
    free = shuffle.forward(0)
    assert trial >= 0
    assert seed(key, trial) == free
    assert seeds(key, np.array([trial, 0])).tolist() == [free, seed(key, 0)]
    assert shuffle.back(free) == 0, "no trial but this one has the seed"


def test_trials_beyond_2_to_the_31_draw_from_another_bijection() -> None:
    first = seeds(1, np.arange(1000))
    beyond = seeds(1, np.arange(1000) + MAX_SEED)
    assert len(np.unique(beyond)) == 1000
    for edge in (MAX_SEED - 1, MAX_SEED):
        assert seeds(1, np.array([edge])).tolist() == [seed(1, edge)]
    assert (first != beyond).mean() > 0.99


def test_seeds_depend_on_the_key_and_not_on_the_order() -> None:
    assert seeds(1, np.arange(100)).tolist() != seeds(2, np.arange(100)).tolist()
    backwards = seeds(1, np.arange(99, -1, -1))
    assert backwards[::-1].tolist() == seeds(1, np.arange(100)).tolist()


def test_a_trial_that_is_no_number_from_0_on_has_no_seed() -> None:
    with pytest.raises(IndexError):
        seed(1, -1)
    with pytest.raises(IndexError):
        seeds(1, np.array([3, -1]))
    with pytest.raises(TypeError):
        seeds(1, np.array([0.5]))


def test_orders_and_seeds_are_for_ever() -> None:
    """Recorded sweeps depend on these very numbers. If this test fails, the code is wrong, not the test."""
    assert Order("random", 10, key=0).trials(0, 10).tolist() == [2, 7, 1, 4, 9, 6, 0, 8, 3, 5]
    assert Order("random", 1000, key=1).trials(500, 505).tolist() == [60, 52, 217, 747, 183]
    assert Order("random", 10**12, key=2**64 + 5).trials(10**11, 10**11 + 3).tolist() == [
        691512774393,
        317379784314,
        631799123225,
    ]
    assert Order("random", 2**62, key=-1).trials(0, 2).tolist() == [1562241105714685662, 1503646134488834693]
    assert seeds(0, np.arange(4)).tolist() == [399072213, 926173054, 708790218, 1896615380]
    assert seeds(2**31, np.array([0, MAX_SEED - 1, MAX_SEED, 2**62])).tolist() == [
        498264898,
        889174102,
        974531994,
        2002590879,
    ]
