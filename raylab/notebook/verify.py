"""Verifying: reads a whole notebook, and tells everything that is not what was written.

Promises: goes on after the first finding; what a living lab is just writing or sealing is no finding; a file of a later
format is none either (VersionMismatch). Must never write. What cannot be known from the folder: that the newest file
of a table is gone, or an opening that a part covers; that a sweep's folder is gone whole; that code is gone which no
sweep needs any more. What is left of a sweep that was removed is no finding.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from raylab.core.history import fold
from raylab.core.request import Request, SweepRecord, Version
from raylab.errors import LabNotFound, NotebookDamaged
from raylab.notebook import layout
from raylab.notebook.damage import Condition, Finding, Seen, assess
from raylab.notebook.file import glimpse, load
from raylab.notebook.removal import REMOVED
from raylab.notebook.requests import from_rows
from raylab.notebook.store import Reader
from raylab.notebook.table_files import PAUSE_S, TRIES, Known, file_names, file_number, listing

__all__ = ["Inspection", "examine", "gone_code", "inspect", "requests_of", "wanting", "whole_requests"]


@dataclass(slots=True)
class Inspection:
    """What is in a notebook, and what is wrong with it."""

    identity: Finding | None = None
    """What is wrong with `notebook.json`."""
    tables: dict[str, Condition] = field(default_factory=dict)
    """By folder."""
    requests: list[Request] = field(default_factory=list)
    sick_code: dict[str, Finding] = field(default_factory=dict)
    """Files that are not what their name says, by path."""
    gone_code: dict[tuple[str, int, str], Finding] = field(default_factory=dict)
    """What sweeps need and is not there, by the name of the sweep, the number of the code version, and what it is."""
    orphans: dict[str, Finding] = field(default_factory=dict)
    """Folders with results for which no request is there."""
    removed: frozenset[str] = frozenset()
    """Folders of the tables of sweeps that were removed, by the requests or by what their openings say."""
    passing: str = ""
    """A file that the disk did not give, though it may do so later."""
    files: int = 0
    bytes: int = 0

    @property
    def rows(self) -> int:
        """The rows of all sweeps."""
        tables = [table for folder, table in self.tables.items() if folder.startswith(f"{layout.SWEEPS}/")]
        return sum(info.rows for table in tables for info in table.held)

    @property
    def findings(self) -> list[Finding]:
        """All that is wrong, with the sweeps' names."""
        names = sweep_names(self.requests)
        found = [self.identity] if self.identity else []
        for folder, table in self.tables.items():
            name = None if folder == layout.REQUESTS else names.get(layout.sweep_of(folder)) or _name_of(folder)
            found += [replace(finding, sweep=name) for finding in table.findings]
        return [*found, *self.orphans.values(), *self.sick_code.values(), *self.gone_code.values()]


def inspect(reader: Reader) -> Inspection:
    """Read everything.

    Raises:
        LabNotFound: there is no notebook in the folder.
        VersionMismatch: a later raylab wrote something of it.
    """
    found = _inspected(reader)
    while found.findings:
        known, (_, found.requests) = found.requests, whole_requests(reader)
        if fold(known).removed == fold(found.requests).removed:
            break
        found = _inspected(reader)  # what is missing may be that of a sweep that was removed meanwhile
    return found


def _inspected(reader: Reader) -> Inspection:
    found = Inspection()
    # Before the requests: a folder that is made meanwhile has its request already.
    folders = layout.table_folders(reader)
    found.identity = _check_identity(reader)
    tables = {folder: examine(reader, folder) for folder in folders}
    asked, found.requests = whole_requests(reader)
    found.tables = {layout.REQUESTS: asked, **tables}
    for table in found.tables.values():
        found.files += table.files
        found.bytes += table.bytes
        found.passing = found.passing or table.passing
    said = {folder for folder, table in found.tables.items() if REMOVED in table.said}
    gone = {layout.sweep_of(folder) for folder in said} | fold(found.requests).removed.keys()
    found.removed = frozenset(each for folder in gone for each in layout.folders(folder))
    for folder in found.removed & found.tables.keys():
        found.tables[folder] = replace(found.tables[folder], held=(), findings=())
    there = [folder for folder in folders if found.tables[folder].held or found.tables[folder].findings]
    found.orphans = _orphans(there, found.requests)
    _check_code(reader, found)
    return found


def whole_requests(reader: Reader) -> tuple[Condition, list[Request]]:
    """The condition of the requests, and what was asked as far as it is whole."""
    for attempt in range(TRIES):
        time.sleep(attempt * PAUSE_S)
        condition = examine(reader, layout.REQUESTS)
        try:
            tables = [load(reader.get(info.path), info.path).table for info in condition.held if info.rows]
        except FileNotFoundError as error:  # sealed meanwhile
            gone = error
            continue
        return condition, [request for table in tables for request in from_rows(table)]
    raise gone


def requests_of(reader: Reader, known: Known | None = None) -> list[Request]:
    """What was asked.

    Args:
        reader: the notebook.
        known: what earlier calls fetched.

    Raises:
        NotebookDamaged: a file is not what was written, or missing.
    """
    return [request for loaded in listing(reader, layout.REQUESTS, known) for request in from_rows(loaded.table)]


def sweep_names(requests: Iterable[Request]) -> dict[str, str]:
    """The sweeps by the folder of their results, also those that were set aside: `coarse~1`."""
    return {each.folder: each.name for each in fold(requests).readable}


def _name_of(folder: str) -> str:
    return folder.rpartition("/")[2].partition("~")[0]


def _orphans(folders: Iterable[str], requests: Iterable[Request]) -> dict[str, Finding]:
    """Tables that nobody asked for."""
    asked = {each for request in requests for each in layout.folders(request.folder)}
    what = "the request of this sweep is lost, and nobody can tell what its rows are of; submit the sweep again"
    return {
        folder: Finding(file=folder, sweep=_name_of(folder), what=what) for folder in folders if folder not in asked
    }


def wanting(reader: Reader) -> list[Finding]:
    """What is missing in a notebook each of whose files is whole: requests of tables, and code of sweeps."""
    requests = requests_of(reader)
    tables = [folder for folder in layout.table_folders(reader) if any(file_names(reader, folder))]
    return [*_orphans(tables, requests).values(), *gone_code(requests, layout.code_paths(reader)).values()]


# -- tables


def examine(reader: Reader, folder: str) -> Condition:
    """Read all files of a table, and tell its condition.

    Args:
        reader: the notebook.
        folder: the table's.

    Raises:
        VersionMismatch: a later raylab wrote a file.
    """
    sound: dict[str, Seen] = {}
    condition = Condition()
    for attempt in range(TRIES):
        time.sleep(attempt * PAUSE_S)
        seen, overtaken = _look(reader, folder, sound)
        condition = assess(folder, seen)
        if not condition.missing and not overtaken:
            break
    return condition


def _look(reader: Reader, folder: str, sound: dict[str, Seen]) -> tuple[list[Seen], bool]:
    """Each file that is listed, and whether one was gone when it was to be read."""
    journal, parts = file_names(reader, folder)
    names = [(f"{folder}/{name}", False) for name in parts] + [(f"{folder}/journal/{name}", True) for name in journal]
    seen, overtaken = [], False
    for path, in_journal in names:
        if path not in sound:
            try:
                found = _read(reader, path, in_journal)
            except FileNotFoundError:  # sealed meanwhile; if not, the next listing misses it
                overtaken = True
                continue
            if found.info is None:
                seen.append(found)
                continue
            sound[path] = found
        seen.append(sound[path])
    return seen, overtaken


def _read(reader: Reader, path: str, in_journal: bool) -> Seen:
    number = file_number(path.rpartition("/")[2])
    try:
        data = reader.get(path)
    except FileNotFoundError:
        raise
    except OSError as error:  # a sick sector stays sick; all else may pass
        passing = error.errno != errno.EIO
        trouble = f"it cannot be read: {error.strerror}"
        return Seen(path=path, number=number, in_journal=in_journal, trouble=trouble, passing=passing)
    try:
        return Seen(path=path, number=number, in_journal=in_journal, info=load(data, path).info)
    except NotebookDamaged as error:
        trouble = _reason(path, error)
        return Seen(path=path, number=number, in_journal=in_journal, guess=glimpse(data, path), trouble=trouble)


def _reason(path: str, error: NotebookDamaged) -> str:
    """The part of the error that a table of findings does not say anyway."""
    return str(error).removeprefix(f"{path} is damaged: ").partition(". Nothing of it was used")[0]


# -- what is no table


def _check_identity(reader: Reader) -> Finding | None:
    try:
        layout.Identity.loads(reader.get(layout.NOTEBOOK), reader.place)
    except FileNotFoundError:
        if f"{layout.REQUESTS}/" not in reader.names(""):
            raise LabNotFound(f"there is no notebook in {reader.place}; give a lab's folder") from None
        return Finding(file=layout.NOTEBOOK, what="it is missing")
    except NotebookDamaged as error:
        what = str(error).removeprefix(f"{reader.place}/{layout.NOTEBOOK} is ").partition("; ")[0]
        return Finding(file=layout.NOTEBOOK, what=f"it is {what}")
    return None


def _check_code(reader: Reader, found: Inspection) -> None:
    """Every file by its hash, and whether what the sweeps need is there."""
    sweeps, there = fold(found.requests).values(), layout.code_paths(reader)
    for path in there:
        if trouble := _code_trouble(reader, path, found):
            users = ", ".join(each.name for each in sweeps if path in _needed(each))
            found.sick_code[path] = Finding(file=path, sweep=users or None, what=trouble)
    found.gone_code = gone_code(found.requests, there)


def gone_code(requests: Iterable[Request], there: Collection[str]) -> dict[tuple[str, int, str], Finding]:
    """What sweeps need and is not there, by the name of the sweep, the number of the code version, and what of a
    version it is: `code`, `modules` or `diff`."""
    return {
        (sweep.name, number, what): Finding(file=path, sweep=sweep.name, what="it is missing")
        for sweep in fold(requests).values()
        for number, version in enumerate(sweep.versions, 1)
        for what, path in _paths(version).items()
        if path not in there
    }


def _needed(sweep: SweepRecord) -> set[str]:
    """The files of code of a sweep."""
    return {path for version in sweep.versions for path in _paths(version).values()}


def _paths(version: Version) -> dict[str, str]:
    """The files of a code version, by what of it they hold; without those that a salvage has said to be lost."""
    hashes = {"code": version.code, "modules": version.modules if version.code else None, "diff": version.diff}
    path_of = dict(zip(hashes, layout.CODE_PATHS, strict=True))
    return {what: path_of[what](digest) for what, digest in hashes.items() if digest}


def _code_trouble(reader: Reader, path: str, found: Inspection) -> str:
    try:
        data = reader.get(path)
    except OSError as error:
        if error.errno != errno.EIO:
            found.passing = found.passing or path
        return f"it cannot be read: {error.strerror}"
    found.files += 1
    found.bytes += len(data)
    return "" if layout.fits_name(path, data) else layout.NO_FIT
