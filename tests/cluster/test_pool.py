"""What the end of a lease's stream means, and a policy in Ray's words. (Leases themselves run in tests/ray.)"""

from __future__ import annotations

from typing import Any

import pytest
import ray.exceptions as re
from ray.exceptions import RayTaskError

from raylab.cluster.pool import judge, options
from raylab.core.request import Policy


def raised(cause: Exception) -> RayTaskError:
    """As Ray brings an exception of the task."""
    return RayTaskError("_lease", "traceback", cause)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("error", "started", "end"),
    [
        (re.TaskCancelledError(), True, "stopped"),
        (re.TaskCancelledError(), False, "stopped"),
        (re.RuntimeEnvSetupError("no such package"), False, "environment"),
        (raised(ModuleNotFoundError("scipy")), False, "environment"),
        (raised(ValueError("our own")), True, "died"),
        (re.NodeDiedError("gone"), True, "lost"),
        (re.ObjectLostError("id", None, ""), True, "lost"),
        (re.OwnerDiedError("id", None, ""), True, "lost"),
        (re.OutOfMemoryError("long words"), True, "died"),
        (re.WorkerCrashedError(), True, "died"),
        (re.WorkerCrashedError(), False, "died"),  # the ledger knows that it had not started
        (RuntimeError("something else"), True, "died"),
    ],
)
def test_how_a_lease_ended(error: Exception, started: bool, end: str) -> None:
    assert judge(error, started)[0] == end


def test_the_words_are_the_experiments_own_and_short() -> None:
    assert judge(raised(ModuleNotFoundError("No module named 'scipy'")), False)[1] == (
        "ModuleNotFoundError: No module named 'scipy'"
    )
    assert judge(re.WorkerCrashedError(), True)[1] == ""  # the pool knows which process it was
    assert "memory" in judge(re.OutOfMemoryError("very long words of Ray's"), True)[1]
    assert len(judge(RuntimeError("x" * 10_000), True)[1]) == 1_000


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
