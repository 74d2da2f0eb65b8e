"""Has a lab's actor created by a short process of its own.

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

from raylab.errors import LabUnavailable
from raylab.server.protocol import BIRTH_S, BORN


def give_birth(address: str, name: str, notebook: str, user: str) -> None:
    """Create the actor from a child process; when this returns it answers calls.

    Raises:
        LabUnavailable: the child did not manage; its words are in the message.
    """
    words = {"address": address, "name": name, "notebook": notebook, "user": user}
    unwanted = {"RAY_JOB_CONFIG_JSON_ENV_VAR", "RAY_RUNTIME_ENV_HOOK", "RAY_ADDRESS"}
    environment = {key: value for key, value in os.environ.items() if key not in unwanted}
    with tempfile.TemporaryDirectory(prefix="raylab-birth-") as folder:
        try:
            child = subprocess.run(
                [sys.executable, "-P", "-m", "raylab.server.birth"],
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
    if BORN not in child.stdout:
        tail = "\n".join(child.stderr.strip().splitlines()[-5:])
        raise LabUnavailable(f"the lab {name!r} could not be started at {address}; it is safe to try again. {tail}")
