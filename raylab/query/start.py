"""Where a query's process begins: `python -P -m raylab.query.start FOLDER NICE`. Before anything is loaded it forks a
guard, which sees to it that nothing is left of the query when whoever asked is gone, however that went.

The guard's stdin closes when its host ends, is killed, or has what it wanted. Then the guard kills the query with all
that it has started, and removes the folder. It is a process and not a thread, since a query that holds Python's lock in
C code would hold up a thread; and it is the query's child and not its parent, since Ray kills the children of a worker
that it ends, and these alone: a guard among them was gone before the query (seen with 2.60).
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path


def main(folder: Path, nice: int) -> None:
    """Run the query of a folder at this priority of the system, or a lower one."""
    group = os.getpid()  # the host has made it a session of its own
    if not os.fork():
        _guard(folder, group)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # what reads stdin must not wait for the host
    os.nice(max(0, nice - os.nice(0)))
    from raylab.query.process import run  # after the fork: what it loads starts threads

    run(folder)


def _guard(folder: Path, group: int) -> None:
    os.setsid()  # out of the group that it ends
    with suppress(OSError):
        while os.read(0, 512):
            pass
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
