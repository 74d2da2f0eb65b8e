"""The verbs that stay until all is in: `raylab watch`, `wait`. They start no lab."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from raylab.client.speech import NOTHING_CANCELLED, Interruptible
from raylab.errors import LabFenced, LabUnavailable
from raylab.terminal.as_json import print_json
from raylab.terminal.verbs_read import LAB, SWEEP, look
from raylab.terminal.words import ADDRESS, DONE, NOT_READY, number, verb, word

if TYPE_CHECKING:
    from raylab.client.attachment import Client
    from raylab.client.resting import Resting
    from raylab.core.handle import Handle
    from raylab.core.status import Status
    from raylab.terminal.live import Shown

POLL_S = 2.0
"""How long one question waits for news: a lab that does not answer by then is away, which the board says."""

AGAIN_S = 1.0
"""Before a lab that is away is asked again."""

SECONDS = number(float, 0, float("inf"), "seconds from 0 on")


@verb(
    "show a live board of the sweeps, until all is in",
    LAB,
    SWEEP,
    ADDRESS,
    word("--json", action="store_true", help="a line of JSON for each sweep, and one whenever it is not as it was"),
    more="Off a terminal, the table of\n`raylab status` is printed whenever it differs. Ctrl-C cancels nothing.",
    example="raylab watch perc",
)
def watch(lab: str | None, sweep: str | None, address: str | None, json: bool) -> int:
    with Interruptible(lambda: NOTHING_CANCELLED):
        found = look(lab, address)
        from raylab.terminal.live import shown

        which = None if sweep is None else found.pinned(sweep)
        with shown(found.name, json=json) as picture:
            return _follow(found, which, picture)


def _follow(lab: Client | Resting, which: Handle | None, picture: Shown) -> int:
    mark = None
    while True:
        try:
            mark, sweeps = lab.news(which, mark, None if mark is None else POLL_S)
        except LabFenced:
            raise
        except LabUnavailable:
            if mark is None or not picture.patient:
                raise
            time.sleep(AGAIN_S)
            continue
        picture.show(sweeps)
        if not _left(sweeps):
            return DONE
        if not lab.at_work:
            return NOT_READY


def _left(sweeps: list[Status]) -> bool:
    return any(each.outstanding for each in sweeps)


@verb(
    "wait until all is in, with a bar",
    LAB,
    SWEEP,
    ADDRESS,
    word("--timeout", type=SECONDS, metavar="S", help="seconds to wait at most"),
    word("--quiet", action="store_true", help="no bar, the exit code says it all"),
    word("--json", action="store_true", help="at the end, as JSON what `raylab status` says then; no bar"),
    example="raylab wait perc coarse --timeout 3600 && make figures",
)
def wait(
    lab: str | None, sweep: str | None, address: str | None, timeout: float | None, quiet: bool, json: bool
) -> int:
    found = look(lab, address)
    is_in = found.wait(sweep, timeout, not (quiet or json))
    if json:
        print_json([each.told() for each in found.overview(sweep)])
    return DONE if is_in else NOT_READY
