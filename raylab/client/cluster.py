"""The client's way to a Ray cluster: the one that is named, that runs here, or one inside this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import ray
import ray.exceptions

from raylab.client import started
from raylab.client.address import check_address, knock
from raylab.client.session import ANSWER_S, disconnected, is_lost, patiently
from raylab.client.speech import Meanwhile, say
from raylab.client.tokens import has_token
from raylab.errors import LabUnavailable, RaylabError, told
from raylab.server.joining import join
from raylab.worker import ray_internals

T = TypeVar("T")

_connecting = threading.Lock()


class NoCluster(LabUnavailable):
    """No cluster runs on this machine, and nobody said that another one is meant."""


def connect(address: str | None, *, start: bool) -> None:
    """Connect this process to a Ray cluster, unless it is connected.

    Args:
        address: of the cluster; None means the one that RAY_ADDRESS names or that runs on this machine.
        start: whether to start a cluster inside this process if there is none.

    Raises:
        LabUnavailable: there is no cluster, or it does not let us in.
        VersionMismatch: the cluster has another Ray, or another Python.
        ValueError: the address is none.
    """
    with _connecting:  # threads that attach at once share one connection
        _connect(address, start)


def _connect(address: str | None, start: bool) -> None:
    if address is not None:
        check_address(address)
    if is_lost():
        if not (address or os.environ.get("RAY_ADDRESS")):
            raise disconnected()
        ray.shutdown()  # else Ray says that it is connected, and neither is nor will be
    if ray.is_initialized():
        patiently(lambda: _check_same(address), ANSWER_S)
        return
    if "RAY_AUTH_MODE" not in os.environ and has_token():
        os.environ["RAY_AUTH_MODE"] = "token"
        ray_internals.read_settings_again()
    wanted = address or os.environ.get("RAY_ADDRESS")
    if wanted:
        check_address(wanted, "RAY_ADDRESS" if address is None else "the address of a Ray cluster")
    found = wanted if wanted not in (None, "auto") else _here()
    if found is None:
        if not start:
            raise NoCluster("no Ray cluster runs on this machine and no address was given; `raylab start` starts one")
        say("starting a Ray cluster inside this process; it ends with it. `raylab start` starts one that stays")
        join("local", include_dashboard=False)
        return
    with Meanwhile(f"connecting to the Ray cluster at {found}"):
        if wanted:
            knock(found)
        try:
            join(found)
        except ConnectionError as error:
            raise LabUnavailable(
                f"no Ray cluster answers at {found} ({told(error)}). A cluster that wants a token looks like this to a "
                "client without one: put the token into ~/.ray/auth_token or RAY_AUTH_TOKEN and set RAY_AUTH_MODE=token"
            ) from error


def _here() -> str | None:
    """The cluster on this machine, if one is there: the one of `raylab start`, else any other that Ray knows of."""
    own = started.running_address()
    found = own or ray_internals.nearby()
    if found is None or own:
        return found
    try:
        knock(found)  # Ray remembers those that died, and would try for two minutes, with 20 lines on stderr
    except LabUnavailable:
        return None
    return found


def _check_same(address: str | None) -> None:
    """This process is connected; refuse to pretend that it is connected elsewhere."""
    here = address_here()
    if address is None or address in ("auto", "local", here) or ray.get_runtime_context().gcs_address == address:
        return
    same_port = address.rpartition(":")[2] == here.rpartition(":")[2]
    if not same_port:  # hosts have many names; another port is another cluster
        raise LabUnavailable(
            f"this process is connected to the Ray cluster at {here}, not to {address}; call ray.shutdown() first, or "
            "leave address= out"
        )


def address_here() -> str:
    """Where another process of this machine reaches the cluster this one is connected to."""
    return ray_internals.client_address() or str(ray.get_runtime_context().gcs_address)


def on_head(function: Callable[..., T], *args: Any) -> T:
    """Have a function that is safe to repeat run on the head node, where the notebooks are.

    Raises:
        LabUnavailable: no answer in time, or the head node could not do it.
        RaylabError: whatever the function says.
    """
    task = ray.remote(function).options(num_cpus=0, resources={"node:__internal_head__": 0.001})

    def ask() -> T:
        try:
            found: T = ray.get(task.remote(*args), timeout=ANSWER_S)
        except ray.exceptions.GetTimeoutError as error:
            text = f"the cluster's head node did not answer within {ANSWER_S:.0f} s; try again"
            raise LabUnavailable(text) from error
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, RaylabError):
                raise error.cause from None
            raise LabUnavailable(f"the cluster's head node cannot do it: {told(error.cause)}") from None
        return found

    return patiently(ask, ANSWER_S)
