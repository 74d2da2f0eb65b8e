"""What travels: an experiment as bytes, made on a client, stored in the notebook, loaded by a worker.

`pack` makes the pickle and a zip of the local modules the experiment reaches; `raylab.worker.unpack` undoes it on
a worker. Promises: equal modules give an equal zip; the worker needs nothing of the client;
what cannot travel is refused on the client, by name.
"""

from __future__ import annotations

import io
import os
import pickle
import sys
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from raylab.code.captured_generators import ADVICE, in_module, in_source
from raylab.code.drawing import seeds
from raylab.code.identity import file_ingredients, object_ingredients
from raylab.code.local_modules import Finder, Local, imports, included, module_files, reach
from raylab.code.packages import imported, package_ingredients
from raylab.code.pickling import pickled
from raylab.errors import ExperimentError
from raylab.worker.experiment import label
from raylab.worker.unpack import this_python

LIMIT_BYTES = 50 * 2**20
"""Of the pickle, and of the files before they are packed: the notebook keeps the code of every version, and workers
unpack it. 50 MB is a hundred times what one writes by hand; what is larger is data, and data has better ways."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold; any fixed one would do

Include = str | os.PathLike[str] | ModuleType


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """An experiment, ready to travel.

    Attributes:
        pickle: the experiment; for `load` only.
        modules: a zip of the local modules and included files; None if there are none.
        ingredients: what makes the experiment the same as another; see `raylab.core.difference`.
        label: what the experiment is called where nobody named it.
        warnings: sentences for the person who submits it.
        imports: the installed packages that it reaches, by the names that they are installed by.
    """

    pickle: bytes
    modules: bytes | None
    ingredients: dict[str, str]
    label: str
    warnings: list[str]
    imports: tuple[str, ...] = ()


def pack(
    experiment: object,
    include: Include | Iterable[Include] = (),
    *,
    extra: Mapping[str, Path] = {},
    reached: Iterable[str] = (),
) -> Code:
    """Pack an experiment with all local code it reaches.

    Args:
        experiment: anything `raylab.worker.experiment.adapt` takes.
        include: files, folders or modules that travel too: a file under its name, a folder under its name.
        extra: more files, by the names that trials find them by. They count by their content, but for unused Python.
        reached: modules that trials import beside those of the experiment: of the classes of levels.

    Raises:
        ExperimentError: it cannot be pickled, is too large, or something to include does not exist.
    """
    name = label(experiment)
    finder = Finder()
    data, found = _loaded(experiment, include, extra, reached, finder)
    ingredients = object_ingredients(experiment, set(found.modules))
    ingredients |= file_ingredients(found.modules, found.files, found.included)
    ingredients |= package_ingredients(found.names, finder)
    outer = {
        "python": this_python(),
        "seeds": seeds(found.names, found.modules, finder),
        "files": tuple(sorted(found.included.union(extra))),
        "experiment": data,
    }
    return Code(
        pickle=pickle.dumps(outer, protocol=4),
        modules=_zip(found.files),
        ingredients=ingredients,
        label=name,
        warnings=_copied_generators(found.modules),
        imports=imported(found.names, finder),
    )


def luggage(function: object) -> tuple[bytes, bytes | None]:
    """The pickle of a function that is to run once, somewhere else, and a zip of the local modules that it reaches;
    None if there are none.

    Raises:
        ExperimentError: it cannot be pickled, or is too large.
    """
    data, found = _loaded(function, (), {}, (), Finder())
    return data, _zip(found.files)


def several(include: Include | Iterable[Include], *more: Include) -> list[Include]:
    """An `include` as a list, whether it is one thing or several."""
    if isinstance(include, str | os.PathLike | ModuleType):
        return [include, *more]
    if not isinstance(include, Iterable):
        raise ExperimentError(f"include names files, folders or modules, one or several; got {include!r}")
    return [*include, *more]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    """What travels beside the pickle."""

    modules: dict[str, Local]
    names: set[str]  # of all modules that were met
    files: dict[str, Path]
    included: set[str]  # names in `files` that `include=` brought


def _loaded(
    value: object,
    include: Include | Iterable[Include],
    extra: Mapping[str, Path],
    reached: Iterable[str],
    finder: Finder,
) -> tuple[bytes, _Load]:
    """The pickle of something, and what travels beside it."""
    name = label(value)
    data, met = pickled(value)
    if len(data) > LIMIT_BYTES:
        raise ExperimentError(
            f"{name} has {_megabytes(len(data))} when pickled, more than {_megabytes(LIMIT_BYTES)}: it carries data in "
            f"a global, a default, a closure or an attribute. Load the data inside of {name}."
        )
    found = _gather({*met, *reached}, include, extra, finder)
    _check_size(name, found.files)
    return data, found


def _gather(
    met: Iterable[str], include: Include | Iterable[Include], extra: Mapping[str, Path], finder: Finder
) -> _Load:
    roots = set(met)
    asked: dict[str, Path] = {}
    for item in several(include):
        files, module = included(item, finder)
        for name, path in files.items():
            _add(asked, name, path)
            package = name.rpartition("/")[0].replace("/", ".")
            roots.update(imports(path, package))
        roots.update([module] if module is not None else [])
    modules, names = reach(roots, finder)
    together = module_files(modules.values(), finder)
    for name, path in (*asked.items(), *extra.items()):
        _add(together, name, path)
    return _Load(modules=modules, names=names, files=dict(sorted(together.items())), included=set(asked))


def _copied_generators(modules: Mapping[str, Local]) -> list[str]:
    """What to say of generators at the top of reached modules: a process makes them when it imports those."""
    found: list[str] = []
    for name, module in modules.items():
        loaded = sys.modules.get(name)
        if loaded is not None:
            found += in_module(loaded)
        elif module.file is not None:
            found += in_source(module.file, name)
    if not found:
        return []
    named = ", ".join(sorted(set(found)))
    return [
        f"made where a module is imported: {named}. Each process starts from a copy of such a generator of random "
        f"numbers, so trials in different processes get the same numbers. {ADVICE}"
    ]


def _add(files: dict[str, Path], name: str, path: Path) -> None:
    there = files.setdefault(name, path)
    if there != path and there.read_bytes() != path.read_bytes():
        raise ExperimentError(f"{there} and {path} would both travel as {name}. Rename one of them.")


def _check_size(name: str, files: Mapping[str, Path]) -> None:
    sizes = {file: path.stat().st_size for file, path in files.items()}
    if sum(sizes.values()) <= LIMIT_BYTES:
        return
    largest = sorted(sizes, key=lambda file: (-sizes[file], file))[:5]
    listed = "".join(f"\n  {_megabytes(sizes[file]):>10}  {file}" for file in largest)
    raise ExperimentError(
        f"The code that {name} reaches has {_megabytes(sum(sizes.values()))}, more than "
        f"{_megabytes(LIMIT_BYTES)}. Move data out of the package and give the experiment its path. "
        f"The largest files:{listed}"
    )


def _zip(files: Mapping[str, Path]) -> bytes | None:
    if not files:
        return None
    # Of the mode only what matters: umasks differ, programs in a package must stay programs.
    named = ((name, 0o755 if path.stat().st_mode & 0o100 else 0o644, path) for name, path in sorted(files.items()))
    return _zipped(tuple((name, mode, path.read_bytes()) for name, mode, path in named))


@lru_cache(maxsize=1)  # a cell that is run again brings the same; 270 files of 2 MB take 50 ms
def _zipped(contents: tuple[tuple[str, int, bytes], ...]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, mode, data in contents:
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3  # Unix, wherever it is made
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return made.getvalue()


def _megabytes(size: int) -> str:
    return f"{size / 2**20:.1f} MB"
