"""A person's process in which trials run for a while, perhaps with code of the past: what they find, and that all is
put back afterwards."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import numpy as np

from raylab.rerun.own_modules import own_modules
from raylab.worker import generators, threads
from raylab.worker.ray_guard import guarded
from raylab.worker.ray_internals import classes_apart, is_connected
from raylab.worker.working_folder import back_again

_ALONE = threading.RLock()
"""Modules, folder and environment are the whole process's, so a rerun in another thread waits for the one under way."""


@contextmanager
def apart(folder: Path | None, files: Iterable[str], variables: Mapping[str, str]) -> Iterator[None]:
    """While this holds, this process is to a trial what a worker is. In other threads whoever enters it waits.

    Put back afterwards are the modules of the same names as the code's, `sys.path`, `sys.argv`, the folder, the
    environment, the global random generators, the filters of warnings, numpy's handling of errors, how many threads
    there are, what handles signals, where prints go, and the limit of recursion.

    Args:
        folder: where what travelled with the code is unpacked; None where nothing did.
        files: that travelled, by their relative paths.
        variables: of the environment, which the sweep asked for.
    """
    with _ALONE, ExitStack() as stack:
        stack.enter_context(_environment())  # first: what the others load sets variables, too
        for each in (back_again(), generators.kept(), threads.kept(), np.errstate(), warnings.catch_warnings()):
            stack.enter_context(each)
        os.environ.update(variables)
        stack.enter_context(_kept("path"))
        stack.enter_context(_kept("argv"))
        stack.enter_context(_handlers())
        stack.enter_context(redirect_stdout(sys.stdout))
        stack.enter_context(redirect_stderr(sys.stderr))
        stack.callback(sys.setrecursionlimit, sys.getrecursionlimit())
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
def _handlers() -> Iterator[None]:
    """Afterwards signals are handled as before: a trial may take them, and pdb keeps Ctrl-C after `continue`."""
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():  # in any other nobody can have set one
            for number, handler in before.items():
                if handler is not None and signal.getsignal(number) != handler:  # None: one that is not Python's
                    signal.signal(number, handler)


@contextmanager
def _environment() -> Iterator[None]:
    """Afterwards the environment is as it was."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update({name: text for name, text in before.items() if os.environ.get(name) != text})
