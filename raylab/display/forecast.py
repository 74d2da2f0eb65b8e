"""What a whole sweep would take, from the first trials of it, in a sentence. Arithmetic and words only."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from raylab.core.shown import plural
from raylab.display.figures import duration

CORES = (8, 64)
"""For how many cores it is said beside 1 and those that are here: a workstation's, a large node's."""

ONCE = 10.0
"""A first trial that took so many times what the longest later one took did something that a process does once, as
imports and compilers do."""


def forecast(elapsed: Sequence[float], total: int, here: int) -> str:
    """What the trials took that have run, and what all would take on so many cores, as far as these tell.

    Args:
        elapsed: seconds of each trial, in the order in which they ran; at least one.
        total: how many trials there are.
        here: the cores of this machine.

    Example:
        >>> print(forecast([0.4], 99, 1))
        1 of 99 trials ran in 0.4 s; all 99 would take about 40 s on the 1 core here, 5.2 s on 8
    """
    count = plural(total, "trial")
    first, later = elapsed[0], elapsed[1:]
    once = first if later and first > ONCE * max(later) else 0.0
    each = sum(later) / len(later) if once else sum(elapsed) / len(elapsed)
    ran = f"{len(elapsed):,} of {count} ran in {took(sum(elapsed))}"
    if once:
        ran += f" ({took(first)} the first, as in each process, {took(each)} each later one)"
    elif len(elapsed) > 1:
        ran += f" ({took(each)} each)"
    if len(elapsed) == total:
        return ran

    def on(cores: int) -> str:
        return took(once + each * (ceil(total / cores) - bool(once)))

    said = [f"{on(1)} on 1 core", f"{on(here)} on the {here} here"] if here > 1 else [f"{on(1)} on the 1 core here"]
    more = next((f"{on(cores)} on {cores}" for cores in CORES if here < cores), None)
    return f"{ran}; all {total:,} would take about {', '.join([*said, *([more] if more else [])])}"


def took(seconds: float) -> str:
    """A time in two digits, in one unit.

    Example:
        >>> [took(seconds) for seconds in (3e-7, 0.0004, 0.031, 1.25, 80.8, 400, 9_000)]
        ['0.3 µs', '0.4 ms', '31 ms', '1.2 s', '81 s', '7 min', '2.5 h']
    """
    if seconds >= 120:
        return duration(seconds)
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size / 10 or unit == "µs":
            break
    value = seconds / size
    return f"{value:.0f} {unit}" if value >= 9.95 else f"{value:.1f}".removesuffix(".0") + f" {unit}"
