"""How a lease ended, told from what Ray raises: whose fault that is, and in which words."""

from __future__ import annotations

import re

import ray.exceptions

from raylab.core.events import End
from raylab.server.setup_failure import setup_failure
from raylab.worker.lease import Header


class LeaseFailed(Exception):
    """What ended a lease, in words. The exception itself may be the user's, and Ray would unpickle it in the lab."""


def judge(error: Exception, process: Header | None) -> tuple[End, str]:
    """What the end of a stream means for its lease; without words where Ray says nothing but that it ended.

    Args:
        error: what Ray raised.
        process: where the lease had started; None if it had not.
    """
    words = first_lines(error)
    match error:
        case ray.exceptions.TaskCancelledError():
            return "stopped", words
        case ray.exceptions.RuntimeEnvSetupError():
            return "environment", setup_failure(str(error))
        case ray.exceptions.RayTaskError() if process is None:
            return "environment", words
        case ray.exceptions.NodeDiedError() | ray.exceptions.ObjectLostError():
            return "lost", words
        case ray.exceptions.OutOfMemoryError():
            return "out_of_memory", _shortage(str(error), process)
        case ray.exceptions.WorkerCrashedError():
            return "died", ""
        case _:
            return "died", words


_NODES = re.compile(r"Memory on the node.*? was ([\d.]+ ?[kMGT]?i?B)(?: used)? / ([\d.]+ ?[kMGT]?i?B)")
_SELECTED = re.compile(r"Selected to kill: .*?pid=(\d+), actual memory used=([\d.]+ ?[kMGT]?i?B)")


def _shortage(text: str, process: Header | None) -> str:
    """What a process had that Ray's memory monitor killed, and what its node has; else Ray's own first line.

    Of Ray 2.60: `Memory on the node (IP: …, ID: …) was 2.91GB used / 23.54GB limit (0.12)`, somewhere `Selected to
    kill: (Task: …, pid=5012, actual memory used=1.94GB, …)`, and a table of `PID MEM(GB) COMMAND`.
    """
    node, had = _NODES.search(text), ""
    if process is not None:
        row = re.search(rf"^\s*{process.pid}\s+([\d.]+)\s", text, re.MULTILINE)
        taken = dict(_SELECTED.findall(text)).get(str(process.pid))
        had = taken or (f"{row[1]}GB" if row else "")
    else:
        had = next((size for _, size in _SELECTED.findall(text)), "")
    if node is None:
        return f"it needed more memory than its node could give: {text.strip().partition(chr(10))[0]}"[:1_000]
    own = f"its process had {had}, " if had else ""
    where = f" {process.node}" if process is not None else ""
    return (
        f"it needed more memory than its node could give: {own}the node{where} had {node[1]} of {node[2]} in use; "
        "give it memory= (bytes), so that fewer trials run side by side on a node"
    )


def ended(process: Header | None) -> str:
    """The most that can be said of a process that is gone: Ray does not tell a lab how."""
    if process is None:
        return "its process ended unexpectedly"
    words = "its process ended unexpectedly, by a signal or by itself"
    if process.log:  # what the trial printed is fetched from there, and the record says where it is kept
        return words
    return f"{words}; Ray's log worker-*-{process.pid}.err on {process.node} may say why"


def first_lines(error: Exception) -> str:
    if isinstance(error, ray.exceptions.RayTaskError) and error.cause is not None:
        return str(error.cause) if isinstance(error.cause, LeaseFailed) else words_of(error.cause)
    return words_of(error)


def words_of(error: Exception) -> str:
    try:
        text = str(error)
    except Exception as second:  # a class of the user's
        text = f"its message cannot be read, {type(second).__name__} in __str__"
    return f"{type(error).__name__}: {text}"[:1_000]
