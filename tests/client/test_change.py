"""Another policy for a sweep that is there: which words, which values, what is handed to the lab."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from raylab.client.change import AMOUNTS, WORDS, changes
from raylab.core.policy import Policy
from raylab.errors import DesignError

BEFORE = Policy(
    retries=2, priority=7, resources={"CPU": 1.0, "GPU": 1.0, "licence": 2.0}, runtime_env={"env_vars": {"A": "1"}}
)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ({}, {}),
        ({"description": "better", "retries": 0}, {"description": "better", "retries": 0}),
        ({"time_limit": 5}, {"time_limit": 5.0}),
        ({"time_limit": None, "max_concurrency": None}, {"time_limit": None, "max_concurrency": None}),
        ({"priority": -1, "max_concurrency": np.int64(3)}, {"priority": -1, "max_concurrency": 3}),
        ({"max_failures": 1}, {"max_failures": 1}),
        ({"max_failures": np.float32(0.5)}, {"max_failures": 0.5}),
        ({"num_cpus": 2}, {"resources": {"CPU": 2}}),
        ({"num_cpus": 0, "num_gpus": 0}, {"resources": {"CPU": 0, "GPU": None}}),
        ({"memory": 2e9}, {"resources": {"memory": 2e9}}),
        ({"resources": {"robot": 1}}, {"resources": {"licence": None, "robot": 1}}),
        ({"resources": None}, {"resources": {"licence": None}}),
        (
            {"ray_remote_args": {"scheduling_strategy": "SPREAD"}},
            {"ray_remote_args": {"scheduling_strategy": "SPREAD"}},
        ),
    ],
)
def test_only_what_is_named_changes(words: dict[str, Any], found: dict[str, Any]) -> None:
    assert changes(BEFORE, words) == found
    after = BEFORE.changed(found)
    assert after.runtime_env == BEFORE.runtime_env
    assert ("retries" in words) or after.retries == 2


BAD: list[tuple[str, Any]] = [
    *[("priority", each) for each in (True, 1.0, "high", None, math.nan, 10**12)],
    *[("max_concurrency", each) for each in (0, -1, True, 2.0, "2", math.inf)],
    *[("max_failures", each) for each in (0, -1, True, False, 0.0, 1.0, 2.5, math.nan, math.inf, "3", Fraction(1, 2))],
    ("retries", -1),
    ("time_limit", 0),
    ("description", 5),
    ("num_cpus", -1),
    ("memory", "2GB"),
    ("resources", 5),
    ("ray_remote_args", {"num_cpus": 1}),
    ("ray_remote_args", {"colour": "red"}),
]


@pytest.mark.parametrize(("word", "value"), BAD)
def test_a_value_that_cannot_be_used_is_named(word: str, value: Any) -> None:
    with pytest.raises(DesignError, match="colour" if "colour" in repr(value) else AMOUNTS.get(word, word)):
        changes(BEFORE, {word: value})


@pytest.mark.parametrize(
    ("word", "way"),
    [
        ("runtime_env", "if_exists='continue'"),
        ("include", "if_exists='continue'"),
        ("repeats", "extend"),
        ("seed", ""),
        ("priorty", ""),
    ],
)
def test_a_word_that_is_no_policy_is_refused_with_those_that_are(word: str, way: str) -> None:
    with pytest.raises(DesignError) as caught:
        changes(BEFORE, {word: 1})
    assert all(known in str(caught.value) for known in (*WORDS, repr(word), way))
