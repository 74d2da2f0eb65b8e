"""What travels: an experiment as bytes, made on a client, stored in the notebook, loaded by a worker.

`pack` makes the pickle and a zip of the local modules the experiment reaches; `unpack` and `load` undo it on
a worker. Promises: equal modules give an equal zip, so equal hashes; the worker needs nothing of the client;
what cannot travel is refused on the client, by name. Nothing here needs a running Ray.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import os
import pickle
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from raylab.code.identity import file_ingredients, object_ingredients
from raylab.code.pickling import pickled
from raylab.code.reach import Finder, Local, imports, included, module_files, reach
from raylab.errors import ExperimentError, VersionMismatch
from raylab.experiment import label

__all__ = ["Code", "load", "pack", "unpack"]

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
    data = pickle.dumps((_python(), data), protocol=4)
    return Code(
        pickle=data,
        modules=zipped,
        pickle_hash=hashlib.sha256(data).hexdigest(),
        modules_hash=hashlib.sha256(zipped).hexdigest() if zipped is not None else None,
        ingredients=ingredients,
        label=name,
        warnings=warnings,
    )


def unpack(modules: bytes, folder: Path) -> Path:
    """Unpack a zip into `folder/HASH` and return that path; at once if it is there already.

    Several processes may do so at the same time: each unpacks beside it, the first to rename wins.
    """
    target = Path(folder) / hashlib.sha256(modules).hexdigest()
    with zipfile.ZipFile(io.BytesIO(modules)) as archive:
        if _is_whole(target, archive):
            return target
        Path(folder).mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder))
        try:
            for info in archive.infolist():
                Path(archive.extract(info, made)).chmod(info.external_attr >> 16)
            _put(made, target, archive)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return target


def load(data: bytes, modules: Path | None) -> object:
    """Make the experiment again, in a process that may know nothing of its code.

    Args:
        data: the `pickle` of a `Code`.
        modules: where its modules are unpacked; put first on `sys.path`.

    Raises:
        VersionMismatch: it was pickled by another Python, whose functions this one cannot run.
        ExperimentError: anything else, with what to do.
    """
    if modules is not None and sys.path[:1] != [str(modules)]:
        sys.path.insert(0, str(modules))
        importlib.invalidate_caches()
    python, inner = pickle.loads(data)
    if python != _python():
        # Tried instead of refused, this may crash the process: bytecode has no version of its own.
        raise VersionMismatch(
            f"The experiment was submitted from Python {python[0]}.{python[1]}, and the worker runs Python "
            f"{sys.version_info[0]}.{sys.version_info[1]}. Submit it from a Python of the cluster's version."
        )
    try:
        experiment: object = pickle.loads(inner)
    except ModuleNotFoundError as error:
        raise ExperimentError(
            f"The experiment needs the module {error.name!r}, which did not travel with it and is not "
            f"installed on the worker. If it is yours, name it in include=; if it is a package, in "
            f"runtime_env={{'pip': [{error.name!r}]}}."
        ) from error
    except (Exception, SystemExit) as error:  # its modules run here; some exit
        raise ExperimentError(
            f"The experiment cannot be loaded on the worker: {type(error).__name__}: {error}. If a package "
            f"has another version there, name the one you have in runtime_env={{'pip': [...]}}."
        ) from error
    return experiment


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


def _is_whole(target: Path, archive: zipfile.ZipFile) -> bool:
    """Cleaners of temporary folders take files out of what a long-lived cluster unpacked."""
    try:
        return all((target / info.filename).stat().st_size == info.file_size for info in archive.infolist())
    except OSError:
        return False


def _put(made: Path, target: Path, archive: zipfile.ZipFile) -> None:
    for _ in range(10):
        try:
            made.rename(target)
            return
        except OSError:
            if _is_whole(target, archive):  # another process was first
                return
            away = Path(tempfile.mkdtemp(prefix=".damaged-", dir=target.parent))
            try:
                target.rename(away / "it")
            except FileNotFoundError:  # another process put it away
                continue
            finally:
                shutil.rmtree(away, ignore_errors=True)
    raise OSError(f"{target} cannot be put in place")


def _python() -> tuple[int, int]:
    return (sys.version_info[0], sys.version_info[1])


def _megabytes(size: int) -> str:
    return f"{size / 2**20:.1f} MB"
