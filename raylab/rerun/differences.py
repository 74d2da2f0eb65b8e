"""What is not as it was when a record was made: its values, bit by bit, and what it was made with.

Numbers are the same if their bits are: 0.0 and -0.0 differ, 1 and 1.0 differ. Every NaN is the same, since a processor
chooses the sign and the other bits of a NaN and no experiment does. What is kept pickled is the same if the pickles
are, or what they stand for: the bytes of a pickle depend on what else a process did.
Loads pickles of the notebook: the modules that they name must be those of the code that made them.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any, Literal

import polars as pl

from raylab.notebook.pickled import PARTS
from raylab.notebook.schema import MORE

SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that is not as it was.

    Attributes:
        kind: `value` of a column; `version` of the code, of Python, of a package; `host`.
        name: of the column, of the package.
        recorded: as it was; None where there was nothing.
        now: as it is.
        row: which row of the record, from 0 on.
    """

    kind: Literal["value", "version", "host"]
    name: str
    recorded: Any
    now: Any
    row: int = 0

    def __str__(self) -> str:
        where = f" in row {self.row:,}" if self.row else ""
        return f"{self.name}{where}: {_shown(self.now)} here, {_shown(self.recorded)} in the record"


def _shown(value: Any) -> str:
    if isinstance(value, dict) and value.keys() == PARTS:
        text = str(value["repr"])
    else:
        text = value if type(value) is str and "\n" not in value else repr(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"


def values(recorded: pl.DataFrame, now: pl.DataFrame) -> Iterator[Difference]:
    """In which columns and rows two records of one trial differ."""
    if recorded.height != now.height:
        yield Difference(kind="value", name="rows", recorded=recorded.height, now=now.height)
    count = min(recorded.height, now.height)
    for name in dict.fromkeys([*now.columns, *recorded.columns]):
        alike = _alike_pickles if name == MORE else same
        then, here = (_column(frame, name, count) for frame in (recorded, now))
        for row, (old, new) in enumerate(zip(then, here, strict=True)):
            if not alike(old, new):
                yield Difference(kind="value", name=name, recorded=old, now=new, row=row)


def _column(frame: pl.DataFrame, name: str, count: int) -> list[Any]:
    return frame[name].head(count).to_list() if name in frame.columns else [None] * count


def same(a: Any, b: Any) -> bool:
    """Whether two values of rows are the same, bit by bit.

    Example:
        >>> same(0.0, -0.0), same(float("nan"), -float("nan")), same([1, {"a": 1}], [1, {"a": 1.0}])
        (False, True, False)
    """
    if type(a) is not type(b):
        return False
    if type(a) is float:
        return bool(a.hex() == b.hex())
    if type(a) is list:
        return len(a) == len(b) and all(map(same, a, b))
    if type(a) is dict:
        if a.keys() != b.keys():
            return False
        return _same_pickled(a, b) if a.keys() == PARTS else all(same(a[name], b[name]) for name in a)
    if isinstance(a, datetime | time) and a.fold != b.fold:  # of an hour that comes twice the first is not the second
        return False
    return bool(a == b)


def _same_pickled(a: dict[str, Any], b: dict[str, Any]) -> bool:
    if a["pickle"] is None or b["pickle"] is None:
        return bool(a == b)
    return _alike_pickles(a["pickle"], b["pickle"])


def _alike_pickles(a: bytes | None, b: bytes | None) -> bool:
    """Whether two pickles stand for the same. One that has no lasting meaning (a clock, an address) differs."""
    if a == b:
        return True
    if a is None or b is None:
        return False
    then, now = map(_digest, (a, b))
    return then is not None and then == now


def _digest(data: bytes) -> str | None:
    from raylab.code.digest import steady_digest  # here: it loads Ray, and few results are pickled

    try:
        return steady_digest(pickle.loads(data))
    except Exception:  # it needs something that is not here
        return None
