"""The verbs that have what failed run again: retry, and going on with other code.

What is to be run again is decided in `core/retry.py`, from what the sweep's files say of themselves. One change at a
time: the actor sees to that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, replace

from raylab.core.causes import Failing
from raylab.core.failed_now import causes_of
from raylab.core.imported import check_code
from raylab.core.request import Request, Submission
from raylab.core.resubmission import policy_again
from raylab.core.retry import again as failed_again
from raylab.core.retry import not_taken, taken
from raylab.core.segment import Segment
from raylab.core.statuses import FAILED
from raylab.core.summary import Summary
from raylab.errors import SweepLocked
from raylab.server import steering
from raylab.server.at_work import AtWork
from raylab.server.conductor import Conductor
from raylab.server.growing import grown
from raylab.server.standing import standing


async def retry(lab: Conductor, sweep: AtWork, statuses: Sequence[str], known: int, user: str) -> int:
    """Run again what failed; say how many trials that is.

    Args:
        lab: the sweep's.
        sweep: which.
        statuses: which failures.
        known: how many segments the sweep had when the person asked. A call whose answer was lost comes with the same
            number, and is answered as the first time.
        user: who asks.
    """
    steering.check_unlocked(sweep, "nothing of it runs again")
    check_code(sweep.record.name, sweep.record.versions[-1], "runs again")
    if standing(lab, sweep).cancelled:
        raise SweepLocked(
            f"the sweep {sweep.name!r} is cancelled, so nothing of it runs again; resume() or submitting it again lets "
            "it go on, and then retry() runs again what failed"
        )
    new = not_taken(sweep.record.segments, known, statuses)
    segments, gone = await _failures(lab, sweep, new, known) if new else ((), [])
    if segments:
        stands = bool(sweep.record.paused_by)  # what a person paused, the lab does not let go on
        resumed = [] if stands else steering.resumed(lab, sweep, user)
        await _note(lab, sweep, *resumed, grown(sweep, user, segments), gone=gone)
        if not stands:
            await steering.go_on(lab, sweep)
        lab.news.post(sweep, urgent=True)
    return taken(sweep.record.segments, known, statuses)


async def go_on(lab: Conductor, sweep: AtWork, submission: Submission) -> int:
    """Let the sweep go on with a new version of its code; say how many trials run again with it, because they failed.

    All of it is one change: the version, the policy, the points that are new, what runs again, and that it goes on.
    """
    user, record = submission.user, sweep.record
    code, modules = await lab.sweeps.keep_code(submission.pickle, submission.modules)
    version = {
        "code": code,
        "modules": modules,
        "ingredients": dict(submission.ingredients),
        "diff": await lab.sweeps.keep_diff(submission.diff),
        "provenance": asdict(submission.provenance),
    }
    requests = lab.sweeps.new_environments(submission.environment)
    requests.append(steering.request("continued", sweep, user, **version))
    growth, policy = submission.growth(record), policy_again(record, submission)
    new = growth.segments if growth is not None else ()
    again, gone = await _failures(lab, sweep, FAILED, len(record.segments), after=new)
    if new or again:
        requests.append(grown(sweep, user, (*new, *again)))
    requests += steering.with_policy(lab, sweep, user, policy)
    requests += steering.resumed(lab, sweep, user)
    await _note(lab, sweep, *requests, gone=gone)
    await steering.go_on(lab, sweep)
    return sum(segment.total for segment in again)


async def _failures(
    lab: Conductor, sweep: AtWork, statuses: Sequence[str], known: int, after: tuple[Segment, ...] = ()
) -> tuple[tuple[Segment, ...], list[Failing]]:
    """The segments in which everything runs again that is counted as failed now, which come after these; and why that
    had failed."""
    queue = lab.ledger.queues.get(sweep.key)
    if queue is not None and not any(queue.by_status[status] for status in statuses):
        return (), []
    found = await _held(lab, sweep)
    # Only now: what is in the files by then, and in hand, is not counted yet.
    queue = lab.ledger.queues.get(sweep.key)
    in_hand = [] if queue is None else queue.in_hand.pairs()
    record = replace(sweep.record, segments=(*sweep.record.segments, *after))

    def decide() -> tuple[tuple[Segment, ...], list[Failing]]:
        segments, failed = failed_again(record, found, statuses, known=known, in_hand=in_hand)
        return segments, causes_of(failed, found.causes)

    return await asyncio.to_thread(decide)


async def _held(lab: Conductor, sweep: AtWork) -> Summary:
    """What the sweep's table holds. That of a sweep which was put away is opened for it, as it is to be written again:
    of 10^6 trials, 10^5 of them failed, to read it once more takes as long as to run them again."""
    if sweep.stage == "known":
        await lab.sweeps.take(sweep)
        if sweep.table is not None:
            return sweep.table.summary
    return await lab.recorder.read(lambda: lab.sweeps.writer.survey(sweep.key))


async def _note(lab: Conductor, sweep: AtWork, *requests: Request, gone: Sequence[Failing]) -> None:
    """Write these, and take up a sweep that was put away and has grown. What is gone is failed no more."""
    await lab.sweeps.note(*requests)
    sweep.take_back(gone)
    if any(request.kind == "grown" for request in requests):
        await lab.sweeps.take(sweep)
