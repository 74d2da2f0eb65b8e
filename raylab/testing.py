"""A lab in memory, for tests: the real lab, its verbs and its notebook, in a thread of this process. No Ray runs.

Trials run one after the other, in a thread; so a time limit does not hold, and a trial that ends its process ends the
test. All else is as on a cluster: what travels, what is recorded, what is refused.
"""

from __future__ import annotations

import asyncio
import pickle
import tempfile
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from raylab.client.attachment import Client
from raylab.client.session import ANSWER_S
from raylab.core.schedule import slots
from raylab.errors import LabUnavailable, told
from raylab.lab import Lab
from raylab.server.actor import LabActor
from raylab.server.own_log import OwnLog
from raylab.server.pool import Ended, Left, Pool, Report, Room
from raylab.server.protocol import person
from raylab.worker.batch import NODE, Batch
from raylab.worker.lease import Header, LeaseOrder, Package, run_lease

__all__ = ["lab"]


@contextmanager
def lab(
    name: str = "test",
    *,
    notebook: str | Path | None = None,
    resources: Mapping[str, float] | None = None,
) -> Iterator[Lab]:
    """A lab in memory.

    Args:
        name: the lab's.
        notebook: the folder of its notebook; a temporary one, gone at the end, if None. A lab that is opened on the
            notebook of an earlier one goes on with it.
        resources: what the only node has, in Ray's words; one CPU if None.

    Yields:
        The lab. It ends with the block; trials that are outstanding then go on when a lab is opened on the notebook.

    Example:
        >>> import raylab.testing
        >>> with raylab.testing.lab() as lab:
        ...     sweep = lab.submit(lambda x: {"y": x * x}, {"x": range(3)}, name="squares")
        ...     sweep.wait(progress=False), sweep.results()["y"].to_list()
        (True, [0, 1, 4])
    """
    with tempfile.TemporaryDirectory(prefix="raylab-testing-") as folder:
        connection = _Connection(name, Path(notebook or Path(folder) / name), dict(resources or {"CPU": 1.0}))
        made = Lab.__new__(Lab)
        made._attach(Client(name, connection=connection))
        try:
            yield made
        finally:
            connection.end(force=True)


class _Connection:
    """Calls to a lab in a thread of this process; what a `client.calls.Connection` is to a Ray actor."""

    def __init__(self, name: str, notebook: Path, resources: dict[str, float]) -> None:
        self.name = name
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"lab {name}", daemon=True)
        self._thread.start()
        self._process = _Process(self._loop, resources)
        self._actor: LabActor | None = self._run(self._made(str(notebook.absolute())), ANSWER_S)

    async def _made(self, notebook: str) -> LabActor:
        return LabActor(self.name, notebook, person(), self._process)

    def _run(self, work: Any, within: float) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=within)

    def check(self) -> None:
        """The thread is there as long as the lab is."""

    def job_environment(self) -> dict[str, Any]:
        return {}

    def info(self) -> dict[str, Any]:
        found: dict[str, Any] = self.call("info")
        return found

    def call(self, verb: str, *args: Any, within: float = ANSWER_S) -> Any:
        """Call a verb of the lab. Arguments and answer are copied, as they are on their way to an actor and back."""
        if self._actor is None:
            raise LabUnavailable(f"the lab {self.name!r} was shut down; open it again on its notebook")
        asked = pickle.loads(pickle.dumps(args))
        try:
            return pickle.loads(pickle.dumps(self._run(getattr(self._actor, verb)(*asked), within)))
        except TimeoutError:
            raise LabUnavailable(f"the lab {self.name!r} did not answer {verb} within {within:.0f} s") from None

    def end(self, force: bool) -> None:
        """Shut the lab down; its notebook stays."""
        if self._actor is not None:
            self.call("close", force)
            self._actor = None
            self._run(_end_tasks(), ANSWER_S)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(ANSWER_S)
            self._loop.close()


async def _end_tasks() -> None:
    """Whatever still waits for something waits for nothing any more; what is being written is written."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_default_executor()


class _Process:
    """The surroundings of a lab that is a thread."""

    actor = "in memory"

    def __init__(self, loop: asyncio.AbstractEventLoop, resources: dict[str, float]) -> None:
        self._loop = loop
        self._resources = resources

    def restarted(self) -> bool:
        return False

    def remember(self, name: str, notebook: str) -> None:
        """Nobody looks for it by name."""

    def make_pool(self, report: Report, room: Room) -> Pool:
        return ThreadPool(self._loop, self._resources, report, room)

    def log(self) -> OwnLog:
        return OwnLog(node=NODE, files=(), text="")

    def dashboard(self) -> None:
        """No Ray runs."""

    def end(self) -> None:
        """The connection ends the thread."""


class ThreadPool:
    """Leases one after the other, in a thread of this process."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, resources: dict[str, float], report: Report, room: Room
    ) -> None:
        self._loop = loop
        self._resources = resources
        self._report = report
        self._room = room
        self._waiting: SimpleQueue[tuple[LeaseOrder, Package] | None] = SimpleQueue()
        self._stopped: set[int] = set()
        self._out: set[int] = set()
        self._homeless: set[int] = set()  # no node has what they ask for, and none joins
        self._thread = threading.Thread(target=self._work, name="leases", daemon=True)
        self._thread.start()

    def hold(self, package: Package) -> Package:
        return package

    def nodes(self) -> dict[str, dict[str, float]]:
        return {"here": self._resources}

    def keep_to(self, nodes: Collection[str]) -> None:
        """The only node is always there."""

    def launch(self, order: LeaseOrder, package: Package, modules: str | None) -> None:
        if not slots([self._resources], order.policy.resources):
            self._homeless.add(order.lease)
            return
        self._out.add(order.lease)
        self._waiting.put((order, package))

    def stop(self, lease: int) -> None:
        if lease in self._homeless:
            self._homeless.remove(lease)
            self._tell(lease, Ended(end="stopped"))
        if lease in self._out:
            self._stopped.add(lease)

    def stop_all(self) -> None:
        for lease in [*self._homeless, *self._out]:
            self.stop(lease)
        self._waiting.put(None)

    async def fetch(self, left: Left) -> tuple[int, str]:
        raise FileNotFoundError("a trial that ends its process ends the lab")

    def _work(self) -> None:
        while (asked := self._waiting.get()) is not None:
            order, package = asked
            ended = self._run(order, package)
            with suppress(RuntimeError):  # the lab ended before the trial
                self._loop.call_soon_threadsafe(self._forget, order.lease)
                self._tell(order.lease, ended)

    def _forget(self, lease: int) -> None:
        self._out.discard(lease)
        self._stopped.discard(lease)

    def _run(self, order: LeaseOrder, package: Package) -> Ended:
        began = False
        try:
            for item in () if order.lease in self._stopped else run_lease(order, package):
                if order.lease not in self._stopped:
                    asyncio.run_coroutine_threadsafe(self._wait_for_room(), self._loop).result()
                if order.lease in self._stopped:
                    break
                began = True
                self._tell(order.lease, item)
        except Exception as error:
            return Ended(end="died" if began else "environment", words=told(error))
        return Ended(end="stopped" if order.lease in self._stopped else "normal")

    async def _wait_for_room(self) -> None:
        await self._room()

    def _tell(self, lease: int, what: Header | Batch | Ended) -> None:
        self._loop.call_soon_threadsafe(self._report, lease, what)
