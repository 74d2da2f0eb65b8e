"""Listing: the files of a table that are in force, for anyone, while its writer goes on.

Promises: a list is a prefix of the table without gap, whatever the writer seals and deletes meanwhile; what is damaged
or missing is named. Must never write.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from raylab.errors import NotebookDamaged
from raylab.notebook.file import OPENING, FileInfo, Loaded, header, load
from raylab.notebook.store import Reader, Store

__all__ = ["file_header", "file_names", "file_number", "in_force", "infos", "last_opening", "listing"]

T = TypeVar("T")

# A listing that a seal overtook is made again. What still has a gap after so many is damaged.
TRIES = 5
PAUSE_S = 0.02

FILE_NAME = re.compile(r"\d{12}\.arrow")


def listing(reader: Reader, folder: str, known: Mapping[str, Loaded] | None = None) -> list[Loaded]:
    """The files in force, in order: parts, then the journal above them, openings included.

    Args:
        reader: Whoever gives names and bytes.
        folder: The table's folder.
        known: What an earlier call returned, by path. None of it is fetched again.

    Returns:
        A prefix of the table without gap, whatever its writer is doing meanwhile.

    Raises:
        NotebookDamaged: A file is not what was written, or numbers are missing; the message names them.
    """
    known = known or {}

    def fetch(paths: list[str]) -> list[Loaded]:
        missing = [path for path in paths if path not in known]
        got = dict(zip(missing, reader.get_many(missing) if missing else [], strict=True))
        return [known[path] if path in known else load(got[path], path) for path in paths]

    def once() -> list[Loaded]:
        journal, parts = file_names(reader, folder)  # in this order a seal leaves no gap
        loaded = fetch([f"{folder}/{name}" for name in parts])
        last = loaded[-1].info.last if loaded else 0
        return loaded + fetch([f"{folder}/journal/{name}" for name in journal if file_number(name) > last])

    return _settled(once, lambda file: file.info, folder)


def infos(store: Store, folder: str) -> list[FileInfo]:
    """Parts and data commits in force, in order, without taking the table over or reading the parts' rows.

    Raises:
        NotebookDamaged: A journal file is not what was written, or numbers are missing.
    """
    return [info for info in in_force(store, folder) if info.kind != OPENING]


def in_force(store: Store, folder: str) -> list[FileInfo]:
    """As `infos`, with the openings above the last part."""
    return _settled(lambda: _in_force(store, folder), lambda info: info, folder)


def _in_force(store: Store, folder: str) -> list[FileInfo]:
    """Parts by what they say, journal files above them read wholly and verified."""
    journal, parts = file_names(store, folder)
    files = [file_header(store, f"{folder}/{name}") for name in parts]
    last = files[-1].last if files else 0
    paths = [f"{folder}/journal/{name}" for name in journal if file_number(name) > last]
    return files + [load(store.get(path), path).info for path in paths]


def file_header(store: Store, path: str) -> FileInfo:
    """What a file of the store says about itself, unverified."""
    with store.open(path) as file:
        return header(file, path)


def last_opening(reader: Reader, folder: str) -> FileInfo | None:
    """The newest opening of a table, without writing anything; None if nobody ever opened it."""
    journal, _ = file_names(reader, folder)
    for name in reversed(journal):
        path = f"{folder}/journal/{name}"
        try:
            info = load(reader.get(path), path).info
        except FileNotFoundError:  # sealed meanwhile, so it was no opening
            continue
        if info.kind == OPENING:
            return info
    return None


def file_names(reader: Reader, folder: str) -> tuple[list[str], list[str]]:
    """The journal's file names, and then the parts'."""
    journal = [name for name in reader.names(f"{folder}/journal") if FILE_NAME.fullmatch(name)]
    return journal, [name for name in reader.names(folder) if FILE_NAME.fullmatch(name)]


def file_number(name: str) -> int:
    """The commit that a file's name begins with."""
    return int(name[:12])


def _settled(once: Callable[[], list[T]], info: Callable[[T], FileInfo], folder: str) -> list[T]:
    """What `once` lists, as soon as it has no gap: a seal may delete files while they are being listed."""
    trouble: str | None = None
    for attempt in range(TRIES):
        time.sleep(attempt * PAUSE_S)
        try:
            files = once()
        except FileNotFoundError as error:
            trouble = f"{error.filename} was listed, but is not there"
            continue
        trouble = _trouble(map(info, files))
        if trouble is None:
            return files
    raise NotebookDamaged(
        f"{folder} is damaged: {trouble}. Nothing of it was used; put back the missing files from a copy"
    )


def _trouble(files: Iterable[FileInfo]) -> str | None:
    """What is wrong with the order of these files: numbers and `_seq` run on without gap from 1 and 0."""
    number, seq = 1, 0
    for info in files:
        if info.first != file_number(info.path[-18:]) or info.last < info.first:
            return f"{info.path} holds commits {info.first} to {info.last}, which is not what its name says"
        if info.first > number:
            return f"commits {number} to {info.first - 1} are missing before {info.path}"
        if info.first < number:
            return f"{info.path} begins with commit {info.first}, but those below {number} are in earlier files"
        if info.kind != OPENING and info.seq != seq:
            return f"{info.path} begins with row {info.seq}, where row {seq} is expected"
        number, seq = info.last + 1, seq + info.rows
    return None
