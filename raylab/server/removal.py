"""Hiding sweeps, and deleting them for good: a row in the requests first, then the files, in pieces.

Promises: a removal that was acknowledged is carried out, by this lab or the next one. The loop never waits for it, and
code goes with its last user only.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from raylab.core.request import Kind, Removed
from raylab.errors import LabBusy, LabFenced, RaylabError, SweepLocked
from raylab.server.at_work import AtWork
from raylab.server.conductor import Conductor
from raylab.server.steering import request

log = logging.getLogger(__name__)

PATIENCE_S = 20.0
"""How long whoever removes a sweep waits for its files to go: 100,000 of them, at 5,000 a second. Beyond that they go
without anybody waiting."""


async def archive(lab: Conductor, sweep: AtWork, user: str, undo: bool) -> None:
    """Hide a sweep of which nothing runs, or show it again."""
    record, queue = sweep.record, lab.ledger.queues.get(sweep.key)
    if record.archived is not undo:
        return
    outstanding = record.total if queue is None else queue.outstanding
    stands_still = record.cancelled or (record.paused and not (queue and queue.running))
    if outstanding and not (undo or stands_still):
        raise LabBusy(
            f"the sweep {sweep.name!r} has {outstanding:,} trials outstanding, so it is not archived: nothing runs "
            "unseen. Wait until it is ready, or pause or cancel it first"
        )
    kind: Kind = "unarchived" if undo else "archived"
    await lab.sweeps.note(request(kind, sweep, user))
    lab.news.post(sweep, urgent=True)


async def remove(lab: Conductor, sweep: AtWork, user: str) -> None:
    """Let a sweep be no more; what runs of it is stopped by force. Its files are still to be deleted."""
    if sweep.record.locked:
        raise SweepLocked(
            f"the sweep {sweep.name!r} is locked, for good, so it cannot be removed; archive it to have it out of sight"
        )
    await lab.sweeps.note(request("removed", sweep, user, code=sweep.record.hashes))


class Removals:
    """What a lab deletes."""

    def __init__(self, lab: Conductor) -> None:
        self._lab = lab
        self._under_way: dict[str, asyncio.Task[None]] = {}  # by folder

    async def go_on(self) -> None:
        """Carry out what a lab before this one has left."""
        await self._lab.opened.wait()
        if self._lab.refusal is None:
            for folder in self._lab.sweeps.records.removed:
                try:
                    await self._deleted(folder)
                except LabFenced:
                    raise
                except RaylabError as error:  # one that cannot be deleted must not keep the others
                    log.warning("%s is not deleted: %s", folder, error)

    async def carried_out(self, folder: str) -> None:
        """Delete the files of a sweep that was removed; wait for it, but not for ever."""
        if folder not in self._under_way:
            task = self._under_way[folder] = asyncio.get_running_loop().create_task(self._deleted(folder))
            task.add_done_callback(lambda done: self._ended(folder, done))
        await asyncio.wait([self._under_way[folder]], timeout=PATIENCE_S)

    def _ended(self, folder: str, task: asyncio.Task[None]) -> None:
        del self._under_way[folder]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("%s is not deleted: %s", folder, error)

    async def _deleted(self, folder: str) -> None:
        lab, removed = self._lab, self._lab.sweeps.records.removed[folder]
        await lab.sweeps.at_rest(folder)
        while not await lab.recorder.do(partial(lab.sweeps.writer.clear, removed)):
            pass
        async with lab.changing:  # whoever keeps code for a request holds it: what is in use is in the requests
            await self._delete_code(removed)

    async def _delete_code(self, removed: Removed) -> None:
        """Of its code what no sweep needs any more."""
        used = {digest for record in self._lab.sweeps.records.readable for digest in record.hashes}
        if unused := [digest for digest in removed.code if digest not in used]:
            await self._lab.recorder.do(partial(self._lab.sweeps.writer.remove_code, unused))
