"""Leases as Ray tasks: start one, follow its stream, cancel it; and how much the cluster could run.

A lease's task yields a Header and then Batches. The private option `_generator_backpressure_num_objects` is what keeps
yielded batches when a worker dies, all but the last one at most, and bounds what a worker runs ahead (tests/ray pins
it); a batch that is lost so was never accepted, and its trials run again. `max_retries=1` is there only because Ray's
memory monitor takes retriable work first and would otherwise take the lab; the retry itself is refused by the worker,
so a stream that ends early, even normally, is a lease that died. Or its node was lost: each end that comes early is
asked for its node. The refused retry waits for a slot like any task, so the stream of a process that died ends 1.5 s
later (a new process), or hours later behind long trials: Ray is asked when the process ended.

A node that is gone ends the streams of its leases minutes later, or when another node has room: Ray waits for the
connection to break, and does not pass on a cancel. So the pool does not wait for Ray: `keep_to` ends them. From then on
nothing of such a lease is handed on, whatever comes of it; that is what lets its positions be free (promise 2).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Collection, Coroutine, Iterator
from dataclasses import dataclass, replace
from typing import Any

import ray
import ray.exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from raylab.core.events import End
from raylab.core.lease_name import task_name, title
from raylab.errors import LabUnavailable
from raylab.server.lease_ends import LeaseFailed, ended, first_lines, judge, words_of
from raylab.server.pool import Ended, Left, Report, Room
from raylab.server.ray_options import options
from raylab.worker import ray_internals
from raylab.worker.batch import Batch
from raylab.worker.last_words import last_words
from raylab.worker.lease import Header, LeaseOrder, Package, run_lease

log = logging.getLogger(__name__)

LOST = "its node is gone"

AHEAD = 2
"""How many items a lease may be ahead of the lab."""

CANCEL_AGAIN_S = 1.0
"""Before a lease that was cancelled, and goes on, is cancelled again."""

SELDOM_S = 30.0
"""The longest pause between two cancels of a lease that is over for the lab: its node may not answer for minutes."""


def _lease(order: LeaseOrder, package: Package) -> Iterator[Header | Batch]:
    """What Ray runs. A repeated attempt is Ray's own idea, not the ledger's: it does nothing.

    Raises:
        LeaseFailed: the experiment could not be loaded, or rows not be made.
    """
    if ray_internals.attempt() == 0:
        ray_internals.set_title(title(order.of, order.start, order.stop))
        try:
            for item in run_lease(order, package):
                yield _signed(item) if isinstance(item, Header) else item
        except Exception as error:
            raise LeaseFailed(words_of(error)) from None


def _signed(header: Header) -> Header:
    """With what Ray calls this node and process."""
    node, worker = ray_internals.node_id(), ray_internals.worker_id()
    return replace(header, node_id=node, worker_id=worker, sent=time.time())


@dataclass(slots=True, kw_only=True, eq=False)
class _Out:
    """A lease that is out.

    Attributes:
        order: what it is to do.
        stream: what it brings.
        there: the nodes that were there when it was asked for.
        next: the first position that no batch has brought.
        process: where it runs; None until it begins.
        heard: when the lab heard of that, by its own clock.
        follower: the task that reads the stream.
    """

    order: LeaseOrder
    stream: Any
    there: frozenset[str]
    next: int
    process: Header | None = None
    heard: float = 0.0
    follower: asyncio.Task[None] | None = None

    @property
    def node(self) -> str:
        """Ray's name of the node; empty until it begins."""
        return "" if self.process is None else self.process.node_id

    @property
    def left(self) -> Left | None:
        """What its process has left, if it died with one trial: of several nobody could tell whose it is."""
        order, process = self.order, self.process
        if process is None or not process.log or order.stop - self.next != 1:
            return None
        return Left(position=self.next, attempt=order.attempt, node=process.node_id, host=process.node, log=process.log)

    def late_s(self, ended: float, now: float) -> float:
        """How long before `now`, of the lab's clock, its process ended, by its node's. The clocks may differ: each says
        only how long something took."""
        assert self.process is not None
        return max(0.0, now - self.heard - (ended - self.process.sent))


class RayPool:
    """The leases in flight, as Ray tasks.

    Args:
        report: told what comes of each lease. Its end is reported when its stream has ended or its node is gone.
        room: awaited before each further item is taken, and once more before it is handed on.
    """

    def __init__(self, report: Report, room: Room) -> None:
        self._report = report
        self._room = room
        self._out: dict[int, _Out] = {}
        self._there: frozenset[str] = frozenset()  # the nodes at the last look
        self._tasks: set[asyncio.Task[None]] = set()
        self._remote = ray.remote(_lease)

    def hold(self, package: Package) -> Any:
        """Have a sweep's package ready for its leases; `launch` takes what this returns."""
        return ray.put(package)

    def nodes(self) -> dict[str, dict[str, float]]:
        """What each living node has in all, by Ray's name of it. Asks the cluster, so it may block or raise."""
        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        return {node["NodeID"]: node["Resources"] for node in nodes if node.get("Alive")}

    def ended_at(self, process: Header) -> float | None:
        """When a process ended, by its node's clock; None where Ray does not know. Asks the cluster."""
        return ray_internals.ended_at(process.worker_id)

    def keep_to(self, nodes: Collection[str]) -> None:
        """These nodes are there. What ran on another one is over; so is, when one has gone, what has not begun.

        A lease that has not begun may wait at the door of the node that has gone, and nobody tells which one does
        (ray#63405). All of them are asked for anew: none has run anything, and the others wait no longer for it.
        """
        if not nodes:  # the cluster does not say; ours is there
            return
        there = frozenset(nodes)
        gone, self._there = self._there - there, there
        if gone:
            log.warning("nodes are gone: %s", ", ".join(sorted(gone)))
            # Ray asks for no more workers than tasks of one function wait, and those asked for at the dead door count:
            # what is asked for anew would wait behind them (seen: from 3 s later on). So it is another function to Ray.
            self._remote = ray.remote(_lease)
        for lease, out in list(self._out.items()):
            if out.node not in there if out.node else gone:
                self._give_up(lease, out)

    def launch(self, order: LeaseOrder, package: Any, modules: str | None) -> None:
        """Start a lease; `modules` is the hash of what its sweep brings."""
        try:
            stream = self.ask(order, package, modules)
        except Exception as error:  # options that this Ray does not know, a job that ends
            ended = Ended(end="environment", words=first_lines(error))
            asyncio.get_running_loop().call_soon(self._report, order.lease, ended)
            return
        out = _Out(order=order, stream=stream, there=self._there, next=order.start)
        self._out[order.lease] = out
        out.follower = self._spawn(self._follow(out))

    def ask(self, order: LeaseOrder, package: Any, modules: str | None) -> Any:
        """Hand a lease to Ray; the stream of what it brings."""
        return self._remote.options(
            name=task_name(order.of, order.start, order.positions),
            num_returns="streaming",
            max_retries=1,
            _generator_backpressure_num_objects=AHEAD,
            **options(order.policy, modules),
        ).remote(order, package)

    def cancel(self, stream: Any) -> None:
        """Ask Ray to end a lease by force."""
        ray.cancel(stream, force=True)

    def stop(self, lease: int) -> None:
        """Cancel a lease by force, until it ends; its end is reported as always."""
        out = self._out.get(lease)
        if out is not None:
            self.cancel(out.stream)
            # A cancel that meets a task just as it is handed to a worker may be lost, and its stream never ends: seen
            # in one of some seventy. The second one worked each time.
            asyncio.get_running_loop().call_later(CANCEL_AGAIN_S, self.stop, lease)

    def stop_all(self) -> None:
        """Cancel every lease by force."""
        for lease in list(self._out):
            self.stop(lease)

    async def fetch(self, left: Left) -> tuple[int, str]:
        """What a process has left; read here if it ran on this node, else by a short task there."""
        if left.node == ray_internals.node_id():
            return await asyncio.to_thread(last_words, left.log)
        there = NodeAffinitySchedulingStrategy(left.node, soft=False)
        task = ray.remote(last_words).options(num_cpus=0, max_retries=0, scheduling_strategy=there)
        try:
            found: tuple[int, str] = await task.remote(left.log)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            raise LabUnavailable(LOST) from error
        return found

    def _give_up(self, lease: int, out: _Out) -> None:
        """A lease is over for the lab, whatever Ray still does with it."""
        if self._out.pop(lease, None) is None:
            return  # over meanwhile, by what followed the end of another one
        assert out.follower is not None
        out.follower.cancel()
        self._spawn(self._see_off(out.stream))
        self._report(lease, Ended(end="lost", words=LOST))

    async def _see_off(self, stream: Any) -> None:
        """Cancel a lease that is over for the lab until its stream ends, and drop what it brings.

        Left alone it could begin after all, and would hold a slot for ever: its worker waits for a reader.
        """
        reading = self._spawn(_drop(stream))
        pause = CANCEL_AGAIN_S
        while not reading.done():
            self.cancel(stream)
            await asyncio.wait([reading], timeout=pause)
            pause = min(2 * pause, SELDOM_S)

    async def _follow(self, out: _Out) -> None:
        end, words = await self._drain(out)
        late_s = 0.0
        if end in ("normal", "died") and out.next < out.order.stop:
            if await self._is_lost(out):
                end, words = "lost", LOST
            else:
                late_s = await self._late_s(out)
        left = out.left if end in ("normal", "died", "out_of_memory") else None
        del self._out[out.order.lease]
        self._report(out.order.lease, Ended(end=end, words=words, left=left, late_s=late_s))

    async def _is_lost(self, out: _Out) -> bool:
        """Whether a lease that ended early ended with its node. Ray knows of that before it runs the lease again."""
        try:
            there = await asyncio.to_thread(self.nodes)
        except Exception as error:  # the cluster does not say
            log.warning("whether the node of lease %s is there is not known: %s", out.order.lease, error)
            return False
        if not there:  # none at all says nothing: ours is there
            return False
        return out.node not in there if out.node else bool(out.there - there.keys())

    async def _late_s(self, out: _Out) -> float:
        """How long ago the process of a lease ended that died; 0.0 where nobody knows."""
        if out.process is None:
            return 0.0
        now = asyncio.get_running_loop().time()
        try:
            at = await asyncio.to_thread(self.ended_at, out.process)
        except Exception as error:  # the cluster does not say
            log.warning("when the process of lease %s ended is not known: %s", out.order.lease, error)
            return 0.0
        return 0.0 if at is None else out.late_s(at, now)

    async def _drain(self, out: _Out) -> tuple[End, str]:
        lease = out.order.lease
        try:
            async for ref in out.stream:
                await self._room()
                item = await ref
                del ref  # the object store keeps what is referred to
                if isinstance(item, Header):
                    out.process, out.heard = item, asyncio.get_running_loop().time()
                    self._report(lease, item)
                else:
                    await self._room()  # others may have filled it meanwhile
                    out.next = item.first + item.count
                    self._report(lease, item)
        except Exception as error:
            end, words = judge(error, out.process)
            return end, words or ended(out.process)
        return "normal", ended(out.process)  # of interest only if there are trials left; see the module's words

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # the loop itself keeps no task alive
        task.add_done_callback(self._tasks.discard)
        return task


async def _drop(stream: Any) -> None:
    """Read a stream to its end and keep nothing."""
    with contextlib.suppress(Exception):  # how it ended is nobody's news
        async for _ in stream:
            pass
