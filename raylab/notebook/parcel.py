"""A parcel on its way: files that are put into a new folder, or into a new zip.

Promises: under the parcel's name there is all of it or nothing, whenever this process ends; each file's size and sha256
are taken while it is written. Must never write into what is there already.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from raylab.core.crate import File
from raylab.errors import NameRefused
from raylab.notebook.posix import SystemCalls

ZIP = ".zip"

_SYSTEM = SystemCalls()

_STORED = (".parquet", ".zip", ".pkl")
"""What is compressed already, or would be read as a whole to be opened."""


class Parcel:
    """Takes files, one after the other.

    Args:
        create: opens a new file at a path of the parcel.
    """

    def __init__(self, create: Callable[[str], IO[bytes]]) -> None:
        self._create = create
        self.files: list[File] = []

    @contextmanager
    def open(self, path: str, what: str) -> Iterator[IO[bytes]]:
        """A file to write from its beginning to its end.

        Args:
            path: where, with `/` between the parts.
            what: what it is, in a sentence.
        """
        with self._create(path) as file:
            counted: Any = _Counted(file)
            yield counted
            file.flush()
        self.files.append(File(path=path, what=what, size=counted.tell(), sha256=counted.sha256))

    def put(self, path: str, what: str, data: bytes) -> None:
        """A file that is there as a whole."""
        with self.open(path, what) as file:
            file.write(data)


class _Counted(io.RawIOBase):
    """Passes on what is written, and takes its size and its sha256."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._size = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._file.write(data)
        self._digest.update(data)
        size = memoryview(data).nbytes
        self._size += size
        return size

    def tell(self) -> int:
        return self._size


@contextmanager
def new_parcel(place: Path) -> Iterator[Parcel]:
    """A parcel that is there, under its name, once the block has ended well.

    What is under way lies beside the place, as `.NAME.half`. What a process that was cut has left of it goes first.

    Args:
        place: a folder that is not there yet, or is empty; or a file that is not there yet, whose name ends in .zip.

    Raises:
        NameRefused: something else lies there, or another process is making a parcel there.
    """
    check_new(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    half = place.with_name(f".{place.name}.half")
    make = _zip if place.suffix == ZIP else _folder
    with make(half, place) as parcel:
        yield parcel


def check_new(place: Path) -> None:
    """Refuse a place where something lies, before anything is read for it."""
    if place.suffix != ZIP and place.is_dir() and not any(place.iterdir()):
        return
    if os.path.lexists(place):
        raise NameRefused(
            f"{place} is there already, and a parcel is made once: give another place, or delete it first"
        )


@contextmanager
def _folder(half: Path, place: Path) -> Iterator[Parcel]:
    half.mkdir(exist_ok=True)
    lock = os.open(half, os.O_RDONLY)
    try:
        _lock(lock, place)
        try:
            for left in half.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            yield Parcel(lambda path: io.BufferedWriter(_Durable(half / path)))
            for folder in sorted({file.parent for file in half.rglob("*")}):
                _SYSTEM.sync_folder(folder)
            try:
                half.rename(place)  # over an empty folder, too
            except OSError:
                check_new(place)
                raise
            _SYSTEM.sync_folder(place.parent)
        except BaseException:
            shutil.rmtree(half, ignore_errors=True)
            raise
    finally:
        os.close(lock)


class _Durable(io.FileIO):
    """A new file that is on the disk once it is closed."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(path, "x")

    def close(self) -> None:
        if not self.closed:
            os.fsync(self.fileno())
        super().close()


@contextmanager
def _zip(half: Path, place: Path) -> Iterator[Parcel]:
    with os.fdopen(os.open(half, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
        _lock(file.fileno(), place)
        try:
            file.truncate(0)
            with zipfile.ZipFile(file, "w") as archive:
                yield Parcel(partial(_member, archive))
            file.flush()
            os.fsync(file.fileno())
            _name(half, place)
            _SYSTEM.sync_folder(place.parent)
        finally:
            with suppress(OSError):
                half.unlink()


def _name(half: Path, place: Path) -> None:
    """Give a file its name, unless another one has it by now."""
    try:
        os.link(half, place)
    except OSError:
        check_new(place)
        half.rename(place)  # a stick, or a share, that knows no links


def _member(archive: zipfile.ZipFile, path: str) -> IO[bytes]:
    """A new file of a zip; with its folders, which readers of RO-Crates look for."""
    for folder in reversed(PurePosixPath(path).parents[:-1]):
        if f"{folder}/" not in archive.NameToInfo:
            archive.mkdir(str(folder), 0o755)
    info = zipfile.ZipInfo(path, time.localtime()[:6])
    info.external_attr = 0o644 << 16
    info.compress_type = zipfile.ZIP_STORED if path.endswith(_STORED) else zipfile.ZIP_DEFLATED
    return archive.open(info, "w", force_zip64=True)


def _lock(file: int, place: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise NameRefused(f"another process is making a parcel at {place}; let it end, or give another place") from None
