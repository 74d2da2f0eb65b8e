"""What shows how far it is: a bar on a screen, or a line now and then. The one home of tqdm; asks nobody."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Self, TextIO

from tqdm.asyncio import tqdm_asyncio
from tqdm.auto import tqdm

from raylab.client.speech import line, say
from raylab.core.status import STANDSTILL, Progress
from raylab.display.figures import STATES, duration, percent, width

WIDE = "{{desc}}: {percent:>5}|{{bar}}| {{n_fmt}}/{{total_fmt}} [{{elapsed}}<{eta}, {{rate_fmt}}{{postfix}}]"
NARROW = "{{desc}}: {percent:>5}|{{bar}}| {eta}{{postfix}}"
"""As tqdm has it, but that the time left is the lab's own word: it is right from the first moment on, and knows of the
cluster's size. Numbers that people do without first are left out where there are fewer columns than NARROW_COLUMNS."""

NARROW_COLUMNS = 64

GROWN = 0.1
"""The share of the trials that is worth a line off a screen: eleven lines for a sweep that goes quickly."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 30.0, 600.0
"""After so long a line comes for less. The pause doubles from line to line: a sweep of a day has some 150 lines."""


def shown_progress(name: str, progress: Progress, *, shown: bool) -> Bar | Lines:
    """A bar where stderr is a screen or a notebook's cell, lines where it is a file or a pipe."""
    return Bar(name, progress, shown=shown) if not shown or _is_screen(sys.stderr) else Lines(name, progress)


def _is_screen(stream: TextIO) -> bool:
    """Whether what is written can be written over. tqdm itself is another class where it draws into a cell."""
    return tqdm is not tqdm_asyncio or stream.isatty() or type(stream).__module__.startswith("ipykernel.")


class Bar:
    """A tqdm bar that starts at the right count, shows failures, and goes on whatever happens to the lab.

    Args:
        name: of what is waited for.
        progress: where it is now; the rate counts from there.
        shown: False makes a bar that is silent.
        file: to write to; stderr, or the notebook's cell, if None.

    Example:
        >>> import dataclasses, io
        >>> screen, nothing = io.StringIO(), Progress.of([])
        >>> with Bar("coarse", dataclasses.replace(nothing, total=10, waiting=10), shown=True, file=screen) as bar:
        ...     bar.show(dataclasses.replace(nothing, total=10, done=8, failed=2))
        >>> screen.getvalue().rstrip().endswith("2 failed]")
        True
    """

    def __init__(self, name: str, progress: Progress, *, shown: bool, file: TextIO | None = None) -> None:
        self._file = file
        self._said = ""
        self._bar = tqdm(
            desc=name,
            total=progress.asked,
            initial=progress.ready,
            unit=" trials",
            file=file,
            miniters=1,  # tqdm would raise it to the size of a usual batch, and leave out the last small ones
            dynamic_ncols=True,
            disable=not shown,
            bar_format=_layout(progress, file),
        )
        self.show(progress)

    def show(self, progress: Progress) -> None:
        """Move to where the lab is."""
        if self._bar.disable:
            return
        self._say(progress)
        if progress.ready < self._bar.n:  # another sweep has taken the name: nothing of it came in yet
            self._bar.initial = 0
            self._bar.reset()
            self._bar.initial = self._bar.n = self._bar.last_print_n = progress.ready
        self._bar.total = progress.asked
        self._bar.bar_format = _layout(progress, self._file)
        self._bar.set_postfix_str(", ".join(remarks(progress)), refresh=False)
        if not self._bar.update(progress.ready - self._bar.n):
            self._bar.refresh()

    def _say(self, progress: Progress) -> None:
        """A line above the bar when something new keeps the lab from going on; `wait` itself tells why it ended."""
        news = _news(progress)
        if news and news != self._said:
            self.tell(news)
        self._said = news

    def tell(self, text: str) -> None:
        """Say something in a line above the bar."""
        tqdm.write(line(text), file=self._file or sys.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()


class Lines:
    """A line when the share has grown, or some time is over, and the last one at the end: each line once.

    Args:
        name: of what is waited for.
        progress: where it is now.
        clock: tells seconds.
    """

    def __init__(self, name: str, progress: Progress, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._now, self._clock = name, progress, clock
        self._said = self._news = ""
        self._share, self._pause, self._next = 0.0, FIRST_PAUSE_S, 0.0
        self._say()

    def show(self, progress: Progress) -> None:
        """Take note of where the lab is."""
        news, self._now = _news(progress), progress
        if news and news != self._news:
            say(news)
        self._news = news
        if round(abs(progress.ready_fraction - self._share), 6) >= GROWN:  # 0.3 is less than 0.1 above 0.2
            self._say()
        elif self._clock() >= self._next:
            self._pause = min(2 * self._pause, LONGEST_PAUSE_S)
            self._say()

    def tell(self, text: str) -> None:
        """Say something in a line of its own."""
        say(text)

    def _say(self) -> None:
        now = self._now
        self._share, self._next = now.ready_fraction, self._clock() + self._pause
        asked = now.total - now.cancelled
        told = [f"{now.ready:,} of {asked:,} trials are ready", *remarks(now)]
        text = f"{self._name}: {percent(now.ready, asked)}, {', '.join(told)}"
        if text != self._said:
            left = f", {duration(now.eta_s)} left" if now.outstanding and now.eta_s is not None else ""
            say(text + left)
        self._said = text

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._say()


def _news(progress: Progress) -> str:
    """What keeps the lab from going on, if anything does; `wait` itself tells why it ended."""
    return progress.reason if progress.outstanding and progress.state not in STANDSTILL else ""


def remarks(progress: Progress) -> list[str]:
    """What there is to say beside the numbers, in a few words each.

    Example:
        >>> import dataclasses
        >>> remarks(dataclasses.replace(Progress.of([]), failed=1, retrying=2, state="infeasible"))
        ['1 failed', '2 retrying', 'waits for resources']
    """
    found = [f"{count:,} {word}" for word in ("failed", "retrying") if (count := getattr(progress, word))]
    if progress.state not in ("running", "ready", "locked"):
        found.append(STATES.get(progress.state, progress.state))
    return found


def _layout(progress: Progress, file: TextIO | None) -> str:
    columns = width(file or sys.stderr)
    chosen = NARROW if columns is not None and columns < NARROW_COLUMNS else WIDE
    eta = duration(progress.eta_s) if progress.outstanding else "0 s"
    return chosen.format(percent=percent(progress.ready, progress.asked), eta=eta)
