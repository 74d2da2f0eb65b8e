"""A whole life of a lab, from a seed: the plan of faults, the promises that are watched, the end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from raylab.core import schedule
from raylab.core.block import block
from raylab.core.design import Design
from raylab.errors import LabBusy, LabFenced, LabUnavailable, RaylabError
from raylab.notebook import table_files as listing_module
from raylab.offline import Notebook
from raylab.server import actor as actor_module
from raylab.server import recorder as recorder_module
from raylab.server.conductor import IDLE_S
from raylab.worker import lease
from simulation.clock import CLOCK, Loop
from simulation.disk import SICKNESS, Disk
from simulation.errors import Broken, Killed, Lost
from simulation.people import Client, Owner, Reader
from simulation.process import LIMIT_BYTES, NAME, Cluster
from simulation.trials import Variant, value

PROFILES: list[dict[str, float]] = [
    {},
    {"kill": 6},
    {"death": 0.3, "kill": 1},
    {"death": 0.15, "nodes": 6, "environment": 0.1},
    {"sick disk": 3},
    {"sick disk": 2, "kill": 3, "death": 0.1},
    {"rival": 2, "kill": 2},
    {"rival": 2, "sick disk": 1, "kill": 1, "close": 1},
    {"cluster lost": 3, "death": 0.1},
    {"close": 3, "kill": 1, "death": 0.1},
    {"kill": 2, "death": 0.15, "environment": 0.05, "sick disk": 1, "nodes": 2, "rival": 0.5, "cluster lost": 0.5},
    {"poison": 1, "kill": 5, "nodes": 1},
    {"many clients": 50, "kill": 1, "death": 0.02, "call lost": 0.1, "answer lost": 0.1},
]


PLAN = {
    "death": 0.0,  # of a lease, by chance
    "environment": 0.0,
    "late batch": 0.1,
    "double batch": 0.05,
    "nodes unknown": 0.02,
    "call lost": 0.05,
    "answer lost": 0.05,
    "kill": 0.0,  # each so many times in a life
    "cluster lost": 0.0,
    "rival": 0.0,
    "sick disk": 0.0,
    "nodes": 0.0,
    "close": 0.0,
    "many clients": 0,
    "poison": 0,
}


PATIENCE_S = 2_000.0
"""In so much virtual time, once the faults have stopped, all must be ready."""


PAUSE_AFTER = 9


STATUSES = ("done", "failed", "crashed", "out_of_memory")


class Life:
    """One seed's story."""

    def __init__(self, seed: int, root: Path) -> None:
        self.seed, self.root = seed, root
        self.rng = random.Random(seed)
        self.plan = PLAN | PROFILES[seed % len(PROFILES)]
        if self.plan["many clients"] and (seed // len(PROFILES)) % 4:
            self.plan["many clients"] = 8
        self.loop = Loop(self.rng)
        self.loop.slow = self.rng.choice((0.01, 0.05, 1.0))
        self.mixing = self.rng.choice((0.0, 0.02, 0.2))
        self.horizon = self.rng.choice((5.0, 20.0, 60.0))
        self.disk = Disk()
        self.counts: Counter[str] = Counter()
        self.story: list[str] = []
        self.troubles: list[str] = []
        self.committed: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self.done: dict[str, float] = {}  # when the first trial of a sweep was counted as done
        self.deaths: Counter[tuple[str, int]] = Counter()  # of leases that held the trial alone
        self.noted: Counter[tuple[str, int]] = Counter()  # rows that say a trial runs alone now
        self.strikes: Counter[tuple[str, int]] = Counter()  # those of them after a row that says so
        self.owner: str | None = None  # the actor that opened the notebook last
        self.clusters: list[Cluster] = []
        self.owners: list[Owner] = []
        self.loop.alarm = self._alarm
        self.loop.set_exception_handler(self._on_loop_error)

    def note(self, text: str) -> None:
        self.story.append(f"{self.loop.now:10.4f}  {text}")

    def broken(self, text: str) -> None:
        self.note(f"BROKEN: {text}")
        self.troubles.append(text)

    def _alarm(self) -> None:
        if self.troubles:
            raise Broken(self.tell(), self.troubles)
        if self.loop.turns > 400_000:
            raise Broken("this life does not end\n" + self.tell())

    def tell(self) -> str:
        return "\n".join([f"seed {self.seed}: {'; '.join(self.troubles[:3])}", *self.story[-60:]])

    def _on_loop_error(self, loop: Any, context: dict[str, Any]) -> None:
        if "destroyed but it is pending" not in context["message"]:
            self.broken(f"{context['message']}: {context.get('exception')!r}")

    def settle(self) -> Cluster:
        """The cluster whose lab has the notebook; a new one if it is gone."""
        there = [
            cluster for cluster in self.clusters if cluster.up and str(self.owner).startswith(f"{cluster.number}-")
        ]
        self.cluster = there[0] if there else Cluster(self, len(self.clusters) + 1)
        return self.cluster

    def over(self, cluster: Cluster) -> None:
        """The newest lab is fenced, too: whoever wants the notebook asks for a lab elsewhere."""
        if cluster is self.cluster:
            self.cluster = Cluster(self, len(self.clusters) + 1)

    def run(self) -> None:
        try:
            self.loop.run_until_complete(self._story())
        except RaylabError as error:
            self.broken(f"{type(error).__name__}: {error}")
        finally:
            self.counts["turns"] = self.loop.turns
            self.loop.end()
        if self.troubles:
            raise Broken(self.tell(), self.troubles)

    async def _story(self) -> None:
        self.cluster = Cluster(self, 1)
        many = int(self.plan["many clients"])
        self.owners = [Owner(self, number) for number in range(max(many // 2, self.rng.choice((1, 2, 3))))]
        readers = [Reader(self, 100 + number) for number in range(max(many // 2, self.rng.choice((0, 1, 3))))]
        works = [self._faults(), *(owner.work() for owner in self.owners), *(reader.work() for reader in readers)]
        tasks = [self.loop.create_task(self._watched(work)) for work in works]
        await asyncio.wait_for(asyncio.gather(*tasks), self.horizon + PATIENCE_S)
        await self._end_well()

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            self.broken(f"{type(error).__name__}: {error}")
            raise

    # faults -----------------------------------------------------------------------------------------------------

    async def _faults(self) -> None:
        kinds = {
            "kill": self._kill,
            "cluster lost": self._lose_cluster,
            "rival": self._rival,
            "sick disk": self._sicken,
            "nodes": self._change_nodes,
            "close": self._close,
        }
        whens = []
        for kind, act in kinds.items():
            often = self.plan[kind]
            for _ in range(int(often) + (self.rng.random() < often % 1)):
                whens.append((self.rng.uniform(0, self.horizon), kind, act))  # noqa: PERF401
        tasks = [self.loop.create_task(self._at(*when)) for when in sorted(whens, key=lambda each: each[0])]
        if tasks:
            await asyncio.wait(tasks)
        await asyncio.sleep(max(0.0, self.horizon - self.loop.now))
        # From here on nothing bad happens any more.
        self.note("peace")
        self.disk.sick = 0
        self.plan |= dict.fromkeys(("death", "environment", "nodes unknown", "call lost", "answer lost"), 0.0)
        self.loop.slow = min(self.loop.slow, 0.05)
        if self.cluster.process is not None:
            self.cluster.process.kill_in = None

    async def _at(self, when: float, kind: str, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        await asyncio.sleep(when)
        self.note(kind)
        self.counts[kind] += 1
        await act()

    async def _kill(self) -> None:
        process = self.cluster.process
        if process is not None and self.rng.random() < 0.5:
            process.kill()
        elif process is not None:
            process.kill_in = int(self.rng.expovariate(0.02))

    async def _lose_cluster(self) -> None:
        self.cluster.destroy()
        self.cluster = Cluster(self, len(self.clusters) + 1)

    async def _rival(self) -> None:
        """Somebody asks for the same lab on another cluster; the first one sleeps for a while, or does not."""
        old = self.cluster
        process = old.process
        if process is not None and self.rng.random() < 0.6:
            process.freeze()
            self.note(f"{process} is frozen")
            self.counts["freeze"] += 1
        self.cluster = Cluster(self, len(self.clusters) + 1)
        self.cluster.attach()
        await asyncio.sleep(self.rng.expovariate(0.2))
        if process is not None and process.frozen:
            self.note(f"{process} wakes")
            process.thaw()
        await asyncio.sleep(self.rng.expovariate(0.2))
        if old.process is not None and self.rng.random() < 0.5:
            self.note("the earlier lab is killed, and Ray starts it again")
            old.process.kill()

    async def _sicken(self) -> None:
        disk = self.disk
        while self.owner is None:  # a folder in which no notebook can be made is refused: another story
            await asyncio.sleep(0.5)
        if self.rng.random() < 0.2:
            self.note("the disk hangs")
            self.loop.hangs_until = self.loop.now + self.rng.choice((5.0, 70.0))
            await asyncio.sleep(self.loop.hangs_until - self.loop.now)
            return
        disk.sick = self.rng.choice(list(SICKNESS))
        disk.reads_too = disk.sick == errno.EIO and self.rng.random() < 0.5
        disk.chance = self.rng.choice((1.0, 0.3, 0.1))
        disk.since = self.loop.now
        self.note(f"the disk is sick: {errno.errorcode[disk.sick]}")
        await asyncio.sleep(self.rng.choice((0.5, 5.0, 30.0, 70.0)) * self.rng.random())
        disk.sick = 0
        self.note("the disk is well")

    async def _change_nodes(self) -> None:
        if self.rng.random() < 0.5:
            self.cluster.lose_node()
        else:
            self.cluster.add_node(gpu=self.rng.random() < 0.3)

    async def _close(self) -> None:
        client = Client(self, 0)
        with contextlib.suppress(Lost, LabBusy, LabUnavailable, LabFenced):
            await client.once("close", self.rng.random() < 0.7, limit=IDLE_S + 30)

    # the end ----------------------------------------------------------------------------------------------------

    async def _end_well(self) -> None:
        """All is ready that is wanted, and in the notebook."""
        client = Client(self, 999)
        served = None
        until = self.loop.now + PATIENCE_S
        seen: Any = (0, 0)
        while True:
            client.cluster = self.settle()
            if client.cluster is not served:
                served = client.cluster
                served.add_node(gpu=True)
            seen, found = await client.look(seen=seen)
            for each in found:
                owner = self.owners[int(each.name[1:])]
                if each.state == "paused" and "cannot be read" not in each.reason:  # that passes by itself
                    self.counts["resumed at the end"] += 1
                    owner.cluster = self.cluster
                    await (owner.let_go() if owner.wish.locked else owner.again())
            left = [each for each in found if each.state not in ("ready", "locked", "cancelled")]
            if not left and client.cluster is self.settle():
                break
            if self.loop.now > until:
                self.broken(f"not ready after all that time: {left}")
                return
        began = self.loop.now
        await client.look()
        if self.loop.now - began > 0.05:
            self.broken(f"an idle lab took {self.loop.now - began} s to answer")
        await asyncio.sleep(60)
        process = self.cluster.process
        assert process is not None
        if process.conductor.recorder._bytes:
            self.broken(f"an idle recorder counts {process.conductor.recorder._bytes} bytes")
        for owner in self.owners:
            if why := owner.allows(process.conductor.sweeps.records.get(owner.name)):
                self.broken(why)
        self._compare()

    def _compare(self) -> None:
        """The notebook, row by row, with what it must be."""
        records = (notebook := Notebook(self.root))._records()
        for owner in self.owners:
            assert owner.wish.variant is not None
            assert records[owner.name].folder == owner.folder
            for record in records.readable:
                if record.folder in owner.variants:
                    self._compare_sweep(owner, notebook, record)

    def _compare_sweep(self, owner: Owner, notebook: Notebook, record: Any) -> None:
        variant = owner.variants[record.folder]
        rows = notebook.results(record.name, status=STATUSES, metadata=True).to_dicts()
        self.counts["rows"] += len(rows)
        self.counts["rows of sweeps set aside"] += len(rows) * (record.replaced is not None)
        trials: dict[tuple[int, int], Any] = {}
        for row in rows:
            trial = row["_point"], row["_repeat"]
            if trial in trials:
                self.broken(f"{record.name}: trial {trial} has two records")
            trials[trial] = row
        asked = _asked(record)
        missing = [trial for trial in asked if trial not in trials]
        if missing and not owner.wish.cancelled and record.replaced is None:
            self.broken(f"{record.name}: no record of {missing}")
        if len(self.committed[record.folder]) > len(trials):
            self.broken(f"{record.name}: {len(self.committed[record.folder])} were counted, {len(trials)} are there")
        self._compare_rows(record, variant, trials, asked)

    def _compare_rows(
        self,
        record: Any,
        variant: Variant,
        trials: dict[tuple[int, int], Any],
        asked: dict[tuple[int, int], tuple[int, int, int]],
    ) -> None:
        for trial, row in trials.items():
            status = row["_status"]
            p, seed, place = asked[trial]
            right = (p, seed) == (row["p"], row["_seed"])
            if p in variant.trial.poison:
                right = right and status in ("crashed", "out_of_memory")
            elif status in ("crashed", "out_of_memory"):
                key = record.folder, place
                self.counts["innocent crashed"] += 1
                if self.deaths[key] < schedule.STRIKES:  # a run that ended with its lab counts, too, but for less
                    self.counts["blamed early"] += 1
                    right = right and self.deaths[key] + self.counts["lab lives"] - 1 >= schedule.RUNS_ALONE
            elif p in variant.trial.bad:
                right = right and status == "failed"
            else:
                right = right and status == "done" and row["x"] == value(p, seed)
            if not right:
                self.broken(f"{record.name}: trial {trial} is wrong: {row}")


def _asked(record: Any) -> dict[tuple[int, int], tuple[int, int, int]]:
    """What each point and repeat is given, its seed, and where it stands in the order in which they run."""
    found = {}
    for segment in record.segments:
        design = Design.loads(segment.design)
        some = block(segment, segment.first_position, segment.stop)
        for place, (point, repeat, seed) in enumerate(
            zip(some.points.tolist(), some.repeats.tolist(), some.seeds.tolist(), strict=True), segment.first_position
        ):
            found[point + segment.first_point, repeat] = design[point]["p"], seed, place
    return found


class _Errors(logging.Handler):
    """What the lab calls an error of its own is one."""

    def __init__(self, life: Life) -> None:
        super().__init__(logging.ERROR)
        self.life = life

    def emit(self, record: logging.LogRecord) -> None:
        if not (record.exc_info and isinstance(record.exc_info[1], Killed)):
            error = record.exc_info[1] if record.exc_info else ""
            self.life.broken(f"logged: {record.getMessage()}: {error!r}")


@contextlib.contextmanager
def _staged(life: Life) -> Iterator[None]:
    """The package's clocks, limits and random numbers are the life's."""
    secrets = type("Secrets", (), {"token_bytes": staticmethod(lambda n: life.rng.randbytes(n))})
    changes = [
        (lease, "perf_counter", CLOCK.read),
        (actor_module, "secrets", secrets),
        (actor_module, "versions", _versions),
        (recorder_module, "LIMIT_BYTES", LIMIT_BYTES),
        (schedule, "PAUSE_AFTER", PAUSE_AFTER),
        (schedule, "SHARE_AFTER", PAUSE_AFTER),
        (listing_module, "PAUSE_S", 0.0),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in changes]
    home = os.environ.get("RAYLAB_HOME")
    logger, handler = logging.getLogger("raylab"), _Errors(life)
    level, propagate = logger.level, logger.propagate
    try:
        for module, name, new in changes:
            setattr(module, name, new)
        os.environ["RAYLAB_HOME"] = str(life.root.parent)
        logger.addHandler(handler)
        logger.setLevel(logging.ERROR)
        logger.propagate = False
        CLOCK.rng = random.Random(life.seed)
        yield
    finally:
        for module, name, old in before:
            setattr(module, name, old)
        os.environ.pop("RAYLAB_HOME")
        if home is not None:
            os.environ["RAYLAB_HOME"] = home
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
        lease._Ending.asked = False


@lru_cache
def _versions() -> dict[str, str]:
    return {"raylab": "0", "ray": "0", "python": "0"}


def live(seed: int, root: Path) -> Counter[str]:
    """Live the life of this seed; what happened in it, in numbers.

    Args:
        seed: all follows from it.
        root: an empty folder.

    Raises:
        Broken: a promise was.
    """
    life = Life(seed, root / NAME)
    with _staged(life):
        life.run()
    return life.counts
