"""The client's way to a lab: found by name at work, started on its notebook, or made anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ray.util import list_named_actors

from raylab.client.calls import Connection
from raylab.client.cluster import NoCluster, address_here, on_head
from raylab.client.lab_birth import give_birth
from raylab.client.session import ANSWER_S, patiently
from raylab.client.speech import Meanwhile, say
from raylab.core.closest import did_you_mean
from raylab.core.handle import names_of
from raylab.errors import LabFenced, LabNotFound, LabUnavailable, NameRefused, NotebookDamaged, RaylabError
from raylab.server import known_labs
from raylab.server.known_labs import Place
from raylab.server.protocol import NAMESPACE, person


@dataclass(frozen=True, slots=True)
class Survey:
    """What the head node knows: its labs, and where a lab's notebook is or would be."""

    labs: list[Place]
    place: Place | None
    refusal: RaylabError | None = None


def _survey(name: str | None, notebook: str | None) -> Survey:
    """Runs on the head node, where the notebooks are."""
    labs = known_labs.known()
    if name is None:
        return Survey(labs, None)
    try:
        folder = known_labs.place_of(name, notebook)
    except RaylabError as error:
        return Survey(labs, None, error)
    return Survey(labs, known_labs.look(name, folder))


def survey(name: str | None = None, notebook: str | None = None) -> Survey:
    """Ask the head node for the labs it knows."""
    with Meanwhile("waiting for the cluster's head node to say which labs it has"):
        return on_head(_survey, name, notebook)


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
    connection = _at_work(name, notebook)
    if connection is not None:
        return connection
    place = _to_start(name, notebook, create)
    with Meanwhile(f"starting the lab {name!r}"):
        return _started(name, place)


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
        raise not_found(name, found.labs)
    return place


def none_here(name: str | None, error: NoCluster) -> NoCluster:
    """The error with what can be done without a cluster: where the notebook of a lab lies, or which labs lie here."""
    labs = known_labs.known()
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
    with Meanwhile(f"attaching to the lab {name!r}: asking the Ray cluster for it"):
        if not connection.find():
            return None
    try:
        with Meanwhile(f"attaching to the lab {name!r}: waiting for its answer"):
            connection.greet()
            info = connection.info()
    except (LabFenced, NotebookDamaged) as error:  # its verbs say so too, but `shutdown` is the way out of it
        say(str(error))
        return connection
    if notebook is not None and notebook != info["notebook"]:
        found = survey(name, notebook)  # what the path means, the head node knows
        if found.refusal is not None:
            raise found.refusal
        if found.place is not None and found.place.id not in ("", info["id"]):  # a copy of its notebook
            raise NameRefused(
                f"the lab {name!r} is at work on its notebook in {info['notebook']}; `raylab shutdown {name}`, and "
                f"then attach again to go on with the copy in {found.place.notebook}"
            )
    _say_whose(name, info["user"])
    return connection


def _place(found: Survey, name: str, verb: str) -> Place:
    if found.refusal is not None:
        raise found.refusal
    assert found.place is not None
    if found.place.trouble and not found.place.missing:
        raise NotebookDamaged(f"the lab {name!r} cannot be {verb}: {found.place.trouble}")
    return found.place


def not_found(name: str, labs: Sequence[Place]) -> LabNotFound:
    """That there is no such lab, and which there are."""
    said = f"there is no lab {name!r} on this cluster; labs there are: {_listed(labs)}"
    said += did_you_mean(name, [place.name for place in labs])
    here = [place.notebook for place in known_labs.known() if place.name == name]
    if here:  # another cluster answers than the one that the lab was on
        said += f". This machine has a notebook of a lab of that name: `raylab status --notebook {here[0]}` reads it"
    return LabNotFound(said)


def _listed(labs: Sequence[Place]) -> str:
    hidden = names_of(place.name for place in labs if place.archived)
    shown = names_of(place.name for place in labs if not place.archived) or "none"
    return f"{shown}; archived: {hidden}" if hidden else shown


def _to_start(name: str, notebook: str | None, create: bool) -> Place:
    """Where the notebook is, or will be, of a lab that nobody runs."""
    found = survey(name, notebook)
    place = _place(found, name, "started")
    if not place.user:
        if place.name == name and not create:
            raise not_found(name, found.labs)
        others = _listed(found.labs)
        say(f"{name!r} is a new lab, its notebook is {place.notebook}; labs there were before: {others}")
    elif place.name != name:
        raise NameRefused(
            f"{place.notebook} is the notebook of the lab {place.name!r}; attach to that, or give another folder"
        )
    else:
        _say_whose(name, place.user)
    if place.archived:
        say(
            f"the lab {name!r} is archived; `raylab archive {name} --undo` has it listed again also while it is at rest"
        )
    return place


def _started(name: str, place: Place) -> Connection:
    give_birth(address_here(), name, place.notebook, person())
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
