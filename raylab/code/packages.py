"""The installed packages that an experiment reaches, with their versions.

Another version makes no other experiment, but it may make other results: so it is stored, and told.
Promises: no package is imported for it.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable
from importlib import metadata

from raylab.code.local_modules import NEVER_LOCAL, Finder


def package_ingredients(names: Iterable[str], finder: Finder) -> dict[str, str]:
    """`package NAME` with the version, for all that is neither Python's own nor local.

    Args:
        names: of the modules that are reached.
        finder: knows which are local.
    """
    found = {}
    for top in sorted(_foreign(names, finder)):
        version = next((version for version in map(_version, _distributions(top)) if version is not None), None)
        if version is not None:
            found[f"package {top}"] = version
    return found


def requires(names: Iterable[str], finder: Finder, package: str) -> bool:
    """Whether one of the installed packages among `names` is, or needs by its metadata, a package."""
    waiting, seen = [name for top in _foreign(names, finder) for name in _distributions(top)], set()
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name == package:
            return True
        if name not in seen:
            seen.add(name)
            waiting += _needs(name)
    return False


def _foreign(names: Iterable[str], finder: Finder) -> set[str]:
    tops = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - NEVER_LOCAL
    return {top for top in tops if top.isidentifier() and not top.startswith("__") and finder.find(top) is None}


@functools.cache
def _distributions(top: str) -> tuple[str, ...]:
    """What it is installed by: mostly of the same name, which is quick to see."""
    if _version(top) is not None:
        return (top,)
    return tuple(sorted(set(_all_distributions().get(top, ()))))


_all_distributions = functools.cache(metadata.packages_distributions)


@functools.cache
def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except (metadata.PackageNotFoundError, ValueError):
        return None


@functools.cache
def _needs(distribution: str) -> tuple[str, ...]:
    """What it cannot do without; what stands under an extra is left out."""
    try:
        found = metadata.requires(distribution) or []
    except (metadata.PackageNotFoundError, ValueError):
        return ()
    plain = (need for need in found if "extra ==" not in need)
    return tuple("".join(c if c.isalnum() or c in "-_." else " " for c in need).split()[0] for need in plain)
