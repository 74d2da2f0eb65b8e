"""The processes of what `raylab start` brought: found by a mark that they inherit, and ended in an order.

So what belongs to it is known for sure, whatever else runs on the machine, whichever process died before, and even if
a process id was used again (`ray stop` would end every Ray there is). No other process is ever touched.
The process session would not do: all of Ray stays in the one of its `ray start` (tried with 2.60), but what a trial
starts in a session of its own does not, and once all of a session is gone its number may become a stranger's.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection
from contextlib import suppress

import psutil

from raylab.terminal.settings import MARK

GRACE_S = 10.0
"""Between asking the raylet to end and killing it; Ray's own `ray stop` gives 16, it took 0.1."""

RAYLET, GCS = "raylet", "gcs_server"
"""The processes without which a head is none; the second machine of a cluster has the first of them."""

ENDING = {"lab": 0, "trial": 1, RAYLET: 2, "rest": 3}
"""The order in which a head's processes are ended."""


def of(mark: str) -> list[psutil.Process]:
    """The processes that carry the mark, and their children (a worker's title covers a part of its environment)."""
    found = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found[process.pid] = process
                found.update((child.pid, child) for child in process.children(recursive=True))
        except (psutil.Error, OSError):
            continue  # somebody else's, or gone
    found.pop(os.getpid(), None)
    return list(found.values())


def named(mark: str, names: Collection[str]) -> list[psutil.Process]:
    """Those with one of these names."""
    return [process for process in of(mark) if _name(process) in names]


def lives(process: psutil.Process) -> bool:
    """Whether a process is there and does something still."""
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def end(mark: str, *, head: bool) -> bool:
    """End all of them; whether there was anything to end.

    On a head the labs go first, at once: so they see no trial die, and blame none. Then the trials: one that was asked
    to end would raise, and could be taken for failed. Killing is safe, the notebook is the truth.
    On another machine the labs are elsewhere and look on. So the raylet goes first: it tells the head that its machine
    leaves, before a trial of it dies, and the trials of a machine that left are nobody's fault.
    Only the raylet is asked, because it gives back shared memory; the others would wait for one another.
    """
    members = of(mark)
    before = (lambda turn: turn < ENDING[RAYLET]) if head else (lambda turn: False)
    asked = []
    for process in sorted(members, key=_turn):
        if _turn(process) == ENDING[RAYLET]:
            asked.append(process)
            _send(process, signal.SIGTERM)
        elif before(_turn(process)):
            _send(process, signal.SIGKILL)
    psutil.wait_procs(asked, timeout=GRACE_S)
    while left := of(mark):
        for process in left:
            _send(process, signal.SIGKILL)
        psutil.wait_procs(left, timeout=1.0)
    return bool(members)


def _turn(process: psutil.Process) -> int:
    """When a process goes: labs, trials and what they started, the raylet, the rest of Ray."""
    try:
        title = " ".join(process.cmdline()[:1])
    except psutil.Error:
        return ENDING["rest"]
    if title.startswith("ray::"):
        return ENDING["lab" if "LabActor" in title else "trial"]
    return ENDING[RAYLET if _name(process) == RAYLET else "rest"]


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.Error:  # gone already
        return ""


def _send(process: psutil.Process, number: int) -> None:
    with suppress(psutil.Error):  # gone already
        process.send_signal(number)
