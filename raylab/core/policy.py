"""How a sweep is run, and what its trials ask for.

The trials of a sweep may ask for different things: each segment has a class, and the amounts of a class stand beside
those of the sweep. A segment never changes, its amounts may.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from raylab.core.segment import Need


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
        resources: what one trial asks for, by Ray's name of it.
        classes: what the trials of each class ask for otherwise: amounts by Ray's name, and `time_limit`.
        ray_remote_args, runtime_env: Ray's own words.
    """

    description: str = ""
    retries: int = 0
    time_limit: float | None = None
    priority: int = 0
    max_concurrency: int | None = None
    max_failures: float | None = None
    resources: Mapping[str, float] = field(default_factory=lambda: {"CPU": 1.0})
    classes: tuple[Mapping[str, float | None], ...] = ()
    ray_remote_args: Mapping[str, Any] = field(default_factory=dict)
    runtime_env: Mapping[str, Any] = field(default_factory=dict)

    def at(self, need: Need) -> Policy:
        """How the trials of one class are run: the same policy, with their own amounts and no classes.

        Example:
            >>> policy = Policy(time_limit=60.0, classes=({}, {"memory": 4e9, "time_limit": 600.0}))
            >>> policy.at(Need(1)).resources, policy.at(Need(1)).time_limit
            ({'CPU': 1.0, 'memory': 4000000000.0}, 600.0)
        """
        if not self.classes:
            return self
        own = dict(self.classes[need.klass]) if need.klass < len(self.classes) else {}
        time_limit = own.pop("time_limit", self.time_limit)
        resources = {name: amount for name, amount in {**self.resources, **own}.items() if amount is not None}
        return replace(self, time_limit=time_limit, resources=resources, classes=())

    @property
    def of_trials(self) -> Policy:
        """The part of it that leases take along; the rest is between the sweep and its lab."""
        return replace(self, description="", priority=0, max_concurrency=None, max_failures=None)

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

    @property
    def amounts(self) -> str:
        """What one trial asks for, in words."""
        return ", ".join(map(_amount, self.resources, self.resources.values()))

    def plain(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @staticmethod
    def of(plain: Mapping[str, Any]) -> Policy:
        """What `plain` gave, after it was JSON."""
        return Policy(**{**plain, "classes": tuple(plain.get("classes", ()))})

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
        return f"{amount:g} {name}"
    return f"{amount / 1e9:g} GB memory" if amount >= 1e9 else f"{amount / 1e6:g} MB memory"
