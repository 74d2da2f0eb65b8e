"""Handles: which sweep a call means, whatever becomes of its name."""

from __future__ import annotations

from typing import Any

import pytest
from asked import noted, submitted, sweeps

from raylab.core.handle import Handle, find, handles, is_list, no_one_sweep, only
from raylab.core.history import History, fold
from raylab.errors import NameRefused, SweepNotFound

DAY_US = 86_400_000_000


def three() -> History:
    """Three sweeps that had a name one after the other, and another one."""
    return sweeps(
        submitted("coarse", repeats=1),
        submitted("fine"),
        submitted("coarse", folder="sweeps/coarse~2", repeats=2, user="bob", time_us=DAY_US),
        submitted("coarse", folder="sweeps/coarse~3", repeats=3, user="eve", time_us=2 * DAY_US),
    )


def test_a_name_means_the_sweep_in_force_and_a_number_those_before() -> None:
    there = three()
    found = {name: find(there, Handle(name), "lab") for name in ("coarse", "coarse~1", "coarse~2", "fine")}
    assert [each.repeats for each in found.values()] == [3, 1, 2, 3]
    assert [each.name for each in found.values()] == list(found)
    assert list(there) == ["coarse", "fine"]


def test_a_handle_means_one_sweep_and_says_what_became_of_it() -> None:
    there = three()
    assert find(there, Handle("coarse", "sweeps/coarse~3"), "lab").repeats == 3
    for number, (who, day) in enumerate((("bob", "01-02"), ("eve", "01-03")), start=1):
        folder = "sweeps/coarse" if number == 1 else f"sweeps/coarse~{number}"
        with pytest.raises(SweepNotFound) as caught:
            find(there, Handle("coarse", folder), "lab")
        assert f"was replaced by {who} at 1970-{day} 00:00:00 UTC" in str(caught.value)
        assert f"its rows are read as 'coarse~{number}'" in str(caught.value)
        aside = find(there, Handle(f"coarse~{number}", folder), "lab")
        assert aside.folder == folder


def test_a_sweep_whose_request_was_lost_is_not_taken_for_another() -> None:
    there = sweeps(submitted("coarse", folder="sweeps/coarse~3"))
    with pytest.raises(SweepNotFound, match="is not there any more"):
        find(there, Handle("coarse", "sweeps/coarse~2"), "lab")


def test_of_what_was_removed_is_said_by_whom_and_when_also_where_another_has_its_name() -> None:
    gone = noted("removed", "coarse~1", folder="sweeps/coarse")
    there = fold([gone], three())
    for wanted in (Handle("coarse~1"), Handle("coarse~1", "sweeps/coarse")):
        with pytest.raises(SweepNotFound, match="'coarse~1' was removed by ada at 1970-01-01 00:00:00 UTC") as caught:
            find(there, wanted, "lab")
        assert "'coarse', 'fine'; set aside: 'coarse~2'" in str(caught.value)
    with pytest.raises(SweepNotFound, match=r"was removed by ada .*; 'coarse' is another sweep now"):
        find(there, Handle("coarse", "sweeps/coarse"), "lab")
    assert find(there, Handle("coarse"), "lab").repeats == 3
    none = fold([noted("removed", "fine")], there)
    with pytest.raises(SweepNotFound, match="'fine' was removed by ada"):
        find(none, Handle("fine"), "lab")


def test_what_is_archived_is_listed_apart() -> None:
    there = fold([noted("archived", "fine")], three())
    assert find(there, Handle("fine"), "lab").archived
    with pytest.raises(SweepNotFound, match=r"its sweeps: 'coarse'; archived: 'fine'$"):
        find(there, Handle("rough"), "lab")
    assert no_one_sweep("lab", [], ["fine"]).endswith("its sweeps: none yet; archived: 'fine'")


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("rough", "its sweeps: 'coarse', 'fine'"),
        ("coarse~3", "its sweeps: 'coarse', 'fine'; set aside: 'coarse~1', 'coarse~2'"),
        ("fine~1", "set aside: 'coarse~1', 'coarse~2'"),
        ("coarse~01", "set aside"),
        ("coarse~", "set aside"),
        ("~1", "set aside"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(name: str, listed: str) -> None:
    with pytest.raises(SweepNotFound) as caught:
        find(three(), Handle(name), "lab")
    assert f"has no sweep {name!r}" in str(caught.value)
    assert listed in str(caught.value)


def test_an_argument_means_all_one_or_several() -> None:
    assert handles(None) is None
    assert handles("a") == [Handle("a")]
    assert handles(["b", "a", "b"]) == [Handle("b"), Handle("a")]
    assert handles(name for name in ("a", Handle("b", "x"))) == [Handle("a"), Handle("b", "x")]
    assert handles("\u03f5") == handles(["\u03b5"])
    assert [is_list(given) for given in (None, "a", Handle("a"), ["a"], ("a",))] == [False, False, False, True, True]


@pytest.mark.parametrize("given", [3, b"a", {"a": 1}, [3], [["a"]], [], [None], True])
def test_what_is_no_name_is_refused(given: Any) -> None:
    with pytest.raises(NameRefused):
        handles(given)


@pytest.mark.parametrize("given", [["a"], ("a", "b"), None, 3])
def test_where_one_sweep_is_meant_a_list_is_a_sentence(given: Any) -> None:
    with pytest.raises(NameRefused, match="the name of one sweep is wanted here, a string; got"):
        only(given)


def test_without_a_name_the_list_is_shown_and_how_to_read_several() -> None:
    assert no_one_sweep("lab", []).endswith("its sweeps: none yet")
    assert no_one_sweep("lab", ["a", "b", "c"]).endswith(
        "its sweeps: 'a', 'b', 'c'. Several are read with a list of names: results(['a', 'b'])"
    )
