"""The verbs that end something: `raylab cancel` and `shutdown`. What is recorded stays."""

from __future__ import annotations

import sys

from raylab.errors import LabBusy, LabNotFound
from raylab.terminal.words import ADDRESS, DONE, NOT_READY, Misuse, verb, word

LAB = word("lab", metavar="LAB")


@verb(
    "give up what a sweep has not recorded",
    LAB,
    word("sweep", metavar="SWEEP"),
    word("--yes", action="store_true", help="do not ask"),
    ADDRESS,
    more="Submitting it again goes on.",
)
def cancel(lab: str, sweep: str, yes: bool, address: str | None) -> int:
    from raylab.client.attachment import Client
    from raylab.client.resting import look

    found = look(lab, address)  # a lab at rest is started only where there is something to cancel
    meant = found.pinned(sweep)  # this very one, whoever has its name once the question is answered
    left = found.outstanding(meant)
    if not left:
        print(f"{sweep}: nothing is left to cancel")
        return DONE
    if not yes:
        if not sys.stdin.isatty():
            raise Misuse("nobody is there to ask; say --yes")
        answer = input(f"give up {left:,} trials of {sweep!r}? What is recorded stays. [y/N] ")
        if answer.strip().lower() not in ("y", "yes"):
            print("nothing was cancelled")
            return NOT_READY
    at_work = found if isinstance(found, Client) else Client(lab, address=address)
    cancelled = at_work.cancel(meant)
    print(f"{sweep}: {cancelled:,} trials are cancelled; what is recorded stays, submitting again goes on")
    if at_work is not found:
        print(f"the lab {lab!r} was started for it; `raylab shutdown {lab}` ends it")
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
