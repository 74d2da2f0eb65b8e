"""Asks a lab from a process of its own, which may end and is begun anew.

Ray ends each process that is connected to a cluster a minute after that is gone, and one that has lost a `ray://`
connection cannot always make another. A board outlives both.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from multiprocessing import get_context, parent_process
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import Any, TypeVar

from raylab.core.status import Status
from raylab.display.portrait import Portrait
from raylab.errors import LabUnavailable, RaylabError
from raylab.pages.watch import Asker, Mark, News

T = TypeVar("T")


class _Manager(BaseManager):
    """Its process asks."""


def _asking(lab: str | None, address: str | None, notebook: Path | None) -> Asker:
    """Runs in the new process: only that one loads what Ray brings along."""
    from raylab.pages.asking import asking

    return asking(lab, address, notebook)


_Manager.register("asking", _asking, exposed=("news", "portrait"))


class Apart:
    """What `asking` gives, in a process of its own.

    Args:
        lab, address, notebook: as `asking` takes them.

    Raises:
        LabNotFound, NotebookDamaged, VersionMismatch, LabUnavailable: as `asking`.
    """

    def __init__(self, lab: str | None, address: str | None, notebook: Path | None) -> None:
        self._words = lab, address, notebook
        self._changing = threading.Lock()
        self._ended = False
        self._manager: Any = None
        self._asking: Any = None
        self._begin()

    def news(self, mark: Mark | None) -> News:
        """See `Asking.news`."""
        return self._asked(lambda asking: asking.news(mark))

    def portrait(self, name: str) -> tuple[Status, Portrait]:
        """See `Asking.portrait`."""
        return self._asked(lambda asking: asking.portrait(name))

    def end(self) -> None:
        """End the process; whoever waits for an answer gets none."""
        with self._changing:
            self._ended = True
            self._end()

    def _asked(self, ask: Callable[[Asker], T]) -> T:
        used: Asker = self._begin()
        try:
            return ask(used)
        except RaylabError as error:
            if isinstance(error, LabUnavailable):  # its process may never reach the cluster again
                self._forget(used)
            raise
        except (EOFError, ConnectionError, FileNotFoundError):  # its process is gone, and the socket with it
            self._forget(used)
            raise LabUnavailable("the process that asks the lab has ended; another one is begun") from None

    def _begin(self) -> Any:
        with self._changing:
            if self._ended:
                raise LabUnavailable("the board has ended")
            if self._asking is None:
                self._manager = _Manager(ctx=get_context("spawn"))
                self._manager.start(_end_with_the_board)
                try:
                    self._asking = self._manager.asking(*self._words)
                except BaseException:
                    self._end()
                    raise
            return self._asking

    def _forget(self, used: Asker) -> None:
        with self._changing:
            if used is self._asking:
                self._end()

    def _end(self) -> None:
        manager, self._manager, self._asking = self._manager, None, None
        if manager is not None:
            manager._process.kill()  # it only reads; `shutdown` would wait for what it waits for
            manager.shutdown()


def _end_with_the_board() -> None:
    """Runs in the new process: it ends when the one that began it is gone, however that went."""
    board = parent_process()
    assert board is not None

    def wait() -> None:
        board.join()
        os._exit(0)

    threading.Thread(target=wait, name="raylab-board", daemon=True).start()
