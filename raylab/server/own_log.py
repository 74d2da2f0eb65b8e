"""A lab's own log: what its actor wrote, among Ray's session logs of its node."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from raylab.worker import ray_internals
from raylab.worker.batch import NODE

MOST_BYTES = 2**20
"""Of each file as much is shown, its end: some ten thousand lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLog:
    """What a lab wrote.

    Attributes:
        node: the machine on which it lies.
        files: where there.
        text: what stands in them, one after the other.
    """

    node: str
    files: tuple[str, ...]
    text: str


def own_log(pid: int) -> OwnLog:
    """What a process of Ray's wrote that runs, or ran, on this node; no files where there is nothing of it."""
    folder = Path(ray_internals.logs_folder())
    paths = sorted(path for path in folder.glob(f"worker-*-{pid}.*") if path.suffix in (".out", ".err"))
    return OwnLog(node=NODE, files=tuple(map(str, paths)), text="".join(map(_end, paths)))


def _end(path: Path) -> str:
    """The end of a file, but for the lines by which Ray tells whose output is whose."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - MOST_BYTES))
        data = file.read()
    if size > MOST_BYTES:
        data = data.partition(b"\n")[2]
    lines = data.decode("utf-8", "backslashreplace").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(_MARKS))


_MARKS = (":job_id:", ":actor_name:", ":task_name:")
