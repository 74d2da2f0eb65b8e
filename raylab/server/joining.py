"""Connecting a process to a Ray cluster: quietly, in our namespace, and again where Ray's own server stumbles."""

from __future__ import annotations

import atexit
import os
import re
import time
from typing import Any

import ray

from raylab.errors import VersionMismatch
from raylab.server.protocol import NAMESPACE, versions
from raylab.worker.ray_internals import silent

AGAIN_WITHIN_S = 50.0  # a first try that fails takes about 40 s
"""A first try that took longer is not repeated: every call answers or raises within a minute."""

SAME_MINOR = ("RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL", "minor")
"""Over `ray://` Ray wants the same minor version of Python, of a driver the same patch, unless told so. Pickles and
bytecode differ between minor versions only."""

MISMATCH = "Version mismatch: "
"""How Ray's own error begins; it names both sides, the cluster first, in lines of these kinds."""
_NAMED = re.compile(r"^\s*Ray: (\S+)\s+Python: (\S+)", re.M)


def join(address: str, **options: Any) -> None:
    """Connect to the cluster at an address, in any form that Ray takes.

    A `ray://` server starts a process for each client. It forks beside gRPC's threads, and now and then the child is
    dead at birth; the next one is not.

    Raises:
        ConnectionError: nobody answers, or we are not let in.
        VersionMismatch: the cluster has another Ray, or another Python.
    """
    began = time.monotonic()
    quiet = {"namespace": NAMESPACE, "log_to_driver": False, "logging_level": "ERROR", **options}
    os.environ.setdefault(*SAME_MINOR)
    try:
        with silent():
            try:
                ray.init(address, **quiet)
            except ConnectionAbortedError:
                if time.monotonic() - began > AGAIN_WITHIN_S:
                    raise
                ray.init(address, **quiet)
    except RuntimeError as error:
        if not str(error).startswith(MISMATCH):
            raise
        ray.shutdown()  # a driver's connection is half made
        raise VersionMismatch(differing(address, str(error))) from None
    # Ray's own way out waits half a second for messages of workers, which we do not show. This one comes before it.
    atexit.register(ray.shutdown)


def differing(address: str, error: str) -> str:
    """Ray's error about versions as a sentence, with what to install.

    Args:
        address: of the cluster.
        error: what Ray says.

    Example:
        >>> differing("head:6379", "Version mismatch: ...\\n Ray: 2.60.0\\n Python: 3.11.9\\n ...").partition(",")[0]
        'the cluster at head:6379 runs Ray 2.60.0 and Python 3.11.9'
    """
    sides = _NAMED.findall(error)
    if not sides:
        return f"the cluster at {address} has other versions than this process: {' '.join(error.split())}"
    here = versions()
    theirs, (ray_here, python_here) = sides[0], sides[1] if len(sides) > 1 else (here["ray"], here["python"])
    minor = ".".join(theirs[1].split(".")[:2])
    python = "" if python_here.split(".")[:2] == minor.split(".") else f"in an environment of Python {minor}, "
    return (
        f"the cluster at {address} runs Ray {theirs[0]} and Python {theirs[1]}, this process Ray {ray_here} and Python "
        f"{python_here}; both need the same Ray and the same minor version of Python. Here, {python}"
        f"`pip install 'ray[client]=={theirs[0]}' raylab=={here['raylab']}` does it; nothing was changed on the cluster"
    )
