"""What `raylab start` brought to this machine, as it is remembered here: one small file for each machine.

The file lies in `RAYLAB_HOME`. `terminal/background.py` writes it, a client that looks for a cluster reads it.
"""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from pathlib import Path

from raylab.client.address import knock
from raylab.errors import LabUnavailable
from raylab.server.known_labs import home


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What was started on this machine.

    Attributes:
        address: of the cluster: its head's, for processes on its machines.
        client_address: of the cluster, for a client, here or elsewhere; empty where this machine is not the head.
        ip: of this machine in the cluster.
        temp_dir: where Ray has its logs and sockets.
        mark: what its processes carry in their environment.
        is_head: whether this machine is the cluster's head; else it joined.
        token: whether the cluster wants a token.
    """

    address: str
    client_address: str
    ip: str
    temp_dir: str
    mark: str
    is_head: bool
    token: bool


def file() -> Path:
    """The file of this machine. A home on a shared disk is many machines'."""
    return home() / f".cluster-{platform.node()}.json"


def remembered() -> Started | None:
    """What was started here, as far as it was not stopped; it may have died since."""
    try:
        return parse(file().read_text("utf-8"))
    except OSError:
        return None


def running_address() -> str | None:
    """The address of the cluster that was started here, if it answers. Ray alone finds any cluster on the machine,
    somebody else's too."""
    known = remembered()
    if known is None:
        return None
    try:
        knock(known.address)
    except LabUnavailable:
        return None
    return known.address


def parse(text: str) -> Started | None:
    """What was started, from its line; None if nothing was, or if another version wrote it."""
    try:
        return Started(**json.loads(text))
    except (ValueError, TypeError):
        return None
