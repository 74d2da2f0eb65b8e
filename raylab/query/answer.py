"""An answer as a file, and back: a frame or a series as Arrow's, a plain value as a pickle.

Promises: what comes back is of the same columns, types and values; what is no answer is an error that says what came.
"""

from __future__ import annotations

import io
import pickle
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from raylab.query.asked import ANSWER_BYTES
from raylab.query.limits import size

PLAIN = (bool, int, float, complex, str, bytes, date, datetime, time, timedelta, Decimal)
"""Values that any version of Python reads from a pickle."""

Kind = Literal["frame", "series", "value"]


def settled(found: object, rows: pl.LazyFrame) -> object:
    """What a function returned, worked out: a lazy frame is collected, an expression is one over all rows."""
    if isinstance(found, pl.Expr):
        found = rows.select(found)
    return found.collect(engine="streaming") if isinstance(found, pl.LazyFrame) else found


def save(found: object, path: Path) -> Kind:
    """Write an answer; what it is.

    Raises:
        TypeError: it is none.
        ValueError: it is too large.
    """
    if isinstance(found, pl.Series):
        _write(found.to_frame(), path)
        return "series"
    if isinstance(found, pl.DataFrame):
        _write(found, path)
        return "frame"
    if isinstance(found, np.generic):
        found = found.item()
    if not isinstance(found, PLAIN):
        raise TypeError(_no_answer(found))
    data = pickle.dumps(found)
    _check_size(len(data))
    path.write_bytes(data)
    return "value"


def _write(frame: pl.DataFrame, path: Path) -> None:
    _check_size(frame.estimated_size())
    if objects := [name for name, kind in frame.schema.items() if kind == pl.Object]:
        raise TypeError(
            f"the answer's columns {', '.join(map(repr, objects))} hold Python objects, which do not travel; make "
            "numbers, strings, lists or structs of them"
        )
    frame.write_ipc(path)


def _check_size(count: float) -> None:
    if count > ANSWER_BYTES:
        raise ValueError(
            f"the query's answer has {size(count)}, more than the {size(ANSWER_BYTES)} that travel. Aggregate or "
            "filter more; or read the rows themselves, with scan()"
        )


def _no_answer(found: object) -> str:
    what = "None; is a `return` missing?" if found is None else f"{type(found).__name__}."
    return (
        "a query's function returns a polars LazyFrame, DataFrame, Series or expression, or one number, text or time; "
        f"this one returned {what} Several answers are columns or rows of one frame"
    )


def loaded(kind: Kind, data: bytes) -> Any:
    """The answer that was saved."""
    if kind == "value":
        return pickle.loads(data)
    frame = pl.read_ipc(io.BytesIO(data))
    return frame.to_series() if kind == "series" else frame
