"""How two lists of ingredients differ, in words; no words where they cannot be compared."""

from __future__ import annotations

import doctest

import pytest

import raylab.core.difference
from raylab.core.difference import differences, updates, words_to_ignore


def test_equal_lists_have_no_difference_whatever_their_order():
    first = {"rule": "1", "function f": "source 1", "global N": "2"}

    assert differences(first, dict(reversed(first.items()))) == []


def test_lists_made_by_other_rules_are_not_compared():
    assert differences({"rule": "0", "global N": "1"}, {"rule": "1", "global N": "2"}) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("global N", "2", "3", "global N: 3, was 2"),
        ("global N", None, "3", "global N: 3, is new"),
        ("global N", "2", None, "global N: no longer used"),
        ("default p", "list of 9, sha256:a", "list of 9, sha256:b", "default p: its value has changed"),
        ("default p", "1", "list of 9, sha256:b", "default p: list of 9, sha256:b, was 1"),
        ("function f", "source a", "source b", "function f: its source has changed"),
        ("helper function g", None, "source b", "helper function g: newly used"),
        ("class C", "source a", None, "class C: no longer used"),
        ("module m", "source a", "source b", "module m: changed"),
        ("module m", None, "source b", "module m: newly reached"),
        ("file d.csv", "content a", None, "file d.csv: no longer reached"),
        ("file d.py", "content a", "source b", "file d.py: changed"),
    ],
)
def test_each_difference_is_a_sentence(name, old, new, told):
    before = {} if old is None else {name: old}
    after = {} if new is None else {name: new}

    assert differences(before, after) == [told]


@pytest.mark.parametrize(("old", "new"), [("source a", "code-3.11 b"), ("code-3.11 a", "code-3.12 b")])
def test_source_and_bytecode_say_nothing_about_each_other_so_they_differ(old, new):
    told = ["function f: without its source on both sides it counts as changed"]
    assert differences({"function f": old}, {"function f": new}) == told


def test_the_sentences_are_in_the_order_of_the_names():
    told = differences({"global b": "1", "global c": "1"}, {"global c": "2", "global a": "1"})

    assert told == ["global a: 1, is new", "global b: no longer used", "global c: 2, was 1"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("global cache", ["cache", "c*", "global cache"]),
        ("global cache[3]", ["cache", "cache[3]"]),
        ("global cache['a b'].x", ["cache"]),
        ("global model.weights.w", ["model", "model.weights"]),
        ("closure shift of make", ["shift"]),
        ("default key of f (2)", ["key"]),
        ("attribute inner.n", ["inner", "inner.n"]),
        ("file model/figure.png", ["model/*.png", "*.png", "model/", "model", "model/figure.png"]),
        ("module pkg.sub.deep", ["pkg.sub.deep", "pkg/sub/deep.py", "pkg.sub", "pkg", "pkg/*.py"]),
        ("module pkg", ["pkg/__init__.py"]),
    ],
)
def test_a_name_covers_what_is_inside_of_it(name, words):
    for word in words:
        assert differences({name: "1"}, {name: "2"}, [word]) == []
        assert differences({name: "1"}, {}, [word]) == differences({}, {name: "1"}, [word]) == []
    for word in ("other", "cach", "mode", "nner", "pk", "igure.png"):
        assert differences({name: "1"}, {name: "2"}, [word]) != []


@pytest.mark.parametrize("name", ["function f", "class f", "helper function f", "helper class f", "environment f"])
def test_sources_and_environments_are_never_ignored(name):
    assert differences({name: "source 1"}, {name: "source 2"}, ["f", "*", name]) != []
    assert words_to_ignore({name: "source 1"}, {name: "source 2"}) == ()


def test_what_only_an_ignored_name_leads_to_is_ignored_with_it():
    filled = {"global cache['a']": "an object of M", "helper class M": "source 1", "via helper class M": '["cache"]'}

    assert differences({"global cache": "{}"}, filled, ["cache"]) == []
    assert words_to_ignore({"global cache": "{}"}, filled) == ("cache",)
    elsewhere = filled | {"via helper class M": '["cache", "other"]'}
    assert differences({"global cache": "{}"}, elsewhere, ["cache"]) == ["helper class M: newly used"]
    assert differences(filled, filled | {"helper class M": "source 2"}, ["cache"]) == [
        "helper class M: its source has changed"
    ]


def test_many_files_beside_each_other_are_proposed_as_a_pattern():
    files = {f"file plots/{n}.png": "content 1" for n in range(9)} | {"file log.txt": "content 2"}

    assert words_to_ignore({}, files) == ("log.txt", "plots/*.png")


def test_what_has_no_steady_pickle_says_so():
    (told,) = differences({"global N": "Widget unsteady:1"}, {"global N": "Widget unsteady:2"})

    assert told == "global N: a Widget has another pickle each time, so it counts as different"


def test_versions_are_told_and_are_no_difference():
    old, new = {"package numpy": "1", "package a": "1"}, {"package numpy": "2", "package b": "1"}

    assert differences(old, new) == []
    assert updates(old, new) == ["numpy is 2 here, was 1"]


def test_the_examples_in_the_docstrings_are_true():
    assert doctest.testmod(raylab.core.difference).failed == 0
