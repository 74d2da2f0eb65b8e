"""Leases as Ray tasks: start one, follow its stream, cancel it; and how much the cluster could run.

A lease's task yields a Header and then Batches. The private option `_generator_backpressure_num_objects` is what keeps
yielded batches when a worker dies, all but the last one at most, and bounds what a worker runs ahead (tests/ray pins
it); a batch that is lost so was never accepted, and its trials run again. A lease that is alone begins with more
Headers, as many as it may be ahead of the lab: so it holds until the lab reads on. `max_retries=1` is there only
because Ray's memory monitor takes retriable work first and would otherwise take the lab; the retry itself is refused by
the worker, so a stream that ends early, even normally, is a lease that died. Or its node was lost: each end that comes
early is asked for its node.

A node that is gone ends the streams of its leases minutes later, or when another node has room: Ray waits for the
connection to break, and does not pass on a cancel. So the pool does not wait for Ray: `keep_to` ends them. From then on
nothing of such a lease is handed on, whatever comes of it; that is what lets its positions be free (promise 2).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator
from dataclasses import dataclass, replace
from typing import Any

import ray
import ray.exceptions

from raylab.core.events import End
from raylab.core.request import Policy
from raylab.errors import DesignError
from raylab.server.setup_failure import setup_failure
from raylab.worker import ray_internals
from raylab.worker.batch import Batch
from raylab.worker.lease import AHEAD, Header, LeaseOrder, Package, run_lease

log = logging.getLogger(__name__)

LOST = "its node is gone"

CANCEL_AGAIN_S = 1.0
"""Before a lease that was cancelled, and goes on, is cancelled again."""

SELDOM_S = 30.0
"""The longest pause between two cancels of a lease that is over for the lab: its node may not answer for minutes."""


class LeaseFailed(Exception):
    """What ended a lease, in words. The exception itself may be the user's, and Ray would unpickle it in the lab."""


def _lease(order: LeaseOrder, package: Package) -> Iterator[Header | Batch]:
    """What Ray runs. A repeated attempt is Ray's own idea, not the ledger's: it does nothing.

    Raises:
        LeaseFailed: the experiment could not be loaded, or rows not be made.
    """
    if ray_internals.attempt() == 0:
        try:
            for item in run_lease(order, package):
                yield replace(item, node_id=ray_internals.node_id()) if isinstance(item, Header) else item
        except Exception as error:
            raise LeaseFailed(_words(error)) from None


@dataclass(slots=True, kw_only=True, eq=False)
class _Out:
    """A lease that is out.

    Attributes:
        order: what it is to do.
        stream: what it brings.
        there: the nodes that were there when it was asked for.
        gate: of one that is alone: opened when it may run its trial.
        node: where it runs; empty until it begins.
        complete: whether its last batch has come.
        follower: the task that reads the stream.
    """

    order: LeaseOrder
    stream: Any
    there: frozenset[str]
    gate: asyncio.Event
    node: str = ""
    complete: bool = False
    follower: asyncio.Task[None] | None = None


class Pool:
    """The leases in flight.

    Args:
        on_ready: called when the process of a lease that is alone is up, and holds until `go`.
        on_header: called when a lease's first trial is about to run.
        on_batch: called with each batch, in order.
        on_end: called once for each lease, when its stream has ended or its node is gone: how, and with which words.
            Nothing is called for that lease afterwards.
        room: awaited before each further item is taken, and once more before it is handed on.
    """

    def __init__(
        self,
        *,
        on_ready: Callable[[int], None],
        on_header: Callable[[int, Header], None],
        on_batch: Callable[[int, Batch], None],
        on_end: Callable[[int, End, str], None],
        room: Callable[[], Awaitable[None]],
    ) -> None:
        self._on_ready = on_ready
        self._on_header = on_header
        self._on_batch = on_batch
        self._on_end = on_end
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

    def launch(self, order: LeaseOrder, package: Any, policy: Policy, modules: str | None) -> None:
        """Start a lease; `modules` is the hash of what its sweep brings."""
        loop = asyncio.get_running_loop()
        try:
            stream = self.ask(order, package, policy, modules)
        except Exception as error:  # options that this Ray does not know, a job that ends
            loop.call_soon(self._on_end, order.lease, "environment", _first_lines(error))
            return
        out = _Out(order=order, stream=stream, there=self._there, gate=asyncio.Event())
        self._out[order.lease] = out
        out.follower = self._spawn(self._follow(out))

    def ask(self, order: LeaseOrder, package: Any, policy: Policy, modules: str | None) -> Any:
        """Hand a lease to Ray; the stream of what it brings."""
        return self._remote.options(
            num_returns="streaming",
            max_retries=1,
            _generator_backpressure_num_objects=AHEAD,
            **options(policy, modules),
        ).remote(order, package)

    def cancel(self, stream: Any) -> None:
        """Ask Ray to end a lease by force."""
        ray.cancel(stream, force=True)

    def go(self, lease: int) -> None:
        """Let a lease that holds run its trial."""
        if lease in self._out:
            self._out[lease].gate.set()

    def stop(self, lease: int) -> None:
        """Cancel a lease by force, until it ends; its end is reported as always."""
        out = self._out.get(lease)
        if out is not None:
            self.cancel(out.stream)
            out.gate.set()  # to its end
            # A cancel that meets a task just as it is handed to a worker may be lost, and its stream never ends: seen
            # in one of some seventy. The second one worked each time.
            asyncio.get_running_loop().call_later(CANCEL_AGAIN_S, self.stop, lease)

    def stop_all(self) -> None:
        """Cancel every lease by force."""
        for lease in list(self._out):
            self.stop(lease)

    def _give_up(self, lease: int, out: _Out) -> None:
        """A lease is over for the lab, whatever Ray still does with it."""
        if self._out.pop(lease, None) is None:
            return  # over meanwhile, by what followed the end of another one
        assert out.follower is not None
        out.follower.cancel()
        self._spawn(self._see_off(out.stream))
        self._on_end(lease, "lost", LOST)

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
        if end in ("normal", "died") and not out.complete and await self._is_lost(out):
            end, words = "lost", LOST
        del self._out[out.order.lease]
        self._on_end(out.order.lease, end, words)

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

    async def _drain(self, out: _Out) -> tuple[End, str]:
        lease = out.order.lease
        process: Header | None = None
        try:
            async for ref in out.stream:
                await self._room()
                item = await ref
                del ref  # the object store keeps what is referred to
                if isinstance(item, Header):
                    out.node = item.node_id
                    await self._begin(out, item, first=process is None)
                    process = item
                else:
                    await self._room()  # others may have filled it meanwhile
                    out.complete = item.first + item.count == out.order.stop
                    self._on_batch(lease, item)
        except Exception as error:
            end, words = judge(error, process)
            return end, words or _ended(process)
        return "normal", _ended(process)  # of interest only if there are trials left; see the module's words

    async def _begin(self, out: _Out, header: Header, *, first: bool) -> None:
        """A lease that is alone is AHEAD by now, and waits for us to take its second header."""
        if header.runs:
            self._on_header(out.order.lease, header)
        elif first:
            self._on_ready(out.order.lease)
            await out.gate.wait()

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


def judge(error: Exception, process: Header | None) -> tuple[End, str]:
    """What the end of a stream means for its lease; without words where Ray says nothing but that it ended.

    Args:
        error: what Ray raised.
        process: where the lease had started; None if it had not.
    """
    words = _first_lines(error)
    match error:
        case ray.exceptions.TaskCancelledError():
            return "stopped", words
        case ray.exceptions.RuntimeEnvSetupError():
            return "environment", setup_failure(str(error))
        case ray.exceptions.RayTaskError() if process is None:
            return "environment", words
        case ray.exceptions.NodeDiedError() | ray.exceptions.ObjectLostError():
            return "lost", words
        case ray.exceptions.OutOfMemoryError():
            return "out_of_memory", _shortage(str(error), process)
        case ray.exceptions.WorkerCrashedError():
            return "died", ""
        case _:
            return "died", words


_NODES = re.compile(r"Memory on the node.*? was ([\d.]+ ?[kMGT]?i?B)(?: used)? / ([\d.]+ ?[kMGT]?i?B)")
_SELECTED = re.compile(r"Selected to kill: .*?pid=(\d+), actual memory used=([\d.]+ ?[kMGT]?i?B)")


def _shortage(text: str, process: Header | None) -> str:
    """What a process had that Ray's memory monitor killed, and what its node has; else Ray's own first line.

    Of Ray 2.60: `Memory on the node (IP: …, ID: …) was 2.91GB used / 23.54GB limit (0.12)`, somewhere `Selected to
    kill: (Task: …, pid=5012, actual memory used=1.94GB, …)`, and a table of `PID MEM(GB) COMMAND`.
    """
    node, had = _NODES.search(text), ""
    if process is not None:
        row = re.search(rf"^\s*{process.pid}\s+([\d.]+)\s", text, re.MULTILINE)
        taken = dict(_SELECTED.findall(text)).get(str(process.pid))
        had = taken or (f"{row[1]}GB" if row else "")
    else:
        had = next((size for _, size in _SELECTED.findall(text)), "")
    if node is None:
        return f"it needed more memory than its node could give: {text.strip().partition(chr(10))[0]}"[:1_000]
    own = f"its process had {had}, " if had else ""
    where = f" {process.node}" if process is not None else ""
    return (
        f"it needed more memory than its node could give: {own}the node{where} had {node[1]} of {node[2]} in use; "
        "give it memory= (bytes), so that fewer trials run side by side on a node"
    )


def _ended(process: Header | None) -> str:
    """The most that can be said of a process that is gone: Ray does not tell a lab how."""
    if process is None:
        return "its process ended unexpectedly"
    return (
        f"its process ended unexpectedly, by a signal or by itself; Ray's log worker-*-{process.pid}.err on "
        f"{process.node} may say why"
    )


def _first_lines(error: Exception) -> str:
    if isinstance(error, ray.exceptions.RayTaskError) and error.cause is not None:
        return str(error.cause) if isinstance(error.cause, LeaseFailed) else _words(error.cause)
    return _words(error)


def _words(error: Exception) -> str:
    try:
        text = str(error)
    except Exception as second:  # a class of the user's
        text = f"its message cannot be read, {type(second).__name__} in __str__"
    return f"{type(error).__name__}: {text}"[:1_000]


def options(policy: Policy, modules: str | None) -> dict[str, Any]:
    """A sweep's policy in Ray's words. Sweeps that bring modules get worker processes by the modules' hash."""
    resources = dict(policy.resources)
    words: dict[str, Any] = {**policy.ray_remote_args, "num_cpus": resources.pop("CPU", 0)}
    if gpus := resources.pop("GPU", 0):
        words["num_gpus"] = gpus
    if memory := resources.pop("memory", 0):
        words["memory"] = memory
    if resources:
        words["resources"] = resources
    environment = dict(policy.runtime_env)
    if modules:
        environment["env_vars"] = {**environment.get("env_vars", {}), "RAYLAB_MODULES": modules}
    if environment:
        words["runtime_env"] = environment
    return words


def check_options(policy: Policy) -> None:
    """Refuse words that this Ray does not know.

    Raises:
        DesignError: Ray's own explanation is in the message.
    """
    try:
        ray.remote(_lease).options(**options(policy, None))
    except (ValueError, TypeError) as error:
        raise DesignError(f"Ray does not take these options: {error}") from error
