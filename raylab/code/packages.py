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
from raylab.worker.environment import normalised


def package_ingredients(names: Iterable[str], finder: Finder) -> dict[str, str]:
    """`package NAME` with the version, for all that is neither Python's own nor local.

    Args:
        names: of the modules that are reached.
        finder: knows which are local.
    """
    return {f"package {top}": version for top, (_, version) in _reached(names, finder).items()}


def imported(names: Iterable[str], finder: Finder) -> tuple[str, ...]:
    """The packages that are reached, by the names that they are installed by, as all spell them."""
    return tuple(sorted({normalised(distribution) for distribution, _ in _reached(names, finder).values()}))


def _reached(names: Iterable[str], finder: Finder) -> dict[str, tuple[str, str]]:
    """By what is imported: what it is installed by, and the version."""
    found = {}
    for top in sorted(_foreign(names, finder)):
        versions = ((distribution, _version(distribution)) for distribution in _distributions(top))
        known = next(((name, version) for name, version in versions if version is not None), None)
        if known is not None:
            found[top] = known
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
