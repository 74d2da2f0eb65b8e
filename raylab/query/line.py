"""The line in which queries of a node wait: a few run at once, whoever asks, over `ray://` or on the node itself.

A place is a file that is locked. The system unlocks it when the process that holds it ends, however that goes.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from raylab.query.limits import AT_ONCE

LOOK_S = 0.05
"""How often somebody in line looks for a place."""


@contextmanager
def place(is_over: Callable[[], bool], folder: Path | None = None, places: int = AT_ONCE) -> Iterator[bool]:
    """Hold one of the places; wait for one before.

    Args:
        is_over: whether nobody wants it any more.
        folder: with the files of the places; one for each user of the node if None.
        places: how many there are.

    Yields:
        Whether it is held; if not, nobody wants it any more.
    """
    held = None
    try:
        while held is None and not is_over():
            held = _free(folder or _folder(), places)
            if held is None:
                time.sleep(LOOK_S)
        yield held is not None
    finally:
        if held is not None:
            os.close(held)


def _folder() -> Path:
    return Path(tempfile.gettempdir()) / f"raylab-queries-{os.getuid()}"


def _free(folder: Path, places: int) -> int | None:
    """A place that nobody holds, held from now on."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for number in range(places):
        file = os.open(folder / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
        else:
            return file
    return None
