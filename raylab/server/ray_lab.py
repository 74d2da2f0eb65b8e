"""The lab as a Ray actor: its verbs, and what a Ray actor is to them."""

from __future__ import annotations

import logging
import os
from typing import Any

import ray

from raylab.server import dashboard, known_labs
from raylab.server.actor import LabActor
from raylab.server.own_log import OwnLog, own_log
from raylab.server.pool import Pool, Report, Room
from raylab.server.ray_pool import RayPool
from raylab.worker import ray_internals


class RayLabActor(LabActor):
    """One lab, made by Ray in a process of its own."""

    def __init__(self, name: str, notebook: str, user: str) -> None:
        _write_times()
        super().__init__(name, notebook, user, RayActor())
        self._shown = f"lab {name} on {notebook}"

    def __repr__(self) -> str:
        """What Ray's own windows show of the actor, and write before what it logs."""
        return self._shown


def _write_times() -> None:
    """What the lab logs bears the time."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    ours = logging.getLogger("raylab")
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    ours.propagate = False


class RayActor:
    """The surroundings of a lab that is a Ray actor."""

    def __init__(self) -> None:
        self._context: Any = ray.get_runtime_context()

    @property
    def actor(self) -> str:
        return self._context.get_actor_id() or ""

    def restarted(self) -> bool:
        return bool(self._context.was_current_actor_reconstructed)

    def remember(self, name: str, notebook: str) -> None:
        known_labs.remember(name, notebook)

    def make_pool(self, report: Report, room: Room) -> Pool:
        ray_internals.leave_retries_after_oom_to_us()
        return RayPool(report, room)

    def log(self) -> OwnLog:
        return own_log(os.getpid())

    def dashboard(self) -> str | None:
        return dashboard.running()

    def end(self) -> None:
        ray.kill(self._context.current_actor, no_restart=True)
