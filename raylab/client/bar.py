"""The bar that shows how far it is: the one home of tqdm. Asks nobody, keeps nothing."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self, TextIO

from tqdm.auto import tqdm

from raylab.client.figures import STATES, duration, percent, width
from raylab.client.speech import line
from raylab.core.status import STANDSTILL, Progress

WIDE = "{{desc}}: {percent:>5}|{{bar}}| {{n_fmt}}/{{total_fmt}} [{{elapsed}}<{eta}, {{rate_fmt}}{{postfix}}]"
NARROW = "{{desc}}: {percent:>5}|{{bar}}| {eta}{{postfix}}"
"""As tqdm has it, but that the time left is the lab's own word: it is right from the first moment on, and knows of the
cluster's size. Numbers that people do without first are left out where there are fewer columns than NARROW_COLUMNS."""

NARROW_COLUMNS = 64


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
        news = progress.reason if progress.outstanding and progress.state not in STANDSTILL else ""
        if news and news != self._said:
            tqdm.write(line(news), file=self._file or sys.stderr)
        self._said = news

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()


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
