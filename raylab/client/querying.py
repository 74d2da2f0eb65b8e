"""A query as a person asks it: checked, packed, run on the lab's node, and handed back.

Where this process is on the lab's node, the query's process is started from here; else by an actor that lives as long
as the query, on the head node. It is no task: an actor answers while its query runs, ends at one call, and Ray ends it
when this process is gone.
"""

from __future__ import annotations

import builtins
import math
import platform
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from numbers import Real
from typing import Any

import polars as pl
import ray
import ray.exceptions

from raylab.client.session import ANSWER_S, patiently
from raylab.client.speech import Interruptible, say
from raylab.code.pack import luggage
from raylab.core.handle import Handle
from raylab.errors import ExperimentError, LabUnavailable, repr_of
from raylab.notebook.frames import check_status, outside
from raylab.notebook.picking import Columns, check_columns
from raylab.query import answer
from raylab.query.asked import Asked, Outcome
from raylab.query.host import Query
from raylab.query.limits import AT_ONCE, LEAST_BYTES, size
from raylab.worker.unpack import this_python

FIRST_S = 1.0
"""How long the first look at a query takes: who waits in line for longer is told so."""

LOOK_S = 5.0
"""How long a look takes where there is no outcome yet."""

INTERRUPTED = "interrupted; the query was ended, and nothing else was cancelled or changed"


def asked(
    function: Callable[[pl.LazyFrame], Any],
    status: str | Sequence[str],
    metadata: bool | Sequence[str],
    table: str | None,
    columns: Columns,
    memory: float | None,
    timeout: float | None,
) -> Callable[[str, str, Handle | list[Handle]], Asked]:
    """A query of these arguments; what makes it one of a notebook and of sweeps.

    Raises:
        TypeError: the function is none.
        ValueError: it cannot travel, or another argument cannot be used.
    """
    if not callable(function):
        raise TypeError(
            "query takes a function that is given the rows as a polars LazyFrame, as "
            f"query(lambda rows: rows.select(...)); got {type(function).__name__} {repr_of(function, 60)}"
        )
    check_status(status)
    check_columns(columns)
    if memory is not None and not (_is_number(memory) and memory >= LEAST_BYTES):
        raise ValueError(
            f"memory is a number of bytes from {LEAST_BYTES:,} on ({size(LEAST_BYTES)}: Python and polars take a part "
            f"of it), or None for a share of the node's; got {repr_of(memory, 60)}"
        )
    if timeout is not None and not (_is_number(timeout) and timeout > 0):
        raise ValueError(f"timeout is a number of seconds above 0, or None for no limit; got {repr_of(timeout, 60)}")
    try:
        pickled, modules = luggage(function)
    except ExperimentError as error:
        raise ValueError(f"the query's function cannot travel to the lab's node: {error}") from None

    def of(place: str, ident: str, sweeps: Handle | list[Handle]) -> Asked:
        return Asked(
            place=place,
            ident=ident,
            sweeps=sweeps,
            status=status,
            metadata=metadata,
            table=table,
            columns=columns,
            function=pickled,
            modules=modules,
            memory=None if memory is None else int(memory),
            timeout=None if timeout is None else float(timeout),
            python=this_python(),
            polars=pl.__version__,
        )

    return of


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    return math.isfinite(value)


def is_here(node: object, is_reached: bool) -> bool:
    """Whether this process is on the lab's node: it reaches the notebook's folder, and the machine has that name. A
    folder that is mounted from there would be read over the network."""
    return is_reached and node == platform.node()


def run(query: Asked, here: bool) -> Any:
    """The answer of a query. What it printed is printed, what it warned of is warned of.

    Args:
        query: what is asked.
        here: whether this is the lab's node.

    Raises:
        Exception: what the function raised, or why there is no answer.
    """
    with Interruptible(lambda: INTERRUPTED):
        host = Query() if here else _OnHead()
        try:
            host.begin(query)
            outcome = _outcome(host)
            data = b"".join(_pieces(host, outcome.size))
        finally:
            host.end()
    for stream, text in ((sys.stdout, outcome.out), (sys.stderr, outcome.err)):
        if text:
            print(text, end="", file=stream, flush=True)
    for name, text in outcome.warned:
        warnings.warn(text, _category(name), stacklevel=outside())
    if outcome.raised is not None:
        raise outcome.raised.restored() from None
    assert outcome.kind != "raised"
    return answer.loaded(outcome.kind, data)


def _outcome(host: Query | _OnHead) -> Outcome:
    within, is_told = FIRST_S, False
    while True:
        has_place, outcome = host.look(within)
        if outcome is not None:
            return outcome
        if not (has_place or is_told):
            is_told = True
            say(f"{AT_ONCE} other queries run on the lab's node; this one waits for its turn")
        within = LOOK_S


def _pieces(host: Query | _OnHead, count: int) -> Sequence[bytes]:
    found: list[bytes] = []
    there = 0
    while there < count:
        found.append(host.piece(there))
        if not found[-1]:
            raise LabUnavailable("the query's answer is gone from the lab's node; it is safe to ask again")
        there += len(found[-1])
    return found


def _category(name: str) -> type[Warning]:
    found = getattr(builtins, name, None)
    return found if isinstance(found, type) and issubclass(found, Warning) else UserWarning


class _OnHead:
    """A query on the head node: what `Query` is to who is there."""

    def __init__(self) -> None:
        actor: Any = ray.remote(Query).options(num_cpus=0, max_restarts=0, resources={"node:__internal_head__": 0.001})
        self._actor = patiently(actor.remote, ANSWER_S)

    def begin(self, query: Asked) -> None:
        self._ask("begin", query)

    def look(self, seconds: float) -> tuple[bool, Outcome | None]:
        found: tuple[bool, Outcome | None] = self._ask("look", seconds)
        return found

    def piece(self, start: int) -> bytes:
        found: bytes = self._ask("piece", start)
        return found

    def end(self) -> None:
        with suppress(Exception):  # it is gone; or the connection is, and Ray ends it
            ray.kill(self._actor)

    def _ask(self, verb: str, *args: Any) -> Any:
        """Call a verb; each can be repeated."""

        def ask() -> Any:
            return ray.get(getattr(self._actor, verb).remote(*args), timeout=ANSWER_S)

        try:
            return patiently(ask, ANSWER_S)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayActorError as error:
            said = str(error).strip().splitlines()[0]
            raise LabUnavailable(
                f"the query's process on the head node is gone ({said}); nothing else is, and it is safe to ask again"
            ) from None
