"""How far it is: the Progress record, and the tqdm bar that shows one. Asks nobody, keeps nothing."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TextIO

from tqdm.auto import tqdm

from raylab.screen import STATES, duration, percent, width

STANDSTILL = frozenset({"paused", "fenced"})
"""States that time does not cure."""

# The sum runs while any part of it does; what keeps the rest from running comes before what has ended.
_WORST_FIRST = ("fenced", "running", "disk_full", "infeasible", "paused", "cancelled", "ready", "locked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A sweep, or several, in numbers.

    In trials: total = done + failed + cancelled + running + waiting.

    Attributes:
        total: trials asked for.
        ready: recorded, whatever came out: done + failed.
        done: recorded with results.
        failed: recorded without: failed, crashed or timed out; `by_status` tells them apart.
        cancelled: given up.
        running: in leases that have started, or waiting for the disk.
        waiting: not started.
        retrying: the part of `waiting` that was tried before.
        by_status: recorded trials by `_status`.
        rows: rows recorded; differs from `ready` where an experiment returns several.
        eta_s: about how many seconds are left; None when nobody can say.
        state: `running`, `ready`, `paused`, `infeasible`, `disk_full`, `fenced`, `cancelled` or `locked`.
        reason: a sentence, where there is something to say.
    """

    total: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0
    running: int = 0
    waiting: int = 0
    retrying: int = 0
    by_status: Mapping[str, int] = field(default_factory=dict)
    rows: int = 0
    eta_s: float | None = 0.0
    state: str = "ready"
    reason: str = ""

    @property
    def ready(self) -> int:
        return self.done + self.failed

    @property
    def outstanding(self) -> int:
        """Trials that are still to be recorded."""
        return self.running + self.waiting

    @property
    def ready_fraction(self) -> float:
        """ready / (total − cancelled); 1.0 when nothing was asked.

        Example:
            >>> Progress(total=10, done=3, failed=1, waiting=6).ready_fraction
            0.4
        """
        asked = self.total - self.cancelled
        return self.ready / asked if asked else 1.0

    @staticmethod
    def of(sweeps: Sequence[Mapping[str, Any]]) -> Progress:
        """The sum of what the lab says of some sweeps."""
        if not sweeps:
            return Progress()
        by_status: Counter[str] = Counter()
        for sweep in sweeps:
            by_status.update(sweep["by_status"])
        worst = min(sweeps, key=lambda sweep: _WORST_FIRST.index(sweep["state"]))
        etas = [sweep["eta_s"] for sweep in sweeps if sweep["running"] + sweep["waiting"]]
        counts = {
            name: sum(sweep[name] for sweep in sweeps)
            for name in ("total", "done", "failed", "cancelled", "running", "waiting", "retrying", "rows")
        }
        reason = worst["reason"]
        return Progress(
            **counts,
            by_status=dict(by_status),
            eta_s=None if None in etas else max(etas, default=0.0),
            state=worst["state"],
            reason=f"{worst['name']}: {reason}" if reason and len(sweeps) > 1 else reason,
        )


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
        >>> import io
        >>> screen = io.StringIO()
        >>> with Bar("coarse", Progress(total=10, done=5, waiting=5), shown=True, file=screen) as bar:
        ...     bar.show(Progress(total=10, done=8, failed=2))
        >>> screen.getvalue().rstrip().endswith("2 failed]")
        True
    """

    def __init__(self, name: str, progress: Progress, *, shown: bool, file: TextIO | None = None) -> None:
        self._file = file
        self._said = ""
        self._bar = tqdm(
            desc=name,
            total=progress.total - progress.cancelled,
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
        self._bar.total = progress.total - progress.cancelled
        self._bar.bar_format = _layout(progress, self._file)
        self._bar.set_postfix_str(", ".join(remarks(progress)), refresh=False)
        if not self._bar.update(progress.ready - self._bar.n):
            self._bar.refresh()

    def _say(self, progress: Progress) -> None:
        """A line above the bar when something new keeps the lab from going on; `wait` itself tells why it ended."""
        news = progress.reason if progress.outstanding and progress.state not in STANDSTILL else ""
        if news and news != self._said:
            tqdm.write(news, file=self._file or sys.stderr)
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
        >>> remarks(Progress(total=5, failed=1, waiting=4, retrying=2, state="infeasible"))
        ['1 failed', '2 retrying', 'waits for resources']
    """
    found = [f"{count:,} {word}" for word in ("failed", "retrying") if (count := getattr(progress, word))]
    if progress.state not in ("running", "ready", "locked"):
        found.append(STATES.get(progress.state, progress.state))
    return found


def _layout(progress: Progress, file: TextIO | None) -> str:
    columns = width(file or sys.stderr)
    chosen = NARROW if columns is not None and columns < NARROW_COLUMNS else WIDE
    asked = progress.total - progress.cancelled
    eta = duration(progress.eta_s) if progress.outstanding else "0 s"
    return chosen.format(percent=percent(progress.ready, asked), eta=eta)
