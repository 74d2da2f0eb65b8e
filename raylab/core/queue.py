"""The trials of one sweep: which wait, which are out, in hand, recorded. Positions only, never parameters or results.

    waiting ──► out ──► in hand ──► recorded          cancelled = what is none of these, once the sweep is cancelled
       ▲         │
       └─────────┘  the lease ended before it came to them

Ten million trials are not ten million objects: waiting, in hand and recorded are runs of positions, what is out is a
handful of leases. What waits and what is out stands in strands, one for each class of trials (`core/strand.py`).

A lease lies inside one segment. The segments of a class take turns.

Everything that the ledger asks on each event is a counter kept up to date; only `check()` looks at everything.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Literal

from raylab.core import schedule
from raylab.core.box import Run, common
from raylab.core.failures import Failures
from raylab.core.intervals import Intervals
from raylab.core.lease import Lease
from raylab.core.request import SweepRecord
from raylab.core.segment import Need, Segment, segment_at
from raylab.core.shortage import Shortage
from raylab.core.strand import Strand
from raylab.core.strikes import Strikes


class Queue:
    """The queue of one sweep. Changed only by the ledger.

    Args:
        record: what was asked.
        slots: how many trials of each class the cluster could run at once.
    """

    def __init__(self, record: SweepRecord, *, slots: Mapping[Need, int]) -> None:
        self.record = record
        self.cancelled = record.cancelled
        self.pause_reason = record.paused
        self.strands: dict[Need, Strand] = {}
        self.in_hand = Intervals()
        self.recorded = Intervals()
        self.by_status: Counter[str] = Counter()  # without what is taken back, to be run again
        self.suspects: list[int] = []  # to be judged: those with too many strikes are not run again
        self.strikes: dict[int, Strikes] = {}  # by position
        self.trouble = ""  # why its environment could not be built
        self.troubles = 0
        self.not_before = 0.0
        self.failures = Failures()
        self.shortage = Shortage()
        self.arriving: Counter[str] = Counter()  # of what is in hand
        self._append(record.segments)
        self.resize(slots)

    def _append(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            if segment.need not in self.strands:
                self.strands[segment.need] = Strand(segment.need)
            strand = self.strands[segment.need]
            strand.append(segment)
            # Of a salvaged notebook that has lost what was added, the same again finds its rows.
            for start, stop in common(self.recorded.pairs(), [(segment.first_position, segment.stop)]):
                strand.waiting.remove(start, stop)
                strand.left -= stop - start
            self.by_status.subtract(segment.taken_back)

    def resize(self, slots: Mapping[Need, int]) -> None:
        """So many trials of each class the cluster could run at once now."""
        for need, strand in self.strands.items():
            strand.slots = slots.get(need, 0)

    # what is known ----------------------------------------------------------------------------------------------

    @property
    def slots(self) -> dict[Need, int]:
        """How many trials of each class the cluster could run at once."""
        return {need: strand.slots for need, strand in self.strands.items()}

    @property
    def total(self) -> int:
        """How many trials the sweep has."""
        return self.record.total

    @property
    def ready(self) -> int:
        """How many trials are recorded and not to be run again."""
        return sum(self.by_status.values()) - self.short.total()

    @property
    def short(self) -> Counter[str]:
        """How many recorded trials, by status, had too little of something and are tried again with more."""
        return Counter() if self.cancelled else self.shortage.among(self.by_status, self.record.policy)

    @property
    def look_due(self) -> bool:
        """Whether it is time to see to these: nothing waits that could run, and as many have gathered as are out."""
        short = self.short.total()
        if not short or self.pause_reason or self.shortage.looking or self.suspects:
            return False
        strands = [strand for strand in self.strands.values() if strand.slots]
        return not any(strand.available for strand in strands) and short >= sum(strand.left for strand in strands)

    @property
    def complete(self) -> bool:
        """Whether every position is recorded, and nothing is to be tried again."""
        return self.recorded.count == self.record.positions and not self.short

    @property
    def group(self) -> str:
        """Sweeps of one group share worker processes: those that bring the same modules."""
        return self.record.modules or ""

    @property
    def running(self) -> int:
        """Trials of leases that have started, and those in hand; only the latter count once it is cancelled."""
        return self.in_hand.count + (0 if self.cancelled else sum(each.running for each in self.strands.values()))

    @property
    def leases(self) -> dict[int, Lease]:
        """What is out, by the numbers of the leases."""
        return {ident: lease for strand in self.strands.values() for ident, lease in strand.leases.items()}

    @property
    def latest(self) -> int:
        """Its newest lease."""
        return max(strand.latest for strand in self.strands.values())

    @property
    def moves(self) -> bool:
        """Whether it is neither cancelled nor paused."""
        return not self.cancelled and not self.pause_reason

    def hungry(self, strand: Strand) -> bool:
        """Whether a strand of it has something to lease and may."""
        if not self.moves or not strand.available:
            return False
        return strand.slots < 1 or self.out < self.most

    @property
    def out(self) -> int:
        """How many of its leases may run: no node runs one of a strand without slots."""
        return sum(len(strand.leases) for strand in self.strands.values() if strand.slots)

    @property
    def most(self) -> float:
        """How many of its leases may be out: each runs one trial at a time."""
        most = self.record.policy.max_concurrency
        return math.inf if most is None else most

    def width(self, strand: Strand) -> int:
        """How many trials of a strand may run at once."""
        return int(min(strand.slots, self.most))

    @property
    def excess(self) -> list[Lease]:
        """Leases that have not begun beyond those that may be out, the newest ones."""
        feasible = [strand for strand in self.strands.values() if strand.slots]
        going = sum(not lease.ending for strand in feasible for lease in strand.leases.values())
        asked = sorted((lease for strand in feasible for lease in strand.asked.values()), key=attrgetter("ident"))
        return asked[-int(going - self.most) :] if going > self.most else []

    def segment(self, position: int) -> Segment:
        """The segment that holds a position."""
        return self.record.segments[segment_at(self.record.segments, position)]

    def place(self, position: int) -> Literal["waits", "runs", "in hand", "recorded"]:
        """Where a position is. What a lease holds that has begun runs, or will in a moment."""
        if position in self.recorded:
            return "recorded"
        if position in self.in_hand:
            return "in hand"
        out = (lease for lease in self.leases.values() if lease.next <= position < lease.stop)
        return "runs" if any(lease.began for lease in out) else "waits"

    def strand(self, lease: Lease) -> Strand:
        """The strand that a lease is of."""
        return self.strands[self.record.segments[lease.segment].need]

    def grows(self, need: Need, status: str) -> bool:
        """Whether a trial of these that comes to this status is tried again with more, as far as the policy says."""
        return self.record.policy.more(need, status) is not None

    def tried(self, position: int, status: str) -> str:
        """With how much a trial was tried, to be said with its error; empty where nothing has grown."""
        return self.record.policy.tried(self.segment(position).need, status)

    def next_attempt(self, position: int) -> int:
        """The `_attempt` of the next run of a trial."""
        return self.segment(position).attempt + self.strikes.get(position, Strikes()).runs

    def last_attempt(self, position: int) -> int:
        """The `_attempt` of the run that a trial's process died in; nobody counts a run that had company."""
        return self.next_attempt(position) - (position in self.strikes)

    def rested(self, strand: Strand, now: float) -> bool:
        """Whether its environment may be tried: after a pause, and once it failed twice by one lease of each class at a
        time. The lease of a class that no node can run begins perhaps never, so that no other class waits for it."""
        return now >= self.not_before and not (self.troubles > 1 and strand.starting)

    @property
    def retrying(self) -> int:
        """Waiting trials that were tried before: in a lease that died, or recorded, and to be run again."""
        back = len(self.suspects) + sum(strand.retrying for strand in self.strands.values()) + self.short.total()
        segments = [segment for segment in self.record.segments if segment.selection]
        waiting = sum(self.strands[segment.need].waiting.of(segment.first_position) for segment in segments)
        asked = (lease for lease in self.leases.values() if not lease.began) if segments else ()
        return back + waiting + sum(each.left for each in asked if self.record.segments[each.segment].selection)

    @property
    def outstanding(self) -> int:
        """Trials still to be recorded."""
        return self.in_hand.count if self.cancelled else self.total - self.ready

    # leases come and go -----------------------------------------------------------------------------------------

    def take(self, strand: Strand, ident: int, sweep: str, length: int) -> Lease:
        """Make the next lease of a strand, of no more than `length` trials."""
        taken = strand.take(length)
        segment = segment_at(self.record.segments, taken.start)
        lease = Lease(
            ident=ident,
            sweep=sweep,
            segment=segment,
            start=taken.start,
            stop=taken.stop,
            next=taken.start,
            limit=taken.limit,
            alone=taken.alone,
            time_limit=self.record.policy.at(strand.need).time_limit,
            version=self.record.version,
        )
        strand.launched(lease)
        return lease

    def stop(self, lease: Lease) -> None:
        """The lease is asked to end."""
        lease.move("stopping" if lease.began else "withdrawn")
        self.strand(lease).asked.pop(lease.ident, None)

    def begin(self, lease: Lease, now: float) -> bool:
        """The lease has come to its first trial, so its environment is sound; whether that is news."""
        if lease.began:
            return False
        lease.move("stopping" if lease.ending else "running")
        lease.since = now
        self.strand(lease).begun(lease, now)
        self._recover()
        if lease.alone and lease.version == self.record.version:
            self.strikes[lease.start] = self.strikes.get(lease.start, Strikes()).begun()
        return True

    def accept(self, lease: Lease, count: int, busy_s: float, now: float) -> None:
        """A batch that fits: its positions are in hand."""
        self.begin(lease, now)
        self.strand(lease).brought(lease, count, busy_s)
        lease.since = now
        self.in_hand.add(lease.next, lease.next + count)
        lease.next += count

    def came(self, by_status: Mapping[str, int], error: str | None) -> None:
        """This has come of trials that are in hand."""
        self.failures.count(by_status, error)
        self.arriving.update(by_status)

    def commit(self, first: int, count: int, by_status: Mapping[str, int]) -> None:
        """Rows are durable. What is not in hand was the rows of another sweep that had this name: no news."""
        if not self.in_hand.covers(first, first + count):
            return
        self.in_hand.remove(first, first + count)
        self.recorded.add(first, first + count)
        self.strands[self.segment(first).need].left -= count
        self.by_status.update(by_status)
        self.arriving.subtract(by_status)
        for position in [p for p in self.strikes if first <= p < first + count]:
            del self.strikes[position]

    def give_back(self, lease: Lease) -> None:
        """The lease is over and nobody is to blame: what it did not come to waits again, as it waited before."""
        strand = self.strand(lease)
        strand.ended(lease)
        if not lease.left:
            return
        if lease.alone:
            strand.lone.append(lease.start)
            if lease.began and lease.version == self.record.version:  # else its run is forgotten already
                self.strikes[lease.start] = self.strikes[lease.start].excused()
        elif lease.limit:
            strand.put(lease.next, lease.stop, lease.limit)
        else:
            strand.waiting.add(lease.next, lease.stop)

    def outlived(self, lease: Lease, at: float) -> bool:
        """Whether the lease, which died at this time, died of the one trial it was left with, at its time limit.

        A worker ends itself GRACE_S after the limit, and cannot say so any more; the time tells. A trial that had run
        for so long is to blame, however its process ended.
        """
        limit = lease.time_limit
        return limit is not None and lease.left == 1 and at - lease.since >= limit + schedule.GRACE_S / 2

    def split(self, lease: Lease, *, out_of_memory: bool = False) -> None:
        """The lease died with trials that no batch had brought.

        Whoever held more than one of them blames none: the first comes back alone, the rest in small leases. A trial
        that was alone has a strike.
        """
        strand, position = self.strand(lease), lease.next
        strand.ended(lease)
        if lease.left == 1:
            self.strikes[position] = self.strikes.get(position, Strikes()).died(out_of_memory=out_of_memory)
        else:
            rest = lease.left - 1
            strand.put(position + 1, lease.stop, -(-rest // schedule.SPLIT))
        self.suspects.append(position)

    def run_alone(self, position: int) -> None:
        """A suspect may run once more."""
        self.strands[self.segment(position).need].lone.append(position)

    # the sweep as a whole ---------------------------------------------------------------------------------------

    def restore(self, runs: Iterable[Run], by_status: Mapping[str, int], seconds: float, error: str | None) -> None:
        """Take up what the notebook says: recorded positions, suspects that were about to run alone, time spent."""
        found: Counter[Need] = Counter()
        for start, stop in runs:
            self.recorded.add(start, stop)
            for segment in self._within(start, stop):
                first, last = max(start, segment.first_position), min(stop, segment.stop)
                strand = self.strands[segment.need]
                strand.waiting.remove(first, last)
                strand.left -= last - first
                found[segment.need] += last - first
        self.by_status.update(by_status)
        self.failures.count(self.by_status, error)
        for position, held in self.record.strikes.items():
            if position not in self.recorded:
                self.strands[self.segment(position).need].waiting.remove(position, position + 1)
                self.strikes[position] = held
                self.suspects.append(position)
        for need, count in found.items():  # the notebook does not tell which class took how long
            self.strands[need].pace.restore(count, seconds * (count / self.recorded.count))

    def _within(self, start: int, stop: int) -> Sequence[Segment]:
        """The segments that hold some of these positions."""
        segments = self.record.segments
        return segments[segment_at(segments, start) : segment_at(segments, stop - 1) + 1]

    def change(self, record: SweepRecord) -> None:
        """Take up what requests have made of the sweep. Only a person lets a paused one go on: see `resume`."""
        before = self.record
        if (record.segments, record.policy.of_trials) != (before.segments, before.policy.of_trials):
            self.shortage.look_again()
        more = record.segments[len(self.record.segments) :]
        self._append(more)
        for segment in more:
            self.failures.take_back(segment.taken_back)
        if record.version != self.record.version:
            self.strikes.clear()  # what is held against a trial, the code before has done
        self.record = record
        self.cancelled = record.cancelled
        self.pause_reason = record.paused or self.pause_reason

    def give_up(self, position: int) -> None:
        """A suspect has died alone too often: it is in hand, its record is being written."""
        self.in_hand.add(position, position + 1)

    def give_up_last(self, lease: Lease) -> None:
        """The lease is over, and the one trial it was left with is in hand: its record is being written."""
        self.strand(lease).ended(lease)
        self.give_up(lease.next)

    def wait_anew(self, now: float) -> None:
        """No lease was heard of for a while because nobody listened."""
        for strand in self.strands.values():
            strand.wait_anew(now)

    def fail(self, why: str, now: float) -> None:
        """A lease ended before its first trial. Those launched before the pause began do not prolong it."""
        if now >= self.not_before:
            self.troubles += 1
            self.not_before = now + schedule.backoff(self.troubles)
        self.trouble = why

    def _recover(self) -> None:
        self.trouble, self.troubles, self.not_before = "", 0, 0.0

    def judge(self) -> bool:
        """Whether it pauses now, for what failed. Nothing is to be stopped of one that is cancelled or has no more."""
        tally = self.failures.tally
        if self.record.imported:  # what failed has failed elsewhere, long ago
            return False
        if self.cancelled or self.pause_reason or tally.done + tally.failed >= self.total:
            return False
        policy = self.record.policy
        pending = self.shortage.among(self.by_status + self.arriving, policy).total()
        self.pause_reason = self.failures.verdict(policy.max_failures, self.record.forgiven, pending)
        return bool(self.pause_reason)

    @property
    def only_failed(self) -> bool:
        """Whether something failed, as the notebook tells, and nothing succeeded, be it still in hand."""
        told = self.recorded.count or (self.pause_reason and self.failures.tally.failed)
        return bool(told) and not self.failures.tally.done

    def resume(self) -> None:
        """A person wants it to go on: what made it stand still is forgotten."""
        self.pause_reason, self.failures.first_error = "", ""
        self._recover()

    # what must always hold --------------------------------------------------------------------------------------

    def check(self) -> None:
        """Every position is in exactly one place, every counter is right. For tests: it looks at everything."""
        pieces: list[tuple[int, int]] = [*self.in_hand, *self.recorded, *((p, p + 1) for p in self.suspects)]
        for strand in self.strands.values():
            pieces += strand.places()
        at = 0
        for start, stop in sorted(pieces):
            assert start == at, f"positions {at} to {start} are in {'no' if start > at else 'more than one'} place"
            at = stop
        assert at == self.record.positions, f"positions end at {at}, not at {self.record.positions}"
        counted = sum(self.by_status.values())
        assert self.recorded.count - counted == self.record.positions - self.total, "counts by status are wrong"
        for need, strand in self.strands.items():
            strand.check()
            assert all(self.segment(start).need == need for start, _ in strand.places()), "a place of another class"
            assert strand.left == self._left(need), f"of {need} {strand.left} are said to be left"
        for lease in self.leases.values():
            segment = self.record.segments[lease.segment]
            assert segment.first_position <= lease.start <= lease.next <= lease.stop <= segment.stop, lease
            assert not lease.alone or lease.stop - lease.start == 1, lease
        assert not any(position in self.recorded for position in self.strikes)

    def _left(self, need: Need) -> int:
        """How many positions of a class are not recorded, counted."""
        mine = [segment for segment in self.record.segments if segment.need == need]
        there = [(max(a, one.first_position), min(b, one.stop)) for one in mine for a, b in self.recorded]
        return sum(one.total for one in mine) - sum(max(0, b - a) for a, b in there)
