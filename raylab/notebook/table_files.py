"""Listing: the files of a table that are in force, for anyone, while its writer goes on.

Promises: a list is a prefix of the table without gap, whatever the writer seals and deletes meanwhile; what is damaged
or missing is named. Must never write.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import pyarrow as pa

from raylab.errors import NotebookDamaged
from raylab.notebook.file import OPENING, PART, WAY_OUT, FileInfo, Loaded, damaged, ends_bytes, header_of_ends, load
from raylab.notebook.store import Reader

T = TypeVar("T")

# A listing that a seal overtook is made again. What still has a gap after so many is damaged.
TRIES = 5
PAUSE_S = 0.02

FILE_NAME = re.compile(r"\d{12}\.arrow")

# At either end of a file, what it says about itself: seldom more than this.
END_BYTES = 2**15

# Hashing is all that they do, and it leaves the interpreter to others.
THREADS = 4

Start: TypeAlias = tuple[int, int] | None
"""The commit and the `_seq` with which the first file listed has to begin; None for whatever it says."""


@dataclass(slots=True)
class Known:
    """What earlier listings of a table fetched: none of it is fetched again."""

    files: dict[str, Loaded] = field(default_factory=dict)
    headers: dict[str, FileInfo] = field(default_factory=dict)
    """Parts whose rows nobody wanted."""


def listing(reader: Reader, folder: str, known: Known | None = None, since: int = 0) -> list[Loaded]:
    """The files in force that are there for their rows, in order: parts, then the journal above them.

    Args:
        reader: Whoever gives names and bytes.
        folder: The table's folder.
        known: What earlier calls fetched, brought up to date by this one.
        since: Only the files with rows from this `_seq` on, and perhaps some before.

    Returns:
        A prefix of the table without gap, whatever its writer is doing meanwhile; of it what `since` leaves.

    Raises:
        NotebookDamaged: A file is not what was written, or numbers are missing; the message names them.
    """
    known = known or Known()
    found = _settled(lambda: _listed(reader, folder, known, since), lambda file: file.info, folder)
    return [file for file in found if file.info.kind != OPENING]


def _listed(reader: Reader, folder: str, known: Known, since: int) -> tuple[Start, list[Loaded]]:
    journal, parts = file_names(reader, folder)
    paths = [f"{folder}/{name}" for name in parts]
    below = _below(reader, paths, known, since)
    found = _fetched(reader, paths[paths.index(below.path) + 1 if below else 0 :], known)
    last = found[-1].info if found else below
    above = [f"{folder}/journal/{name}" for name in journal if last is None or file_number(name) > last.last]
    tail, whole = _newest(reader, above, known, since)
    there = {*paths, *above}
    known.files = {path: file for path, file in known.files.items() if path in there}
    if not whole:
        return None, tail
    return (1, 0) if below is None else (below.last + 1, below.stop), found + tail


def _below(reader: Reader, parts: list[str], known: Known, since: int) -> FileInfo | None:
    """The newest of the parts that end below `since`; those before it do so, too."""
    for path in reversed(parts) if since else ():
        if path in known.files:
            info = known.files[path].info
        else:
            info = known.headers[path] = known.headers.get(path) or file_header(reader, path)
        if info.stop <= since:
            return info
    return None


def _newest(reader: Reader, journal: list[str], known: Known, since: int) -> tuple[list[Loaded], bool]:
    """The last of these files, back to the one that holds the row `since`, and whether this is all of them."""
    count = 1 if since else len(journal)
    found: list[Loaded] = []
    while journal:
        some = _fetched(reader, journal[-count:], known)
        found, journal, count = some + found, journal[:-count], 2 * count
        if any(file.info.kind != OPENING and file.info.seq <= since for file in some):
            break
    return found, not journal


def _fetched(reader: Reader, paths: list[str], known: Known) -> list[Loaded]:
    """These files, verified in other threads while the next are fetched: hashing takes as long as fetching."""
    missing = [path for path in paths if path not in known.files]
    if missing:
        with ThreadPoolExecutor(THREADS) as pool:
            known.files |= zip(missing, pool.map(load, reader.get_many(missing), missing), strict=True)
    return [known.files[path] for path in paths]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A table as it stood at one moment. Its rows are there whatever its writer does since: parts stay, and the
    journal's files, which a seal deletes, are held: some 32 MB at most.

    Attributes:
        files: parts and data commits, in order.
    """

    files: list[FileInfo]
    _reader: Reader
    _held: dict[str, Loaded]

    def tables(self, files: Iterable[FileInfo]) -> Iterator[pa.Table]:
        """The rows of some of the files, each read and verified when its turn comes.

        Raises:
            NotebookDamaged: a file is not what was written, or gone.
        """
        for info in files:
            if (held := self._held.get(info.path)) is None:
                try:
                    held = load(self._reader.get(info.path), info.path)
                except FileNotFoundError:
                    raise damaged(info.path, "it is gone") from None
            yield held.table


def snapshot(reader: Reader, folder: str) -> Snapshot:
    """A table as it stands now; of its rows only the journal's are read.

    Raises:
        NotebookDamaged: as `listing`.
    """
    held: dict[str, Loaded] = {}

    def once() -> tuple[Start, list[FileInfo]]:
        held.clear()
        return (1, 0), _in_force(reader, folder, held)

    files = _settled(once, lambda info: info, folder)
    return Snapshot([info for info in files if info.kind != OPENING], reader, held)


def infos(store: Reader, folder: str) -> list[FileInfo]:
    """Parts and data commits in force, in order, without taking the table over or reading the parts' rows.

    Raises:
        NotebookDamaged: A journal file is not what was written, or numbers are missing.
    """
    return [info for info in in_force(store, folder) if info.kind != OPENING]


def in_force(store: Reader, folder: str) -> list[FileInfo]:
    """As `infos`, with the openings above the last part."""
    return _settled(lambda: ((1, 0), _in_force(store, folder)), lambda info: info, folder)


def _in_force(store: Reader, folder: str, held: dict[str, Loaded] | None = None) -> list[FileInfo]:
    """Parts by what they say, journal files above them read wholly, verified, and held where somebody wants that."""
    journal, parts = file_names(store, folder)
    files = [file_header(store, f"{folder}/{name}") for name in parts]
    last = files[-1].last if files else 0
    paths = [f"{folder}/journal/{name}" for name in journal if file_number(name) > last]
    for path in paths:
        loaded = load(store.get(path), path)
        files.append(loaded.info)
        if held is not None:
            held[path] = loaded
    return files


def file_header(reader: Reader, path: str) -> FileInfo:
    """What a file says about itself, unverified."""
    (begin, end), size = reader.pieces(path, (0, END_BYTES), (-END_BYTES, END_BYTES))
    if (needed := ends_bytes(begin, end)) > END_BYTES:
        (begin, end), size = reader.pieces(path, (0, needed), (-needed, needed))
    return header_of_ends(begin, end, size, path)


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


def openings(reader: Reader, folder: str) -> list[FileInfo]:
    """All openings of a table, in order: one for each writer that it has had."""
    journal, _ = file_names(reader, folder)
    found = []
    for name in journal:
        with suppress(FileNotFoundError):  # sealed meanwhile, so it was no opening
            found.append(load(reader.get(f"{folder}/journal/{name}"), name).info)
    return [info for info in found if info.kind == OPENING]


def file_names(reader: Reader, folder: str) -> tuple[list[str], list[str]]:
    """The journal's file names, and then the parts': in this order a seal leaves no gap."""
    journal, parts = (
        [name for name in reader.names(each) if FILE_NAME.fullmatch(name)] for each in (f"{folder}/journal", folder)
    )
    return journal, parts


def last_number(reader: Reader, folder: str) -> int:
    """The number of a table's newest commit; 0 if there is none."""
    journal, parts = file_names(reader, folder)
    numbers = [file_number(name) for name in journal[-1:]]
    numbers += [file_header(reader, f"{folder}/{name}").last for name in parts[-1:]]
    return max(numbers, default=0)


def ends(reader: Reader, folder: str) -> tuple[int, int]:
    """The highest numbers in the journal and in the parts, as far as can be told where files are damaged or missing."""
    journal, parts = file_names(reader, folder)
    covered = file_number(parts[-1]) if parts else 0
    if parts:
        with suppress(FileNotFoundError, NotebookDamaged):
            covered = file_header(reader, f"{folder}/{parts[-1]}").last
    return file_number(journal[-1]) if journal else 0, covered


def file_number(name: str) -> int:
    """The commit that a file's name begins with."""
    return int(name[:12])


def _settled(once: Callable[[], tuple[Start, list[T]]], info: Callable[[T], FileInfo], folder: str) -> list[T]:
    """What `once` lists, as soon as it has no gap: a seal may delete files while they are being listed."""
    trouble: str | None = None
    for attempt in range(TRIES):
        time.sleep(attempt * PAUSE_S)
        try:
            start, files = once()
        except FileNotFoundError as error:
            trouble = f"{error.filename} was listed, but is not there"
            continue
        trouble = _trouble(list(map(info, files)), start)
        if trouble is None:
            return files
    raise NotebookDamaged(f"{folder} is damaged: {trouble}. Nothing of it was used; {WAY_OUT}")


def _trouble(files: Sequence[FileInfo], start: Start) -> str | None:
    """What is wrong with the order of these files: numbers and `_seq` run on without gap from the start."""
    if start is None:
        start = files[0].first, next(info.seq for info in files if info.kind != OPENING)
    number, seq = start
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
