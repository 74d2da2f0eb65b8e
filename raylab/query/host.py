"""A query on the node where it runs: waits in line, starts its process, ends it where it takes too much, and hands out
the answer in pieces. Knows no Ray: whoever is on the node has one of these, whoever is not has one as a Ray actor.

Whatever becomes of this object's process, the guard of the query sees to it that nothing is left of the query.
"""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psutil

from raylab.core.trial_log import END_BYTES, LIMIT_BYTES, text_of
from raylab.query.asked import Asked, Outcome
from raylab.query.limits import Use, allowed, overrun
from raylab.query.line import place
from raylab.query.process import ANSWER, ASKED, OUTCOME
from raylab.query.raised import Raised, told
from raylab.server.pieces import PIECE_BYTES

LOOK_S = 0.02
"""Between two looks at what a query takes: a twentieth of a millisecond each."""

FAMILY_EVERY = 25
"""Each so many looks it is looked for processes that a query has started: that goes through all of the machine's."""

NICE = 15
"""The priority of a query: that of Ray's workers, so of the lab and its trials. Its threads are half as many as there
are cores: the other half is always the lab's."""

PATIENCE_S = 120.0
"""A query that nobody asks for any more ends. Who waits for it asks every few seconds, and a `ray://` connection that
was cut has to be back after 30."""


class Query:
    """One query. `begin` it, `look` until there is an outcome, fetch its answer by `piece`, `end` it."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._has_place = threading.Event()
        self._done = threading.Event()
        self._outcome: Outcome | None = None
        self._answer: Path | None = None
        self._thread: threading.Thread | None = None
        self._asked_at = time.monotonic()

    def begin(self, asked: Asked) -> None:
        """Start it; once, however often it is called."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, args=[asked], name="raylab-query", daemon=True)
            self._thread.start()

    def look(self, seconds: float) -> tuple[bool, Outcome | None]:
        """Whether it has its place in line, and what came of it, as soon as that is known or after some seconds."""
        self._asked_at = time.monotonic()
        self._done.wait(seconds)
        return self._has_place.is_set(), self._outcome

    def piece(self, start: int) -> bytes:
        """What the answer has from there on, as much as one call hands out."""
        assert self._answer is not None
        self._asked_at = time.monotonic()
        with self._answer.open("rb") as file:
            file.seek(start)
            return file.read(PIECE_BYTES)

    def end(self) -> None:
        """End it, whatever it does, and leave nothing of it."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _is_over(self) -> bool:
        return self._over.is_set() or time.monotonic() - self._asked_at > PATIENCE_S

    def _work(self, asked: Asked) -> None:
        try:
            with place(self._is_over) as is_held:
                if not is_held:
                    self._outcome = Outcome(kind="raised", raised=_died(None, ""))
                    return
                self._has_place.set()
                with _started(asked) as (process, folder):
                    self._answer = folder / ANSWER
                    self._outcome = self._watched(process, folder, asked)
                    self._done.set()
                    while self._outcome.size and not self._is_over():  # until the answer was fetched
                        self._over.wait(1.0)
        except Exception as error:  # the node has no room for the folder, or no process
            self._outcome = Outcome(kind="raised", raised=told(error))
        finally:
            self._done.set()

    def _watched(self, process: subprocess.Popen[bytes], folder: Path, asked: Asked) -> Outcome:
        """What comes of a query that runs; it is ended where it takes too much."""
        total, is_machine = _memory()
        memory = allowed(asked.memory, total)
        began = time.monotonic()
        family = _Family(process.pid)
        why: Raised | None = None
        while (code := process.poll()) is None and not self._is_over():
            left = psutil.virtual_memory().available if is_machine else None
            use = Use(seconds=time.monotonic() - began, bytes=family.bytes(), left=left)
            if (why := overrun(use, memory=memory, total=total, timeout=asked.timeout)) is not None:
                break
            time.sleep(LOOK_S)
        out, err = (_printed(folder / name) for name in ("out", "err"))
        if why is None and (folder / OUTCOME).exists():
            found: Outcome = pickle.loads((folder / OUTCOME).read_bytes())
            return replace(found, out=out, err=err)
        return Outcome(kind="raised", raised=why or _died(code, err), out=out, err=err)


@contextmanager
def _started(asked: Asked) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The process of a query, in a folder of its own; both are gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="raylab-query-"))
    (folder / ASKED).write_bytes(pickle.dumps(asked))
    (folder / "work").mkdir()
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "raylab.query.start", str(folder), str(NICE)],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=err,
            cwd=folder / "work",
            env=os.environ | {"POLARS_MAX_THREADS": str(max(1, (os.cpu_count() or 1) // 2))},
            start_new_session=True,  # a Ctrl-C here is for whoever waits, who ends the query then
        )
    try:
        yield process, folder
    finally:
        assert process.stdin is not None
        process.stdin.close()  # now the guard ends it
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


class _Family:
    """The processes of a query."""

    def __init__(self, pid: int) -> None:
        self._head: psutil.Process | None = None
        with suppress(psutil.Error):
            self._head = psutil.Process(pid)
        self._all: list[psutil.Process] = []
        self._looks = 0

    def bytes(self) -> int:
        """The memory that they take; without files, which the system drops again."""
        if self._looks % FAMILY_EVERY == 0 or not self._all:
            with suppress(psutil.Error):
                self._all = [] if self._head is None else [self._head, *self._head.children(recursive=True)]
        self._looks += 1
        return sum(map(_own_bytes, self._all))


def _own_bytes(process: psutil.Process) -> int:
    try:
        found = process.memory_info()
    except psutil.Error:  # gone
        return 0
    return int(found.rss) - int(getattr(found, "shared", 0))


def _memory() -> tuple[int, bool]:
    """The node's memory, and whether that is the machine's: a container may have less of it."""
    total = int(psutil.virtual_memory().total)
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # "max" is no number
            total = min(total, int(Path(file).read_text()))
    return total, total == int(psutil.virtual_memory().total)


def _printed(path: Path) -> str:
    """What was printed; the middle of much is left out."""
    try:
        with path.open("rb") as file:
            printed = file.seek(0, os.SEEK_END)
            file.seek(0)
            head = file.read(LIMIT_BYTES)
            file.seek(max(0, printed - END_BYTES))
            return text_of(head, file.read(END_BYTES), printed)
    except OSError:  # somebody cleared the folder
        return ""


def _died(code: int | None, err: str) -> Raised:
    """Why a query has no outcome: its process ended itself, or was ended."""
    last = next((line.strip() for line in reversed(err.splitlines()) if line.strip()), "")
    how = "when nobody waited for it" if code is None else f"by signal {-code}" if code < 0 else f"with code {code}"
    text = f"the query's process on the lab's node ended {how}, without an answer; nothing else was touched"
    return Raised(module="builtins", name="RuntimeError", text=f"{text}. Its last words: {last}" if last else text)
