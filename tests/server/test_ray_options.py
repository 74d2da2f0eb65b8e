"""A policy in Ray's words."""

from __future__ import annotations

from typing import Any

import pytest

from raylab.core.policy import Policy
from raylab.errors import DesignError
from raylab.server.ray_options import check_options, options


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (Policy(), {"num_cpus": 1.0}),
        (Policy(resources={}), {"num_cpus": 0}),
        (
            Policy(resources={"CPU": 2, "GPU": 0.5, "memory": 1e9, "big": 1}),
            {"num_cpus": 2, "num_gpus": 0.5, "memory": 1e9, "resources": {"big": 1}},
        ),
        (Policy(ray_remote_args={"scheduling_strategy": "SPREAD"}), {"num_cpus": 1.0, "scheduling_strategy": "SPREAD"}),
        (Policy(runtime_env={"pip": ["scipy"]}), {"num_cpus": 1.0, "runtime_env": {"pip": ["scipy"]}}),
    ],
)
def test_a_policy_in_rays_words(policy: Policy, words: dict[str, Any]) -> None:
    assert options(policy, None) == words


def test_a_sweep_with_modules_has_processes_of_its_own() -> None:
    policy = Policy(runtime_env={"pip": ["scipy"], "env_vars": {"A": "1"}})
    before = policy.dumps()
    assert options(policy, "hash")["runtime_env"] == {
        "pip": ["scipy"],
        "env_vars": {"A": "1", "RAYLAB_MODULES": "hash"},
    }
    assert options(Policy(), "hash")["runtime_env"] == {"env_vars": {"RAYLAB_MODULES": "hash"}}
    assert policy.dumps() == before


def test_words_that_ray_does_not_know_are_refused_in_its_own() -> None:
    check_options(Policy(ray_remote_args={"scheduling_strategy": "SPREAD"}))
    with pytest.raises(DesignError, match=r"Ray does not take these options: .*colour"):
        check_options(Policy(ray_remote_args={"colour": "red"}))
