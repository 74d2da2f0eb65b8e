"""Repairing a notebook: what is damaged is set aside, what is lost is said, and its trials are outstanding again.

Promises: nothing is deleted or overwritten; what is whole stays in force; the requests and the tables that were damaged
are taken over first, so that no living lab goes on writing what it no longer knows. Killed at any point, it can be
done again. Must never guess: a `_seq` that somebody may have seen is not given out again, and rows whose request is
lost become nobody's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from raylab.core.request import Request
from raylab.errors import NotebookDamaged
from raylab.notebook import layout
from raylab.notebook.damage import Condition, Filler, Finding
from raylab.notebook.file import LOST, OPENING, PART
from raylab.notebook.store import Store
from raylab.notebook.table import blank
from raylab.notebook.verify import Inspection, examine, inspect
from raylab.notebook.writer import IDENTITY, Writer

__all__ = ["Repair", "repair"]

ROUNDS = 5
"""How often a table is looked at again: a writer that was just sealing may have changed it."""


@dataclass(slots=True)
class Repair:
    """What a repair did, and what it could not."""

    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def was_whole(self) -> bool:
        return not self.done and not self.left


def repair(store: Store, writer: Mapping[str, str]) -> Repair:
    """Mend a notebook.

    Args:
        store: its folder.
        writer: who does it; it is noted in what is written.

    Raises:
        LabNotFound: there is no notebook in the folder.
        VersionMismatch: a later raylab wrote something of it.
        OSError: the disk refuses; the same again goes on.
    """
    report = Repair()
    found = inspect(store)
    if not found.findings:
        return report
    _mend_table(store, layout.REQUESTS, found.tables[layout.REQUESTS], writer, report)
    if found.identity:
        _mend_identity(store, found.identity, report)
    requests = _take_over(store, writer)
    for folder, condition in found.tables.items():
        if folder != layout.REQUESTS:
            _mend_table(store, folder, condition, writer, report)
    if requests is not None:
        _mend_code(store, inspect(store), requests, report)
    report.left = [f"{finding.file}: {finding.what}" for finding in inspect(store).findings]
    return report


def _take_over(store: Store, writer: Mapping[str, str]) -> Writer | None:
    """Open the requests, so that a living lab can add none; None if they, or `notebook.json`, are still damaged."""
    requests = Writer(store.root, dict(writer), store)
    try:
        requests.open_requests()
    except NotebookDamaged:
        # Nobody else may ask for anything either: what is mended now, only a lab that is attached afresh knows.
        _fence(store, layout.REQUESTS, examine(store, layout.REQUESTS), writer)
        return None
    return requests


# -- tables


def _mend_table(store: Store, folder: str, condition: Condition, writer: Mapping[str, str], report: Repair) -> None:
    """Set aside what is damaged, fill the places, until the table is whole."""
    opened = None
    for _ in range(ROUNDS):
        if not condition.findings or condition.passing:
            return
        if opened is None:
            opened = _fence(store, folder, condition, writer)
        else:
            report.done += _fill(store, folder, condition, writer)
        condition = examine(store, folder, opened)


def _fence(store: Store, folder: str, condition: Condition, writer: Mapping[str, str]) -> int | None:
    """Put an opening above all that is there; its number, None if somebody else was quicker."""
    store.make_folder(f"{folder}/journal")
    commits = range(condition.fence, condition.fence + 1)
    info, data = blank(folder, OPENING, commits, range(0), writer, {})
    return condition.fence if store.put(info.path, data, info.ident.encode()) else None


def _fill(store: Store, folder: str, condition: Condition, writer: Mapping[str, str]) -> list[str]:
    """One round: the damaged files away, a note, and what holds their places."""
    said = {finding.file: _sentence(finding) for finding in condition.findings}
    lines = []
    for path in condition.aside:
        target = store.set_aside(path, layout.DAMAGED)
        lines.append(f"{said.pop(path)}; it was set aside as {target}")
    lines += said.values()
    _put_note(store, folder, lines)
    for filler in condition.fillers:
        _put_filler(store, folder, filler, writer)
    return lines


def _sentence(finding: Finding) -> str:
    text = f"{finding.file}: {finding.what}"
    if finding.rows:
        text += f"; lost are {finding.rows:,} rows from _seq {finding.first_row:,} on"
    elif finding.rows is None:
        text += "; how many rows are lost, nobody can tell"
    return f"{text} of {finding.trials:,} trials" if finding.trials else text


def _put_note(store: Store, folder: str, lines: Sequence[str]) -> None:
    """A text for people; and readers that know the files of before begin afresh when they see its name."""
    ident = uuid4().hex
    text = "\n".join(["`raylab repair` mended this table. What it found:", "", *lines, "", f"({ident})", ""])
    number = 1
    while not store.put(f"{folder}/repaired-{number}.txt", text.encode(), ident.encode()):
        number += 1


def _put_filler(store: Store, folder: str, filler: Filler, writer: Mapping[str, str]) -> None:
    kind = LOST if filler.in_journal else PART
    meta = {LOST: {"commits": [filler.first, filler.last], "seq": [filler.seq, filler.stop]}}
    commits, seqs = range(filler.first, filler.last + 1), range(filler.seq, filler.stop)
    info, data = blank(folder, kind, commits, seqs, writer, meta)
    store.put(info.path, data, info.ident.encode())  # if somebody was quicker, the next look tells


# -- what is no table


def _mend_identity(store: Store, finding: Finding, report: Repair) -> None:
    """Write `notebook.json` again, from what the openings of the requests say it says."""
    held = examine(store, layout.REQUESTS).held
    said = next((info.meta[IDENTITY] for info in reversed(held) if IDENTITY in info.meta), None)
    if said is None:
        report.done.append(f"{layout.NOTEBOOK}: {finding.what}; nothing repeats it, so only a copy helps: put one back")
        return
    known = {each.name for each in dataclasses.fields(layout.Identity)}
    identity = layout.Identity(**{name: value for name, value in said.items() if name in known})
    line = f"{layout.NOTEBOOK}: {finding.what}"
    if layout.NOTEBOOK in store.names(""):
        line += f"; it was set aside as {store.set_aside(layout.NOTEBOOK, layout.DAMAGED)}"
    store.put(layout.NOTEBOOK, identity.dumps(), identity.id.encode())
    report.done.append(f"{line}; it was written again as it was")


def _mend_code(store: Store, found: Inspection, writer: Writer, report: Repair) -> None:
    """Set damaged code aside, and note which sweeps have to be submitted again."""
    folders = {request.sweep: request.folder for request in found.requests if request.kind == "submitted"}
    for path, finding in found.sick_code.items():
        if path not in found.unread:
            target = store.set_aside(path, layout.DAMAGED)
            report.done.append(f"{path}: {finding.what}; it was set aside as {target}")
    rows = []
    for name, finding in inspect(store).gone_code.items():
        rows.append(Request(kind="code", sweep=name, folder=folders.get(name)))
        report.done.append(f"{finding.file}: the sweep {name!r} needs it; submit the sweep again as it was")
    for folder, finding in found.orphans.items():
        rows.append(Request(kind="lost", sweep=finding.sweep or "", folder=folder))
        report.done.append(f"{folder}: {finding.what}; its files stay where they are")
    if rows:
        writer.add(rows)
