"""This process's connection to Ray: whether it is there, and whether it is still the one it was.

Ray's calls start a cluster where there is none, and a `ray://` client that was cut off for longer than its grace period
says so in many ways, most of them misleading. So whoever is about to ask Ray something asks here first. Nothing here
asks the cluster.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, cast

import ray
import ray.exceptions

from raylab.errors import LabUnavailable
from raylab.worker.ray_internals import broke, client_context, client_worker, is_alive, set_client_context

T = TypeVar("T")

ANSWER_S = 55.0
"""Every call but those that wait answers or raises within a minute."""

PAUSE_S = 0.2

_newest: list[Any] = []
"""The `ray://` connection that was seen alive last; see `broke`."""


def session() -> object | None:
    """What tells this process's connection from an earlier one; None if there is none, or if it is lost."""
    worker = client_worker()
    if worker is not None:
        if not is_alive(worker):
            return None
        _newest[:] = [worker]
        found: object = worker
        return found
    if not ray.is_initialized():
        return None
    context = ray.get_runtime_context()
    return context.gcs_address, context.get_job_id()


def is_lost() -> bool:
    """Whether this process had a `ray://` connection that broke for good, and has no other: which cluster is meant, Ray
    does not know any more, and would start one."""
    worker = client_worker()
    if worker is not None:
        return not is_alive(worker)
    return bool(_newest) and broke(_newest[0]) and not ray.is_initialized()


def disconnected(error: Exception | None = None) -> LabUnavailable:
    """What to tell a person whose connection is lost."""
    why = f" ({error})" if error is not None and str(error) else ""
    return LabUnavailable(
        f"the connection to the Ray cluster is lost{why}. Nothing of the lab is: call ray.shutdown(), connect and "
        "attach again, with ray.init(ADDRESS) or address=ADDRESS; it is safe to repeat the call"
    )


def is_forgotten(error: Exception) -> bool:
    """Whether the server speaks of something that it has let go: the client came back too late."""
    return isinstance(error, ValueError) and "is not found for client" in str(error)


def patiently(ask: Callable[[], T], within: float) -> T:
    """Ask Ray something that changes nothing, again and again while a `ray://` connection is being made anew.

    Ray's client repeats calls of actors by itself, and no other question. What the cluster answers, also with an
    error, is the answer.

    Raises:
        LabUnavailable: the connection is lost for good, or for longer than `within` seconds.
    """
    worker = client_worker()
    until = time.monotonic() + within
    while True:
        try:
            return bounded(ask, max(PAUSE_S, until - time.monotonic()))
        except ray.exceptions.GetTimeoutError as error:
            raise LabUnavailable(
                f"the Ray cluster did not answer within {within:.0f} s; it is safe to repeat the call. If that does "
                "not help, call ray.shutdown(), connect and attach again"
            ) from error
        except Exception as error:
            passing = is_channels(error) or isinstance(error, ConnectionError)
            if worker is None or not passing or isinstance(error, LabUnavailable):
                raise
            if not is_alive(worker) or time.monotonic() > until:
                raise disconnected(error) from error
        time.sleep(PAUSE_S)


def bounded(ask: Callable[[], T], seconds: float) -> T:
    """Ask Ray something, and give up after some seconds: over `ray://` Ray's own timeout begins only once the server
    has taken the call, and a network that is silent is noticed after a minute and a half.

    Raises:
        GetTimeoutError: no answer in time; the call may yet be carried out.
    """
    return ask() if client_worker() is None else in_time(ask, seconds)


def in_time(ask: Callable[[], T], seconds: float) -> T:
    """Ask anything, in a thread of its own, and give up after some seconds.

    Raises:
        GetTimeoutError: no answer in time; what was asked for may yet be carried out.
    """
    context = client_context()
    answers: SimpleQueue[tuple[T, None] | tuple[None, BaseException]] = SimpleQueue()

    def run() -> None:
        set_client_context(context)
        try:
            answers.put((ask(), None))
        except BaseException as error:
            answers.put((None, error))

    threading.Thread(target=run, name="raylab-call", daemon=True).start()
    try:
        answer, error = answers.get(timeout=seconds)
    except Empty:
        raise ray.exceptions.GetTimeoutError(f"no answer within {seconds:.1f} s") from None
    if error is not None:
        raise error
    return cast(T, answer)


def is_channels(error: Exception) -> bool:
    """Whether gRPC speaks: of a connection that broke, or of one that Ray has closed to make another."""
    if isinstance(error, ValueError):
        return "channel" in str(error).lower()
    return any(kind.__module__.partition(".")[0] == "grpc" for kind in type(error).__mro__)
