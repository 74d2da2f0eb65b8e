"""What commits say of themselves adds up, and is the same when it comes back from a file."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from core.records import failing
from hypothesis import given
from hypothesis import strategies as st

from raylab.core.summary import Summary, together
from raylab.core.trial_warnings import Kind

FAILING = failing({"failed": [(3, 5)]})
WARNING = Kind(category="W", text="t", count=2, trials=1, example="t", point=5, repeat=0)


def said(*runs: tuple[int, int], **words: Any) -> Summary:
    count = sum(stop - start for start, stop in runs)
    known = {"positions": list(runs), "by_status": {"done": count}, "rows": count, "seconds": 1.0, "error": None}
    more = {"warnings": [], "names": [], "causes": [], "attempt": 1, "versions": [1]}
    return Summary(**{**known, **more, **words})


def test_a_summary_adds_up_what_commits_say() -> None:
    found = together(
        [
            said((0, 3), (8, 9), attempt=2),
            said(
                (3, 5), by_status={"failed": 2}, error="E: first", causes=[failing({"failed": [(3, 5)]})], versions=[2]
            ),
            said((5, 6), error="E", by_status={"failed": 1}, causes=[failing({"failed": [(5, 6)]})]),
        ]
    )
    assert found == said(
        *[(0, 6), (8, 9)],
        by_status={"done": 4, "failed": 3},
        rows=7,
        seconds=3.0,
        error="E: first",
        causes=[failing({"failed": [(3, 6)]})],
        attempt=2,
        versions=[1, 2],
    )
    assert found.recorded == 7
    assert found.not_done == {"failed": [(3, 6)]}
    assert together([]) == said(by_status={}, seconds=0, attempt=0, versions=[])


def test_a_summary_of_summaries_is_the_summary_of_all() -> None:
    some = [said((0, 3), warnings=[WARNING]), said((6, 8), names=[[2, 0, ["b"]]]), said((3, 6)), said((8, 9))]
    some[1:3] = [replace(some[1], labels=("a", "b")), replace(some[2], labels=("c",))]
    assert together(some).labels == ("a", "b", "c")
    assert together([together(some[:2]), together(some[2:])]) == together(some)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 5)), max_size=5), st.integers(0, 5))
def test_a_summary_knows_whether_a_trial_stands_in_it_twice(runs: list[tuple[int, int]], cut: int) -> None:
    some = [said((start, start + length)) for start, length in runs]
    positions = [at for start, length in runs for at in range(start, start + length)]
    for found in (together(some), together([together(some[:cut]), together(some[cut:])])):
        assert [at for start, stop in found.positions for at in range(start, stop)] == sorted(set(positions))


def test_a_file_gives_back_what_it_was_given() -> None:
    more = {
        "warnings": [WARNING],
        "names": [[2, 0, ["b", "a"]]],
        "causes": [FAILING],
        "versions": [1, 2],
    }
    found = said((0, 3), seconds=0.123456, error="E", **more)
    meta = json.loads(json.dumps(found.dumps()))
    assert Summary.loads(meta) == found
    assert Summary.loads({"colour": "red", **meta}) == found, "a later version may say more"


@pytest.mark.parametrize("word", list(said().dumps()))
def test_what_is_missing_is_an_error(word: str) -> None:
    meta = said((0, 3)).dumps()
    del meta[word]
    with pytest.raises(KeyError, match=word):
        Summary.loads(meta)
