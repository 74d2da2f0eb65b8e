"""Where a query's process begins: `python -P -m raylab.query.guard FOLDER NICE`. It runs the query in a child, and sees
to it that nothing is left of the query when whoever asked is gone, however that went.

The guard's stdin closes when its starter ends, is killed, or has what it wanted. Then the guard kills the query with
all that it has started, and removes the folder. It is a process, not a thread: a query that holds Python's lock in C
code would hold up a thread. It loads nothing but the standard library, and forks before anything is loaded.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path

ENDED = "ended"
"""The file that says how the query's process ended: as `subprocess` has it, a signal below 0."""


def main(folder: Path, nice: int) -> None:
    """Run a query at this priority of the system, or a lower one; outlive it until stdin is closed."""
    awake, alarm = os.pipe()
    os.set_blocking(alarm, False)
    signal.set_wakeup_fd(alarm)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    query = os.fork()
    if not query:
        _run(folder, nice, awake, alarm)
    with suppress(PermissionError, ProcessLookupError):
        os.setpgid(query, query)  # both do so: whoever is first
    ready: list[int] = []
    is_over = False
    while 0 not in ready:
        ready, _, _ = select.select([0, awake], [], [])
        if awake in ready:
            os.read(awake, 512)
            is_over = is_over or _ended(query, folder)
    if not is_over:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(query, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path, nice: int, *pipes: int) -> None:
    """The query itself, in a group of processes of its own."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgid(0, 0)
        for each in pipes:
            os.close(each)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)  # what reads stdin must not wait for the guard's
        os.nice(max(0, nice - os.nice(0)))
        from raylab.query.process import run  # after the fork: what it loads starts threads

        run(folder)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _ended(query: int, folder: Path) -> bool:
    """Whether the query's process has ended; what it started ends with it then, and a file says how it ended."""
    if os.waitid(os.P_PID, query, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        return False
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(query, signal.SIGKILL)  # before it is reaped: until then its number is its own
    _, status = os.waitpid(query, 0)
    half = folder / f"{ENDED}.half"
    half.write_text(str(os.waitstatus_to_exitcode(status)))
    half.rename(folder / ENDED)
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
