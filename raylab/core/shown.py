"""Designs as people read them: ranges of levels in a few words, and a table of the first points."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from raylab.core.axes import Axis, Chained, Stepped, links
from raylab.core.drawn import Drawn
from raylab.core.kinds import MISSING, text_of
from raylab.core.values import key_of

__all__ = ["DesignShown", "aligned", "plural", "shown_level", "shown_levels", "shown_number", "shown_values"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignShown:
    """A design as people read it.

    Attributes:
        title: what it is, and how many points it has.
        ranges: of each parameter its name, and its levels in a few words.
        hint: what a person may want to know of it; empty if there is nothing.
        of_points: what `points` are; empty if there are none.
        points: the first ones, a text for each parameter.
    """

    title: str
    ranges: Sequence[tuple[str, str]]
    hint: str
    of_points: str
    points: Sequence[Sequence[str]]

    def __str__(self) -> str:
        lines = [self.title, aligned(self.ranges) if self.ranges else "", self.hint]
        if self.points:
            lines += [f"{self.of_points}:", aligned([[name for name, _ in self.ranges], *self.points])]
        return "\n".join(filter(None, lines))


FEW: Final = 3
"""So many levels are named."""

WIDTH: Final = 24
"""Characters of a level."""

LOOKED_AT: Final = 10_000
"""So many levels are looked at; of more only the number is told."""


def shown_levels(axis: Axis) -> str:
    """The levels of an axis in a few words.

    Example:
        >>> from raylab.core.axes import axis_of
        >>> shown_levels(axis_of((0.1, 0.5, 0.2))), shown_levels(axis_of(("a", "b"))), shown_levels(axis_of((3,)))
        ('0.1 to 0.5 (3 levels)', "'a' or 'b'", '3')
    """
    found, many = shown_values(axis), f"{axis.size:,} levels"
    return found if " or " in found or axis.size == 1 else f"{found} ({many})" if found else many


def shown_values(axis: Axis) -> str:
    """Which values stand on an axis: from which number to which, or a few that are named; else nothing.

    Example:
        >>> from raylab.core.axes import axis_of
        >>> shown_values(axis_of((0.1, 0.5, 0.2))), shown_values(axis_of(("a", "b", "a")))
        ('0.1 to 0.5', "'a' or 'b'")
        >>> shown_values(Chained([axis_of(("a", "b")), axis_of(("b", "a"))]))
        "'a' or 'b'"
    """
    if isinstance(axis, Drawn):
        return axis.law.shown
    ends = _ends(axis)
    if ends is None and isinstance(axis, Chained) and any(isinstance(each, Drawn) for each in links(axis)):
        found = list(dict.fromkeys(map(shown_values, axis.axes)))
        return _or(found) if all(found) and len(found) <= FEW else ""
    if ends is not None:
        return " to ".join(dict.fromkeys(map(shown_number, ends)))
    if axis.size > LOOKED_AT:
        return ""
    different = {key_of(level): level for level in axis if level is not MISSING}
    return _or(list(map(shown_level, different.values()))) if 0 < len(different) <= FEW else ""


def _ends(axis: Axis) -> tuple[float, float] | None:
    """The least and the largest level of an axis of numbers; None if it is none, or nobody looks."""
    if isinstance(axis, Stepped):
        return min(axis.first, axis.last), max(axis.first, axis.last)
    if isinstance(axis, Chained):
        found = list(map(_ends, axis.axes))
        ends = [each for each in found if each is not None]
        return (min(low for low, _ in ends), max(high for _, high in ends)) if len(ends) == len(found) else None
    if isinstance(axis, Drawn) or axis.size > LOOKED_AT or not all(type(each) in (int, float) for each in axis):
        return None
    return None if any(each != each for each in axis) else (min(axis), max(axis))


def _or(words: Sequence[str]) -> str:
    return " or ".join(words)


def shown_number(number: float) -> str:
    """A number in six digits, an int of up to 15 as it is."""
    is_short = isinstance(number, int) and abs(number) < 10**15
    return str(number) if is_short or not math.isfinite(number) else f"{number:.6g}"


def shown_level(level: Any) -> str:
    """A level in WIDTH characters at most."""
    if level is MISSING:
        return ""
    if type(level) in (int, float):
        return shown_number(level)
    text = " ".join((repr(str(level)) if isinstance(level, str) else text_of(level)).split())
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def aligned(rows: Iterable[Sequence[str]]) -> str:
    """Rows of cells under each other, two blanks in."""
    cells = list(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(f"  {line}".rstrip() for line in lines)


def plural(n: int, word: str) -> str:
    """So many of something."""
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"
