"""The verbs that ask how far it is: `raylab ls`, `status`. They start no lab."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from raylab.client.speech import say
from raylab.display.figures import width
from raylab.terminal.as_json import print_json
from raylab.terminal.screen import aligned, details, table
from raylab.terminal.words import ADDRESS, DONE, JSON, Misuse, verb, word

if TYPE_CHECKING:
    from raylab.client.attachment import Client
    from raylab.client.resting import Resting

LAB = word("lab", nargs="?", metavar="LAB", help="the lab's name")
SWEEP = word("sweep", nargs="?", metavar="SWEEP", help="of one sweep (default: all there are)")
ALL = word("--all", action="store_true", help="with those that are archived")
NOTEBOOK = word(
    "--notebook", type=Path, metavar="PATH", help="read this folder; needs no cluster, and no LAB before SWEEP"
)


@verb("list the labs of a cluster", ADDRESS, ALL, JSON, example="raylab ls --json")
def ls(address: str | None, all: bool, json: bool) -> int:
    from raylab.lab import labs

    found = labs(address, archived=all).to_dicts()
    if json:
        print_json(found)
    elif not found:
        say("no labs yet; raylab.Lab(NAME) in Python makes one")
    else:
        rows = [
            (lab["name"], lab["user"], "running" if lab["running"] else "at rest", lab["notebook"]) for lab in found
        ]
        print("\n".join(aligned([("LAB", "USER", "ACTOR", "NOTEBOOK"), *rows], "<<<<")))
    return DONE


@verb(
    "show how far the sweeps of a lab are",
    LAB,
    SWEEP,
    ADDRESS,
    NOTEBOOK,
    ALL,
    JSON,
    more="Of each: how much is ready and failed, trials per second, the time left, its priority, whose it is and since "
    "when; of one SWEEP also its design, and on which nodes it runs.",
    example="raylab status perc coarse",
)
def status(
    lab: str | None, sweep: str | None, address: str | None, notebook: Path | None, all: bool, json: bool
) -> int:
    dashboard = None
    if notebook is not None:
        from raylab.offline import Notebook, overview

        name = only_sweep(lab, sweep)
        found = overview(Notebook(notebook), name, all)
    else:
        seen = look(lab, address)
        found = seen.overview(sweep, all)
        dashboard = None if json else seen.dashboard()
    if json:
        print_json([each.told() for each in found])
    else:
        columns = width(sys.stdout)
        print("\n".join(table(found, columns)))
        if (sweep if notebook is None else lab) is not None:
            print("\n".join(["", *details(found[0], columns)]))
    if dashboard is not None:
        say(f"Ray's dashboard is at {dashboard}")
    return DONE


def look(lab: str | None, address: str | None) -> Client | Resting:
    """The lab of this name, as it is."""
    from raylab.client import resting

    if lab is None:
        raise Misuse("which lab? `raylab ls` lists them")
    return resting.look(lab, address)


def only_sweep(lab: str | None, sweep: str | None) -> str | None:
    """With --notebook the first name is the sweep's."""
    if sweep is not None:
        raise Misuse("with --notebook, give a sweep and no lab")
    return lab
