"""Listing: the files of a table that are in force, for anyone, while its writer goes on.

Promises: a list is a prefix of the table without gap, whatever the writer seals and deletes meanwhile; what is damaged
or missing is named. Must never write.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from raylab.errors import NotebookDamaged
from raylab.notebook.file import OPENING, PART, WAY_OUT, FileInfo, Loaded, header, load
from raylab.notebook.store import Reader, Store

__all__ = [
    "Known",
    "file_header",
    "file_names",
    "file_number",
    "in_force",
    "infos",
    "last_opening",
    "listing",
    "misplaced",
]

T = TypeVar("T")

# A listing that a seal overtook is made again. What still has a gap after so many is damaged.
TRIES = 5
PAUSE_S = 0.02

FILE_NAME = re.compile(r"\d{12}\.arrow")
NOTE_NAME = re.compile(r"repaired-\d+\.txt")


@dataclass(slots=True)
class Known:
    """What earlier listings of a table fetched: none of it is fetched again."""

    files: dict[str, Loaded] = field(default_factory=dict)
    notes: frozenset[str] = frozenset()
    """What repairs left in the folder. Files never change, but a repair puts others in the place of damaged ones."""


def listing(reader: Reader, folder: str, known: Known | None = None) -> list[Loaded]:
    """The files in force, in order: parts, then the journal above them, openings included.

    Args:
        reader: Whoever gives names and bytes.
        folder: The table's folder.
        known: What earlier calls fetched, brought up to date by this one.

    Returns:
        A prefix of the table without gap, whatever its writer is doing meanwhile.

    Raises:
        NotebookDamaged: A file is not what was written, or numbers are missing; the message names them.
    """
    known = known or Known()

    def fetch(paths: list[str]) -> list[Loaded]:
        missing = [path for path in paths if path not in known.files]
        got = dict(zip(missing, reader.get_many(missing) if missing else [], strict=True))
        return [known.files[path] if path in known.files else load(got[path], path) for path in paths]

    def once() -> list[Loaded]:
        journal, parts, notes = _names(reader, folder)
        if notes != known.notes:
            known.files, known.notes = {}, notes
        loaded = fetch([f"{folder}/{name}" for name in parts])
        last = loaded[-1].info.last if loaded else 0
        return loaded + fetch([f"{folder}/journal/{name}" for name in journal if file_number(name) > last])

    files = _settled(once, lambda file: file.info, folder)
    known.files = {loaded.info.path: loaded for loaded in files}
    return files


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
    """The journal's file names, and then the parts': in this order a seal leaves no gap."""
    journal, parts, _ = _names(reader, folder)
    return journal, parts


def _names(reader: Reader, folder: str) -> tuple[list[str], list[str], frozenset[str]]:
    journal = [name for name in reader.names(f"{folder}/journal") if FILE_NAME.fullmatch(name)]
    names = reader.names(folder)
    notes = frozenset(name for name in names if NOTE_NAME.fullmatch(name))
    return journal, [name for name in names if FILE_NAME.fullmatch(name)], notes


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
    raise NotebookDamaged(f"{folder} is damaged: {trouble}. Nothing of it was used; {WAY_OUT}")


def _trouble(files: Iterable[FileInfo]) -> str | None:
    """What is wrong with the order of these files: numbers and `_seq` run on without gap from 1 and 0."""
    number, seq = 1, 0
    for info in files:
        if trouble := misplaced(info):
            return trouble
        if info.first > number:
            return f"commits {number} to {info.first - 1} are missing before {info.path}"
        if info.first < number:
            return f"{info.path} begins with commit {info.first}, but those below {number} are in earlier files"
        if info.kind != OPENING and info.seq != seq:
            return f"{info.path} begins with row {info.seq}, where row {seq} is expected"
        number, seq = info.last + 1, seq if info.kind == OPENING else info.stop
    return None


def misplaced(info: FileInfo) -> str | None:
    """Why a file, whole as it is, is not one that belongs where it lies; None if it is."""
    folder, _, name = info.path.removesuffix(".arrow").rpartition("/")
    in_journal = folder.endswith("/journal")
    if info.first != int(name) or info.last < info.first:
        return f"{info.path} holds commits {info.first} to {info.last}, which is not what its name says"
    if info.table and info.table != folder.removesuffix("/journal"):
        return f"{info.path} was written for {info.table}"
    if in_journal == (info.kind == PART):
        return f"{info.path} is {info.kind!r}, which does not belong there"
    return None
