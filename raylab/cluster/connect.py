"""The client's way to a lab: to a cluster, to the actor by name, and calls that survive its restart."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import ray
import ray.exceptions
from ray._raylet import Config  # type: ignore[attr-defined]  # its stubs lack it
from ray.util import list_named_actors

from raylab.cluster import head, places
from raylab.cluster.address import check_address, knock
from raylab.cluster.birth import give_birth
from raylab.cluster.join import join, nearby
from raylab.cluster.places import Place
from raylab.cluster.protocol import NAMESPACE, PROTOCOL, person, versions
from raylab.cluster.session import (
    bounded,
    disconnected,
    is_channels,
    is_client,
    is_forgotten,
    is_lost,
    patiently,
    session,
)
from raylab.cluster.tokens import has_token
from raylab.errors import (
    LabFenced,
    LabNotFound,
    LabUnavailable,
    NameRefused,
    NotebookDamaged,
    RaylabError,
    VersionMismatch,
)
from raylab.speech import Interruptible, Meanwhile, say, told

ANSWER_S = 55.0
"""Every call but those that wait answers or raises within a minute."""

SLACK_S = 1.0
"""Ray's own timeout comes first, where it works."""

BACK_S = 0.2
"""How long a lab that is being restarted may take to say that it is there, before it is asked once more."""

_connecting = threading.Lock()


class NoCluster(LabUnavailable):
    """No cluster runs on this machine, and nobody said that another one is meant."""


T = TypeVar("T")

_TOKEN_HINT = (
    "A cluster that wants a token looks like this to a client without one: put the token into ~/.ray/auth_token or "
    "RAY_AUTH_TOKEN and set RAY_AUTH_MODE=token"
)
_GONE = (
    ray.exceptions.ActorDiedError,
    ray.exceptions.ActorUnavailableError,
    ray.exceptions.RayActorError,
    ray.exceptions.OwnerDiedError,
    ray.exceptions.RpcError,
)


# -- to a cluster


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
        Config.initialize("")  # Ray read the mode when it was imported; without this it is not read again
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
    with Meanwhile(f"connecting to the Ray cluster at {found}; a busy machine takes a while"):
        if wanted:
            knock(found)
        try:
            join(found)
        except ConnectionError as error:
            raise LabUnavailable(f"no Ray cluster answers at {found} ({told(error)}). {_TOKEN_HINT}") from error


def _here() -> str | None:
    """The cluster on this machine, if one is there: the one of `raylab start`, else any other that Ray knows of."""
    own = head.running_address()
    found = own or nearby()
    if found is None or own:
        return found
    try:
        knock(found)  # Ray remembers those that died, and would try for two minutes, with 20 lines on stderr
    except LabUnavailable:
        return None
    return found


def _check_same(address: str | None) -> None:
    """This process is connected; refuse to pretend that it is connected elsewhere."""
    here = _address()
    if address is None or address in ("auto", "local", here) or ray.get_runtime_context().gcs_address == address:
        return
    same_port = address.rpartition(":")[2] == here.rpartition(":")[2]
    if not same_port:  # hosts have many names; another port is another cluster
        raise LabUnavailable(
            f"this process is connected to the Ray cluster at {here}, not to {address}; call ray.shutdown() first, or "
            "leave address= out"
        )


def _address() -> str:
    """Where another process of this machine reaches the cluster this one is connected to."""
    from ray.util.client import ray as client

    if client.is_connected():  # type: ignore[no-untyped-call]
        context = client.get_context()  # type: ignore[no-untyped-call]
        return f"ray://{context.client_worker._conn_str}"
    return str(ray.get_runtime_context().gcs_address)


def job_environment() -> dict[str, Any]:
    """The runtime_env of this process's own job."""
    return dict(patiently(lambda: ray.get_runtime_context().runtime_env, ANSWER_S))


# -- to a lab


@dataclass(frozen=True, slots=True)
class Survey:
    """What the head node knows: its labs, and where a lab's notebook is or would be."""

    labs: list[Place]
    place: Place | None
    refusal: RaylabError | None = None


def _survey(name: str | None, notebook: str | None) -> Survey:
    """Runs on the head node, where the notebooks are."""
    labs = places.known()
    if name is None:
        return Survey(labs, None)
    try:
        folder = places.place_of(name, notebook)
    except RaylabError as error:
        return Survey(labs, None, error)
    return Survey(labs, places.look(name, folder))


def survey(name: str | None = None, notebook: str | None = None) -> Survey:
    """Ask the head node for the labs it knows."""
    return on_head(_survey, name, notebook)


def on_head(function: Callable[..., T], *args: Any) -> T:
    """Have a function that changes nothing run on the head node, where the notebooks are.

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


def running() -> list[str]:
    """The labs whose actor is there."""
    there = patiently(lambda: list_named_actors(all_namespaces=True), ANSWER_S)
    return sorted(actor["name"] for actor in there if actor["namespace"] == NAMESPACE)


def attach(name: str, *, notebook: str | None, create: bool) -> Connection:
    """Find the lab's actor; start it on its notebook if it is gone; make a new lab if there is none and `create`.

    Raises:
        LabNotFound: there is no such lab, and `create` is False.
        NameRefused: `notebook` is not where this lab's notebook is, or is another lab's.
        VersionMismatch: client and lab do not speak the same protocol.
        LabUnavailable: the cluster or the lab does not answer.
    """
    with Meanwhile(f"attaching to the lab {name!r}; a busy machine takes a while"):
        return _at_work(name, notebook) or _started(name, notebook, create)


def look(name: str) -> Connection | Place:
    """A lab as it is, for somebody who only wants to read: its actor, or, where that is at rest, its notebook's place
    on the head node. Starts nothing.

    Raises:
        LabNotFound, NotebookDamaged, VersionMismatch, LabUnavailable: as `attach`.
    """
    connection = _at_work(name, None)
    if connection is not None:
        return connection
    found = survey(name)
    place = _place(found, name, "read")
    if not place.user:
        raise _not_found(name, found)
    return place


def none_here(name: str | None, error: NoCluster) -> NoCluster:
    """The error with what can be done without a cluster: where the notebook of a lab lies, or which labs lie here."""
    labs = places.known()
    place = next((place for place in labs if place.name == name), None)
    if place is not None and place.trouble:
        return NoCluster(f"{error}. The notebook of {name!r} cannot be read: {place.trouble}")
    if place is not None:
        return NoCluster(
            f"{error}. The notebook of {name!r} is {place.notebook}: after `raylab start`, raylab.Lab({name!r}, "
            f"create=False) goes on with it; raylab.Notebook({place.notebook!r}) only reads it, without a cluster"
        )
    return NoCluster(f"{error}. Labs whose notebooks lie on this machine: {_listed(labs)}")


def _at_work(name: str, notebook: str | None) -> Connection | None:
    """The lab's actor, if it is there."""
    connection = Connection(name)
    if not connection.find():
        return None
    connection.greet()
    try:
        info = connection.info()
    except (LabFenced, NotebookDamaged) as error:  # its verbs say so too, but `shutdown` is the way out of it
        say(str(error))
        return connection
    if notebook is not None and notebook != info["notebook"]:
        refusal = survey(name, notebook).refusal  # what the path means, the head node knows
        if refusal is not None:
            raise refusal
    _say_whose(name, info["user"])
    return connection


def _place(found: Survey, name: str, verb: str) -> Place:
    if found.refusal is not None:
        raise found.refusal
    assert found.place is not None
    if found.place.trouble and not found.place.missing:
        raise NotebookDamaged(f"the lab {name!r} cannot be {verb}: {found.place.trouble}")
    return found.place


def _not_found(name: str, found: Survey) -> LabNotFound:
    return LabNotFound(f"there is no lab {name!r} on this cluster; labs there are: {_listed(found.labs)}")


def _listed(labs: Sequence[Place]) -> str:
    return ", ".join(repr(place.name) for place in labs) or "none"


def _started(name: str, notebook: str | None, create: bool) -> Connection:
    found = survey(name, notebook)
    place = _place(found, name, "started")
    if not place.user:
        if place.name == name and not create:
            raise _not_found(name, found)
        others = _listed(found.labs)
        say(f"{name!r} is a new lab, its notebook is {place.notebook}; labs there were before: {others}")
    elif place.name != name:
        raise NameRefused(
            f"{place.notebook} is the notebook of the lab {place.name!r}; attach to that, or give another folder"
        )
    else:
        _say_whose(name, place.user)
    give_birth(_address(), name, place.notebook, person())
    connection = Connection(name)
    if not connection.find():
        raise LabUnavailable(f"the lab {name!r} was started and is gone again; try again, and see Ray's logs")
    connection.greet()
    try:
        info = connection.info()
    except (ValueError, RuntimeError):  # it cannot use its notebook: leave nothing behind
        connection.end(force=True)
        raise
    if info["notebook"] != place.notebook:
        raise NameRefused(
            f"somebody made the lab {name!r} at the same moment, with its notebook in {info['notebook']}; leave "
            "notebook= out to attach to it, or give another name"
        )
    return connection


def _say_whose(name: str, user: str) -> None:
    if user and user != person():
        say(f"the lab {name!r} is {user}'s")


class Connection:
    """Calls to one lab. A call whose answer was lost is repeated: every verb is idempotent by its content."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._handle: Any = None
        self._session = session()

    def check(self) -> None:
        """Make sure that this process is connected as it was. Else Ray would start a cluster, or ask another one.

        Raises:
            LabUnavailable: it is not.
        """
        now = session()
        if now is None and is_lost():
            raise disconnected()
        if now != self._session:
            has = "no connection to Ray any more" if now is None else "another connection to Ray now"
            raise LabUnavailable(
                f"this process attached to the lab {self.name!r} and has {has}; attach again with Lab({self.name!r}). "
                "Nothing of the lab is lost, and it is safe to repeat the call"
            )

    def find(self) -> bool:
        """Look the actor up; whether it is there."""
        self.check()
        self._handle = patiently(self._look_up, ANSWER_S)
        return self._handle is not None

    def _look_up(self) -> Any:
        try:
            return ray.get_actor(self.name, namespace=NAMESPACE)
        except ValueError as error:
            if is_channels(error) and self.name not in str(error):
                raise  # gRPC's: there is no connection at the moment
            return None

    def greet(self) -> None:
        """Make sure that both sides speak the same protocol."""
        there = self.call("hello")
        if there["protocol"] != PROTOCOL:
            raise VersionMismatch(
                f"the lab {self.name!r} runs raylab {there['versions']['raylab']} (protocol {there['protocol']}), this "
                f"is raylab {versions()['raylab']} (protocol {PROTOCOL}); install the same version here, or end "
                f"the lab with `raylab shutdown {self.name}` and attach again to start it with this one"
            )

    def info(self) -> dict[str, Any]:
        found: dict[str, Any] = self.call("info")
        return found

    def call(self, verb: str, *args: Any, within: float = ANSWER_S) -> Any:
        """Call a verb of the lab.

        Args:
            verb: its name.
            *args: its arguments.
            within: seconds after which to give up.

        Raises:
            LabUnavailable: no answer in time. Nobody knows whether it was carried out; repeating it is safe.
            RaylabError: whatever the lab says.
        """
        self.check()
        until = time.monotonic() + within
        why: BaseException | None = None
        pause = 0.05
        while (left := until - time.monotonic()) > 0 and (self._handle is not None or self.find()):
            try:
                with Interruptible():
                    return self._ask(verb, args, left)
            except ray.exceptions.GetTimeoutError as error:
                why = error
                break
            except ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, RaylabError):
                    raise error.cause from None
                raise
            except _GONE as error:
                why = error
            except Exception as error:
                if session() is not None and not isinstance(error, ConnectionError) and not is_forgotten(error):
                    raise
                raise disconnected(error) from error
            time.sleep(min(pause, max(0.0, until - time.monotonic())))
            pause = min(2 * pause, 1.0)
            if isinstance(why, ray.exceptions.ActorDiedError):
                self.find()  # another one of this name, or none; Ray lists the dead one for a moment
            else:
                self._knock(until)
        if self._handle is None:
            raise LabUnavailable(
                f"the lab {self.name!r} is not running; Lab({self.name!r}) starts it again on its notebook"
            ) from why
        raise LabUnavailable(
            f"the lab {self.name!r} did not answer {verb} within {within:.0f} s ({type(why).__name__}); it is safe to "
            "repeat the call"
        ) from why

    def _ask(self, verb: str, args: tuple[Any, ...], left: float) -> Any:
        def ask() -> Any:
            return ray.get(getattr(self._handle, verb).remote(*args), timeout=left)

        return bounded(ask, left + SLACK_S)

    def _knock(self, until: float) -> None:
        """Wait until the lab answers again, as long as it is only being restarted.

        What is asked meanwhile fails at the next tick of a clock of Ray's that strikes every two seconds, also where
        the actor is back long before (seen with 2.60). So each question is given up soon, and asked anew. Not over
        `ray://`: a question that is given up there goes on, and may connect anew by itself when the connection breaks.
        """
        patience = BACK_S
        while not is_client() and (left := until - time.monotonic()) > 0:
            try:
                self._ask("hello", (), min(patience, left))
            except ray.exceptions.GetTimeoutError:
                patience *= 1.5  # it may be there, and busy
                continue
            except Exception:
                pass  # the call itself will meet it, and tell what it means
            return

    def end(self, force: bool) -> None:
        """Shut the lab down; its notebook stays."""
        self.call("close", force)  # it ends by itself then
        ended = self._handle
        until = time.monotonic() + ANSWER_S
        while self.find() and self._handle == ended and time.monotonic() < until:
            time.sleep(0.05)  # Ray frees the name when the process is gone
