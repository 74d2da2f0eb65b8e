"""Where the labs of a node have their notebooks: `RAYLAB_HOME` (`~/raylab` by default), a folder or a pointer each.

RAYLAB_HOME/NAME/             the notebook of the lab NAME
RAYLAB_HOME/NAME.place        a line with the folder of a notebook that lies elsewhere
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from raylab.errors import NameRefused, RaylabError
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
    trouble: str = ""  # why its notebook cannot be read


def home() -> Path:
    """The folder of this node's labs."""
    return Path(os.environ.get("RAYLAB_HOME") or "~/raylab").expanduser().absolute()


def known() -> list[Place]:
    """The labs of this node, by name."""
    root = home()
    if not root.is_dir():
        return []
    found = {}
    for entry in root.iterdir():
        if entry.suffix == SUFFIX and entry.is_file():
            found[entry.name.removesuffix(SUFFIX)] = Path(entry.read_text("utf-8").strip())
        elif (entry / layout.NOTEBOOK).is_file():
            found.setdefault(entry.name, entry)
    return [look(name, folder) for name, folder in sorted(found.items())]


def look(name: str, folder: Path) -> Place:
    """What the notebook in a folder says of itself; a place without user if there is none."""
    try:
        identity = layout.Identity.loads((folder / layout.NOTEBOOK).read_bytes(), str(folder))
    except FileNotFoundError:
        return Place(name=name, notebook=str(folder), trouble=f"there is no notebook in {folder}")
    except (OSError, RaylabError) as error:
        return Place(name=name, notebook=str(folder), trouble=str(error))
    return Place(name=identity.name, notebook=str(folder), user=identity.user, created=identity.created)


def place_of(name: str, notebook: str | None) -> Path:
    """The folder of a lab's notebook: the one asked for, the one remembered, or the default.

    Raises:
        NameRefused: the lab is known to have another one.
    """
    remembered = next((Path(place.notebook) for place in known() if place.name == name), None)
    if notebook is None:
        return remembered or home() / name
    asked = Path(notebook).expanduser().absolute()
    if remembered is not None and remembered.resolve() != asked.resolve():
        raise NameRefused(
            f"the lab {name!r} has its notebook in {remembered}, not in {asked}; leave notebook= out to attach to it, "
            "or give the new lab another name"
        )
    return asked


def remember(name: str, folder: Path) -> None:
    """Note where a lab's notebook lies, if it is not where one would look first."""
    root = home()
    if folder.absolute() == root / name:
        return
    line = f"{folder.absolute()}\n".encode()
    store = Store(root)
    store.make_folder("")
    if not store.put(f"{name}{SUFFIX}", line, line):
        place_of(name, str(folder))  # somebody was quicker: fine if it is the same folder
