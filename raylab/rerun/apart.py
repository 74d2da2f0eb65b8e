"""A process in which code of the past runs for a while: what it finds, and that all is put back afterwards."""

from __future__ import annotations

import faulthandler
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np

from raylab.rerun.own_modules import own_modules
from raylab.worker import generators, threads
from raylab.worker.ray_guard import guarded
from raylab.worker.ray_internals import classes_apart, is_connected
from raylab.worker.working_folder import back_again


@contextmanager
def apart(folder: Path | None, files: Iterable[str], variables: Mapping[str, str]) -> Iterator[None]:
    """While this holds, this process is to a trial what a worker is.

    Put back afterwards are the modules of the same names as the code's, `sys.path`, `sys.argv`, the folder, the
    environment, the global random generators, the filters of warnings, numpy's handling of errors, and how many threads
    there are.

    Args:
        folder: where what travelled with the code is unpacked; None where nothing did.
        files: that travelled, by their relative paths.
        variables: of the environment, which the sweep asked for.
    """
    with ExitStack() as stack:
        for each in (back_again(), generators.kept(), threads.kept(), np.errstate(), warnings.catch_warnings()):
            stack.enter_context(each)
        stack.enter_context(_kept("path"))
        stack.enter_context(_kept("argv"))
        stack.enter_context(_environment(variables))
        if folder is not None:
            stack.enter_context(own_modules(folder, files))
        stack.enter_context(classes_apart())
        stack.enter_context(_last_words())
        if is_connected():
            stack.enter_context(guarded())  # as in a worker: else a trial could end this process's own connection
        yield


@contextmanager
def _last_words() -> Iterator[None]:
    """While this holds, a process that crashes says where in Python it was."""
    before = faulthandler.is_enabled()
    if not before and sys.__stderr__ is not None:
        with suppress(OSError, ValueError):  # it may be no file
            faulthandler.enable(sys.__stderr__)
    try:
        yield
    finally:
        if not before:
            faulthandler.disable()


@contextmanager
def _kept(name: str) -> Iterator[None]:
    """Afterwards a list of `sys` is the same list with the same entries."""
    known: list[str] = getattr(sys, name)
    before = known.copy()
    try:
        yield
    finally:
        known[:] = before
        setattr(sys, name, known)


@contextmanager
def _environment(more: Mapping[str, str]) -> Iterator[None]:
    """While this holds, the environment has these variables, too."""
    before = dict(os.environ)
    os.environ.update(more)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update({name: text for name, text in before.items() if os.environ.get(name) != text})
