"""What came of a trial that was run once more, and how it is shown."""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from raylab.rerun.differences import Difference

SHOWN = 10
"""As many differences are shown."""

POINT_CHARS = 200
"""Of a point at most."""


def shown(params: Mapping[str, Any]) -> str:
    """A point in a line.

    Example:
        >>> shown({"p": 0.5, "L": 64})
        'p=0.5, L=64'
    """
    return ", ".join(f"{name}={reprlib.repr(value)}" for name, value in params.items())[:POINT_CHARS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which trial is meant.

    Attributes:
        sweep, point, repeat: as its rows have it.
        code: the version of the code that runs.
    """

    sweep: str
    point: int
    repeat: int
    code: int

    def __str__(self) -> str:
        return f"point {self.point}, repeat {self.repeat} of {self.sweep!r}, code version {self.code}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Rerun:
    """What came of a trial that was run once more.

    Attributes:
        which: which trial: `sweep`, `point`, `repeat`, and the version `code` of the code that ran.
        params: the trial's point.
        result: what the experiment returned, as it is.
        rows: what `results()` would have of it.
        recorded: what `results(status="all")` has of it; no rows where nothing is recorded.
        same: whether both are the same, bit by bit; None where nothing is recorded.
        differences: what is not as it was when the record was made: values first, then versions, then the host.
    """

    which: Which
    params: Mapping[str, Any]
    result: Any
    rows: pl.DataFrame
    recorded: pl.DataFrame
    same: bool | None
    differences: tuple[Difference, ...]

    def __repr__(self) -> str:
        lines = [f"{self.which}: {_VERDICTS[self.same]}", f"  {shown(self.params)}"]
        lines += [f"  {difference}" for difference in self.differences[:SHOWN]]
        if (left := len(self.differences) - SHOWN) > 0:
            lines.append(f"  and {left:,} more in .differences")
        if self.same is False and sys.flags.hash_randomization:
            lines.append(f"  {_HASHES}")
        return "\n".join(lines)


_VERDICTS = {
    True: "the same as its record, bit by bit",
    False: "not the same as its record",
    None: "nothing is recorded of it yet that it could be compared with",
}

_HASHES = (
    "strings hash at random in this process, so that a set of them comes in another order each time; "
    "`PYTHONHASHSEED=0 python` hashes them as workers of `raylab start` do"
)
