"""The bare actor that the lab's is measured beside: asynchronous, detached, placed and restarted as that one is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import ray


def bare_actor(name: str, held: Any = None, num_cpus: int = 0) -> Any:
    """Create one; when this returns, it answers.

    Args:
        name: of the actor.
        held: what `ask` returns; the folder of `commit`.
        num_cpus: how many slots it holds.
    """

    class Bare:  # in here, so that Ray pickles it by value: its process knows nothing of the benchmarks
        def __init__(self, held: Any) -> None:
            self._held = held

        async def ask(self, *_: Any) -> Any:
            return self._held

        async def pid(self) -> int:
            return os.getpid()

        async def commit(self) -> None:
            """One row, durable: a temporary file, fsync, a link, fsync of the folder."""
            with pa.BufferOutputStream() as sink:
                table = pa.table({"name": ["one"], "number": [1]})
                with pa.ipc.new_file(sink, table.schema) as writer:
                    writer.write_table(table)
                data = sink.getvalue()
            name = uuid4().hex
            temp = Path(self._held) / f"{name}.tmp"
            with temp.open("xb", buffering=0) as file:
                file.write(data)
                os.fsync(file.fileno())
            os.link(temp, temp.with_suffix(".arrow"))
            folder = os.open(temp.parent, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(folder)
            os.close(folder)
            temp.unlink()

    actor: Any = ray.remote(Bare).options(
        name=name,
        namespace="bare",
        lifetime="detached",
        num_cpus=num_cpus,
        max_restarts=-1,
        max_concurrency=10_000,
        resources={"node:__internal_head__": 0.001},
    )
    handle = actor.remote(held)
    ray.get(handle.pid.remote())
    return handle
