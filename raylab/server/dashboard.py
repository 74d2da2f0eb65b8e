"""Ray's dashboard: where it is, if one runs."""

from __future__ import annotations

import socket

from raylab.worker import ray_internals

KNOCK_S = 1.0
"""It runs on the head, where the lab is."""


def running() -> str | None:
    """The address of the cluster's dashboard, if it answers there. May block."""
    found = ray_internals.dashboard()
    host, _, port = (found or "").removeprefix("http://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S).close()
    except (OSError, ValueError):  # it has ended, or there never was one
        return None
    return f"http://{host}:{port}"
