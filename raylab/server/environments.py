"""What workers have installed, as it is heard of from their leases and noted: once for each node, environment and code
version of a sweep.

Promises: the rows of a process are durable only after what it has installed is; a lease of which nothing is new costs
a look into a set.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Any

from raylab.core.provenance import MOST_NODES, Environment, Workers
from raylab.core.request import Request
from raylab.server.at_work import AtWork
from raylab.server.sweeps import Sweeps
from raylab.worker.lease import Header

__all__ = ["Environments"]


class Environments:
    """The environments of a lab's workers.

    Args:
        sweeps: the lab's.
        spawn: runs something beside.
    """

    def __init__(self, sweeps: Sweeps, spawn: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self.known: tuple[str, ...] = ()
        """Digests that workers need not send the environments of."""
        self._sweeps = sweeps
        self._spawn = spawn
        self._met: dict[str, Environment] = {}  # not noted yet

    def heard(self, sweep: AtWork, header: Header) -> None:
        """A process has begun a lease."""
        this = (header.version, header.digest, header.node)
        if not header.digest or this in sweep.heard:
            return
        if not sweep.heard:
            known = sweep.record.workers
            sweep.heard = {(each.version, each.environment, node) for each in known for node in each.nodes}
        if this in sweep.heard or len(sweep.heard) >= MOST_NODES:
            if header.digest in self._sweeps.records.environments:
                self._need_not_send(header.digest)
            return
        sweep.heard.add(this)
        if header.environment is not None:
            self._met[header.digest] = header.environment
        sweep.unnoted.append(this)
        if len(sweep.unnoted) == 1:
            self._spawn(self._note(sweep))

    async def _note(self, sweep: AtWork) -> None:
        """Write down what is new of a sweep's workers, with all that comes until it is written."""
        async with sweep.writing:  # its rows wait
            new, sweep.unnoted = sweep.unnoted, []
            requests = self._sweeps.new_environments(*(self._met.get(digest) for _, digest, _ in new))
            for version, digest in dict.fromkeys((version, digest) for version, digest, _ in new):
                nodes = tuple(node for *of, node in new if of == [version, digest])
                body = asdict(Workers(version=version, environment=digest, nodes=nodes))
                requests.append(Request(kind="workers", sweep=sweep.name, folder=sweep.key, body=body))
            await self._sweeps.note(*requests)
        for _, digest, _ in new:
            self._need_not_send(digest)

    def _need_not_send(self, digest: str) -> None:
        self._met.pop(digest, None)
        self.known = tuple(dict.fromkeys((*self.known, digest)))
