"""What client and lab must agree on before they speak, and who and what they are. Loads nothing of the lab."""

from __future__ import annotations

import getpass
import os
import platform
from importlib.metadata import version

from raylab import __version__

NAMESPACE = "raylab"
"""The Ray namespace of all labs: without one every driver would have a namespace of its own and find nothing."""

PROTOCOL = 10
"""The version of the verbs, their arguments and answers; both sides name theirs in `hello`."""

BIRTH_S = 60.0
"""How long the short process that creates a lab's actor may take; 6 to 7 s on a quiet machine."""

BORN = "raylab-birth:"
"""How the line begins by which that process says that the actor answers."""


def versions() -> dict[str, str]:
    """What this process runs."""
    return {"raylab": __version__, "ray": version("ray"), "python": platform.python_version()}


def person() -> str:
    """Who is at work here. In a container the uid may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"
