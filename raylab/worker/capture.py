"""What the trials of a lease print, each its own: by Python, by C, and by the processes that they start.

The descriptors 1 and 2 lead to a file of the node while trials run; what stands in it from one look to the next is a
trial's. A look costs a microsecond, so it is taken after a trial of HEAVY_S (`worker/lease`), after one that failed and
after one that wrote by Python; what others write meanwhile may be a neighbour's. With each batch the file begins anew.
So what it holds when the process dies is of the trials that no batch has brought: `worker/last_words` reads it then.

In another thread than the main one (`raylab.testing`) only what the trial itself writes by Python is its own.
"""

from __future__ import annotations

import ctypes
import faulthandler
import fcntl
import logging
import os
import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

from raylab.core.trial_log import keeps
from raylab.worker import voices
from raylab.worker.last_words import clean, read
from raylab.worker.working_folder import private_folder

log = logging.getLogger(__name__)

FOLDER = "said"
"""Of the files, among the private folders of a node."""


class Said(NamedTuple):
    """What an attempt at a trial printed: how many bytes, and what is kept of it."""

    printed: int
    text: str


class Capture:
    """The output of one lease's trials.

    Args:
        word: of whom it is kept, as a policy says it.
        full: the sweep has no room for more: what is printed is only counted.

    Raises:
        OSError: there is no room for the file.
    """

    def __init__(self, word: str, *, full: bool = False) -> None:
        self._word = word
        self._full = full
        self._is_main = threading.current_thread() is threading.main_thread()
        _clean_once()
        self.path = private_folder(FOLDER) / f"{os.getpid()}-{secrets.token_hex(8)}.log"
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(self.path, flags, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)  # as long as this process lives, or one that it started
        self._mark = 0  # what comes after it nobody has looked at
        if self._is_main and not faulthandler.is_enabled():
            faulthandler.enable(file=2, all_threads=False)

    @property
    def of_all(self) -> bool:
        """Whether the logs of all trials are kept."""
        return self._word == "all"

    @contextmanager
    def loading(self) -> Iterator[None]:
        """While this holds, an experiment is loaded: what its modules take for `sys.stderr` serves its trials."""
        if not self._is_main:
            yield
            return
        with voices.worn(loading=True):
            yield

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While this holds, what is printed goes to the file."""
        if not self._is_main:
            with voices.shared(self._file):
                yield
            return
        _flush_c()
        before = [os.dup(number) for number in (1, 2)]
        try:
            with voices.worn():
                self._lead_here()
                yield
        finally:
            _flush_c()
            for number, known in zip((1, 2), before, strict=True):
                os.dup2(known, number)
                os.close(known)

    def look(self, failed: bool) -> Said | None:
        """What came since the last look; None if it is not kept."""
        voices.said.clear()
        if self._is_main:
            voices.put_back()
            _flush_c()
            self._lead_here()  # a trial may have closed them, or opened others in their place
        start, end = self._mark, os.lseek(self._file, 0, os.SEEK_END)
        self._mark = end
        if not keeps(self._word, failed):
            return None
        if start > end:  # somebody has opened it by another name, `> /dev/stderr`, and cut it
            start = 0
        return Said(end - start, "" if self._full else read(self._file, start, end))

    def _lead_here(self) -> None:
        os.dup2(self._file, 1)
        os.dup2(self._file, 2)

    def begin(self) -> None:
        """What comes from now on is of trials that no batch has brought."""
        if os.lseek(self._file, 0, os.SEEK_END):
            os.ftruncate(self._file, 0)
        self._mark = 0

    def close(self, *, left: bool = False) -> None:
        """Nothing more is printed, and what was is where it belongs.

        Args:
            left: the process ends in the midst of a trial, and the file stays, for the lab to ask for it.
        """
        if not left:
            self.path.unlink(missing_ok=True)
        os.close(self._file)


def capturing(word: str, *, full: bool = False) -> Capture | None:
    """What keeps the output of a lease's trials; None where nothing is to be kept, or can be."""
    if word == "none":
        return None
    try:
        return Capture(word, full=full)
    except OSError as error:
        log.warning("what trials print is not kept: %s", error)
        return None


@cache
def _clean_once() -> None:
    clean(private_folder(FOLDER))


@cache
def _c_flush() -> Callable[[], object]:
    """Has C's `stdout` written, which from now on writes whole lines by itself: what it holds when a process dies is
    lost."""
    try:
        libc = ctypes.PyDLL(None)  # it keeps Python's lock: to let it go and take it back costs more than the call
        stream = ctypes.c_void_p.in_dll(libc, "__stdoutp" if sys.platform == "darwin" else "stdout")
        libc.setvbuf(stream, None, _BY_LINE, 0)
    except (AttributeError, OSError, ValueError):  # a C library that has it otherwise
        return lambda: None
    flush: Callable[..., object] = libc.fflush
    return lambda: flush(stream)


_BY_LINE = 1
"""C's `_IOLBF`."""


def _flush_c() -> None:
    _c_flush()()
