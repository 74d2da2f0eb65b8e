"""A folder of immutable files, written by one primitive: put-if-absent.

Promises: a file becomes visible whole or not at all, under a name that nobody else got. Once `put` has
returned True the file and its name survive a power loss. Any error before that leaves at worst a file in
`tmp/`, and the same call can simply be made again. Folders are made for their owner alone.

Must never overwrite, rename over or append to a file, nor trust a lock. Knows nothing of what it stores.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import os
from collections.abc import Iterable, Iterator
from io import IOBase
from pathlib import Path, PurePosixPath
from typing import Protocol
from uuid import uuid4

from raylab.errors import NameRefused

__all__ = ["Files", "Reader", "Store"]

log = logging.getLogger(__name__)

# Half-written files lie apart: readers glob `**/*.arrow` and polars refuses a folder with other files in it.
TMP = "tmp"

# What file systems without hard links say to a link. All else is a trouble of this moment.
NO_LINKS = frozenset(
    {errno.EPERM, errno.EACCES, errno.EXDEV, errno.EMLINK, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
)


class Files:
    """The few POSIX operations a store uses, one thin method each: the seam at which tests let them fail."""

    def mkdir(self, path: Path) -> None:
        os.mkdir(path, 0o700)  # noqa: PTH102  (Path.mkdir would swallow what the caller must know)

    def listdir(self, path: Path) -> list[str]:
        """The names of the plain files in a folder, in no order."""
        with os.scandir(path) as entries:
            return [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]

    def folders(self, path: Path) -> list[str]:
        """The names of the folders in a folder, in no order."""
        with os.scandir(path) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]

    def mode(self, path: Path) -> int:
        return path.stat().st_mode

    def create(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, fd: int, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]

    def sync(self, fd: int) -> None:
        os.fsync(fd)

    def close(self, fd: int) -> None:
        os.close(fd)

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target)

    def unlink(self, path: Path) -> None:
        os.unlink(path)  # noqa: PTH108

    def sync_folder(self, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def read(self, path: Path) -> bytes:
        return path.read_bytes()

    def open(self, path: Path) -> IOBase:
        """A file to seek in, for who needs only a little of it."""
        return path.open("rb")


class Reader(Protocol):
    """What reading a notebook takes: here the folder itself, elsewhere the lab that has it."""

    def names(self, folder: str) -> list[str]:
        """The names of the files in a folder, sorted; none if there is no such folder."""
        ...

    def get(self, path: str) -> bytes:
        """A file's bytes; FileNotFoundError if it is not there."""
        ...

    def get_many(self, paths: Iterable[str]) -> Iterable[bytes]:
        """The bytes of several files, one after the other as asked; FileNotFoundError if one is not there."""
        ...

    def ends(self, path: str, count: int) -> tuple[bytes, bytes, int]:
        """The first and the last `count` bytes of a file, and its size; FileNotFoundError if it is not there."""
        ...


class Store:
    """The files below one folder. Paths are relative to it, with `/` between their parts.

    Example:
        >>> import tempfile
        >>> store = Store(Path(tempfile.mkdtemp()))
        >>> store.make_folder("a")
        >>> store.put("a/1", b"mine", b"mine"), store.put("a/1", b"yours", b"yours")
        (True, False)
        >>> store.get("a/1"), store.names("a")
        (b'mine', ['1'])
    """

    def __init__(self, root: Path, files: Files | None = None) -> None:
        self.root = Path(root)
        self.files = Files() if files is None else files
        self._writing: set[str] = set()  # our temporary files of this moment, which `clean_tmp` must leave alone
        self._left: set[Path] = set()  # those that could not be removed

    def path(self, path: str) -> Path:
        """Where a file lies.

        Raises:
            NameRefused: the path leads out of the store. (Paths come from clients, too.)
        """
        if ".." in path.split("/") or path.startswith("/") or "\0" in path:
            raise NameRefused(f"{path!r} is no path inside the notebook {self.root}: give one relative to it")
        return self.root / path

    def names(self, folder: str) -> list[str]:
        """The names of the files in a folder, sorted; none if there is no such folder."""
        try:
            return sorted(self.files.listdir(self.path(folder)))
        except FileNotFoundError:
            return []

    def folders(self, folder: str) -> list[str]:
        """The names of the folders in a folder, sorted; none if there is no such folder."""
        try:
            return sorted(self.files.folders(self.path(folder)))
        except FileNotFoundError:
            return []

    def get(self, path: str) -> bytes:
        """A file's bytes.

        Raises:
            FileNotFoundError: there is no such file.
        """
        with _stale_is_gone(path):
            return self.files.read(self.path(path))

    def get_many(self, paths: Iterable[str]) -> Iterable[bytes]:
        """The bytes of several files, one after the other as asked; FileNotFoundError if one is not there."""
        return map(self.get, paths)

    def ends(self, path: str, count: int) -> tuple[bytes, bytes, int]:
        """The first and the last `count` bytes of a file, and its size; FileNotFoundError if it is not there."""
        with self.open(path) as file:
            begin = file.read(count)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - count))
            return begin, file.read(count), size

    def open(self, path: str) -> IOBase:
        """A file to seek in; FileNotFoundError if it is not there."""
        with _stale_is_gone(path):
            return self.files.open(self.path(path))

    def put(self, path: str, data: bytes | memoryview, ident: bytes) -> bool:
        """Create a file, unless one of this name exists.

        Args:
            path: Where; the folder must exist.
            data: What, wholly.
            ident: Bytes that occur in this data and in no other. A put whose answer was lost looks for it.

        Returns:
            Whether the file that is there now, durably, is this one.

        Raises:
            OSError: Nobody knows whether it is there. The same call again is safe, and decides it.
        """
        target, temp = self.path(path), self.root / TMP / uuid4().hex
        self._writing.add(temp.name)
        try:
            self._write(temp, data)
            try:
                self.files.link(temp, target)
            except FileExistsError:
                if ident not in self.files.read(target):
                    return False
            self.files.sync_folder(target.parent)
            return True
        finally:
            self._discard(temp)

    def remove(self, path: str) -> None:
        """Delete a file; one that is gone already is fine. It may come back after a power loss."""
        with contextlib.suppress(FileNotFoundError):
            self.files.unlink(self.path(path))

    def set_aside(self, path: str, folder: str) -> str:
        """Move a file out of the way, under its path in another folder and a number that is free; the new path.

        Not a `.arrow` any more, so that nobody reads it by accident. After an OSError the same call can be made again.
        """
        source = self.path(path)
        self.make_folder(str(PurePosixPath(folder, path).parent))
        for number in itertools.count(1):
            target = f"{folder}/{path}.{number}"
            try:
                self.files.link(source, self.path(target))
            except FileExistsError:
                if not self.path(target).samefile(source):  # else an attempt came as far as this
                    continue
            break
        self.files.sync_folder(self.path(target).parent)
        self.files.unlink(source)
        self.files.sync_folder(source.parent)
        return target

    def sync_folder(self, folder: str) -> None:
        """Make the names in a folder durable, whoever put them there."""
        self.files.sync_folder(self.path(folder))

    def clean_tmp(self) -> None:
        """Delete what writers that died left half-written. A living one elsewhere only has to try again."""
        for name in self.names(TMP):
            if name not in self._writing:
                self.remove(f"{TMP}/{name}")

    def make_folder(self, path: str = "") -> None:
        """Make a folder and those above it, durably; those that are there are fine."""
        for missing in reversed([self.root, *self.root.parents]):
            if not missing.exists():
                self._make(missing)
        # The root may be there from an attempt that did not come as far as this.
        with contextlib.suppress(PermissionError):
            self.files.sync_folder(self.root.parent)
        folder = self.root
        for part in self.path(path).relative_to(self.root).parts:
            folder = folder / part
            self._make(folder)

    def mode(self) -> int:
        """Who may do what in the store's folder, as `stat` says it."""
        return self.files.mode(self.root)

    def probe(self) -> None:
        """Check that the file system has what the fence rests on: a link never replaces an existing name.

        Raises:
            NameRefused: it has not.
        """
        self.make_folder(TMP)
        names = [uuid4().hex for _ in range(2)]
        self._writing.update(names)
        one, two = (self.root / TMP / name for name in names)
        try:
            for path in (one, two):
                self._write(path, path.name.encode())
            self._probe_link(one, two)
        finally:
            for path in (one, two):
                self._discard(path)

    def _probe_link(self, one: Path, two: Path) -> None:
        """Two files that are there: the name of one must withstand the other, and be free when it is gone."""
        try:
            try:
                self.files.link(one, two)
            except FileExistsError:
                self.files.unlink(two)
                with contextlib.suppress(FileExistsError):  # nobody else knows the name, so it was made twice
                    self.files.link(one, two)
            else:
                raise NameRefused(_no_links(self.root, "a link replaced a file that was there"))
        except OSError as error:
            if error.errno in NO_LINKS:
                raise NameRefused(_no_links(self.root, str(error))) from error
            raise

    def _write(self, temp: Path, data: bytes | memoryview) -> None:
        """A whole, durable file in `tmp/`."""
        try:
            fd = self._create(temp)
        except OSError as error:
            if error.errno == errno.EROFS:  # nothing was made, and trying to remove it would fail for ever
                self._writing.discard(temp.name)
            raise
        try:
            self.files.write(fd, data)
            self.files.sync(fd)
        finally:
            # Its error counts as well: over NFS a full disk shows here.
            self.files.close(fd)

    def _create(self, path: Path) -> int:
        try:
            return self.files.create(path)
        except FileNotFoundError:  # a copied notebook may have lost its empty folders
            with contextlib.suppress(FileExistsError):
                self.files.mkdir(path.parent)
            return self.files.create(path)

    def _discard(self, temp: Path) -> None:
        """Remove our temporary file, and those that could not be removed before. A failure must not hide how the
        put went; the next put tries again, the next opening cleans."""
        if temp.name in self._writing:
            self._left.add(temp)
            self._writing.discard(temp.name)
        for path in tuple(self._left):
            try:
                with contextlib.suppress(FileNotFoundError):
                    self.files.unlink(path)
            except OSError as error:
                log.warning("cannot remove the temporary file %s: %s", path, error)
                return
            self._left.discard(path)

    def _make(self, folder: Path) -> None:
        """One folder, durably; also one that an attempt made which ended before it was durable."""
        try:
            self.files.mkdir(folder)
        except FileExistsError:
            if not folder.is_dir():
                raise NameRefused(
                    f"{folder} is a file, where the notebook needs a folder: move it away or choose another"
                ) from None
        self.files.sync_folder(folder.parent)


@contextlib.contextmanager
def _stale_is_gone(path: str) -> Iterator[None]:
    """Over NFS a file deleted by another machine may answer ESTALE; it is simply gone."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ESTALE:
            raise FileNotFoundError(errno.ENOENT, "deleted by another machine", path) from error
        raise


def _no_links(root: Path, what: str) -> str:
    return (
        f"a notebook cannot lie in {root}: its file system lacks hard links that fail on an existing "
        f"name ({what}). Choose a folder on a local disk or on NFS"
    )
