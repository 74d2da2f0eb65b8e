"""The verbs for a notebook's files: `raylab verify` and `copy`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from raylab.client.speech import say
from raylab.errors import LabNotFound, NotebookDamaged
from raylab.terminal.screen import aligned
from raylab.terminal.words import ADDRESS, DAMAGED, DONE, verb, word

if TYPE_CHECKING:
    from raylab.notebook.damage import Finding
    from raylab.notebook.store import Reader


@verb(
    "check every file of a notebook",
    word("lab", metavar="LAB|FOLDER", help="a lab of this machine, or the folder of a notebook"),
    more="Needs no lab and no cluster.",
)
def verify(lab: str) -> int:
    from raylab.notebook.place import store_at
    from raylab.notebook.verify import inspect

    place, names = _here(lab)
    if place is None:
        raise LabNotFound(f"there is no lab and no folder {lab!r}; labs on this machine are: {names}")
    found = inspect(store_at(place))
    if not found.findings:
        print(f"all is whole: {found.files:,} files, {found.rows:,} rows, {found.bytes:,} bytes in {place}")
        return DONE
    _show_findings(found.findings)
    say(f"put back copies of these files, or make a notebook of all that is whole: raylab copy {place} NEW --salvage")
    return DAMAGED


def _show_findings(findings: Sequence[Finding]) -> None:
    cells = [("FILE", "SWEEP", "ROWS", "TRIALS", "WHAT")]
    for each in findings:
        rows = "?" if each.rows is None else f"{each.rows:,}"
        if each.rows and each.first_row is not None:
            rows += f" from {each.first_row:,}"
        trials = "?" if each.trials is None else f"{each.trials:,}"
        cells.append((each.file, each.sweep or "", rows, trials, " ".join(each.what.split())))
    print("\n".join(aligned(cells, "<<>><")))


def _here(lab: str) -> tuple[str | None, str]:
    """The place of a lab that this machine knows, or else of a folder; and which labs there are."""
    from raylab.notebook.place import absolute
    from raylab.server.known_labs import known

    there = {place.name: place.notebook for place in known()}
    place = there.get(lab) or absolute(lab)
    return place if lab in there or Path(place).is_dir() else None, ", ".join(map(repr, there)) or "none"


@verb(
    "copy a notebook, or take what is new into a copy",
    word("old", metavar="LAB|FOLDER", help="a lab, or the folder of a notebook"),
    word("new", metavar="NEW", help="a new folder, or that of an earlier copy"),
    word(
        "--salvage",
        action="store_true",
        help="of a damaged notebook: make a new one of all that is whole; what is lost is outstanding there, and its "
        "sweeps are paused",
    ),
    ADDRESS,
    more="A copy is a notebook of its own: raylab.Lab(LAB, notebook=NEW)\ngoes on with it. It can be taken while the "
    "lab works, also of a lab on another machine; cut, it goes on when it is\nrepeated.",
)
def copy(old: str, new: str, salvage: bool, address: str | None) -> int:
    from raylab.notebook.copy import copy as copied
    from raylab.notebook.place import absolute, store_at
    from raylab.notebook.salvage import salvage as salvaged

    source, target = _source(old, address), store_at(absolute(new))
    lost: Sequence[Finding] = ()
    try:
        if salvage:
            copying, lost = salvaged(source, target)
        else:
            copying = copied(source, target)
    except NotebookDamaged as error:
        say(str(error))
        return DAMAGED
    if lost:
        _show_findings(lost)
        print("what was in these files is lost; the sweeps concerned are paused: submit them again, and they go on")
    name = copying.identity.name
    print(f"{copying.files:,} files, {copying.size:,} bytes were new; the notebook of {name!r} is in {target.place}")
    return DONE


def _source(old: str, address: str | None) -> Reader:
    """The notebook of a folder or of a lab, wherever that is."""
    from raylab.notebook.place import store_at

    place, _ = _here(old)
    if place is not None:
        return store_at(place)
    from raylab.client.resting import look

    return look(old, address).reader
