"""Has trials that had too little memory or time tried again with more, by a request of the lab's own."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial

from raylab.core.box import Run
from raylab.core.enlarging import enlarge
from raylab.core.failed_now import causes_of
from raylab.core.policy import GROWS, Policy
from raylab.core.queue import Queue
from raylab.core.request import Request
from raylab.core.schedule import slots
from raylab.errors import DesignError
from raylab.server.at_work import AtWork
from raylab.server.sweeps import Sweeps

log = logging.getLogger(__name__)


async def see_to(sweeps: Sweeps, sweep: AtWork, queue: Queue, nodes: list[Mapping[str, float]]) -> Mapping[str, int]:
    """Look at what had too little, and write what is tried again; how many get no more, by status.

    Args:
        sweeps: the lab's; no other request may change their segments meanwhile.
        sweep: which.
        queue: its queue.
        nodes: what each node of the cluster has.

    Raises:
        RaylabError: the notebook cannot be read or written now.
    """
    spent = Counter(queue.by_status)  # what is counted by now is in the table; of what comes meanwhile nobody says
    found = await sweeps.recorder.read(partial(sweeps.writer.survey, sweep.key))
    in_hand: list[Run] = list(queue.in_hand)
    try:
        segments, short = enlarge(sweep.record, found, in_hand=in_hand, has_room=lambda policy: _fits(nodes, policy))
    except DesignError as error:
        log.warning("%s: nothing is tried again with more: %s", sweep.name, error)
        segments, short = (), []
    if segments:
        left = queue.failures.tally
        for segment in segments:
            left = left.without(segment.taken_back)
        gone = causes_of(short, found.causes)
        body = {"segments": [segment.plain() for segment in segments], "left": asdict(left)}
        await sweeps.note(Request(kind="grown", sweep=sweep.name, folder=sweep.key, body=body))
        sweep.take_back(gone)
        await sweeps.take(sweep)  # one that was complete
    for segment in segments:
        spent -= Counter(segment.taken_back)
    return {status: spent[status] for status in GROWS}


def _fits(nodes: list[Mapping[str, float]], policy: Policy) -> bool:
    return slots(nodes, policy.resources) > 0
