"""The verbs that steer a sweep: `raylab pause`, `resume`, `cancel`, `retry`. What is recorded stays."""

from __future__ import annotations

from raylab.core.statuses import USUAL, check_failed
from raylab.terminal.meant import LAB, SWEEP, YES, answer, at_work, look_up
from raylab.terminal.words import ADDRESS, DONE, NOT_READY, verb, word


@verb(
    "let a sweep stand still",
    LAB,
    SWEEP,
    ADDRESS,
    more="What runs ends by itself; `raylab resume` lets it go on.",
    example="raylab pause perc coarse",
)
def pause(lab: str, sweep: str, address: str | None) -> int:
    found, meant, now = look_up(lab, sweep, address)
    if not now.outstanding:
        print(f"{sweep}: nothing is left to pause")
        return DONE
    if now.state == "paused" and not found.at_work:
        print(f"{sweep} is paused already: {now.reason}")
        return DONE
    working = at_work(found, address)
    working.pause(meant)
    running = working.progress(meant).running
    ends = f"; {running:,} trials that have begun may still end" if running else ""
    print(f"{sweep} is paused{ends}; `raylab resume {lab} {sweep}` lets it go on")
    return DONE


@verb(
    "let a paused or cancelled sweep go on",
    LAB,
    SWEEP,
    ADDRESS,
    more="Its failures count anew.",
    example="raylab resume perc coarse",
)
def resume(lab: str, sweep: str, address: str | None) -> int:
    found, meant, now = look_up(lab, sweep, address)
    if not now.outstanding and not now.cancelled:
        print(f"{sweep}: nothing is left to run")
        return DONE
    working = at_work(found, address)
    working.resume(meant)
    print(f"{sweep} goes on: {working.progress(meant).outstanding:,} trials are outstanding")
    return DONE


@verb(
    "give up what a sweep has not recorded",
    LAB,
    SWEEP,
    YES,
    ADDRESS,
    more="Submitting it again goes on, and so does `raylab resume`.",
    example="raylab cancel perc coarse --yes",
)
def cancel(lab: str, sweep: str, yes: bool, address: str | None) -> int:
    found, meant, now = look_up(lab, sweep, address)
    left = now.outstanding
    if not left:
        print(f"{sweep}: nothing is left to cancel")
        return DONE
    question = f"give up {left:,} trials of {sweep!r}? What is recorded stays. [y/N] "
    if not yes and answer(question).lower() not in ("y", "yes"):
        print("nothing was cancelled")
        return NOT_READY
    cancelled = at_work(found, address).cancel(meant)
    print(f"{sweep}: {cancelled:,} trials are cancelled; what is recorded stays, submitting again goes on")
    return DONE


@verb(
    "run again what failed of a sweep",
    LAB,
    SWEEP,
    word(
        "--status",
        type=lambda text: check_failed(text.split(",")),
        default=USUAL,
        metavar="WORDS",
        help="failed, crashed, timed_out or out_of_memory, several with commas (default: the first three)",
    ),
    ADDRESS,
    more="With the same seeds, under the code and the policy in force. The rows there are stay.",
    example="raylab retry perc coarse --status crashed,out_of_memory",
)
def retry(lab: str, sweep: str, status: tuple[str, ...], address: str | None) -> int:
    found, meant, now = look_up(lab, sweep, address)
    if not sum(now.by_status.get(each, 0) for each in status):
        others = ", ".join(f"{count:,} {each}" for each, count in now.by_status.items() if each != "done")
        there = f"; there are {others}" if others else ""
        print(f"{sweep}: nothing is {' or '.join(status)}{there}")
        return DONE
    working = at_work(found, address)
    again = working.retry(meant, status)
    then = working.progress(meant)
    still = f", once `raylab resume {lab} {sweep}` lets it go on: {then.reason}" if then.state == "paused" else ""
    print(f"{sweep}: {again:,} trial{'s run' if again != 1 else ' runs'} again{still}")
    return DONE
