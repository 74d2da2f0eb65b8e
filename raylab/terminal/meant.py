"""What the verbs that change something have in common: which sweep is meant, a question, a lab that is at work.

A lab at rest is looked at first, and started only where there is something to do.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from raylab.terminal.words import Misuse, word

if TYPE_CHECKING:
    from raylab.client.attachment import Client
    from raylab.client.resting import Resting
    from raylab.core.handle import Handle
    from raylab.core.status import Status

LAB = word("lab", metavar="LAB", help="the lab's name")
SWEEP = word("sweep", metavar="SWEEP", help="the sweep's name")
YES = word("--yes", action="store_true", help="do not ask")


def look_up(lab: str, sweep: str, address: str | None) -> tuple[Client | Resting, Handle, Status]:
    """The lab as it is, this very sweep, whoever has its name once a question is answered, and how far it is."""
    from raylab.client.resting import look

    found = look(lab, address)
    meant = found.pinned(sweep)
    (now,) = found.overview(meant)
    return found, meant, now


def answer(question: str) -> str:
    """What the person at the terminal says."""
    if not sys.stdin.isatty():
        raise Misuse("nobody is there to ask; say --yes")
    return input(question).strip()


def at_work(found: Client | Resting, address: str | None) -> Client:
    """The lab, started if it was at rest."""
    from raylab.client.attachment import Client

    if isinstance(found, Client):
        return found
    started = Client(found.name, address=address)
    print(f"the lab {found.name!r} was started for it; `raylab shutdown {found.name}` ends it")
    return started
