"""What was asked of a lab: the history tells the sweeps there are."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from asked import CODE, noted, ran_alone, submitted, sweeps
from hypothesis import example, given
from hypothesis import strategies as st

from raylab.core.failures import Tally
from raylab.core.history import History, fold
from raylab.core.policy import Policy
from raylab.core.request import Removed, Replaced, Request, SweepRecord, Version, draw_seed
from raylab.core.segment import Segment
from raylab.core.strikes import Strikes

# fold -----------------------------------------------------------------------------------------------------------


def test_no_requests_make_no_sweeps() -> None:
    assert fold([]) == History()
    assert list(fold([])) == []


def test_a_submission_is_a_sweep_with_all_that_was_said() -> None:
    record = sweeps(submitted(modules="zz"))["trial"]
    assert record == SweepRecord(
        name="trial",
        folder="sweeps/trial",
        user="ada",
        time_us=5,
        label="trial",
        shape="Factorial(x: 2)",
        segments=(Segment(design='{"x": [1, 2]}', size=2, repeats=3, order="random", key=77, seed=77),),
        seed=77,
        seed_given=False,
        versions=(Version(code="aa", modules="zz", ingredients=CODE, user="ada", time_us=5),),
        policy=Policy(),
    )
    assert (record.total, record.positions, record.repeats, record.asked) == (6, 6, 3, record.segments[0])


def test_a_sweep_of_several_segments_counts_each_trial_once_and_each_position() -> None:
    record = sweeps(submitted())["trial"]
    (first,) = record.segments
    more = replace(first, first_position=6, first_trial=6, repeats=2, first_repeat=3)
    again = replace(first, first_position=10, selection=((0, 2),), attempt=2, taken_back={"failed": 2})
    grown = replace(record, segments=(first, more, again))
    assert (grown.total, grown.positions, grown.repeats, grown.asked) == (10, 12, 5, first)


def test_sweeps_stand_in_the_order_of_their_first_submission() -> None:
    assert list(sweeps(submitted("b"), submitted("a"), submitted("b", folder="sweeps/b~2"))) == ["b", "a"]


def test_a_submission_under_a_name_takes_the_place_of_the_one_before() -> None:
    record = sweeps(
        submitted(),
        noted("cancelled"),
        ran_alone(),
        submitted(folder="sweeps/trial~2", repeats=1),
    )["trial"]
    assert (record.generation, record.folder, record.total) == (2, "sweeps/trial~2", 2)
    assert not record.cancelled
    assert record.strikes == {}


def test_what_had_the_name_before_is_kept_with_who_replaced_it_and_when() -> None:
    there = sweeps(
        submitted(),
        noted("locked"),
        ran_alone(),
        submitted(folder="sweeps/trial~2", repeats=1, user="bob", time_us=7),
        submitted(folder="sweeps/trial~3", repeats=4, user="eve", time_us=9),
    )
    assert list(there) == ["trial"]
    record = there["trial"]
    first, second = there.aside.values()
    assert (first.name, first.folder, first.locked, first.strikes) == ("trial~1", "sweeps/trial", True, {})
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
        sweeps(submitted(), noted("policy", **policy.plain()))["trial"],
    )
    assert after == replace(before, policy=policy)


def test_cancelled_paused_resumed_locked() -> None:
    cancelled, paused, resumed = noted("cancelled"), noted("paused", reason="nothing works"), noted("resumed")
    assert sweeps(submitted(), cancelled)["trial"].cancelled
    assert sweeps(submitted(), paused)["trial"].paused == "nothing works"
    both = sweeps(submitted(), paused, cancelled, resumed)["trial"]
    assert (both.cancelled, both.paused) == (False, "")
    assert sweeps(submitted(), resumed, cancelled)["trial"].cancelled
    assert sweeps(submitted(), noted("locked"))["trial"].locked


def test_what_had_come_when_a_sweep_was_resumed_is_forgiven_as_far_as_it_is_not_run_again() -> None:
    resumed = noted("resumed", done=4, failed=3)
    assert sweeps(submitted(), resumed)["trial"].forgiven == Tally(4, 3)
    assert sweeps(submitted(), resumed, noted("resumed"))["trial"].forgiven == Tally(4, 3), "nobody knew what had come"
    (first,) = sweeps(submitted())["trial"].segments
    again = replace(first, first_position=6, selection=((0, 2),), attempt=2, taken_back={"failed": 1, "crashed": 1})
    grown = noted("grown", segments=[again.plain()])
    assert sweeps(submitted(), resumed, grown)["trial"].forgiven == Tally(4, 1)
    assert sweeps(submitted(), resumed, grown, grown)["trial"].forgiven == Tally(4, 0)
    counted = noted("grown", segments=[again.plain()], left={"done": 9, "failed": 3})
    assert sweeps(submitted(), resumed, counted)["trial"].forgiven == Tally(4, 3), "what runs again failed later"
    counted = noted("grown", segments=[again.plain()], left={"done": 9, "failed": 2})
    assert sweeps(submitted(), resumed, counted)["trial"].forgiven == Tally(4, 2)


def test_the_same_code_under_another_hash_is_the_same_sweep() -> None:
    before = sweeps(submitted(modules="zz"))["trial"]
    after = sweeps(submitted(modules="zz"), noted("code", code="bb", modules=None))["trial"]
    assert after == replace(before, versions=(replace(before.versions[0], code="bb", modules=None),))


def test_a_sweep_grows_by_segments() -> None:
    before = sweeps(submitted())["trial"]
    (first,) = before.segments
    more = replace(first, first_position=6, first_trial=6, repeats=2, first_repeat=3, part=(((0, 1),),), grid=(2,))
    body = json.loads(json.dumps({"segments": [more.plain()]}))
    assert sweeps(submitted(), noted("grown", **body))["trial"] == replace(before, segments=(first, more))


def test_a_sweep_that_is_continued_has_one_more_version_of_its_code() -> None:
    there = sweeps(submitted(), noted("continued", code="bb", modules="zz", ingredients={"function f": "source 2"}))
    record = there["trial"]
    assert [(each.code, each.time_us) for each in record.versions] == [("aa", 5), ("bb", 6)]
    assert (record.version, record.code, record.modules) == (2, "bb", "zz")
    assert record.ingredients == {"function f": "source 2"}
    assert fold([replace(record.request(), time_us=5)])["trial"] == record, "an opening repeats all of it"


def test_what_is_archived_can_be_taken_back() -> None:
    assert sweeps(submitted(), noted("archived"))["trial"].archived
    assert not sweeps(submitted(), noted("archived"), noted("unarchived"))["trial"].archived


def test_what_is_held_against_a_trial_is_what_was_said_last() -> None:
    rows = [ran_alone(position=4), ran_alone(position=2), ran_alone(position=4, deaths=1, runs=2)]
    record = sweeps(submitted(), *rows)["trial"]
    assert record.strikes == {4: Strikes(deaths=1, runs=2), 2: Strikes(runs=1)}


@pytest.mark.parametrize("late", [ran_alone(), noted("paused", reason="no"), noted("cancelled")], ids=lambda r: r.kind)
def test_a_row_about_a_sweep_that_was_replaced_meanwhile_is_not_about_the_new_one(late: Request) -> None:
    """Such rows are on their way to the disk when the other submission arrives."""
    new = submitted(folder="sweeps/trial~2")
    assert fold([submitted(), new, late]) == fold([submitted(), new])
    assert fold([submitted(), late]) != fold([submitted()])


def test_rows_about_unknown_sweeps_change_nothing_and_an_unknown_kind_is_named() -> None:
    later: Any = "painted"
    assert fold([noted("cancelled", "nobody")]) == History()
    with pytest.raises(ValueError, match="no request of the kind 'painted'"):
        fold([submitted(), noted(later)])


ROWS: dict[str, Callable[[str], Request]] = {
    "submitted": submitted,
    "replaced": lambda name: submitted(name, folder=f"sweeps/{name}~2"),
    "cancelled": lambda name: noted("cancelled", name),
    "resumed": lambda name: noted("resumed", name),
    "paused": lambda name: noted("paused", name, reason="no"),
    "locked": lambda name: noted("locked", name),
    "archived": lambda name: noted("archived", name),
    "continued": lambda name: noted("continued", name, code="cc", modules=None, ingredients={}),
    "ran alone": ran_alone,
    "another ran alone": lambda name: ran_alone(name, 3),
    "policy": lambda name: noted("policy", name, **Policy(retries=1).plain()),
    "removed": lambda name: noted("removed", name),
    "removed as the first": lambda name: noted("removed", f"{name}~1", folder=f"sweeps/{name}"),
    "removed as the second": lambda name: noted("removed", name, folder=f"sweeps/{name}~2"),
    "of the second": lambda name: ran_alone(name, 2, folder=f"sweeps/{name}~2"),
}


@example([("submitted", "a"), ("ran alone", "a"), ("another ran alone", "a")], 2)
@example([("submitted", "a"), ("ran alone", "a"), ("replaced", "a")], 2)
@given(st.lists(st.tuples(st.sampled_from(sorted(ROWS)), st.sampled_from("ab")), max_size=12), st.integers(0, 12))
def test_folding_in_two_steps_is_folding_at_once(words: list[tuple[str, str]], cut: int) -> None:
    requests = [ROWS[kind](name) for kind, name in words]
    first = fold(requests[:cut])
    kept = copy.deepcopy(first)
    assert fold(requests[cut:], first) == fold(requests)
    assert first == kept, "what was there is not changed"


@given(st.lists(st.tuples(st.sampled_from(sorted(ROWS)), st.sampled_from("ab")), max_size=12))
def test_a_folder_is_in_force_or_aside_or_removed_and_what_was_removed_stays_so(words: list[tuple[str, str]]) -> None:
    requests = [ROWS[kind](name) for kind, name in dict.fromkeys(words)]  # no folder is submitted twice
    there = fold(requests)
    readable = [each.folder for each in there.readable]
    assert len(readable) == len(set(readable))
    assert set(there.removed) == {request.folder for request in requests if request.kind == "removed"}
    assert not set(readable) & set(there.removed)
    assert all(name == record.name for each in (there, there.aside) for name, record in each.items())


def test_what_was_removed_is_remembered_with_who_asked_and_its_name_and_folder_are_free_or_not() -> None:
    gone = noted("removed", code=["aa", "zz"])
    there = sweeps(submitted(), gone)
    assert list(there) == []
    removed = Removed(name="trial", folder="sweeps/trial", user="ada", time_us=6, code=("aa", "zz"))
    assert there.removed == {"sweeps/trial": removed}
    assert removed.request() == gone
    assert (there.next_generation("trial"), there.next_generation("other")) == (2, 1)
    assert list(sweeps(submitted(), gone, submitted(), noted("resumed"))) == [], "the folder is never used again"
    again = sweeps(submitted(), gone, submitted(folder="sweeps/trial~2", repeats=1))
    assert (again["trial"].total, again.next_generation("trial")) == (2, 3)


def test_of_several_of_a_name_each_can_be_removed() -> None:
    second = submitted(folder="sweeps/trial~2", repeats=1)
    newest = sweeps(submitted(), second, noted("removed", folder="sweeps/trial~2"))
    assert (list(newest), list(newest.aside)) == ([], ["trial~1"])
    oldest = sweeps(submitted(), second, noted("removed", "trial~1", folder="sweeps/trial"))
    assert (list(oldest), list(oldest.aside), oldest["trial"].total) == (["trial"], [], 2)
    assert newest.next_generation("trial") == oldest.next_generation("trial") == 3
    third = fold([submitted(folder="sweeps/trial~3")], newest)
    assert (third["trial"].name_aside, list(third.aside)) == ("trial~3", ["trial~1"])


@pytest.mark.parametrize("going_on", ["resumed", "continued"])
def test_what_goes_on_is_archived_no_more(going_on: Any) -> None:
    body = {"code": "cc", "modules": None, "ingredients": {}} if going_on == "continued" else {}
    assert not sweeps(submitted(), noted("archived"), noted(going_on, **body))["trial"].archived
    assert sweeps(submitted(), noted(going_on, **body), noted("archived"))["trial"].archived


# policy ---------------------------------------------------------------------------------------------------------


def test_a_changed_policy_keeps_what_is_not_named() -> None:
    before = Policy(retries=2, resources={"CPU": 1.0, "GPU": 2.0, "licence": 1.0}, runtime_env={"pip": ["a"]})
    after = before.changed({"priority": 3, "resources": {"CPU": 0, "memory": 5.0, "licence": None}})
    assert after == replace(before, priority=3, resources={"CPU": 0, "GPU": 2.0, "memory": 5.0})
    assert before.changed({}) == before
    assert after.changed({"priority": 3, "resources": {"memory": 5.0, "licence": None}}) == after, "said twice"


def test_leases_take_along_what_concerns_trials() -> None:
    before = Policy(retries=2, time_limit=3.0)
    assert replace(before, description="x", priority=1, max_concurrency=2, max_failures=3).of_trials == before
    assert replace(before, retries=1).of_trials != before


def test_equal_policies_give_equal_text_and_come_back() -> None:
    one = Policy(resources={"CPU": 1.0, "GPU": 2.0}, runtime_env={"pip": ["a"], "env_vars": {"B": "1"}})
    other = Policy(resources={"GPU": 2.0, "CPU": 1.0}, runtime_env={"env_vars": {"B": "1"}, "pip": ["a"]})
    assert one.dumps() == other.dumps()
    assert Policy.of(json.loads(one.dumps())) == one
    assert replace(one, retries=1).dumps() != one.dumps()


# seeds ----------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=32))
def test_a_drawn_seed_fits_whatever_takes_seeds(entropy: bytes) -> None:
    assert 1 <= draw_seed(entropy) < 2**31
    assert draw_seed(entropy) == draw_seed(entropy)


def test_drawn_seeds_differ() -> None:
    assert len({draw_seed(bytes([n])) for n in range(256)}) == 256


def test_with_other_code_no_trial_is_a_suspect_and_each_version_keeps_its_place() -> None:
    strikes = {"deaths": 2, "runs": 2, "out_of_memory": False}
    other = {"code": "c2", "modules": None, "ingredients": {"function trial": "source bb"}}
    asked = [
        submitted(),
        noted("ran_alone", position=3, strikes=strikes),
        noted("continued", **other),
        noted("ran_alone", position=4, strikes=strikes),
        noted("code", version=1, code="", modules=None),
    ]
    for cut in range(len(asked) + 1):
        found = fold(asked[cut:], fold(asked[:cut]))["trial"]
        assert list(found.strikes) == [4]
        assert [version.code for version in found.versions] == ["", "c2"]
        assert (found.version, found.code) == (2, "c2")
    moved = fold([*asked, noted("code", code="c3", modules=None)])["trial"]
    assert [version.code for version in moved.versions] == ["", "c3"]
