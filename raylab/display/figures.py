"""How far and how long, in a few characters: what a bar and the command's tables have in common. Text only."""

from __future__ import annotations

import os
from typing import TextIO

STATES = {
    "infeasible": "waits for resources",
    "disk_full": "disk full",
    "fenced": "taken over",
    "locked": "ready, locked",
}
"""States whose own word does not say it."""


def duration(seconds: float | None) -> str:
    """A time to wait, in one unit; `?` when nobody can say.

    Example:
        >>> [duration(s) for s in (None, 0, 12.4, 90, 5_400, 200_000)]
        ['?', '0 s', '12 s', '2 min', '1.5 h', '2.3 d']
    """
    if seconds is None:
        return "?"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    if seconds < 59.5 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.1f} h" if seconds < 47.95 * 3_600 else f"{seconds / 86_400:.1f} d"


def percent(ready: int, asked: int) -> str:
    """A share that says 100 % only when all is in, and 0 % only when nothing is.

    Example:
        >>> [percent(n, 100_000) for n in (0, 1, 43_210, 99_999, 100_000)]
        ['0%', '0.1%', '43.2%', '99.9%', '100%']
    """
    if ready >= asked:
        return "100%"
    return f"{min(max(100 * ready / asked, 0.1), 99.9):.1f}%" if ready else "0%"


def width(stream: TextIO) -> int | None:
    """The columns of the terminal a stream writes to; None if it is none."""
    return os.get_terminal_size(stream.fileno()).columns or None if stream.isatty() else None
