"""What runs leases, as the lab sees it: asked to start and to end them, it reports what comes of them by one callback.

`ray_pool` runs leases as Ray tasks, `raylab.testing` runs them in the lab's own process.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from raylab.core.events import End
from raylab.worker.batch import Batch
from raylab.worker.lease import Header, LeaseOrder, Package


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a process has left that died with the last trial of its lease.

    Attributes:
        position, attempt: the trial.
        node, host: where, by Ray's name and by people's.
        log: the file there that has what the trial printed.
    """

    position: int
    attempt: int
    node: str
    host: str
    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A lease is over: how, with which words, what is left of its last trial, how long ago its process ended."""

    end: End
    words: str = ""
    left: Left | None = None
    late_s: float = 0.0


Report: TypeAlias = Callable[[int, Header | Batch | Ended], None]
"""Called with a lease's number and what came of it: its Header, then its batches in order, and once that it Ended.
Nothing of the lease is reported after that."""

Room: TypeAlias = Callable[[], Awaitable[None]]
"""Awaited before each further batch is taken."""


class Pool(Protocol):
    """The leases in flight."""

    def hold(self, package: Package) -> Any:
        """Have a sweep's package ready for its leases; `launch` takes what this returns."""

    def nodes(self) -> Mapping[str, Mapping[str, float]]:
        """What each living node has in all, by its name. May block or raise."""

    def keep_to(self, nodes: Collection[str]) -> None:
        """These nodes are there: what ran on another one is over."""

    def launch(self, order: LeaseOrder, package: Any, modules: str | None) -> None:
        """Start a lease; `modules` is the hash of what its sweep brings."""

    def stop(self, lease: int) -> None:
        """Cancel a lease by force; its end is reported as always."""

    def stop_all(self) -> None:
        """Cancel every lease by force."""

    async def fetch(self, left: Left) -> tuple[int, str]:
        """What a process has left: how many bytes it printed, and what is kept of it. Raises what keeps it from being
        had; it is gone afterwards."""
