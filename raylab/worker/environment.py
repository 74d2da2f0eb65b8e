"""What a process has: its Python, its platform, the installed packages with their versions.

The packages are told by the names of their folders of metadata (`numpy-2.4.6.dist-info`), which is what they are
installed under: to read the metadata of 300 packages takes 100 ms, to list them one.
Promises: nothing is imported for it; what is first on the path counts, as it does for imports.
"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from raylab.core.provenance import Environment

MOST = 5_000
"""Packages that are listed; a large installation has some 500."""

_METADATA = re.compile(r"(?P<name>[^-~]+)(-(?P<version>[^-]+)(-py[\d.]+)?(-[^-]+)?)?\.(dist|egg)-info")


def environment(path: Iterable[object] | None = None) -> Environment:
    """This process's own.

    Args:
        path: where modules are looked for; `sys.path` if None.

    Example:
        >>> environment([]).packages
        {}
    """
    found: dict[str, str] = {}
    places: Iterable[object] = sys.path if path is None else path
    for entry in places:
        if not isinstance(entry, str):  # imports do not look there either
            continue
        folder = Path(entry or ".")
        with suppress(OSError, ValueError):  # not there, not to be read, a zip, or no path at all
            for name, version in _installed(folder, folder.stat().st_mtime_ns):
                found.setdefault(name, version)
    kept = dict(sorted(found.items())[:MOST])
    return Environment(python=platform.python_version(), platform=platform.platform(), packages=kept)


def normalised(name: str) -> str:
    """A package's name as all spell it.

    Example:
        >>> normalised("Scikit_Learn")
        'scikit-learn'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


@lru_cache(maxsize=256)
def _installed(folder: Path, changed: int) -> tuple[tuple[str, str], ...]:
    """The packages in a folder, as long as nothing came or went there."""
    return tuple(_packages(folder))


def _packages(folder: Path) -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir()):
        if match := _METADATA.fullmatch(entry.name):
            version = match["version"] or _said(entry)
            if version:
                yield normalised(match["name"]), version


def _said(metadata: Path) -> str:
    """The version that metadata say of themselves, where their folder's name does not."""
    for file in (metadata / "METADATA", metadata / "PKG-INFO", metadata):
        with suppress(OSError):
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            return next((line.partition(":")[2].strip() for line in lines if line.startswith("Version:")), "")
    return ""
