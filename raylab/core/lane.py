"""A lane: strands that stand in line for the same with the same priority, and whose turn it is among them.

Rules of this file:

1. A lease weighs 1/slots of its strand, so that 1.0 is the cluster full of such trials. Lanes that want the same, in
   other amounts, share it as Ray does, which serves them in the order in which they came.
2. The users who want something share a lane evenly, the sweeps of a user share what the user has, and the strands of a
   sweep what that has; of equals it is the turn of the one that has waited longest.
3. Sweeps of one group share worker processes, those of several groups take turns of at least `schedule.TURN_S`, since a
   process for other code costs a second or two. The next turn is of the user who has waited longest for one, and of the
   group of that user's that has. A group that wants nothing gives up its turn at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from raylab.core import schedule
from raylab.core.queue import Queue
from raylab.core.request import SweepRecord
from raylab.core.segment import Need
from raylab.core.strand import Strand

NEVER = float("-inf")


class Place(NamedTuple):
    """Which strand of which sweep."""

    sweep: str
    need: Need


class Line(NamedTuple):
    """What the strands of a lane stand in line for: of which resource there is least for them, and how many of their
    trials the cluster could run at once, were it empty."""

    resource: str
    slots: int


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """What a strand takes of the cluster, and wants of it.

    Attributes:
        record: what was asked, and
        totals: what the cluster had in all, when it was made.
        shares: which part of each resource of the cluster one of its trials takes.
        lane: in which it stands: for what, and of which priority.
    """

    place: Place
    queue: Queue
    strand: Strand
    record: SweepRecord
    totals: Mapping[str, float]
    shares: Mapping[str, float]
    lane: tuple[Line, int]

    @staticmethod
    def of(queue: Queue, strand: Strand, sweep: str, totals: Mapping[str, float]) -> Claim:
        """The claim of a strand that some node can run."""
        policy = queue.record.policy
        shares = schedule.shares(policy.at(strand.need).resources, totals, strand.slots)
        return Claim(
            place=Place(sweep, strand.need),
            queue=queue,
            strand=strand,
            record=queue.record,
            totals=totals,
            shares=shares,
            lane=(Line(max(sorted(shares), key=shares.__getitem__), strand.slots), policy.priority),
        )

    def holds(self, totals: Mapping[str, float]) -> bool:
        """Whether it is still so."""
        same = self.record is self.queue.record and self.totals is totals
        return same and self.lane[0].slots == self.strand.slots

    @property
    def user(self) -> str:
        """Whose sweep it is."""
        return self.record.user

    @property
    def going(self) -> int:
        """Its leases that run, or will."""
        return len(self.strand.leases) - (self.strand.starting - len(self.strand.asked))

    @property
    def runs(self) -> int:
        """How many of them can run at once."""
        return min(self.going, self.lane[0].slots)

    def demand(self, now: float) -> int:
        """How many of its trials would run at once, had it what it wants."""
        queue, strand = self.queue, self.strand
        if not queue.moves or not queue.rested(strand, now):
            return self.runs
        more = 1 if queue.troubles else strand.available  # of an environment that fails, one is tried
        return min(self.going + more, queue.width(strand))

    def waits(self, now: float) -> bool:
        """Whether something of it is to run, and does not yet."""
        more = self.queue.moves and self.strand.available and self.queue.rested(self.strand, now)
        return bool(self.strand.asked or more)


@dataclass(slots=True)
class Lane:
    """The claims of one lane that have leases out, or are hungry."""

    out: dict[Place, Claim] = field(default_factory=dict)
    hungry: dict[Place, Claim] = field(default_factory=dict)
    turn: str = ""  # the group whose sweeps have the slots now
    turn_since: float = NEVER
    had: dict[tuple[str, str], float] = field(default_factory=dict)  # when a user's group had its last turn

    @property
    def leases(self) -> int:
        """How many are out."""
        return sum(len(claim.strand.leases) for claim in self.out.values())

    @property
    def claims(self) -> dict[Place, Claim]:
        """All that are here."""
        return self.out | self.hungry

    def share(self, sweep: str, user: str) -> float:
        """The part of the lane that a sweep has, while all who have leases out go on."""
        users = {claim.user for claim in self.out.values()}
        own = {place.sweep for place, claim in self.out.items() if claim.user == user}
        return 1.0 / (len(users | {user}) * len(own | {sweep}))

    def file(self, claim: Claim, *, hungry: bool) -> None:
        """Take note of how a strand stands."""
        place = claim.place
        if claim.strand.leases:
            self.out[place] = claim
        else:
            self.out.pop(place, None)
        if hungry:
            self.hungry[place] = claim
        else:
            self.hungry.pop(place, None)

    def drop(self, place: Place) -> None:
        """Forget a strand."""
        self.out.pop(place, None)
        self.hungry.pop(place, None)

    def next(self, now: float, may: Callable[[Claim], bool] | None = None) -> Claim | None:
        """The strand that is next here; None if there is none.

        Args:
            now: the time.
            may: whether a strand may have one more lease; None if all may.
        """
        ready = [claim for claim in self.hungry.values() if claim.queue.rested(claim.strand, now)]
        if may is not None:
            ready = [claim for claim in ready if may(claim)]
        if not ready:
            return None
        groups: dict[str, set[str]] = {}
        for claim in ready:
            groups.setdefault(claim.queue.group, set()).add(claim.user)
        self._take_turns(groups, now)
        if len(ready) == 1:
            return ready[0]
        of_user: Counter[str] = Counter()  # leases
        of_sweep: Counter[str] = Counter()
        latest: Counter[str] = Counter()  # the newest of a user's
        for claim in self.out.values():
            of_user[claim.user] += len(claim.strand.leases)
            of_sweep[claim.place.sweep] += len(claim.strand.leases)
            latest[claim.user] = max(latest[claim.user], claim.queue.latest)

        def due(claim: Claim) -> tuple[Any, ...]:
            """What speaks for it, less for the later."""
            sweep, strand = claim.place.sweep, claim.strand
            among_users = (of_user[claim.user], latest[claim.user])
            among_sweeps = (of_sweep[sweep], claim.queue.latest, sweep)
            return *among_users, *among_sweeps, len(strand.leases), strand.latest, claim.place.need

        return min((claim for claim in ready if claim.queue.group == self.turn), key=due)

    def _take_turns(self, groups: Mapping[str, Collection[str]], now: float) -> None:
        """Give the turn on, if it is over, to one of these groups, whose users are given."""
        if self.turn in groups and (len(groups) == 1 or now < self.turn_since + schedule.TURN_S):
            return
        here = {(each.user, each.queue.group) for each in self.claims.values()}
        self.had = {each: at for each, at in self.had.items() if each in here}
        last: dict[str, float] = {}
        for (user, _), at in self.had.items():
            last[user] = max(last.get(user, NEVER), at)

        def waited(group: str) -> tuple[float, float, str]:
            return min((last.get(user, NEVER), self.had.get((user, group), NEVER), group) for user in groups[group])

        self.turn, self.turn_since = min(groups, key=waited), now
        self.had |= {(user, self.turn): now for user in groups[self.turn]}
