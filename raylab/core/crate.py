"""What `ro-crate-metadata.json` says of a parcel: RO-Crate 1.1 by the profile Process Run Crate 0.5.

One action stands for each code version of each sweep. Its instrument is that code, its objects are what was asked, its
results the rows. Every file is an entity with its size and sha256, named by the root itself, so that no reader has to
look for parts of parts.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

from raylab.core.authors import Author, Licence

METADATA = "ro-crate-metadata.json"

RO_CRATE = "https://w3id.org/ro/crate/1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
TERMS = "https://w3id.org/ro/terms/workflow-run"

LEFT_OUT = "its value was left out, since it may be a secret"

NO_LICENCE = "No licence was given. Ask the authors before you use or pass on what is in here."

_TYPES = {
    ".cff": "application/yaml",
    ".diff": "text/x-diff",
    ".json": "application/json",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".py": "text/x-python",
    ".txt": "text/plain",
    ".zip": "application/zip",
}
"""Where this is no matter of which machine asks. A pickle has no type of its own."""

Entity: TypeAlias = dict[str, Any]
State: TypeAlias = Literal["Potential", "Active", "Completed", "Failed"]
"""The words of schema.org's ActionStatusType."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What people say of a parcel.

    Attributes:
        title: its name.
        description: what it is about.
        licence: None if none was given.
        authors: those who are to be named.
    """

    title: str
    description: str
    licence: Licence | None
    authors: tuple[Author, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a parcel.

    Attributes:
        path: where, with `/` between the parts.
        what: what it is, in a sentence.
        size: its bytes.
        sha256: of them.
    """

    path: str
    what: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What ran of a sweep with one version of its code.

    Attributes:
        sweep: its name.
        version: the number of the code version.
        user: who submitted that version.
        what: what was run, in a sentence.
        folder: where in the parcel the version's code lies.
        label: the experiment's name.
        objects: the files that say what was asked.
        results: the files with the rows.
        state: how it ended, or whether it has begun.
        error: why it failed; empty if it did not.
        started_us, ended_us: the beginning of its first trial and the end of its last one, since the epoch; None where
            nothing ran.
        url: where the code comes from; empty if nobody knows.
        packages: the installed packages that it ran with, with their versions.
        software: what else it ran with, with its version: Python.
        variables: environment variables that were set for it; None for a value that is left out.
        image: the container that it ran in; empty for none.
    """

    sweep: str
    version: int
    user: str
    what: str
    folder: str
    label: str
    objects: Sequence[str]
    results: Sequence[str]
    state: State
    error: str = ""
    started_us: int | None = None
    ended_us: int | None = None
    url: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    software: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str | None] = field(default_factory=dict)
    image: str = ""


def metadata(about: About, published: datetime, files: Sequence[File], runs: Sequence[Run]) -> Entity:
    """The whole document, as JSON takes it.

    Args:
        about: what people say of the parcel.
        published: the day it bears.
        files: all of its files but this one.
        runs: what ran.
    """
    graph = _Graph()
    folders = _folders(files)
    parts = [*(each.path for each in files), *folders]
    licence = graph.add(_licence(about.licence))
    authors = [graph.add(_person(author)) for author in about.authors]
    graph.add({"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"})
    actions = [_add_run(graph, run) for run in runs]
    for each in files:
        graph.add(_file(each))
    for folder in folders:
        graph.add(_folder(folder, [part for part in parts if _parent(part) == folder]))
    root: Entity = {
        "@id": "./",
        "@type": "Dataset",
        "conformsTo": {"@id": PROFILE},
        "name": about.title,
        "description": about.description,
        "datePublished": published.date().isoformat(),
        "license": licence,
        "author": authors,
        "hasPart": [_ref(part) for part in parts],
        "mentions": actions,
    }
    descriptor: Entity = {
        "@id": METADATA,
        "@type": "CreativeWork",
        "conformsTo": {"@id": RO_CRATE},
        "about": {"@id": "./"},
    }
    return {
        "@context": [f"{RO_CRATE}/context", f"{TERMS}/context"],
        "@graph": [descriptor, *map(_compact, [root, *graph.entities.values()])],
    }


def _compact(entity: Entity) -> Entity:
    """With a value for a list of one, as RO-Crate asks for."""
    return {key: value[0] if isinstance(value, list) and len(value) == 1 else value for key, value in entity.items()}


class _Graph:
    """Entities by their ids, each once."""

    def __init__(self) -> None:
        self.entities: dict[str, Entity] = {}

    def add(self, entity: Entity) -> Entity:
        """Have an entity; of one that is there already, what was not said of it. Gives the reference to it."""
        known = self.entities.setdefault(entity["@id"], {})
        types = list(dict.fromkeys([*_listed(known.get("@type")), *_listed(entity["@type"])]))
        self.entities[entity["@id"]] = {**entity, **known, "@type": types if types[1:] else types[0]}
        return {"@id": entity["@id"]}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _ref(path: str) -> Entity:
    return {"@id": quote(path)}


def _parent(path: str) -> str:
    """The folder that a file, or a folder, lies in; empty for the root."""
    head, slash, _ = path.rstrip("/").rpartition("/")
    return head + slash


def _folders(files: Iterable[File]) -> list[str]:
    """All folders of a parcel, each with a `/` at its end."""
    found: dict[str, None] = {}
    for file in files:
        above, path = [], file.path
        while path := _parent(path):
            above.append(path)
        found |= dict.fromkeys(reversed(above))
    return list(found)


def _file(file: File) -> Entity:
    return {
        **_ref(file.path),
        "@type": "File",
        "name": file.path.rpartition("/")[2],
        "description": file.what,
        "contentSize": str(file.size),
        "encodingFormat": media_type(file.path),
        "sha256": file.sha256,
    }


def media_type(path: str) -> str:
    """By the ending of a file's name.

    Example:
        >>> media_type("sweeps/coarse/results.parquet"), media_type("code/1/experiment.pkl")
        ('application/vnd.apache.parquet', 'application/octet-stream')
    """
    ending = path[path.rfind(".") :].lower() if "." in path else ""
    return _TYPES.get(ending) or mimetypes.types_map.get(ending, "application/octet-stream")


def _folder(folder: str, parts: Sequence[str]) -> Entity:
    name = folder.rstrip("/").rpartition("/")[2]
    return {**_ref(folder), "@type": "Dataset", "name": name, "hasPart": [_ref(part) for part in parts]}


def _licence(licence: Licence | None) -> Entity:
    if licence is None:
        return {"@id": "#no-licence", "@type": "CreativeWork", "name": "No licence", "description": NO_LICENCE}
    return {"@id": licence.url, "@type": "CreativeWork", "name": licence.name, "identifier": licence.url}


def _person(author: Author) -> Entity:
    family, given = author.parts
    person = {"name": author.name, "givenName": given, "familyName": family, "email": author.email}
    return {
        "@id": author.orcid or f"#author-{quote(author.name, safe='')}",
        "@type": "Person",
        **_filled(person),
    }


def _add_run(graph: _Graph, run: Run) -> Entity:
    """The action, and what it points to."""
    needs = [_software(name, version) for name, version in run.software.items()]
    needs += [_package(name, version) for name, version in run.packages.items()]
    instrument = {
        **_ref(run.folder),
        "@type": ["SoftwareApplication", "SoftwareSourceCode"],
        "name": f"{run.label}, code version {run.version} of the sweep {run.sweep}",
        "version": str(run.version),
        "url": run.url,
        "softwareRequirements": list(map(graph.add, needs)),
    }
    ident = f"#run-{quote(run.sweep, safe='')}-{run.version}"
    action = {
        "@id": ident,
        "@type": "CreateAction",
        "name": f"{run.sweep}, code version {run.version}",
        "description": run.what,
        "instrument": graph.add(_filled(instrument)),
        "object": list(map(_ref, run.objects)),
        "result": list(map(_ref, run.results)),
        "agent": graph.add({"@id": f"#user-{quote(run.user, safe='')}", "@type": "Person", "name": run.user}),
        "startTime": _moment(run.started_us),
        "endTime": _moment(run.ended_us),
        "actionStatus": f"http://schema.org/{run.state}ActionStatus",
        "error": run.error,
        "environment": [graph.add(_variable(ident, *each)) for each in run.variables.items()],
        "containerImage": graph.add(_image(run.image)) if run.image else None,
    }
    return graph.add(_filled(action))


def _filled(entity: Entity) -> Entity:
    """Without what nobody knows."""
    return {key: value for key, value in entity.items() if value not in ("", None, [])}


def _moment(time_us: int | None) -> str:
    return "" if time_us is None else datetime.fromtimestamp(time_us / 1e6, UTC).isoformat(timespec="milliseconds")


def _variable(run: str, name: str, value: str | None) -> Entity:
    said = {"description": LEFT_OUT} if value is None else {"value": value}
    return {"@id": f"{run}-{quote(name, safe='')}", "@type": "PropertyValue", "name": name, **said}


def _package(name: str, version: str) -> Entity:
    url = f"https://pypi.org/project/{quote(name)}/{quote(version)}/"
    return {"@id": url, "@type": "SoftwareApplication", "name": name, "url": url, "softwareVersion": version}


def _software(name: str, version: str) -> Entity:
    about = {"@id": f"#{name}-{quote(version)}", "@type": "SoftwareApplication", "name": name}
    return _filled({**about, "url": _HOMES.get(name, ""), "softwareVersion": version})


_HOMES = {"Python": "https://www.python.org/"}
"""Of what is no package."""


def _image(name: str) -> Entity:
    """A container's image, its name taken apart as `docker` does.

    Example:
        >>> _image("quay.io/lab/tool:1.2")["name"], _image("rayproject/ray")["registry"]
        ('lab/tool', 'docker.io')
    """
    registry, slash, rest = name.partition("/")
    if not slash or not ({".", ":"} & set(registry) or registry == "localhost"):
        registry, rest = "docker.io", name
    rest, _, digest = rest.partition("@sha256:")
    head, colon, tag = rest.rpartition(":")
    image = {
        "@id": f"#image-{quote(name, safe='')}",
        "@type": "ContainerImage",
        "additionalType": {"@id": f"{TERMS}#DockerImage"},
        "registry": registry,
        "name": head if colon else rest,
        "tag": tag if colon else "",
        "sha256": digest,
    }
    return _filled(image)
