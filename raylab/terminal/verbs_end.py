"""The verbs that end something: `raylab cancel`, `shutdown`, `archive`, `rm`. What is recorded stays, but for `rm`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from raylab.errors import LabBusy, LabNotFound
from raylab.terminal.words import ADDRESS, DONE, NOT_READY, Misuse, verb, word

if TYPE_CHECKING:
    from raylab.client.attachment import Client
    from raylab.client.resting import Resting

LAB = word("lab", metavar="LAB")
YES = word("--yes", action="store_true", help="do not ask")


@verb(
    "give up what a sweep has not recorded",
    LAB,
    word("sweep", metavar="SWEEP"),
    YES,
    ADDRESS,
    more="Submitting it again goes on.",
)
def cancel(lab: str, sweep: str, yes: bool, address: str | None) -> int:
    from raylab.client.resting import look

    found = look(lab, address)  # a lab at rest is started only where there is something to cancel
    meant = found.pinned(sweep)  # this very one, whoever has its name once the question is answered
    left = found.outstanding(meant)
    if not left:
        print(f"{sweep}: nothing is left to cancel")
        return DONE
    question = f"give up {left:,} trials of {sweep!r}? What is recorded stays. [y/N] "
    if not yes and _answer(question).lower() not in ("y", "yes"):
        print("nothing was cancelled")
        return NOT_READY
    cancelled = _at_work(found, address).cancel(meant)
    print(f"{sweep}: {cancelled:,} trials are cancelled; what is recorded stays, submitting again goes on")
    return DONE


def _answer(question: str) -> str:
    if not sys.stdin.isatty():
        raise Misuse("nobody is there to ask; say --yes")
    return input(question).strip()


def _at_work(found: Client | Resting, address: str | None) -> Client:
    """The lab, started if it was at rest."""
    from raylab.client.attachment import Client

    if isinstance(found, Client):
        return found
    started = Client(found.name, address=address)
    print(f"the lab {found.name!r} was started for it; `raylab shutdown {found.name}` ends it")
    return started


@verb(
    "hide a sweep, or show it again",
    LAB,
    word("sweep", metavar="SWEEP"),
    word("--undo", action="store_true", help="show it again"),
    ADDRESS,
    more="By its name it is there as before; status --all lists it.",
)
def archive(lab: str, sweep: str, undo: bool, address: str | None) -> int:
    from raylab.client.resting import look

    found = look(lab, address)
    meant = found.pinned(sweep)
    _at_work(found, address).archive(meant, undo)
    print(f"{sweep} is shown again" if undo else f"{sweep} is archived; `raylab archive {lab} {sweep} --undo` shows it")
    return DONE


@verb(
    "delete a sweep for good, with its rows",
    LAB,
    word("sweep", metavar="SWEEP"),
    YES,
    ADDRESS,
    more="What runs of it is stopped. It asks for the name again.",
)
def rm(lab: str, sweep: str, yes: bool, address: str | None) -> int:
    from raylab.client.resting import look

    found = look(lab, address)
    meant = found.pinned(sweep)  # this very one, whoever has its name once the question is answered
    (now,) = found.overview(meant)
    what = f"{sweep!r} of the lab {lab!r}: {now.rows:,} rows, {now.outstanding:,} trials outstanding"
    if not yes and _answer(f"delete {what}, for good? Its name again: ") != sweep:
        print("nothing was deleted")
        return NOT_READY
    _at_work(found, address).remove(meant)
    print(f"{sweep} is deleted, with {now.rows:,} rows")
    return DONE


@verb(
    "end a lab's actor",
    LAB,
    word("--force", action="store_true", help="with trials outstanding, too"),
    ADDRESS,
    more="The notebook stays; attaching starts the lab again.",
)
def shutdown(lab: str, force: bool, address: str | None) -> int:
    from raylab.client.calls import Connection
    from raylab.lab import labs

    there = {each["name"]: each for each in labs(address).iter_rows(named=True)}
    if lab not in there:
        names = ", ".join(map(repr, there)) or "none"
        raise LabNotFound(f"there is no lab {lab!r} on this cluster; labs there are: {names}")
    # Not by attaching: that would wake a lab at rest, and one that is fenced or of another version does not let us in.
    connection = Connection(lab)
    if not connection.find():
        print(f"the lab {lab!r} is at rest already")
        return DONE
    try:
        connection.end(force)
    except LabBusy as error:
        left = str(error).partition(", so it stays")[0]
        raise LabBusy(
            f"{left}, so it stays; `raylab cancel {lab} SWEEP` gives up those of a sweep, `raylab shutdown "
            f"{lab} --force` leaves them in the notebook: they go on when somebody attaches"
        ) from None
    print(f"the lab {lab!r} is at rest; its notebook stays in {there[lab]['notebook']}")
    return DONE
