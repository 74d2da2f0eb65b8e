"""A lab takes up what its notebook holds, also where the disk gives some of it only later."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from typing import Any

import pytest
from sweeps import WHO, Bench

from raylab.cluster import conductor as conductor_module
from raylab.cluster import recorder as recorder_module
from raylab.cluster.conductor import Conductor
from raylab.cluster.pool import Pool
from raylab.core.design import Factorial
from raylab.notebook.store import Files, Store
from raylab.notebook.writer import Writer


class Disk(Files):
    """Does not give what lies below `away`."""

    away: Path | None = None

    def listdir(self, path: Path) -> list[str]:
        if self.away is not None and self.away in (path, *path.parents):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().listdir(path)


class NoNodes(Pool):
    """The leases of a cluster that can run none."""

    def hold(self, package: Any) -> Any:
        return package

    def nodes(self) -> list[dict[str, float]]:
        return []

    def launch(self, *_: Any) -> None:
        """It waits for a node."""


async def until(is_so: Any) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("done", [1, 5], ids=["with work left", "complete"])
def test_a_sweep_that_the_disk_does_not_give_is_taken_up_as_soon_as_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    monkeypatch.setenv("RAYLAB_HOME", str(tmp_path / "labs"))
    monkeypatch.setattr(conductor_module, "LOOK_S", 0.02)
    monkeypatch.setattr(recorder_module, "AGAIN_S", 0.01)
    bench = Bench(tmp_path / "lab")
    for name in "ab":
        bench.submit(name, lambda p: {"x": p}, Factorial(p=range(5)))
        bench.run(name, 0, done)
    disk = Disk()
    disk.away = bench.root / "sweeps" / "a"

    async def story() -> None:
        lab = Conductor(
            "lab", Writer(bench.root, WHO, Store(bench.root, disk)), "ada", restarted=lambda: False, make_pool=NoNodes
        )
        await lab.opened.wait()
        assert lab.refusal is None, lab.refusal
        assert lab.ledger.queues.keys() == {"b"}
        assert "goes on by itself" in lab.register.broken["a"]
        disk.away = None
        await until(lambda: "a" in lab.ledger.queues)
        assert lab.ledger.queues["a"].recorded.count == done
        assert not lab.register.broken
        await lab.retire()

    asyncio.run(story())
