"""File operations that fail, stop or lose power where a test wants it."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from io import IOBase
from pathlib import Path
from typing import Any

from raylab.notebook.store import Files

Hook = Callable[[int, str], None]


class Faulty(Files):
    """Counts its operations. One of them may fail, before or after it was done; a hook runs before each.

    Args:
        fail_at: The number of the operation that fails, from 0; None for none.
        after: Whether it is carried out all the same (a write: half of it).
        error: What it raises.
        hook: Called before each operation with its number and name.
    """

    def __init__(
        self,
        fail_at: int | None = None,
        *,
        after: bool = False,
        error: type[OSError] | None = None,
        hook: Hook | None = None,
    ) -> None:
        self.fail_at, self.after, self.error, self.hook = fail_at, after, error, hook
        self.count = 0
        self.names: list[str] = []

    def _do(self, name: str, act: Callable[..., Any], *args: Any) -> Any:
        number, self.count = self.count, self.count + 1
        self.names.append(name)
        if self.hook is not None:
            self.hook(number, name)
        if number != self.fail_at:
            return act(*args)
        if self.after:
            if name == "write":
                act(args[0], args[1][: len(args[1]) // 2])
            else:
                act(*args)
        if self.error is not None:
            raise self.error(errno.EEXIST, f"injected at {name}")
        raise OSError(errno.ENOSPC, f"injected at {name}")

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
        self._do("sync", super().sync, fd)

    def close(self, fd: int) -> None:
        self._do("close", super().close, fd)

    def link(self, source: Path, target: Path) -> None:
        self._do("link", super().link, source, target)

    def unlink(self, path: Path) -> None:
        self._do("unlink", super().unlink, path)

    def sync_folder(self, path: Path) -> None:
        self._do("sync_folder", super().sync_folder, path)

    def read(self, path: Path) -> bytes:
        data: bytes = self._do("read", super().read, path)
        return data

    def open(self, path: Path) -> IOBase:
        file: IOBase = self._do("open", super().open, path)
        return file


class Inode:
    """A file's bytes, and those of them that a power loss leaves."""

    def __init__(self) -> None:
        self.data, self.durable = b"", b""

    def after_power_loss(self, rng: random.Random) -> bytes:
        if self.durable == self.data:
            return self.data
        return rng.choice([b"", self.data[: rng.randrange(len(self.data) + 1)], bytes(len(self.data)), self.data])


class PowerLoss(Faulty):
    """Knows what was synced, and can lay out a folder as it might look after the power went.

    Bytes are durable after `sync`, names after `sync_folder`. What was not synced survives or not, at random.
    """

    def __init__(self, root: Path, hook: Hook | None = None) -> None:
        super().__init__(hook=hook)
        self.root = root
        self.now: dict[Path, dict[str, Inode | None]] = {root: {}}  # None: a folder
        self.durable: dict[Path, dict[str, Inode | None]] = {root: {}}
        self.fds: dict[int, Inode] = {}

    def mkdir(self, path: Path) -> None:
        super().mkdir(path)
        self.now[path.parent][path.name] = None
        self.now[path], self.durable[path] = {}, {}

    def create(self, path: Path) -> int:
        fd = super().create(path)
        self.fds[fd] = self.now[path.parent][path.name] = Inode()
        return fd

    def write(self, fd: int, data: bytes) -> None:
        super().write(fd, data)
        self.fds[fd].data += bytes(data)

    def sync(self, fd: int) -> None:
        super().sync(fd)
        self.fds[fd].durable = self.fds[fd].data

    def link(self, source: Path, target: Path) -> None:
        super().link(source, target)
        self.now[target.parent][target.name] = self.now[source.parent][source.name]

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        del self.now[path.parent][path.name]

    def sync_folder(self, path: Path) -> None:
        super().sync_folder(path)
        if path in self.now:
            self.durable[path] = dict(self.now[path])

    def lay_out(self, target: Path, rng: random.Random, folder: Path | None = None) -> None:
        """Write to `target` what a power loss at this moment may leave."""
        folder = self.root if folder is None else folder
        target.mkdir()
        now, durable = self.now[folder], self.durable[folder]
        for name in sorted(now.keys() | durable.keys()):
            certain = name in now and name in durable and now[name] is durable[name]
            if not certain and rng.random() < 0.5:
                continue
            inode = durable[name] if name in durable else now[name]
            if inode is None:
                self.lay_out(target / name, rng, folder / name)
            else:
                (target / name).write_bytes(inode.after_power_loss(rng))
