"""What was asked of a lab: the history tells the sweeps there are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from asked import CODE, submitted, sweeps
from hypothesis import given
from hypothesis import strategies as st

from raylab.core.request import Policy, Replaced, Request, Segment, SweepRecord, draw_seed, fold
from raylab.core.strikes import Strikes

# fold -----------------------------------------------------------------------------------------------------------


def test_no_requests_make_no_sweeps() -> None:
    assert fold([]) == {}


def test_a_submission_is_a_sweep_with_all_that_was_said() -> None:
    record = sweeps(submitted(modules="zz"))["trial"]
    assert record == SweepRecord(
        name="trial",
        folder="sweeps/trial",
        user="ada",
        time_us=5,
        label="trial",
        shape="Factorial(x: 2)",
        segment=Segment(design='{"x": [1, 2]}', repeats=3, order="random", key=77, size=2),
        seed=77,
        seed_given=False,
        code="aa",
        modules="zz",
        ingredients=CODE,
        policy=Policy(),
    )
    assert record.total == 6


def test_sweeps_stand_in_the_order_of_their_first_submission() -> None:
    assert list(sweeps(submitted("b"), submitted("a"), submitted("b", folder="sweeps/b.2"))) == ["b", "a"]


def test_a_submission_under_a_name_takes_the_place_of_the_one_before() -> None:
    record = sweeps(
        submitted(),
        Request(kind="cancelled", sweep="trial"),
        Request(kind="strike", sweep="trial", position=1, strikes=1),
        submitted(folder="sweeps/trial.2", repeats=1),
    )["trial"]
    assert (record.generation, record.folder, record.total) == (2, "sweeps/trial.2", 2)
    assert not record.cancelled
    assert record.strikes == {}


def test_what_had_the_name_before_is_kept_with_who_replaced_it_and_when() -> None:
    there = sweeps(
        submitted(),
        Request(kind="locked", sweep="trial"),
        submitted(folder="sweeps/trial~2", repeats=1, user="bob", time_us=7),
        submitted(folder="sweeps/trial~3", repeats=4, user="eve", time_us=9),
    )
    assert list(there) == ["trial"]
    record = there["trial"]
    first, second = record.earlier
    assert (first.name, first.folder, first.locked) == ("trial~1", "sweeps/trial", True)
    assert (second.name, second.folder, second.total) == ("trial~2", "sweeps/trial~2", 2)
    assert (first.replaced, second.replaced) == (
        Replaced(name="trial", user="bob", time_us=7),
        Replaced(name="trial", user="eve", time_us=9),
    )
    assert (record.replaced, record.name_aside) == (None, "trial~3")


def test_policy_changes_and_identity_stays() -> None:
    policy = Policy(description="better", retries=2, resources={"CPU": 2.0, "GPU": 1.0})
    before, after = (
        sweeps(submitted())["trial"],
        sweeps(submitted(), Request(kind="policy", sweep="trial", policy=policy.dumps()))["trial"],
    )
    assert after == replace(before, policy=policy)


def test_cancelled_paused_resumed_locked() -> None:
    cancelled = Request(kind="cancelled", sweep="trial")
    paused = Request(kind="paused", sweep="trial", reason="nothing works")
    resumed = Request(kind="resumed", sweep="trial")
    assert sweeps(submitted(), cancelled)["trial"].cancelled
    assert sweeps(submitted(), paused)["trial"].paused == "nothing works"
    both = sweeps(submitted(), paused, cancelled, resumed)["trial"]
    assert (both.cancelled, both.paused) == (False, "")
    assert sweeps(submitted(), resumed, cancelled)["trial"].cancelled
    assert sweeps(submitted(), Request(kind="locked", sweep="trial"))["trial"].locked


def test_strikes_are_deaths_that_were_seen_and_runs_alone() -> None:
    rows = ((4, 1), (2, 2), (4, 1), (4, 2))
    strikes = [Request(kind="strike", sweep="trial", position=p, strikes=n) for p, n in rows]
    held = sweeps(submitted(), *strikes)["trial"].strikes
    assert held == {4: Strikes(deaths=1, runs=3), 2: Strikes(deaths=1, runs=2)}


@pytest.mark.parametrize("kind", ["strike", "paused"])
def test_a_row_about_a_sweep_that_was_replaced_meanwhile_is_not_about_the_new_one(kind: Any) -> None:
    """Such rows are on their way to the disk when the other submission arrives."""
    late = Request(kind=kind, sweep="trial", folder="sweeps/trial", reason="no", position=1, strikes=1)
    new = submitted(folder="sweeps/trial.2")
    assert fold([submitted(), new, late]) == fold([submitted(), new])
    assert fold([submitted(), late]) != fold([submitted()])


def test_rows_about_unknown_sweeps_and_of_unknown_kinds_change_nothing() -> None:
    later: Any = "archived"
    assert fold([Request(kind="cancelled", sweep="nobody")]) == {}
    assert fold([submitted(), Request(kind=later, sweep="trial")]) == fold([submitted()])


KINDS = st.sampled_from(["submitted", "cancelled", "resumed", "paused", "locked", "strike", "policy"])


@given(st.lists(st.tuples(KINDS, st.sampled_from(["a", "b"])), max_size=12), st.integers(0, 12))
def test_folding_in_two_steps_is_folding_at_once(words: list[tuple[Any, str]], cut: int) -> None:
    requests = [
        submitted(sweep)
        if kind == "submitted"
        else Request(kind=kind, sweep=sweep, position=1, strikes=1, policy=Policy(retries=1).dumps())
        for kind, sweep in words
    ]
    first = fold(requests[:cut])
    kept = dict(first)
    assert fold(requests[cut:], first) == fold(requests)
    assert first == kept, "what was there is not changed"


# policy ---------------------------------------------------------------------------------------------------------


def test_equal_policies_give_equal_text_and_come_back() -> None:
    one = Policy(resources={"CPU": 1.0, "GPU": 2.0}, runtime_env={"pip": ["a"], "env_vars": {"B": "1"}})
    other = Policy(resources={"GPU": 2.0, "CPU": 1.0}, runtime_env={"env_vars": {"B": "1"}, "pip": ["a"]})
    assert one.dumps() == other.dumps()
    assert Policy.loads(one.dumps()) == one
    assert replace(one, retries=1).dumps() != one.dumps()


# seeds ----------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=32))
def test_a_drawn_seed_fits_whatever_takes_seeds(entropy: bytes) -> None:
    assert 1 <= draw_seed(entropy) < 2**31
    assert draw_seed(entropy) == draw_seed(entropy)


def test_drawn_seeds_differ() -> None:
    assert len({draw_seed(bytes([n])) for n in range(256)}) == 256
