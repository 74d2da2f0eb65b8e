"""The verbs that end something: `raylab archive`, `rm`, `shutdown`. What is recorded stays, but for `rm`."""

from __future__ import annotations

from raylab.errors import LabBusy, LabNotFound
from raylab.terminal.meant import LAB, SWEEP, YES, answer, at_work, look_up
from raylab.terminal.words import ADDRESS, DONE, NOT_READY, verb, word


@verb(
    "hide a sweep, or show it again",
    LAB,
    SWEEP,
    word("--undo", action="store_true", help="show it again"),
    ADDRESS,
    more="By its name it is there as before; status --all lists it.",
)
def archive(lab: str, sweep: str, undo: bool, address: str | None) -> int:
    found, meant, _ = look_up(lab, sweep, address)
    at_work(found, address).archive(meant, undo)
    print(f"{sweep} is shown again" if undo else f"{sweep} is archived; `raylab archive {lab} {sweep} --undo` shows it")
    return DONE


@verb(
    "delete a sweep for good, with its rows",
    LAB,
    SWEEP,
    YES,
    ADDRESS,
    more="What runs of it is stopped. It asks for the name again.",
)
def rm(lab: str, sweep: str, yes: bool, address: str | None) -> int:
    found, meant, now = look_up(lab, sweep, address)
    what = f"{sweep!r} of the lab {lab!r}: {now.rows:,} rows, {now.outstanding:,} trials outstanding"
    if not yes and answer(f"delete {what}, for good? Its name again: ") != sweep:
        print("nothing was deleted")
        return NOT_READY
    at_work(found, address).remove(meant)
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
