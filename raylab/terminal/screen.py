"""What the command prints of sweeps and of what failed: tables that fit the terminal. Text only."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from raylab.core.harmless import harmless
from raylab.core.status import Status
from raylab.display.figures import STATES, duration, percent, places, speed
from raylab.display.reasons import reasons

COLUMNS = {
    "name": ("SWEEP", "<"),
    "share": ("READY", ">"),
    "trials": ("TRIALS", ">"),
    "failed": ("FAILED", ">"),
    "rate": ("RATE", ">"),
    "eta": ("ETA", ">"),
    "priority": ("PRIORITY", ">"),
    "state": ("STATE", "<"),
    "user": ("USER", "<"),
    "since": ("SINCE (UTC)", "<"),
}
"""What is said of each sweep: its heading, and the side to which it stands."""

DROPPED = ("since", "user", "priority", "trials", "rate", "eta", "failed")
"""What narrow terminals lose, the first first."""

GAP = "  "
LABEL = 12
"""Where what is said of a thing begins, below a table."""

SHORTEST_NAME = 8
LAST_LINES = 3
"""Of what a trial printed, beside the cause of its failure."""


def table(sweeps: Sequence[Status], columns: int | None) -> list[str]:
    """Sweeps in lines: how far, what failed, how long still, the state; below them what else there is to say.

    Args:
        sweeps: those to show.
        columns: of the terminal; None for no limit.
    """
    if not sweeps:
        return ["no sweeps yet"]
    rows = [cells(sweep) for sweep in sweeps]
    kept = fitting(rows, columns)
    lines = _cut_to(rows, kept, columns)
    found = [lines[0]]
    for sweep, line in zip(sweeps, lines[1:], strict=True):
        found.append(line)
        for remark in remarks(sweep, kept):
            found += _wrapped(remark, columns)
        found += _wrapped(reasons(sweep), columns, max_lines=2, placeholder=" …")
    return [cut(harmless(line), columns) for line in found]


def details(sweep: Status, columns: int | None) -> list[str]:
    """What there is to say of one sweep beside its numbers, a line or some for each thing."""
    counts = {"done": sweep.done, **{word: n for word, n in sweep.by_status.items() if word != "done"}}
    counts |= {"running": sweep.running, "waiting": sweep.waiting, "cancelled": sweep.cancelled}
    pairs = {
        "submitted": f"{since(sweep)} UTC by {sweep.user}",
        "trials": ", ".join(f"{count:,} {word}" for word, count in counts.items() if count),
        "priority": str(sweep.priority),
        "nodes": places(sweep.nodes) if sweep.nodes else "",
        "design": f"{sweep.design}{f', {sweep.repeats:,} repeats' if sweep.repeats > 1 else ''}",
        "about": sweep.description,
    }
    found: list[str] = []
    for name, words in pairs.items():
        found += textwrap.wrap(
            " ".join(harmless(words).split()),
            columns or 10_000,
            initial_indent=f"{name:<{LABEL}}",
            subsequent_indent=" " * LABEL,
        )
    return found


def causes(rows: Sequence[Mapping[str, Any]], columns: int | None) -> list[str]:
    """Why trials failed, in lines: how many for which cause, where, the first of them, how that one is run again, and
    what it printed at last.

    Args:
        rows: of `failures(by="cause")`.
        columns: of the terminal; None for no limit.
    """
    counts = [f"{row['count']:,}" for row in rows]
    indent = max(map(len, counts)) + 2
    found: list[str] = []
    for count, row in zip(counts, rows, strict=True):
        kind = f"{row['type']}: " if row["type"] else ""
        origin = [f"{word} {row[name]}" for word, name in (("at", "where"), ("from", "root")) if row[name]]
        first = f"the first is point {row['_point']}" + (f", repeat {row['_repeat']}" if row["_repeat"] else "")
        words = [
            f"{kind}{row['message']}".removesuffix(": "),
            ", ".join([*row["statuses"], *origin]),
            f"{first}: {row['example']}".removesuffix(": "),
            row["rerun"],
        ]
        for at, text in enumerate(words):
            before = f"{count:>{indent - 2}}  " if at == 0 else " " * indent
            found += textwrap.wrap(
                " ".join(text.split()), columns or 10_000, initial_indent=before, subsequent_indent=" " * indent
            )
        last = (row.get("_last_lines") or "").splitlines()[-LAST_LINES:]
        found += [cut(f"{' ' * indent}| {line.expandtabs()}", columns) for line in last]
    return list(map(harmless, found))


def _wrapped(text: str, columns: int | None, **more: Any) -> list[str]:
    return textwrap.wrap(text, columns or 10_000, initial_indent="  ", subsequent_indent="  ", **more)


def aligned(rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    """Cells in columns, each to its side: `<` or `>`.

    Example:
        >>> aligned([("a", "1"), ("bcd", "10")], "<>")
        ['a     1', 'bcd  10']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        GAP.join(f"{cell:{side}{size}}" for cell, side, size in zip(row, sides, widths, strict=True)).rstrip()
        for row in rows
    ]


def cut(line: str, columns: int | None) -> str:
    """A line that fits."""
    return line if columns is None or len(line) <= columns else line[: columns - 1] + "…"


def cells(sweep: Status) -> dict[str, str]:
    """What stands in each of the COLUMNS."""
    moves = sweep.outstanding > 0
    return {
        "name": _one_line(sweep.name),
        "share": percent(sweep.ready, sweep.asked),
        "trials": f"{sweep.ready:,}/{sweep.asked:,}",
        "failed": f"{sweep.failed:,}",
        "rate": speed(sweep.rate) if moves and sweep.rate else "",
        "eta": duration(sweep.eta_s) if moves else "",
        "priority": str(sweep.priority),
        "state": STATES.get(sweep.state, sweep.state),
        "user": _one_line(sweep.user),
        "since": since(sweep),
    }


def _one_line(text: str) -> str:
    return " ".join(harmless(text).split())


def since(sweep: Status) -> str:
    """When it was submitted, to the minute, in UTC."""
    return f"{sweep.submitted:%Y-%m-%d %H:%M}"


def fitting(rows: Sequence[Mapping[str, str]], columns: int | None, spare: int = 0) -> list[str]:
    """Which of the COLUMNS a terminal has room for, where so many characters are wanted for something else."""
    kept = list(COLUMNS)
    sizes = {name: max(len(head), *(len(row[name]) for row in rows)) for name, (head, _) in COLUMNS.items()}
    for name in DROPPED:
        if columns is None or sum(sizes[each] + len(GAP) for each in kept) - len(GAP) + spare <= columns:
            break
        kept.remove(name)
    return kept


def _cut_to(rows: Sequence[Mapping[str, str]], kept: Sequence[str], columns: int | None) -> list[str]:
    """Rows in lines, below their headings; the last thing to suffer are long names."""
    told = [{name: head for name, (head, _) in COLUMNS.items()}, *rows]
    sides = "".join(COLUMNS[name][1] for name in kept)
    lines = aligned([[row[name] for name in kept] for row in told], sides)
    excess = max(map(len, lines)) - (columns or 10_000)
    if excess <= 0:
        return lines
    longest = max(SHORTEST_NAME, max(len(row["name"]) for row in told) - excess)
    return aligned([[cut(row["name"], longest), *(row[name] for name in kept[1:])] for row in told], sides)


def remarks(sweep: Status, kept: Sequence[str]) -> list[str]:
    """What there is to say about a sweep beside what stands in the columns that were kept."""
    found = [sweep.reason] if sweep.reason else []
    whose = [f"of {sweep.user}"] * ("user" not in kept) + [f"since {since(sweep)} UTC"] * ("since" not in kept)
    terms = [" ".join(whose), *(_terms(sweep, kept) if sweep.outstanding else ())]
    found += filter(None, [", ".join(filter(None, terms))])
    if sweep.failed and sweep.first_error and sweep.first_error not in sweep.reason:
        found.append(f"{sweep.failed:,} failed, the first with {sweep.first_error}")
    if sweep.remark:
        found.append(sweep.remark)
    if sweep.cancelled:
        found.append(f"{sweep.cancelled:,} cancelled")
    return [" ".join(remark.split()) for remark in found]


def _terms(sweep: Status, kept: Sequence[str]) -> list[str]:
    """Where what is left of it runs, and how, as far as that is not as usual."""
    found = [f"on {places(sweep.nodes)}"] if sweep.nodes else []
    if sweep.priority and "priority" not in kept:
        found.append(f"priority {sweep.priority}")
    if sweep.max_concurrency is not None:
        found.append(f"at most {sweep.max_concurrency:,} at once")
    if sweep.max_failures is not None:
        most = sweep.max_failures
        found.append(f"pauses at {f'{most:,.0f}' if most >= 1 else f'{100 * most:g}%'} failed")
    return found
