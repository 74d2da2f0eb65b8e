"""A cluster for a benchmark, with the benchmark's process connected to it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from clusters import Cluster


@contextmanager
def connected(address: str) -> Iterator[None]:
    """This process connected to a cluster, until the block ends."""
    import ray

    ray.init(address, log_to_driver=False, logging_level="ERROR")  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        ray.shutdown()  # type: ignore[no-untyped-call]


@contextmanager
def driver(slots: int, env: Mapping[str, str] = {}) -> Iterator[Cluster]:
    """A cluster as `raylab start` starts one, with so many slots, this process its driver.

    Bare tasks may be functions of the modules beside this.
    """
    from raylab.terminal.settings import IDLE, WORKERS_PER_CPU

    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    idle = {"RAY_num_workers_soft_limit": str(WORKERS_PER_CPU * slots), **IDLE}
    with Cluster(num_cpus=slots, env={"PYTHONPATH": path, **idle, **env}) as started, connected(started.address):
        yield started
