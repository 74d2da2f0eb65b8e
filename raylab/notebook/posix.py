"""A folder as the place of a notebook: immutable files, written by one primitive, put-if-absent.

Promises: a file becomes visible whole or not at all, under a name that nobody else got. Once `put` has
returned True the file and its name survive a power loss. Any error before that leaves at worst a file in
`tmp/`, and the same call can simply be made again. Folders are made as they are needed, for their owner alone.

Must never overwrite, rename over or append to a file, nor trust a lock. A notebook's files come out of a folder of its
own, and go there: without that folder no writer of it does anything any more. Knows nothing of what it stores.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
from collections.abc import Iterable, Iterator
from io import IOBase
from pathlib import Path, PurePosixPath
from uuid import uuid4

from raylab.errors import NameRefused
from raylab.notebook.store import Span

__all__ = ["PosixStore", "SystemCalls", "make_folder"]

log = logging.getLogger(__name__)

# Half-written files lie apart: readers glob `**/*.arrow` and polars refuses a folder with other files in it.
TMP = "tmp"

# What file systems without hard links say to a link. All else is a trouble of this moment.
NO_LINKS = frozenset(
    {errno.EPERM, errno.EACCES, errno.EXDEV, errno.EMLINK, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
)


class SystemCalls:
    """The few POSIX operations a store uses, one thin method each: the seam at which tests let them fail."""

    def mkdir(self, path: Path) -> None:
        os.mkdir(path, 0o700)  # noqa: PTH102  (Path.mkdir would swallow what the caller must know)

    def listdir(self, path: Path) -> list[str]:
        """The names of the plain files in a folder, and of its folders with a `/`, in no order."""
        with os.scandir(path) as entries:
            return [
                entry.name if is_file else f"{entry.name}/"
                for entry in entries
                if (is_file := entry.is_file(follow_symlinks=False)) or entry.is_dir(follow_symlinks=False)
            ]

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

    def rename(self, source: Path, target: Path) -> None:
        os.rename(source, target)  # noqa: PTH104

    def unlink(self, path: Path) -> None:
        os.unlink(path)  # noqa: PTH108

    def rmdir(self, path: Path) -> None:
        os.rmdir(path)  # noqa: PTH106

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


class PosixStore:
    """The files below one folder.

    Example:
        >>> import tempfile
        >>> store = PosixStore(tempfile.mkdtemp())
        >>> store.put("a/1", b"mine", b"mine"), store.put("a/1", b"yours", b"yours")
        (True, False)
        >>> store.get("a/1"), store.names("a")
        (b'mine', ['1'])
    """

    def __init__(self, place: str | os.PathLike[str], calls: SystemCalls | None = None) -> None:
        self.place = os.fspath(place)
        self.calls = SystemCalls() if calls is None else calls
        self._root = Path(place)
        self._tmp = TMP  # a notebook's own, once it has one
        self._made: set[str] = set()  # folders that are there, durably
        self._writing: set[str] = set()  # our temporary files of this moment, which `ready` must leave alone
        self._left: set[Path] = set()  # those that could not be removed

    def path(self, path: str) -> Path:
        """Where a file lies.

        Raises:
            NameRefused: the path leads out of the store. (Paths come from clients, too.)
        """
        if ".." in path.split("/") or path.startswith("/") or "\0" in path:
            raise NameRefused(f"{path!r} is no path inside the notebook {self.place}: give one relative to it")
        return self._root / path

    # reading ----------------------------------------------------------------------------------------------------

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(self.calls.listdir(self.path(folder)))
        except FileNotFoundError:
            return []

    def get(self, path: str) -> bytes:
        with _stale_is_gone(path):
            return self.calls.read(self.path(path))

    def get_many(self, paths: Iterable[str]) -> Iterable[bytes]:
        return map(self.get, paths)

    def pieces(self, path: str, *spans: Span) -> tuple[list[bytes], int]:
        with _stale_is_gone(path), self.calls.open(self.path(path)) as file:
            size = file.seek(0, os.SEEK_END)
            found = []
            for start, length in spans:
                file.seek(start if start >= 0 else max(0, size + start))
                found.append(file.read(length))
            return found, size

    # writing ----------------------------------------------------------------------------------------------------

    def put(self, path: str, data: bytes | memoryview, ident: bytes) -> bool:
        target, temp = self.path(path), self._root / self._tmp / uuid4().hex
        self._make_ready(str(PurePosixPath(path).parent))
        self._writing.add(temp.name)
        try:
            self._write(temp, data)
            try:
                self.calls.link(temp, target)
            except FileExistsError:
                if ident not in self.calls.read(target):
                    return False
            self.calls.sync_folder(target.parent)
            return True
        finally:
            self._discard(temp)

    def remove(self, path: str) -> None:
        """By way of the notebook's own folder, once there is one: who is disowned removes nothing of the next one."""
        with contextlib.suppress(FileNotFoundError):
            if self._tmp == TMP:
                self.calls.unlink(self.path(path))
            else:
                self._take_away(self.path(path))

    def _take_away(self, path: Path) -> None:
        temp = self._root / self._tmp / uuid4().hex
        self._writing.add(temp.name)
        try:
            self.calls.rename(path, temp)
        finally:
            self._discard(temp)

    def settle(self, folder: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.calls.sync_folder(self.path(folder))

    def ready(self, *, new: bool = False, owner: str = "") -> None:
        self._tmp = TMP
        self._made.clear()
        self._make_ready(".")
        if new:
            self._check_private()
            self._probe()
        own = f"{TMP}/{owner}" if owner else TMP
        self._make_ready(own)
        self._tmp = own
        self.settle("")  # whoever put something there may have died before its name was durable
        for folder in {TMP, own}:
            for name in self.names(folder):  # a living writer elsewhere only has to try again
                if name not in self._writing and not name.endswith("/"):
                    with contextlib.suppress(FileNotFoundError):
                        self.calls.unlink(self.path(f"{folder}/{name}"))

    def disown(self, owner: str) -> None:
        """What is put comes out of the notebook's own folder, what is removed goes into it: not without the folder."""
        folder = f"{TMP}/{owner}"
        while names := self.names(folder):
            for name in names:
                self.remove(f"{folder}/{name}")
        self.drop(folder)

    def drop(self, folder: str) -> None:
        self._made.clear()
        with contextlib.suppress(FileNotFoundError):
            try:
                self.calls.rmdir(self.path(folder))
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise

    def _make_ready(self, folder: str) -> None:
        """A folder and those above it, durably; each is looked at once."""
        if folder in self._made:
            return
        if self._tmp == TMP:  # else the notebook is there; if it was deleted, its folder does not come back
            make_folder(self._root, self.calls)
        at = PurePosixPath()
        for part in self.path(folder).relative_to(self._root).parts:
            at /= part
            if str(at) not in self._made:
                _make(self._root / at, self.calls)
                self._made.add(str(at))
        self._made.add(folder)

    def _check_private(self) -> None:
        """Workers load pickles from the notebook: who can replace its files runs code as the cluster's user."""
        mode = self.calls.mode(self._root)
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise NameRefused(
                f"everybody may write in {self.place}, so everybody could change a notebook in it and the code that "
                f"is kept there: run `chmod o-w {self.place}`, or give another folder"
            )

    def _probe(self) -> None:
        """Check that the file system has what the fence rests on: a link never replaces an existing name."""
        self._make_ready(TMP)
        names = [uuid4().hex for _ in range(2)]
        self._writing.update(names)
        one, two = (self._root / TMP / name for name in names)
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
                self.calls.link(one, two)
            except FileExistsError:
                self.calls.unlink(two)
                with contextlib.suppress(FileExistsError):  # nobody else knows the name, so it was made twice
                    self.calls.link(one, two)
            else:
                raise NameRefused(_no_links(self.place, "a link replaced a file that was there"))
        except OSError as error:
            if error.errno in NO_LINKS:
                raise NameRefused(_no_links(self.place, str(error))) from error
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
            self.calls.write(fd, data)
            self.calls.sync(fd)
        finally:
            # Its error counts as well: over NFS a full disk shows here.
            self.calls.close(fd)

    def _create(self, path: Path) -> int:
        try:
            return self.calls.create(path)
        except FileNotFoundError:  # a copied notebook may have lost its empty folders
            if self._tmp != TMP:
                raise
            with contextlib.suppress(FileExistsError):
                self.calls.mkdir(path.parent)
            return self.calls.create(path)

    def _discard(self, temp: Path) -> None:
        """Remove our temporary file, and those that could not be removed before. A failure must not hide how the
        put went; the next put tries again, the next opening cleans."""
        if temp.name in self._writing:
            self._left.add(temp)
            self._writing.discard(temp.name)
        for path in tuple(self._left):
            try:
                with contextlib.suppress(FileNotFoundError):
                    self.calls.unlink(path)
            except OSError as error:
                log.warning("cannot remove the temporary file %s: %s", path, error)
                return
            self._left.discard(path)


def make_folder(folder: Path, calls: SystemCalls | None = None) -> None:
    """Make a folder and those above it, durably, for their owner alone; those that are there are fine."""
    calls = calls or SystemCalls()
    for missing in reversed([folder, *folder.parents]):
        if not missing.exists():
            _make(missing, calls)
    # The folder may be there from an attempt that did not come as far as this.
    with contextlib.suppress(PermissionError):
        calls.sync_folder(folder.parent)


def _make(folder: Path, calls: SystemCalls) -> None:
    """One folder, durably; also one that an attempt made which ended before it was durable."""
    try:
        calls.mkdir(folder)
    except FileExistsError:
        if not folder.is_dir():
            raise NameRefused(
                f"{folder} is a file, where the notebook needs a folder: move it away or choose another"
            ) from None
    calls.sync_folder(folder.parent)


@contextlib.contextmanager
def _stale_is_gone(path: str) -> Iterator[None]:
    """Over NFS a file deleted by another machine may answer ESTALE; it is simply gone."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ESTALE:
            raise FileNotFoundError(errno.ENOENT, "deleted by another machine", path) from error
        raise


def _no_links(place: str, what: str) -> str:
    return (
        f"a notebook cannot lie in {place}: its file system lacks hard links that fail on an existing "
        f"name ({what}). Choose a folder on a local disk or on NFS"
    )
