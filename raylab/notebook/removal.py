"""Deleting a sweep's files for good, once the requests say durably that it was removed.

Promises: before the first file goes, an opening stands above all others that says so, for ever. So no writer goes on
with the table, a reader meets a gap as soon as a file is gone, and a lost request does not bring a sweep back. All
openings stay: each is the fence of the writer before it. Cut anywhere, it can be done again, by anybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from raylab.core.request import Removed
from raylab.errors import NotebookDamaged
from raylab.notebook import layout
from raylab.notebook.file import OPENING, FileInfo, glimpse
from raylab.notebook.store import Store
from raylab.notebook.table import Table
from raylab.notebook.table_files import ends, file_header, file_names

__all__ = ["REMOVED", "clear"]

REMOVED = "removed"
"""Under which name the last opening of a table repeats the request by which its sweep was removed."""

AT_ONCE = 500
"""How many files one call deletes: 0.1 ms to see what a file is and as long to delete it, times 500, is 0.1 s."""


def clear(store: Store, removed: Removed, writer: Mapping[str, str]) -> bool:
    """Delete a removed sweep's tables but for their openings, the oldest files first, as far as one call goes.

    Args:
        store: the notebook.
        removed: the sweep.
        writer: who deletes.

    Returns:
        Whether nothing is left.

    Raises:
        OSError: the disk refuses; the same call goes on.
    """
    said, logs = removed.request().plain(), layout.log_folder(removed.folder)
    return _clear(store, removed.folder, writer, said) and (
        not any(file_names(store, logs)) or _clear(store, logs, writer, said)
    )


def _clear(store: Store, folder: str, writer: Mapping[str, str], said: Mapping[str, Any]) -> bool:
    if not (ended := _is_ended(store, folder)):
        Table(store, folder, writer).end({REMOVED: said})
    paths = list(islice(_deletable(store, folder), AT_ONCE))
    if paths and ended:
        store.settle(f"{folder}/journal")  # whoever ended it may have died before that was durable
    for path in paths:
        store.remove(path)
    for each in (f"{folder}/journal", folder) if paths else ():
        store.settle(each)
    return not paths


def _is_ended(store: Store, folder: str) -> bool:
    """Whether the last word about a table is that it was removed."""
    last, covered = ends(store, folder)
    if last <= covered:
        return False
    info = _header(store, f"{folder}/journal/{last:012d}.arrow")
    return info is not None and info.kind == OPENING and REMOVED in info.meta


def _deletable(store: Store, folder: str) -> Iterator[str]:
    """The files with rows, the oldest first: those of parts are older than those of the journal."""
    journal, parts = file_names(store, folder)
    yield from (f"{folder}/{name}" for name in parts)
    for name in journal:
        info = _header(store, path := f"{folder}/journal/{name}")
        if info is None or info.kind != OPENING:
            yield path


def _header(store: Store, path: str) -> FileInfo | None:
    """What a file says of itself, as far as it can be told; nobody asks for more of one that is to be deleted."""
    try:
        return file_header(store, path)
    except FileNotFoundError:  # somebody else was quicker
        return None
    except NotebookDamaged:
        return glimpse(store.get(path), path)
