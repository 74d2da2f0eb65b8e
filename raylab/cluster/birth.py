"""Creates a lab's actor, in a short process of its own: `python -P -m raylab.cluster.birth`, one JSON line on stdin.

An actor inherits its job's runtime_env and its driver's `sys.path`, no option of Ray takes them away (tried), and every
lease would inherit them too: whoever happened to create the lab would leave their folders in it for ever. So the actor
is born from a job that has neither: an empty working directory, no runtime_env, no script. See
docs/decisions/005-born-by-a-child.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

import ray

from raylab.cluster.actor import LabActor
from raylab.errors import LabUnavailable

NAMESPACE = "raylab"
BIRTH_S = 60.0
MARK = "raylab-birth:"


def give_birth(address: str, name: str, notebook: str, user: str, versions: dict[str, str]) -> None:
    """Create the actor from a child process; when this returns it answers calls.

    Raises:
        LabUnavailable: the child did not manage; its words are in the message.
    """
    words = {"address": address, "name": name, "notebook": notebook, "user": user, "versions": versions}
    unwanted = {"RAY_JOB_CONFIG_JSON_ENV_VAR", "RAY_RUNTIME_ENV_HOOK", "RAY_ADDRESS"}
    environment = {key: value for key, value in os.environ.items() if key not in unwanted}
    with tempfile.TemporaryDirectory(prefix="raylab-birth-") as folder:
        try:
            child = subprocess.run(
                [sys.executable, "-P", "-m", "raylab.cluster.birth"],
                input=json.dumps(words),
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=BIRTH_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise LabUnavailable(
                f"the lab {name!r} could not be started at {address} within {BIRTH_S:.0f} s; it is safe to try again"
            ) from error
    if MARK not in child.stdout:
        tail = "\n".join(child.stderr.strip().splitlines()[-5:])
        raise LabUnavailable(f"the lab {name!r} could not be started at {address}; it is safe to try again. {tail}")


def create(address: str, name: str, notebook: str, user: str, versions: dict[str, str]) -> None:
    """Create the actor, unless somebody else was quicker, and wait until it answers."""
    ray.init(address, namespace=NAMESPACE, log_to_driver=False, logging_level="ERROR")
    actor = ray.remote(LabActor).options(
        name=name,
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        num_cpus=0,
        max_restarts=-1,
        max_concurrency=10_000,  # a waiting poll takes a place; at the default of 1,000 calls queue behind polls
        resources={"node:__internal_head__": 0.001},  # by name, not by node id: a head that comes back has another
        # Without it Ray would run again by itself what its memory monitor killed; the ledger decides that.
        runtime_env={"env_vars": {"RAY_task_oom_retries": "0"}},
    )
    handle: Any = actor.remote(name, notebook, user, versions)
    ray.get(handle.hello.remote(), timeout=BIRTH_S)


if __name__ == "__main__":
    create(**json.loads(sys.stdin.read()))
    print(MARK, "done", flush=True)
