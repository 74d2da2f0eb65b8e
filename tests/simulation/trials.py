"""The experiments of simulated sweeps, and what must come of them."""

from __future__ import annotations

import pickle
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raylab.core.design import Factorial
from raylab.core.policy import Policy
from raylab.core.request import Submission
from raylab.worker import lease
from simulation.clock import CLOCK

if TYPE_CHECKING:
    from simulation.life import Life


PYTHON = (sys.version_info[0], sys.version_info[1])


@dataclass(frozen=True)
class Trial:
    """An experiment: some parameters kill its process, some make it raise."""

    poison: frozenset[int]
    bad: frozenset[int]
    seconds: float

    def __call__(self, p: int, seed: int) -> dict[str, Any]:
        CLOCK.now += self.seconds * CLOCK.rng.uniform(0.5, 1.5)
        if p in self.poison:
            lease._Ending.asked = True
            raise SystemExit(f"{p} is poison")
        if p in self.bad:
            raise ValueError(f"{p} is bad")
        return {"x": value(p, seed)}


def value(p: int, seed: int) -> int:
    return 1_000_003 * p + seed


@dataclass(frozen=True)
class Variant:
    """What may be submitted under a name."""

    name: str
    user: str
    trial: Trial
    size: int
    repeats: int
    seed: int | None
    order: str
    resources: tuple[tuple[str, float], ...]
    modules: bytes | None
    version: int = 0  # of the source

    @property
    def total(self) -> int:
        return self.size * self.repeats

    def submission(self, description: str = "", if_exists: str = "fail") -> Submission:
        trial = pickle.dumps(self.trial)
        return Submission(
            name=self.name,
            label="trial",
            design=Factorial(p=range(self.size)).dumps(),
            shape=f"{self.size} points",
            size=self.size,
            repeats=self.repeats,
            seed=self.seed,
            order=self.order,
            pickle=pickle.dumps({"python": PYTHON, "seeds": (), "files": (), "experiment": trial}),
            modules=self.modules,
            ingredients={"function trial": f"source {self.version}"},
            policy=Policy(resources=dict(self.resources), description=description),
            user=self.user,
            if_exists=if_exists,
        )


def draw_variant(life: Life, name: str, user: str) -> Variant:
    rng = life.rng
    size = rng.choice((1, 3, 8, 20, 60, 300 if life.plan["sick disk"] else 60))
    if life.plan["many clients"]:
        size = rng.choice((1, 2, 5))
    few = range(min(size, 60))
    kind = rng.random() * (0.4 if life.plan["poison"] else 1.0)
    poison = frozenset(p for p in few if rng.random() < 0.5 / len(few)) if kind < 0.4 else frozenset[int]()
    bad = frozenset(p for p in few if rng.random() < 0.2) if kind < 0.6 else frozenset[int]()
    if kind > 0.95:
        bad = frozenset(few)
    return Variant(
        name=name,
        user=user,
        trial=Trial(poison, bad - poison, rng.choice((0.0001, 0.02, 0.3, 2.0))),
        size=size,
        repeats=rng.choice((1, 1, 2)),
        seed=rng.choice((None, None, 7)),
        order=rng.choice(("random", "random", "design")),
        resources=(("GPU", 1.0),) if rng.random() < 0.1 else (("CPU", 1.0),),
        modules=rng.choice((None, None, b"one", b"two")),
    )
