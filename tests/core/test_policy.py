"""How a sweep is run, and what its classes ask for."""

from __future__ import annotations

import json

from raylab.core.policy import Policy
from raylab.core.segment import Need


def test_without_classes_all_trials_ask_for_the_same() -> None:
    policy = Policy(time_limit=3.0)
    assert policy.at(Need()) is policy
    assert policy.at(Need(5)) is policy


def test_a_class_asks_for_its_own_amounts_beside_those_of_the_sweep() -> None:
    policy = Policy(
        time_limit=60.0,
        resources={"CPU": 1.0, "GPU": 1.0},
        classes=({}, {"CPU": 4.0, "memory": 2e9}, {"time_limit": None, "GPU": None}),
    )
    assert policy.at(Need(0)).resources == {"CPU": 1.0, "GPU": 1.0}
    assert policy.at(Need(1)).resources == {"CPU": 4.0, "GPU": 1.0, "memory": 2e9}
    assert [policy.at(Need(klass)).time_limit for klass in range(3)] == [60.0, 60.0, None]
    assert policy.at(Need(2)).resources == {"CPU": 1.0}
    assert policy.at(Need(1)).classes == ()
    assert policy.at(Need(1)).amounts == "4 CPU, 1 GPU, 2 GB memory"


def test_a_policy_is_the_same_after_it_was_json() -> None:
    policy = Policy(classes=({}, {"CPU": 4.0, "time_limit": None}))
    assert Policy.of(json.loads(json.dumps(policy.plain()))) == policy
    assert Policy.of({}) == Policy()
