"""What travels: an experiment as bytes, made on a client, stored in the notebook, loaded by a worker.

`pack` makes the pickle and a zip of the local modules the experiment reaches; `raylab.code.unpack` undoes it on
a worker. Promises: equal modules give an equal zip, so equal hashes; the worker needs nothing of the client;
what cannot travel is refused on the client, by name. Nothing here needs a running Ray.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from raylab.code.identity import file_ingredients, object_ingredients
from raylab.code.pickling import pickled
from raylab.code.reach import Finder, Local, imports, included, module_files, reach
from raylab.code.unpack import this_python
from raylab.errors import ExperimentError
from raylab.experiment import label

# The notebook keeps the code of every version and every worker unpacks it. 50 MB is a hundred times what one
# writes by hand; what is larger is data, and data has better ways.
LIMIT_BYTES = 50 * 1024 * 1024

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold; any fixed one would do

Include = str | os.PathLike[str] | ModuleType


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """An experiment, ready to travel.

    Attributes:
        pickle: the experiment; for `load` only.
        modules: a zip of the local modules and included files; None if there are none.
        pickle_hash: sha256 of the pickle.
        modules_hash: sha256 of the zip.
        ingredients: what makes the experiment the same as another; see `raylab.core.difference`.
        label: what the experiment is called where nobody named it.
        warnings: sentences for the person who submits it.
    """

    pickle: bytes
    modules: bytes | None
    pickle_hash: str
    modules_hash: str | None
    ingredients: dict[str, str]
    label: str
    warnings: list[str]


def pack(experiment: object, include: Include | Iterable[Include] = (), limit_bytes: int = LIMIT_BYTES) -> Code:
    """Pack an experiment with all local code it reaches.

    Args:
        experiment: anything `raylab.experiment.adapt` takes.
        include: files, folders or modules that travel too: a file under its name, a folder under its name.
        limit_bytes: how large the pickle, and the files before they are packed, may be.

    Raises:
        ExperimentError: it cannot be pickled, is too large, or something to include does not exist.
    """
    name = label(experiment)
    data, met = pickled(experiment)
    if len(data) > limit_bytes:
        raise ExperimentError(
            f"{name} has {_megabytes(len(data))} when pickled, more than {_megabytes(limit_bytes)}: it "
            f"carries data in a global, a default, a closure or an attribute. "
            f"Load the data inside the experiment."
        )
    modules, files, extra = _gather(met, include)
    _check_size(name, files, limit_bytes)
    ingredients, warnings = object_ingredients(experiment, set(modules))
    ingredients |= file_ingredients(modules, files, extra)
    zipped = _zip(files) if files else None
    outer = {"python": this_python(), "seeds": _seeds(met), "files": tuple(sorted(extra)), "experiment": data}
    data = pickle.dumps(outer, protocol=4)
    return Code(
        pickle=data,
        modules=zipped,
        pickle_hash=hashlib.sha256(data).hexdigest(),
        modules_hash=hashlib.sha256(zipped).hexdigest() if zipped is not None else None,
        ingredients=ingredients,
        label=name,
        warnings=warnings,
    )


_QUIET = frozenset({"__main__", "builtins", "math", "time", "os", "sys", "json", "raylab.experiment", "cloudpickle"})


def _seeds(met: Iterable[str]) -> tuple[str, ...]:
    quiet = all(name.partition(".")[0] in ("ray", *_QUIET) or name in _QUIET for name in met)
    return () if quiet else ("random", "numpy")


def _gather(
    met: Iterable[str], include: Include | Iterable[Include]
) -> tuple[dict[str, Local], dict[str, Path], set[str]]:
    """The modules reached, all files that travel, and the names of those that were asked for."""
    finder = Finder()
    roots = set(met)
    extra: dict[str, Path] = {}
    items: Iterable[Any] = [include] if isinstance(include, str | os.PathLike | ModuleType) else include
    for item in items:
        files, module = included(item, finder)
        for name, path in files.items():
            _add(extra, name, path)
            package = name.rpartition("/")[0].replace("/", ".")
            roots.update(imports(path, package))
        roots.update([module] if module is not None else [])
    modules = reach(roots, finder)
    together = module_files(modules.values(), finder)
    for name, path in extra.items():
        _add(together, name, path)
    return modules, dict(sorted(together.items())), set(extra)


def _add(files: dict[str, Path], name: str, path: Path) -> None:
    there = files.setdefault(name, path)
    if there != path and there.read_bytes() != path.read_bytes():
        raise ExperimentError(f"{there} and {path} would both travel as {name}. Rename one of them.")


def _check_size(name: str, files: Mapping[str, Path], limit_bytes: int) -> None:
    sizes = {file: path.stat().st_size for file, path in files.items()}
    if sum(sizes.values()) <= limit_bytes:
        return
    largest = sorted(sizes, key=lambda file: (-sizes[file], file))[:5]
    listed = "".join(f"\n  {_megabytes(sizes[file]):>10}  {file}" for file in largest)
    raise ExperimentError(
        f"The code that {name} reaches has {_megabytes(sum(sizes.values()))}, more than "
        f"{_megabytes(limit_bytes)}. Move data out of the package and give the experiment its path. "
        f"The largest files:{listed}"
    )


def _zip(files: Mapping[str, Path]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(files.items()):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3  # Unix, wherever it is made
            # Of the mode only what matters: umasks differ, programs in a package must stay programs.
            info.external_attr = (0o755 if path.stat().st_mode & 0o100 else 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, path.read_bytes())
    return made.getvalue()


def _megabytes(size: int) -> str:
    return f"{size / 2**20:.1f} MB"
