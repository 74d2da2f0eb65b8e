"""Modules of the past in a process that has loaded newer ones of the same names.

While `own_modules` holds, the names of the modules in a folder belong to these alone: they are loaded anew, from there
and from nowhere else. Afterwards all names mean again what they meant before.
A folder without `__init__.py` is a name that others may share, so it keeps the parts that it has elsewhere.
Must never unload an installed package: compiled ones cannot be loaded twice.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import invalidate_caches
from importlib.machinery import ModuleSpec, PathFinder, all_suffixes
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

_ABSENT = object()


def module_names(files: Iterable[str]) -> frozenset[str]:
    """The names of the modules among some files.

    Example:
        >>> sorted(module_names(["model.py", "lab/__init__.py", "lab/core.py", "plain/x.py", "table.csv"]))
        ['lab', 'lab.core', 'model', 'plain.x']
    """
    suffixes = tuple(all_suffixes())
    paths = [PurePosixPath(file) for file in files if file.endswith(suffixes)]
    parts = ((*path.parent.parts, path.name.partition(".")[0]) for path in paths)
    return frozenset(".".join(each[:-1] if each[-1] == "__init__" else each) for each in parts)


@contextmanager
def own_modules(folder: Path, files: Iterable[str]) -> Iterator[None]:
    """While this holds, what is imported by the name of a module in a folder is that module, loaded anew.

    Args:
        folder: where they are.
        files: in the folder, by their relative paths.
    """
    names = module_names(files)
    shared = {above for name in names for above in _above(name) if not _belongs(above, names)}
    kept = {name for name in shared if name in sys.modules and not _is_local_package(sys.modules[name])}
    own = names | (shared - kept)
    ties = [_Tie(sys.modules[above], name) for name in own if (above := name.rpartition(".")[0]) in kept]
    finder: Any = _Finder(folder, names, shared)
    before = _taken(own)
    sys.meta_path.insert(0, finder)
    invalidate_caches()
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        _taken(own)
        sys.modules.update(before)
        for tie in ties:
            tie.put_back()


class _Finder:
    """Finds modules in a folder, by their names.

    Args:
        folder: where they are.
        names: theirs.
        shared: names of folders that others may share.
    """

    def __init__(self, folder: Path, names: frozenset[str], shared: set[str]) -> None:
        self._folder = folder
        self._names = names
        self._shared = shared

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        """As any finder's; None for what is not of the folder."""
        if name in self._shared:
            found = PathFinder.find_spec(name, path)
            if found is not None and found.loader is None:  # with the parts that it has elsewhere
                return found
        elif name not in self._names:
            return None
        return PathFinder.find_spec(name, [str(self._folder.joinpath(*name.split(".")[:-1]))])


class _Tie:
    """What a package that stays calls by the name of a module inside of it."""

    def __init__(self, package: ModuleType, module: str) -> None:
        self._package = package
        self._name = module.rpartition(".")[2]
        self._value = vars(package).get(self._name, _ABSENT)

    def put_back(self) -> None:
        """Let it be as it was."""
        if self._value is not _ABSENT:
            setattr(self._package, self._name, self._value)
        elif self._name in vars(self._package):
            delattr(self._package, self._name)


def _taken(names: frozenset[str]) -> dict[str, Any]:
    """The modules of these names that are loaded, with what is inside of them; they are no longer, then."""
    found = [name for name in sys.modules if _belongs(name, names)]
    return {name: sys.modules.pop(name) for name in found}


def _belongs(module: str, names: frozenset[str]) -> bool:
    """Whether a module has one of these names, or is inside of one that has."""
    return module in names or any(above in names for above in _above(module))


def _above(module: str) -> Iterator[str]:
    """The packages that a module is inside of."""
    parts = module.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts)))


def _is_local_package(module: ModuleType) -> bool:
    """Whether a folder has become a package since, by an `__init__.py`, where a person works."""
    file = vars(module).get("__file__")
    return isinstance(file, str) and not {"site-packages", "dist-packages"} & set(Path(file).parts)
