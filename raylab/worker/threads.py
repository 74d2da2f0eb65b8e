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
    wanted = {name: own.get(name, own.get(OPENMP, str(threads))) for name in VARIABLES}
    os.environ.update(wanted)
    for library in _libraries(len(sys.modules)):
        _set(library, _count(wanted[_OWN.get(library.internal_api, OPENMP)]))
    _set(sys.modules.get("torch"), _count(wanted[OPENMP]))


@contextmanager
def kept() -> Iterator[None]:
    """Afterwards the libraries that are loaded now have as many threads as now. The environment is the caller's."""
    before = [(library, library.get_num_threads()) for library in _libraries(len(sys.modules))]
    torch: Any = sys.modules.get("torch")
    if hasattr(torch, "get_num_threads"):
        before.append((torch, torch.get_num_threads()))
    try:
        yield
    finally:
        for library, count in before:
            _set(library, count)


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
