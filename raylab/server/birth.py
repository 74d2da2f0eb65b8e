"""The short process that creates a lab's actor: `python -P -m raylab.server.birth`, one JSON line on stdin.

Why a process of its own, see `client/lab_birth.py`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import ray

from raylab.server.joining import join
from raylab.server.protocol import BIRTH_S, BORN, NAMESPACE
from raylab.server.ray_lab import RayLabActor


def create(address: str, name: str, notebook: str, user: str) -> None:
    """Create the actor, unless somebody else was quicker, and wait until it answers."""
    join(address)
    actor = ray.remote(RayLabActor).options(
        name=name,
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        num_cpus=0,
        max_restarts=-1,
        max_concurrency=10_000,  # a waiting poll takes a place; at the default of 1,000 calls queue behind polls
        resources={"node:__internal_head__": 0.001},  # by name, not by node id: a head that comes back has another
    )
    handle: Any = actor.remote(name, notebook, user)
    ray.get(handle.hello.remote(), timeout=BIRTH_S)


if __name__ == "__main__":
    create(**json.loads(sys.stdin.read()))
    print(BORN, "done", flush=True)
