"""What is wrong with a table, told from what reading each of its files gave, and what is whole of it.

Promises: a file that fits its own checksum, its name and its neighbours is held; no row is held twice. Must touch no
disk.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from raylab.notebook.file import OPENING, PART, FileInfo
from raylab.notebook.table_files import misplaced

__all__ = ["Condition", "Finding", "Seen", "assess"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What reading one file of a table gave."""

    path: str
    number: int
    """The commit that its name begins with."""
    in_journal: bool
    info: FileInfo | None = None
    """What it says, if it is whole."""
    guess: FileInfo | None = None
    """What is left of that, if it is not."""
    trouble: str = ""
    passing: bool = False
    """Whether the trouble may pass: the disk did not give it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong in a notebook."""

    file: str
    what: str
    sweep: str | None = None
    first_row: int | None = None
    rows: int | None = None
    trials: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A table: what is whole of it, and what is wrong."""

    held: tuple[FileInfo, ...] = ()
    """Whole files, openings included, in the order of their commits; none has the commits of another."""
    said: Mapping[str, Any] = field(default_factory=dict)
    """What the openings that are whole say, the newest of them the last word."""
    findings: tuple[Finding, ...] = ()
    missing: bool = False
    """Whether files are missing: somebody may only have been sealing."""
    passing: str = ""
    """A file that the disk did not give, though it may do so later."""
    files: int = 0
    """How many are whole, in force or not, and their bytes."""
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lost:
    """Commits that no whole file has."""

    first: int
    last: int
    sick: Seen | None = None
    """The damaged file that had them; None if a file is not there."""

    @property
    def guess(self) -> FileInfo | None:
        return _believed(self.sick) if self.sick else None

    @property
    def had_rows(self) -> bool:
        return self.guess is None or self.guess.kind != OPENING


def _said(whole: Iterable[FileInfo]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for info in sorted((each for each in whole if each.kind == OPENING), key=lambda each: each.first):
        said |= info.meta
    return said


def assess(folder: str, seen: Sequence[Seen]) -> Condition:
    """Tell the condition of a table.

    Args:
        folder: the table's.
        seen: all its files, in any order.

    Example:
        >>> sick = Seen(path="t/journal/000000000001.arrow", number=1, in_journal=True, trouble="it is empty")
        >>> [(finding.file, finding.what) for finding in assess("t", [sick]).findings]
        [('t/journal/000000000001.arrow', 'it is empty')]
    """
    held, sick = _walk(sorted(seen, key=lambda each: (each.in_journal, each.number)))
    held = _with_rescued(held, [each.info for each in seen if each.info])
    lost = _lost(held, sick)
    found = [_finding(folder, held, each, lost) for each in lost]
    in_lost = [each.sick for each in lost]
    found += [
        Finding(file=each.path, what=f"{each.trouble}; other files hold its rows", rows=0)
        for each in sick
        if each not in in_lost
    ]
    whole = [each.info for each in seen if each.info]
    return Condition(
        held=tuple(held),
        said=_said(whole),
        findings=tuple(sorted(found, key=lambda finding: finding.file)),
        missing=any(each.sick is None for each in lost),
        passing=next((each.path for each in sick if each.passing), ""),
        files=len(whole),
        bytes=sum(info.size for info in whole),
    )


def _with_rescued(held: Sequence[FileInfo], whole: Sequence[FileInfo]) -> list[FileInfo]:
    """What is held, and what a seal that was cut has left of a part that is damaged."""
    kept = list(held)
    for info in sorted(whole, key=lambda info: info.first):
        if (
            info.kind != OPENING
            and misplaced(info) is None
            and all(info.last < other.first or other.last < info.first for other in kept)
        ):
            kept.append(info)
    return sorted(kept, key=lambda info: info.first)


def _walk(seen: Iterable[Seen]) -> tuple[list[FileInfo], list[Seen]]:
    """Parts, then journal: those that fit each other, and those that do not."""
    held: list[FileInfo] = []
    sick: list[Seen] = []
    number, seq, holed, parts_end = 1, 0, False, 0
    for each in seen:
        if each.info is None:
            sick.append(each)
            continue
        info = each.info
        gap = holed or info.first > number
        if trouble := misplaced(info) or _unfit(info, number, seq, gap, parts_end if each.in_journal else 0):
            sick.append(replace(each, info=None, trouble=trouble))
        elif info.first >= number:
            held.append(info)
            number, holed = info.last + 1, gap
            if info.kind != OPENING:
                seq, holed = info.stop, False
            if not each.in_journal:
                parts_end = info.last
    return held, sick


def _unfit(info: FileInfo, number: int, seq: int, gap: bool, covered: int) -> str:
    if info.last <= covered:
        return ""  # left behind by a seal
    if info.first < number:
        return f"it begins with commit {info.first}, but those below {number} are in earlier files"
    if info.kind == OPENING or info.seq == seq or (gap and info.seq > seq):
        return ""
    return f"it begins with row {info.seq}, where row {seq} is expected"


def _believed(each: Seen) -> FileInfo | None:
    """What a damaged file said about itself, if that fits its name."""
    guess = each.guess
    return guess if guess is not None and misplaced(guess) is None and 0 <= guess.seq <= guess.stop else None


def _lost(held: Sequence[FileInfo], sick: Sequence[Seen]) -> list[_Lost]:
    """What is lost: with the damaged files, and between all files."""
    found = [_Lost(first=each.number, last=_end(each, held), sick=each) for each in sick]
    found = [each for each in found if not _are_held(each, held)]
    spans = [(info.first, info.last) for info in held] + [(each.first, each.last) for each in found]
    number = 1
    for first, last in sorted(spans):
        if first > number:
            found.append(_Lost(first=number, last=first - 1))
        number = max(number, last + 1)
    return found


def _end(each: Seen, held: Sequence[FileInfo]) -> int:
    """The last commit of a damaged file. A part that does not say it reaches up to the next rows."""
    guess = _believed(each)
    if guess is not None:
        return guess.last
    above = (info.first - 1 for info in held if info.kind != OPENING and info.first > each.number)
    return each.number if each.in_journal else next(above, sys.maxsize)


def _are_held(lost: _Lost, held: Sequence[FileInfo]) -> bool:
    """Whether other files have these commits."""
    shared = (min(info.last, lost.last) - max(info.first, lost.first) + 1 for info in held)
    return sum(max(0, count) for count in shared) == lost.last - lost.first + 1


def _between(lost: _Lost, held: Sequence[FileInfo]) -> tuple[int, int | None]:
    """The `_seq` that the rows before and after these commits leave for them; None if nothing is after them."""
    rows = [info for info in held if info.kind != OPENING]
    before = max((info.stop for info in rows if info.first < lost.first), default=0)
    return before, min((info.seq for info in rows if info.first > lost.first), default=None)


def _finding(folder: str, held: Sequence[FileInfo], lost: _Lost, others: Sequence[_Lost]) -> Finding:
    """What to tell: by the neighbours, if nothing else is lost between them, or by what a damaged file says."""
    guess = lost.guess
    if lost.sick and not lost.had_rows:
        return Finding(file=lost.sick.path, what=f"{lost.sick.trouble}; it is an opening, which holds no rows", rows=0)
    seq, stop = _between(lost, held)
    alone = [_between(each, held) for each in others if each.had_rows].count((seq, stop)) == 1
    if guess is not None and (stop is None or not alone):
        seq, stop = guess.seq, guess.stop
    elif not alone:
        stop = None
    known = stop is not None and stop >= seq
    return Finding(
        file=lost.sick.path if lost.sick else _missing_path(folder, held, lost),
        what=lost.sick.trouble if lost.sick else _missing(lost),
        first_row=seq if known else None,
        rows=stop - seq if known and stop is not None else None,
        trials=sum(end - start for start, end in guess.meta.get("positions", ())) if guess else None,
    )


def _missing_path(folder: str, held: Sequence[FileInfo], lost: _Lost) -> str:
    """Where the file lay, as far as it can be told: where several are missing after the parts, it was a part."""
    ends = [info.last for info in held if info.kind == PART]
    is_part = any(end > lost.last for end in ends) or (
        lost.first == max(ends, default=0) + 1 and lost.first < lost.last
    )
    return f"{folder}/{'' if is_part else 'journal/'}{lost.first:012d}.arrow"


def _missing(lost: _Lost) -> str:
    if lost.first == lost.last:
        return f"commit {lost.first} is missing"
    return f"commits {lost.first} to {lost.last} are missing: a part, or that many files of the journal"
