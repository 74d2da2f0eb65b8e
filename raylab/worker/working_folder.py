"""Where a trial runs: in a folder of its sweep and process, if files came with the experiment.

The folder holds copies of these files at their relative paths, can be written to, and is not kept: it goes with the
sweep, with the process, or, where the process had no time to clean up, when the next one makes its own. Whether a
folder's process is there a lock tells that the system takes back; process ids mean nothing to another container.
Never touches a folder that another user can write to.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path


def private_folder(what: str) -> Path:
    """A folder of this user on this node, which nobody else can have put anything into."""
    folder = Path(tempfile.gettempdir()) / f"raylab-{what}-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
        return folder
    return Path(tempfile.mkdtemp(prefix=f"raylab-{what}-"))


@contextlib.contextmanager
def back_again() -> Iterator[None]:
    """Afterwards the process is in the folder where it was, whatever was done meanwhile."""
    try:
        before: str | None = os.getcwd()  # noqa: PTH109  (Path.cwd() is the same call and more)
    except OSError:  # somebody removed it
        before = None
    try:
        yield
    finally:
        if before is not None:
            with contextlib.suppress(OSError):
                os.chdir(before)


class Workplace:
    """The folder of one sweep in this process.

    Args:
        source: where the experiment's zip is unpacked.
        files: which of it trials find in the folder, by relative paths.

    Raises:
        OSError: there is no room for it.
    """

    def __init__(self, source: Path, files: Sequence[str]) -> None:
        self._source = source
        self._files = tuple(files)
        self._pid = os.getpid()
        parent = private_folder("run")
        _clean(parent)
        self.path = Path(tempfile.mkdtemp(prefix=f"{self._pid}-", dir=parent))
        self._lock = _locked(self.path.with_name(f"{self.path.name}.lock"))
        atexit.register(self.remove)
        self._fill()

    def enter(self) -> None:
        """Let the process be in it."""
        try:
            os.chdir(self.path)
        except FileNotFoundError:  # a trial tidied up too well
            self._fill()
            os.chdir(self.path)

    def remove(self) -> None:
        """It is needed no more."""
        if os.getpid() != self._pid:  # a child that a trial forked
            return
        atexit.unregister(self.remove)
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.with_name(f"{self.path.name}.lock").unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            os.close(self._lock)

    def _fill(self) -> None:
        for name in self._files:
            origin, target = self._source / name, self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin, target)
            target.chmod(origin.stat().st_mode | stat.S_IRUSR | stat.S_IWUSR)


def _locked(path: Path) -> int:
    """A new file with a lock of this process; by another name first, so that nobody finds it unlocked."""
    new = path.with_suffix(".new")
    number = os.open(new, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(number, fcntl.LOCK_EX)
    new.rename(path)
    return number


def _clean(parent: Path) -> None:
    """Remove the folders of processes that are gone."""
    for lock in parent.glob("*.lock"):
        with contextlib.suppress(OSError):  # somebody else's turn, or a process that is there
            number = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                lock.unlink()
            finally:
                os.close(number)
