"""What raylab takes of Ray beyond its public names: each touch with its reason, and in no other module.

A new version of Ray may change any of these. `tests/ray/test_ray.py` holds what raylab relies on.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

CALLS = ("ray", "ray._private.worker")
"""Where Ray's calls `init` and `shutdown` stand: where they are defined, and where a pickle finds them that holds
`from ray import shutdown`."""

SAY_VERSIONS = """
import json, sys
from ray._common.usage.usage_lib import get_cluster_metadata
from ray._raylet import GcsClient
from ray.exceptions import AuthenticationError
try:
    found = get_cluster_metadata(GcsClient(address=sys.argv[1]))
    said = {"ray": found["ray_version"], "python": found["python_version"]}
except AuthenticationError:
    said = {"refused": True}
print(json.dumps(said))
"""
"""A script for a process of its own: it prints which Ray and Python the head at an address runs. Ray ends a process
that meets no head, and reads how it is let in only once."""


def attempt() -> int:
    """Which attempt of Ray's own at the task that this process runs: 0, unless Ray has begun it again by itself."""
    found: int = _core_worker().get_current_task_attempt_number()
    return found


def node_id() -> str:
    """The id of the node that this process runs on, as Ray's state and `nodes()` write it."""
    found: str = _core_worker().get_current_node_id().hex()
    return found


def worker_id() -> str:
    """The id of this process, as Ray's state writes it."""
    found: str = _core_worker().get_worker_id().hex()
    return found


def ended_at(worker: str) -> float | None:
    """When a worker process ended, by its node's clock, in seconds of the epoch; None if it is there, or Ray does not
    know. Asks the cluster. (`ray.util.state` tells the same only where the dashboard runs.)"""
    from ray import WorkerID
    from ray._private.gcs_utils import WorkerTableData
    from ray._private.state import state

    said = state._connect_and_get_accessor().get_worker_info(WorkerID.from_hex(worker))
    found = WorkerTableData.FromString(said) if said else None
    return None if found is None or found.is_alive or not found.end_time_ms else found.end_time_ms / 1_000


def set_title(title: str) -> None:
    """What `ps`, `top` and the dashboard call this process, until Ray calls it otherwise: at the end of its task."""
    from ray._raylet import setproctitle  # type: ignore[attr-defined]  # its stubs lack it

    setproctitle(title)


def dashboard() -> str | None:
    """Where the cluster's dashboard was started, as HOST:PORT; None if none was. Asks the cluster: a process's own
    knowledge is of when it began, and a dashboard may come up later."""
    from ray._private.services import get_webui_url_from_internal_kv

    found: str | None = get_webui_url_from_internal_kv()  # type: ignore[no-untyped-call]
    return found or None


def logs_folder() -> str:
    """Where the processes of this node, in this session of its cluster, have their logs."""
    from ray._private.worker import global_worker

    found: str = global_worker.node.get_logs_dir_path()  # type: ignore[union-attr]  # set when the process connects
    return found


def _core_worker() -> Any:
    from ray._private.worker import global_worker

    return global_worker.core_worker  # type: ignore[attr-defined]  # Ray sets it when the process connects


def is_connected() -> bool:
    """Whether this process is connected to a cluster; without importing Ray."""
    ray: Any = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


PICKLES = "ray.cloudpickle.cloudpickle"
"""The module whose functions a pickle of Ray's cloudpickle calls when it is loaded."""


@cache
def pickles_alone() -> Any:
    """That module without the rest of Ray, which it does not need: Ray takes a process two to three times as long to
    load as polars and Arrow do together."""
    ray = importlib.util.find_spec("ray")
    if ray is None or not ray.submodule_search_locations:
        return importlib.import_module(PICKLES)
    file = Path(ray.submodule_search_locations[0], *PICKLES.split(".")[1:]).with_suffix(".py")
    spec = importlib.util.spec_from_file_location("raylab_cloudpickle", file)
    if spec is None or spec.loader is None or not file.exists():
        return importlib.import_module(PICKLES)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@contextmanager
def classes_apart() -> Iterator[None]:
    """While this holds, a pickle that brings a class along makes it anew. Ray's cloudpickle knows each class that it
    has pickled or made: to unpickle one gives the class that is there, and writes over it what the pickle says."""
    before = _known_classes()
    _know_classes((WeakKeyDictionary(), WeakValueDictionary()))
    try:
        yield
    finally:
        _know_classes(before or (WeakKeyDictionary(), WeakValueDictionary()))


_KNOWN_CLASSES = ("_DYNAMIC_CLASS_TRACKER_BY_CLASS", "_DYNAMIC_CLASS_TRACKER_BY_ID")


def _known_classes() -> tuple[Any, ...]:
    """The two tables; nothing where cloudpickle is not loaded."""
    module = sys.modules.get("ray.cloudpickle.cloudpickle")
    return () if module is None else tuple(getattr(module, name) for name in _KNOWN_CLASSES)


def _know_classes(tables: tuple[Any, ...]) -> None:
    module = sys.modules.get("ray.cloudpickle.cloudpickle")
    for name, table in zip(_KNOWN_CLASSES, tables, strict=True):
        if module is not None:
            setattr(module, name, table)


def read_settings_again() -> None:
    """Have Ray look at RAY_AUTH_MODE and its siblings once more: it read them when it was imported."""
    from ray._raylet import Config  # type: ignore[attr-defined]  # its stubs lack it

    Config.initialize("")


def leave_retries_after_oom_to_us() -> None:
    """Have Ray not run again by itself what its memory monitor killed of this process's tasks; the ledger decides that.

    Not by `runtime_env={"env_vars": {"RAY_task_oom_retries": "0"}}` of the lab's actor: its leases would inherit that,
    and each process that runs leases would be started by way of another Python (half a second of a core).
    """
    from ray._raylet import Config  # type: ignore[attr-defined]  # its stubs lack it

    Config.initialize('{"task_oom_retries": 0}')


@contextmanager
def silent() -> Iterator[None]:
    """A connection that is made inside prints nothing. What a cluster tells all its drivers (`14 PYTHON worker
    processes have been started on node …`) Ray prints on stdout, in a thread of the connection, whatever
    `log_to_driver` says."""
    from ray._private import worker

    listen = worker.listen_error_messages
    worker.listen_error_messages = lambda *_: None  # Ray joins the thread at the end, so there has to be one
    try:
        yield
    finally:
        worker.listen_error_messages = listen


def nearby() -> str | None:
    """The cluster on this machine that Ray would take, if nothing says which; None if there is none. It may be one
    that is gone and was remembered."""
    from ray._private.services import get_ray_address_from_environment

    try:
        found: str = get_ray_address_from_environment("auto", None)
    except ConnectionError:
        return None
    return found


def cpus() -> int:
    """The CPUs that Ray will count: a container's share, not the machine's."""
    from ray._private.utils import get_num_cpus

    return max(1, int(get_num_cpus(override_docker_cpu_warning=True)))


# the other side of ray:// -------------------------------------------------------------------------------------------


def client_worker() -> Any:
    """Ray's own object behind a `ray://` connection of this thread; None in a driver."""
    return client_context().client_worker


def client_context() -> Any:
    """What a thread has to be given, so that its calls go through the same `ray://` connection."""
    from ray.util.client import ray as client

    return client.get_context()  # type: ignore[no-untyped-call]


def set_client_context(context: Any) -> None:
    """Let this thread's calls go through a connection: each thread has its own."""
    from ray.util.client import ray as client

    client.set_context(context)  # type: ignore[no-untyped-call]


def client_address() -> str | None:
    """The address of the `ray://` connection of this thread; None in a driver."""
    worker = client_worker()
    return f"ray://{worker._conn_str}" if worker is not None and worker.is_connected() else None


def is_alive(worker: Any) -> bool:
    """Whether a `ray://` connection is there. A client that comes back after its session was cleaned up is refused.
    Then its data channel is over, and Ray still says that it is connected."""
    return bool(worker.is_connected()) and not worker.data_client._in_shutdown


def broke(worker: Any) -> bool:
    """Whether a `ray://` connection ended by itself. At the next request, also that of a garbage collector that lets
    an object go, Ray forgets such a connection, as if `ray.shutdown()` had been called."""
    return worker.data_client._last_exception is not None
