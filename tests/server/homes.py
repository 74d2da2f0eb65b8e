"""Labs that are known on this node."""

from __future__ import annotations

from pathlib import Path

from raylab.notebook.writer import Writer
from raylab.server.known_labs import known, remember


def made(name: str, folder: Path) -> Path:
    """A lab's notebook, as its actor makes and remembers it."""
    Writer(folder, {}).establish(name, "ada")
    remember(name, str(folder))
    return folder


def listed() -> dict[str, str]:
    return {place.name: place.notebook for place in known()}
