"""The ledger against a model that keeps one word for each trial, in a world where anything may be late, lost or killed.

Three parties: the ledger; the `Model`, which says of each trial where it must be and which instructions are allowed;
the `Disk`, which alone outlives the lab and refuses a second record of a trial. The rules are the shell: they carry out
instructions when they like. At the end all is carried out, and every trial must have its one record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from core.records import causes, record, segment
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from raylab.core import events as ev
from raylab.core import schedule
from raylab.core.block import numbers_at
from raylab.core.enlarging import enlarge
from raylab.core.failures import NOTHING, Tally
from raylab.core.lane import Place
from raylab.core.ledger import Ledger
from raylab.core.places import runs_of
from raylab.core.policy import GROWS
from raylab.core.request import SweepRecord
from raylab.core.segment import AS_ASKED, Need, Segment
from raylab.core.strikes import Strikes
from raylab.core.summary import Summary, together

FEW = 7
"""In this world a sweep pauses itself after so many failures from the start."""

SOME = 5
"""And a share of failures counts once so many trials are in."""

NAMES = ("a", "b", "c")
CLASSES: tuple[Mapping[str, float | None], ...] = ({}, {"time_limit": 10.0}, {"memory": 1e9})
KLASS = st.sampled_from([0, 0, 1, 2])
GROW = {"time_limit": [2.0, None], "memory": [2.0, 3e9], "tries": 2}
UNRECORDED = ("waiting", "back", "suspect", "lone", "out", "over", "in hand")
PICK = st.integers(0, 1_000)
CURSED = st.frozensets(st.integers(0, 9), max_size=2)


@dataclass
class Disk:
    """What the notebook holds of one sweep."""

    key: str
    segments: tuple[Segment, ...]
    group: str
    user: str
    cursed: frozenset[int]  # positions of trials that kill their process
    limit: float | None = None  # what a trial may take
    records: dict[int, str] = field(default_factory=dict)  # by position
    strikes: dict[int, Strikes] = field(default_factory=dict)
    cancelled: bool = False
    paused: str = ""
    version: int = 1  # of the code
    most: int | None = None  # trials at once
    failures: float | None = None  # at which it pauses
    priority: int = 0
    forgiven: Tally = NOTHING
    grow: Mapping[str, Any] = field(default_factory=dict)
    bad: str = "failed"  # what comes of trials that do not work

    @property
    def positions(self) -> int:
        return self.segments[-1].stop

    def limit_of(self, need: Need) -> float | None:
        return self.asked().policy.at(need).time_limit

    def grows(self, position: int, status: str) -> bool:
        need = next(each.need for each in self.segments if position < each.stop)
        return self.asked().policy.more(need, status) is not None

    def summary(self) -> Summary:
        """What the table says."""
        return replace(together([]), causes=causes(self.records), attempt=10)

    @property
    def taken_back(self) -> Counter[str]:
        return sum((Counter(segment.taken_back) for segment in self.segments), Counter())

    def asked(self) -> SweepRecord:
        return record(
            sweep=self.key,
            group=self.group,
            time_limit=self.limit,
            cancelled=self.cancelled,
            paused=self.paused,
            max_concurrency=self.most,
            max_failures=self.failures,
            priority=self.priority,
            user=self.user,
            forgiven=self.forgiven,
            strikes=dict(self.strikes),
            segments=self.segments,
            classes=CLASSES if any(each.need.klass for each in self.segments) else (),
            version=self.version,
            grow=self.grow,
        )

    def record(self, position: int, status: str) -> None:
        assert position not in self.records, f"position {position} is recorded a second time"
        assert 0 <= position < self.positions
        self.records[position] = status


@dataclass
class Task:
    """A lease as the cluster sees it."""

    lease: int
    disk: Disk
    start: int
    stop: int
    at: int  # what it runs next
    alone: bool  # a suspect runs in it
    need: Need = AS_ASKED
    version: int = 1  # of the code
    started: bool = False
    stopping: bool = False
    old: list[tuple[int, int]] = field(default_factory=list)  # batches it has sent
    limit: float | None = None  # what its worker knows
    since: float = 0.0  # when it was heard of last
    silence: float | None = None  # how long it may not be heard of, where its worker knows a looser limit


class Model:
    """One sweep, a word for each position: waiting, back, suspect, lone, out, over (its limit), in hand, or as it is
    recorded."""

    def __init__(self, disk: Disk) -> None:
        places = range(disk.positions)
        self.where = {p: disk.records.get(p, "suspect" if p in disk.strikes else "waiting") for p in places}
        self.before: dict[int, str] = {}  # the word of what is out, for when it comes back
        self.strikes = {p: n for p, n in disk.strikes.items() if p not in disk.records}
        self.cancelled = disk.cancelled
        self.paused = disk.paused
        self.came = Counter(disk.records[p] for p in places if p in disk.records)  # and is not to be run again
        self.came.subtract(disk.taken_back)
        self.spent: Counter[str] = Counter()  # of what had too little, how many get no more

    @property
    def moves(self) -> bool:
        return not self.cancelled and not self.paused

    def many(self, *words: str) -> int:
        return sum(word in words for word in self.where.values())

    def leave(self, task: Task) -> None:
        """The task took these positions."""
        words = {self.where[p] for p in range(task.start, task.stop)}
        if words == {"suspect"}:
            assert not self.strikes.get(task.start, Strikes()).enough
            words = {"lone"}
        assert self.moves, "nothing is launched of a sweep that stands still"
        assert words == {"waiting"} or words == {"back"} or (words == {"lone"} and task.stop == task.start + 1), words
        (word,) = words
        task.alone = word == "lone"
        for p in range(task.start, task.stop):
            self.before[p], self.where[p] = word, "out"

    def begin(self, task: Task) -> None:
        """It comes to its first trial."""
        if task.alone and task.version == task.disk.version:
            self.strikes[task.start] = self.strikes.get(task.start, Strikes()).begun()

    def over(self, task: Task, end: str, at: float) -> None:
        left = range(task.at, task.stop)
        old = task.version != task.disk.version  # other code has not done what it ends with
        blamed = end in ("died", "normal", "out_of_memory") and task.started and not task.stopping and not old
        late = task.limit is not None and at - task.since >= task.limit + schedule.GRACE_S / 2
        if blamed and len(left) == 1 and late and end != "out_of_memory":
            self.where[task.at] = "over"
            return
        for p in left:
            assert self.where[p] == "out"
            self.where[p] = ("suspect" if p == task.at else "back") if blamed else self.before[p]
        if not blamed and task.alone and task.started and left and not old:
            self.strikes[task.start] = self.strikes[task.start].excused()
        if blamed and len(left) == 1:
            held = self.strikes.get(task.at, Strikes())
            self.strikes[task.at] = Strikes(held.deaths + 1, max(held.runs, 1), end == "out_of_memory")

    @property
    def tally(self) -> Tally:
        return Tally(self.came["done"], self.came.total() - self.came["done"])

    def judge(self, disk: Disk, pending: int) -> bool:
        """Whether it pauses now; so many of what failed are tried again."""
        came, total = self.tally, disk.positions - disk.taken_back.total()
        failed, done = max(0, came.failed - disk.forgiven.failed - pending), max(0, came.done - disk.forgiven.done)
        if not self.moves or came.done + came.failed == total:
            return False
        if came.done == 0 and failed >= FEW:
            return True
        if disk.failures is None or disk.failures >= 1:
            return disk.failures is not None and failed >= disk.failures
        return failed + done >= SOME and failed / (failed + done) > disk.failures

    def resume(self) -> None:
        self.cancelled, self.paused = False, ""


class World(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.disks: dict[str, Disk] = {}  # by name; what was replaced is nobody's
        self.slots = {(name, klass): slots for name in NAMES for klass, slots in enumerate((2, 2, 0))}
        self.generations = 0
        self.live()

    def live(self) -> None:
        """A new lab, on what the disk says."""
        self.ledger = Ledger()
        self.models: dict[str, Model] = {}  # by key
        self.tasks: list[Task] = []
        self.rows: list[tuple[Disk, int, list[str]]] = []  # kept, not yet durable: sweep, first, statuses
        self.notes: list[tuple[Disk, ev.CountRun]] = []
        self.wake: float | None = None
        self.pressure = False
        self.pausing: set[str] = set()  # sweeps that must pause at this event
        self.looks: set[str] = set()  # sweeps of which somebody sees to what had too little
        for name in self.disks:
            self.open(name)

    def open(self, name: str) -> None:
        disk = self.disks[name]
        self.models[disk.key] = Model(disk)
        event = ev.SweepOpened(
            sweep=disk.key,
            record=disk.asked(),
            recorded=tuple((p, p + 1) for p in disk.records),
            by_status={word: list(disk.records.values()).count(word) for word in disk.records.values()},
            seconds=0.001 * len(disk.records),
            slots=self.slots_of(name),
        )
        self.expect_pause(disk)
        self.tell(event)

    def slots_of(self, name: str) -> dict[Need, int]:
        """How many trials of each class of a sweep the cluster could run at once."""
        return {need: self.slots[name, need.klass] for need in self.disks[name].asked().needs}

    def expect_pause(self, disk: Disk) -> None:
        """It must pause at the event that comes next, if too much has failed."""
        there = self.there(disk)
        there.update(word for rows_of, _, words in self.rows if rows_of is disk for word in words if word in GROWS)
        pending = (there - self.models[disk.key].spent).total() if disk.grow else 0
        if self.models[disk.key].judge(disk, pending):
            self.pausing.add(disk.key)

    def changed(self, name: str, stops: list[Task]) -> None:
        """Requests have changed what the disk says of a sweep."""
        disk = self.disks[name]
        event = ev.SweepChanged(sweep=disk.key, record=disk.asked(), slots=self.slots_of(name))
        self.expect_pause(disk)
        self.tell(event, stops=stops)

    def model(self, task: Task) -> Model:
        return self.models[task.disk.key]

    # the ledger speaks ------------------------------------------------------------------------------------------

    def tell(self, event: ev.Event, *, stops: list[Task] | None = None) -> list[ev.Instruction]:
        """Give the ledger an event; let the model judge each instruction. `stops` must be stopped, and only they."""
        orders = self.ledger.handle(event, self.now)
        stopped = []
        silent = [] if self.pressure else [task for task in self.tasks if self.silent(task)]
        for order in orders:
            match order:
                case ev.Launch():
                    self.launched(order)
                case ev.CountRun():
                    model = self.models[order.sweep]
                    assert isinstance(event, ev.LeaseStarted)
                    assert model.where[order.position] == "out"
                    assert order.strikes == model.strikes[order.position]
                    assert order.strikes.deaths < schedule.STRIKES
                    assert order.strikes.runs <= schedule.RUNS_ALONE
                    self.notes.append((self.disk_of(order.sweep), order))
                case ev.RecordDeath():
                    model = self.models[order.sweep]
                    assert order.version == self.disk_of(order.sweep).version
                    held = model.strikes.pop(order.position, Strikes())
                    if order.status != "timed_out":
                        assert (order.status == "out_of_memory") == held.out_of_memory
                        assert model.where[order.position] == "suspect"
                        assert order.attempt == self.first_attempt(order) + held.runs - 1
                        tried = held.deaths >= schedule.STRIKES or held.runs >= schedule.RUNS_ALONE
                        assert tried or self.disk_of(order.sweep).grows(order.position, order.status)
                    else:
                        assert model.where[order.position] == "over"
                        assert order.attempt == self.first_attempt(order) + max(held.runs, 1) - 1
                    model.where[order.position] = "in hand"
                    self.rows.append((self.disk_of(order.sweep), order.position, [order.status]))
                    model.came[order.status] += 1
                    self.expect_pause(self.disk_of(order.sweep))
                case ev.Pause():
                    assert order.sweep in self.pausing, "it paused for no reason"
                    self.pausing.remove(order.sweep)
                    self.models[order.sweep].paused = order.reason
                    self.disk_of(order.sweep).paused = order.reason
                    stops = self.asked(self.disk_of(order.sweep))
                case ev.Stop():
                    stopped.append(order.lease)
                case ev.Enlarge():
                    disk, model = self.disk_of(order.sweep), self.models[order.sweep]
                    assert order.sweep not in self.looks, "one looks at a time"
                    assert model.moves
                    assert self.short(disk)
                    self.looks.add(order.sweep)
                case ev.Wake():
                    self.wake = order.at
        assert not self.pausing, "it should have paused"
        going = [*(stops or []), *(task for task in silent if task not in (stops or []))]
        ways = [task for task in self.tasks if task.lease in stopped and task not in going]
        assert all(map(self.is_in_the_way, ways)), "it was stopped for no reason"
        going += ways
        assert sorted(stopped) == sorted(task.lease for task in going)
        for task in going:
            task.stopping = True
        return orders

    def silent(self, task: Task) -> bool:
        """Whether a trial of it must be over a limit that its worker does not know."""
        known = self.mine(task) and task.started and not task.stopping
        return known and task.silence is not None and self.now >= task.since + task.silence

    def is_in_the_way(self, task: Task) -> bool:
        """Whether it has not begun, and something of a higher priority has not either."""
        above = [disk for disk in self.disks.values() if disk.priority > task.disk.priority]
        return not self.pressure and not task.started and not task.stopping and any(map(self.waits, above))

    def waits(self, disk: Disk) -> bool:
        """Whether something of it is to run, and does not yet."""
        return bool(self.asked(disk) or self.models[disk.key].many("waiting", "back", "lone", "suspect"))

    def disk_of(self, key: str) -> Disk:
        return next(disk for disk in self.disks.values() if disk.key == key)

    def first_attempt(self, order: ev.RecordDeath | ev.Launch) -> int:
        position = order.position if isinstance(order, ev.RecordDeath) else order.start
        return next(each.attempt for each in self.disk_of(order.sweep).segments if position < each.stop)

    def going(self, disk: Disk) -> list[Task]:
        return [t for t in self.tasks if t.disk is disk and not t.stopping]

    def excess(self, disk: Disk) -> list[Task]:
        """Those that are out beyond what may run, and have not begun; of what no node can run none does."""
        going = [task for task in self.going(disk) if self.feasible(task)]
        over = 0 if disk.most is None else len(going) - disk.most
        return [task for task in going if not task.started][-over:] if over > 0 else []

    def feasible(self, task: Task) -> bool:
        return any(disk is task.disk and self.slots[name, task.need.klass] for name, disk in self.disks.items())

    def asked(self, disk: Disk) -> list[Task]:
        """Those of them that have not begun."""
        return [t for t in self.going(disk) if not t.started]

    def launched(self, order: ev.Launch) -> None:
        assert not self.pressure
        assert all(order.lease != task.lease for task in self.tasks)
        disk = self.disk_of(order.sweep)
        segment = disk.segments[order.segment]
        assert segment.first_position <= order.start < order.stop <= segment.stop, "a lease lies inside one segment"
        assert order.version == disk.version, "what is launched runs with the code in force"
        task = Task(order.lease, disk, order.start, order.stop, order.start, alone=False)
        task.need, task.limit = segment.need, disk.limit_of(segment.need)
        task.version = order.version
        model = self.models[order.sweep]
        assert order.attempt == self.first_attempt(order) + model.strikes.get(order.start, Strikes()).runs
        model.leave(task)
        self.tasks.append(task)
        mine = sum(each.disk is disk and self.feasible(each) for each in self.tasks)
        assert disk.most is None or not self.feasible(task) or mine <= disk.most, "too many at once"

    def mine(self, task: Task) -> bool:
        """Whether its sweep is still in force."""
        return any(disk is task.disk for disk in self.disks.values())

    # sweeps -----------------------------------------------------------------------------------------------------

    @rule(
        name=st.sampled_from(NAMES),
        totals=st.lists(st.integers(1, 30), min_size=1, max_size=3),
        group=st.sampled_from(["", "x"]),
        cursed=CURSED,
        grow=st.sampled_from([{}, GROW, GROW]),
        bad=st.sampled_from(["failed", "timed_out", "timed_out", "out_of_memory"]),
    )
    def submit(
        self, name: str, totals: list[int], group: str, cursed: frozenset[int], grow: Mapping[str, Any], bad: str
    ) -> None:
        """A sweep of so many trials, of each class."""
        if name not in self.disks:
            self.make(name, totals, group, cursed, grow, bad)

    def make(
        self,
        name: str,
        totals: list[int],
        group: str,
        cursed: frozenset[int],
        grow: Mapping[str, Any] = {},
        bad: str = "failed",
    ) -> None:
        self.generations += 1
        segments: list[Segment] = []
        for klass, total in enumerate(totals):
            segments.append(segment(total, after=segments[-1] if segments else None, need=Need(klass)))
        user, limit = "ada" if self.generations % 2 else "bob", 1.0 if grow else None
        key = f"{name}~{self.generations}"
        self.disks[name] = Disk(key, tuple(segments), group, user, cursed, limit, grow=grow, bad=bad)
        self.open(name)

    @rule(name=st.sampled_from(NAMES), total=st.integers(1, 30), cursed=CURSED)
    def replace(self, name: str, total: int, cursed: frozenset[int]) -> None:
        if name in self.disks and "done" not in self.disks[name].records.values():
            old = self.disks.pop(name)
            del self.models[old.key]
            self.tell(ev.SweepDropped(sweep=old.key), stops=self.going(old))
            self.make(name, [total], old.group, cursed)

    @rule(name=st.sampled_from(NAMES), total=st.integers(1, 20), klass=KLASS)
    def grow(self, name: str, total: int, klass: int) -> None:
        """More points are asked for."""
        if name in self.disks:
            disk = self.disks[name]
            self.append(name, segment(total, after=disk.segments[-1], need=Need(klass)))

    @rule(name=st.sampled_from(NAMES), most=st.integers(1, 5))
    def retry(self, name: str, most: int) -> None:
        """A lease fails and is recorded; some of what failed is to be run again."""
        if name not in self.disks:
            return
        disk = self.disks[name]
        if going := self.going(disk):
            self.work(going[0], works=False)
        while mine := [at for at, (rows_of, _, _) in enumerate(self.rows) if rows_of is disk]:
            self.commit(mine[0], heard=True)
        first, last = disk.segments[0], disk.segments[-1]
        again = [trial for each in disk.segments for start, stop in each.selection for trial in range(start, stop)]
        failed = [p for p in range(first.stop) if disk.records.get(p, "done") != "done"]
        number = dict(zip(failed, numbers_at(first, np.array(failed, dtype=np.int64)).tolist(), strict=True))
        if failed := [p for p in failed if number[p] not in again][:most]:
            taken = Counter(disk.records[p] for p in failed)
            runs = runs_of(np.array([number[p] for p in failed]))
            self.models[disk.key].came.subtract(taken)
            disk.forgiven = disk.forgiven.without(taken)
            self.append(
                name, segment(first.size, after=last, first_trial=0, selection=runs, attempt=10, taken_back=taken)
            )

    @precondition(lambda self: self.looks)
    @rule(pick=PICK)
    def see_to(self, pick: int) -> None:
        """What had too little is looked at: what gets more waits anew, the rest is spent. The sweep may be gone."""
        key = sorted(self.looks)[pick % len(self.looks)]
        spent: Counter[str] = Counter()
        for name, disk in self.disks.items():
            if disk.key == key and not disk.cancelled:
                spent = self.there(disk)
                if more := enlarge(disk.asked(), disk.summary(), in_hand=(), has_room=lambda policy: True)[0]:
                    taken = sum((Counter(each.taken_back) for each in more), Counter())
                    self.models[key].came.subtract(taken)
                    disk.forgiven = disk.forgiven.without(taken)
                    self.append(name, *more)
                    spent = self.there(disk)
                assert not enlarge(disk.asked(), disk.summary(), in_hand=(), has_room=lambda policy: True)[0]
        self.looks.remove(key)
        if key in self.models:
            self.models[key].spent = spent
            self.expect_pause(self.disk_of(key))
        self.tell(ev.ShortageSeen(sweep=key, spent=spent))

    @rule(name=st.sampled_from(NAMES), works=st.booleans())
    def run_out(self, name: str, works: bool) -> None:
        """All that is out of a sweep comes to its end, and so does what follows, for a while."""
        for _ in range(20):
            if going := [task for task in self.tasks if task.disk is self.disks.get(name)]:
                self.work(going[0], works)
        while self.rows:
            self.commit(0, heard=True)
        while self.looks:
            self.see_to(0)

    def short(self, disk: Disk) -> int:
        """How many trials had too little, as far as nobody has looked yet."""
        model = self.models[disk.key]
        return 0 if not disk.grow or model.cancelled else (self.there(disk) - model.spent).total()

    def there(self, disk: Disk) -> Counter[str]:
        """The trials that came out timed out, or out of memory."""
        found = Counter(word for word in self.models[disk.key].where.values() if word in GROWS)
        for each in disk.segments:
            found.subtract({word: count for word, count in each.taken_back.items() if word in GROWS})
        return found

    def append(self, name: str, *some: Segment) -> None:
        disk = self.disks[name]
        model, policy = self.models[disk.key], disk.asked().policy
        disk.segments = (*disk.segments, *some)
        model.where |= dict.fromkeys(range(some[0].first_position, some[-1].stop), "waiting")
        model.spent.clear()
        stops = self.idle(disk) if disk.asked().policy != policy else []
        self.changed(name, stops)

    def idle(self, disk: Disk) -> list[Task]:
        """Tasks that were asked for under another policy, and have not begun."""
        return [task for task in self.tasks if task.disk is disk and not task.started and not task.stopping]

    @rule(name=st.sampled_from(NAMES))
    def cancel(self, name: str) -> None:
        if name in self.disks:
            disk = self.disks[name]
            disk.cancelled = self.models[disk.key].cancelled = True
            self.changed(name, self.going(disk))

    @rule(name=st.sampled_from(NAMES))
    def pause(self, name: str) -> None:
        if name in self.disks:
            disk = self.disks[name]
            disk.paused = self.models[disk.key].paused = disk.paused or "by ada"
            self.changed(name, self.asked(disk))

    @rule(name=st.sampled_from(NAMES), priority=st.sampled_from([-1, 0, 1]))
    def urge(self, name: str, priority: int) -> None:
        """What has begun of the others ends by itself."""
        if name in self.disks:
            self.disks[name].priority = priority
            self.changed(name, [])

    @rule(name=st.sampled_from(NAMES), most=st.sampled_from([None, 1, 2]), failures=st.sampled_from([None, 2, 5, 0.4]))
    def terms(self, name: str, most: int | None, failures: float | None) -> None:
        """What has begun ends by itself; of the rest as much stays out as may run."""
        if name in self.disks:
            disk = self.disks[name]
            disk.most, disk.failures = most, failures
            self.changed(name, self.excess(disk))

    @rule(name=st.sampled_from(NAMES))
    def resume(self, name: str) -> None:
        if name in self.disks:
            disk = self.disks[name]
            disk.cancelled, disk.paused, disk.forgiven = False, "", self.models[disk.key].tally
            self.models[disk.key].cancelled = False
            self.changed(name, [])
            self.models[disk.key].resume()
            self.tell(ev.SweepResumed(sweep=disk.key))

    @rule(name=st.sampled_from(NAMES))
    def mend(self, name: str) -> None:
        """There is other code: what has not begun is not to begin with the old one, and no trial is a suspect."""
        if name in self.disks:
            disk = self.disks[name]
            disk.version += 1
            disk.strikes.clear()
            self.models[disk.key].strikes.clear()
            self.changed(name, [task for task in self.going(disk) if not task.started])

    @rule(name=st.sampled_from(NAMES), limit=st.sampled_from([None, 1.0, 10.0]))
    def limit(self, name: str, limit: float | None) -> None:
        if name in self.disks:
            disk = self.disks[name]
            other, disk.limit = disk.limit != limit, limit
            if other:
                self.models[disk.key].spent.clear()
            for task in [task for task in self.tasks if task.disk is disk]:
                now = disk.limit_of(task.need)
                looser = now is not None and (task.limit is None or task.limit > now)
                wait = schedule.flush_interval(self.slots[name, task.need.klass]) + schedule.GRACE_S
                task.silence = now + wait if looser and now is not None else None
            self.changed(name, self.idle(disk) if other else [])

    # the cluster ------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.tasks)
    @rule(pick=PICK)
    def start(self, pick: int) -> None:
        self.begin(self.tasks[pick % len(self.tasks)])

    def begin(self, task: Task) -> None:
        """The process is up, and says so; perhaps not for the first time."""
        first = not task.started and self.mine(task)
        if not task.started:
            task.started, task.since = True, self.now
        if first:
            self.model(task).begin(task)
        orders = self.tell(ev.LeaseStarted(lease=task.lease))
        counted = any(isinstance(order, ev.CountRun) for order in orders)
        assert counted == (first and task.alone and not task.stopping), "each run alone is counted once"

    @precondition(lambda self: self.tasks)
    @rule(pick=PICK, count=st.integers(1, 30), works=st.booleans(), each=st.sampled_from([1e-6, 0.01, 1.0]))
    def send(self, pick: int, count: int, works: bool, each: float) -> None:
        """The next batch of a task, as it should be."""
        task = self.tasks[pick % len(self.tasks)]
        statuses = ["done" if works else task.disk.bad] * min(count, task.stop - task.at)
        if not statuses:
            return
        if not task.started:
            self.begin(task)
        first = task.at
        if not self.mine(task) or self.model(task).cancelled:
            task.old.append((first, len(statuses)))  # refused, so what it holds is not taken from it
            self.offer(task, first, statuses, each, kept=False)
        else:
            task.since = self.now
            task.at += len(statuses)
            task.old.append((first, len(statuses)))
            self.offer(task, first, statuses, each, kept=True)

    @precondition(lambda self: self.tasks)
    @rule(pick=PICK, works=st.booleans())
    def run(self, pick: int, works: bool) -> None:
        """A task does all it can: up to its end, or up to a trial that kills it."""
        self.work(self.tasks[pick % len(self.tasks)], works)

    def work(self, task: Task, works: bool) -> None:
        if not task.stopping and self.mine(task):
            self.begin(task)
            fatal = min((p for p in task.disk.cursed if task.at <= p < task.stop), default=task.stop)
            if fatal > task.at:
                self.send(self.tasks.index(task), fatal - task.at, works, 0.001)
        died = task.at < task.stop and not task.stopping
        self.finish(
            task, ("out_of_memory" if task.at % 2 else "died") if died else "stopped" if task.stopping else "normal"
        )

    def offer(self, task: Task, first: int, statuses: list[str], each: float, *, kept: bool) -> None:
        if kept:
            model = self.model(task)
            for p in range(first, first + len(statuses)):
                assert model.where[p] == "out"
                model.where[p] = "in hand"
            self.rows.append((task.disk, first, statuses))
            model.came.update(statuses)
            self.expect_pause(task.disk)
        by_status = {word: statuses.count(word) for word in statuses}
        event = ev.BatchArrived(
            lease=task.lease, first=first, count=len(statuses), by_status=by_status, busy_s=each * len(statuses)
        )
        answer = self.tell(event)[0]
        assert isinstance(answer, ev.Keep if kept else ev.Refuse)

    @precondition(lambda self: any(task.old for task in self.tasks))
    @rule(pick=PICK, which=PICK)
    def replay(self, pick: int, which: int) -> None:
        """A task that runs a second time sends what it has sent before."""
        tasks = [task for task in self.tasks if task.old and task.at > task.start]
        if tasks:
            task = tasks[pick % len(tasks)]
            first, count = task.old[which % len(task.old)]
            if first < task.at:
                self.offer(task, first, ["done"] * count, 0.1, kept=False)

    @precondition(lambda self: self.tasks)
    @rule(pick=PICK, ahead=st.integers(1, 3))
    def skip(self, pick: int, ahead: int) -> None:
        """A batch was lost on the way."""
        task = self.tasks[pick % len(self.tasks)]
        self.offer(task, task.at + ahead, ["done"], 0.1, kept=False)

    @rule(lease=st.integers(10_000, 10_010))
    def haunt(self, lease: int) -> None:
        """A lease of another life."""
        for event in (ev.LeaseStarted(lease=lease), ev.LeaseEnded(lease=lease, end="died")):
            self.tell(event)

    @precondition(lambda self: self.tasks)
    @rule(
        pick=PICK,
        end=st.sampled_from(["normal", "died", "died", "out_of_memory", "lost", "environment", "stopped"]),
        late_s=st.sampled_from([0.0, 0.0, 1.0, 100.0]),
    )
    def end(self, pick: int, end: ev.End, late_s: float) -> None:
        task = self.tasks[pick % len(self.tasks)]
        if end == "stopped" and not task.stopping:
            end = "lost"
        if end == "environment" and task.started:
            end = "lost"
        self.finish(task, end, late_s)

    def finish(self, task: Task, end: ev.End, late_s: float = 0.0) -> None:
        self.tasks.remove(task)
        if self.mine(task):
            self.model(task).over(task, end, self.now - late_s)
        self.tell(ev.LeaseEnded(lease=task.lease, end=end, detail="bad luck", late_s=late_s))

    @precondition(lambda self: self.tasks)
    @rule(
        pick=PICK,
        end=st.sampled_from(["lost", "died", "out_of_memory"]),
        mended=st.sampled_from(["", "", "before it begins", "while it runs"]),
    )
    def end_suspect(self, pick: int, end: ev.End, mended: str) -> None:
        """A suspect begins, and its lease ends, perhaps with a code that is not in force any more; if there is none, a
        lease dies that held more."""
        mine = [task for task in self.tasks if self.mine(task) and not task.stopping and task.at < task.stop]
        for task in [task for task in mine if task.alone] or mine[pick % max(1, len(mine)) :][:1]:
            name = next(name for name in NAMES if self.disks.get(name) is task.disk)
            if mended == "before it begins":
                self.mend(name)
            self.begin(task)
            if mended == "while it runs":
                self.mend(name)
            self.finish(task, end if task.alone else "died")

    @rule(name=st.sampled_from(NAMES))
    def outage(self, name: str) -> None:
        """No process of a sweep comes up, however often the ledger tries at once."""
        for _ in range(50):
            failing = [task for task in self.tasks if task.disk is self.disks.get(name) and not task.started]
            if not failing:
                return
            self.finish(failing[0], "environment")
        raise AssertionError("it never rests")

    @rule(name=st.sampled_from(NAMES), klass=KLASS, slots=st.integers(0, 4))
    def resize(self, name: str, klass: int, slots: int) -> None:
        self.slots[name, klass] = slots
        keys = {name: disk.key for name, disk in self.disks.items()}
        over = self.excess(self.disks[name]) if name in keys else []
        self.tell(ev.SlotsChanged(slots={keys[each]: self.slots_of(each) for each in keys if each == name}), stops=over)

    # the disk and the clock -------------------------------------------------------------------------------------

    @precondition(lambda self: self.rows)
    @rule(pick=PICK, heard=st.booleans())
    def commit(self, pick: int, heard: bool) -> None:
        """Rows become durable; the lab may die before it hears of it."""
        disk, first, statuses = self.rows.pop(pick % len(self.rows))
        for p, status in enumerate(statuses, first):
            disk.record(p, status)
        if not heard:
            self.live()
        elif disk.key in self.models:
            for p, status in enumerate(statuses, first):
                self.models[disk.key].where[p] = status
                self.models[disk.key].strikes.pop(p, None)
            by_status = {word: statuses.count(word) for word in statuses}
            self.tell(ev.RowsCommitted(sweep=disk.key, first=first, count=len(statuses), by_status=by_status))

    @precondition(lambda self: self.notes)
    @rule(heard=st.booleans())
    def note(self, heard: bool) -> None:
        """The row of a run becomes durable, in the order in which they were written."""
        disk, order = self.notes.pop(0)
        disk.strikes[order.position] = order.strikes
        if not heard:
            self.live()

    @rule(high=st.booleans())
    def press(self, high: bool) -> None:
        self.pressure = high
        if not high:
            for task in self.tasks:
                task.since = self.now
        self.tell(ev.PressureChanged(high=high))

    @rule(seconds=st.sampled_from([0.0, 0.5, 3.0, 20.0, 100.0]))
    def wait(self, seconds: float) -> None:
        """Time passes; the timer goes off if it was set."""
        self.now += seconds
        if self.wake is not None and self.wake <= self.now:
            self.wake = None
            self.tell(ev.Ticked())

    @rule()
    def kill(self) -> None:
        """The lab dies, and its leases with it."""
        self.live()

    # what holds -------------------------------------------------------------------------------------------------

    @invariant()
    def the_ledger_is_sound(self) -> None:
        self.ledger.check()

    @invariant()
    def counts_are_the_models(self) -> None:
        for disk in self.disks.values():
            model, counts = self.models[disk.key], self.ledger.counts(disk.key)
            running = model.many("in hand")
            if not model.cancelled:
                running += sum(t.stop - t.at for t in self.tasks if t.started and t.disk is disk)
            taken = disk.taken_back.total()
            total = disk.positions - taken
            ready = len(model.where) - model.many(*UNRECORDED) - taken - self.short(disk)
            rest = total - ready - running
            assert counts.total == total
            assert counts.done == model.many("done")
            assert counts.failed == ready - model.many("done")
            assert counts.running == running
            assert (counts.cancelled, counts.waiting) == ((rest, 0) if model.cancelled else (0, rest))
            if not model.cancelled:
                again = [range(one.first_position, one.stop) for one in disk.segments if one.selection]
                waits = [p for places in again for p in places if model.where[p] == "waiting"]
                asked = [t for t in self.tasks if t.disk is disk and not t.started]
                out = sum(t.stop - t.at for t in asked if any(t.start in places for places in again))
                back = model.many("back", "suspect", "lone") + self.short(disk)
                assert counts.retrying == back + len(waits) + out

    @invariant()
    def the_guilty_are_seen_to(self) -> None:
        for model in self.models.values():
            suspects = [p for p, word in model.where.items() if word == "suspect" and p in model.strikes]
            assert not model.moves or not any(model.strikes[p].enough for p in suspects)

    @invariant()
    def the_window_is_kept(self) -> None:
        """The load is what is out for the same, of this priority and higher ones."""
        for disk, need, slots in self.classes():
            load = self.ledger._window.load(Place(disk.key, need))
            rivals = {
                (each.key, its)
                for each, its, same in self.classes()
                if same == slots and each.priority >= disk.priority
            }
            assert load == sum((task.disk.key, task.need) in rivals for task in self.tasks) / slots

    def classes(self) -> list[tuple[Disk, Need, int]]:
        """Those of each sweep of which the cluster can run some, and how many."""
        here = [(disk, need, count) for name, disk in self.disks.items() for need, count in self.slots_of(name).items()]
        return [each for each in here if each[-1]]

    @invariant()
    def nobody_waits_for_no_reason(self) -> None:
        """What could run runs, or its window is full, or something of a higher priority waits; what no node can run has
        one lease out."""
        if self.pressure or self.ledger._pace.opens > self.now:
            return
        for disk in self.disks.values():
            queue, above = (
                self.ledger.queues[disk.key],
                [each for each in self.disks.values() if each.priority > disk.priority],
            )
            waits = any(map(self.waits, above))
            for strand in queue.strands.values():
                if queue.hungry(strand) and queue.rested(strand, self.now):
                    full = self.ledger._window.load(Place(disk.key, strand.need)) >= 2.0
                    assert strand.leases if strand.slots < 1 else full or waits

    # the end ----------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Everything is carried out, nothing new happens: all is recorded, and nobody waits for ever."""
        self.press(False)
        for _ in range(5_000):
            if self.tasks:
                self.work(self.tasks[0], works=True)
            elif self.rows:
                self.commit(0, heard=True)
            elif self.notes:
                self.note(heard=True)
            elif self.looks:
                self.see_to(0)
            elif still := [name for name, disk in self.disks.items() if not self.models[disk.key].moves]:
                self.resume(still[0])
            elif any(len(disk.records) < disk.positions for disk in self.disks.values()):
                assert self.wake is not None, "there is work, and nobody will ever come to it"
                self.wait(max(0.0, self.wake - self.now))
            else:
                break
            self.ledger.check()
        for disk in self.disks.values():
            assert len(disk.records) == disk.positions
            assert self.ledger.standing(disk.key)[0] == "ready"
        assert not any(queue.outstanding for queue in self.ledger.queues.values())


def test_whatever_is_late_lost_or_killed_every_trial_is_recorded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "PAUSE_AFTER", FEW)
    monkeypatch.setattr(schedule, "SHARE_AFTER", SOME)
    monkeypatch.setattr(schedule, "SPLIT", 4)
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        World,
        settings=settings(
            max_examples=100, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
