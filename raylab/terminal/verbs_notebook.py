"""The verbs for a notebook's files: `raylab verify` and `repair`. They need no lab and no cluster."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from raylab.client.speech import say
from raylab.errors import LabNotFound
from raylab.terminal.screen import aligned
from raylab.terminal.words import DAMAGED, DONE, verb, word


@verb(
    "check every file of a notebook",
    word("lab", metavar="LAB|FOLDER", help="a lab of this machine, or the folder of a notebook"),
    more="Needs no lab and no cluster.",
)
def verify(lab: str) -> int:
    from raylab.notebook.store import Store
    from raylab.notebook.verify import inspect

    folder = _folder(lab)
    found = inspect(Store(folder))
    findings = found.findings
    if not findings:
        print(f"all is whole: {found.files:,} files, {found.rows:,} rows, {found.bytes:,} bytes in {folder}")
        return DONE
    cells = [("FILE", "SWEEP", "ROWS", "TRIALS", "WHAT")]
    for each in findings:
        rows = "?" if each.rows is None else f"{each.rows:,}"
        if each.rows and each.first_row is not None:
            rows += f" from {each.first_row:,}"
        trials = "?" if each.trials is None else f"{each.trials:,}"
        cells.append((each.file, each.sweep or "", rows, trials, " ".join(each.what.split())))
    print("\n".join(aligned(cells, "<<>><")))
    say(f"put back copies of these files, or mend what is left: raylab repair {folder}")
    return DAMAGED


def _folder(lab: str) -> Path:
    """The notebook of a lab that this machine knows, or else a folder."""
    from raylab.server.known_labs import known

    there = {place.name: place for place in known()}
    if lab in there:
        return Path(there[lab].notebook)
    folder = Path(lab).expanduser().absolute()
    if not folder.is_dir():
        names = ", ".join(map(repr, there)) or "none"
        raise LabNotFound(f"there is no lab and no folder {lab!r}; labs on this machine are: {names}")
    return folder


@verb(
    "set damaged files of a notebook aside",
    word("folder", type=Path, metavar="FOLDER", help="of the notebook"),
    more="What was in them is lost; its trials are outstanding again.\nNothing is deleted. A lab that works on the "
    "notebook has to be shut down and attached again.",
)
def repair(folder: Path) -> int:
    from raylab import __version__
    from raylab.notebook.repair import repair as mend
    from raylab.notebook.store import Store
    from raylab.server.protocol import person

    folder = folder.expanduser().absolute()
    who = {"user": person(), "host": platform.node(), "pid": str(os.getpid()), "actor": "raylab repair"}
    report = mend(Store(folder), who | {"raylab": __version__})
    if report.was_whole:
        print(f"all is whole in {folder}; nothing was done")
        return DONE
    print("\n".join(" ".join(line.split()) for line in report.done))
    print("a lab that works on this notebook has to be shut down and attached again: `raylab shutdown LAB --force`")
    if report.left:
        for each in report.left:
            say(f"still damaged: {each}")
        return DAMAGED
    print(f"all that is left in {folder} is whole")
    return DONE
