"""What the end of a lease's stream means, and a policy in Ray's words. (Leases themselves run in tests/ray.)"""

from __future__ import annotations

import asyncio
from typing import Any

import pyarrow as pa
import pytest
import ray.exceptions as re
from ray.exceptions import RayTaskError

from raylab.core.request import Policy
from raylab.server import pool as pool_module
from raylab.server.pool import Pool, judge, options
from raylab.worker.batch import Batch
from raylab.worker.lease import Header, LeaseOrder

HERE = Header(node="node", pid=5012)


def raised(cause: Exception) -> RayTaskError:
    """As Ray brings an exception of the task."""
    return RayTaskError("_lease", "traceback", cause)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("error", "started", "end"),
    [
        (re.TaskCancelledError(), True, "stopped"),
        (re.TaskCancelledError(), False, "stopped"),
        (re.RuntimeEnvSetupError("no such package"), False, "environment"),
        (raised(ModuleNotFoundError("scipy")), False, "environment"),
        (raised(ValueError("our own")), True, "died"),
        (re.NodeDiedError("gone"), True, "lost"),
        (re.ObjectLostError("id", None, ""), True, "lost"),
        (re.OwnerDiedError("id", None, ""), True, "lost"),
        (re.OutOfMemoryError("long words"), True, "out_of_memory"),
        (re.WorkerCrashedError(), True, "died"),
        (re.WorkerCrashedError(), False, "died"),  # the ledger knows that it had not started
        (RuntimeError("something else"), True, "died"),
    ],
)
def test_how_a_lease_ended(error: Exception, started: bool, end: str) -> None:
    assert judge(error, HERE if started else None)[0] == end


def test_the_words_are_the_experiments_own_and_short() -> None:
    assert judge(raised(ModuleNotFoundError("No module named 'scipy'")), None)[1] == (
        "ModuleNotFoundError: No module named 'scipy'"
    )
    assert judge(re.WorkerCrashedError(), HERE)[1] == ""  # the pool knows which process it was
    assert "memory" in judge(re.OutOfMemoryError("very long words of Ray's"), HERE)[1]
    assert len(judge(RuntimeError("x" * 10_000), HERE)[1]) == 1_000


SHORTAGE = """\
1 worker(s) were killed due to the node running low on memory. Memory on the node (IP: 10.0.0.2, ID: bb49) was 2.91GB \
used / 23.54GB limit (0.123623)
OOM kill reason: Memory usage 3108270080B exceeded threshold of 3063512064B (12.1% of 25276502016B limit)
Selected to kill: (Task: job ID=01000000, lease ID=01, task name=_lease, pid=5012, actual memory used=1.94GB, worker=59)
Top 10 memory users: PID\tMEM(GB)\tCOMMAND
5012\t1.94\tray::_lease
5163\t0.10\tray::LabActor
"""
"""As Ray 2.60 says it, shortened."""

OLDER = """\
Task was killed due to the node running low on memory.
Memory on the node (IP: 10.0.0.2, ID: bb49) where the task (task ID: c8, name=_lease, pid=5012, memory used=0.12GB) \
was running was 14.25GB / 15.00GB (0.950000), which exceeds the memory usage threshold of 0.95.
Top 10 memory users:
PID\tMEM(GB)\tCOMMAND
5012\t8.10\tray::_lease
"""


@pytest.mark.parametrize(
    ("text", "had", "node"), [(SHORTAGE, "1.94GB", "2.91GB of 23.54GB"), (OLDER, "8.10GB", "14.25GB of 15.00GB")]
)
def test_a_death_for_want_of_memory_says_what_the_process_had_and_what_its_node_has(
    text: str, had: str, node: str
) -> None:
    end, words = judge(re.OutOfMemoryError(text), HERE)
    assert end == "out_of_memory"
    assert words.startswith(f"it needed more memory than its node could give: its process had {had}, the node")
    assert f"had {node} in use" in words


@pytest.mark.parametrize(
    "text", ["", "Out of memory.\nMore.", SHORTAGE.replace("Memory on", "Whatever"), "5012\t\n" * 3]
)
def test_other_words_of_a_later_ray_are_told_as_they_are(text: str) -> None:
    end, words = judge(re.OutOfMemoryError(text), HERE)
    assert end == "out_of_memory"
    assert words == f"it needed more memory than its node could give: {text.strip().partition(chr(10))[0]}"


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (Policy(), {"num_cpus": 1.0}),
        (Policy(resources={}), {"num_cpus": 0}),
        (
            Policy(resources={"CPU": 2, "GPU": 0.5, "memory": 1e9, "big": 1}),
            {"num_cpus": 2, "num_gpus": 0.5, "memory": 1e9, "resources": {"big": 1}},
        ),
        (Policy(ray_remote_args={"scheduling_strategy": "SPREAD"}), {"num_cpus": 1.0, "scheduling_strategy": "SPREAD"}),
        (Policy(runtime_env={"pip": ["scipy"]}), {"num_cpus": 1.0, "runtime_env": {"pip": ["scipy"]}}),
    ],
)
def test_a_policy_in_rays_words(policy: Policy, words: dict[str, Any]) -> None:
    assert options(policy, None) == words


def test_a_sweep_with_modules_has_processes_of_its_own() -> None:
    policy = Policy(runtime_env={"pip": ["scipy"], "env_vars": {"A": "1"}})
    before = policy.dumps()
    assert options(policy, "hash")["runtime_env"] == {
        "pip": ["scipy"],
        "env_vars": {"A": "1", "RAYLAB_MODULES": "hash"},
    }
    assert options(Policy(), "hash")["runtime_env"] == {"env_vars": {"RAYLAB_MODULES": "hash"}}
    assert policy.dumps() == before


# -- a node that is gone


class Streams(Pool):
    """Leases that bring what a test puts into them, and end when it says so; Ray is not asked."""

    def __init__(self) -> None:
        async def room() -> None:
            """There is some."""

        self.told: list[tuple[Any, ...]] = []
        self.there: dict[str, dict[str, float]] = {"a": {}, "b": {}}
        self.streams: dict[int, Stream] = {}
        super().__init__(
            on_ready=lambda lease: self.told.append(("ready", lease)),
            on_header=lambda lease, _: self.told.append(("header", lease)),
            on_batch=lambda lease, batch: self.told.append(("batch", lease, batch.first)),
            on_end=lambda lease, end, _: self.told.append((end, lease)),
            room=room,
        )

    def nodes(self) -> dict[str, dict[str, float]]:
        return self.there

    def ask(self, order: LeaseOrder, *_: Any) -> Stream:
        self.streams[order.lease] = Stream()
        return self.streams[order.lease]

    def cancel(self, stream: Any) -> None:
        stream.cancels += 1


class Stream:
    """What one lease brings."""

    def __init__(self) -> None:
        self.items: asyncio.Queue[Any] = asyncio.Queue()
        self.cancels = 0
        self.read = 0

    def bring(self, *items: Any) -> None:
        for item in items:
            self.items.put_nowait(item)

    def end(self) -> None:
        self.items.put_nowait(None)

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> asyncio.Future[Any]:
        item = await self.items.get()
        if item is None:
            raise StopAsyncIteration
        self.read += 1
        found: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        found.set_result(item)
        return found


def header(node: str) -> Header:
    return Header(node="host", pid=1, node_id=node)


def batch(first: int, count: int = 1) -> Batch:
    return Batch(rows=pa.record_batch({}), first=first, count=count, by_status={"done": count}, busy_s=0.0)


async def begin(pool: Streams, lease: int, *items: Any, length: int = 10) -> Stream:
    """A lease of so many trials that has brought these items."""
    order = LeaseOrder(lease=lease, start=0, stop=length, flush_s=1.0)
    pool.launch(order, None, Policy(), None)
    stream = pool.streams[lease]
    stream.bring(*items)
    await until(lambda: stream.read == len(items))
    await asyncio.sleep(0)
    return stream


async def until(is_so: Any) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0)


def test_what_ran_on_a_node_that_is_gone_is_over_at_once_and_what_it_brings_later_is_nobodys() -> None:
    async def story() -> None:
        pool = Streams()
        pool.keep_to("ab")
        stream = await begin(pool, 1, header("a"), batch(0))
        await begin(pool, 2, header("b"))
        assert pool.told == [("header", 1), ("batch", 1, 0), ("header", 2)]
        pool.told.clear()
        pool.keep_to("b")
        assert pool.told == [("lost", 1)], "at once, and the other one goes on"
        stream.bring(batch(1), batch(2))
        stream.end()
        pool.streams[2].bring(batch(0))
        await until(lambda: stream.read == 4 and pool.streams[2].read == 2)
        await asyncio.sleep(0.01)
        assert pool.told == [("lost", 1), ("batch", 2, 0)], "its end is told once, and its rows are dropped"

    asyncio.run(story())


def test_what_has_not_begun_is_asked_for_anew_when_a_node_is_gone() -> None:
    async def story() -> None:
        pool = Streams()
        pool.keep_to("ab")
        waiting = await begin(pool, 1)
        pool.keep_to("abc")
        assert pool.told == [], "a node that joins takes nothing away"
        pool.keep_to("bc")
        assert pool.told == [("lost", 1)]
        await until(lambda: waiting.cancels)
        waiting.bring(header("b"))  # it was just about to begin, elsewhere
        waiting.end()
        again = await begin(pool, 2)
        pool.keep_to("bc")
        pool.keep_to([])
        assert pool.told == [("lost", 1)], "once, and not because the cluster says nothing"
        assert not again.cancels

    asyncio.run(story())


def test_a_lease_that_is_over_is_cancelled_until_its_stream_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "CANCEL_AGAIN_S", 0.001)

    async def story() -> None:
        pool = Streams()
        pool.keep_to("ab")
        stream = await begin(pool, 1, header("a"))
        pool.keep_to("b")
        await until(lambda: stream.cancels > 2)
        stream.end()
        await until(lambda: not pool._tasks)

    asyncio.run(story())


def test_an_early_end_is_nobodys_fault_when_the_node_is_gone() -> None:
    """Ray may run a lease again elsewhere before the lab looks; then its stream ends as if it had died."""

    async def story() -> None:
        pool = Streams()
        pool.keep_to("ab")
        streams = [await begin(pool, 1, header("a")), await begin(pool, 2, header("b")), await begin(pool, 3)]
        complete = await begin(pool, 4, header("a"), batch(0, 10))
        pool.told.clear()
        del pool.there["a"]
        for stream in (*streams, complete):
            stream.end()
        await until(lambda: len(pool.told) == 4)
        assert sorted(pool.told) == [("lost", 1), ("lost", 3), ("normal", 2), ("normal", 4)]

    asyncio.run(story())
