"""What a query may take of its node: decided here, measured and carried out by `host`. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from raylab.query.raised import Raised

SHARE = 4
"""A query may take a quarter of the node's memory. Two run at once, so that half of it is left for the lab, its trials
and the disk's cache: on a node of 16 GB a query has 4 GB, in which a group_by of 10^8 rows with two columns of 8 bytes
fits twice."""

LEAST_BYTES = 256 * 10**6
"""Python, polars and Arrow alone take some 100 MB; with less than this no query would come to its rows."""

RESERVE = 0.07
"""Of the node's memory so much stays free. At 5 % Ray's memory monitor begins to end trials, and a query looks fifty
times a second: at 1 GB/s it takes 20 MB between two looks."""

TIMEOUT_S = 600.0
"""Reading and checking takes 1 s for some 500 MB, so 600 s are 300 GB, read once."""

AT_ONCE = 2
"""How many queries run at once on a node; the others wait in line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a query takes at a moment.

    Attributes:
        seconds: since it began.
        bytes: of memory, with all processes that it started; files of the notebook do not count.
        left: bytes of memory that the node has left; None where nobody knows.
    """

    seconds: float
    bytes: int
    left: int | None = None


def allowed(memory: int | None, total: int) -> int:
    """How many bytes a query may take, on a node that has so many."""
    return max(LEAST_BYTES, total // SHARE) if memory is None else memory


def overrun(use: Use, *, memory: int, total: int, timeout: float | None) -> Raised | None:
    """Why a query is to be ended; None if it is within its limits.

    Args:
        use: what it takes.
        memory: how many bytes it may take.
        total: how many the node has.
        timeout: for how many seconds it may run.
    """
    if use.bytes > memory:
        return _error(
            "MemoryError",
            f"the query took more than {size(memory)} of memory on the lab's node, and was ended; nothing else was. "
            "Select columns, filter and aggregate before what needs all rows at once, as a sort does; or give it more "
            f"with memory=, in bytes (the node has {size(total)})",
        )
    if use.left is not None and use.left < RESERVE * total:
        return _error(
            "MemoryError",
            f"the lab's node had {size(use.left)} of its {size(total)} of memory left, so the query, which took "
            f"{size(use.bytes)}, was ended before trials would have been. Ask again when less is running, or select "
            "columns, filter and aggregate earlier",
        )
    if timeout is not None and use.seconds > timeout:
        return _error(
            "TimeoutError",
            f"the query took longer than {timeout:g} s on the lab's node, and was ended; nothing else was. Give it "
            "longer with timeout=, in seconds, or read less",
        )
    return None


def size(count: float) -> str:
    """A number of bytes as people read it.

    Example:
        >>> size(256_000_000), size(4.04e9)
        ('256 MB', '4.0 GB')
    """
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _error(name: str, text: str) -> Raised:
    return Raised(module="builtins", name=name, text=text)
