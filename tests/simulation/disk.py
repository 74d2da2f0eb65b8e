"""The disk under a simulated lab: it fails for a while, and every operation may be the last."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from io import IOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raylab.notebook.posix import SystemCalls
from simulation.errors import Killed

if TYPE_CHECKING:
    from simulation.process import Process


SICKNESS = {errno.ENOSPC: frozenset({"mkdir", "create", "write", "link"}), errno.EROFS: None, errno.EIO: None}


READS = frozenset({"listdir", "read", "open"})


@dataclass
class Disk:
    """The one that all labs of a life write to."""

    sick: int = 0  # an errno
    reads_too: bool = False
    chance: float = 1.0
    since: float = 0.0

    def refuses(self, name: str, rng: random.Random) -> bool:
        if not self.sick or (name in READS and not self.reads_too):
            return False
        only = SICKNESS[self.sick]
        return (only is None or name in only) and rng.random() < self.chance


class LabFiles(SystemCalls):
    """A disk as one process sees it."""

    def __init__(self, process: Process) -> None:
        self.process = process

    def _do(self, name: str, act: Callable[..., Any], *args: Any) -> Any:
        process, life = self.process, self.process.life
        life.counts["file operations"] += 1
        if not process.alive:
            if name == "close":
                act(*args)
            raise Killed
        if process.kill_in is not None:
            process.kill_in -= 1
            if process.kill_in < 0:
                if life.rng.random() < 0.5 and name not in READS:
                    self._half_do(name, act, *args)
                elif name == "close":
                    act(*args)
                life.counts["kill at a file operation"] += 1
                process.kill()
                raise Killed
        if life.rng.random() < life.mixing:
            life.loop.interleave()
        if name != "close" and life.disk.refuses(name, life.rng):
            life.counts["disk errors"] += 1
            if name not in READS and life.rng.random() < 0.5:
                self._half_do(name, act, *args)
            raise OSError(life.disk.sick, f"injected at {name}")
        return act(*args)

    def _half_do(self, name: str, act: Callable[..., Any], *args: Any) -> None:
        if name == "write":
            act(args[0], args[1][: len(args[1]) // 2])
        elif name == "create":
            os.close(act(*args))
        else:
            act(*args)

    def mkdir(self, path: Path) -> None:
        self._do("mkdir", super().mkdir, path)

    def listdir(self, path: Path) -> list[str]:
        names: list[str] = self._do("listdir", super().listdir, path)
        return names

    def create(self, path: Path) -> int:
        fd: int = self._do("create", super().create, path)
        return fd

    def write(self, fd: int, data: bytes) -> None:
        self._do("write", super().write, fd, data)

    def sync(self, fd: int) -> None:
        self._do("sync", lambda: None)

    def close(self, fd: int) -> None:
        self._do("close", super().close, fd)

    def link(self, source: Path, target: Path) -> None:
        self._do("link", super().link, source, target)

    def rename(self, source: Path, target: Path) -> None:
        self._do("rename", super().rename, source, target)

    def unlink(self, path: Path) -> None:
        self._do("unlink", super().unlink, path)

    def sync_folder(self, path: Path) -> None:
        self._do("sync_folder", lambda: None)

    def read(self, path: Path) -> bytes:
        data: bytes = self._do("read", super().read, path)
        return data

    def open(self, path: Path) -> IOBase:
        file: IOBase = self._do("open", super().open, path)
        return file
