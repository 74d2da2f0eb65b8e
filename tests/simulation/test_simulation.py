"""Whole labs' lives under faults, each from its seed; and labs with a bug put in, which the lives must find.

`LIFE=SEED pytest tests/simulation/test_simulation.py -k one_life` lives one again; `--rounds N` lives N times as many.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sweeps import WHO
from wrong import Mistake, Wrong

from raylab.core import events as ev
from raylab.core.ledger import Ledger
from raylab.core.request import Request
from raylab.errors import LabFenced
from raylab.notebook.writer import Writer
from raylab.server.actor import LabActor
from raylab.server.at_work import AtWork
from raylab.server.recorder import Recorder
from raylab.server.sweeps import Sweeps
from raylab.worker.batch import Batch
from simulation.errors import Broken
from simulation.life import PROFILES, live

EACH = 2
"""Lives of each profile by default; four times as many in a long run."""

SEEDS = 60 * len(PROFILES)
"""Within so many lives, sixty of each profile, a bug must be found."""


@pytest.fixture(autouse=True)
def no_collection() -> Iterator[None]:
    """What a killed lab leaves is collected between lives, not at a moment that the seed does not determine."""
    gc.disable()
    yield
    gc.enable()


def lives(profile: int, count: int, root: Path) -> Counter[str]:
    happened: Counter[str] = Counter()
    for seed in range(profile, count * len(PROFILES), len(PROFILES)):
        folder = root / str(seed)
        folder.mkdir()
        try:
            happened += live(seed, folder)
        except Broken as broken:
            pytest.fail(f"{broken}\nagain: LIFE={seed} pytest {Path(__file__).name} -k one_life", pytrace=False)
    gc.collect()
    return happened


@pytest.mark.parametrize(
    "profile", range(len(PROFILES)), ids=lambda n: "+".join(PROFILES[n]).replace(" ", "-") or "calm"
)
def test_every_promise_holds_through_a_life(profile: int, rounds: int, tmp_path: Path) -> None:
    count = 1 if PROFILES[profile].get("many clients") else EACH
    happened = lives(profile, count * rounds, tmp_path)
    assert happened["rows"]
    assert happened["acknowledged"]


def test_one_life(tmp_path: Path) -> None:
    print(dict(live(int(os.environ.get("LIFE", "1054")), tmp_path)))


def test_a_seed_tells_one_story(tmp_path: Path) -> None:
    stories = []
    for name in "ab":
        (tmp_path / name).mkdir()
        stories.append(live(10, tmp_path / name))
    assert stories[0] == stories[1]


def test_a_lab_that_comes_while_another_is_started_again_keeps_the_notebook(tmp_path: Path) -> None:
    Writer(tmp_path, WHO).establish("lab", "ada")
    Writer(tmp_path, WHO).open_requests()
    again = Writer(tmp_path, WHO)
    rival = Writer(tmp_path, WHO | {"actor": "b"})

    def allowed() -> None:
        last = again.last_writer()
        if last is None or last["actor"] != WHO["actor"]:
            raise LabFenced("taken")
        rival.open_requests()

    with pytest.raises(LabFenced):
        again.open_requests(allowed)
    rival.add([Request(kind="cancelled", sweep="trial", folder="sweeps/trial")])


# -- labs with a bug


def acknowledges_too_early(wrong: Wrong) -> None:
    async def add(self: Recorder, *requests: Request, unless: Callable[[], bool] | None = None) -> bool:
        if unless is not None and unless():
            return False
        task = asyncio.get_running_loop().create_task(self._insist(lambda: self.writer.add(requests)))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return True

    wrong.function(Recorder, "add", add)


def counts_too_early(wrong: Wrong) -> None:
    right = Recorder._commit

    async def commit(self: Recorder, sweep: AtWork, batches: Sequence[Batch]) -> Any:
        early: Any = SimpleNamespace(rows=sum(batch.rows.num_rows for batch in batches))
        self._on_written(sweep, batches, early)
        await right(self, sweep, batches)
        return None  # it was told already

    wrong.function(Recorder, "_commit", commit)


def keeps_stale_batches(wrong: Wrong) -> None:
    right = Ledger._on_batch

    def on_batch(self: Ledger, event: ev.BatchArrived, now: float) -> list[ev.Instruction]:
        orders = right(self, event, now)
        lease = self._leases.get(event.lease)
        if isinstance(orders[0], ev.Refuse) and lease is not None:
            return [ev.Keep(lease=event.lease, sweep=lease.sweep, first=event.first, count=event.count)]
        return orders

    wrong.function(Ledger, "_on_batch", on_batch)


def comes_back_when_fenced(wrong: Wrong) -> None:
    wrong.function(Sweeps, "_check_still_ours", lambda self: None)


def replaces_what_has_results(wrong: Wrong) -> None:
    wrong.function(LabActor, "_failing", lambda self, lab: set(lab.sweeps.records))


BUGS: list[tuple[Mistake, int, str]] = [
    (acknowledges_too_early, 1, "finds what was not asked|took the name of a sweep of which nothing failed"),
    (counts_too_early, 31, "counted, and not there any more"),
    (keeps_stale_batches, 26, "were counted, and are run again|was counted twice"),
    (comes_back_when_fenced, 32, "took the notebook back"),
    (replaces_what_has_results, 3, "took the name of a sweep (of which nothing failed|with results)"),
]
"""With the first life in which it shows, and the promise that it breaks, as the life tells it."""

NAMES = [bug.__name__ for bug, _, _ in BUGS]


def trouble(bug: Mistake, seed: int, folder: Path) -> str:
    """How a life with a bug ends: what it tells first, or nothing."""
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        wrong = Wrong(patch)
        bug(wrong)
        try:
            live(seed, folder)
        except Broken as broken:
            wrong.check_called()
            return broken.troubles[0]
    return ""


@pytest.mark.parametrize(("bug", "seed", "promise"), BUGS, ids=NAMES)
def test_a_bug_is_found(bug: Mistake, seed: int, promise: str, tmp_path: Path) -> None:
    """By the promise that it breaks, in a life in which that holds without it."""
    told = trouble(bug, seed, tmp_path / "wrong")
    assert re.search(promise, told), told or "it is not seen in this life any more: look for another seed, by -m long"
    (folder := tmp_path / "right").mkdir()
    live(seed, folder)


@pytest.mark.long
@pytest.mark.parametrize(("bug", "seed", "promise"), BUGS, ids=NAMES)
def test_a_bug_is_found_by_search(bug: Mistake, seed: int, promise: str, tmp_path: Path) -> None:
    """Among lives of its profile, none of which is broken without it; the first seed is printed."""
    lives_told = (
        (at, trouble(bug, at, tmp_path / str(at))) for at in range(seed % len(PROFILES), SEEDS, len(PROFILES))
    )
    at, told = next(((at, told) for at, told in lives_told if told), (0, "no life shows it"))
    print(f"{bug.__name__}: seed {at}")
    assert re.search(promise, told), told
