"""Waiting for sweeps: until all is in, or what is left waits for what time does not bring; a bar, and why it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from numbers import Real
from typing import Protocol, TypeAlias

import polars as pl

from raylab.client.bar import shown_progress
from raylab.client.speech import NOTHING_CANCELLED, Interruptible, say
from raylab.core.handle import Handle, Which, handles
from raylab.core.status import STANDSTILL, Progress, Status
from raylab.display.figures import percent
from raylab.display.reasons import reasons
from raylab.errors import LabFenced, LabUnavailable

Mark: TypeAlias = tuple[int, int]
"""What a client has seen: the lab's opening, and a number that grows with the news."""


class Newsgiver(Protocol):
    """A lab that is waited for."""

    name: str

    def news(self, sweep: Which, mark: Mark | None, left: float | None) -> tuple[Mark, list[Status]]: ...


class Seen:
    """How far it is, as a wait saw it last."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.progress: Progress | None = None

    def interrupted(self) -> str:
        """What to say if the wait is interrupted."""
        if self.progress is None:
            return NOTHING_CANCELLED
        ready, asked = self.progress.ready, self.progress.asked
        share = percent(ready, asked)
        return f"{NOTHING_CANCELLED}: of {self.name!r} {ready:,} of {asked:,} trials are ready ({share})"


def wait(lab: Newsgiver, sweep: Which, timeout: float | None, shown: bool) -> bool:
    """Wait for a sweep, several or all of them; whether all is in. See `Lab.wait`."""
    until = deadline(timeout)
    if isinstance(sweep, Real):
        raise ValueError(f"wait takes the name of a sweep, or a list of names, first; seconds are timeout={sweep}")
    named = handles(sweep)
    seen = Seen(lab.name if named is None else ", ".join(each.name for each in named))
    with Interruptible(seen.interrupted):
        try:
            return follow(stages(lab, sweep, until), seen, shown) == 0
        except LabFenced as error:
            say(str(error))
            return False
        except LabUnavailable:
            if until is not None and time.monotonic() >= until:
                return False
            raise


def stages(lab: Newsgiver, sweep: Which, until: float | None) -> Iterator[list[Status]]:
    """How far they are: now, and whenever there is news, until a wait for them ends."""
    mark, found = lab.news(sweep, None, time_left(until))
    if sweep is not None:  # these very sweeps, whoever has their names next
        sweep = [Handle(each.name, each.folder) for each in found]
    while True:
        yield found
        left = time_left(until)
        if is_over(found, left):
            return
        mark, found = lab.news(sweep, mark, left)


def follow(looks: Iterator[list[Status]], seen: Seen, shown: bool) -> int:
    """Show with a bar, or in lines, how far they are, and say why it ended; how many trials are outstanding then."""
    now = next(looks)
    with shown_progress(seen.name, Progress.of(now), shown=shown) as bar:
        for found in chain([now], looks):
            now = found
            seen.progress = progress = Progress.of(found)
            bar.show(progress)
            tell_remarks(found, bar.tell)
    tell_end(now, failures=shown)
    return progress.outstanding


def is_over(sweeps: Sequence[Status], left: float | None) -> bool:
    """Whether a wait ends: the time is over, nothing is left, or what is left waits for what time does not bring."""
    still = all(each.stands_still and not each.running for each in sweeps if each.outstanding)
    return still or (left is not None and left <= 0)


def deadline(timeout: object) -> float | None:
    """When a wait of so many seconds ends; None if it has no end.

    Raises:
        ValueError: these are no seconds.
    """
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, Real) or not float(timeout) >= 0:  # not NaN either
        raise ValueError(f"timeout is how many seconds to wait at most, a number from 0 on, or None; got {timeout!r}")
    return time.monotonic() + float(timeout)


def time_left(until: float | None) -> float | None:
    return None if until is None else until - time.monotonic()


def tell_end(sweeps: Sequence[Status], failures: bool) -> None:
    """A line on what stands still, and on failures where somebody watches."""
    for each in sweeps:
        if each.state in STANDSTILL:
            state = "" if each.reason.startswith(each.state) else f"{each.state}: "  # "paused by ada" says it
            say(f"{each.name} is {state}{each.reason}")
        elif each.stands_still and each.outstanding:
            say(
                f"{each.name} stands still: {each.reason} ({each.troubles} times in a row; the lab tries again with "
                "growing pauses, and at once when it is submitted again)"
            )
        elif each.failed and failures:
            error = each.first_error or "see failures()"
            causes = f"; {said}" if (said := reasons(each)) else ""
            say(f"{each.name}: {each.failed:,} of {each.total:,} trials failed, the first with {error}{causes}")


_told: set[tuple[str, int]] = set()


def tell_remarks(sweeps: Sequence[Status], tell: Callable[[str], None]) -> None:
    """A line on workers that have other packages, once in this process for each sweep."""
    for each in sweeps:
        if each.remark and (told := (each.folder, each.submitted_us)) not in _told:
            _told.add(told)
            tell(f"{each.name}: {each.remark}")


def frame_by_frame(frames: Iterator[pl.DataFrame], seen: Seen) -> Iterator[pl.DataFrame]:
    """The frames; what the caller does with one of them is none of our business, also if that is interrupted."""
    while True:
        with Interruptible(seen.interrupted):
            frame = next(frames, None)
        if frame is None:
            return
        yield frame
