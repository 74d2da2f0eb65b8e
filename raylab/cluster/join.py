"""Connecting a process to a Ray cluster: quietly, in our namespace, and again where Ray's own server stumbles."""

from __future__ import annotations

import atexit
import time
from typing import Any

import ray

from raylab.cluster.protocol import NAMESPACE

AGAIN_WITHIN_S = 50.0  # a first try that fails takes about 40 s
"""A first try that took longer is not repeated: every call answers or raises within a minute."""


def join(address: str, **options: Any) -> None:
    """Connect to the cluster at an address, in any form that Ray takes.

    A `ray://` server starts a process for each client. It forks beside gRPC's threads, and now and then the child is
    dead at birth; the next one is not.

    Raises:
        ConnectionError: nobody answers, or we are not let in.
    """
    began = time.monotonic()
    quiet = {"namespace": NAMESPACE, "log_to_driver": False, "logging_level": "ERROR", **options}
    try:
        ray.init(address, **quiet)
    except ConnectionAbortedError:
        if time.monotonic() - began > AGAIN_WITHIN_S:
            raise
        ray.init(address, **quiet)
    # Ray's own way out waits half a second for messages of workers, which we do not show. This one comes before it.
    atexit.register(ray.shutdown)
