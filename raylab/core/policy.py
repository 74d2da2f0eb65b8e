"""How a sweep is run, and what its trials ask for.

The trials of a sweep may ask for different things: each segment has a class, and the amounts of a class stand beside
those of the sweep. What had too little memory or time is tried again with more. A segment never changes: it says of
which class its trials are and how often their amounts have grown, and the policy says what that comes to.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from raylab.core.recipient import Recipient
from raylab.core.segment import Need
from raylab.core.units import Units
from raylab.errors import repr_of

GROWS: Mapping[str, str] = {"out_of_memory": "memory", "timed_out": "time_limit"}
"""What a trial of each status had too little of."""

TRIES = "tries"
"""How often a trial is tried again with more, in `grow`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a sweep is run. May change while it runs.

    Attributes:
        description: for people.
        retries: how often a trial that raised is tried again.
        time_limit: seconds that one trial may take.
        priority: sweeps of a higher one go first.
        max_concurrency: how many trials run at once at most.
        max_failures: how many trials fail before the sweep pauses; a share of them below 1.
        capture: of which trials it is kept what they print: `failed`, `all` or `none`.
        resources: what one trial asks for, by Ray's name of it.
        classes: what the trials of each class ask for otherwise: amounts by Ray's name, and `time_limit`.
        grow: the factor by which `memory` or `time_limit` grows and what it grows to at most (None for no such limit),
            and how many `tries` a trial has beyond the first; empty where nothing grows.
        ray_remote_args, runtime_env: Ray's own words.
        units: units and descriptions of columns.
        notify: who is told what becomes of the sweep; None where nothing is said, which leaves it to the lab.
    """

    description: str = ""
    retries: int = 0
    time_limit: float | None = None
    priority: int = 0
    max_concurrency: int | None = None
    max_failures: float | None = None
    capture: str = "failed"
    resources: Mapping[str, float] = field(default_factory=lambda: {"CPU": 1.0})
    classes: tuple[Mapping[str, float | None], ...] = ()
    grow: Mapping[str, Any] = field(default_factory=dict)
    ray_remote_args: Mapping[str, Any] = field(default_factory=dict)
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    units: Units = field(default_factory=dict)
    notify: tuple[Recipient, ...] | None = None

    def at(self, need: Need) -> Policy:
        """How the trials of one need are run: the same policy, with their own amounts for all.

        Example:
            >>> policy = Policy(time_limit=60.0, classes=({}, {"memory": 4e9, "time_limit": 600.0}))
            >>> policy.at(Need(1)).resources, policy.at(Need(1)).time_limit
            ({'CPU': 1.0, 'memory': 4000000000.0}, 600.0)
        """
        if not (self.classes or self.grow):
            return self
        own = self.classes[need.klass] if need.klass < len(self.classes) else {}
        asked = {"time_limit": self.time_limit, **self.resources, **own}
        amounts = {name: self._grown(name, amount, need) for name, amount in asked.items() if amount is not None}
        time_limit = amounts.pop("time_limit", None)
        return replace(self, time_limit=time_limit, resources=amounts, classes=(), grow={})

    def _grown(self, name: str, amount: float, need: Need) -> float:
        if name not in self.grow or not (times := need._asdict().get(name, 0)):
            return amount
        factor, most = self.grow[name]
        grown: float = min(amount * factor**times, math.inf if most is None else most)
        return max(amount, grown)

    def more(self, need: Need, status: str) -> Need | None:
        """What a trial that came to this status asks for when it is tried again with more; None if it is not, because
        it had enough, has been tried as often as it may be, or has the most already.

        Example:
            >>> policy = Policy(time_limit=10.0, grow={"time_limit": [2.0, 30.0], "tries": 3})
            >>> need, limits = Need(), []
            >>> while need is not None:
            ...     limits.append(policy.at(need).time_limit)
            ...     need = policy.more(need, "timed_out")
            >>> limits
            [10.0, 20.0, 30.0]
        """
        name = GROWS.get(status, "")
        if name not in self.grow or need.memory + need.time_limit >= self.grow[TRIES]:
            return None
        more = need.more(name)
        return more if self.at(more) != self.at(need) else None

    def has_limit(self, status: str) -> bool:
        """Whether a person has said how far what a trial of this status needs may grow."""
        return self.grow[GROWS[status]][1] is not None

    def tried(self, need: Need, status: str) -> str:
        """With how much a trial was tried, to be said with what came of it; empty where nothing has grown.

        Example:
            >>> Policy(time_limit=10.0, grow={"time_limit": [2.0, None], "tries": 3}).tried(Need(0, 0, 2), "timed_out")
            '; it was tried with 10 s, 20 s and 40 s'
        """
        name = GROWS.get(status, "")
        times = need._asdict().get(name, 0)
        if not times or name not in self.grow:
            return ""
        each = [self.at(need.back(name, back)) for back in reversed(range(times + 1))]
        *others, last = [
            _amount(name, {**one.resources, "time_limit": one.time_limit or 0.0}.get(name, 0.0)) for one in each
        ]
        return f"; it was tried with {', '.join(others)} and {last}"

    @property
    def of_trials(self) -> Policy:
        """The part of it that leases take along; the rest is between the sweep and its lab."""
        return replace(self, description="", priority=0, max_concurrency=None, max_failures=None, units={}, notify=None)

    @property
    def of_failures(self) -> Policy:
        """The part of it under which what failed might have come to something. What grows is tried again anyway."""
        return replace(self.of_trials, grow={}, capture="failed")

    def changed(self, words: Mapping[str, Any]) -> Policy:
        """With these fields, for all classes. Of the resources only the amounts that are given change, and None takes
        one away.

        Example:
            >>> Policy(classes=({"memory": 4e9}, {})).changed({"resources": {"memory": 1e9}})
            Policy(...resources={'CPU': 1.0, 'memory': 1000000000.0}, classes=({}, {})...)
        """
        amounts = words.get("resources", {})
        kept = {name: amount for name, amount in {**self.resources, **amounts}.items() if amount is not None}
        others = [{word: own[word] for word in own if word not in {*amounts, *words}} for own in self.classes]
        return replace(self, **{**words, "resources": kept, "classes": tuple(others)})

    def after(self, before: Policy) -> Policy:
        """The policy of a submission that comes again: what people are told of a sweep stays where it tells nothing, so
        that a cell that is run again undoes no `change`.

        Example:
            >>> Policy(units={"T": {"units": "K"}}).after(Policy(description="coarse", units={"p": {"units": "Pa"}}))
            Policy(description='coarse'...units={'p': {'units': 'Pa'}, 'T': {'units': 'K'}}, notify=None)
        """
        return replace(
            self,
            description=self.description or before.description,
            units={**before.units, **self.units},
            notify=before.notify if self.notify is None else self.notify,
        )

    @property
    def amounts(self) -> str:
        """What one trial asks for, in words."""
        return ", ".join(map(_amount, self.resources, self.resources.values()))

    def plain(self) -> dict[str, Any]:
        """As JSON takes it."""
        told = None if self.notify is None else [each.plain() for each in self.notify]
        return {**{each.name: getattr(self, each.name) for each in fields(self)}, "notify": told}

    @staticmethod
    def of(plain: Mapping[str, Any]) -> Policy:
        """What `plain` gave, after it was JSON."""
        told = plain.get("notify")
        notify = None if told is None else tuple(map(Recipient.of, told))
        return Policy(**{**plain, "classes": tuple(plain.get("classes", ())), "notify": notify})

    def told(self, before: Policy) -> list[str]:
        """What is other than before, in words; of what was said to people, only what is said no more. `runtime_env` is
        a part of the code.

        Example:
            >>> Policy(priority=2).told(Policy(time_limit=9.0))
            ['time_limit: None, was 9.0', 'priority: 2, was 0']
        """
        added = {"description"} if not before.description else set()
        added |= {"units"} if before.units.items() <= self.units.items() else set()
        added |= {"notify"} if before.notify is None else set()
        names = [each.name for each in fields(self) if each.name not in {"runtime_env", *added}]
        pairs = [(name, getattr(self, name), getattr(before, name)) for name in names]
        return [f"{name}: {repr_of(now, 100)}, was {repr_of(was, 100)}" for name, now, was in pairs if now != was]

    def dumps(self) -> str:
        """As canonical JSON: equal policies give equal text."""
        return json.dumps(self.plain(), sort_keys=True)


def _amount(name: str, amount: float) -> str:
    """An amount in words; memory is in bytes.

    Example:
        >>> _amount("memory", 4e9), _amount("GPU", 0.5)
        ('4 GB memory', '0.5 GPU')
    """
    if name != "memory":
        return f"{amount:g} {'s' if name == 'time_limit' else name}"
    if amount < 1e5:  # whoever meant megabytes sees it
        return f"{amount:,g} bytes memory"
    return f"{amount / 1e9:g} GB memory" if amount >= 1e9 else f"{amount / 1e6:g} MB memory"
