"""How many threads BLAS, OpenMP and torch have in a worker: as many as the trial has CPUs, whatever came before.

Libraries read the environment when they are loaded, and a worker serves many sweeps in its life. So each lease sets
both: the environment, for what is loaded later and for child processes, and what is loaded already, through
threadpoolctl. What a sweep's own `env_vars` say about threads stays as it says. Everything is set afresh at each lease,
because a trial may have changed it; looking for libraries costs 0.5 ms and is done only where something was imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

OPENMP = "OMP_NUM_THREADS"
"""What a library goes by that has no variable of its own, or finds that unset."""

_OWN = {"openblas": "OPENBLAS_NUM_THREADS", "mkl": "MKL_NUM_THREADS", "blis": "BLIS_NUM_THREADS"}
"""By threadpoolctl's name of a library."""

VARIABLES = (OPENMP, *_OWN.values(), "VECLIB_MAXIMUM_THREADS")


def named(env_vars: Mapping[str, Any]) -> dict[str, str]:
    """Those of a sweep's own environment variables that say how many threads there are.

    Example:
        >>> named({"OMP_NUM_THREADS": "4", "GREETING": "hello"})
        {'OMP_NUM_THREADS': '4'}
    """
    return {name: str(env_vars[name]) for name in VARIABLES if name in env_vars}


def limit_threads(threads: int, own: Mapping[str, str]) -> None:
    """Let what is loaded, and what will be, have this many threads.

    Args:
        threads: how many.
        own: what the sweep itself says, by variable.
    """
    wanted = _wanted(threads, own)
    os.environ.update(wanted)
    for library, name in _loaded():
        _set(library, _count(wanted[name]))


@contextmanager
def kept() -> Iterator[None]:
    """Afterwards the libraries that are loaded now have as many threads as now, and those that are loaded meanwhile as
    many as they would have if they were loaded now. The environment is the caller's."""
    wanted = _wanted(os.cpu_count() or 1, named(os.environ))
    before = {_path(each): each.get_num_threads() for each, _ in _loaded() if hasattr(each, "get_num_threads")}
    try:
        yield
    finally:
        for library, name in _loaded():
            _set(library, before.get(_path(library), _count(wanted[name])))


def _wanted(threads: int, own: Mapping[str, str]) -> dict[str, str]:
    """By variable how many threads there are, where some variables say it themselves."""
    return {name: own.get(name, own.get(OPENMP, str(threads))) for name in VARIABLES}


def _loaded() -> Iterator[tuple[Any, str]]:
    """What is loaded that has threads, with the variable that it goes by."""
    for library in _libraries(len(sys.modules)):
        yield library, _OWN.get(library.internal_api, OPENMP)
    if "torch" in sys.modules:
        yield sys.modules["torch"], OPENMP


def _path(library: Any) -> str | None:
    """Which library it is: whoever looks again finds it in another object. None is torch, which has no such name."""
    return getattr(library, "filepath", None)


def _set(library: Any, count: int | None) -> None:
    if count is not None and hasattr(library, "set_num_threads"):
        with suppress(Exception):  # a library of its own kind must not keep a sweep from running
            library.set_num_threads(count)


@lru_cache(maxsize=1)
def _libraries(modules: int) -> Sequence[Any]:
    """The libraries of this process, where so many modules are imported."""
    with suppress(Exception):
        # Here: 5 ms, and whoever only looks at the names of variables does without.
        from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

        return tuple(ThreadpoolController().lib_controllers)
    return ()


def _count(text: str) -> int | None:
    """OpenMP takes a list, one number for each level."""
    try:
        return max(1, int(text.partition(",")[0]))
    except ValueError:
        return None
