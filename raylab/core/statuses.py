"""What comes of a trial, in a word: the column `_status`."""

from __future__ import annotations

from collections.abc import Iterable

from raylab.core.closest import did_you_mean
from raylab.core.names import one_or_several

STATUSES = ("done", "failed", "crashed", "out_of_memory", "timed_out")
"""All there are. A trial that is cancelled has no rows."""

FAILED = STATUSES[1:]
"""Those of trials that came to nothing."""

DEAD = FAILED[1:]
"""Those that a trial may have come to whose process died."""

USUAL = ("failed", "crashed", "timed_out")
"""What is run again unless said otherwise. What ran out of memory does so again, unless it gets more."""


def check_failed(status: str | Iterable[str]) -> tuple[str, ...]:
    """The statuses that a word or several mean, each once, of those that a trial can fail with.

    Raises:
        ValueError: one of the words is none, or there is none.

    Example:
        >>> check_failed("timed_out"), check_failed(["failed", "crashed", "failed"])
        (('timed_out',), ('failed', 'crashed'))
    """
    words = one_or_several(status)
    there = ", ".join(map(repr, FAILED))
    if "done" in words:
        raise ValueError(
            f"what is done is not run again; status is one or several of {there}. Independent runs of the same points, "
            "with seeds of their own, are what more repeats are for"
        )
    odd = [word for word in words if word not in FAILED]
    if odd or not words:
        meant = did_you_mean(odd[0], FAILED) if odd else ""
        raise ValueError(f"status says which failures are run again, one or several of {there}; got {status!r}{meant}")
    return tuple(dict.fromkeys(words))
