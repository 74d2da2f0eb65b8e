"""The verb for what was printed, by a trial or by a lab itself: `raylab log`. It starts no lab."""

from __future__ import annotations

import sys
from pathlib import Path

from raylab.client.speech import say
from raylab.terminal.verbs_read import LAB, NOTEBOOK, look
from raylab.terminal.words import ADDRESS, DONE, Misuse, number, verb, word

NUMBER = number(int, 0, 2**63 - 1, "a whole number from 0 on")


@verb(
    "show what a trial printed, or what a lab itself logged",
    LAB,
    word("sweep", nargs="?", metavar="SWEEP", help="the trial's sweep (default: the lab's own log)"),
    word("point", nargs="?", metavar="POINT", help="the number of the trial's point, _point in the results"),
    word("--repeat", type=NUMBER, default=0, metavar="N", help="which repeat of the point (default: 0)"),
    word("--attempt", type=NUMBER, metavar="N", help="which attempt at the trial (default: the one of its record)"),
    ADDRESS,
    NOTEBOOK,
    example="raylab log perc coarse 17 --repeat 2",
)
def log(
    lab: str | None,
    sweep: str | None,
    point: str | None,
    repeat: int,
    attempt: int | None,
    address: str | None,
    notebook: Path | None,
) -> int:
    if notebook is not None:  # no lab's name comes before the sweep's
        if point is not None:
            raise Misuse("with --notebook, give a sweep and a point, and no lab")
        lab, sweep, point = None, lab, sweep
    if notebook is None and sweep is None:
        return _own(lab, address)
    if sweep is None or point is None:
        raise Misuse("which trial? Give SWEEP and POINT; `raylab results` with --metadata shows the points' numbers")
    try:
        at = NUMBER(point)
    except ValueError as error:
        raise Misuse(f"POINT is {error}") from None
    if notebook is not None:
        from raylab.offline import Notebook

        text = Notebook(notebook).log(sweep, at, repeat, attempt=attempt)
    else:
        text = look(lab, address).log(sweep, at, repeat, attempt)
    sys.stdout.write(text if not text or text.endswith("\n") else f"{text}\n")
    if not text:
        say("it printed nothing")
    return DONE


def _own(lab: str | None, address: str | None) -> int:
    from raylab.client.lab_log import lab_log

    found = lab_log(look(lab, address))
    sys.stdout.write(found.text)
    say(f"this lies on {found.node} in {' and '.join(found.files)}")
    return DONE
