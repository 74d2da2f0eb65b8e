"""From batches to durable rows: commits what has come, in groups, and says so when it is on disk.

One commit is in flight; what arrives meanwhile is the next. What trials printed is written before their rows. All disk
work is in a thread, so the lab's loop never waits for it. When the disk refuses, the same bytes are tried again until
it takes them; nothing is acknowledged meanwhile and no batch is asked for beyond LIMIT_BYTES. Once fenced it writes
nothing any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from raylab.core.request import Request
from raylab.errors import LabFenced, NotebookDamaged, RaylabError, told
from raylab.notebook.file import FileInfo
from raylab.notebook.log_rows import LogRows
from raylab.notebook.writer import Writer
from raylab.server.at_work import AtWork
from raylab.worker.batch import Batch, summary

log = logging.getLogger(__name__)
T = TypeVar("T")

SPACING_S = 0.1
"""Between commits: at most 36,000 files an hour before sealing."""

LIMIT_BYTES = 64 * 2**20
"""What may wait for the disk; beyond it the lab takes no batch and starts no lease."""

COMMIT_BYTES = 8 * 2**20
"""What one commit takes of that: a file is made in memory, and so is the part that it goes into."""

AGAIN_S = 1.0
"""Before a disk that refused is asked again."""

READ_TRIES = 3


class Unwanted(Exception):
    """What was to be written is nobody's any more."""


class Unreadable(NotebookDamaged):
    """The disk does not give what is there; it may later."""


class Recorder:
    """Writes for one lab. Its callbacks run in the lab's loop.

    Args:
        writer: the notebook.
        on_written: called after each commit: of which sweep, with which batches, as which file.
        on_pressure: called with True when too much waits, with False when it no longer does.
        on_fenced: called once, when another lab has taken over the notebook; nothing is written after that.
        on_broken: called when the rows of a sweep cannot be written for a reason that no other try cures; its rows are
            dropped from then on, the other sweeps go on.
    """

    def __init__(
        self,
        writer: Writer,
        *,
        on_written: Callable[[AtWork, Sequence[Batch], FileInfo], None],
        on_pressure: Callable[[bool], None],
        on_fenced: Callable[[LabFenced], None],
        on_broken: Callable[[AtWork, Exception], None],
    ) -> None:
        self.writer = writer
        self.trouble = ""  # why the disk takes nothing at the moment
        self._on_written = on_written
        self._on_pressure = on_pressure
        self._on_fenced = on_fenced
        self._on_broken = on_broken
        self._fenced: LabFenced | None = None
        self._due: dict[AtWork, None] = {}  # sweeps of which batches wait, as they came
        self._bytes = 0
        self._high = False
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._requests = asyncio.Lock()
        self._task = asyncio.get_running_loop().create_task(self._run())

    # results ----------------------------------------------------------------------------------------------------

    def keep(self, sweep: AtWork, batch: Batch) -> None:
        """Take a batch; it is durable when `on_written` says so. Nobody asks for the rows of a table that is gone."""
        if self._fenced is not None or sweep.table is None:
            return
        if batch.logs is not None:
            self.note(sweep, batch.logs)
        sweep.waiting.append(batch)
        self._take(sweep, _of_rows(batch))

    def note(self, sweep: AtWork, logs: LogRows) -> None:
        """Take what trials printed; it is durable before any row that is taken after it."""
        if self._fenced is not None or sweep.table is None:
            return
        sweep.logs.append(logs)
        self._take(sweep, _of_logs(logs))

    def _take(self, sweep: AtWork, nbytes: int) -> None:
        self._due[sweep] = None
        self._bytes += nbytes
        self._idle.clear()
        self._work.set()
        self._weigh()

    def drop(self, sweep: AtWork) -> None:
        """Nothing more of a sweep is wanted: its trials run again, and a table that is opened next must not get what
        waited for this one."""
        batches, sweep.waiting = sweep.waiting, []
        logs, sweep.logs = sweep.logs, []
        self._bytes -= sum(map(_of_rows, batches)) + sum(map(_of_logs, logs))
        self._weigh()

    async def room(self) -> None:
        """Wait until another batch may be taken."""
        while not self._room.is_set():  # of all who wait, the first may fill it again
            await self._room.wait()

    async def idle(self) -> None:
        """Wait until all that was taken is durable (or never will be, because the lab is fenced)."""
        await self._idle.wait()

    def close(self) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            due, self._due = self._due, {}
            for sweep in due:
                batches, sweep.waiting = sweep.waiting, []
                table = sweep.table
                if not await self._write_logs(sweep):
                    return
                for portion in _portions(batches, _of_rows):
                    info = None
                    try:
                        async with sweep.writing:
                            if table is not None and sweep.table is table:  # else these rows are nobody's
                                info = await self._commit(sweep, portion)
                    except LabFenced:
                        return
                    except Unwanted:
                        log.info("rows of %s came too late", sweep.key)
                    except Exception as error:
                        # One sweep must not keep the others from being written.
                        log.error("the rows of %s cannot be written", sweep.key, exc_info=error)
                        with _unhindered():
                            self._on_broken(sweep, error)
                    self._bytes -= sum(map(_of_rows, portion))
                    with _unhindered():
                        if info is not None:
                            self._on_written(sweep, portion, info)
                    with _unhindered():
                        self._weigh()
                    if table is not None and sweep.table is table and table.table.should_seal:
                        await self.seal(sweep)
            if not self._due:
                self._idle.set()
            await asyncio.sleep(SPACING_S)

    async def _write_logs(self, sweep: AtWork) -> bool:
        """Write what trials of a sweep printed; False if another lab has the notebook. The rows do not depend on it."""
        logs, sweep.logs = sweep.logs, []
        table = sweep.table
        for portion in _portions(logs, _of_logs):
            try:
                async with sweep.writing:
                    if table is not None and sweep.table is table:
                        await self._insist(partial(table.log, portion), lambda: sweep.table is table)
            except LabFenced:
                return False
            except Unwanted:
                log.info("logs of %s came too late", sweep.key)
            except Exception as error:  # their table is damaged
                log.warning("what trials of %s print is not kept: %s", sweep.key, error)
            self._bytes -= sum(map(_of_logs, portion))
            with _unhindered():
                self._weigh()
        return True

    async def _commit(self, sweep: AtWork, batches: Sequence[Batch]) -> FileInfo:
        table = sweep.table
        assert table is not None
        said = summary(batches)
        rows = [batch.rows for batch in batches]
        return await self._insist(lambda: table.commit(rows, said), lambda: sweep.table is table)

    async def seal(self, sweep: AtWork) -> None:
        """Put a sweep's journal into one file. Nothing is lost when it fails: the next one does it."""
        try:
            async with sweep.writing:
                if sweep.table is not None and self._fenced is None:
                    await asyncio.to_thread(sweep.table.seal)
        except LabFenced as error:
            self._fence(error)
        except Exception as error:  # a full disk, a damaged file; whatever it is, the rows are durable
            log.warning("the journal of %s stays as it is for now: %s", sweep.key, error)

    def _weigh(self) -> None:
        high = self._bytes > LIMIT_BYTES
        if high != self._high:
            self._high = high
            (self._room.clear if high else self._room.set)()
            self._on_pressure(high)

    # requests ---------------------------------------------------------------------------------------------------

    async def add(self, *requests: Request, unless: Callable[[], bool] | None = None) -> bool:
        """Write requests; they are durable when this returns, unless `unless` says no when it is their turn."""
        async with self._requests:
            if unless is not None and unless():
                return False
            await self._insist(lambda: self.writer.add(requests))
        return True

    async def do(self, work: Callable[[], T], wanted: Callable[[], bool] = lambda: True) -> T:
        """Run other disk work in a thread, again and again until the disk lets it pass.

        Raises:
            Unwanted: `wanted` says so before it did.
        """
        return await self._insist(work, wanted)

    async def read(self, work: Callable[[], T]) -> T:
        """Read something of one sweep in a thread. A disk that cannot give it must not keep the others waiting.

        Raises:
            Unreadable: the disk did not give it READ_TRIES times.
        """
        for _ in range(READ_TRIES):
            try:
                return await asyncio.to_thread(work)
            except RaylabError:
                raise
            except OSError as error:
                why = error
                await asyncio.sleep(AGAIN_S)
        raise Unreadable(f"the notebook cannot be read: {told(why)}; the sweep goes on by itself when it can") from why

    async def _insist(self, work: Callable[[], T], wanted: Callable[[], bool] = lambda: True) -> T:
        while True:
            if self._fenced is not None:
                raise self._fenced.with_traceback(None)  # the same one each time: its traceback would grow
            if not wanted():
                raise Unwanted
            try:
                result = await asyncio.to_thread(work)
            except LabFenced as error:
                self._fence(error)
                raise
            except RaylabError:  # some are an OSError to Python
                raise
            except (OSError, MemoryError) as error:
                if isinstance(error, FileNotFoundError):
                    await self._check_there()
                if not self.trouble:
                    log.warning("the notebook cannot be written: %s", error)
                self.trouble = f"the notebook cannot be written: {told(error)}; the lab goes on by itself when it can"
                await asyncio.sleep(AGAIN_S)
            else:
                self.trouble = ""
                return result

    async def _check_there(self) -> None:
        """Something was not there that belongs to every notebook: perhaps all of it was deleted."""
        try:
            await asyncio.to_thread(self.writer.check_there)
        except LabFenced as error:
            self._fence(error)
            raise
        except (OSError, RaylabError):  # what it was about will say so again
            pass

    def _fence(self, error: LabFenced) -> None:
        if self._fenced is None:
            self._fenced = error
            self._due.clear()
            self._room.set()
            self._idle.set()
            self._on_fenced(error)


@contextlib.contextmanager
def _unhindered() -> Iterator[None]:
    """Whatever the lab makes of the news, what waits next is written all the same."""
    try:
        yield
    except Exception:
        log.exception("the lab met an error of its own")


def _portions(items: Sequence[T], nbytes: Callable[[T], int]) -> Iterator[list[T]]:
    """What waits of a sweep, as much at a time as one commit takes."""
    portion: list[T] = []
    size = 0
    for item in items:
        if portion and size + nbytes(item) > COMMIT_BYTES:
            yield portion
            portion, size = [], 0
        portion.append(item)
        size += nbytes(item)
    if portion:
        yield portion


def _of_rows(batch: Batch) -> int:
    return int(batch.rows.nbytes)


def _of_logs(logs: LogRows) -> int:
    return int(logs.nbytes)
