"""A loop whose clock jumps to the next thing to happen; disk work is done in pieces, in an order that a die throws."""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import inspect
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from simulation.errors import Broken, Killed

if TYPE_CHECKING:
    from simulation.process import Process


PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


class Turn(asyncio.Handle):
    """A callback that runs only while its process does."""

    def _run(self) -> None:
        process = self._context.get(PROCESS)  # type: ignore[attr-defined]
        if process is None or process.may_run(self):
            super()._run()  # type: ignore[misc]


class Timer(asyncio.TimerHandle):
    """The same, at its time."""

    def _run(self) -> None:
        process = self._context.get(PROCESS)  # type: ignore[attr-defined]
        if process is None or process.may_run(self):
            asyncio.Handle._run(self)  # type: ignore[attr-defined]


@dataclass(eq=False)
class Piece:
    """Work that a thread would do."""

    process: Process
    work: Callable[[], Any]
    future: asyncio.Future[Any]
    since: float
    begun: bool = False


class Loop(asyncio.BaseEventLoop):
    """Jumps to the next timer when nothing is ready; has no threads."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self.rng = rng
        self.now = 0.0
        self.turns = 0
        self.pieces: list[Piece] = []
        self.depth = 0
        self.since = 0.0  # when the piece at work was asked for
        self.slow = 0.0  # the longest that a piece of work waits
        self.hangs_until = 0.0  # until then no work on the disk is begun
        self.works: list[Any] = []
        self.set_task_factory(self._task)  # type: ignore[arg-type]
        self._selector = self
        self.alarm: Callable[[], None] = lambda: None

    def _task(self, loop: Any, work: Any, context: Any = None) -> asyncio.Task[Any]:
        self.works.append(work)
        return asyncio.Task(work, loop=loop, context=context)

    def end(self) -> None:
        """Whatever was begun is left as it is; what was not begun must not complain."""
        self._closed = True
        for work in self.works:
            if inspect.getcoroutinestate(work) == inspect.CORO_CREATED:
                work.close()

    def time(self) -> float:
        return self.now

    def select(self, timeout: float | None) -> list[Any]:
        self.turns += 1
        self.alarm()
        if timeout is None:
            raise Broken("nothing will ever happen again")
        if timeout > 0:
            self.now = max(self.now, self._scheduled[0]._when)  # type: ignore[attr-defined]
        return []

    def _process_events(self, events: Any) -> None: ...

    def _write_to_self(self) -> None: ...

    def _check_closed(self) -> None: ...

    def _call_soon(self, callback: Any, args: Any, context: Any) -> Turn:
        turn = Turn(callback, args, self, context)
        self._ready.append(turn)  # type: ignore[attr-defined]
        return turn

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        timer = Timer(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        process = PROCESS.get()
        assert process is not None, "only labs have threads here"
        piece = Piece(process, partial(func, *args), self.create_future(), self.now)
        self.pieces.append(piece)
        delay = self.rng.random() * self.slow if self.rng.random() < 0.3 else 0.0
        if self.now < self.hangs_until and not hasattr(getattr(func.args[0], "__self__", None), "launch"):
            delay += self.hangs_until - self.now
        self.call_later(delay, self.perform, piece)
        return piece.future

    def perform(self, piece: Piece) -> None:
        """Do it now, unless it was done inside another."""
        if piece.begun or not piece.process.alive:
            return
        piece.begun = True
        self.pieces.remove(piece)
        if piece.future.cancelled() and self.rng.random() < 0.5:
            return  # it had not begun
        before, self.since = self.since, piece.since
        try:
            result = piece.work()
        except Killed:
            return
        except BaseException as error:
            if piece.process.alive and not piece.future.done():
                piece.future.set_exception(error)
        else:
            if piece.process.alive and not piece.future.done():
                piece.future.set_result(result)
        finally:
            self.since = before

    def interleave(self) -> None:
        """In the middle of one thread's work another does all of its own."""
        others = [piece for piece in self.pieces if piece.process.alive and not piece.process.frozen]
        if others and not self.depth:
            self.depth += 1
            try:
                self.perform(self.rng.choice(others))
            finally:
                self.depth -= 1


class CLOCK:
    """What a worker's clock shows; its trials move it."""

    now = 0.0
    rng = random.Random(0)

    @classmethod
    def read(cls) -> float:
        return cls.now
