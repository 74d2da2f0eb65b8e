"""Tells a sweep's recipients what becomes of it, once each event, across restarts of the lab.

Promises: what has happened is a row (`noticed`) before anybody is told, unless the disk takes none, and that somebody
was told is one after (`told`): a lab that dies in between tells once more rather than never, under the same `id`.
Neither the loop nor what is recorded waits for a recipient: each has a task of its own, and each try a thread.

What waits is not kept here but read from the rows, so that nothing piles up, and whoever is not asked for any more is
told no more.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from raylab.core.notice import Notice
from raylab.core.recipient import Event, Recipient
from raylab.core.request import Request
from raylab.core.status import Status
from raylab.core.telling import (
    DAY_S,
    SWIFT,
    happened,
    new,
    pause_after,
    recipients_of,
    room_after,
    standstill,
)
from raylab.display.notice import message, payload, together
from raylab.server import notify_command, webhook
from raylab.server.at_work import AtWork
from raylab.server.conductor import Conductor
from raylab.server.standing import standing
from raylab.server.webhook import NotTold

log = logging.getLogger(__name__)

LOOK_S: Final = 2.0
"""How often the lab looks whether a sweep stands still."""

STILL_S = 10.0
"""How long a sweep has stood still when that is told: a disk that refuses once is asked again after a second."""

COMMAND_TRIES: Final = 3
"""How often a command is run that does not end well."""

AT_ONCE: Final = 8
"""So many recipients are told at the same time, each in a thread: one that hangs has 10 s, or 60 s if it is a
command."""

TOGETHER_S: Final = 0.05
"""What happens within this is looked at once: of a thousand sweeps that end together, not a thousand times."""

LAST_S: Final = 5.0
"""What a lab that is shut down gives to what is on its way."""


class Due(NamedTuple):
    """Something of which somebody is still to be told."""

    sweep: AtWork
    notice: Notice


class Notifier:
    """Tells who is to be told.

    Args:
        lab: whose sweeps are told of.
        sleep: lets time pass between two tries.
        environment: the variables that addresses name.
    """

    def __init__(
        self,
        lab: Conductor,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._lab = lab
        self._sleep = sleep
        self._environment = environment
        self._threads = asyncio.Semaphore(AT_ONCE)
        self._stood: dict[AtWork, tuple[str, float]] = {}  # what keeps it from running, since when
        self._noting: dict[tuple[str, str], Notice] = {}  # by folder and key; on their way to the disk
        self._settled: set[tuple[str, str, str]] = set()  # folder, key, recipient: whose row is on its way, or there
        self._going: set[str] = set()  # recipients that are being told
        self._later: set[str] = set()  # those of them that have to wait, or were not told at the last try
        self._writing = 0
        self._telling: asyncio.TimerHandle | None = None
        self._warned: set[tuple[str, str]] = set()
        lab.news.follow(self.look)
        lab.spawn(self._watch())

    # what has happened ------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Tell what the lab before this one did not come to; then look, now and then, what stands still."""
        await self._lab.opened.wait()
        self._tell()
        while self._is_up:
            for sweep in self._lab.sweeps.in_force():
                if sweep.is_at_work or sweep.trouble:
                    self.look(sweep)
            if self._noting:  # the disk takes nothing, which may be what there is to tell
                self._tell()
            await asyncio.sleep(LOOK_S)

    @property
    def _is_up(self) -> bool:
        """A lab that was fenced tells nothing: the other one goes on with its sweeps."""
        return self._lab.refusal is None and not self._lab.closing

    def look(self, sweep: AtWork) -> None:
        """See whether something has happened to a sweep that is to be told."""
        try:
            self._look(sweep)
        except Exception:  # whatever it is, the lab goes on
            log.exception("the lab met an error of its own")

    def _look(self, sweep: AtWork) -> None:
        wanted = {event for each in self._recipients(sweep) for event in each.on}
        if not wanted or not self._is_up or sweep.is_over:
            self._stood.pop(sweep, None)
            return
        if not self._is_taken_up(sweep):
            return
        now, now_us = standing(self._lab, sweep), time.time_ns() // 1_000
        found = happened(sweep.record, now, self._standstill(sweep, now))
        known = self._lab.sweeps.records.notices.get(sweep.key, {})
        for key, event in new(found, known, now_us).items():
            if event in wanted and (sweep.key, key) not in self._noting:
                self._lab.spawn(self._note(sweep, self._notice(sweep, key, event, now, now_us)))

    def _is_taken_up(self, sweep: AtWork) -> bool:
        """Whether the ledger knows what was asked last: one that was complete and has just grown looks complete, until
        it is taken up again."""
        queue = self._lab.ledger.queues.get(sweep.key)
        asked = sweep.record
        return queue is None or (queue.record.segments, queue.cancelled) == (asked.segments, asked.cancelled)

    def _standstill(self, sweep: AtWork, now: Status) -> str:
        """What has kept a sweep from running for a while."""
        word, loop_time = standstill(now, sweep.trouble), asyncio.get_running_loop().time()
        if not word:
            self._stood.pop(sweep, None)
            return ""
        before, since = self._stood.get(sweep, ("", loop_time))
        if word != before:
            self._stood[sweep] = word, loop_time
            return ""
        return word if loop_time - since >= STILL_S else ""

    def _notice(self, sweep: AtWork, key: str, event: Event, now: Status, now_us: int) -> Notice:
        sweeps = self._lab.sweeps
        said = message(
            key,
            event,
            now,
            sweep.record,
            lab=sweeps.name,
            notebook=sweeps.writer.place,
            ident=sweeps.identity.id if sweeps.identity else "",
            at_us=now_us,
        )
        to = tuple(each.key for each in self._recipients(sweep) if event in each.on)
        notice = Notice(key=key, event=event, message=said, to=to, time_us=now_us)
        self._noting[sweep.key, key] = notice
        return notice

    async def _note(self, sweep: AtWork, notice: Notice) -> None:
        """Write that it has happened, then tell it."""
        try:
            row = Request(kind="noticed", sweep=sweep.name, folder=sweep.key, body=notice.body())
            await self._lab.sweeps.note(row)
        finally:
            del self._noting[sweep.key, notice.key]
        self._tell()

    # who is told ------------------------------------------------------------------------------------------------

    def _recipients(self, sweep: AtWork) -> Sequence[Recipient]:
        return recipients_of(sweep.record, self._lab.sweeps.records.recipients)

    def _due(self, recipient: Recipient | None = None) -> list[tuple[Recipient, Due]]:
        """Who is still to be told what, in the order in which it happened; perhaps only of one recipient."""
        found = []
        records, trouble = self._lab.sweeps.records, self._lab.recorder.trouble
        for sweep in self._lab.sweeps.in_force():
            known = records.notices.get(sweep.key, {})
            unwritten = [each for (key, _), each in self._noting.items() if trouble and key == sweep.key]
            for notice in (*known.values(), *unwritten):
                for each in self._recipients(sweep):
                    wanted = recipient is None or each.key == recipient.key
                    if wanted and notice.is_open(each) and (sweep.key, notice.key, each.key) not in self._settled:
                        found.append((each, Due(sweep, notice)))
        return sorted(found, key=lambda pair: pair[1].notice.time_us)

    def _tell(self) -> None:
        """See to it that all are told who are to be; once for all that happens at the same time."""
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(TOGETHER_S, self._tell_now)

    def _tell_now(self) -> None:
        self._telling = None
        if self._is_up:
            for key, recipient in {each.key: each for each, _ in self._due()}.items():
                if key not in self._going:
                    self._going.add(key)
                    self._lab.spawn(self._tell_all(recipient))

    async def _tell_all(self, recipient: Recipient) -> None:
        """Tell one recipient what there is to tell it: one by one, and together what has to wait."""
        sent: deque[float] = deque(maxlen=SWIFT)
        tries, loop = 0, asyncio.get_running_loop()
        try:
            while self._is_up and (due := [each for _, each in self._due(recipient)]):
                if wait := room_after(sent, loop.time()):
                    await self._pause(recipient, wait)
                    continue
                some = due if len(due) > SWIFT else due[:1]
                recipient = self._as_it_is(recipient, some)
                if unset := recipient.unset(self._environment):
                    self._complain(recipient, some, f"the lab's environment has no {' and no '.join(unset)}")
                    return
                try:
                    await self._try(recipient, some)
                except NotTold as error:
                    tries += 1
                    await self._not_told(recipient, some, error, tries)
                else:
                    sent.append(loop.time())
                    tries = 0
                    self._later.discard(recipient.key)
                    self._settle(recipient, some, "")
        finally:
            self._going.discard(recipient.key)
            self._later.discard(recipient.key)

    async def _pause(self, recipient: Recipient, seconds: float) -> None:
        self._later.add(recipient.key)
        await self._sleep(seconds)

    def _as_it_is(self, recipient: Recipient, some: Sequence[Due]) -> Recipient:
        """What is asked for by now: the same address, perhaps in another shape."""
        return next(each for each in self._recipients(some[0].sweep) if each.key == recipient.key)

    async def _try(self, recipient: Recipient, some: Sequence[Due]) -> None:
        """Tell it once; raises NotTold."""
        said = together([each.notice.message for each in some])
        environment = dict(self._environment)
        async with self._threads:
            if recipient.url:
                await _apart(lambda: _post(recipient, said, environment))
            else:
                await _apart(lambda: notify_command.run(recipient, said, environment))

    async def _not_told(self, recipient: Recipient, some: Sequence[Due], error: NotTold, tries: int) -> None:
        """Give up, or wait until the next try."""
        old = [each for each in some if time.time() - each.notice.time_us / 1e6 > DAY_S]
        hopeless = error.final or (not recipient.url and tries >= COMMAND_TRIES)
        given_up = some if hopeless else old
        self._complain(recipient, some, str(error))
        if given_up:
            self._settle(recipient, given_up, str(error))
        if not hopeless:
            await self._pause(recipient, max(pause_after(tries), error.after))

    def _complain(self, recipient: Recipient, some: Sequence[Due], why: str) -> None:
        """Say, in the log once and with the sweep as long as it is so, that somebody is not told."""
        if (recipient.key, why) not in self._warned:
            self._warned.add((recipient.key, why))
            log.warning("%s is not told of %s: %s", recipient.shown, some[0].sweep.name, why)
        for each in some:
            each.sweep.untold[recipient.key] = why

    def _settle(self, recipient: Recipient, some: Sequence[Due], outcome: str) -> None:
        """Write that it was told, or why nobody tries any more."""
        rows = []
        for sweep, notice in some:
            self._settled.add((sweep.key, notice.key, recipient.key))
            body = {"key": notice.key, "to": recipient.key, "outcome": outcome}
            rows.append(Request(kind="told", sweep=sweep.name, folder=sweep.key, body=body))
            sweep.untold.pop(recipient.key, None)
        self._lab.spawn(self._write(rows))

    async def _write(self, rows: Sequence[Request]) -> None:
        self._writing += 1
        try:
            await self._lab.sweeps.note(*rows)
        finally:
            self._writing -= 1
        self._settled -= {(row.folder, row.body["key"], row.body["to"]) for row in rows}

    async def settle(self) -> None:
        """Give what is on its way a while to arrive: the lab is about to end."""
        until = asyncio.get_running_loop().time() + LAST_S
        while self._is_busy and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(TOGETHER_S)

    @property
    def _is_busy(self) -> bool:
        return bool(self._noting or self._telling or self._going - self._later or self._writing)


def _post(recipient: Recipient, said: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    address = recipient.address(environment)
    webhook.post(address, payload(recipient.shape_at(address), said), time.time())


async def _apart(work: Callable[[], Any]) -> None:
    """Run something that blocks in a thread of its own, for which no process waits at its end."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def end(error: Exception | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        error: Exception | None = None
        try:
            work()
        except Exception as raised:
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(end, error)

    threading.Thread(target=run, name="raylab-notify", daemon=True).start()
    await done
