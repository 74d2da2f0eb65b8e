"""The clusters of a chaos run: one at work, a second one once a fault needs it, and a disk that can be filled."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import ExitStack

from clusters import Cluster, SmallDisk

DISK_MB = 256


class Arena:
    """One cluster at work, and a second one once a fault needs it."""

    def __init__(self, first: Cluster | None = None) -> None:
        self._stack = ExitStack()
        self._started: threading.Thread | None = None
        self.active = first or Cluster()
        self.spare: Cluster | None = None
        if first is None:
            self._stack.callback(self.active.close)
            with self._stack:  # until it is up, whatever goes wrong closes it
                self.active.start()
                self._stack = self._stack.pop_all()

    def __enter__(self) -> Arena:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._stack:
            self._settle()

    def prepare_spare(self) -> None:
        """Start the second cluster beside."""
        if self.spare is None:
            self.spare = Cluster()
            self._stack.callback(self.spare.close)
            self._started = threading.Thread(target=self.spare.start)
            self._started.start()

    def ready_spare(self) -> Cluster:
        self.prepare_spare()
        self._settle()
        assert self.spare is not None
        return self.spare

    def _settle(self) -> None:
        if self._started is not None:
            self._started.join()
            self._started = None

    def swap(self) -> None:
        """The other one is at work from now on."""
        assert self.spare is not None
        self.active, self.spare = self.spare, self.active

    def renew(self) -> None:
        """Another cluster on the same RAYLAB_HOME."""
        self.active.restart()

    def logs(self) -> str:
        return "\n".join(cluster.logs() for cluster in (self.active, self.spare) if cluster is not None)


@contextlib.contextmanager
def small_disk() -> Iterator[SmallDisk | None]:
    """A disk that can be filled, where this process may mount one."""
    try:
        disk = SmallDisk(DISK_MB)
    except OSError:
        yield None
        return
    with disk:
        yield disk
