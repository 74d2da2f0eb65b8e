"""A lab takes up what its notebook holds, also where the disk gives it only later; its verbs keep their order."""

from __future__ import annotations

import asyncio
import errno
import os
import pickle
import threading
import traceback
from pathlib import Path
from typing import Any

import pytest
from sweeps import WHO, Bench

from raylab.cluster import conductor as conductor_module
from raylab.cluster import recorder as recorder_module
from raylab.cluster.actor import LabActor
from raylab.cluster.conductor import Conductor
from raylab.cluster.pool import Pool
from raylab.core.design import Factorial
from raylab.core.request import Policy, Submission
from raylab.errors import SweepLocked
from raylab.notebook.store import Files, Store
from raylab.notebook.writer import Writer


class Disk(Files):
    """Does not give what lies below `away`."""

    away: Path | None = None

    def __init__(self) -> None:
        self.free = threading.Event()  # as long as it is not set, nothing is written
        self.free.set()
        self.asked = threading.Event()

    def create(self, path: Path) -> int:
        self.asked.set()
        assert self.free.wait(20)
        return super().create(path)

    def listdir(self, path: Path) -> list[str]:
        if self.away is not None and self.away in (path, *path.parents):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().listdir(path)


class NoNodes(Pool):
    """The leases of a cluster that can run none."""

    def hold(self, package: Any) -> Any:
        return package

    def nodes(self) -> dict[str, dict[str, float]]:
        return {}

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


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "it cannot be worked on: No space left on device"),
        (KeyError("plasma"), "it cannot be worked on: KeyError: 'plasma'"),
    ],
    ids=["disk", "other"],
)
def test_why_a_sweep_cannot_be_worked_on_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    monkeypatch.setenv("RAYLAB_HOME", str(tmp_path / "labs"))
    bench = Bench(tmp_path / "lab")
    bench.submit("a", lambda p: {"x": p}, Factorial(p=range(5)))

    class Full(NoNodes):
        """The cluster has no room for the package."""

        def hold(self, package: Any) -> Any:
            raise error

    async def story() -> None:
        lab = Conductor("lab", Writer(bench.root, WHO), "ada", restarted=lambda: False, make_pool=Full)
        await lab.opened.wait()
        assert lab.register.broken == {"a": reason}
        await lab.retire()

    asyncio.run(story())


class Verbs(LabActor):
    """The lab's verbs without Ray, on a disk that can be held up."""

    def __init__(self, root: Path) -> None:
        self.disk = Disk()
        super().__init__("lab", str(root), "ada")

    def _conductor(self, name: str, notebook: Path, user: str) -> Conductor:
        writer = Writer(notebook, WHO, Store(notebook, self.disk))
        return Conductor(name, writer, user, restarted=lambda: False, make_pool=NoNodes)


SUBMISSION = Submission(
    name="s",
    label="f",
    design=Factorial(p=range(5)).dumps(),
    shape="5 points",
    size=5,
    repeats=1,
    seed=1,
    order="random",
    pickle=pickle.dumps(len),
    modules=None,
    ingredients={},
    policy=Policy(),
    user="ada",
)


def test_what_is_asked_later_holds_however_long_the_disk_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancel waits for its row; a submit that comes meanwhile is not overtaken by it, nor the other way round."""
    monkeypatch.setenv("RAYLAB_HOME", str(tmp_path / "labs"))

    async def story() -> None:
        lab = Verbs(tmp_path / "lab")
        await lab.submit(SUBMISSION)

        async def both(first: Any, second: Any) -> Any:
            lab.disk.asked.clear()
            lab.disk.free.clear()
            began = asyncio.create_task(first)
            await until(lab.disk.asked.is_set)
            followed = asyncio.create_task(second)
            await asyncio.sleep(0)  # it has come as far as it comes
            lab.disk.free.set()
            return await asyncio.gather(began, followed, return_exceptions=True)

        async def cancelled() -> int:
            (counts,) = await lab.overview(["s"])
            return int(counts["cancelled"])

        await both(lab.cancel("s", "ada"), lab.submit(SUBMISSION))
        assert await cancelled() == 0
        await lab.cancel("s", "ada")
        await both(lab.submit(SUBMISSION), lab.cancel("s", "ada"))
        assert await cancelled() == 5
        _, refused = await both(lab.lock("s", "ada"), lab.cancel("s", "ada"))
        assert isinstance(refused, SweepLocked)
        await lab.close(True)

    monkeypatch.setattr(Verbs, "_end", lambda self: None)
    asyncio.run(story())


def test_an_answer_that_is_always_the_same_error_does_not_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYLAB_HOME", str(tmp_path / "labs"))
    (tmp_path / "lab").write_text("a file, where a folder should be")

    async def story() -> None:
        lab = Verbs(tmp_path / "lab")
        lengths = []
        for _ in range(5):
            with pytest.raises(Exception, match="folder") as caught:
                await lab.info()
            lengths.append(len(traceback.extract_tb(caught.tb)))
        assert len(set(lengths)) == 1

    asyncio.run(story())
