"""The streams that Python writes to while trials run, `sys.stdout` and `sys.stderr`: they note that something came.

In the main thread, where a worker's trials run, they write to the process's own descriptors, 1 and 2. In another thread
(`raylab.testing`) the descriptors are everybody's: there they write to the trial's file what comes from its own thread,
and pass on the rest.

Promises: what is written is with the system at once, so that a process that dies has said all; a full disk fails no
trial; no trial closes them for the next one.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from typing import Any, TextIO

said: list[None] = []
"""Not empty once something was written that nobody has looked at."""


_NAMES = {1: "<stdout>", 2: "<stderr>"}


class _Raw(io.RawIOBase):
    """What a stream writes to.

    Args:
        number: the descriptor that it stands for.
        write: takes bytes.
    """

    def __init__(self, number: int, write: Callable[[Any], None]) -> None:
        self._number = number
        self._write = write
        self.name = _NAMES[number]

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def close(self) -> None:
        """It stays open, whatever a trial lays around it and lets go."""

    def write(self, data: Any) -> int:
        if not said:
            said.append(None)
        size = len(data)  # here: the caller takes its buffer back
        self._write(data)
        return size


class _Voice(io.TextIOWrapper):
    """A stream that stays open: the next trial writes to it, too."""

    def __init__(self, raw: _Raw) -> None:
        super().__init__(raw, encoding="utf-8", errors="backslashreplace", write_through=True)

    @property
    def mode(self) -> str:
        return "w"

    def close(self) -> None:
        self.flush()

    def detach(self) -> Any:
        return self.buffer


def put(number: int, data: Any) -> None:
    """Write to a descriptor, all of it if the disk lets it."""
    view = memoryview(data).cast("B")
    with suppress(OSError):
        while view.nbytes:
            view = view[os.write(number, view) :]


# the main thread's --------------------------------------------------------------------------------------------------


@cache
def _inside() -> list[TextIO]:
    """What `sys.stdout` and `sys.stderr` are while trials run: ours, or what an experiment's modules made of them when
    they were loaded."""
    return [_Voice(_Raw(number, partial(put, number))) for number in _NAMES]


@contextmanager
def worn(*, loading: bool = False) -> Iterator[None]:
    """While this holds, Python writes to them.

    Args:
        loading: what is made of them stays.
    """
    inside, before = _inside(), (sys.stdout, sys.stderr)
    sys.stdout, sys.stderr = inside
    try:
        yield
    finally:
        if loading:
            inside[:] = sys.stdout, sys.stderr
        put_back()
        sys.stdout, sys.stderr = before


def put_back() -> None:
    """The next trial finds them as the first one did, whatever this one has put in their place."""
    out, err = _inside()
    if sys.stdout is not out or type(out) is not _Voice:
        _flush(sys.stdout)
    if sys.stderr is not err or type(err) is not _Voice:
        _flush(sys.stderr)
    sys.stdout, sys.stderr = out, err


def _flush(stream: Any) -> None:
    """Let what stands above one of them write what it holds; ours hold nothing."""
    with suppress(Exception):  # a class of the user's, or closed
        stream.flush()


# another thread's ---------------------------------------------------------------------------------------------------


class _Shared:
    """The process's streams, of which threads that run trials have a part."""

    def __init__(self) -> None:
        self.files: dict[int, int] = {}  # the descriptor of each thread's file
        self.before: tuple[TextIO, TextIO] = (sys.stdout, sys.stderr)
        self.lock = threading.Lock()
        self.streams = [_Voice(_Raw(number, partial(self._put, at))) for at, number in enumerate(_NAMES)]

    def _put(self, at: int, data: Any) -> None:
        file = self.files.get(threading.get_ident())
        if file is not None:
            put(file, data)
        else:
            self.before[at].write(bytes(data).decode("utf-8", "replace"))
            self.before[at].flush()

    def join(self, file: int) -> None:
        """What this thread writes goes to a file from now on."""
        with self.lock:
            if not self.files:
                self.before = sys.stdout, sys.stderr
                sys.stdout, sys.stderr = self.streams
            self.files[threading.get_ident()] = file

    def leave(self) -> None:
        """It does not any more."""
        with self.lock:
            del self.files[threading.get_ident()]
            if not self.files:
                ours = zip((sys.stdout, sys.stderr), self.streams, self.before, strict=True)
                sys.stdout, sys.stderr = (before if now is stream else now for now, stream, before in ours)


@cache
def _shared() -> _Shared:
    return _Shared()


@contextmanager
def shared(file: int) -> Iterator[None]:
    """While this holds, what this thread writes by Python goes to a file."""
    _shared().join(file)
    try:
        yield
    finally:
        _shared().leave()
