"""What the command shows at a terminal: tables that fit, and a canvas that is drawn again and again. Text only."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from raylab.core.harmless import harmless
from raylab.core.status import Status
from raylab.display.figures import STATES, duration, percent
from raylab.display.reasons import reasons

HEADER = ("SWEEP", "READY", "TRIALS", "FAILED", "ETA", "STATE")
ALIGNED = "<>>>><"
SHORTEST_NAME = 8
LAST_LINES = 3
"""Of what a trial printed, beside the cause of its failure."""

KEPT = ((0, 1, 2, 3, 4, 5), (0, 1, 3, 4, 5), (0, 1, 3, 5), (0, 1, 5))
"""Which columns to show, from wide terminals to narrow ones."""


def table(sweeps: Sequence[Status], columns: int | None) -> list[str]:
    """Sweeps in lines: how far, what failed, how long still, the state; below them what else there is to say.

    Args:
        sweeps: those to show.
        columns: of the terminal; None for no limit.
    """
    if not sweeps:
        return ["no sweeps yet"]
    several = len({sweep.user for sweep in sweeps}) > 1
    cells = [HEADER, *map(_cells, sweeps)]
    lines = _fitting(cells, columns)
    found = [lines[0]]
    for sweep, line in zip(sweeps, lines[1:], strict=True):
        found.append(line)
        for remark in _remarks(sweep, several):
            found += _wrapped(remark, columns)
        found += _wrapped(reasons(sweep), columns, max_lines=2, placeholder=" …")
    return [cut(harmless(line), columns) for line in found]


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
        "  ".join(f"{cell:{side}{size}}" for cell, side, size in zip(row, sides, widths, strict=True)).rstrip()
        for row in rows
    ]


def cut(line: str, columns: int | None) -> str:
    """A line that fits."""
    return line if columns is None or len(line) <= columns else line[: columns - 1] + "…"


def _fitting(cells: Sequence[tuple[str, ...]], columns: int | None) -> list[str]:
    """The cells in lines, without what the terminal has no room for; the last thing to suffer are long names."""
    excess = 0
    for kept in KEPT:
        lines = aligned([[row[at] for at in kept] for row in cells], "".join(ALIGNED[at] for at in kept))
        excess = max(map(len, lines)) - (columns or 10_000)
        if excess <= 0:
            return lines
    longest = max(SHORTEST_NAME, max(len(row[0]) for row in cells) - excess)
    return aligned([(cut(row[0], longest), row[1], row[5]) for row in cells], "<><")


def _cells(sweep: Status) -> tuple[str, ...]:
    eta = duration(sweep.eta_s) if sweep.ready < sweep.asked else ""
    share, count = percent(sweep.ready, sweep.asked), f"{sweep.ready:,}/{sweep.asked:,}"
    return (sweep.name, share, count, f"{sweep.failed:,}", eta, STATES.get(sweep.state, sweep.state))


def _remarks(sweep: Status, several: bool) -> list[str]:
    """What there is to say about a sweep beside its numbers."""
    found = [sweep.reason] if sweep.reason else []
    terms = [f"of {sweep.user}"] if several else []
    if sweep.outstanding:
        terms += _terms(sweep)
    if terms:
        found.append(", ".join(terms))
    if sweep.failed and sweep.first_error and sweep.first_error not in sweep.reason:
        found.append(f"{sweep.failed:,} failed, the first with {sweep.first_error}")
    if sweep.remark:
        found.append(sweep.remark)
    if sweep.cancelled:
        found.append(f"{sweep.cancelled:,} cancelled")
    return [" ".join(remark.split()) for remark in found]


def _terms(sweep: Status) -> list[str]:
    """How what is left of it is run, as far as that is not as usual."""
    found = []
    if sweep.priority:
        found.append(f"priority {sweep.priority}")
    if sweep.max_concurrency is not None:
        found.append(f"at most {sweep.max_concurrency:,} at once")
    if sweep.max_failures is not None:
        most = sweep.max_failures
        found.append(f"pauses at {f'{most:,.0f}' if most >= 1 else f'{100 * most:g}%'} failed")
    return found


class Canvas:
    """Lines that are drawn over the last ones at a terminal, and one after the other, when they differ, elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last: list[str] = []

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines; at a terminal no more of them than it has."""
        if not self._stream.isatty():
            if list(lines) != self._last:
                self._stream.write("\n".join(lines) + "\n")
        else:
            lines = _fitted(lines, os.get_terminal_size(self._stream.fileno()).lines - 1)
            back = f"\x1b[{len(self._last)}F" if self._last else ""
            self._stream.write(f"{back}\x1b[J" + "\n".join(lines) + "\n")
        self._stream.flush()
        self._last = list(lines)


def _fitted(lines: Sequence[str], most: int) -> Sequence[str]:
    if len(lines) <= most or most < 3:
        return lines
    return [*lines[: most - 1], f"… and {len(lines) - most + 1} lines more"]
