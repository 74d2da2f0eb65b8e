"""File operations that fail, stop or lose power where a test wants it, and a disk that knows what is durable."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Iterator
from io import IOBase
from pathlib import Path
from typing import Any

from raylab.notebook.posix import SystemCalls

Hook = Callable[[int, str], None]

Image = dict[str, bytes | None]
"""A disk's files by their path on it; None for a folder."""

READING = frozenset({"listdir", "read", "open"})


class Unplugged(SystemCalls):
    """Real files without real syncs: no test pulls the plug of this machine, and a sync takes longer than the rest."""

    def __init__(self) -> None:
        self.opened: set[int] = set()

    def create(self, path: Path) -> int:
        fd = super().create(path)
        self.opened.add(fd)
        return fd

    def close(self, fd: int) -> None:
        self.opened.discard(fd)
        super().close(fd)

    def die(self) -> None:
        """What the system does for a process that was killed."""
        while self.opened:
            os.close(self.opened.pop())

    def sync(self, fd: int) -> None:
        os.fstat(fd)

    def sync_folder(self, path: Path) -> None:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY))


class Faulty(SystemCalls):
    """Counts its operations. Some of them may fail, before or after they were done; a hook runs before each.

    Args:
        fail_at: The number of the operation that fails, from 0; None for none.
        after: Whether it is carried out all the same (a write: half of it; nothing where the disk is read-only).
        error: What it raises, in place of an OSError with `code`.
        code: The number of the error.
        times: How many operations in a row fail.
        every: After how many more operations that happens again; 0 for never.
        only: The one kind of operation that is counted for this; all if empty.
        hook: Called before each operation with its number and name.
        under: Who carries them out.
    """

    def __init__(
        self,
        fail_at: int | None = None,
        *,
        after: bool = False,
        error: type[OSError] | None = None,
        code: int = errno.ENOSPC,
        times: int = 1,
        every: int = 0,
        only: str = "",
        hook: Hook | None = None,
        under: SystemCalls | None = None,
    ) -> None:
        self.fail_at, self.after, self.error, self.hook = fail_at, after, error, hook
        self.code, self.times, self.every, self.only = code, times, every, only
        self.under = Unplugged() if under is None else under
        self.count = 0
        self.names: list[str] = []

    def _fails(self, number: int) -> bool:
        if self.only:
            if self.names[-1] != self.only:
                return False
            number = self.names.count(self.only) - 1
        since = -1 if self.fail_at is None else number - self.fail_at
        return since >= 0 and (since % self.every if self.every else since) < self.times

    def _do(self, name: str, act: Callable[..., Any], *args: Any) -> Any:
        number, self.count = self.count, self.count + 1
        self.names.append(name)
        if self.hook is not None:
            self.hook(number, name)
        if not self._fails(number):
            return act(*args)
        self._half_do(name, act, args)
        if self.error is not None:
            raise self.error(errno.EEXIST, f"injected at {name}")
        raise OSError(self.code, f"injected at {name}")

    def _half_do(self, name: str, act: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """What an operation that fails does nevertheless."""
        if name == "close":  # whatever it says, the number is free again
            act(*args)
        elif name == "sync" and isinstance(self.under, PowerLoss):
            self.under.forget(*args)
        elif not self.after or name in READING or self.code == errno.EROFS:
            return
        elif name == "create":
            self.under.close(act(*args))
        elif name == "write":
            act(args[0], args[1][: len(args[1]) // 2])
        else:
            act(*args)

    def mkdir(self, path: Path) -> None:
        self._do("mkdir", self.under.mkdir, path)

    def listdir(self, path: Path) -> list[str]:
        names: list[str] = self._do("listdir", self.under.listdir, path)
        return names

    def create(self, path: Path) -> int:
        fd: int = self._do("create", self.under.create, path)
        return fd

    def write(self, fd: int, data: bytes) -> None:
        self._do("write", self.under.write, fd, data)

    def sync(self, fd: int) -> None:
        self._do("sync", self.under.sync, fd)

    def close(self, fd: int) -> None:
        self._do("close", self.under.close, fd)

    def link(self, source: Path, target: Path) -> None:
        self._do("link", self.under.link, source, target)

    def rename(self, source: Path, target: Path) -> None:
        self._do("rename", self.under.rename, source, target)

    def unlink(self, path: Path) -> None:
        self._do("unlink", self.under.unlink, path)

    def rmdir(self, path: Path) -> None:
        self._do("rmdir", self.under.rmdir, path)

    def sync_folder(self, path: Path) -> None:
        self._do("sync_folder", self.under.sync_folder, path)

    def read(self, path: Path) -> bytes:
        data: bytes = self._do("read", self.under.read, path)
        return data

    def open(self, path: Path) -> IOBase:
        file: IOBase = self._do("open", self.under.open, path)
        return file


class Inode:
    """A file's bytes, and those of them that a power loss leaves."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = self.durable = data
        self.forgotten = False

    @property
    def safe(self) -> bool:
        return self.durable == self.data

    def after_power_loss(self, rng: random.Random) -> bytes:
        if self.safe:
            return self.data
        return rng.choice([b"", self.data[: rng.randrange(len(self.data) + 1)], bytes(len(self.data)), self.data])


class PowerLoss(Unplugged):
    """Knows what was synced, and says how the disk might look after the power went.

    Bytes are durable after `sync`, names after `sync_folder`. What was not synced survives or not, at random: a name
    is there or not, bytes are whole, cut, zeros or none. After a sync that failed the kernel takes the pages for
    clean, so another sync of the same file says yes and does nothing (PostgreSQL's fsyncgate, 2018). Not in the
    model: a disk that lies, and a folder's sync that fails once and lies the next time.

    Args:
        root: The disk: a folder that exists. What is in it is durable.
        halfway: Called in the middle of each write.
    """

    def __init__(self, root: Path, halfway: Callable[[], None] | None = None) -> None:
        super().__init__()
        self.root, self.halfway = root, halfway
        self.now: dict[Path, dict[str, Inode | None]] = {}  # None: a folder
        self.fds: dict[int, Inode] = {}
        for folder, folders, files in os.walk(root):
            at = Path(folder)
            self.now[at] = dict.fromkeys(folders) | {name: Inode((at / name).read_bytes()) for name in files}
        self.durable = {folder: dict(names) for folder, names in self.now.items()}

    def mkdir(self, path: Path) -> None:
        super().mkdir(path)
        self.now[path.parent][path.name] = None
        self.now[path], self.durable[path] = {}, {}

    def create(self, path: Path) -> int:
        fd = super().create(path)
        self.fds[fd] = self.now[path.parent][path.name] = Inode()
        return fd

    def write(self, fd: int, data: bytes) -> None:
        middle = len(data) // 2
        self._append(fd, data[:middle])
        if self.halfway is not None:
            self.halfway()
        self._append(fd, data[middle:])

    def _append(self, fd: int, data: bytes) -> None:
        super().write(fd, data)
        self.fds[fd].data += data

    def sync(self, fd: int) -> None:
        super().sync(fd)
        if not self.fds[fd].forgotten:
            self.fds[fd].durable = self.fds[fd].data

    def forget(self, fd: int) -> None:
        """A sync failed: what is not durable by now never will be."""
        self.fds[fd].forgotten = True

    def link(self, source: Path, target: Path) -> None:
        super().link(source, target)
        self.now[target.parent][target.name] = self.now[source.parent][source.name]

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self.now[target.parent][target.name] = self.now[source.parent].pop(source.name)

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        del self.now[path.parent][path.name]

    def rmdir(self, path: Path) -> None:
        super().rmdir(path)
        if path.parent in self.now:
            del self.now[path.parent][path.name]

    def sync_folder(self, path: Path) -> None:
        super().sync_folder(path)
        if path in self.now:
            self.durable[path] = dict(self.now[path])

    def is_durable(self, path: Path) -> bool:
        """Whether a file survives whatever happens. (Its folders are another matter.)"""
        inode = self.durable[path.parent].get(path.name)
        return inode is not None and inode is self.now[path.parent].get(path.name) and inode.safe

    def killed(self) -> Image:
        """The disk as it is: a process that dies takes nothing with it."""
        return {
            (folder / name).relative_to(self.root).as_posix(): None if inode is None else inode.data
            for folder, names in self.now.items()
            for name, inode in names.items()
        }

    def lost(self, rng: random.Random, kept: float | None = None) -> Image:
        """The disk as a power loss at this moment may leave it.

        Args:
            rng: The dice.
            kept: How likely a change of a folder survives; now and then as bad, or as good, as can be.
        """
        return dict(self._lost(self.root, rng, rng.choice([0.0, 0.5, 0.5, 1.0]) if kept is None else kept))

    def _lost(self, folder: Path, rng: random.Random, kept: float) -> Iterator[tuple[str, bytes | None]]:
        now, durable = self.now[folder], self.durable[folder]
        for name in sorted(now.keys() | durable.keys()):
            names = now if rng.random() < kept else durable
            if name not in names:
                continue
            inode = names[name]
            yield (folder / name).relative_to(self.root).as_posix(), inode and inode.after_power_loss(rng)
            if inode is None:
                yield from self._lost(folder / name, rng, kept)


def lay_out(image: Image, target: Path) -> None:
    """Make a disk of an image."""
    target.mkdir()
    for path, data in image.items():  # a folder comes before what is in it
        if data is None:
            (target / path).mkdir()
        else:
            (target / path).write_bytes(data)
