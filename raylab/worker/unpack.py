"""An experiment that travelled: unpacked and loaded in a process that may know nothing of its code.

The worker's side of `pack`, and a module of its own because a worker's first lease waits for its imports.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import pickle
import shutil
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from raylab.errors import ExperimentError, VersionMismatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What travelled, in the process that runs it.

    Attributes:
        experiment: what is run.
        seeds: the global generators it may draw from, which are to be seeded before each trial: `random`, `numpy`,
            `torch`; none where all it reaches is known not to draw.
        files: what `include=` and `working_dir` brought, by the names in the zip; a trial finds them in its folder.
    """

    experiment: object
    seeds: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What travelled, before anything of it is loaded.

    Attributes:
        python: the version of Python whose bytecode it has.
        seeds, files: as of `Loaded`.
        pickle: the experiment.
    """

    python: tuple[int, int]
    seeds: tuple[str, ...]
    files: tuple[str, ...]
    pickle: bytes

    def load(self, modules: Path | None) -> Loaded:
        """Make the experiment again. What stands in the way of that is raised as it comes.

        Args:
            modules: where its modules are unpacked; put first on `sys.path`.
        """
        if modules is not None and sys.path[:1] != [str(modules)]:
            sys.path.insert(0, str(modules))
            importlib.invalidate_caches()
        return Loaded(experiment=pickle.loads(self.pickle), seeds=self.seeds, files=self.files)


def opened(data: bytes) -> Opened:
    """What the `pickle` of a `Code` says of itself."""
    outer = pickle.loads(data)
    return Opened(
        python=outer["python"],
        seeds=tuple(outer.get("seeds", ())),
        files=tuple(outer.get("files", ())),
        pickle=outer["experiment"],
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


def load(data: bytes, modules: Path | None) -> Loaded:
    """Make the experiment again, in a process that may know nothing of its code.

    Args:
        data: the `pickle` of a `Code`.
        modules: where its modules are unpacked; put first on `sys.path`.

    Raises:
        VersionMismatch: it was pickled by another Python, whose functions this one cannot run.
        ExperimentError: anything else, with what to do.
    """
    found = opened(data)
    python = found.python
    if python != this_python():
        # Tried instead of refused, this may crash the process: bytecode has no version of its own.
        raise VersionMismatch(
            f"The experiment was submitted from Python {python[0]}.{python[1]}, and the worker runs Python "
            f"{sys.version_info[0]}.{sys.version_info[1]}. Submit it from a Python of the cluster's version."
        )
    try:
        return found.load(modules)
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


def this_python() -> tuple[int, int]:
    """The version of Python that bytecode is of."""
    return (sys.version_info[0], sys.version_info[1])


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
