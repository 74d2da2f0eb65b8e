"""What a benchmark finds: figures, each beside a baseline that was taken in the same run, and what it has to reach.

A machine that other people use is noisy, so nothing here is a time: the lab and its baseline are measured in turns,
and the median of the turns' ratios is what counts. What the two were is kept for the record.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How much is to be measured."""

    folder: Path
    """Of this run; what one benchmark has made there, another may use."""
    rounds: int = 5
    """How many pairs are taken."""
    quick: bool = False
    """Small sizes, to see that it works: the figures say nothing."""

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table."""

    row: str
    """Of the table in docs/performance.md."""
    what: str
    value: float
    least: float | None = None
    most: float | None = None
    unit: str = "×"
    beside: str = ""
    """What it is a ratio to, and what both were."""
    rounds: Sequence[float] = field(default_factory=tuple)

    @property
    def reached(self) -> bool:
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    @property
    def target(self) -> str:
        bounds = [f"≥ {number(self.least)}"] if self.least is not None else []
        bounds += [f"≤ {number(self.most)}"] if self.most is not None else []
        return " and ".join(bounds) + (f" {self.unit}" if bounds else "")


def in_turns(lab: Callable[[], float], baseline: Callable[[], float], rounds: int) -> tuple[list[float], list[float]]:
    """Both measured `rounds` times, one after the other, and every second time the other way round."""
    ours: list[float] = []
    theirs: list[float] = []
    for turn in range(rounds):
        for measured, into in ((lab, ours), (baseline, theirs))[:: -1 if turn % 2 else 1]:
            into.append(measured())
    return ours, theirs


def ratio(
    row: str,
    what: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    than: str,
    unit: str,
    least: float | None = None,
    most: float | None = None,
) -> Figure:
    """The median of the pairs' ratios, with the medians of both sides beside it.

    Args:
        row: of the table in docs/performance.md.
        what: is measured.
        ours, theirs: in the same unit, pair by pair.
        than: what the baseline is.
        unit: of the two sides.
        least, most: what the ratio has to reach.
    """
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    sides = f"{number(statistics.median(ours))} {unit} beside {number(statistics.median(theirs))} {unit}: {than}"
    return Figure(
        row=row, what=what, value=statistics.median(ratios), least=least, most=most, beside=sides, rounds=ratios
    )


def number(value: float | None) -> str:
    """Three digits that count, thousands apart."""
    if value is None:
        return ""
    if value != value or abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(figures: Sequence[Figure]) -> str:
    """All figures as a table of Markdown."""
    lines = ["| # | what | reached | target | | beside |", "| --- | --- | --- | --- | --- | --- |"]
    for each in figures:
        verdict = ("yes" if each.reached else "**no**") if each.target else ""
        lines.append(
            f"| {each.row} | {each.what} | {number(each.value)} {each.unit} | {each.target} | {verdict} "
            f"| {each.beside} |"
        )
    return "\n".join(lines)
