"""Leases on simulated nodes: the real worker, an item at a time, that may die, lag, or send twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from raylab.core import events as ev
from raylab.server.pool import Ended, Report, Room
from raylab.worker import lease
from raylab.worker.lease import Batch, Header, LeaseOrder, Package, run_lease
from simulation.clock import CLOCK

if TYPE_CHECKING:
    from simulation.process import Process


@dataclass(eq=False)
class Stream:
    """A lease as the cluster sees it."""

    order: LeaseOrder
    package: Package
    wants: dict[str, float]
    placed: asyncio.Future[None]
    fate: asyncio.Future[tuple[ev.End, str]]
    clock: float = 0.0
    node: int = -1
    stopping: bool = False
    last: Batch | None = None

    def end(self, end: ev.End, words: str) -> None:
        if not self.fate.done():
            self.fate.set_result((end, words))


class SimPool:
    """Runs leases with the real worker's code, an item at a time."""

    def __init__(self, process: Process, report: Report, room: Room) -> None:
        self.process, self.life = process, process.life
        self.report, self.room = report, room
        self.all: dict[int, Stream] = {}
        process.pools.append(self)

    def hold(self, package: Package) -> Package:
        return replace(package, modules=None)

    def nodes(self) -> dict[str, dict[str, float]]:
        if self.life.rng.random() < self.life.plan["nodes unknown"]:
            raise ConnectionError("the cluster does not say")
        return {str(name): dict(node) for name, node in self.process.cluster.nodes.items()}

    def keep_to(self, nodes: Any) -> None:
        """Here the end of a node is seen as such."""

    def launch(self, order: LeaseOrder, package: Package, modules: str | None) -> None:
        life = self.life
        life.counts["leases"] += 1
        folder = package.key.split("/", 1)[1].rsplit("/", 2)[0]
        if self.process.fenced:
            life.broken(f"{self.process} is fenced and starts lease {order}")
        again = [p for p in range(order.start, order.stop) if p in life.committed[folder]]
        if again and life.owner == self.process.actor_id:  # one that slept cannot know yet that it is fenced
            life.broken(f"{folder}: {again} were counted, and are run again")
        loop = life.loop
        wants = {name: amount for name, amount in order.policy.resources.items() if amount}
        stream = Stream(order, package, wants, loop.create_future(), loop.create_future())
        self.all[order.lease] = stream
        self.process.cluster.queue.append(stream)
        loop.create_task(self._follow(stream))
        self.process.cluster.place()

    def stop(self, lease: int) -> None:
        stream = self.all.get(lease)
        if stream is not None and not stream.stopping:
            stream.stopping = True
            delay = self.life.rng.choice((0.0, 0.02, 0.5, self.life.rng.uniform(0, 30)))
            self.life.loop.call_later(delay, stream.end, "stopped", "cancelled")

    def stop_all(self) -> None:
        for each in list(self.all):
            self.stop(each)

    async def fetch(self, left: Any) -> tuple[int, str]:
        raise FileNotFoundError("nothing is printed here")

    def vanish(self) -> None:
        for stream in self.all.values():
            self.process.cluster.leave(stream)

    async def _follow(self, stream: Stream) -> None:
        end, words = await self._drain(stream)
        self.all.pop(stream.order.lease, None)
        self.process.cluster.leave(stream)
        self.life.counts[f"lease {end}"] += 1
        self.report(stream.order.lease, Ended(end=end, words=words))
        if stream.last is not None and self.life.rng.random() < self.life.plan["late batch"]:
            self.life.counts["late batch"] += 1
            self.life.loop.call_later(
                self.life.rng.uniform(0, 5),
                self._deliver,
                stream.order.lease,
                stream.last,
                context=self.process.context(),
            )

    def _deliver(self, lease: int, batch: Batch) -> None:
        self.process.biggest = max(self.process.biggest, batch.rows.nbytes)
        if not self.process.conductor.recorder._bytes:
            self.process.holding_since = self.life.loop.now
        self.report(lease, batch)

    async def _drain(self, stream: Stream) -> tuple[ev.End, str]:
        life = self.life
        await asyncio.wait([stream.placed, stream.fate], return_when=asyncio.FIRST_COMPLETED)
        if life.rng.random() < life.plan["death"]:
            end = life.rng.choice(("died", "out_of_memory", "lost", "normal", "stopped"))
            life.loop.call_later(life.rng.expovariate(1.0), stream.end, end, "bad luck")
        if await self._ends(stream, life.rng.choice((0.005, 0.005, 1.5))):
            return stream.fate.result()
        if life.rng.random() < life.plan["environment"]:
            return "environment", "pip does not answer"
        return await self._items(stream)

    async def _items(self, stream: Stream) -> tuple[ev.End, str]:
        life = self.life
        items = run_lease(stream.order, stream.package)
        while True:
            item, seconds, words = step(items, stream)
            if await self._ends(stream, seconds):
                if isinstance(item, Batch) and life.rng.random() < 0.3:
                    await self.room()
                    self._deliver(stream.order.lease, item)  # it was under way already
                return stream.fate.result()
            if item is None:
                return ("died", words) if words else ("normal", "")
            await self.room()
            if isinstance(item, Header):
                self.report(stream.order.lease, item)
                continue
            stream.last = item
            self._deliver(stream.order.lease, item)
            if life.rng.random() < life.plan["double batch"]:
                life.counts["double batch"] += 1
                self._deliver(stream.order.lease, item)

    async def _ends(self, stream: Stream, seconds: float) -> bool:
        """Let time pass; whether the lease ended meanwhile."""
        if not stream.fate.done():
            await asyncio.wait([stream.fate], timeout=seconds)
        return stream.fate.done()


def step(items: Iterator[Header | Batch], stream: Stream) -> tuple[Header | Batch | None, float, str]:
    """The next item, how long it took, and the last words of the process if it died."""
    before = stream.clock
    CLOCK.now = before
    try:
        item, words = next(items, None), ""
    except SystemExit as error:
        item, words = None, f"its process ended: {error}"
        lease._Ending.asked = False
    stream.clock = CLOCK.now
    return item, stream.clock - before, words
