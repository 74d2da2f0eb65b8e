"""A sweep's policy in Ray's own words."""

from __future__ import annotations

from typing import Any

import ray

from raylab.core.policy import Policy
from raylab.errors import DesignError


def options(policy: Policy, modules: str | None) -> dict[str, Any]:
    """A sweep's policy in Ray's words. Sweeps that bring modules get worker processes by the modules' hash."""
    resources = dict(policy.resources)
    words: dict[str, Any] = {**policy.ray_remote_args, "num_cpus": resources.pop("CPU", 0)}
    if gpus := resources.pop("GPU", 0):
        words["num_gpus"] = gpus
    if memory := resources.pop("memory", 0):
        words["memory"] = memory
    if resources:
        words["resources"] = resources
    environment = dict(policy.runtime_env)
    if modules:
        environment["env_vars"] = {**environment.get("env_vars", {}), "RAYLAB_MODULES": modules}
    if environment:
        words["runtime_env"] = environment
    return words


def check_options(policy: Policy) -> None:
    """Refuse words that this Ray does not know.

    Raises:
        DesignError: Ray's own explanation is in the message.
    """
    try:
        ray.remote(lambda: None).options(**options(policy, None))
    except (ValueError, TypeError) as error:
        raise DesignError(f"Ray does not take these options: {error}") from error
