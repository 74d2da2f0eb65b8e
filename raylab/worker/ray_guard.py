"""What a trial must not do with Ray: end or begin the connection that its own process works through.

`ray.shutdown()` in a worker ends the worker in the middle of its lease, so the trial looked like one that crashes its
process; `ray.init()` is refused by Ray itself in most forms, in some it connects to another cluster. Both raise here,
and say what to do, while `guarded` holds. Everything else of Ray works: tasks, actors, `ray.get`, `ray.put`.

The guard must hold when an experiment is loaded, too: a pickle may hold `from ray import shutdown`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from raylab.worker.ray_internals import CALLS

_DEFAULTS = (None, "auto")
"""Addresses that mean the cluster of this process."""


class _Now:
    trials = False  # whether trials may be running; what was replaced may outlive that in an experiment


@contextmanager
def guarded() -> Iterator[None]:
    """While this holds, `ray.init` and `ray.shutdown` raise RuntimeError in this process."""
    places = [sys.modules[name] for name in CALLS if name in sys.modules]
    before: list[tuple[Any, str, Callable[..., Any]]] = []
    outer, _Now.trials = _Now.trials, True
    for place in places:
        for name in ("init", "shutdown"):
            plain = getattr(place, name, None)
            if plain is not None:
                before.append((place, name, plain))
                setattr(place, name, _guard(name, plain))
    try:
        yield
    finally:
        _Now.trials = outer
        for place, name, plain in before:
            setattr(place, name, plain)


def _guard(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(plain)
    def call(*args: Any, **options: Any) -> Any:
        if _Now.trials and not (name == "init" and _is_repeated(*args, **options)):
            raise RuntimeError(
                f"ray.{name}() was called in a trial, whose process is connected to the lab's cluster already and must "
                "stay so: leave out ray.init() and ray.shutdown() in the experiment. Ray's tasks, actors, ray.get and "
                "ray.put work in it as they are"
            )
        return plain(*args, **options)

    return call


def _is_repeated(address: Any = None, *_: Any, **options: Any) -> bool:
    """What is connected stays so, and Ray says no more than that: as in a notebook cell that is run again."""
    return bool(options.get("ignore_reinit_error")) and address in _DEFAULTS
