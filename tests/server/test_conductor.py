"""A lab takes up what its notebook holds, also where the disk gives it only later; its verbs keep their order."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import traceback
from pathlib import Path
from typing import Any

import pytest
from sweeps import WHO, Bench
from verbs import SUBMISSION, Disk, NoNodes, Nowhere, S, Verbs, until

from raylab.core.design import Factorial
from raylab.errors import SweepLocked
from raylab.notebook.posix import PosixStore
from raylab.notebook.writer import Writer
from raylab.server import conductor as conductor_module
from raylab.server import recorder as recorder_module
from raylab.server.conductor import Conductor
from raylab.server.pool import Report, Room


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
        lab = Conductor("lab", Writer(bench.root, WHO, PosixStore(bench.root, disk)), "ada", Nowhere())
        await lab.opened.wait()
        assert lab.refusal is None, lab.refusal
        assert lab.ledger.queues.keys() == {"sweeps/b"}
        assert lab.sweeps.named("a").trouble == (
            "the notebook cannot be read: Input/output error; the sweep goes on by itself when it can"
        )
        disk.away = None
        await until(lambda: "sweeps/a" in lab.ledger.queues)
        assert lab.ledger.queues["sweeps/a"].recorded.count == done
        assert not lab.sweeps.named("a").trouble
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

    class FullStore(Nowhere):
        def make_pool(self, report: Report, room: Room) -> Full:
            return Full(report, room)

    async def story() -> None:
        lab = Conductor("lab", Writer(bench.root, WHO), "ada", FullStore())
        await lab.opened.wait()
        assert lab.sweeps.named("a").trouble == reason
        await lab.retire()

    asyncio.run(story())


def test_why_a_lab_cannot_start_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYLAB_HOME", str(tmp_path / "labs"))
    (tmp_path / "file").write_text("a file, where a folder should be")

    class Unsure(Nowhere):
        def restarted(self) -> bool:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    async def refusal(folder: Path, surroundings: Nowhere) -> str:
        lab = Conductor("lab", Writer(folder, WHO), "ada", surroundings)
        await lab.opened.wait()
        await lab.retire()
        return str(lab.refusal)

    said = asyncio.run(refusal(tmp_path / "lab", Unsure()))
    assert said == "the lab could not start: Input/output error. Mend that, shut the lab down, attach again"
    said = asyncio.run(refusal(tmp_path / "file", Nowhere()))
    assert re.fullmatch(r"the notebook cannot be made in .*: [A-Z][a-z ]+ \(.*\); give another folder", said), said


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
            (counts,) = await lab.overview([S])
            return counts.cancelled

        await both(lab.cancel(S, "ada"), lab.submit(SUBMISSION))
        assert await cancelled() == 0
        await lab.cancel(S, "ada")
        await both(lab.submit(SUBMISSION), lab.cancel(S, "ada"))
        assert await cancelled() == 5
        _, refused = await both(lab.lock(S, "ada"), lab.cancel(S, "ada"))
        assert isinstance(refused, SweepLocked)
        await lab.close(True)

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
