"""Tells by a command on the lab's node: JSON on its standard input, the essentials in its environment. Blocks.

A command runs with the lab's rights and without the lab's secrets: its environment is what every program needs, and
those variables that the command itself names.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from raylab.core.harmless import harmless
from raylab.core.recipient import Recipient
from raylab.errors import told
from raylab.server.webhook import NotTold

__all__ = ["run"]

LONGEST_S: Final = 60.0
"""How long a command may take; then it is ended, with all that it started."""

MOST_SAID: Final = 200
"""Characters of what a command says before it fails."""

USUAL: Final = ("HOME", "LANG", "LANGUAGE", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER")
"""Variables that every program may need."""


def run(recipient: Recipient, message: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    """Run it; when this returns it has ended well.

    Args:
        recipient: whose command.
        message: what is told.
        environment: the lab's.

    Raises:
        NotTold: it has not.
    """
    command = recipient.command
    words = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
    named = {name: environment[name] for name in recipient.variables if name in environment}
    usual = {name: environment[name] for name in USUAL if name in environment}
    said = {f"RAYLAB_{name.upper()}": str(message[name] or "") for name in ("id", "event", "lab", "sweep", "title")}
    home = environment.get("HOME", "/")
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**usual, **named, **said, "RAYLAB_TEXT": message["text"]},
            cwd=home if Path(home).is_dir() else "/",
            start_new_session=True,  # so that all of it can be ended
        )
    except (OSError, ValueError) as error:
        raise NotTold(f"it cannot be run: {told(error)}") from None
    with process:
        try:
            _, errors = process.communicate(json.dumps(message).encode() + b"\n", timeout=LONGEST_S)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise NotTold(f"it took longer than {LONGEST_S:.0f} s and was ended") from None
    if process.returncode:
        raise NotTold(f"it ended with exit code {process.returncode}{_last_line(errors, named)}")


def _last_line(errors: bytes, named: Mapping[str, str]) -> str:
    """What it said last, without the values of variables, which may be secrets."""
    lines = errors.decode(errors="replace").strip().splitlines()
    line = harmless(lines[-1]) if lines else ""
    for name, value in named.items():
        line = line.replace(value, f"${name}") if value else line
    return f": {line[:MOST_SAID]}" if line else ""
