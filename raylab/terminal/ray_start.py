"""Running `ray start`: its words, its time, what it says when it fails, the ports it is given."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import IO

from raylab.errors import LabUnavailable

START_S = 90.0
"""`ray start` takes 4 to 10 s; a busy machine may take several times that."""

PORTS_TRIED = 200


def ray_start(words: list[str], environment: Mapping[str, str]) -> None:
    """Start Ray in the background.

    Args:
        words: of `ray start`, beside those that are always given.
        environment: of all of its processes.

    Raises:
        LabUnavailable: it did not start; Ray's words are in the message.
    """
    command = [sys.executable, "-P", "-m", "ray.scripts.scripts", "start", "--disable-usage-stats", *words]
    # Any ports: two clusters with Ray's own range take ports of each other.
    command += ["--min-worker-port=0", "--max-worker-port=0"]
    with tempfile.TemporaryFile("w+") as output:  # no pipe: the cluster inherits it and would keep it open
        try:
            ended = subprocess.run(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C or a closed terminal here is nothing to the cluster
                timeout=START_S,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise LabUnavailable(
                f"Ray did not start within {START_S:.0f} s; it was ended again, try once more"
            ) from error
        if ended:
            output.seek(0)
            raise LabUnavailable(f"Ray did not start: {last_words(output)}")


def last_words(output: IO[str]) -> str:
    """What a person wants to know of Ray's output: the error, not the traceback."""
    lines = [line.strip() for line in output.read().splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def free_port(wanted: int, spare: int) -> int:
    """The wanted port, or the first free one from `spare` on.

    Raises:
        LabUnavailable: none of 200 is free.
    """
    ports: list[int] = [wanted, *range(spare, spare + PORTS_TRIED)]
    for port in ports:
        with socket.socket() as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                door.bind(("", port))
            except OSError:
                continue
            return port
    raise LabUnavailable(f"no port is free from {spare} to {spare + PORTS_TRIED - 1}; give one")


def opens(host: str, port: int, until: float) -> bool:
    """Whether something answers at a port before `until`."""
    while time.monotonic() < until:
        try:
            socket.create_connection((host, port), timeout=1.0).close()
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False
