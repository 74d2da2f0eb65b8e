"""A lab's own log, found for a person: through its actor, or, where that is at rest, among what its head node kept."""

from __future__ import annotations

from raylab.client.attachment import Client
from raylab.client.cluster import on_head
from raylab.client.resting import Resting
from raylab.errors import LogNotFound
from raylab.notebook import layout
from raylab.notebook.table_files import last_opening
from raylab.server.own_log import OwnLog, own_log


def lab_log(lab: Client | Resting) -> OwnLog:
    """What a lab wrote last.

    Raises:
        LogNotFound: it is at rest, and its cluster is gone with what it wrote.
    """
    if isinstance(lab, Client):
        found: OwnLog = lab.connection.call("own_log")
        return found
    last = last_opening(lab.reader, layout.REQUESTS)
    writer = {} if last is None else last.writer
    pid, host = int(writer.get("pid", 0)), writer.get("host", "a host that is not known")
    there = None if lab.here else on_head(own_log, pid)
    if there is None or not there.files:
        raise LogNotFound(
            f"the lab {lab.name!r} is at rest, and no cluster has its log: it was process {pid} on {host}, which wrote "
            f"worker-*-{pid}.err in Ray's folder of that session, /tmp/ray/session_*/logs unless said otherwise"
        )
    return there
