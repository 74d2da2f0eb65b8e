"""What was asked of a lab: the history tells the sweeps there are, and what one more submission means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylab.core.again import Decision, decide, differing
from raylab.core.request import (
    Policy,
    Request,
    Segment,
    Submission,
    SweepRecord,
    draw_seed,
    fold,
)
from raylab.core.strikes import Strikes

CODE = {"source of trial": "sha256:aa", "global SIZE": "3"}


def submission(**changes: Any) -> Submission:
    plain: dict[str, Any] = {
        "name": None,
        "label": "trial",
        "design": '{"x": [1, 2]}',
        "shape": "Factorial(x: 2)",
        "size": 2,
        "repeats": 3,
        "seed": None,
        "order": "random",
        "pickle": b"...",
        "modules": None,
        "ingredients": CODE,
        "policy": Policy(),
        "user": "ada",
    }
    return Submission(**plain | changes)


def submitted(sweep: str = "trial", *, folder: str | None = None, **changes: Any) -> Request:
    plain: dict[str, Any] = {
        "user": "ada",
        "time_us": 5,
        "folder": folder or f"sweeps/{sweep}",
        "label": "trial",
        "design": '{"x": [1, 2]}',
        "shape": "Factorial(x: 2)",
        "size": 2,
        "repeats": 3,
        "seed": 77,
        "seed_given": False,
        "order": "random",
        "code": "aa",
        "ingredients": '{"source of trial": "sha256:aa", "global SIZE": "3"}',
        "policy": Policy().dumps(),
    }
    return Request(kind="submitted", sweep=sweep, **plain | changes)


def sweeps(*requests: Request) -> dict[str, SweepRecord]:
    return fold(requests)


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


# decide ---------------------------------------------------------------------------------------------------------


def test_nothing_of_the_name_is_new() -> None:
    assert decide(submission(name="coarse"), {}, {}) == Decision(kind="new", name="coarse")


def test_without_a_name_it_is_called_after_the_experiment() -> None:
    assert decide(submission(), {}, {}) == Decision(kind="new", name="trial")


@pytest.mark.parametrize("name", [None, "trial"])
@pytest.mark.parametrize("done", [0, 5])
def test_the_same_again_is_the_sweep_that_is_there(name: str | None, done: int) -> None:
    assert decide(submission(name=name), sweeps(submitted()), {"trial": done}) == Decision(kind="same", name="trial")


@pytest.mark.parametrize("state", ["cancelled", "paused", "locked"])
def test_a_sweep_that_stands_still_is_the_same_sweep(state: Any) -> None:
    there = sweeps(submitted(), Request(kind=state, sweep="trial"))
    assert decide(submission(), there, {"trial": 1}).kind == "same"


@pytest.mark.parametrize(
    "policy",
    [Policy(retries=9), Policy(description="x"), Policy(resources={"GPU": 1.0}), Policy(runtime_env={"pip": ["x"]})],
)
def test_policy_is_no_part_of_identity(policy: Policy) -> None:
    assert decide(submission(policy=policy, user="bob"), sweeps(submitted()), {"trial": 1}).kind == "same"


def test_no_seed_matches_any_seed_and_a_seed_only_itself() -> None:
    there = sweeps(submitted(seed=77))
    assert decide(submission(seed=None), there, {"trial": 1}).kind == "same"
    assert decide(submission(seed=77), there, {"trial": 1}).kind == "same"
    other = decide(submission(name="trial", seed=78), there, {"trial": 1})
    assert other == Decision(kind="refuse", name="trial", differences=("seed: 78, was 77",))


def test_another_one_under_the_name_is_refused_once_a_trial_is_done() -> None:
    there = sweeps(submitted())
    changed = submission(name="trial", repeats=4)
    assert decide(changed, there, {"trial": 1}).kind == "refuse"
    assert decide(changed, there, {"trial": 0}).kind == "replace"
    assert decide(changed, there, {}).differences == ("repeats: 4, was 3",)


def test_nobody_replaces_another_users_sweep() -> None:
    others = submission(name="trial", repeats=4, user="bob")
    assert decide(others, sweeps(submitted()), {}).kind == "refuse"
    own = decide(submission(repeats=4, user="bob"), sweeps(submitted()), {})
    assert (own.kind, own.name, own.than) == ("new", "trial-2", "trial")


def test_a_locked_sweep_is_not_replaced() -> None:
    there = sweeps(submitted(), Request(kind="locked", sweep="trial"))
    assert decide(submission(name="trial", repeats=4), there, {"trial": 0}).kind == "refuse"


def test_without_a_name_what_is_done_makes_way() -> None:
    there = sweeps(submitted(), submitted("trial-2", repeats=4))
    done = {"trial": 1, "trial-2": 1}
    third = decide(submission(repeats=5), there, done)
    assert (third.kind, third.name) == ("new", "trial-3")
    assert decide(submission(repeats=4), there, done) == Decision(kind="same", name="trial-2")
    replaces = decide(submission(repeats=5), there, {"trial": 1})
    assert (replaces.kind, replaces.name) == ("replace", "trial-2")


def test_nothing_is_replaced_for_what_is_there_under_a_later_name() -> None:
    there = sweeps(submitted(), submitted("trial-2", repeats=4))
    assert decide(submission(repeats=4), there, {"trial-2": 1}) == Decision(kind="same", name="trial-2")


# what is said of it ---------------------------------------------------------------------------------------------


def test_a_new_name_says_what_makes_it_another_sweep_than_the_nearest() -> None:
    there = sweeps(submitted(), submitted("trial-2", repeats=5, order="design"))
    made = decide(submission(ingredients=CODE | {"global SIZE": "4"}), there, {"trial": 1, "trial-2": 1})
    assert made.remark == (
        "'trial-3' is another sweep than 'trial': global SIZE: 4, was 3; if that does not matter: ignore=('SIZE',)"
    )


def test_a_replacement_says_so_and_nothing_is_said_where_nothing_changed() -> None:
    replaced = decide(submission(repeats=4), sweeps(submitted()), {})
    assert replaced.remark == "'trial' takes the place of the one before, of which nothing was done: repeats: 4, was 3"
    assert decide(submission(), sweeps(submitted()), {"trial": 1}).remark == ""
    assert decide(submission(), {}, {}).remark == ""


def test_another_version_of_a_library_is_told_and_makes_no_other_sweep() -> None:
    there = sweeps(submitted(ingredients='{"source of trial": "sha256:aa", "global SIZE": "3", "package numpy": "1"}'))
    made = decide(submission(ingredients=CODE | {"package numpy": "2"}), there, {"trial": 1})
    assert (made.kind, made.name) == ("same", "trial")
    assert made.remark == "since 'trial' was submitted, versions changed: numpy is 2 here, was 1"


def test_what_is_ignored_makes_no_other_sweep() -> None:
    changed = CODE | {"global SIZE": "4", "file m/a.png": "content 1"}
    there, done = sweeps(submitted()), {"trial": 1}
    refused = decide(submission(name="trial", ingredients=changed), there, done)
    assert (refused.kind, refused.ignorable) == ("refuse", ("SIZE", "m/a.png"))
    assert "ignore=('SIZE', 'm/a.png')" in refused.way_out
    assert decide(submission(name="trial", ingredients=changed, ignore=("SIZE", "*.png")), there, done).kind == "same"
    half = decide(submission(name="trial", ingredients=changed, ignore=("*.png",)), there, done)
    assert (half.kind, half.ignorable) == ("refuse", ("*.png", "SIZE"))


def test_no_word_is_proposed_where_none_would_do() -> None:
    changed = submission(name="trial", repeats=4, ingredients=CODE | {"global SIZE": "4"})
    assert decide(changed, sweeps(submitted()), {"trial": 1}).way_out == ""


# differing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"design": "other"}, ["the design's values"]),
        ({"design": "other", "shape": "Points(4)"}, ["the design: Points(4), was Factorial(x: 2)"]),
        ({"repeats": 1}, ["repeats: 1, was 3"]),
        ({"order": "design"}, ["order: design, was random"]),
        ({"seed": 3, "repeats": 1}, ["repeats: 1, was 3", "seed: 3, was 77"]),
    ],
)
def test_what_differs_is_said_in_words(changes: dict[str, Any], words: list[str]) -> None:
    assert differing(sweeps(submitted())["trial"], submission(**changes)) == words


def test_changed_code_is_named() -> None:
    changed = submission(ingredients=CODE | {"global SIZE": "4"})
    (words,) = differing(sweeps(submitted())["trial"], changed)
    assert "SIZE" in words
    assert "4" in words


# seeds ----------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=32))
def test_a_drawn_seed_fits_whatever_takes_seeds(entropy: bytes) -> None:
    assert 1 <= draw_seed(entropy) < 2**31
    assert draw_seed(entropy) == draw_seed(entropy)


def test_drawn_seeds_differ() -> None:
    assert len({draw_seed(bytes([n])) for n in range(256)}) == 256
