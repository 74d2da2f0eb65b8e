"""A notebook's place, as people write it, and the store behind it."""

from __future__ import annotations

import os
from pathlib import Path

from raylab.notebook.posix import PosixStore
from raylab.notebook.store import Store


def absolute(place: str | os.PathLike[str]) -> str:
    """The place that is meant here and now, for any other process, too."""
    return str(Path(place).expanduser().absolute())


def store_at(place: str) -> Store:
    """Where the files of a place are read and written."""
    return PosixStore(place)
