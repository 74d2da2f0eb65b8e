"""The lab's verbs without Ray: on a disk that can be held up, with a cluster that runs nothing."""

from __future__ import annotations

import asyncio
import errno
import os
import pickle
import threading
from pathlib import Path
from typing import Any

from sweeps import WHO

from raylab.core.design import Factorial
from raylab.core.handle import Handle
from raylab.core.policy import Policy
from raylab.core.request import Submission
from raylab.notebook.posix import PosixStore, SystemCalls
from raylab.notebook.writer import Writer
from raylab.server.actor import LabActor
from raylab.server.conductor import Conductor
from raylab.server.pool import Pool, Report, Room


class Disk(SystemCalls):
    """Does not give what lies below `away`."""

    away: Path | None = None

    def __init__(self) -> None:
        self.free = threading.Event()  # as long as it is not set, nothing is written
        self.free.set()
        self.asked = threading.Event()

    def create(self, path: Path) -> int:
        self.asked.set()
        assert self.free.wait(100)
        return super().create(path)

    def listdir(self, path: Path) -> list[str]:
        if self.away is not None and self.away in (path, *path.parents):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().listdir(path)


class NoNodes(Pool):
    """The leases of a cluster that can run none."""

    def __init__(self, report: Report, room: Room) -> None:
        """It has nothing to report."""

    def hold(self, package: Any) -> Any:
        return package

    def nodes(self) -> dict[str, dict[str, float]]:
        return {}

    def keep_to(self, nodes: Any) -> None:
        """There are none."""

    def launch(self, *_: Any) -> None:
        """It waits for a node."""

    def stop(self, lease: int) -> None:
        """It has not begun."""

    def stop_all(self) -> None:
        """None has begun."""


class Nowhere:
    """The surroundings of a lab that no cluster runs."""

    actor = WHO["actor"]

    def restarted(self) -> bool:
        return False

    def remember(self, name: str, notebook: str) -> None:
        """Nobody looks for it."""

    def make_pool(self, report: Report, room: Room) -> Pool:
        return NoNodes(report, room)

    def end(self) -> None:
        """Its process is the test's."""


async def until(is_so: Any) -> None:
    async with asyncio.timeout(100):
        while not is_so():
            await asyncio.sleep(0.01)


class Verbs(LabActor):
    """The lab's verbs without Ray, on a disk that can be held up."""

    def __init__(self, root: Path) -> None:
        self.disk = Disk()
        super().__init__("lab", str(root), "ada", Nowhere())

    def _conductor(self, name: str, notebook: Path, user: str) -> Conductor:
        writer = Writer(notebook, WHO, PosixStore(notebook, self.disk))
        return Conductor(name, writer, user, self._surroundings)


S = Handle("s")
SUBMISSION = Submission(
    name="s",
    label="f",
    design=Factorial(p=range(5)).dumps(),
    shape="5 points",
    size=5,
    repeats=1,
    seed=1,
    order="random",
    pickle=pickle.dumps(len),
    modules=None,
    ingredients={},
    policy=Policy(),
    user="ada",
)
