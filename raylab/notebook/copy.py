"""Copying a notebook: whole files, each checked, into another place; also while its lab works on it and seals.

Promises: a copy that was cut is no notebook and goes on where it was cut; repeated, a copy takes only what is new. At
every moment each table of it is a beginning of the origin's, without gap; of a sweep that was removed, the copy deletes
what it had taken. Must never write into the origin, nor into
a place in which something else lies, nor take a file that is not what was written.

The order has a reason: a lab keeps code, then writes the request, then logs, then rows. A copy takes rows, then logs,
then requests, then code, so that it has the log and the request of each row and the code of each request; it writes the
requests after the code.
"""

from __future__ import annotations

import os
import platform
import sys
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from raylab import __version__
from raylab.core.history import fold
from raylab.core.request import Removed
from raylab.errors import LabNotFound, NameRefused, NotebookDamaged
from raylab.notebook import layout
from raylab.notebook.file import DATA, FileInfo, damaged, load
from raylab.notebook.layout import Identity
from raylab.notebook.removal import clear
from raylab.notebook.store import Reader, Store
from raylab.notebook.table_files import (
    PAUSE_S,
    TRIES,
    file_header,
    file_names,
    file_number,
    in_force,
    last_number,
    last_opening,
    misplaced,
)
from raylab.notebook.verify import requests_of, wanting

__all__ = ["Copying", "begin", "copy", "copy_code", "copy_table", "origin_of"]


@dataclass(slots=True)
class Copying:
    """A copy on its way."""

    source: Reader
    target: Store
    identity: Identity
    """What its `notebook.json` will say."""
    files: int = 0
    """How many were new, and their bytes."""
    size: int = 0

    def put(self, path: str, data: bytes) -> None:
        """Have a file in the copy."""
        if not self.target.put(path, data, data):
            raise _written_on(self.target, path)
        self.files += 1
        self.size += len(data)

    @property
    def by(self) -> dict[str, str]:
        """Who writes."""
        return {
            "user": self.identity.user,
            "host": platform.node(),
            "pid": str(os.getpid()),
            "actor": "raylab copy",
            "raylab": __version__,
        }

    def clear_removed(self) -> None:
        """Delete what was taken of sweeps that were removed, as the origin's lab does."""
        for folder, removed in _removed(self.target).items():
            there = any(map(self.target.names, layout.folders(folder)))
            while there and not clear(self.target, removed, self.by):
                pass

    def finish(self) -> None:
        """Make it a notebook."""
        if layout.NOTEBOOK not in self.target.names(""):
            text = layout.readme(self.identity.name).encode()
            self.target.put(layout.README, text, text)
            self.put(layout.NOTEBOOK, self.identity.dumps())
        self.target.remove(layout.COPYING)


def copy(source: Reader, target: Store) -> Copying:
    """Copy a whole notebook, or what is new of it.

    Args:
        source: the notebook.
        target: where the copy is, or is to be.

    Raises:
        LabNotFound: there is no notebook.
        NameRefused: in the target lies something else, or a lab has gone on with the copy.
        NotebookDamaged: a file is not what was written, or missing; `salvage` is the way then.
        OSError: a disk refuses; the same call goes on.
    """
    copying = begin(source, target, origin_of(source))
    known = _removed(source)
    while True:
        try:
            _take(copying, known)
            break
        except (NotebookDamaged, FileNotFoundError):
            before, known = known, _removed(source)
            if known == before:  # else what is missing may be that of a sweep that was removed meanwhile
                raise
    copying.finish()
    return copying


def _removed(reader: Reader) -> Mapping[str, Removed]:
    """The sweeps that were removed, by folder."""
    return fold(requests_of(reader)).removed


def _take(copying: Copying, removed: Collection[str]) -> None:
    """Take what is new of all but these folders."""
    gone = {each for folder in removed for each in layout.folders(folder)}
    for folder in layout.table_folders(copying.source):
        if folder not in gone:
            copy_table(copying, folder)
    asked = list(_new_files(copying, layout.REQUESTS))
    copy_code(copying)
    _put_files(copying, layout.REQUESTS, asked)
    copying.clear_removed()
    for finding in wanting(copying.target):
        raise damaged(finding.file, finding.what)


def origin_of(source: Reader) -> Identity:
    """What the notebook says of itself."""
    try:
        return Identity.loads(source.get(layout.NOTEBOOK), source.place)
    except FileNotFoundError:
        if f"{layout.REQUESTS}/" in source.names(""):
            raise damaged(f"{source.place}/{layout.NOTEBOOK}", "it is missing") from None
        raise LabNotFound(f"there is no notebook in {source.place}; give a lab's folder") from None


def begin(source: Reader, target: Store, origin: Identity, *, salvaged: bool = False) -> Copying:
    """Begin a copy, or go on with it.

    Raises:
        NameRefused: in the target lies something else, or what is no beginning of this copy any more.
    """
    there = target.names("")
    mark = next((name for name in (layout.NOTEBOOK, layout.COPYING) if name in there), None)
    if mark is None:
        if set(there) - {"tmp/"}:
            raise NameRefused(f"in {target.place} lies something else: give a new folder for the copy")
        identity = replace(
            origin,
            id=uuid.uuid4().hex,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            raylab=__version__,
            origins=(origin.id, *origin.origins),
            salvaged=salvaged,
        )
        target.ready(new=True)
        target.put(layout.COPYING, identity.dumps(), identity.id.encode())
        return Copying(source, target, identity)
    identity = Identity.loads(target.get(mark), target.place)
    if identity.origins[:1] != (origin.id,):
        raise NameRefused(
            f"in {target.place} lies another notebook, which is no copy of {source.place}: give a new folder"
        )
    target.ready()
    if mark == layout.COPYING and identity.salvaged != salvaged:
        identity = replace(identity, salvaged=salvaged)
        target.remove(layout.COPYING)
        target.put(layout.COPYING, identity.dumps(), identity.id.encode())
    elif identity.salvaged or salvaged:
        if mark == layout.NOTEBOOK:
            raise NameRefused(f"{target.place} is a complete copy already: give a new folder for what is whole today")
    else:
        _check_untouched(source, target)
    return Copying(source, target, identity)


def _check_untouched(source: Reader, target: Store) -> None:
    """Every lab that begins opens the requests first: the newest opening in the copy must be one of the origin's."""
    opening = last_opening(target, layout.REQUESTS)
    if opening is None:
        return
    try:
        found = load(source.get(opening.path), opening.path).info
    except FileNotFoundError:
        found = None
    if found is None or found.ident != opening.ident:
        raise _written_on(target, opening.path)


def _written_on(target: Store, path: str) -> NameRefused:
    return NameRefused(
        f"{target.place} was written on since it was copied ({path} is another file): copy into a new folder"
    )


# -- tables


def copy_table(copying: Copying, folder: str) -> None:
    """Take what is new of a table, as it is at this moment or a little later."""
    _put_files(copying, folder, _new_files(copying, folder))


def _put_files(copying: Copying, folder: str, files: Iterable[tuple[FileInfo, bytes]]) -> None:
    before = copying.files
    for info, data in files:
        copying.put(info.path, data)
    if copying.files > before:
        in_force(copying.target, folder)  # what its files say of each other fits
        _drop_covered(copying.target, folder)


def _drop_covered(target: Store, folder: str) -> None:
    """Remove the journal's files whose rows a part has by now, as the origin's lab has done."""
    journal, parts = file_names(target, folder)
    last = file_header(target, f"{folder}/{parts[-1]}").last if parts else 0
    for name in journal:
        path = f"{folder}/journal/{name}"
        if file_number(name) <= last and file_header(target, path).kind == DATA:
            target.remove(path)


def _new_files(copying: Copying, folder: str) -> Iterator[tuple[FileInfo, bytes]]:
    """The files of a table that the copy lacks, in order, so that the copy has no gap whichever of them is its last."""
    have = {*_paths(copying.target, folder)}
    number = last_number(copying.target, folder) + 1
    latest = last_number(copying.source, folder)  # what comes later is for the next time
    for attempt in range(TRIES):
        time.sleep(attempt * PAUSE_S)
        missing = [path for path in _paths(copying.source, folder, latest) if path not in have]
        try:
            for path, data in zip(missing, copying.source.get_many(missing), strict=True):
                info = load(data, path).info
                if trouble := misplaced(info):
                    raise damaged(path, trouble)
                if info.first > number:
                    raise damaged(folder, f"commits {number} to {info.first - 1} are missing before {path}")
                have.add(path)
                if info.kind != DATA or info.last >= number:
                    number = max(number, info.last + 1)
                    yield info, data
        except FileNotFoundError:  # sealed meanwhile: the part has it
            continue
        return
    raise damaged(folder, "files of it are listed, but are not there")


def _paths(reader: Reader, folder: str, latest: int = sys.maxsize) -> list[str]:
    """The files of a table that begin up to this commit, parts first."""
    journal, parts = file_names(reader, folder)
    paths = [f"{folder}/{name}" for name in parts] + [f"{folder}/journal/{name}" for name in journal]
    return [path for path in paths if file_number(path.rpartition("/")[2]) <= latest]


# -- code


def copy_code(copying: Copying, but: Collection[str] = ()) -> None:
    """Take the code that the copy lacks, each file by the hash in its name, but for some paths."""
    have = copying.target.names(layout.CODE)
    paths = [
        path for path in layout.code_paths(copying.source) if path not in but and path.rpartition("/")[2] not in have
    ]
    for path, data in zip(paths, copying.source.get_many(paths), strict=True):
        if not layout.fits_name(path, data):
            raise damaged(path, layout.NO_FIT)
        copying.put(path, data)
