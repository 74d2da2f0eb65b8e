"""What a board knows of its lab: kept up to date by one thread, however many browsers look.

It loads nothing of Ray's. Promises: nobody who looks waits for the lab; while nobody answers, what was known last is
shown, with a sentence.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as settled
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol, TypeAlias

from raylab.core.status import Status
from raylab.display.html import moment
from raylab.display.portrait import LabFacts, Portrait
from raylab.errors import LabUnavailable, RaylabError, told

Mark: TypeAlias = tuple[int, int]
"""What tells some news of a lab from earlier ones; see `raylab.client.waiting`."""

PAUSES_S = (1.0, 2.0, 5.0, 10.0)
"""Between tries to reach a lab that does not answer; the last one again and again. A try costs 2 s of a core."""

REREAD_S = 2.0
"""A sweep whose trials come in is read again after so long, and after DUTY times what reading it took."""

DUTY = 10.0

MOST = 100
"""So many portraits are kept: some MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """How a lab stands.

    Attributes:
        mark: what tells this from earlier news.
        lab: what there is to say of it.
        sweeps: how far each is that is not archived.
    """

    mark: Mark
    lab: LabFacts
    sweeps: Sequence[Status]


class Asker(Protocol):
    """Who is asked; see `raylab.pages.asking.Asking`."""

    def news(self, mark: Mark | None) -> News: ...
    def portrait(self, name: str) -> tuple[Status, Portrait]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a lab.

    Attributes:
        lab: what there is to say of it, with what is the matter where nobody answers.
        sweeps: how far each is.
    """

    lab: LabFacts
    sweeps: Sequence[Status]


class Watch:
    """Keeps what is known of a lab.

    Args:
        asker: is asked.

    Raises:
        LabUnavailable: nobody answers at first.
    """

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        news = asker.news(None)
        self.known = Known(lab=news.lab, sweeps=news.sweeps)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, args=[news.mark], name="raylab-watch", daemon=True)
        self._thread.start()

    def _follow(self, mark: Mark | None) -> None:
        failed = 0
        since: datetime | None = None
        while not self._ended.is_set():
            try:
                news = self._asker.news(mark)
            except Exception as error:  # whatever it is, a sentence on the page is all that comes of it
                since = since or datetime.now(UTC)
                self.known = replace(self.known, lab=replace(self.known.lab, trouble=_trouble(error, since)))
                mark = None
                self._ended.wait(PAUSES_S[min(failed, len(PAUSES_S) - 1)])
                failed += 1
            else:
                mark, failed, since = news.mark, 0, None
                self.known = Known(lab=news.lab, sweeps=news.sweeps)

    def end(self) -> None:
        """Ask no more."""
        self._ended.set()


def _trouble(error: Exception, since: datetime) -> str:
    said = str(error) if isinstance(error, RaylabError) else told(error)
    if isinstance(error, LabUnavailable):
        said = "the lab does not answer; its cluster has ended, or cannot be reached"
    return f"since {moment(since)}: {said}. What is shown is of that time; the board goes on asking"


# one sweep --------------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Entry:
    """What is known of one sweep, and when it may be read again."""

    found: tuple[Status, Portrait] | None = None
    error: Exception | None = None
    of: object = None
    again: float = 0.0
    reading: Future[None] | None = None


class Gallery:
    """The portraits of the sweeps that somebody looks at, each read again once its sweep has moved on.

    Args:
        asker: is asked, by one thread.
    """

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._entries: dict[str, _Entry] = {}
        self._changing = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="raylab-gallery")

    def of(self, name: str, now: Status | None, patience_s: float) -> tuple[Status, Portrait] | None:
        """What is known of a sweep; None while it is read for the first time.

        Args:
            name: of the sweep.
            now: how far it is, if that is known; else it is read again now and then.
            patience_s: how long to wait for the first reading.

        Raises:
            Exception: as reading it raised.
        """
        wanted = (now.folder, now.rows, now.ready, now.total, now.state) if now else int(time.monotonic() / DUTY)
        with self._changing:
            entry = self._entries.pop(name, None) or _Entry()
            self._entries[name] = entry  # the last one looked at stands last
            while len(self._entries) > MOST:
                del self._entries[next(iter(self._entries))]
            idle = entry.reading is None or entry.reading.done()
            if idle and entry.of != wanted and time.monotonic() >= entry.again:
                entry.reading = self._pool.submit(self._read, name, entry, wanted)
            reading = entry.reading
        if entry.found is None and entry.error is None and reading is not None:
            settled([reading], timeout=patience_s)
        if entry.error is not None:
            raise entry.error
        return entry.found

    def _read(self, name: str, entry: _Entry, wanted: object) -> None:
        began = time.monotonic()
        try:
            entry.found, entry.error = self._asker.portrait(name), None
        except Exception as error:
            if entry.found is None or not isinstance(error, LabUnavailable):
                entry.found, entry.error = None, error
        entry.of = wanted
        took = time.monotonic() - began
        entry.again = time.monotonic() + max(REREAD_S, DUTY * took)

    def end(self) -> None:
        """Read no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
