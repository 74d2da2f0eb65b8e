"""Any value in a few characters, for the cells of a table that people read. Text only."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from raylab.display.forecast import took

LONGEST = 60
"""Characters of a cell."""

DIGITS = 5
"""Of a number that is no whole one: three are what an interval tells, two more make rounding nobody's question."""


def is_number(value: Any) -> bool:
    """Whether it stands under others of its kind at the right; None does not hinder that."""
    return value is None or (isinstance(value, int | float | Decimal | timedelta) and not isinstance(value, bool))


def short(value: Any) -> str:
    """A value as text, cut where it is long; nothing for None.

    Example:
        >>> [short(each) for each in (None, True, 1_234_567, 0.1 + 0.2, 1e-9, float("nan"), "a b", [1.0, 2.5])]
        ['', 'true', '1234567', '0.3', '1e-09', 'NaN', 'a b', '[1, 2.5]']
    """
    text = " ".join(_text(value).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def plus_minus(mean: float, half: float) -> str:
    """A mean and half of its interval, both as exact as two digits of the latter are.

    Example:
        >>> plus_minus(5694.21, 1268.7), plus_minus(0.12345, 0.0213), plus_minus(1.0, 0.0), plus_minus(2e-9, 1e-9)
        ('5700 ± 1300', '0.123 ± 0.021', '1 ± 0', '2e-09 ± 1e-09')
    """
    if not (math.isfinite(half) and half and 1e-4 < half < 1e6):
        return f"{short(mean)} ± {half:.2g}"
    digits = 1 - math.floor(math.log10(half))
    mean, half = round(mean, digits), round(half, digits)
    return f"{mean:.{max(0, digits)}f} ± {half:.{max(0, digits)}f}"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else f"{value:.{DIGITS}g}"
    if isinstance(value, datetime):
        zoned = f"{value:%Y-%m-%d %H:%M:%S}"
        return f"{zoned} UTC" if value.tzinfo == UTC else f"{zoned}{value:%z}"
    if isinstance(value, timedelta):
        return took(value.total_seconds())
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, list | tuple):
        return _listed(value)
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_text(each)}" for name, each in list(value.items())[:LONGEST])
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _listed(values: list[Any] | tuple[Any, ...]) -> str:
    """The beginning is enough: nobody sees more than LONGEST of it."""
    return f"[{', '.join(map(_text, values[:LONGEST]))}]"
