"""The cards of a notebook's cell as text, for terminals, logs, and whoever reads no HTML. Text only."""

from __future__ import annotations

from collections.abc import Sequence

from raylab.core.harmless import harmless
from raylab.core.shown import aligned, plural
from raylab.core.status import Progress, Status
from raylab.display.figures import STATES, duration, endings, percent, places, speed
from raylab.display.html import moment
from raylab.display.reasons import reasons

CELLS = 32
"""Characters of a bar."""

EIGHTHS = " ▏▎▍▌▋▊▉"


def of_sweep(sweep: Status, lab: str) -> str:
    """One sweep."""
    repeats = f", {plural(sweep.repeats, 'repeat')}" if sweep.repeats > 1 else ""
    return _lines(
        f"sweep {sweep.name} of lab {lab}: {_state(sweep)}",
        *_standing(sweep),
        _failures(sweep),
        sweep.remark,
        sweep.description,
        f"{sweep.design}{repeats}",
        f"submitted by {sweep.user}, {moment(sweep.submitted)}",
    )


def of_lab(name: str, place: str, sweeps: Sequence[Status], left: int, hidden: int) -> str:
    """A lab, and those of its sweeps that are shown."""
    rows = [
        (
            each.name,
            bar(each, CELLS // 2),
            percent(each.ready, each.asked),
            f"{each.ready:,} of {plural(each.asked, 'trial')}",
            f"{each.failed:,} failed" if each.failed else "",
            f"{duration(each.eta_s)} left" if each.outstanding and each.eta_s is not None else "",
            _state(each),
        )
        for each in sweeps
    ]
    table = aligned([list(map(_one_line, row)) for row in rows]) if rows else "  no sweeps yet"
    more = [f"{left:,} more in sweeps()"] * bool(left) + [f"{hidden:,} archived"] * bool(hidden)
    head = f"lab {name}" + (f", notebook in {place}" if place else "")
    return "\n".join([_one_line(head), table, *([f"  {', '.join(more)}"] if more else [])])


def of_progress(progress: Progress) -> str:
    """Counts, of one sweep or of several."""
    return _lines(_state(progress), *_standing(progress))


def of_silence(what: str, why: str) -> str:
    """Why there is nothing to show."""
    return _one_line(f"{what}: {why}")


def counts(sweep: Progress) -> list[tuple[str, int, str]]:
    """What became of its trials: a word, how many, and what to know of these.

    Example:
        >>> from dataclasses import replace
        >>> counts(replace(Progress.of([]), total=9, done=5, waiting=4, retrying=1))
        [('done', 5, ''), ('waiting', 4, '1 retrying')]
    """
    more = {"failed": endings(sweep.by_status), "waiting": f"{sweep.retrying:,} retrying" if sweep.retrying else ""}
    words = ("done", "failed", "running", "waiting", "cancelled")
    return [(word, count, more.get(word, "")) for word in words if (count := getattr(sweep, word))]


def bar(sweep: Progress, cells: int = CELLS) -> str:
    """How much is ready, in so many characters, each of eight steps; full only when all is in.

    Example:
        >>> from raylab.core.status import Progress
        >>> bar(Progress.of([]), 8)
        '████████'
    """
    steps = 8 * cells if sweep.ready >= sweep.asked else min(int(8 * cells * sweep.ready_fraction), 8 * cells - 1)
    if sweep.ready:
        steps = max(1, steps)
    whole, rest = divmod(steps, 8)
    return ("█" * whole + EIGHTHS[rest] * bool(rest)).ljust(cells, "·")


def _standing(sweep: Progress) -> list[str]:
    """Why it is as it is, how far, how fast, and where."""
    far = f"{bar(sweep)}  {percent(sweep.ready, sweep.asked)}  {sweep.ready:,} of {plural(sweep.asked, 'trial')}"
    rate = speed(sweep.rate) if sweep.outstanding and sweep.rate else ""
    left = f"about {duration(sweep.eta_s)} left" if sweep.outstanding and sweep.eta_s is not None else ""
    said = [f"{count:,} {word}" + (f" ({more})" if more else "") for word, count, more in counts(sweep)]
    where = f"on {places(sweep.nodes)}" if sweep.nodes else ""
    return [sweep.reason, ", ".join(filter(None, [far, rate, left])), ", ".join(said), where]


def _failures(sweep: Status) -> str:
    """Why trials failed."""
    causes = reasons(sweep)
    if not sweep.failed or (causes and causes != "all alike"):
        return causes
    first = f"the first with {sweep.first_error}" if sweep.first_error else ""
    return ", ".join(filter(None, [causes, first]))


def _state(sweep: Progress) -> str:
    return STATES.get(sweep.state, sweep.state)


def _lines(head: str, *more: str) -> str:
    return "\n".join([_one_line(head), *(f"  {_one_line(line)}" for line in more if line)])


def _one_line(text: str) -> str:
    """The bar's blanks stay."""
    return harmless(text.replace("\r", " ").replace("\n", " ").replace("\t", " "))
