"""Growing: a sweep in force gets more segments, whatever it is doing.

A growth was computed by a client, on the sweep as it was then; it is taken only if the sweep has not grown since. A
call that is repeated finds its segments there, and adds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from raylab.core.growth import Growth
from raylab.core.imported import check_code
from raylab.core.request import Request
from raylab.core.segment import Segment
from raylab.server import steering
from raylab.server.at_work import AtWork
from raylab.server.conductor import Conductor


async def extend(lab: Conductor, sweep: AtWork, user: str, growth: Growth) -> bool:
    """Add points and repeats; whether the sweep has them now, and has not grown otherwise meanwhile."""
    known = sweep.record
    if not growth.segments:
        return True
    if not growth.is_in(known.folder, known.segments):
        if not growth.fits(known.folder, known.segments):
            return False
        check_code(known.name, known.versions[-1], "runs at more points, or in more repeats")
        await lab.sweeps.note(grown(sweep, user, growth.segments))
    await lab.sweeps.take(sweep)  # one that was complete, or that was not taken up
    lab.news.post(sweep, urgent=True)
    return True


def grown(sweep: AtWork, user: str, segments: Sequence[Segment]) -> Request:
    """That these segments are added.

    Raises:
        SweepLocked: the sweep is locked.
    """
    steering.check_unlocked(sweep, "nothing is added to it")
    return steering.request("grown", sweep, user, segments=[segment.plain() for segment in segments])
