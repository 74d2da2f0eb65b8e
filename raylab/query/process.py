"""The process of a query: reads the rows, calls the person's function, and writes what came into its folder.

It reads the notebook's files by itself, so the lab knows nothing of it. Large files are mapped, not read: the system
keeps of them what is needed and drops it again, so they may be larger than what the query may take.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import resource
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl

from raylab.errors import NotebookDamaged, VersionMismatch
from raylab.notebook.posix import PosixStore, SystemCalls
from raylab.offline import Notebook, through
from raylab.query import answer
from raylab.query.asked import ANSWER_BYTES, Asked, Outcome
from raylab.query.raised import Raised, told
from raylab.worker.ray_internals import PICKLES, pickles_alone
from raylab.worker.unpack import this_python, unpack

ASKED, OUTCOME, ANSWER = "asked", "outcome", "answer"
"""The files of a query's folder: what is asked, what came of it, and the answer itself."""

MAPPED_BYTES = 2**20
"""Smaller files are read: those are the journal's, which are deleted while somebody reads."""

POLARS = str(Path(pl.__file__).parent)


class _Mapping(SystemCalls):
    """Gives large files without reading them."""

    def read(self, path: Path) -> Any:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < MAPPED_BYTES:
                return file.read()
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


class _Unpickler(pickle.Unpickler):
    """Loads what Ray's cloudpickle has written, without Ray."""

    def find_class(self, module: str, name: str) -> Any:
        return getattr(pickles_alone(), name) if module == PICKLES else super().find_class(module, name)


def run(folder: Path) -> None:
    """Answer the query whose folder this is."""
    _give_way()
    asked: Asked = pickle.loads((folder / ASKED).read_bytes())
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("default")
        outcome = _outcome(asked, folder, heard)
    half = folder / f"{OUTCOME}.half"
    half.write_bytes(pickle.dumps(outcome))
    half.rename(folder / OUTCOME)


def _give_way() -> None:
    """Where the machine runs out of memory, the kernel ends this process first; and what it prints fills no disk."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * ANSWER_BYTES, resource.RLIM_INFINITY))


def _outcome(asked: Asked, folder: Path, heard: list[warnings.WarningMessage]) -> Outcome:
    kind, why = _answered(asked, folder)
    warned = [(each.category.__name__, str(each.message)) for each in heard]
    if why is not None:
        return Outcome(kind="raised", raised=why, warned=warned)
    assert kind is not None
    return Outcome(kind=kind, size=(folder / ANSWER).stat().st_size, warned=warned)


def _answered(asked: Asked, folder: Path) -> tuple[answer.Kind | None, Raised | None]:
    try:
        function = _function(asked, folder)
        rows = _rows(asked)
        return answer.save(answer.settled(function(rows), rows), folder / ANSWER), None
    except BaseException as error:  # also what would end the process: the function is a person's
        return None, told(error, [POLARS])


def _rows(asked: Asked) -> pl.LazyFrame:
    """What `scan` gives of the notebook, whoever writes it at the moment."""
    notebook: Notebook = through(PosixStore(asked.place, _Mapping()))
    if notebook.identity.id != asked.ident:
        raise NotebookDamaged(f"another notebook lies in {asked.place} by now; attach to the lab again")
    return notebook.scan(
        asked.sweeps, status=asked.status, metadata=asked.metadata, table=asked.table, columns=asked.columns
    )


def _function(asked: Asked, folder: Path) -> Callable[[pl.LazyFrame], object]:
    """The person's function, with its modules.

    Raises:
        VersionMismatch: it is of another Python.
        ValueError: it cannot be loaded here.
    """
    if asked.python != this_python():  # tried instead of refused, this may crash: bytecode has no version of its own
        raise VersionMismatch(
            f"the query's function is of Python {_dotted(asked.python)}, and the lab's node runs Python "
            f"{_dotted(this_python())}; ask from a Python of that version"
        )
    if asked.modules is not None:
        sys.path.insert(0, str(unpack(asked.modules, folder / "code")))
    try:
        made: Callable[[pl.LazyFrame], object] = _Unpickler(io.BytesIO(asked.function)).load()
    except ModuleNotFoundError as error:
        raise ValueError(
            f"the query's function needs the module {error.name!r}, which is not installed on the lab's node"
        ) from None
    except Exception as error:
        here = pl.__version__
        other = "" if asked.polars == here else f" It comes from polars {asked.polars}, the node has {here}."
        raise ValueError(
            f"the query's function cannot be loaded on the lab's node: {type(error).__name__}: {error}.{other}"
        ) from None
    return made


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
