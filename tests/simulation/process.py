"""Labs as processes of a simulated cluster: they die at any moment, and nothing of them goes on."""

from __future__ import annotations

import asyncio
import contextvars
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raylab.core import events as ev
from raylab.core import schedule
from raylab.core.history import fold
from raylab.core.ledger import Ledger
from raylab.core.request import Request
from raylab.core.strikes import Strikes
from raylab.errors import LabFenced
from raylab.notebook import layout
from raylab.notebook.file import OPENING
from raylab.notebook.posix import PosixStore
from raylab.notebook.table_files import file_header, file_names
from raylab.notebook.writer import Writer
from raylab.server import recorder as recorder_module
from raylab.server.actor import LabActor, who
from raylab.server.conductor import Conductor
from raylab.server.known_labs import remember
from raylab.server.pool import Report, Room
from simulation.clock import PROCESS
from simulation.disk import LabFiles
from simulation.errors import Lost
from simulation.leases import SimPool, Stream

if TYPE_CHECKING:
    from simulation.life import Life


LIMIT_BYTES = 5_000
"""The recorder's, small enough to be reached here."""


NAME = "lab"


class Process:
    """A lab's: it can be killed, frozen and woken."""

    def __init__(self, life: Life, cluster: Cluster, actor: str, restarted: bool) -> None:
        self.life, self.cluster, self.actor_id, self.again = life, cluster, actor, restarted
        self.alive, self.frozen = True, False
        self.held: list[Any] = []
        self.kill_in: int | None = None  # so many file operations are left to it
        self.calls: list[asyncio.Future[Any]] = []
        self.pools: list[SimPool] = []
        self.thawed_at = life.loop.now
        self.born = life.loop.now
        self.biggest = 0
        self.holding_since = 0.0
        self.context().run(self._begin)

    def _begin(self) -> None:
        self.lab = SimActor(self)

    @property
    def actor(self) -> str:
        return self.actor_id

    def restarted(self) -> bool:
        return self.again

    def remember(self, name: str, notebook: str) -> None:
        remember(name, notebook)

    def make_pool(self, report: Report, room: Room) -> SimPool:
        return SimPool(self, report, room)

    def end(self) -> None:
        self.lab.ended = True
        self.kill()

    def context(self) -> contextvars.Context:
        context = contextvars.copy_context()
        context.run(PROCESS.set, self)
        return context

    @property
    def conductor(self) -> Conductor:
        return self.lab._lab

    @property
    def fenced(self) -> bool:
        return isinstance(self.conductor.refusal, LabFenced)

    def may_run(self, handle: Any) -> bool:
        if self.frozen:
            self.held.append(handle)
        return self.alive and not self.frozen

    def held_since(self) -> float:
        """Since when its recorder has had rows in hand; the end of time if it has none."""
        return self.holding_since if self.conductor.recorder._bytes else float("inf")

    def freeze(self) -> None:
        self.frozen = True

    def thaw(self) -> None:
        self.frozen = False
        self.thawed_at = self.life.loop.now
        held, self.held = self.held, []
        self.life.loop._ready.extend(held)  # type: ignore[attr-defined]

    def kill(self) -> None:
        """Nothing of it runs any more, and its leases die with it."""
        if not self.alive:
            return
        self.alive = False
        self.life.note(f"{self} is dead")
        for pool in self.pools:
            pool.vanish()
        for call in self.calls:
            if not call.done():
                call.set_exception(Lost("the lab died"))
        self.cluster.on_death(self)

    def __repr__(self) -> str:
        return f"<lab {self.actor_id}{' restarted' if self.again else ''} of {self.born:.2f}>"


class Cluster:
    """Nodes, and at most one actor of the lab's name, which Ray starts again when it dies."""

    def __init__(self, life: Life, number: int) -> None:
        self.life, self.number = life, number
        life.clusters.append(self)
        self.up = True
        self.nodes: dict[int, dict[str, float]] = {}
        self.process: Process | None = None
        self.returning = False
        self.queue: list[Stream] = []
        self.running: dict[int, list[Stream]] = {}
        self.actors = 0
        for _ in range(life.rng.choice((0, 1, 1, 1, 2))):
            self.add_node()

    def add_node(self, gpu: bool = False) -> None:
        number = self.life.counts["nodes"]
        self.life.counts["nodes"] += 1
        self.nodes[number] = {"CPU": float(self.life.rng.choice((1, 2, 4)))} | ({"GPU": 1.0} if gpu else {})
        self.running[number] = []
        self.place()

    def lose_node(self) -> None:
        if self.nodes:
            number = self.life.rng.choice(list(self.nodes))
            del self.nodes[number]
            self.life.counts["node lost"] += 1
            for stream in self.running.pop(number):
                stream.end("lost", "its node is gone")

    def place(self) -> None:
        """Give waiting leases what is free, in their order."""
        for stream in list(self.queue):
            for number, node in self.nodes.items():
                taken = Counter[str]()
                for other in self.running[number]:
                    taken.update(other.wants)
                if all(node.get(what, 0) - taken[what] >= much for what, much in stream.wants.items()):
                    self.queue.remove(stream)
                    self.running[number].append(stream)
                    stream.node = number
                    if not stream.placed.done():
                        stream.placed.set_result(None)
                    break

    def leave(self, stream: Stream) -> None:
        if stream in self.queue:
            self.queue.remove(stream)
        if stream.node in self.running and stream in self.running[stream.node]:
            self.running[stream.node].remove(stream)
        self.place()

    def attach(self) -> None:
        """Somebody asks for the lab: it is created unless it is there."""
        if self.up and self.process is None and not self.returning:
            self.actors += 1
            self.start(f"{self.number}-{self.actors}", restarted=False)

    def start(self, actor: str, *, restarted: bool) -> None:
        self.returning = False
        self.life.counts["lab lives"] += 1
        self.life.note(f"a lab starts: {actor}{' again' if restarted else ''}")
        self.process = Process(self.life, self, actor, restarted)

    def on_death(self, process: Process) -> None:
        if self.process is process:
            self.process = None
            if self.up and not process.lab.ended:
                self.returning = True
                self.life.loop.call_later(
                    self.life.rng.uniform(0.05, 2.0), self._restart, process, context=contextvars.Context()
                )

    def _restart(self, process: Process) -> None:
        if self.up:
            self.start(process.actor_id, restarted=True)

    def destroy(self) -> None:
        self.up = False
        if self.process is not None:
            self.process.kill()


class SimActor(LabActor):
    """The real verbs on a simulated cluster."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.ended = False
        super().__init__(NAME, str(process.life.root), "ada", process)

    def _conductor(self, name: str, notebook: str, user: str) -> Conductor:
        process = self.process
        writer = SimWriter(process, notebook)
        lab = Conductor(name, writer, user, process)
        lab.ledger = WatchedLedger(process, lab)
        return lab


class SimWriter(Writer):
    def __init__(self, process: Process, place: str) -> None:
        super().__init__(place, who("0", process.actor_id), PosixStore(place, LabFiles(process)))
        self.process = process
        self.asked: dict[int, tuple[Sequence[Request], float]] = {}

    def open_requests(self, *args: Any, **words: Any) -> list[Request]:
        found = super().open_requests(*args, **words)
        life, process = self.process.life, self.process
        life.note(f"{process} has the notebook")
        before = _openers(Path(self.place))[-2:-1]
        if process.again and before not in ([], [process.actor_id]):
            life.broken(f"{process}, which Ray started again, took the notebook back from {before}")
        life.owner = process.actor_id
        there = fold(found)
        for owner in life.owners:
            if why := owner.allows(there.get(owner.name)):
                life.broken(f"{process} finds what was not asked: {why}")
        return found

    def add(self, requests: Sequence[Request]) -> None:
        _, since = self.asked.setdefault(id(requests), (requests, self.process.life.loop.since))
        super().add(requests)
        for request in requests:
            if request.kind == "ran_alone":
                key = request.folder, request.body["position"]
                self.process.life.noted[key] = request.body["strikes"]["runs"]
            life, known = self.process.life, self.process.conductor.sweeps.records.get(request.sweep)
            asked = next((owner.replaces for owner in life.owners if owner.name == request.sweep), False)
            if request.kind == "submitted" and known is not None and not asked:
                queue = self.process.conductor.ledger.queues.get(known.folder)
                # What is counted while the row is on its way cannot keep it back any more.
                if life.done.get(known.folder, since) < since:
                    life.broken(f"{request.folder} took the name of a sweep with results")
                if not life.committed[known.folder] and not (queue is not None and queue.pause_reason):
                    life.broken(f"{request.folder} took the name of a sweep of which nothing failed")


def _openers(place: str) -> list[str]:
    """The actors that opened the requests, in order."""
    store = PosixStore(place)
    journal, _ = file_names(store, layout.REQUESTS)
    headers = [file_header(store, f"{layout.REQUESTS}/journal/{name}") for name in journal]
    return [header.writer["actor"] for header in headers if header.kind == OPENING]


class WatchedLedger(Ledger):
    """Checks itself after each event, and that nothing counted is ever forgotten."""

    def __init__(self, process: Process, lab: Conductor) -> None:
        super().__init__()
        self.process, self.lab = process, lab

    def handle(self, event: ev.Event, now: float) -> list[ev.Instruction]:
        life = self.process.life
        life.counts["events"] += 1
        try:
            match event:
                case ev.SweepOpened():
                    folder = event.sweep
                    found = {p for start, stop in event.recorded for p in range(start, stop)}
                    missing = life.committed[folder].keys() - found
                    assert not missing, f"{folder}: counted, and not there any more: {sorted(missing)}"
                    for position in range(event.record.positions):
                        told = event.record.strikes.get(position, Strikes()).runs
                        known = life.noted[folder, position]
                        assert position in found or told >= known, f"{folder}: {told} of {known} runs of {position}"
                case ev.LeaseEnded():
                    lease = self._leases.get(event.lease)
                    alone = lease is not None and lease.left == 1 and lease.state == "running"
                    if alone and event.end in ("died", "normal", "out_of_memory"):
                        assert lease is not None
                        key = lease.sweep, lease.next
                        life.deaths[key] += 1
                        # A run whose row is not durable yet is forgotten when the lab dies.
                        counted = lease.alone and self.queues[key[0]].strikes[lease.next].runs == life.noted[key]
                        life.strikes[key] += counted and life.owner == self.process.actor_id
                        # A death that no row tells of yet is forgotten when the lab dies.
                        most = min(schedule.RUNS_ALONE, schedule.STRIKES + life.counts["lab lives"] - 1)
                        assert life.strikes[key] <= most, f"{key} died alone {life.strikes[key]} times"
            orders = super().handle(event, now)
            self.check()
            if isinstance(event, ev.RowsCommitted) and event.sweep in self.queues:
                folder = event.sweep
                for position in range(event.first, event.first + event.count):
                    life.committed[folder][position] = life.committed[folder].get(position, 0) + 1
                    assert life.committed[folder][position] == 1, f"{folder}: {position} was counted twice"
                if event.by_status.get("done"):
                    life.done.setdefault(folder, life.loop.now)
            recorder = self.lab.recorder
            life.counts["pressure"] += isinstance(event, ev.PressureChanged) and event.high
            placed = sum(stream.placed.done() for pool in self.process.pools for stream in pool.all.values())
            most = recorder_module.LIMIT_BYTES + self.process.biggest * (2 + placed)
            assert 0 <= recorder._bytes <= most, f"the recorder holds {recorder._bytes} bytes of {most}"
        except Exception as error:
            life.broken(f"{self.process}, at {event}: {type(error).__name__}: {error}")
            raise
        return orders
