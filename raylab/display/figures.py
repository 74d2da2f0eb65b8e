"""How far and how long, in a few characters: what a bar and the command's tables have in common. Text only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO

STATES = {
    "infeasible": "waits for resources",
    "disk_full": "disk full",
    "fenced": "taken over",
    "locked": "ready, locked",
}
"""States whose own word does not say it."""


FEW = 3
"""So many nodes are named; one more is named as well before it is counted."""


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


def speed(rate: float) -> str:
    """Trials in a unit of time in which there are some.

    Example:
        >>> [speed(rate) for rate in (1_234.5, 12.34, 1.5, 0.05, 0.0005)]
        ['1,234/s', '12/s', '1.5/s', '3.0/min', '1.8/h']
    """
    for unit, seconds in (("s", 1), ("min", 60), ("h", 3_600)):
        if rate * seconds >= 1 or unit == "h":
            break
    many = rate * seconds
    return f"{many:,.0f}/{unit}" if many >= 9.95 else f"{many:.1f}/{unit}"


def places(nodes: Mapping[str, int]) -> str:
    """Which nodes, with how many trials on each; of many the busiest.

    Example:
        >>> places({"a": 4, "b": 16}), places({f"node-{number}": 2 for number in range(6)})
        ('b (16), a (4)', 'node-0 (2), node-1 (2), node-2 (2) and 3 more nodes')
    """
    busiest = sorted(nodes, key=lambda name: (-nodes[name], name))
    left = len(busiest) - FEW if len(busiest) > FEW + 1 else 0
    named = ", ".join(f"{name} ({nodes[name]:,})" for name in (busiest[:FEW] if left else busiest))
    return f"{named} and {left:,} more nodes" if left else named


def endings(by_status: Mapping[str, int]) -> str:
    """How trials failed other than by an exception; nothing where none did.

    Example:
        >>> endings({"done": 5, "failed": 1, "crashed": 2, "timed_out": 1})
        '2 crashed, 1 timed out'
    """
    others = [(word.replace("_", " "), count) for word, count in by_status.items() if word not in ("done", "failed")]
    return ", ".join(f"{count:,} {word}" for word, count in others if count)


def width(stream: TextIO) -> int | None:
    """The columns of the terminal a stream writes to; None if it is none."""
    return os.get_terminal_size(stream.fileno()).columns or None if stream.isatty() else None
