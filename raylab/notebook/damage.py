"""What is wrong with a table, told from what reading each of its files gave, and what is whole of it.

Promises: a file that fits its own checksum, its name and its neighbours is held; no row is held twice. Must touch no
disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from raylab.notebook.file import DATA, OPENING, PART, FileInfo
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
    opening: FileInfo | None = None
    """The newest opening that is whole."""
    findings: tuple[Finding, ...] = ()
    missing: bool = False
    """Whether files are missing: somebody may only have been sealing."""
    passing: str = ""
    """A file that the disk did not give, though it may do so later."""
    files: int = 0
    """How many are whole, in force or not, and their bytes."""
    bytes: int = 0


@dataclass(slots=True)
class _Hole:
    """Commits between two files that know their `_seq`, or after the last of them, of which some are lost."""

    seq: int
    stop: int | None = None
    ranges: list[tuple[int, int, bool]] = field(default_factory=list)
    """First and last commit, and whether a part follows."""
    sick: list[Seen] = field(default_factory=list)


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
    parts_end = max((info.last for info in held if info.kind == PART), default=0)
    holes = _holes(held, sick)
    found, missing = _found(folder, holes, sick, parts_end)
    whole = [each.info for each in seen if each.info]
    return Condition(
        held=_with_rescued(held, whole),
        opening=max((info for info in whole if info.kind == OPENING), key=lambda info: info.first, default=None),
        findings=tuple(sorted(found, key=lambda finding: finding.file)),
        missing=missing,
        passing=next((each.path for each in sick if each.passing), ""),
        files=len(whole),
        bytes=sum(info.size for info in whole),
    )


def _with_rescued(held: Sequence[FileInfo], whole: Sequence[FileInfo]) -> tuple[FileInfo, ...]:
    """What is held, and what a seal that was cut has left of a part that is damaged."""
    kept = list(held)
    for info in sorted(whole, key=lambda info: info.first):
        if misplaced(info) is None and all(info.last < other.first or other.last < info.first for other in kept):
            kept.append(info)
    return tuple(sorted(kept, key=lambda info: info.first))


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


def _holes(held: Sequence[FileInfo], sick: Sequence[Seen]) -> list[_Hole]:
    """Where commits are lost, and the damaged files that may have held them."""
    found: list[_Hole] = []
    number, hole = 1, _Hole(seq=0)
    for info in held:
        if info.first > number:
            hole.ranges.append((number, info.first - 1, info.kind == PART))
        number = info.last + 1
        if info.kind != OPENING:
            hole.stop = info.seq
            found.append(hole)
            hole = _Hole(seq=info.stop)
    limit = _last(held, sick)
    if number <= limit and any(_end(each, limit) >= number for each in sick):
        hole.ranges.append((number, limit, False))
    holes = [each for each in [*found, hole] if each.ranges]
    for each in sick:
        reaches = [h for h in holes if each.number <= h.ranges[-1][1] and _end(each, limit) >= h.ranges[0][0]]
        if reaches:
            reaches[0].sick.append(each)
    if holes and holes[-1].stop is None:
        holes[-1].stop = _told_stop(holes[-1])
    return holes


def _last(held: Sequence[FileInfo], sick: Sequence[Seen]) -> int:
    """The last commit, as far as it can be told; one more where a part does not say where it ends."""
    top = max([*(info.last for info in held), *(_end(each, each.number) for each in sick)], default=0)
    silent = max((each.number for each in sick if not each.in_journal and not _believed(each)), default=0)
    # Openings above such a part tell nothing, for they may lie inside.
    telling = [info.last for info in held if info.kind != OPENING] + [each.number for each in sick if each.in_journal]
    return top + (silent > max(telling, default=0))


def _end(each: Seen, limit: int) -> int:
    """The last commit of a damaged file; as far as it may reach, if it does not say."""
    guess = _believed(each)
    if guess is not None:
        return guess.last
    return each.number if each.in_journal else limit


def _told_stop(hole: _Hole) -> int | None:
    """Where the `_seq` of a hole ends after which no file tells: what the last of its own files said, if anything."""
    guesses = [guess for guess in map(_believed, hole.sick) if guess]
    for first, last, _ in reversed(hole.ranges):
        at = last
        while at >= first:
            guess = next((guess for guess in guesses if guess.first <= at <= guess.last), None)
            if guess is None:
                return None
            if guess.kind != OPENING:
                return max(guess.stop, hole.seq)
            at = guess.first - 1
    return hole.seq


def _split(first: int, last: int, named: set[int]) -> list[tuple[int, int]]:
    """A range of numbers in pieces: each of the named ones alone."""
    pieces, start = [], first
    for number in sorted(n for n in named if first <= n <= last):
        if start < number:
            pieces.append((start, number - 1))
        pieces.append((number, number))
        start = number + 1
    return [*pieces, (start, last)] if start <= last else pieces


def _found(folder: str, holes: Sequence[_Hole], sick: Sequence[Seen], parts_end: int) -> tuple[list[Finding], bool]:
    """What to tell of all this, and whether some of it is files that are not there."""
    found: list[Finding] = []
    absent = False
    for hole in holes:
        gone = list(_gone(hole))
        absent = absent or bool(gone)
        counting = [each for each in hole.sick if not _is_opening(each)]
        single = len(counting) + len(gone) == 1
        for first, last, before_part in gone:
            # Where several are missing after the parts, the next part is more likely than all of them.
            beside = before_part or (first == parts_end + 1 and first < last)
            found.append(_missing(folder, first, last, beside, hole, single))
        found += [_damaged(each, hole, single and each in counting) for each in hole.sick]
    in_hole = {each.path for hole in holes for each in hole.sick}
    covered = [each for each in sick if each.path not in in_hole]
    found += [Finding(file=each.path, what=f"{each.trouble}; other files hold its rows", rows=0) for each in covered]
    return found, absent


def _is_opening(each: Seen) -> bool:
    guess = _believed(each)
    return guess is not None and guess.kind == OPENING


def _gone(hole: _Hole) -> Iterator[tuple[int, int, bool]]:
    """Commits that no damaged file explains. (A damaged part explains all: nobody knows which were its own.)"""
    if any(not each.in_journal for each in hole.sick):
        return
    named = {each.number for each in hole.sick}
    for first, last, before_part in hole.ranges:
        for start, end in _split(first, last, named):
            if start not in named:
                yield start, end, before_part


def _missing(folder: str, first: int, last: int, beside: bool, hole: _Hole, single: bool) -> Finding:
    what = f"commit {first} is missing" if first == last else f"commits {first} to {last} are missing"
    known = single and hole.stop is not None
    return Finding(
        file=f"{folder}/{'' if beside else 'journal/'}{first:012d}.arrow",
        what=what if first == last else f"{what}: a part, or that many files of the journal",
        first_row=hole.seq if known else None,
        rows=hole.stop - hole.seq if known and hole.stop is not None else None,
    )


def _damaged(each: Seen, hole: _Hole, single: bool) -> Finding:
    """What is lost with a damaged file: by its neighbours, if it is the only one between them, or by what it says."""
    guess = _believed(each)
    seq, stop = (hole.seq, hole.stop) if single else (None, None)
    if guess is not None and guess.kind == OPENING:
        return Finding(file=each.path, what=f"{each.trouble}; it is an opening, which holds no rows", rows=0)
    if stop is None and guess is not None:
        seq, stop = guess.seq, guess.stop
    trials = None
    if guess is not None and guess.kind in (DATA, PART):
        trials = sum(end - start for start, end in guess.meta.get("positions", ()))
    known = seq is not None and stop is not None and stop >= seq
    return Finding(
        file=each.path,
        what=each.trouble,
        first_row=seq if known else None,
        rows=stop - seq if known and seq is not None and stop is not None else None,
        trials=trials,
    )
