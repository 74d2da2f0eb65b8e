"""How two lists of ingredients differ, in words; no words where they cannot be compared."""

from __future__ import annotations

import doctest

import pytest

import raylab.core.difference
from raylab.core.difference import differences


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
def test_source_and_bytecode_say_nothing_about_each_other(old, new):
    assert differences({"function f": old}, {"function f": new}) == []


def test_the_sentences_are_in_the_order_of_the_names():
    told = differences({"global b": "1", "global c": "1"}, {"global c": "2", "global a": "1"})

    assert told == ["global a: 1, is new", "global b: no longer used", "global c: 2, was 1"]


def test_the_examples_in_the_docstrings_are_true():
    assert doctest.testmod(raylab.core.difference).failed == 0
