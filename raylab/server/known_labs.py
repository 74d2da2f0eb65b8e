"""Where the labs of a node have their notebooks: `RAYLAB_HOME` (`~/raylab` by default), a folder or a pointer each.

RAYLAB_HOME/NAME/             the notebook of the lab NAME
RAYLAB_HOME/NAME.place        a line with the place of a notebook that lies elsewhere
RAYLAB_HOME/NAME.archived     a line with who has hidden the lab
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from raylab.errors import NameRefused, NotebookDamaged, RaylabError, told
from raylab.notebook import layout
from raylab.notebook.place import absolute, store_at
from raylab.notebook.posix import PosixStore

SUFFIX = ".place"
ARCHIVED = ".archived"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A lab that this node knows."""

    name: str
    notebook: str
    user: str = ""
    created: str = ""
    id: str = ""  # the notebook's own
    origins: tuple[str, ...] = ()  # of which notebooks it is a copy
    trouble: str = ""  # why its notebook cannot be read
    missing: bool = False  # there is none
    removing: bool = False  # it is being deleted, or was until somebody was cut
    archived: bool = False


def home() -> Path:
    """The folder of this node's labs."""
    return Path(os.environ.get("RAYLAB_HOME") or "~/raylab").expanduser().absolute()


def known() -> list[Place]:
    """The labs of this node, by name."""
    folders = _folders()
    # A folder may have been copied or renamed: of several notebooks of one lab that counts which bears its name.
    found: dict[str, Place] = {}
    for name, folder in sorted(folders.items()):
        place = look(name, folder)
        if not place.removing and (place.name == name or place.name not in folders):
            found.setdefault(place.name, place)
    return sorted(found.values(), key=lambda place: place.name)


def _folders() -> dict[str, str]:
    """Every place in which a notebook is, or should be, by the name that says so here."""
    found: dict[str, str] = {}
    root = home()
    for entry in root.iterdir() if root.is_dir() else ():
        with contextlib.suppress(PermissionError):  # another user's, in a home that several share
            if entry.suffix == SUFFIX and entry.is_file():
                found[entry.name.removesuffix(SUFFIX)] = entry.read_bytes().decode(errors="replace").strip()
            elif (entry / layout.NOTEBOOK).is_file():
                found.setdefault(entry.name, str(entry))
    return found


def look(name: str, notebook: str) -> Place:
    """What the notebook in a place says of itself; a place without user if there is none."""
    store = store_at(notebook)
    try:
        identity = layout.Identity.loads(store.get(layout.NOTEBOOK), notebook)
    except FileNotFoundError:
        trouble = f"there is no notebook in {notebook}"
        return Place(name=name, notebook=notebook, trouble=trouble, missing=True, removing=layout.is_removing(store))
    except (OSError, RaylabError) as error:
        return Place(name=name, notebook=notebook, trouble=told(error))
    return Place(
        name=identity.name,
        notebook=notebook,
        user=identity.user,
        created=identity.created,
        id=identity.id,
        origins=identity.origins,
        archived=(home() / (identity.name + ARCHIVED)).exists(),
    )


def place_of(name: str, notebook: str | None) -> str:
    """The place of a lab's notebook: the one asked for, the one remembered, or the default.

    Raises:
        NameRefused: the lab is known to have another one, of which this is no copy, or no lab can have this name here.
        NotebookDamaged: the one remembered is gone.
    """
    for suffix in (SUFFIX, ARCHIVED):
        if name.endswith(suffix):
            raise NameRefused(f"{name!r} cannot be the name of a lab: {suffix!r} ends the files about where labs are")
    place = next((place for place in known() if place.name == name), None)
    wanted = None if notebook is None else absolute(notebook)
    if place is not None and place.missing:
        # Its disk may not be mounted. A new notebook there would hide the old one, and run everything again.
        raise NotebookDamaged(
            f"the lab {name!r} has its notebook in {place.notebook}, and there is none now; bring the folder back, or "
            f"delete {home() / (name + SUFFIX)} to begin a new one, or to go on with a copy by notebook="
        )
    if place is not None and wanted is not None:
        _check_same(place, wanted)
    return wanted or (str(home() / name) if place is None else place.notebook)


def remember(name: str, notebook: str) -> None:
    """Note where a lab's notebook lies, if it is not where one would look first.

    Raises:
        NameRefused: the lab is known to have another one, of which this is no copy.
    """
    root = home()
    wanted = absolute(notebook)
    pointer = root / (name + SUFFIX)
    if wanted == str(root / name) and not pointer.exists():
        return
    line = f"{wanted}\n".encode()
    PosixStore(root).put(pointer.name, line, line)
    remembered = _folders().get(name)  # somebody may have been quicker: fine if it is the same place
    if remembered is not None and remembered != wanted:
        place = look(name, remembered)
        if not place.removing:
            _check_same(place, wanted)
        if not _is_one(remembered, wanted):
            _point(pointer, line)


def archive(name: str, user: str, undo: bool) -> None:
    """Hide a lab, or show it again."""
    store, mark = PosixStore(home()), name + ARCHIVED
    line = f"{user}\n".encode()
    if undo:
        store.remove(mark)
        store.settle("")
    else:
        store.put(mark, line, line)


def places(name: str) -> list[str]:
    """Where the notebook of a lab lies or did lie, as the name says here."""
    named = [place.notebook for place in known() if place.name == name]
    return [*named, _folders().get(name) or str(home() / name)]


def forget(name: str) -> None:
    """Let the name stand for no notebook any more."""
    names = PosixStore(home())
    for suffix in (SUFFIX, ARCHIVED):
        names.remove(name + suffix)
    names.settle("")


def _point(pointer: Path, line: bytes) -> None:
    """Let the name mean another place from now on; whoever reads it finds the one or the other."""
    draft = pointer.with_suffix(f".{uuid4().hex}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(line)
        file.flush()
        os.fsync(fd)
    draft.replace(pointer)
    PosixStore(pointer.parent).settle("")


def _is_one(one: str, other: str) -> bool:
    return Path(one).resolve() == Path(other).resolve()


def _check_same(place: Place, wanted: str) -> None:
    """A place may be another one where a copy of the lab's notebook lies."""
    if _is_one(place.notebook, wanted):
        return
    if place.id and place.id in look(place.name, wanted).origins:
        return
    raise NameRefused(
        f"the lab {place.name!r} has its notebook in {place.notebook}, not in {wanted}; leave notebook= out to attach "
        f"to it, give the new lab another name, or move the lab to a copy: `raylab copy {place.notebook} {wanted}`"
    )
