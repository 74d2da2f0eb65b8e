"""Where the labs of a node have their notebooks: `RAYLAB_HOME` (`~/raylab` by default), a folder or a pointer each.

RAYLAB_HOME/NAME/             the notebook of the lab NAME
RAYLAB_HOME/NAME.place        a line with the folder of a notebook that lies elsewhere
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from raylab.errors import NameRefused, NotebookDamaged, RaylabError, told
from raylab.notebook import layout
from raylab.notebook.store import Store

SUFFIX = ".place"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A lab that this node knows."""

    name: str
    notebook: str
    user: str = ""
    created: str = ""
    id: str = ""  # the notebook's own
    trouble: str = ""  # why its notebook cannot be read
    missing: bool = False  # there is none


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
        if place.name == name or place.name not in folders:
            found.setdefault(place.name, place)
    return sorted(found.values(), key=lambda place: place.name)


def _folders() -> dict[str, Path]:
    """Every folder in which a notebook is, or should be, by the name that says so here."""
    found: dict[str, Path] = {}
    root = home()
    for entry in root.iterdir() if root.is_dir() else ():
        with contextlib.suppress(PermissionError):  # another user's, in a home that several share
            if entry.suffix == SUFFIX and entry.is_file():
                found[entry.name.removesuffix(SUFFIX)] = Path(entry.read_bytes().decode(errors="replace").strip())
            elif (entry / layout.NOTEBOOK).is_file():
                found.setdefault(entry.name, entry)
    return found


def look(name: str, folder: Path) -> Place:
    """What the notebook in a folder says of itself; a place without user if there is none."""
    try:
        identity = layout.Identity.loads((folder / layout.NOTEBOOK).read_bytes(), str(folder))
    except FileNotFoundError:
        return Place(name=name, notebook=str(folder), trouble=f"there is no notebook in {folder}", missing=True)
    except (OSError, RaylabError) as error:
        return Place(name=name, notebook=str(folder), trouble=told(error))
    return Place(name=identity.name, notebook=str(folder), user=identity.user, created=identity.created, id=identity.id)


def place_of(name: str, notebook: str | None) -> Path:
    """The folder of a lab's notebook: the one asked for, the one remembered, or the default.

    Raises:
        NameRefused: the lab is known to have another one, or no lab can have this name here.
        NotebookDamaged: the one remembered is gone.
    """
    if name.endswith(SUFFIX):
        raise NameRefused(f"{name!r} cannot be the name of a lab: {SUFFIX!r} ends the files that say where labs are")
    place = next((place for place in known() if place.name == name), None)
    remembered = None if place is None else Path(place.notebook)
    if remembered is not None and notebook is not None:
        _check_same(name, remembered, Path(notebook).expanduser().absolute())
    if remembered is not None and _is_gone(remembered):
        # Its disk may not be mounted. A new notebook there would hide the old one, and run everything again.
        raise NotebookDamaged(
            f"the lab {name!r} has its notebook in {remembered}, and there is none now; bring the folder back, or "
            f"delete {home() / (name + SUFFIX)} to begin a new one"
        )
    if notebook is not None:
        return Path(notebook).expanduser().absolute()
    return remembered or home() / name


def remember(name: str, folder: Path) -> None:
    """Note where a lab's notebook lies, if it is not where one would look first.

    Raises:
        NameRefused: the lab is known to have another one.
    """
    root = home()
    if folder.absolute() == root / name:
        return
    line = f"{folder.absolute()}\n".encode()
    store = Store(root)
    store.make_folder()
    store.put(f"{name}{SUFFIX}", line, line)
    remembered = _folders().get(name)  # somebody may have been quicker: fine if it is the same folder
    if remembered is not None:
        _check_same(name, remembered, folder.absolute())


def _is_gone(folder: Path) -> bool:
    try:
        (folder / layout.NOTEBOOK).stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:  # what it is, opening the notebook will say
        return False
    return False


def _check_same(name: str, remembered: Path, asked: Path) -> None:
    if remembered.resolve() != asked.resolve():
        raise NameRefused(
            f"the lab {name!r} has its notebook in {remembered}, not in {asked}; leave notebook= out to attach to it, "
            "or give the new lab another name"
        )
