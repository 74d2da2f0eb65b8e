"""Submitting again: what one more submission means, and what is said of it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from asked import CODE, noted, submission, submitted, sweeps

from raylab.core.growth import Growth
from raylab.core.partition import WHOLE, Part, Partition
from raylab.core.policy import Policy
from raylab.core.request import Request, SweepRecord
from raylab.core.resubmission import Decision, decide, differing, overtaken, policy_again, refusal
from raylab.core.segment import Segment
from raylab.errors import DesignError, SweepExists, SweepLocked

FIXED = CODE | {"function trial": "source bb"}
OTHER_VALUE = CODE | {"global SIZE": "4"}


def said(decision: Decision, there: dict[str, SweepRecord], **changes: Any) -> str:
    """The refusal's text."""
    return str(refusal(decision, there[decision.name], submission(**changes)))


# the same, or new -----------------------------------------------------------------------------------------------


def test_nothing_of_the_name_is_new() -> None:
    assert decide(submission(name="coarse"), {}, ()) == Decision(kind="new", name="coarse")


def test_without_a_name_it_is_called_after_the_experiment() -> None:
    assert decide(submission(), {}, ()) == Decision(kind="new", name="trial")


@pytest.mark.parametrize("name", [None, "trial"])
@pytest.mark.parametrize("failing", [(), ("trial",)])
@pytest.mark.parametrize("if_exists", ["fail", "replace"])
def test_the_same_again_is_the_sweep_that_is_there(name: str | None, failing: tuple[str, ...], if_exists: str) -> None:
    asked = submission(name=name, if_exists=if_exists)
    assert decide(asked, sweeps(submitted()), failing) == Decision(kind="same", name="trial")


@pytest.mark.parametrize(
    "row", [noted("cancelled"), noted("paused", reason="why"), noted("locked")], ids=lambda row: row.kind
)
def test_a_sweep_that_stands_still_is_the_same_sweep(row: Request) -> None:
    there = sweeps(submitted(), row)
    assert decide(submission(), there, ()).kind == "same"


@pytest.mark.parametrize(
    "policy",
    [Policy(retries=9), Policy(description="x"), Policy(resources={"GPU": 1.0}), Policy(runtime_env={"pip": ["x"]})],
)
def test_policy_is_no_part_of_identity(policy: Policy) -> None:
    assert decide(submission(policy=policy, user="bob"), sweeps(submitted()), ()).kind == "same"


def test_no_seed_matches_any_seed_and_a_seed_only_itself() -> None:
    there = sweeps(submitted(seed=77))
    assert decide(submission(seed=None), there, ()).kind == "same"
    assert decide(submission(seed=77), there, ()).kind == "same"
    other = decide(submission(name="trial", seed=78), there, ())
    assert other == Decision(kind="refuse", name="trial", differences=("seed: 78, was 77",))


# something else under the name ----------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", [(), ("trial",)])
@pytest.mark.parametrize(
    "changes",
    [
        {"repeats": 4},
        {"design": "other"},
        {"order": "design"},
        {"seed": 78},
        {"ingredients": OTHER_VALUE},
        {"ingredients": CODE | {"environment pip": "numpy"}},
        {"repeats": 4, "ingredients": FIXED},
        {"seed": 78, "ingredients": FIXED},
    ],
    ids=str,
)
def test_nothing_gives_way_to_something_else(changes: dict[str, Any], failing: tuple[str, ...]) -> None:
    """Not one of which nothing is done yet, and not one that failed."""
    there = sweeps(submitted())
    assert decide(submission(name="trial", **changes), there, failing).kind == "refuse"
    unnamed = decide(submission(**changes), there, failing)
    assert (unnamed.kind, unnamed.name, unnamed.than) == ("new", "trial-2", "trial")


def test_a_bug_that_is_mended_takes_the_name_of_what_only_failed() -> None:
    there = sweeps(submitted())
    for name in (None, "trial"):
        mended = decide(submission(name=name, ingredients=FIXED), there, {"trial"})
        assert (mended.kind, mended.name, mended.mends, mended.aside) == ("replace", "trial", True, "trial~1")
        assert mended.remark == (
            "'trial' takes the place of the one before, of which nothing was done and something failed: function "
            "trial: its source has changed. The rows of that one are read as 'trial~1'"
        )
    assert decide(submission(name="trial", ingredients=FIXED), there, ()).kind == "refuse"
    assert decide(submission(name="trial", ingredients=FIXED, user="bob"), there, {"trial"}).kind == "refuse"
    locked = sweeps(submitted(), noted("locked"))
    assert decide(submission(name="trial", ingredients=FIXED), locked, {"trial"}).kind == "refuse"


@pytest.mark.parametrize(
    "code",
    [
        {"function trial": "source bb"},
        {"module helper": "source 1"},
        {"helper function inner": "source 1"},
        {"class Model": "source 1"},
        {"file run.py": "source 1"},
        {"function trial": "source bb", "global EPSILON": "1e-9"},
    ],
    ids=str,
)
def test_whatever_is_code_counts_as_source(code: dict[str, str]) -> None:
    assert decide(submission(ingredients=CODE | code), sweeps(submitted()), {"trial"}).mends


@pytest.mark.parametrize("value", [{"file data.csv": "content 1"}, {"default k of trial": "3"}, {"global SIZE": "5"}])
def test_a_value_does_not(value: dict[str, str]) -> None:
    assert not decide(submission(name="trial", ingredients=CODE | value), sweeps(submitted()), {"trial"}).mends


def test_without_a_name_other_values_with_other_source_are_one_more_sweep() -> None:
    """A loop over k that was edited: each k takes its own name again, a new k gets a new one."""
    there = sweeps(*(submitted(f"trial-{k}" if k else "trial", ingredients=loop(k, "aa")) for k in (0, 2, 3)))
    failing = set(there)
    for k, name in ((0, "trial"), (2, "trial-2"), (3, "trial-3")):
        mended = decide(submission(ingredients=loop(k, "bb")), there, failing)
        assert (mended.kind, mended.name) == ("replace", name)
    more = decide(submission(ingredients=loop(7, "bb")), there, failing)
    assert (more.kind, more.name) == ("new", "trial-4")


def loop(k: int, source: str) -> dict[str, str]:
    return {"function trial": f"source {source}", "default k of trial": str(k)}


def test_a_loop_over_a_value_makes_a_sweep_for_each() -> None:
    requests = []
    for k in (1, 10, 100):
        there = sweeps(*requests)
        asked = submission(ingredients=loop(k, "aa"))
        decision = decide(asked, there, there)
        assert decision.kind == "new"
        requests.append(submitted(decision.name, ingredients=loop(k, "aa")))
    there = sweeps(*requests)
    assert list(there) == ["trial", "trial-2", "trial-3"]
    for k, name in zip((1, 10, 100), there, strict=True):
        again = decide(submission(ingredients=loop(k, "aa")), there, there)
        assert (again.kind, again.name) == ("same", name)


def test_nothing_is_replaced_for_what_is_there_under_a_later_name() -> None:
    there = sweeps(submitted(), submitted("trial-2", repeats=4))
    for if_exists in ("fail", "replace"):
        asked = submission(repeats=4, if_exists=if_exists)
        assert decide(asked, there, {"trial"}) == Decision(kind="same", name="trial-2")


def test_nobody_replaces_another_users_sweep() -> None:
    there = sweeps(submitted())
    for if_exists, failing in itertools.product(("fail", "replace"), ((), ("trial",))):
        asked: dict[str, Any] = {"repeats": 4, "user": "bob", "if_exists": if_exists}
        refused = decide(submission(name="trial", **asked), there, failing)
        assert refused.kind == "refuse"
        text = said(refused, there, name="trial", **asked)
        assert "only ada can have the old one go on with other code, or replaced" in text
        assert "if_exists='replace'" not in text
        own = decide(submission(**asked), there, failing)
        assert (own.kind, own.name, own.than) == ("new", "trial-2", "trial")


# replaced as asked ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"repeats": 4}, {"design": "other"}, {"ingredients": OTHER_VALUE}], ids=str)
@pytest.mark.parametrize("failing", [(), ("trial",)])
def test_what_is_told_to_be_replaced_is(changes: dict[str, Any], failing: tuple[str, ...]) -> None:
    there = sweeps(submitted(), submitted(folder="sweeps/trial~2"))
    for name in (None, "trial"):
        made = decide(submission(name=name, if_exists="replace", **changes), there, failing)
        assert (made.kind, made.name, made.mends, made.aside) == ("replace", "trial", False, "trial~2")
        assert made.remark.startswith("'trial' takes the place of the one before, as was asked: ")
        assert made.remark.endswith("The rows of that one are read as 'trial~2'")


def test_a_locked_sweep_is_not_replaced() -> None:
    there = sweeps(submitted(), noted("locked"))
    asked = {"name": "trial", "repeats": 4, "if_exists": "replace"}
    refused = decide(submission(**asked), there, ())
    error = refusal(refused, there["trial"], submission(**asked))
    assert isinstance(error, SweepLocked)
    assert "give the new one another name with name=" in str(error)
    other = refusal(refused, there["trial"], submission(name="trial", repeats=4))
    assert isinstance(other, SweepExists)
    assert "which is locked" in str(other)


def test_which_one_is_to_be_replaced_has_to_be_said_where_several_could_be() -> None:
    there = sweeps(submitted(), submitted("trial-2", repeats=5), submitted("trial-3", repeats=6, user="bob"))
    asked = submission(repeats=4, if_exists="replace")
    refused = decide(asked, there, ())
    assert refused.kind == "refuse"
    words = "if_exists='replace' could mean each of 'trial', 'trial-2'; say which one with name="
    assert said(refused, there, if_exists="replace") == words
    assert decide(replace(asked, user="bob"), there, ()).name == "trial-3"
    assert decide(replace(asked, user="eve"), there, ()).kind == "new"


# extended ---------------------------------------------------------------------------------------------------------

MORE: dict[str, Any] = {"design": '{"x": [1, 2, 3]}', "shape": "Factorial(x: 3)", "size": 3}
NEW = Segment(
    design='{"x": [3]}',
    size=1,
    repeats=3,
    order="random",
    key=77,
    seed=77,
    first_position=6,
    first_trial=6,
    first_point=2,
)
GROWN = noted("grown", segments=[NEW.plain()])


def growth(*segments: Segment, exact: bool = True, seen: int = 1, folder: str = "sweeps/trial") -> Growth:
    return Growth(folder=folder, seen=seen, segments=segments, exact=exact)


@pytest.mark.parametrize("name", [None, "trial"])
def test_a_sweep_is_extended_by_what_the_client_has_computed(name: str | None) -> None:
    there = sweeps(submitted())
    asked = submission(name=name, if_exists="extend", **MORE)
    assert decide(asked, there, ()) == Decision(kind="compare", name="trial", among=("trial",))
    made = decide(replace(asked, growths=(growth(NEW),)), there, ())
    assert (made.kind, made.name, made.remark) == ("extend", "trial", "")
    late = decide(replace(asked, growths=(growth(NEW),)), sweeps(submitted(), GROWN), ())
    assert late.kind == "compare", "it has grown since that was computed"
    assert decide(replace(asked, growths=(growth(seen=2),)), sweeps(submitted(), GROWN), ()).kind == "same"


@pytest.mark.parametrize("if_exists", ["fail", "extend", "replace"])
@pytest.mark.parametrize("name", [None, "trial"])
def test_what_a_sweep_was_and_what_it_has_grown_to_are_the_same_sweep(name: str | None, if_exists: str) -> None:
    there = sweeps(submitted(), GROWN)
    first = submission(name=name, if_exists=if_exists)
    assert decide(first, there, ()) == Decision(kind="same", name="trial")
    now = submission(name=name, if_exists=if_exists, **MORE)
    assert decide(now, there, ()).kind == "compare"
    assert decide(replace(now, growths=(growth(seen=2),)), there, ()) == Decision(kind="same", name="trial")


def test_what_holds_something_else_is_another_sweep_though_it_has_as_many_trials() -> None:
    there = sweeps(submitted(), GROWN)
    asked = submission(name="trial", growths=(growth(NEW, seen=2, exact=False),), **MORE)
    refused = decide(asked, there, ())
    assert (refused.kind, refused.extendable) == ("refuse", True)
    text = str(refusal(refused, there["trial"], asked))
    assert "the design: Factorial(x: 3), was Factorial(x: 2), grown to 3 points" in text
    assert "or add the points and repeats that are not there with if_exists='extend'" in text
    few = decide(submission(name="trial", repeats=4), there, ())
    assert few.kind == "refuse", "of another number of trials nothing is compared"


@pytest.mark.parametrize(
    "changes", [{"ingredients": FIXED}, {"seed": 3}, {"order": "design"}, {"ingredients": FIXED, "repeats": 4}], ids=str
)
@pytest.mark.parametrize("failing", [(), ("trial",)])
def test_nothing_is_extended_by_other_code_another_seed_or_order(
    changes: dict[str, Any], failing: tuple[str, ...]
) -> None:
    there = sweeps(submitted())
    asked: dict[str, Any] = {"name": "trial", "if_exists": "extend", **MORE, **changes}
    refused = decide(submission(**asked), there, failing)
    assert (refused.kind, refused.extendable) == ("refuse", False)
    assert "adds points and repeats where code, seed and order are the same" in said(refused, there, **asked)
    assert decide(submission(**asked | {"name": None}), there, failing).kind == "new"


def test_without_a_name_ones_own_sweep_is_extended_if_it_is_clear_which() -> None:
    there = sweeps(submitted(), submitted("trial-2", repeats=5), submitted("trial-3", repeats=6, user="bob"))
    asked = submission(if_exists="extend", **MORE)
    assert decide(asked, there, ()).among == ("trial", "trial-2")
    known = replace(asked, growths=(growth(NEW), growth(NEW, folder="sweeps/trial-2")))
    refused = decide(known, there, ())
    words = "if_exists='extend' could mean each of 'trial', 'trial-2'; say which one with name="
    assert (refused.kind, str(refusal(refused, there["trial"], known))) == ("refuse", words)
    assert decide(replace(asked, user="bob"), there, ()).among == ("trial-3",)
    assert decide(replace(asked, user="eve"), there, ()).kind == "new"
    assert decide(replace(asked, user="eve", name="trial"), there, ()).kind == "compare"
    locked = sweeps(submitted(), noted("locked"))
    assert decide(asked, locked, ()).kind == "new"


# going on with other code ---------------------------------------------------------------------------------------


def continued(**ingredients: str) -> Request:
    return noted("continued", code="2" * 64, modules=None, ingredients=CODE | ingredients)


@pytest.mark.parametrize("failing", [(), ("trial",)])
@pytest.mark.parametrize(
    "code", [FIXED, OTHER_VALUE, CODE | {"environment pip": "numpy"}], ids=["source", "value", "environment"]
)
def test_a_sweep_goes_on_with_other_code_where_that_is_asked_for(
    code: dict[str, str], failing: tuple[str, ...]
) -> None:
    there = sweeps(submitted())
    for name in (None, "trial"):
        made = decide(submission(name=name, ingredients=code, if_exists="continue"), there, failing)
        assert (made.kind, made.name, made.version, made.mends) == ("continue", "trial", 2, False)
    assert made.remark.startswith("'trial' goes on with version 2 of its code: ")
    assert made.remark.endswith("What is done stays")
    told = replace(made, rerun=1_234).remark
    assert told.endswith("What is done stays, 1,234 trials that failed run again")


def test_the_same_is_told_by_the_version_in_force_and_an_earlier_one_by_its_number() -> None:
    there = sweeps(submitted(), continued(**{"function trial": "source bb"}))
    for if_exists in ("fail", "continue"):
        assert decide(submission(ingredients=FIXED, if_exists=if_exists), there, ()).kind == "same"
    old = decide(submission(name="trial"), there, {"trial"})
    assert (old.kind, old.equals, old.mends) == ("refuse", 1, False), "what was there before mends nothing"
    assert "though the code is that of version 1" in said(old, there, name="trial")
    back = decide(submission(name="trial", if_exists="continue"), there, ())
    assert (back.kind, back.equals, back.version) == ("continue", 1, 3)
    assert "version 3 of its code, which is version 1 again" in back.remark


@pytest.mark.parametrize("changes", [{"seed": 78}, {"order": "design"}, {"user": "bob"}], ids=str)
def test_it_does_not_go_on_as_anything_else_nor_for_anybody_else(changes: dict[str, Any]) -> None:
    there = sweeps(submitted())
    asked = {"name": "trial", "ingredients": FIXED, "if_exists": "continue", **changes}
    refused = decide(submission(**asked), there, {"trial"})
    assert refused.kind == "refuse"
    text = said(refused, there, **asked)
    assert "if_exists='continue': what is done" not in text
    assert ("only ada can" in text) == ("user" in changes)
    unnamed = decide(submission(**{**asked, "name": None}), there, ())
    assert (unnamed.kind, unnamed.name) == ("new", "trial-2")


def test_a_locked_sweep_does_not_go_on() -> None:
    there = sweeps(submitted(), noted("locked"))
    asked = {"name": "trial", "ingredients": FIXED, "if_exists": "continue"}
    refused = decide(submission(**asked), there, ())
    error = refusal(refused, there["trial"], submission(**asked))
    assert isinstance(error, SweepLocked)
    assert "its code stays" in str(error)


def test_which_one_is_to_go_on_has_to_be_said_where_several_could() -> None:
    there = sweeps(submitted(), submitted("trial-2", user="bob"), submitted("trial-3"))
    asked = {"ingredients": FIXED, "if_exists": "continue"}
    refused = decide(submission(**asked), there, ())
    assert said(refused, there, **asked) == (
        "if_exists='continue' could mean each of 'trial', 'trial-3'; say which one with name="
    )
    assert decide(submission(**asked, user="bob"), there, ()).name == "trial-2"


def test_the_design_may_grow_as_well() -> None:
    there = sweeps(submitted())
    asked = submission(name="trial", ingredients=FIXED, design="other", if_exists="continue")
    assert decide(asked, there, ()) == Decision(kind="compare", name="trial", among=("trial",))
    known = there["trial"]
    growth = Growth(folder=known.folder, seen=len(known.segments), segments=(known.asked,), exact=False)
    made = decide(replace(asked, growths=(growth,)), there, ())
    assert (made.kind, made.version) == ("continue", 2)
    same_code = replace(asked, ingredients=CODE, growths=(growth,))
    assert decide(same_code, there, ()).kind == "extend"


def test_whoever_comes_too_late_to_let_it_go_on_is_told_who_was_quicker() -> None:
    there = sweeps(submitted(), replace(continued(), user="eve", time_us=86_400_000_000))["trial"]
    made = Decision(kind="continue", name="trial", version=3)
    told = overtaken(there, made, submission(replaces=there.folder, version=2))
    assert "got version 2 of its code meanwhile, from eve at 1970-01-02 00:00:00 UTC" in str(told)
    assert overtaken(there, made, submission(replaces=there.folder, version=3)) is None
    assert "that was to go on was replaced meanwhile" in str(overtaken(there, made, submission(replaces="x")))


# what is said of it ---------------------------------------------------------------------------------------------


def test_a_refusal_says_what_differs_and_each_way_out() -> None:
    there = sweeps(submitted())
    asked = {"name": "trial", "ingredients": OTHER_VALUE}
    refused = decide(submission(**asked), there, ())
    assert said(refused, there, **asked) == (
        "the sweep 'trial' of ada is another one. What differs: global SIZE: 4, was 3. What to do: give the new one "
        "another name with name=; or let the old one go on with this code with if_exists='continue': what is done "
        "stays, what waits or failed runs with it; or set the old one aside with if_exists='replace': its rows are "
        "then read as 'trial~1'; if that does not matter: ignore=('SIZE',). lab.results('trial') gives the results "
        "of the old one as it is"
    )


def test_whoever_comes_too_late_to_replace_a_sweep_is_told_who_was_quicker() -> None:
    there = sweeps(submitted(user="bob", time_us=86_400_000_000))["trial"]
    made = Decision(kind="replace", name="trial")
    told = overtaken(there, made, submission(replaces="sweeps/another"))
    assert "was replaced meanwhile, by bob at 1970-01-02 00:00:00 UTC" in str(told)
    for folder in ("", there.folder):
        assert overtaken(there, made, submission(replaces=folder)) is None


def test_a_new_name_says_what_makes_it_another_sweep_than_the_nearest() -> None:
    there = sweeps(submitted(), submitted("trial-2", repeats=5, order="design"))
    made = decide(submission(ingredients=OTHER_VALUE), there, ())
    assert made.remark == (
        "'trial-3' is another sweep than 'trial': global SIZE: 4, was 3; if that does not matter: ignore=('SIZE',)"
    )


def test_nothing_is_said_where_nothing_changed() -> None:
    assert decide(submission(), sweeps(submitted()), ()).remark == ""
    assert decide(submission(), {}, ()).remark == ""


def test_another_version_of_a_library_is_told_and_makes_no_other_sweep() -> None:
    there = sweeps(submitted(ingredients=CODE | {"package numpy": "1"}))
    made = decide(submission(ingredients=CODE | {"package numpy": "2"}), there, ())
    assert (made.kind, made.name) == ("same", "trial")
    assert made.remark == "since 'trial' was submitted, versions changed: numpy is 2 here, was 1"


def test_what_is_ignored_makes_no_other_sweep() -> None:
    changed = CODE | {"global SIZE": "4", "file m/a.png": "content 1"}
    there = sweeps(submitted())
    refused = decide(submission(name="trial", ingredients=changed), there, ())
    assert (refused.kind, refused.ignorable) == ("refuse", ("SIZE", "m/a.png"))
    assert "ignore=('SIZE', 'm/a.png')" in refused.way_out
    assert decide(submission(name="trial", ingredients=changed, ignore=("SIZE", "*.png")), there, ()).kind == "same"
    half = decide(submission(name="trial", ingredients=changed, ignore=("*.png",)), there, ())
    assert (half.kind, half.ignorable) == ("refuse", ("*.png", "SIZE"))


def test_no_word_is_proposed_where_none_would_do() -> None:
    changed = submission(name="trial", repeats=4, ingredients=OTHER_VALUE)
    assert decide(changed, sweeps(submitted()), ()).way_out == ""


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
    (words,) = differing(sweeps(submitted())["trial"], submission(ingredients=OTHER_VALUE))
    assert "SIZE" in words
    assert "4" in words


# the policy of the same again ---------------------------------------------------------------------------------------

TWO = {"policy": Policy(classes=({"CPU": 1.0}, {"CPU": 2.0})), "size": 6}
BY_AXIS = Partition((2, 3), (Part(0, (((0, 1),), ((0, 3),))), Part(1, (((1, 2),), ((0, 3),)))))


def again(known: Partition, now: Partition, **changes: Any) -> Policy:
    record = sweeps(submitted(partition=known, **TWO))["trial"]
    return policy_again(record, submission(partition=now, **{**TWO, **changes}))


def test_the_same_classes_have_the_amounts_that_are_asked_for_now() -> None:
    now = Policy(classes=({"CPU": 3.0}, {"CPU": 4.0}))
    assert again(BY_AXIS, BY_AXIS, policy=now).classes == now.classes
    swapped = Partition(BY_AXIS.grid, tuple(Part(1 - klass, points) for klass, points in BY_AXIS.parts))
    assert again(BY_AXIS, swapped, policy=now).classes == now.classes[::-1]


def test_one_amount_holds_for_all_classes() -> None:
    assert again(BY_AXIS, WHOLE, policy=Policy(resources={"CPU": 8.0})) == Policy(resources={"CPU": 8.0})


@pytest.mark.parametrize(
    "now",
    [
        Partition((2, 3), (Part(0, (((0, 2),), ((0, 1),))), Part(1, (((0, 2),), ((1, 3),))))),
        Partition((2, 3), (Part(0, (((0, 3),),)), Part(1, (((3, 6),),)))),
    ],
    ids=["other levels", "by numbers"],
)
def test_classes_are_not_taken_apart(now: Partition) -> None:
    with pytest.raises(DesignError, match=r"'trial' are in classes .*, which stay as they are"):
        again(BY_AXIS, now)
