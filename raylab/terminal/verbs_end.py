"""The verbs that end something: `raylab archive`, `rm`, `shutdown`. What is recorded stays, but for `rm`."""

from __future__ import annotations

from raylab.errors import LabBusy, LabNotFound, NotebookDamaged, VersionMismatch
from raylab.terminal.meant import LAB, YES, answer, at_work, look_up
from raylab.terminal.words import ADDRESS, DONE, NOT_READY, Misuse, verb, word

SWEEP = word("sweep", nargs="?", metavar="SWEEP", help="a sweep of it (default: the lab as a whole)")


@verb(
    "hide a sweep or a lab, or show it again",
    LAB,
    SWEEP,
    word("--undo", action="store_true", help="show it again"),
    ADDRESS,
    more="By its name it is there as before; status --all and ls --all list it. A lab that is hidden is at rest.",
    example="raylab archive perc coarse",
)
def archive(lab: str, sweep: str | None, undo: bool, address: str | None) -> int:
    if sweep is None:
        from raylab.client.whole_labs import WholeLab

        whole, words = WholeLab(lab, address), f"raylab archive {lab}"
        if not undo:
            whole.end()
        whole.archive(undo)
    else:
        found, meant, _ = look_up(lab, sweep, address)
        at_work(found, address).archive(meant, undo)
        words = f"raylab archive {lab} {sweep}"
    print(f"{sweep or lab} is shown again" if undo else f"{sweep or lab} is archived; `{words} --undo` shows it")
    return DONE


@verb(
    "delete a sweep or a lab for good, with its rows",
    LAB,
    SWEEP,
    YES,
    word("--force", action="store_true", help="a lab with trials outstanding or sweeps that are locked, too"),
    ADDRESS,
    more="What runs of a sweep is stopped. It asks for the name again.",
    example="raylab rm perc coarse",
)
def rm(lab: str, sweep: str | None, yes: bool, force: bool, address: str | None) -> int:
    if sweep is None:
        return _rm_lab(lab, yes, force, address)
    if force:
        raise Misuse("--force is about a lab as a whole; a sweep that is locked stays")
    found, meant, now = look_up(lab, sweep, address)
    what = f"{sweep!r} of the lab {lab!r}: {now.rows:,} rows, {now.outstanding:,} trials outstanding"
    if not yes and answer(f"delete {what}, for good? Its name again: ") != sweep:
        print("nothing was deleted")
        return NOT_READY
    at_work(found, address).remove(meant)
    print(f"{sweep} is deleted, with {now.rows:,} rows")
    return DONE


def _rm_lab(lab: str, yes: bool, force: bool, address: str | None) -> int:
    from raylab.client.whole_labs import WholeLab, check_unlocked

    whole = WholeLab(lab, address)
    try:
        there = whole.contents()
        what = f"{there.sweeps:,} sweeps, {there.rows:,} rows, {there.outstanding:,} trials outstanding"
    except (NotebookDamaged, VersionMismatch, LabNotFound):
        what = "nobody can tell what its notebook holds"
    else:
        if not force:
            check_unlocked(lab, there)
    question = f"delete the lab {lab!r} as a whole, for good ({what}; {whole.place})? Its name again: "
    if not yes and answer(question) != lab:
        print("nothing was deleted")
        return NOT_READY
    whole.end(force)
    whole.remove()
    print(f"the lab {lab!r} is deleted: {what}")
    return DONE


@verb(
    "end a lab's actor",
    LAB,
    word("--force", action="store_true", help="with trials outstanding, too"),
    ADDRESS,
    more="The notebook stays; attaching starts the lab again.",
    example="raylab shutdown perc",
)
def shutdown(lab: str, force: bool, address: str | None) -> int:
    from raylab.client.calls import Connection
    from raylab.lab import labs

    there = {each["name"]: each for each in labs(address, archived=True).iter_rows(named=True)}
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
