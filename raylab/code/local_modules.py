"""Which local modules an experiment reaches, and the files that have to travel for them.

A module is local if it has a file that belongs neither to Python nor to an installed package; an editable
install is local. Reached is what the experiment's own modules import, directly or through others, inside
functions too.
Promises: nothing is imported and nothing is run to find out; a package travels whole, data files included.
"""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from raylab.code.references import import_names
from raylab.code.source import REMEMBERED, parse
from raylab.errors import ExperimentError

# They are on every worker anyway, in the lab's version; `__main__` is pickled by value.
NEVER_LOCAL = frozenset({"raylab", "ray", "__main__", "__mp_main__"})

# A package has less. What has more is a home folder or a data set that looks like a package.
MAX_FILES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """A local module: its file, and the folders it spans if it is a package."""

    name: str
    file: Path | None
    folders: tuple[Path, ...] = ()


class Finder:
    """Finds local modules by name; looks at each name once."""

    def __init__(self) -> None:
        names = ("stdlib", "platstdlib")
        roots = {Path(os.__file__).parent, *(Path(sysconfig.get_path(name)) for name in names)}
        self._python = roots | {root.resolve() for root in roots}
        self._found: dict[str, Local | None] = {}

    def find(self, name: str) -> Local | None:
        """The module if it is local; None if it is not, or if there is none of that name."""
        if name not in self._found:
            self._found[name] = None if name.partition(".")[0] in NEVER_LOCAL else self._look(name)
        return self._found[name]

    def _look(self, name: str) -> Local | None:
        file, folders = _place_of_loaded(sys.modules.get(name)) or self._place_of_unloaded(name)
        path = Path(file).absolute() if file else None
        local = tuple(f for f in (Path(folder).absolute() for folder in folders) if self._is_local(f))
        if path is not None and (not path.is_file() or not self._is_local(path)):
            return None
        return Local(name=name, file=path, folders=local) if path is not None or local else None

    def _place_of_unloaded(self, name: str) -> tuple[str | None, list[str]]:
        parent, _, _ = name.rpartition(".")
        try:
            if not parent:
                spec = importlib.util.find_spec(name)
            else:
                # Not find_spec: it imports the parents, and their code is not ours to run.
                package = self.find(parent)
                folders = [str(folder) for folder in package.folders] if package else []
                spec = importlib.machinery.PathFinder.find_spec(name, folders) if folders else None
        except (ImportError, ValueError, AttributeError):
            spec = None
        if spec is None:
            return None, []
        return spec.origin if spec.has_location else None, list(spec.submodule_search_locations or ())

    def _is_local(self, path: Path) -> bool:
        for place in (path, path.resolve()):
            if {"site-packages", "dist-packages"} & set(place.parts):
                return False
            if any(root in place.parents for root in self._python):
                return False
        return True


def reach(names: Iterable[str], finder: Finder) -> tuple[dict[str, Local], set[str]]:
    """The local modules among `names`, their packages, and what local modules these import; by name.

    Returns:
        These, and all names that were met on the way: of modules that are not local, and of what is imported from them.
    """
    reached: dict[str, Local] = {}
    waiting = list(names)
    met: set[str] = set()
    while waiting:
        met.add(waiting[-1])
        parts = waiting.pop().split(".")
        for end in range(1, len(parts) + 1):
            name = ".".join(parts[:end])
            module = finder.find(name) if name and name not in reached else None
            if module is not None:
                reached[name] = module
                if module.file is not None:
                    waiting += imports(module.file, name if module.folders else name.rpartition(".")[0])
    return dict(sorted(reached.items())), met


def imports(file: Path, package: str) -> list[str]:
    """What a source file imports, as absolute names; names imported from a module count as modules here."""
    return list(_imported(file.read_bytes(), package)) if file.suffix == ".py" else []


@lru_cache(maxsize=REMEMBERED)
def _imported(source: bytes, package: str) -> tuple[str, ...]:
    tree = parse(source)
    found: list[str] = []
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            found += import_names(node.module or "", names, node.level, package)
    return tuple(found)


def module_files(modules: Iterable[Local], finder: Finder) -> dict[str, Path]:
    """The files that make the modules importable, by their names in the zip."""
    # A module without its package, as test runners load them, is put where its own name says.
    parts = {part.name: part for part in (finder.find(m.name.partition(".")[0]) or m for m in modules)}
    files: dict[str, Path] = {}
    for name, part in parts.items():
        place = name.replace(".", "/")
        for folder in dict.fromkeys(part.folders):  # a folder without __init__ is found once for each entry of the path
            files.update(folder_files(folder, place))
        if part.file is not None and not part.folders:
            files[f"{place}{_suffix(part.file)}"] = part.file
    return files


def folder_files(folder: Path, place: str, leave: Callable[[str], bool] = lambda name: False) -> dict[str, Path]:
    """All files of a folder, but for caches, hidden ones, virtual environments, and what `leave` says of names in it.

    `place` stands before the names.
    """
    files: dict[str, Path] = {}
    seen: set[str] = set()
    for current, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(current)
        if real in seen or "pyvenv.cfg" in names:
            folders.clear()
            continue
        seen.add(real)
        inner = f"{Path(current).relative_to(folder).as_posix()}/".removeprefix("./")
        plain = (name for name in folders if name != "__pycache__" and not name.startswith("."))
        folders[:] = [name for name in plain if not leave(f"{inner}{name}/")]
        for name in names:
            if not name.startswith(".") and not leave(f"{inner}{name}"):
                path = Path(current, name)
                if path.is_file():
                    files[f"{place}/{inner}{name}"] = path
        if len(files) > MAX_FILES:
            raise ExperimentError(
                f"{folder} would travel with the experiment, and it has more than {MAX_FILES} files. "
                f"Move the code that the experiment needs into a folder of its own."
            )
    return files


def included(item: str | os.PathLike[str] | ModuleType, finder: Finder) -> tuple[dict[str, Path], str | None]:
    """What an entry of `include=` stands for: files to add, or the name of a module to reach.

    Raises:
        ExperimentError: there is no such file, folder or local module.
    """
    if isinstance(item, ModuleType):
        item = item.__name__
    elif Path(item).exists():
        path = Path(os.path.abspath(item))  # noqa: PTH100  (a link keeps its own name, "." gets one)
        return (folder_files(path, path.name) if path.is_dir() else {path.name: path}), None
    name = os.fspath(item)
    if finder.find(name) is None:
        raise ExperimentError(
            f"include={name!r}: there is no file, folder or local module of that name (looked in "
            f"{Path.cwd()}; installed packages do not travel, name them in runtime_env={{'pip': [...]}})."
        )
    return {}, name


def _place_of_loaded(module: object) -> tuple[str | None, list[str]] | None:
    if not isinstance(module, ModuleType):
        return None
    # vars, not getattr: lazy modules import themselves when they are asked.
    file, path = vars(module).get("__file__"), vars(module).get("__path__")
    folders = [str(entry) for entry in path] if isinstance(path, Iterable) else []
    return file if isinstance(file, str) else None, folders


def _suffix(file: Path) -> str:
    """`.py`, or all of `.cpython-311-x86_64-linux-gnu.so`."""
    return file.suffix if file.suffix == ".py" else file.name[file.name.index(".") :]
