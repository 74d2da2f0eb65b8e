"""What the end of a lease's stream means, and in which words."""

from __future__ import annotations

from dataclasses import replace

import pytest
import ray.exceptions as re
from ray.exceptions import RayTaskError

from raylab.server.lease_ends import ended, judge
from raylab.worker.lease import Header

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


def test_a_process_that_is_gone_is_named_where_it_is_known() -> None:
    assert ended(None) == "its process ended unexpectedly"
    assert "worker-*-5012.err on node may say why" in ended(HERE)
    assert "worker" not in ended(replace(HERE, log="/tmp/5012.log")), "what is kept says more"
