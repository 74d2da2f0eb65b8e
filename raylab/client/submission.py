"""From what a person asks for to a Submission: everything is checked here, before anything is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from typing import Any, SupportsIndex

import numpy as np

from raylab.client.grow import check_grow, read_grow
from raylab.client.plan import check_size
from raylab.client.provenance import Origin
from raylab.client.runtime_env import environment_ingredients
from raylab.code.pack import Code
from raylab.core.closest import did_you_mean
from raylab.core.design import Design
from raylab.core.kinds import is_whole
from raylab.core.partition import WHOLE, Partition
from raylab.core.policy import Policy
from raylab.core.recipient import read_recipients
from raylab.core.request import Submission
from raylab.core.segment import Need
from raylab.core.trial_log import CAPTURES
from raylab.core.units import read_units
from raylab.errors import DesignError
from raylab.notebook import layout
from raylab.server.protocol import person
from raylab.server.ray_options import check_options

OURS = frozenset({"num_cpus", "num_gpus", "memory", "resources", "runtime_env", "num_returns", "max_retries"})
"""Words of Ray's that are arguments of their own here, or that the lab needs for itself."""

AMOUNTS = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
"""The resources that have arguments of their own, and Ray's names of them."""

MAX_LIMIT_S = 1e8
"""Three years; the system's timers do not take much more."""

MOST = 10**9
"""Of a priority and of a number of trials that is a limit: what fits any reader's integers."""

IF_EXISTS = ("fail", "extend", "continue", "replace")
"""What a submission can say of something else that has its name."""


def check_if_exists(word: object) -> None:
    """Refuse what cannot be done with a sweep that has the name.

    Raises:
        DesignError: it is none of the words.
    """
    words = " or ".join(map(repr, IF_EXISTS))
    if not isinstance(word, str) or word not in IF_EXISTS:
        raise DesignError(
            f"if_exists says what to do if something else has the name, {words}; got {word!r}"
            f"{did_you_mean(word, IF_EXISTS)}"
        )


def check_ignore(ignore: object) -> tuple[str, ...]:
    """What does not count when a submission is compared, as a tuple.

    Raises:
        DesignError: it is no string and no sequence of strings.
    """
    words = [ignore] if isinstance(ignore, str) else ignore
    if not isinstance(words, Sequence | Set) or not all(isinstance(word, str) and word.strip() for word in words):
        raise DesignError(
            "ignore is what does not count: names of globals, closures, defaults and attributes, and files, as "
            f"('cache', 'model/*.png'); got {ignore!r}"
        )
    return tuple(dict.fromkeys(word.strip() for word in words))


def policy(
    *,
    description: str,
    retries: int,
    time_limit: float | None,
    priority: int,
    max_concurrency: int | None,
    max_failures: float | None,
    capture: str,
    resources: Mapping[str, float | None],
    classes: tuple[Mapping[str, float | None], ...] = (),
    grow: object = None,
    ray_remote_args: Mapping[str, Any] | None,
    runtime_env: Mapping[str, Any],
    units: object = None,
    notify: object = None,
) -> Policy:
    """How the trials are to be run: plain data that another process can use, and that this Ray knows.

    Raises:
        DesignError: a value is not usable; the message names it.
    """
    if not isinstance(description, str):
        raise DesignError(f"description is a text, got {description!r}")
    if not is_whole(retries) or retries < 0:
        raise DesignError(
            f"retries is how often a trial that raised is tried again, a whole number from 0 on; got {retries!r}"
        )
    if time_limit is not None and not _is_duration(time_limit):
        raise DesignError(f"time_limit is what one trial may take, in seconds above 0, or None; got {time_limit!r}")
    if not is_whole(priority) or abs(priority) > MOST:
        raise DesignError(
            f"priority is a whole number, a higher one goes first, 0 is usual, from {-MOST:,} to {MOST:,}; got "
            f"{priority!r}"
        )
    if max_concurrency is not None and (not is_whole(max_concurrency) or not 1 <= max_concurrency <= MOST):
        raise DesignError(
            "max_concurrency is how many trials run at once at most, a whole number from 1 on, or None; got "
            f"{max_concurrency!r}. pause() lets none run"
        )
    words = dict(ray_remote_args or {})
    if ours := sorted(OURS & words.keys() | {word for word in words if word.startswith("_")}):
        raise DesignError(f"ray_remote_args cannot set {', '.join(ours)}: use submit's own arguments, or leave it out")
    environment = dict(runtime_env)
    _check_plain("ray_remote_args", words)
    _check_plain("runtime_env", environment)
    made = Policy(
        description=description,
        retries=int(retries),
        time_limit=None if time_limit is None else float(time_limit),
        priority=int(priority),
        max_concurrency=None if max_concurrency is None else int(max_concurrency),
        max_failures=_failures(max_failures),
        capture=_capture(capture),
        resources=_amounts(resources),
        classes=classes,
        grow=read_grow(grow),
        ray_remote_args=words,
        runtime_env=environment,
        units=read_units(units),
        notify=read_recipients(notify),
    )
    for klass in range(max(1, len(classes))):
        own = made.at(Need(klass))
        check_options(own)
        check_grow(made.grow, {**own.resources, "time_limit": own.time_limit}, f" ({own.amounts})" if klass else "")
    return made


def custom(resources: object) -> dict[str, float]:
    """The amounts of `resources=`.

    Raises:
        DesignError: they are no amounts by name, or of what has an argument of its own.
    """
    if not isinstance(resources, Mapping | None):
        raise DesignError(f"resources are amounts by name, as {{'licence': 1}}, or None; got {resources!r}")
    for word, name in AMOUNTS.items():
        if resources and name in resources:
            raise DesignError(f"resources are what a cluster has beside CPUs, GPUs and memory; say {name} with {word}=")
    return dict(resources or {})


def _is_duration(value: object) -> bool:
    """A number of seconds that a timer of the system takes (numpy's are fine)."""
    return isinstance(value, int | float | np.number) and value is not True and bool(1e-6 <= value <= MAX_LIMIT_S)


def _failures(most: object) -> float | None:
    """A number of trials is an int and a share a float, so that 1 and 1.0 are told apart."""
    if most is None:
        return None
    if is_whole(most) and isinstance(most, SupportsIndex) and 1 <= int(most) <= MOST:
        return int(most)
    if isinstance(most, float | np.floating) and 0 < most < 1:
        return float(most)
    raise DesignError(
        "max_failures is how many trials fail before the sweep pauses: a whole number from 1 on, or a share of the "
        f"trials, above 0.0 and below 1.0, or None for any; got {most!r}"
    )


def _capture(word: object) -> str:
    if not isinstance(word, str) or word not in CAPTURES:
        raise DesignError(
            "capture says of which trials it is kept what they print: 'failed' for those that come to nothing, 'all', "
            f"or 'none'; got {word!r}"
        )
    return word


def _amounts(resources: Mapping[str, float | None]) -> dict[str, float]:
    for name, amount in resources.items():
        if isinstance(amount, bool) or not isinstance(amount, int | float | None) or not 0 <= (amount or 0) < 2**63:
            raise DesignError(f"{_needed(name)}; got {amount!r}")
    return {name: amount or 0 for name, amount in resources.items() if amount or name == "CPU"}


def _needed(resource: str) -> str:
    """What an amount of a resource says of each trial, by the argument that gives it."""
    if resource == "memory":
        return "memory is how many bytes each trial needs, a number from 0 on, as 4e9"
    word = next((word for word, name in AMOUNTS.items() if name == resource), None)
    if word:
        return f"{word} is how many {resource}s each trial needs, a number from 0 on"
    return f"resources says how much of {resource!r} each trial needs, a number from 0 on"


def _check_plain(what: str, value: Mapping[str, Any]) -> None:
    try:
        json.dumps(value)
    except (TypeError, ValueError) as error:
        raise DesignError(
            f"{what} is kept in the notebook, so it must be plain data as JSON has it: {error}"
        ) from error


def submission(
    *,
    name: str | None,
    code: Code,
    design: Design,
    repeats: int,
    seed: int | None,
    order: str,
    policy: Policy,
    origin: Origin,
    partition: Partition = WHOLE,
    ignore: tuple[str, ...] = (),
    if_exists: str = "fail",
    drawn: int | None = None,
) -> Submission:
    """All of it, as it is handed to the lab.

    Raises:
        DesignError: it is too large.
    """
    text = design.dumps()
    check_size(len(text) + len(code.pickle) + len(code.modules or b""), design)
    return Submission(
        name=name,
        label=layout.check_name(code.label, "sweep"),
        design=text,
        shape=repr(design),
        size=design.size,
        repeats=int(repeats),
        seed=None if seed is None else int(seed),
        order=order,
        pickle=code.pickle,
        modules=code.modules,
        ingredients={**code.ingredients, **environment_ingredients(policy.runtime_env)},
        policy=policy,
        partition=partition,
        user=person(),
        ignore=ignore,
        if_exists=if_exists,
        provenance=origin.provenance,
        environment=origin.environment,
        diff=origin.diff,
        is_seeded=design.is_seeded,
        drawn=drawn,
    )
