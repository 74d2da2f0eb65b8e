"""Where a submission comes from, as this process tells it: the experiment's repository, the command, the machine, the
packages.

Promises: nothing of it keeps anybody from submitting; what cannot be known is left out.
"""

from __future__ import annotations

import functools
import inspect
import os
import platform
import shlex
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raylab.client.git import text
from raylab.client.repository import Found, look
from raylab.core.provenance import Environment, Provenance
from raylab.worker.environment import environment

__all__ = ["Looking", "Origin", "origin"]

INTERACTIVE = "interactive"

MOST_WORDS = 10_000
"""Characters of a command line: a shell's pattern may have made it of a thousand files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a submission says of where it comes from."""

    provenance: Provenance
    environment: Environment
    diff: bytes | None


class Looking:
    """Looks which repository an experiment comes from, while the submission is made ready: git takes as long as that.

    Args:
        experiment: as it was given to `submit`.

    Example:
        >>> Looking(len).origin(imports=()).provenance.imports
        ()
    """

    def __init__(self, experiment: object) -> None:
        self._notebook, source = _notebook(), _source(experiment)
        places = (source, _script(), None if self._notebook is None else Path(self._notebook), _folder())
        self._found: Found | None = None
        self._thread = threading.Thread(target=self._look, args=(places, source), name="raylab-git", daemon=True)
        self._thread.start()

    def _look(self, places: Sequence[Path | None], source: Path | None) -> None:
        self._found = look([place for place in places if place is not None], source)

    def origin(self, imports: tuple[str, ...]) -> Origin:
        """What there is to say.

        Args:
            imports: the installed packages that the experiment reaches.
        """
        self._thread.join()
        return origin(self._notebook, imports, self._found)


def origin(notebook: str | None = None, imports: tuple[str, ...] = (), found: Found | None = None) -> Origin:
    """What there is to say of this process, and of a repository if one was found.

    Args:
        notebook: the notebook that the process runs for, if it does.
        imports: the installed packages that the experiment reaches.
        found: the repository.
    """
    here = environment()
    provenance = Provenance(
        command=notebook or _command(),
        folder=text(str(_folder() or "")),
        host=platform.node(),
        environment=here.digest,
        imports=imports,
        tree=None if found is None else found.tree,
    )
    return Origin(provenance=provenance, environment=here, diff=None if found is None else found.diff)


def _source(experiment: object) -> Path | None:
    """The file that the experiment is written in, if there is one: a notebook's cell has none."""
    for each in _faces(experiment):
        with suppress(Exception):  # it is built in, or answers as it likes
            file = inspect.getsourcefile(each)
            if file is not None and Path(file).is_file():
                return Path(file)
    return None


def _faces(experiment: object) -> Iterator[Any]:
    """What of it may tell its file: the function inside, or its class."""
    while isinstance(experiment, functools.partial):
        experiment = experiment.func
    with suppress(Exception):  # it wraps itself
        experiment = inspect.unwrap(experiment)  # type: ignore[arg-type]
    yield experiment
    if not isinstance(experiment, type):
        yield type(experiment)


def _script() -> Path | None:
    """The file that this process runs."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(file) if isinstance(file, str) else None


def _folder() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # it was deleted
        return None


def _command() -> str:
    """The command line, or that somebody types."""
    if not sys.argv or sys.argv[0] in ("", "-") or _shell() is not None:
        return INTERACTIVE
    words = sys.orig_argv if sys.argv[0] == "-c" else sys.argv
    return text(shlex.join(map(str, words)))[:MOST_WORDS]


def _notebook() -> str | None:
    """The notebook that this process runs for, as VS Code or a Jupyter server name it."""
    shell = _shell()
    if shell is None:
        return None
    named = getattr(shell, "user_ns", {}).get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    return text(named) if isinstance(named, str) and named else None


def _shell() -> Any:
    """IPython's, if this is one; nothing is loaded for it."""
    getter = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return None if getter is None else getter()
