"""What a round of the chaos run does: drawn from a seed, so that it can be run again.

Faults are numbered by kind as in docs/reliability.md. What is drawn is the same for the same seed; at which trial a
fault strikes is not.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from chaos.truth import Known

ACTOR, WORKER, DEADLY, CLUSTER, CLIENT, DISK, FREEZE = 1, 2, 3, 6, 7, 9, 10
KINDS = {
    ACTOR: "the lab's actor killed",
    WORKER: "a worker process killed",
    DEADLY: "trials that kill their process each time",
    CLUSTER: "the whole cluster killed, another started",
    CLIENT: "the submitting client killed",
    DISK: "the notebook's disk full",
    FREEZE: "the actor frozen, another lab takes over",
}
WEIGHTS = {ACTOR: 6, WORKER: 9, CLUSTER: 1, DISK: 3, FREEZE: 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """A sweep is submitted, by as many clients as it takes.

    Attributes:
        sweep: which of the plan's.
        kills: a client is killed so many seconds after it began ("start") or was attached ("attached"), for each.
        shot: seconds after the last client was attached at which the lab's actor is killed; None leaves it alone.
        far: whether by ray://.
    """

    sweep: int
    kills: tuple[tuple[str, float], ...] = ()
    shot: float | None = None
    far: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something breaks, `after` seconds after the last thing did. `draw` and `length` say how, by its kind."""

    kind: int
    after: float
    draw: float
    length: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one round does."""

    seed: int
    sweeps: tuple[Known, ...]
    steps: tuple[Submit | Fault, ...]
    fresh: bool = False

    def text(self) -> str:
        """To be printed."""
        return "\n".join([f"seed {self.seed}, fresh cluster: {self.fresh}", *map(str, self.sweeps + self.steps)])


def draw_plan(seed: int, kinds: frozenset[int]) -> Plan:
    """A long round: about a minute of work, up to forty faults."""
    chance = random.Random(seed)
    count = chance.choice((1, 2, 2))
    modules = chance.sample((True, False), 2)
    sweeps = tuple(_draw_sweep(chance, f"sweep{i}", modules[i], count) for i in range(count))
    usable = sorted(kinds & set(WEIGHTS))
    weights = [WEIGHTS[kind] for kind in usable]
    faults: list[Submit | Fault] = [
        _draw_fault(chance, chance.choices(usable, weights)[0], longest=6.0) for _ in range(40)
    ]
    steps: list[Submit | Fault] = [_draw_submit(chance, 0), *faults]
    if count == 2:
        steps.insert(chance.randint(1, 5), _draw_submit(chance, 1))
    return Plan(seed=seed, sweeps=sweeps, steps=tuple(steps), fresh=chance.random() < 0.2)


def short_plan(seed: int, kinds: frozenset[int]) -> Plan:
    """Each kind but the dearest: a quarter of a minute and each once; where another lab takes over, half a minute and
    more of each. In the order of a quarter, no worker is killed while the disk is full, which would break nothing."""
    chance = random.Random(seed)
    long = FREEZE in kinds
    points = 1_200 if long else 600
    sweep = Known(name="sweep0", module=long, points=points, repeats=2, seed=seed + 1, nap=1, deadly=(500,))
    wanted = [kind for kind in (WORKER, ACTOR, DISK, *(WORKER, ACTOR) * long) if kind in kinds]
    if long:
        chance.shuffle(wanted)
    faults = [_draw_fault(chance, kind, longest=2.0) for kind in wanted + [FREEZE] * long]
    submit = Submit(sweep=0, kills=(("attached", chance.uniform(0.0, 0.05)),))
    return Plan(seed=seed, sweeps=(sweep,), steps=(submit, *faults))


def _draw_sweep(chance: random.Random, name: str, module: bool, sweeps: int) -> Known:
    repeats = chance.choice((1, 1, 2, 5))
    nap, total = chance.choice(((1, 6_000), (1, 6_000), (10, 40_000), (100, 200_000)))
    points = total // repeats // sweeps
    deadly = tuple(sorted(chance.sample(range(points), chance.choice((0, 1, 2, 3)))))
    deadly = deadly if repeats < 5 else deadly[:1]
    seed = chance.randrange(1, 2**31)
    return Known(name=name, module=module, points=points, repeats=repeats, seed=seed, nap=nap, deadly=deadly)


def _draw_submit(chance: random.Random, sweep: int) -> Submit:
    moments = ((("start", 8.0), 1), (("attached", 0.3), 3))
    kills = []
    for _ in range(chance.choice((0, 1, 1, 2))):
        mark, longest = chance.choices([m for m, _ in moments], [w for _, w in moments])[0]
        kills.append((mark, chance.uniform(0.0, longest)))
    shot = chance.uniform(0.0, 0.3) if chance.random() < 0.3 else None
    return Submit(sweep=sweep, kills=tuple(kills), shot=shot, far=chance.random() < 0.4)


def _draw_fault(chance: random.Random, kind: int, longest: float) -> Fault:
    return Fault(kind=kind, after=chance.uniform(0.1, 3.0), draw=chance.random(), length=chance.uniform(0.5, longest))
