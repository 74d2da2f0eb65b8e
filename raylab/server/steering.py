"""The verbs that steer a sweep in force: cancel, lock, pause, resume, change.

Each writes what was asked for as a request, and is over when that is durable and in force. A sweep that is so already
gets no request, so a verb that is repeated does nothing. One change at a time: the actor sees to that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from raylab.core.notice import Notice
from raylab.core.policy import Policy
from raylab.core.recipient import Recipient
from raylab.core.request import Kind, Request
from raylab.core.telling import happened, recipients_of
from raylab.errors import SweepLocked
from raylab.server.at_work import AtWork
from raylab.server.conductor import Conductor
from raylab.server.standing import standing


async def cancel(lab: Conductor, sweep: AtWork, user: str) -> int:
    """Give up what is not recorded; say how many trials that is."""
    check_unlocked(sweep, "it cannot be cancelled: it runs to its end")
    if not sweep.record.cancelled:
        await _note(lab, sweep, request("cancelled", sweep, user))
    return standing(lab, sweep).cancelled


async def lock(lab: Conductor, sweep: AtWork, user: str) -> None:
    """Let the sweep take no change any more."""
    if not sweep.record.locked:
        await _note(lab, sweep, request("locked", sweep, user))


async def pause(lab: Conductor, sweep: AtWork, user: str) -> None:
    """Let the sweep stand still. One that has paused itself keeps the reason, and `retry` lets it go on no more; of one
    that has nothing left, or is cancelled, nothing runs anyway."""
    check_unlocked(sweep, "it cannot be paused: it runs to its end")
    if sweep.record.paused_by or sweep.record.cancelled or not standing(lab, sweep).outstanding:
        return
    reason = sweep.record.paused or _pause_reason(lab, sweep) or f"paused by {user}"
    await _note(lab, sweep, request("paused", sweep, user, reason=reason, by=user))


async def resume(lab: Conductor, sweep: AtWork, user: str) -> None:
    """Let a paused or cancelled sweep go on, and one whose environment failed try again at once."""
    if asked := resumed(lab, sweep, user):
        await _note(lab, sweep, *asked)
    await go_on(lab, sweep)


async def change(lab: Conductor, sweep: AtWork, user: str, words: Mapping[str, Any]) -> None:
    """Give the sweep these fields of its policy (see `Policy.changed`)."""
    before = sweep.record.policy
    after = before.changed(words)
    if asked := with_policy(lab, sweep, user, after):
        await _note(lab, sweep, *asked)
        if after.grow != before.grow and not sweep.record.cancelled:
            await lab.sweeps.take(sweep)  # of one that was complete, some trials may be tried again now


def told_by_lab(lab: Conductor, user: str, recipients: Sequence[Recipient]) -> list[Request]:
    """What to write so that these are told of all sweeps that name nobody themselves."""
    body = {"recipients": [each.plain() for each in recipients]}
    row = Request(kind="notify", sweep="", folder="", user=user, body=body)
    silent = [sweep for sweep in lab.sweeps.in_force() if sweep.record.policy.notify is None]
    return [row, *(each for sweep in silent for each in passed(lab, sweep, user, recipients))]


# parts of them --------------------------------------------------------------------------------------------------


def with_policy(lab: Conductor, sweep: AtWork, user: str, policy: Policy) -> list[Request]:
    """What to write so that the sweep is run by this policy: nothing, if it is already.

    Raises:
        SweepLocked: it is locked, and the policy is another one.
    """
    if policy.dumps() == sweep.record.policy.dumps():
        return []
    check_unlocked(sweep, "its policy (description, retries, limits, resources, priority) stays")
    told = policy.notify if policy.notify is not None else lab.sweeps.records.recipients
    return [request("policy", sweep, user, **policy.plain()), *passed(lab, sweep, user, told)]


def passed(lab: Conductor, sweep: AtWork, user: str, recipients: Sequence[Recipient]) -> list[Request]:
    """What to write so that these are not told what had happened before anybody was to be told of it."""
    before = recipients_of(sweep.record, lab.sweeps.records.recipients)
    wanted = {event for each in recipients for event in each.on} - {event for each in before for event in each.on}
    if not wanted:
        return []
    known = lab.sweeps.records.notices.get(sweep.key, {})
    found = happened(sweep.record, standing(lab, sweep))
    new = [Notice(key=key, event=event) for key, event in found.items() if event in wanted and key not in known]
    return [request("noticed", sweep, user, **each.body()) for each in new]


def resumed(lab: Conductor, sweep: AtWork, user: str) -> list[Request]:
    """What to write where a person lets the sweep go on: nothing, if it does not stand still. The request says what has
    come of its trials, since `max_failures` counts from here."""
    # A pause may be in force already while its row is being written; ours comes after it.
    if not (sweep.record.cancelled or sweep.record.paused or _pause_reason(lab, sweep)):
        return []
    queue = lab.ledger.queues.get(sweep.key)
    tally = {} if queue is None else asdict(queue.failures.tally)
    return [request("resumed", sweep, user, **tally)]


async def go_on(lab: Conductor, sweep: AtWork) -> None:
    """What made the sweep stand still is over."""
    queue = lab.ledger.queues.get(sweep.key)
    # It may have grown meanwhile; and of one that was complete, some trials may be tried again under another policy, of
    # which its queue knows nothing, or may not act because it was put away while it was cancelled.
    complete = (
        queue is not None
        and queue.recorded.count == sweep.record.positions
        and queue.record.policy.grow == sweep.record.policy.grow
        and not (queue.cancelled and sweep.record.policy.grow)
    )
    await lab.sweeps.resume(sweep, complete=complete)


def _pause_reason(lab: Conductor, sweep: AtWork) -> str:
    """Why the sweep stands still, as the ledger knows."""
    queue = lab.ledger.queues.get(sweep.key)
    return "" if queue is None else queue.pause_reason


def request(kind: Kind, sweep: AtWork, user: str, **body: Any) -> Request:
    """Something that a person asks of a sweep."""
    return Request(kind=kind, sweep=sweep.name, folder=sweep.key, user=user, body=body)


async def _note(lab: Conductor, sweep: AtWork, *requests: Request) -> None:
    await lab.sweeps.note(*requests)
    lab.news.post(sweep, urgent=True)


def check_unlocked(sweep: AtWork, so: str) -> None:
    """Refuse a change of a locked sweep; `so` says what that means.

    Raises:
        SweepLocked: it is locked.
    """
    if sweep.record.locked:
        raise SweepLocked(
            f"the sweep {sweep.name!r} is locked, for good, so {so}. lab.sweep({sweep.name!r}) gives it and its "
            "results as they are; to run it otherwise, submit it under another name with name="
        )
