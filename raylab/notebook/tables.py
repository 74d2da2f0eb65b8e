"""A notebook's tables for readers, each read as far as it is new."""

from __future__ import annotations

from collections.abc import Sequence

from raylab.notebook.file import Loaded
from raylab.notebook.store import Reader
from raylab.notebook.table_files import Known, listing


class Tables:
    """A notebook's tables, read through any reader. What cannot change is kept, so asking again reads what is new."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: dict[str, Known] = {}

    def of(self, folder: str, since: int = 0) -> list[Loaded]:
        """The files of a table in force, as `listing` has them."""
        return listing(self._reader, folder, self._known.setdefault(folder, Known()), since)


def joined(known: Sequence[Loaded], new: Sequence[Loaded]) -> list[Loaded]:
    """The files of a table, of those that were read earlier and those that have what came since; a part that was sealed
    meanwhile stands for the commits in it."""
    if not new:
        return list(known)
    return [*(file for file in known if file.info.stop <= new[0].info.seq), *new]
