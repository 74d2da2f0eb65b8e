"""The ledger against a model that keeps one word for each trial, in a world where anything may be late, lost or killed.

Three parties: the ledger; the `Model`, which says of each trial where it must be and which instructions are allowed;
the `Disk`, which alone outlives the lab and refuses a second record of a trial. The rules are the shell: they carry out
instructions when they like. At the end all is carried out, and every trial must have its one record.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from raylab.core import events as ev
from raylab.core import schedule
from raylab.core.ledger import Ledger
from raylab.core.strikes import Strikes

FEW = 7
"""In this world a sweep pauses itself after so many failures from the start."""

NAMES = ("a", "b", "c")
UNRECORDED = ("waiting", "back", "suspect", "lone", "out", "over", "in hand")
PICK = st.integers(0, 1_000)
CURSED = st.frozensets(st.integers(0, 9), max_size=2)


@dataclass
class Disk:
    """What the notebook holds of one sweep."""

    total: int
    group: str
    cursed: frozenset[int]  # trials that kill their process
    limit: float | None = None  # what a trial may take
    records: dict[int, str] = field(default_factory=dict)
    strikes: dict[int, Strikes] = field(default_factory=dict)
    cancelled: bool = False
    paused: str = ""

    def record(self, position: int, status: str) -> None:
        assert position not in self.records, f"trial {position} is recorded a second time"
        assert 0 <= position < self.total
        self.records[position] = status


@dataclass
class Task:
    """A lease as the cluster sees it."""

    lease: int
    sweep: str
    disk: Disk
    start: int
    stop: int
    at: int  # what it runs next
    started: bool = False
    stopping: bool = False
    old: list[tuple[int, int]] = field(default_factory=list)  # batches it has sent
    limit: float | None = None  # what its worker knows
    since: float = 0.0  # when it was heard of last
    alone: bool = False
    holding: bool = False  # it waits for the row that says so
    told: bool = False  # the row is there
    silence: float | None = None  # how long it may not be heard of, where its worker knows a looser limit

    def heard(self, now: float) -> None:
        self.started, self.since = True, now


class Model:
    """One sweep, a word for each trial: waiting, back, suspect, lone, out, over (its limit), in hand, or as it is
    recorded."""

    def __init__(self, disk: Disk) -> None:
        self.where = {p: disk.records.get(p, "suspect" if p in disk.strikes else "waiting") for p in range(disk.total)}
        self.told: set[int] = set()  # positions with a row that no run has used up
        self.before: dict[int, str] = {}  # the word of what is out, for when it comes back
        self.strikes = {p: n for p, n in disk.strikes.items() if p not in disk.records}
        self.cancelled = disk.cancelled
        self.paused = disk.paused
        self.good = "done" in disk.records.values()
        self.bad = 0

    @property
    def moves(self) -> bool:
        return not self.cancelled and not self.paused

    def many(self, *words: str) -> int:
        return sum(word in words for word in self.where.values())

    def leave(self, task: Task) -> None:
        """The task took these trials."""
        words = {self.where[p] for p in range(task.start, task.stop)}
        if words == {"suspect"}:
            assert not self.strikes.get(task.start, Strikes()).enough
            words = {"lone"}
        assert self.moves, "nothing is launched of a sweep that stands still"
        assert words == {"waiting"} or words == {"back"} or (words == {"lone"} and task.stop == task.start + 1), words
        assert task.alone == (words == {"lone"})
        (word,) = words
        for p in range(task.start, task.stop):
            self.before[p], self.where[p] = word, "out"

    def over(self, task: Task, end: str, now: float) -> None:
        left = range(task.at, task.stop)
        blamed = end in ("died", "normal", "out_of_memory") and task.started and not task.stopping
        late = task.limit is not None and now - task.since >= task.limit + schedule.GRACE_S / 2
        if blamed and len(left) == 1 and late and end != "out_of_memory":
            self.where[task.at] = "over"
            return
        for p in left:
            assert self.where[p] == "out"
            self.where[p] = ("suspect" if p == task.at else "back") if blamed else self.before[p]
            if not blamed and task.told:
                self.told.add(p)
        if blamed and len(left) == 1:
            held = self.strikes.get(task.at, Strikes())
            self.strikes[task.at] = Strikes(held.deaths + 1, max(held.runs, 1), end == "out_of_memory")

    def judge(self, statuses: list[str]) -> bool:
        """Whether it pauses now."""
        self.good = self.good or "done" in statuses
        self.bad = 0 if self.good else self.bad + len(statuses)
        return self.bad >= FEW and not self.paused

    def resume(self) -> None:
        self.cancelled, self.paused, self.bad = False, "", 0


class World(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.disks: dict[str, Disk] = {}
        self.slots = dict.fromkeys(NAMES, 2)
        self.live()

    def live(self) -> None:
        """A new lab, on what the disk says."""
        self.ledger = Ledger()
        self.models: dict[str, Model] = {}
        self.tasks: list[Task] = []
        self.rows: list[tuple[str, Disk, int, list[str]]] = []  # kept, not yet durable: sweep, disk, first, statuses
        self.notes: list[tuple[Disk, ev.NoteStrike]] = []
        self.wake: float | None = None
        self.pressure = False
        self.pausing: set[str] = set()  # sweeps that must pause at this event
        for name in self.disks:
            self.open(name)

    def open(self, name: str) -> None:
        disk = self.disks[name]
        self.models[name] = Model(disk)
        event = ev.SweepOpened(
            sweep=name,
            total=disk.total,
            group=disk.group,
            recorded=tuple((p, p + 1) for p in disk.records),
            by_status={word: list(disk.records.values()).count(word) for word in disk.records.values()},
            seconds=0.001 * len(disk.records),
            strikes=dict(disk.strikes),
            cancelled=disk.cancelled,
            paused=disk.paused,
            time_limit=disk.limit,
            slots=self.slots[name],
        )
        self.tell(event)

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
                case ev.Go():
                    (task,) = [task for task in self.tasks if task.lease == order.lease]
                    assert task.alone
                    assert task.holding
                    assert task.told, "a suspect runs before the row that says so"
                    task.holding = False
                case ev.NoteStrike():
                    model = self.models[order.sweep]
                    assert model.moves
                    assert model.where[order.position] == "out"
                    held = model.strikes.get(order.position, Strikes())
                    assert order.strikes == held.deaths + 1 <= schedule.STRIKES
                    assert held.runs < schedule.RUNS_ALONE
                    assert not any(disk is self.disks[order.sweep] and note.position == order.position
                                   for disk, note in self.notes), "one row is on its way"  # fmt: skip
                    self.notes.append((self.disks[order.sweep], order))
                case ev.RecordDeath():
                    model = self.models[order.sweep]
                    held = model.strikes.pop(order.position, Strikes())
                    if order.status != "timed_out":
                        assert (order.status == "out_of_memory") == held.out_of_memory
                        assert model.where[order.position] == "suspect"
                        assert order.attempts == held.runs
                        assert held.deaths >= schedule.STRIKES or held.runs >= schedule.RUNS_ALONE
                    else:
                        assert model.where[order.position] == "over"
                        assert order.attempts == max(held.runs, 1)
                    model.where[order.position] = "in hand"
                    self.rows.append((order.sweep, self.disks[order.sweep], order.position, [order.status]))
                    if model.judge([order.status]):
                        self.pausing.add(order.sweep)
                case ev.Pause():
                    assert order.sweep in self.pausing, "it paused for no reason"
                    self.pausing.remove(order.sweep)
                    self.models[order.sweep].paused = order.reason
                    self.disks[order.sweep].paused = order.reason
                    stops = self.going(order.sweep)
                case ev.Stop():
                    stopped.append(order.lease)
                case ev.Wake():
                    self.wake = order.at
        assert not self.pausing, "it should have paused"
        going = [*(stops or []), *(task for task in silent if task not in (stops or []))]
        assert sorted(stopped) == sorted(task.lease for task in going)
        for task in going:
            task.stopping = True
        return orders

    def silent(self, task: Task) -> bool:
        """Whether a trial of it must be over a limit that its worker does not know."""
        known = self.mine(task) and task.started and not task.stopping
        return known and task.silence is not None and self.now >= task.since + task.silence

    def going(self, sweep: str) -> list[Task]:
        return [t for t in self.tasks if t.disk is self.disks.get(sweep) and not t.stopping]

    def launched(self, order: ev.Launch) -> None:
        assert not self.pressure
        assert all(order.lease != task.lease for task in self.tasks)
        disk = self.disks[order.sweep]
        task = Task(order.lease, order.sweep, disk, order.start, order.stop, order.start, limit=disk.limit)
        model = self.models[order.sweep]
        task.alone = order.alone
        if task.alone and order.start in model.told:
            model.told.remove(order.start)
            task.told = True
        assert order.deaths == model.strikes.get(order.start, Strikes()).runs - task.told
        model.leave(task)
        self.tasks.append(task)

    def mine(self, task: Task) -> bool:
        """Whether its sweep is still the one that launched it."""
        return self.disks.get(task.sweep) is task.disk

    # sweeps -----------------------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(NAMES), total=st.integers(1, 30), group=st.sampled_from(["", "x"]), cursed=CURSED)
    def submit(self, name: str, total: int, group: str, cursed: frozenset[int]) -> None:
        if name not in self.disks:
            self.disks[name] = Disk(total, group, cursed)
            self.open(name)

    @rule(name=st.sampled_from(NAMES), total=st.integers(1, 30), cursed=CURSED)
    def replace(self, name: str, total: int, cursed: frozenset[int]) -> None:
        if name in self.disks and "done" not in self.disks[name].records.values():
            stops = self.going(name)
            self.disks[name] = Disk(total, self.disks[name].group, cursed)
            del self.models[name]
            self.tell(ev.SweepReplaced(sweep=name), stops=stops)
            self.open(name)

    @rule(name=st.sampled_from(NAMES))
    def cancel(self, name: str) -> None:
        if name in self.disks:
            self.disks[name].cancelled = self.models[name].cancelled = True
            self.tell(ev.SweepCancelled(sweep=name), stops=self.going(name))

    @rule(name=st.sampled_from(NAMES))
    def resume(self, name: str) -> None:
        if name in self.disks:
            self.disks[name].cancelled, self.disks[name].paused = False, ""
            self.models[name].resume()
            self.tell(ev.SweepResumed(sweep=name))

    @rule(name=st.sampled_from(NAMES), limit=st.sampled_from([None, 1.0, 10.0]))
    def limit(self, name: str, limit: float | None) -> None:
        if name in self.disks:
            self.disks[name].limit = limit
            mine = [task for task in self.tasks if task.disk is self.disks[name]]
            for task in mine:
                looser = limit is not None and (task.limit is None or task.limit > limit)
                wait = schedule.flush_interval(self.slots[name]) + schedule.GRACE_S
                task.silence = limit + wait if looser and limit is not None else None
            stops = [task for task in mine if not task.started and not task.stopping]
            self.tell(ev.PolicyChanged(sweep=name, slots=self.slots[name], time_limit=limit), stops=stops)

    # the cluster ------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.tasks)
    @rule(pick=PICK)
    def ready(self, pick: int) -> None:
        """The process of a suspect is up."""
        self.hold(self.tasks[pick % len(self.tasks)])

    def hold(self, task: Task) -> None:
        if task.alone and not task.started and not task.holding and self.mine(task) and not task.stopping:
            task.holding = True
            self.tell(ev.LeaseReady(lease=task.lease))

    @staticmethod
    def may_run(task: Task) -> bool:
        return not task.alone or (task.told and not task.holding)

    @precondition(lambda self: self.tasks)
    @rule(pick=PICK)
    def start(self, pick: int) -> None:
        task = self.tasks[pick % len(self.tasks)]
        if not self.may_run(task):
            return
        if not task.started:
            task.heard(self.now)
        self.tell(ev.LeaseStarted(lease=task.lease))

    @precondition(lambda self: self.tasks)
    @rule(pick=PICK, count=st.integers(1, 30), works=st.booleans(), each=st.sampled_from([1e-6, 0.01, 1.0]))
    def send(self, pick: int, count: int, works: bool, each: float) -> None:
        """The next batch of a task, as it should be."""
        task = self.tasks[pick % len(self.tasks)]
        statuses = ["done" if works else "failed"] * min(count, task.stop - task.at)
        if not statuses or not self.may_run(task):
            return
        first = task.at
        if not self.mine(task) or self.models[task.sweep].cancelled:
            task.old.append((first, len(statuses)))  # refused, so what it holds is not taken from it
            self.offer(task, first, statuses, each, kept=False)
        else:
            task.heard(self.now)
            task.at += len(statuses)
            task.old.append((first, len(statuses)))
            self.offer(task, first, statuses, each, kept=True)

    @precondition(lambda self: self.tasks)
    @rule(pick=PICK, works=st.booleans())
    def run(self, pick: int, works: bool) -> None:
        """A task does all it can: up to its end, or up to a trial that kills it."""
        self.work(self.tasks[pick % len(self.tasks)], works)

    def work(self, task: Task, works: bool) -> None:
        self.hold(task)
        for at, (disk, note) in enumerate(self.notes):
            if task.holding and disk is task.disk and note.position == task.start:
                self.note(at, heard=True)
                break
        if not task.stopping and self.mine(task) and self.may_run(task):
            if not task.started:
                task.heard(self.now)
            self.tell(ev.LeaseStarted(lease=task.lease))
            fatal = min((p for p in task.disk.cursed if task.at <= p < task.stop), default=task.stop)
            if fatal > task.at:
                self.send(self.tasks.index(task), fatal - task.at, works, 0.001)
        died = task.at < task.stop and not task.stopping
        self.finish(
            task, ("out_of_memory" if task.at % 2 else "died") if died else "stopped" if task.stopping else "normal"
        )

    def offer(self, task: Task, first: int, statuses: list[str], each: float, *, kept: bool) -> None:
        if kept:
            model = self.models[task.sweep]
            for p in range(first, first + len(statuses)):
                assert model.where[p] == "out"
                model.where[p] = "in hand"
            self.rows.append((task.sweep, task.disk, first, statuses))
            if model.judge(statuses):
                self.pausing.add(task.sweep)
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
    @rule(pick=PICK, end=st.sampled_from(["normal", "died", "died", "out_of_memory", "lost", "environment", "stopped"]))
    def end(self, pick: int, end: ev.End) -> None:
        task = self.tasks[pick % len(self.tasks)]
        if end == "stopped" and not task.stopping:
            end = "lost"
        if end == "environment" and task.started:
            end = "lost"
        self.finish(task, end)

    def finish(self, task: Task, end: ev.End) -> None:
        self.tasks.remove(task)
        if self.mine(task):
            self.models[task.sweep].over(task, end, self.now)
        self.tell(ev.LeaseEnded(lease=task.lease, end=end, detail="bad luck"))

    @rule(name=st.sampled_from(NAMES))
    def outage(self, name: str) -> None:
        """No process of a sweep comes up, however often the ledger tries at once."""
        for _ in range(50):
            failing = [task for task in self.tasks if task.sweep == name and not task.started]
            if not failing:
                return
            self.finish(failing[0], "environment")
        raise AssertionError("it never rests")

    @rule(name=st.sampled_from(NAMES), slots=st.integers(0, 4))
    def resize(self, name: str, slots: int) -> None:
        self.slots[name] = slots
        self.tell(ev.SlotsChanged(slots={name: slots}))

    # the disk and the clock -------------------------------------------------------------------------------------

    @precondition(lambda self: self.rows)
    @rule(pick=PICK, heard=st.booleans())
    def commit(self, pick: int, heard: bool) -> None:
        """Rows become durable; the lab may die before it hears of it."""
        sweep, disk, first, statuses = self.rows.pop(pick % len(self.rows))
        for p, status in enumerate(statuses, first):
            disk.record(p, status)
        if not heard:
            self.live()
        elif self.disks[sweep] is disk:  # the shell tells two sweeps of one name apart by their folders
            for p, status in enumerate(statuses, first):
                self.models[sweep].where[p] = status
                self.models[sweep].strikes.pop(p, None)
            by_status = {word: statuses.count(word) for word in statuses}
            self.tell(ev.RowsCommitted(sweep=sweep, first=first, count=len(statuses), by_status=by_status))

    @precondition(lambda self: self.notes)
    @rule(pick=PICK, heard=st.booleans())
    def note(self, pick: int, heard: bool) -> None:
        disk, order = self.notes.pop(pick % len(self.notes))
        held = disk.strikes.get(order.position, Strikes())
        disk.strikes[order.position] = Strikes(order.strikes - 1, max(held.runs + 1, order.strikes))
        if not heard:
            self.live()
        elif self.disks[order.sweep] is disk:
            model = self.models[order.sweep]
            held = model.strikes.get(order.position, Strikes())
            model.strikes[order.position] = Strikes(held.deaths, held.runs + 1)
            lone = [t for t in self.tasks if t.alone and t.start == order.position and t.disk is disk]
            for task in lone:
                task.told = True
            if not lone:
                model.told.add(order.position)
            self.tell(ev.StrikeNoted(sweep=order.sweep, position=order.position))

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
        for name, model in self.models.items():
            counts = self.ledger.counts(name)
            running = model.many("in hand")
            if not model.cancelled:
                running += sum(t.stop - t.at for t in self.tasks if t.started and self.mine(t) and t.sweep == name)
            recorded = len(model.where) - model.many(*UNRECORDED)
            rest = len(model.where) - recorded - running
            assert counts.total == len(model.where)
            assert counts.done == model.many("done")
            assert counts.failed == recorded - model.many("done")
            assert counts.running == running
            assert (counts.cancelled, counts.waiting) == ((rest, 0) if model.cancelled else (0, rest))
            if not model.cancelled:
                assert counts.retrying == model.many("back", "suspect", "lone")

    @invariant()
    def the_guilty_are_seen_to(self) -> None:
        for model in self.models.values():
            suspects = [p for p, word in model.where.items() if word == "suspect" and p in model.strikes]
            assert not model.moves or not any(model.strikes[p].enough for p in suspects)

    @invariant()
    def the_window_is_kept(self) -> None:
        for slots in set(self.slots.values()) - {0}:
            held = sum(self.slots[t.sweep] == slots for t in self.tasks if self.mine(t))
            assert self.ledger._window.load(slots) == held / slots

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
                self.note(0, heard=True)
            elif still := [name for name, model in self.models.items() if not model.moves]:
                self.resume(still[0])
            elif any(len(disk.records) < disk.total for disk in self.disks.values()):
                assert self.wake is not None, "there is work, and nobody will ever come to it"
                self.wait(max(0.0, self.wake - self.now))
            else:
                break
            self.ledger.check()
        for name, disk in self.disks.items():
            assert len(disk.records) == disk.total
            assert self.ledger.standing(name)[0] == "ready"
        assert not any(queue.outstanding for queue in self.ledger.queues.values())


def test_whatever_is_late_lost_or_killed_every_trial_is_recorded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "PAUSE_AFTER", FEW)
    monkeypatch.setattr(schedule, "SPLIT", 4)
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        World,
        settings=settings(
            max_examples=100, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
