"""How a lease is called where Ray shows it: by lab, sweep and positions.

Two names, because Ray counts what has one name together: a task has a name of few, so that `ray summary tasks` is a
table of a screen and not of each two seconds of work; its process has one of its own.
"""

from __future__ import annotations

MOST_LETTERS = 40
"""Of the name of a lab or a sweep: with both, titles stay within the 140 letters that `ps` and `top` show of a line."""

PARTS = 20
"""Into so many parts, and no more, the positions of a sweep are divided for the names of tasks."""


def whose(lab: str, sweep: str) -> str:
    """Of which sweep a lease is.

    Example:
        >>> whose("percolation", "coarse"), len(whose("p" * 100, "c" * 100))
        ('percolation/coarse', 81)
    """
    return f"{_cut(lab)}/{_cut(sweep)}"


def task_name(of: str, start: int, positions: int) -> str:
    """The name of a lease's task: of its sweep, and the part of the sweep's positions in which it begins.

    Args:
        of: as `whose` has it.
        start: its first position.
        positions: how many the sweep has.

    Example:
        >>> task_name("percolation/coarse", 1_234, 7_700), task_name("percolation/coarse", 7_600, 7_700)
        ('lease percolation/coarse 1000-1499', 'lease percolation/coarse 7500-7699')
        >>> task_name("percolation/coarse", 3, 10)
        'lease percolation/coarse 3'
    """
    step = _step(positions)
    first = start // step * step
    return _name(of, first, max(start + 1, min(first + step, positions)))


def title(of: str, start: int, stop: int) -> str:
    """The title of the process that runs a lease: the very positions.

    Example:
        >>> title("percolation/coarse", 1_200, 1_300)
        'ray::lease percolation/coarse 1200-1299'
    """
    return f"ray::{_name(of, start, stop)}"


def _name(of: str, start: int, stop: int) -> str:
    return f"lease {of} {start}" if stop - start == 1 else f"lease {of} {start}-{stop - 1}"


def _step(positions: int) -> int:
    """1, 2 or 5 times a power of ten, so that there are PARTS parts at most."""
    step = 1
    while True:
        for each in (step, 2 * step, 5 * step):
            if each * PARTS >= positions:
                return each
        step *= 10


def _cut(name: str) -> str:
    return name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"
