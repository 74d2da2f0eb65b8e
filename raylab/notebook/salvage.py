"""Salvaging a notebook: a new one of all that is whole of a damaged one.

Promises: every row of every whole file is in the new notebook, and nothing that was not written; positions whose rows
are lost are in no commit, so their trials are outstanding. A sweep that lost something comes up paused, with the
reason. A table that is whole is copied as it is; one that is not is written anew, and its `_seq` counts from 0 without
gap. Must never write into the origin. Killed at any point, it can be done again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

from raylab.core.history import fold
from raylab.core.request import Request
from raylab.core.segment import Segment
from raylab.core.summary import together
from raylab.errors import NotebookDamaged
from raylab.notebook import layout, log_table
from raylab.notebook.copy import Copying, begin, copy, copy_code, copy_table, origin_of
from raylab.notebook.damage import Condition, Finding
from raylab.notebook.file import FileInfo, load
from raylab.notebook.layout import Identity
from raylab.notebook.removal import REMOVED
from raylab.notebook.requests import to_rows
from raylab.notebook.schema import SEQ
from raylab.notebook.store import Reader, Store
from raylab.notebook.survey import combined, summaries
from raylab.notebook.table import Table
from raylab.notebook.table_files import PAUSE_S, TRIES, file_names, infos
from raylab.notebook.verify import Inspection, examine, gone_code, inspect, whole_requests
from raylab.notebook.writer import IDENTITY, REQUEST

__all__ = ["salvage"]

GONE: dict[str, dict[str, Any]] = {
    "code": {"code": "", "modules": None},
    "modules": {"code": "", "modules": None},
    "diff": {"diff": ""},
}
"""What is noted of a code version of which something is lost. A diff that is lost pauses nothing: no trial needs it."""

PAUSED = (
    "it was salvaged from a damaged notebook ({}); what is lost of it is outstanding: submit it again as it was, and "
    "it goes on"
)


def salvage(source: Reader, target: Store) -> tuple[Copying, list[Finding]]:
    """Make a new notebook of all that is whole of one; say what was wrong.

    Raises:
        LabNotFound: there is no notebook.
        NameRefused: in the target lies something else, or a complete copy.
        NotebookDamaged: the disk does not give a file, and may do so later.
        VersionMismatch: a later raylab wrote something of it.
    """
    found = inspect(source)
    if found.passing:
        raise NotebookDamaged(f"{found.passing} cannot be read at this moment: try again once the disk gives it")
    if not found.findings:
        return copy(source, target), []
    copying = begin(source, target, _identity(source, found), salvaged=True)
    for folder, table in found.tables.items():
        if folder == layout.REQUESTS or folder in found.removed:
            continue
        if table.findings:
            _rewrite(copying, folder, table)
        else:
            copy_table(copying, folder)
    # After the rows, as any copy has it.
    _, asked = whole_requests(source)
    copy_code(copying, found.sick_code)
    _write_requests(copying, _requests(asked, found, target))
    copying.clear_removed()
    copying.finish()
    return copying, found.findings


def _identity(source: Reader, found: Inspection) -> Identity:
    """Whose notebook it is; if `notebook.json` does not say, the openings of the requests repeat it."""
    if found.identity is None:
        return origin_of(source)
    said = found.tables[layout.REQUESTS].said.get(IDENTITY)
    if said is None:
        return Identity(id="", name=PurePosixPath(source.place).name, user="", created="")
    return Identity(**{**said, "origins": tuple(said["origins"])})


# -- rows


def _rewrite(copying: Copying, folder: str, table: Condition) -> None:
    """Write what is whole of a table as a new one."""
    for attempt in range(TRIES):
        time.sleep(attempt * PAUSE_S)
        try:
            return _written_anew(copying, folder, table)
        except FileNotFoundError:  # a lab that works on it has sealed
            table = examine(copying.source, folder)
    raise NotebookDamaged(f"{folder} changes all the time: shut its lab down, and try again")


def _written_anew(copying: Copying, folder: str, table: Condition) -> None:
    if _is_written(copying.target, folder, table):
        return
    _clear(copying.target, folder)
    new = Table(copying.target, folder, copying.by)
    new.open({REQUEST: table.said[REQUEST]} if REQUEST in table.said else {})
    for info in table.held:
        if info.rows:
            rows = load(copying.source.get(info.path), info.path).table
            new.commit(rows.drop_columns([SEQ]).replace_schema_metadata(), info.meta)
            copying.files += 1
            copying.size += info.size
            if new.should_seal:
                new.seal(_combine(folder))
    new.seal(_combine(folder))


def _combine(folder: str) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
    """How the files of a table say together what each of them says."""
    return log_table.combined if _has_logs(folder) else combined


def _has_logs(folder: str) -> bool:
    return folder.startswith(f"{layout.LOGS}/")


def _is_written(target: Store, folder: str, table: Condition) -> bool:
    """Whether an attempt that was cut came as far as this."""
    try:
        there = infos(target, folder)
    except NotebookDamaged:
        return False
    wanted = [info for info in table.held if info.rows]
    return bool(there) and _held(folder, there) == _held(folder, wanted)


def _held(folder: str, files: Sequence[FileInfo]) -> tuple[object, ...]:
    if _has_logs(folder):
        return log_table.tally_of(files), sum(info.rows for info in files)
    found = together(summaries(files))
    return found.positions, found.rows, found.by_status


def _clear(target: Store, folder: str) -> None:
    """Remove what an attempt that was cut has left of a table."""
    journal, parts = file_names(target, folder)
    for path in [f"{folder}/{name}" for name in parts] + [f"{folder}/journal/{name}" for name in journal]:
        target.remove(path)
    for each in (folder, f"{folder}/journal"):
        target.settle(each)


# -- requests


def _requests(asked: Sequence[Request], found: Inspection, target: Reader) -> list[Request]:
    """What was asked, with the sweeps, and the removals, that only their tables tell of, and a pause for each that lost
    something."""
    requests = list(asked)
    known = {request.folder for request in asked if request.kind == "submitted"}
    removed = {folder: table.said[REMOVED] for folder, table in found.tables.items() if REMOVED in table.said}
    requests += [Request(**said) for said in {said["folder"]: said for said in removed.values()}.values()]
    for folder, table in found.tables.items():
        if folder not in found.removed and folder not in known and (said := table.said.get(REQUEST)):
            _insert(requests, Request(**said))
    requests = _regrown(requests, found)
    return requests + _pauses(requests, found, target)


def _regrown(requests: Sequence[Request], found: Inspection) -> list[Request]:
    """These requests, with the segments that were added to a sweep and that only its table tells of; without those of
    which an earlier one is lost in every place. (Adding the same again finds its rows.)"""
    wanted: dict[str, list[Segment]] = {}
    for sweep in fold(requests).values():
        said = found.tables[sweep.folder].said.get(REQUEST) if sweep.folder in found.tables else None
        told = list(map(Segment.of, said["body"]["segments"])) if said else []
        at, whole = 0, list[Segment]()
        for segment in sorted({each.first_position: each for each in (*told, *sweep.segments)}.values(), key=_first):
            if segment.first_position == at:
                whole.append(segment)
                at = segment.stop
        if tuple(whole) != sweep.segments:
            wanted[sweep.folder] = whole
    kept = [request for request in requests if request.kind != "grown" or request.folder not in wanted]
    for sweep in fold(kept).values():
        if more := wanted.get(sweep.folder, [])[len(sweep.segments) :]:
            body = {"segments": [segment.plain() for segment in more]}
            kept.append(Request(kind="grown", sweep=sweep.name, folder=sweep.folder, user=sweep.user, body=body))
    return kept


def _first(segment: Segment) -> int:
    return segment.first_position


def _insert(requests: list[Request], lost: Request) -> None:
    """Put a submission before all that was asked of its sweep, or of a later one of its name; else by its time."""
    least = 0
    for at, request in enumerate(requests):
        if request.sweep == lost.sweep and _age(request) >= _age(lost):
            requests.insert(at, lost)
            return
        if request.sweep == lost.sweep:
            least = at + 1
    later = (at for at in range(least, len(requests)) if requests[at].time_us > lost.time_us)
    requests.insert(next(later, len(requests)), lost)


def _age(request: Request) -> tuple[int, str]:
    """Folders of one name in the order in which they were made: NAME, NAME~2, NAME~10."""
    return len(request.folder), request.folder


def _pauses(requests: Sequence[Request], found: Inspection, target: Reader) -> list[Request]:
    lacking = gone_code(requests, layout.code_paths(target))
    general = found.tables[layout.REQUESTS].findings
    now, rows = time.time_ns() // 1_000, []
    for sweep in fold(requests).values():
        own = found.tables[sweep.folder].findings if sweep.folder in found.tables else ()
        lost = [f"{finding.file}: {finding.what}" for finding in (*general, *own)]
        for number in range(1, sweep.version + 1):
            gone = {what: lacking[key] for what in GONE if (key := (sweep.name, number, what)) in lacking}
            body: dict[str, Any] = {what: value for each in gone for what, value in GONE[each].items()}
            if body:
                body["version"] = number
                rows.append(Request(kind="code", sweep=sweep.name, folder=sweep.folder, time_us=now, body=body))
            lost += [f"{finding.file} is lost" for what, finding in gone.items() if what != "diff"]
        if lost:
            reason = PAUSED.format(lost[0] + (f", and {len(lost) - 1} more" if len(lost) > 1 else ""))
            body = {"reason": reason}
            rows.append(Request(kind="paused", sweep=sweep.name, folder=sweep.folder, time_us=now, body=body))
    return rows


def _write_requests(copying: Copying, requests: Sequence[Request]) -> None:
    _clear(copying.target, layout.REQUESTS)
    table = Table(copying.target, layout.REQUESTS, copying.by)
    table.open({IDENTITY: asdict(copying.identity)})
    if requests:
        table.commit(to_rows(requests), {"rows": len(requests)})
