"""What must hold before a machine joins a cluster: the head lets it in, and both run the same Ray and Python.

Asked by a short process of its own: a client of Ray's speaks to the terminal by itself, reads its settings once in a
process's life, and waits for a head that is none for 40 s.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass

from raylab.client.tokens import FILE, source
from raylab.errors import LabUnavailable, VersionMismatch
from raylab.server.protocol import versions
from raylab.worker.ray_internals import SAY_VERSIONS

ASK_S = 25.0
"""A head that is one answers at once; loading Ray takes a second, ten on a busy machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """How a machine is let in.

    Attributes:
        token: whether the cluster wants one, and takes the one that is here.
    """

    token: bool

    @property
    def environment(self) -> dict[str, str]:
        """What Ray on this machine needs so that both sides want the same of each other."""
        return {"RAY_AUTH_MODE": "token" if self.token else "disabled"}


def ask(address: str) -> Admission:
    """Ask a head whether this machine may join.

    Args:
        address: IP address and port.

    Raises:
        LabUnavailable: what answers there is no head of Ray's, or it does not take the token.
        VersionMismatch: it runs another Ray or Python.
    """
    found, token = _ask(address, "disabled"), False
    if "refused" in found and source():
        found, token = _ask(address, "token"), True
    if "refused" in found:
        raise LabUnavailable(no_entry(address, source()))
    if not token and os.environ.get("RAY_AUTH_MODE", "").lower() == "token":
        raise LabUnavailable(
            f"the cluster at {address} wants no token, and RAY_AUTH_MODE=token is set here, so that this machine would "
            "refuse the head; unset it here, or start the head with a token"
        )
    check_versions(address, found, versions())
    return Admission(token=token)


def no_entry(address: str, here: str) -> str:
    """What to say where the head does not let us in.

    Args:
        address: the head's.
        here: where this machine's token is; empty if there is none.
    """
    why = f"does not take the one in {here}" if here else "there is none here"
    return (
        f"the cluster at {address} wants a token and {why}; copy the file {FILE} of the head's machine to {FILE} "
        "on this one (mode 600: it is a password), or put its text into RAY_AUTH_TOKEN"
    )


def check_versions(address: str, there: dict[str, str], here: dict[str, str]) -> None:
    """Ray wants itself on both sides, and pickles travel between Pythons of one minor version only.

    Args:
        address: the cluster's.
        there: the cluster's `ray` and `python`.
        here: ours.

    Raises:
        VersionMismatch: with both versions, and what to install.
    """
    python = minor(there["python"])
    ways = []
    if there["ray"] != here["ray"]:
        ways.append(f"`pip install ray=={there['ray']}`")
    if python != minor(here["python"]):
        ways.append(f"an environment with Python {python}")
    if ways:
        raise VersionMismatch(
            f"the cluster at {address} runs Ray {there['ray']} on Python {there['python']}, this machine has Ray "
            f"{here['ray']} on Python {here['python']}; it needs {' in '.join(ways)}"
        )


def minor(version: str) -> str:
    """Major and minor.

    Example:
        >>> minor("3.11.7")
        '3.11'
    """
    return ".".join(version.split(".")[:2])


def _ask(address: str, mode: str) -> dict[str, str]:
    """What the head says of itself; `refused` if it does not let us in."""
    try:
        said = subprocess.run(
            [sys.executable, "-P", "-c", SAY_VERSIONS, address],
            env=os.environ | {"RAY_AUTH_MODE": mode},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ASK_S,
            check=False,
        )
        found: dict[str, str] = json.loads(said.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, ValueError, IndexError) as error:
        raise LabUnavailable(
            f"what answers at {address} is no head of a Ray cluster; the head's port is the one that `raylab start` "
            "printed there under `join`, not that of ray://"
        ) from error
    return found
