"""Verifying: reads a whole notebook, and tells everything that is not what was written.

Promises: goes on after the first finding; what a living lab is just writing or sealing is no finding; a file of a later
format is none either (VersionMismatch). Must never write. What cannot be known from the folder: that the newest file
of a table is gone, or an opening that a part covers; that a sweep's folder is gone whole; that code is gone which no
sweep needs any more.
"""

from __future__ import annotations

import errno
import hashlib
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from raylab.core.request import Request, SweepRecord, fold
from raylab.errors import LabNotFound, NotebookDamaged
from raylab.notebook import layout
from raylab.notebook.damage import Condition, Finding, Seen, assess
from raylab.notebook.file import FileInfo, glimpse, load
from raylab.notebook.requests import from_rows
from raylab.notebook.store import Store
from raylab.notebook.table_files import PAUSE_S, TRIES, file_names, file_number

__all__ = ["Inspection", "examine", "inspect", "requests_in"]

CODE_NAME = re.compile(r"([0-9a-f]{64})\.(pkl|zip)")


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
    unread: set[str] = field(default_factory=set)
    """Those of them that the disk does not give at the moment."""
    gone_code: dict[str, Finding] = field(default_factory=dict)
    """What sweeps need and is not there, by the name of the sweep."""
    orphans: dict[str, Finding] = field(default_factory=dict)
    """Folders with results for which no request is there."""
    files: int = 0
    bytes: int = 0

    @property
    def rows(self) -> int:
        """The rows of all sweeps."""
        tables = [table for folder, table in self.tables.items() if folder != layout.REQUESTS]
        return sum(info.rows for table in tables for info in table.held)

    @property
    def findings(self) -> list[Finding]:
        """All that is wrong, with the sweeps' names."""
        names = sweep_names(self.requests)
        found = [self.identity] if self.identity else []
        for folder, table in self.tables.items():
            name = None if folder == layout.REQUESTS else names.get(folder) or _name_of(folder)
            found += [replace(finding, sweep=name) for finding in table.findings]
        return [*found, *self.orphans.values(), *self.sick_code.values(), *self.gone_code.values()]


def inspect(store: Store) -> Inspection:
    """Read everything.

    Raises:
        LabNotFound: there is no notebook in the folder.
        VersionMismatch: a later raylab wrote something of it.
    """
    found = Inspection()
    # Before the requests: a folder that is made meanwhile has its request already.
    folders = [f"{layout.SWEEPS}/{name}" for name in store.folders(layout.SWEEPS)]
    found.identity = _check_identity(store)
    for folder in [layout.REQUESTS, *folders]:
        found.tables[folder] = examine(store, folder)
        found.files += found.tables[folder].files
        found.bytes += found.tables[folder].bytes
    found.requests = requests_in(store, found.tables[layout.REQUESTS].held)
    asked = {request.folder for request in found.requests}
    for folder in folders:
        table = found.tables[folder]
        if folder not in asked and (table.held or table.findings):
            found.orphans[folder] = _orphan(folder)
    _check_code(store, found)
    return found


def requests_in(store: Store, held: Iterable[FileInfo]) -> list[Request]:
    """What was asked, as far as it is whole."""
    requests: list[Request] = []
    for info in held:
        if info.rows:
            requests += from_rows(load(store.get(info.path), info.path).table)
    return requests


def sweep_names(requests: Iterable[Request]) -> dict[str, str]:
    """The sweeps by the folder of their results, also those that were set aside: `coarse~1`."""
    return {each.folder: each.name for sweep in fold(requests).values() for each in (*sweep.earlier, sweep)}


def _name_of(folder: str) -> str:
    return folder.removeprefix(f"{layout.SWEEPS}/").partition("~")[0]


def _orphan(folder: str) -> Finding:
    what = "the request of this sweep is lost, and nobody can tell what its rows are of; submit the sweep again"
    return Finding(file=folder, sweep=_name_of(folder), what=what)


# -- tables


def examine(store: Store, folder: str, opened: int | None = None) -> Condition:
    """Read all files of a table, and tell its condition.

    Args:
        store: the notebook.
        folder: the table's.
        opened: as for `damage.assess`.

    Raises:
        VersionMismatch: a later raylab wrote a file.
    """
    sound: dict[str, Seen] = {}
    condition = Condition()
    for attempt in range(TRIES):
        time.sleep(attempt * PAUSE_S)
        seen, overtaken = _look(store, folder, sound)
        condition = assess(folder, seen, opened)
        if not condition.missing and not overtaken:
            break
    return condition


def _look(store: Store, folder: str, sound: dict[str, Seen]) -> tuple[list[Seen], bool]:
    """Each file that is listed, and whether one was gone when it was to be read."""
    journal, parts = file_names(store, folder)
    names = [(f"{folder}/{name}", False) for name in parts] + [(f"{folder}/journal/{name}", True) for name in journal]
    seen, overtaken = [], False
    for path, in_journal in names:
        if path not in sound:
            try:
                found = _read(store, path, in_journal)
            except FileNotFoundError:  # sealed meanwhile; if not, the next listing misses it
                overtaken = True
                continue
            if found.info is None:
                seen.append(found)
                continue
            sound[path] = found
        seen.append(sound[path])
    return seen, overtaken


def _read(store: Store, path: str, in_journal: bool) -> Seen:
    number = file_number(path.rpartition("/")[2])
    try:
        data = store.get(path)
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


def _check_identity(store: Store) -> Finding | None:
    try:
        layout.Identity.loads(store.get(layout.NOTEBOOK), str(store.root))
    except FileNotFoundError:
        if layout.REQUESTS not in store.folders(""):
            raise LabNotFound(f"there is no notebook in {store.root}; give a lab's folder") from None
        return Finding(file=layout.NOTEBOOK, what="it is missing")
    except NotebookDamaged as error:
        what = str(error).removeprefix(f"{store.root}/{layout.NOTEBOOK} is ").partition("; ")[0]
        return Finding(file=layout.NOTEBOOK, what=f"it is {what}")
    return None


def _check_code(store: Store, found: Inspection) -> None:
    """Every file by its hash, and whether what the sweeps need is there."""
    sweeps = fold(found.requests).values()
    whole = set()
    for name in store.names(layout.CODE):
        match = CODE_NAME.fullmatch(name)
        if match is None:
            continue
        path = f"{layout.CODE}/{name}"
        trouble = _code_trouble(store, path, match[1], found)
        if trouble:
            users = ", ".join(sweep.name for sweep in sweeps if path in _code_of(sweep)) or None
            found.sick_code[path] = Finding(file=path, sweep=users, what=trouble)
        else:
            whole.add(path)
    for sweep in sweeps:
        for path in _code_of(sweep):
            if path not in whole and path not in found.sick_code:
                found.gone_code[sweep.name] = Finding(file=path, sweep=sweep.name, what="it is missing")


def _code_of(sweep: SweepRecord) -> Sequence[str]:
    if not sweep.code:  # it was lost, and a repair has said so
        return ()
    pickle = layout.pickle_path(sweep.code)
    return (pickle, layout.modules_path(sweep.modules)) if sweep.modules else (pickle,)


def _code_trouble(store: Store, path: str, digest: str, found: Inspection) -> str:
    try:
        data = store.get(path)
    except OSError as error:
        if error.errno != errno.EIO:
            found.unread.add(path)
        return f"it cannot be read: {error.strerror}"
    found.files += 1
    found.bytes += len(data)
    return "" if hashlib.sha256(data).hexdigest() == digest else "its bytes do not fit the sha256 in its name"
