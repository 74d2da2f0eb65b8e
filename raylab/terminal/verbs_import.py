"""The verb that takes what another tool has made into a lab: `raylab import`."""

from __future__ import annotations

from pathlib import Path

from raylab.client.speech import say
from raylab.terminal.meant import LAB
from raylab.terminal.words import ADDRESS, DONE, NOT_READY, verb, word


@verb(
    "take a notebook of epyc into a lab",
    word("file", metavar="FILE", type=Path, help="the notebook, in JSON or HDF5"),
    LAB,
    word("--name", metavar="SWEEP", help="of the sweep; of several result sets each is SWEEP-TAG (default: the tag)"),
    ADDRESS,
    more="Each result set becomes a sweep, with all that is\nrecorded; the same again adds nothing. The lab is made if "
    "there is none.",
    example="raylab import old-notebook.h5 perc",
)
def import_(file: Path, lab: str, name: str | None, address: str | None) -> int:
    from raylab.client.attaching import none_here
    from raylab.client.attachment import Client
    from raylab.client.cluster import NoCluster, connect
    from raylab.compat.epyc.importing import import_notebook
    from raylab.core.shown import plural

    try:
        connect(address, start=False)  # a cluster inside this process would end with it
    except NoCluster as error:
        raise none_here(lab, error) from None
    client = Client(lab, address=address, create=True)
    code = DONE
    for each in import_notebook(client, file, name):
        for remark in each.remarks:
            say(remark)
        if each.sweep is None:
            say(f"the result set {each.stored.tag!r} has no results, so it is no sweep")
            continue
        if not client.wait(each.sweep, None, True):
            code = NOT_READY
        now = client.progress(each.sweep)
        failed = f", {now.failed:,} of them of runs that failed" if now.failed else ""
        there = "was there already" if each.known else "is there"
        print(f"{each.sweep.name} {there}: {now.rows:,} results{failed}")
        if each.stored.pending:
            left = plural(each.stored.pending, "pending run")
            say(f"{left} of {each.stored.tag!r} in the file: left out, as nothing came of them yet")
    return code
