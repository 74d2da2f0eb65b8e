"""The verbs for a notebook's files: `raylab verify` and `copy`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raylab.client.speech import say
from raylab.errors import LabNotFound, NotebookDamaged
from raylab.terminal.as_json import print_json
from raylab.terminal.screen import aligned
from raylab.terminal.words import ADDRESS, DAMAGED, DONE, Misuse, verb, word

if TYPE_CHECKING:
    from raylab.notebook.damage import Finding
    from raylab.notebook.store import Reader


@verb(
    "check every file of a notebook",
    word("lab", metavar="LAB|FOLDER", help="a lab of this machine, or the folder of a notebook"),
    word("--json", action="store_true", help="as JSON: an object with what is there, and what is wrong with it"),
    more="Needs no lab and no cluster.",
    example="raylab verify ~/raylab/perc",
)
def verify(lab: str, json: bool) -> int:
    from raylab.notebook.place import store_at
    from raylab.notebook.verify import inspect

    place, names = _here(lab)
    if place is None:
        raise _nothing(lab, names)
    found = inspect(store_at(place))
    if json:
        numbers = {"notebook": place, "files": found.files, "rows": found.rows, "bytes": found.bytes}
        print_json({**numbers, "findings": _told(found.findings)})
        return DAMAGED if found.findings else DONE
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


def _told(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [asdict(each) for each in findings]


def _here(lab: str) -> tuple[str | None, str]:
    """The place of a lab that this machine knows, or else of a folder; and which labs there are."""
    from raylab.notebook.place import absolute
    from raylab.server.known_labs import known

    there = {place.name: place.notebook for place in known()}
    place = there.get(lab) or absolute(lab)
    return place if lab in there or Path(place).is_dir() else None, ", ".join(map(repr, there)) or "none"


def _nothing(lab: str, names: str) -> LabNotFound:
    return LabNotFound(f"there is no lab and no folder {lab!r}; labs on this machine are: {names}")


OF_CRATES = (
    word(
        "--crate",
        action="store_true",
        help="make a parcel for an archive instead, which others read without raylab: NEW is a folder or ends in .zip",
    ),
    word(
        "--sweep",
        action="append",
        metavar="SWEEP",
        help="of a parcel: this sweep; several times for several (default: all that are not archived)",
    ),
    word("--title", metavar="TEXT", help="of a parcel"),
    word("--description", metavar="TEXT", help="of a parcel: what it is about"),
    word("--licence", "--license", metavar="ID", help="of a parcel: as in the SPDX list, such as CC-BY-4.0, or a URL"),
    word(
        "--author",
        action="append",
        metavar="WHO",
        help="of a parcel: 'Name <email> ORCID', of which the name alone is "
        "needed; several times for several (default: those who submitted)",
    ),
    word("--diff", action="store_true", help="of a parcel: with the diff of the working tree, which may hold secrets"),
    word("--env-vars", action="store_true", help="of a parcel: with the values of environment variables, likewise"),
)


@verb(
    "copy a notebook, or take what is new into a copy; or make a parcel for an archive",
    word("old", metavar="LAB|FOLDER", help="a lab, or the folder of a notebook"),
    word("new", metavar="NEW", help="a new folder, or that of an earlier copy"),
    word(
        "--salvage",
        action="store_true",
        help="of a damaged notebook: make a new one of all that is whole; what is lost is outstanding there, and its "
        "sweeps are paused",
    ),
    *OF_CRATES,
    ADDRESS,
    word("--json", action="store_true", help="as JSON: an object with what was made, and what was lost"),
    more="A copy is a notebook of its own:\nraylab.Lab(LAB, notebook=NEW) goes on with it. It can be taken while the "
    "lab works, also of a lab on another machine;\ncut, it goes on when it is repeated.",
    example="raylab copy perc /backup/perc",
)
def copy(old: str, new: str, salvage: bool, address: str | None, crate: bool, json: bool, **words: Any) -> int:
    if not crate and (given := [word for word, value in words.items() if value]):
        raise Misuse(f"--{given[0].replace('_', '-')} is about a parcel; say --crate, too")
    if crate and salvage:
        raise Misuse("--salvage makes a notebook, --crate a parcel: salvage first, then make a parcel of that notebook")
    try:
        return _crate(old, new, address, json, **words) if crate else _copy(old, new, salvage, address, json)
    except NotebookDamaged as error:
        say(str(error))
        return DAMAGED


def _copy(old: str, new: str, salvage: bool, address: str | None, json: bool) -> int:
    from raylab.notebook.copy import copy as copied
    from raylab.notebook.place import absolute, store_at
    from raylab.notebook.salvage import salvage as salvaged

    source, target = _source(old, address), store_at(absolute(new))
    lost: Sequence[Finding] = ()
    if salvage:
        copying, lost = salvaged(source, target)
    else:
        copying = copied(source, target)
    if json:
        made = {"notebook": target.place, "name": copying.identity.name, "files": copying.files, "bytes": copying.size}
        print_json({**made, "lost": _told(lost)})
        return DONE
    if lost:
        _show_findings(lost)
        print("what was in these files is lost; the sweeps concerned are paused: submit them again, and they go on")
    name = copying.identity.name
    print(f"{copying.files:,} files, {copying.size:,} bytes were new; the notebook of {name!r} is in {target.place}")
    return DONE


def _crate(
    old: str,
    new: str,
    address: str | None,
    json: bool,
    *,
    sweep: list[str] | None,
    title: str | None,
    description: str | None,
    licence: str | None,
    author: list[str] | None,
    diff: bool,
    env_vars: bool,
) -> int:
    from raylab.core.publishing import Publication
    from raylab.notebook.crate import crate
    from raylab.notebook.parcel import check_new
    from raylab.notebook.place import absolute

    publication = Publication.of(
        title=title, description=description, licence=licence, authors=author, diff=diff, env_vars=env_vars
    )
    place = Path(absolute(new))
    check_new(place)
    packed = crate(_source(old, address), place, publication, sweep)
    if licence is None:
        say("no licence was given, so nobody may use what is in the parcel unasked: --licence CC-BY-4.0, for instance")
    if not author:
        say(f"no author was given, so the parcel names {', '.join(packed.authors)}: --author 'Name <email> ORCID'")
    if json:
        print_json(
            {"parcel": packed.place, "sweeps": packed.sweeps, "files": packed.files, "bytes": packed.size}
            | {"authors": packed.authors}
        )
        return DONE
    count = f"{len(packed.sweeps):,} sweeps" if len(packed.sweeps) > 1 else f"the sweep {packed.sweeps[0]!r}"
    print(f"a parcel of {count}, {packed.files:,} files, {packed.size:,} bytes, is in {packed.place}")
    return DONE


def _source(old: str, address: str | None) -> Reader:
    """The notebook of a folder or of a lab, wherever that is."""
    from raylab.notebook.place import store_at

    place, names = _here(old)
    if place is not None:
        return store_at(place)
    if "/" in old:  # no lab has such a name, also on another machine
        raise _nothing(old, names)
    from raylab.client.resting import look

    return look(old, address).reader
