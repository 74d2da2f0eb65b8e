"""What a process that died has left of its trials' output: read on its node, and taken away."""

from __future__ import annotations

import fcntl
import os
import re
import time
from contextlib import suppress
from pathlib import Path

from raylab.core.trial_log import END_BYTES, LIMIT_BYTES, text_of

_NAME = re.compile(r"\d+-[0-9a-f]{16}\.log")

KEPT_S = 600.0
"""How long a file stays that no process has any more: a lab asks for it within seconds, or never if it died, too."""


def read(file: int, start: int, end: int) -> str:
    """What stands in a file between two places, as the text of a log."""
    if end - start <= LIMIT_BYTES:
        return text_of(os.pread(file, end - start, start), b"", end - start)
    head, tail = os.pread(file, END_BYTES, start), os.pread(file, END_BYTES, end - END_BYTES)
    return text_of(head, tail, end - start)


def last_words(path: str) -> tuple[int, str]:
    """How much stands in the file that a lease has left, and its text; the file is gone then.

    Raises:
        FileNotFoundError: it is not there, or is no such file.
    """
    place = Path(path)
    if not (_NAME.fullmatch(place.name) and place.parent.name.startswith("raylab-")):
        raise FileNotFoundError(2, "no file of a lease", path)
    file = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        end = os.lseek(file, 0, os.SEEK_END)
        found = end, read(file, 0, end)
    finally:
        os.close(file)
    place.unlink(missing_ok=True)
    return found


def clean(folder: Path) -> None:
    """Remove the files of processes that have been gone for a while."""
    for path in folder.glob("*.log"):
        with suppress(OSError):  # somebody else's turn, or a process that is there
            if time.time() - path.stat().st_mtime < KEPT_S:
                continue
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(file)
