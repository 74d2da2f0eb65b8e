"""What `working_dir` and `py_modules` of a runtime_env name: files of a person's, which travel as code.

Ray would upload them for the job that submits, and collect them soon after that job has ended; a lab goes on. So they
travel with the experiment, at the root of its zip, where modules and relative paths find them.
Promises: what cannot be found, or is no local folder, is refused with what to do; patterns of files to leave out mean
what they mean to Ray, which is what they mean to git.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pathspec import GitIgnoreSpec

from raylab.code.local_modules import folder_files
from raylab.errors import DesignError

_IGNORE_FILE = ".rayignore"


def working_dir(folder: object, excludes: object = ()) -> dict[str, Path]:
    """The files of a folder, by the names that trials find them by.

    Args:
        folder: a local path.
        excludes: patterns as in a .gitignore; what the folder's own .rayignore says is left out, too.

    Raises:
        DesignError: there is no such local folder, or the patterns are none.
        ExperimentError: it has far too many files.
    """
    path = Path(_local("working_dir", folder, "a folder"))
    if not path.is_dir():
        what = "is no folder" if path.exists() else "is not there"
        raise DesignError(f"runtime_env's working_dir {str(path)!r} {what} (looked in {Path.cwd()}); give a folder")
    if isinstance(excludes, str) or not _are_texts(excludes):
        raise DesignError(f"runtime_env's excludes is a list of patterns, as ['*.tmp', 'data/']; got {excludes!r}")
    patterns: list[str] = list(excludes)  # type: ignore[call-overload]
    own = path / _IGNORE_FILE
    if own.is_file():
        patterns += own.read_text(encoding="utf-8").splitlines()
    rules = GitIgnoreSpec.from_lines(patterns)
    files = folder_files(path.absolute(), "", leave=lambda name: _is_left_out(name, rules))
    return {name.lstrip("/"): file for name, file in files.items()}


def py_modules(items: object) -> list[Any]:
    """The packages and modules of a `py_modules`, as `include=` takes them.

    Raises:
        DesignError: it is no list, or an entry is no local package, file or module.
    """
    if isinstance(items, str | os.PathLike) or not isinstance(items, Iterable):
        raise DesignError(f"runtime_env's py_modules is a list of folders, .py files and modules; got {items!r}")
    return [item if hasattr(item, "__spec__") else _python(item) for item in items]


def _python(item: object) -> str:
    path = _local("py_modules", item, "a package's folder, a .py file or a module")
    if path.endswith(".whl"):
        raise DesignError(f"runtime_env's py_modules {path!r} is a wheel: name it in runtime_env={{'pip': [...]}}")
    if not Path(path).exists():
        raise DesignError(f"runtime_env's py_modules {path!r} is not there (looked in {Path.cwd()})")
    return path


def _local(word: str, given: object, wanted: str) -> str:
    path = os.fspath(given) if isinstance(given, str | os.PathLike) else None
    if not isinstance(path, str):
        raise DesignError(f"runtime_env's {word} takes {wanted}; got {given!r}")
    if "://" in path:
        raise DesignError(
            f"runtime_env's {word} {path!r} is an address: what lies there may be gone or changed when a trial runs. "
            f"Give {wanted} of this machine, which travels with the experiment; or fetch it inside of the experiment"
        )
    return os.path.expanduser(path)  # noqa: PTH111


def _are_texts(value: object) -> bool:
    return isinstance(value, Iterable) and all(isinstance(each, str) for each in value)


def _is_left_out(name: str, rules: GitIgnoreSpec) -> bool:
    """Of a folder, whose name ends in a slash, all: unless something in it may be taken in again."""
    if name.endswith("/") and any(pattern.include is False for pattern in rules.patterns):
        return False
    return rules.match_file(name)
