"""The verbs that ask and read: `raylab ls`, `status`, `watch`, `wait`. They start no lab."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raylab.client.speech import NOTHING_CANCELLED, Interruptible, say
from raylab.display.figures import width
from raylab.terminal.screen import Canvas, aligned, table
from raylab.terminal.words import ADDRESS, DONE, JSON, NOT_READY, Misuse, number, verb, word

if TYPE_CHECKING:
    from raylab.client.attachment import Client
    from raylab.client.resting import Resting

POLL_S = 20.0
SECONDS = number(float, 0, float("inf"), "seconds from 0 on")

LAB = word("lab", nargs="?", metavar="LAB", help="the lab's name")
SWEEP = word("sweep", nargs="?", metavar="SWEEP", help="of one sweep (default: all there are)")
ALL = word("--all", action="store_true", help="with those that are archived")
NOTEBOOK = word(
    "--notebook", type=Path, metavar="PATH", help="read this folder; needs no cluster, and no LAB before SWEEP"
)


@verb("list the labs of a cluster", ADDRESS, ALL, JSON)
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


def print_json(value: Any) -> None:
    """Times are text in it, as ISO 8601 has them."""
    print(json.dumps(value, indent=1, ensure_ascii=False, default=lambda moment: moment.isoformat()))


@verb("show how far the sweeps of a lab are", LAB, SWEEP, ADDRESS, NOTEBOOK, ALL, JSON)
def status(
    lab: str | None, sweep: str | None, address: str | None, notebook: Path | None, all: bool, json: bool
) -> int:
    if notebook is not None:
        from raylab.offline import Notebook, overview

        name = only_sweep(lab, sweep)
        found = overview(Notebook(notebook), name, all)
    else:
        found = look(lab, address).overview(sweep, all)
    if json:
        print_json([each.told() for each in found])
    else:
        print("\n".join(table(found, width(sys.stdout))))
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


@verb("show it again whenever there is news, until all is in", LAB, SWEEP, ADDRESS, more="Ctrl-C cancels nothing.")
def watch(lab: str | None, sweep: str | None, address: str | None) -> int:
    with Interruptible(lambda: NOTHING_CANCELLED):
        return _follow(look(lab, address), sweep)


def _follow(lab: Client | Resting, sweep: str | None) -> int:
    canvas = Canvas(sys.stdout)
    which = None if sweep is None else lab.pinned(sweep)
    mark, sweeps = lab.news(which, None, None)
    while True:
        canvas.draw(table(sweeps, width(sys.stdout)))
        if not any(each.outstanding for each in sweeps):
            return DONE
        if not lab.at_work:
            return NOT_READY
        mark, sweeps = lab.news(which, mark, POLL_S)


@verb(
    "wait until all is in, with a bar",
    LAB,
    SWEEP,
    ADDRESS,
    word("--timeout", type=SECONDS, metavar="S", help="seconds to wait at most"),
    word("--quiet", action="store_true", help="no bar, the exit code says it all"),
)
def wait(lab: str | None, sweep: str | None, address: str | None, timeout: float | None, quiet: bool) -> int:
    return DONE if look(lab, address).wait(sweep, timeout, not quiet) else NOT_READY
