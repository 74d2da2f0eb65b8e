"""Why trials failed: what their errors have in common, and how often. Pure.

A cause is told from the texts that a row has, so that a notebook's rows and what commits say of themselves mean the
same. Of an exception it is the type, the message `normalised`, where it was raised, and the exception that it was
raised from, if any: the same words from two places are two causes. Of a trial whose process was ended it is what is
said of that.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple

from raylab.core import alike
from raylab.core.alike import MAX_TEXT, normalised
from raylab.core.box import Run, count, joined
from raylab.core.packing import packed, unpacked

MOST_KNOWN = 64
"""So many errors are remembered with their causes, since many trials fail with the very same words. A traceback has
100 kB at most, so these have 6 MB."""

_HEADER = "Traceback (most recent call last):\n"
_FRAME = re.compile(r'^(?:  \| )?  File "(?P<file>[^\n]+)", line (?P<line>\d+), in ', re.MULTILINE)
_CHAINED = re.compile(
    r"^(?:  \| )?(?:The above exception was the direct cause of the following exception"
    r"|During handling of the above exception, another exception occurred):$",
    re.MULTILINE,
)
"""As Python shows exceptions: what was raised first, then what was raised from it; `  | ` stands before a group's."""

_LIBRARY = re.compile(r"^<frozen |^<__array_function__|/(?:site|dist)-packages/|/lib(?:64)?/python\d[\d.]*/")
"""Files of installed packages and of Python itself."""

_UNPACKED = re.compile(r"^.*/raylab-code-\d+/[0-9a-f]{64}/")
"""Where a process keeps modules that travelled (`worker/unpack`): elsewhere on other nodes, and for other users."""

# What is said of a death and is true of that one alone: the node, where its log lies, how often the trial was tried.
_OF_ONE_DEATH = re.compile(
    r"; Ray's log worker-\*-\d+\.err on .*? may say why|; sweep\.log\([\d, ]+\) has what it printed"
    r"|(?<=the node) \S+(?= had )|(?<=its worker process died) \d+ times|(?<=it ran alone) \d+ times(?=, and )"
)


class Cause(NamedTuple):
    """Why trials failed.

    Attributes:
        type: of the exception; empty where there is none.
        text: what was said, normalised.
        where: `FILE:LINE` of the deepest frame that is of no library; empty where nothing was raised.
        root: type and normalised text of the exception that was raised first, where this one was raised from another.
    """

    type: str
    text: str
    where: str = ""
    root: str = ""


COMMONEST = 3
MOST_SAID = 200
"""So many causes, and characters of their texts, go with each answer on how far a sweep is: some 1 kB."""

MORE = Cause("more", "causes that came when there were many already")
"""What is beyond the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """Trials that failed for one cause.

    Attributes:
        cause: this one.
        by_status: how many there are.
        places: their positions by status, as runs in order, where a commit says it of its own trials.
    """

    cause: Cause
    by_status: Mapping[str, int]
    places: Mapping[str, Sequence[Run]] = field(default_factory=dict)

    @staticmethod
    def at(cause: Cause, places: Mapping[str, Sequence[Run]]) -> Failing:
        """Those at these positions."""
        by_status = {status: count(runs) for status, runs in places.items()}
        return Failing(cause=cause, by_status=by_status, places=places)

    @property
    def key(self) -> Cause:
        """What makes failures alike."""
        return self.cause

    @property
    def count(self) -> int:
        """How many trials."""
        return sum(self.by_status.values())

    @property
    def statuses(self) -> list[str]:
        """Their statuses, the most frequent first."""
        return sorted(self.by_status, key=lambda word: (-self.by_status[word], word))

    def plus(self, *others: Failing) -> Failing:
        """All together, as of this cause."""
        some = (self, *others)
        by_status: Counter[str] = Counter()
        for each in some:
            by_status.update(each.by_status)
        return replace(self, by_status=dict(by_status), places=united(each.places for each in some))

    def counted(self, by_status: Mapping[str, int]) -> Failing:
        """So many of them, nobody says which."""
        return Failing(cause=self.cause, by_status=by_status)

    def told(self) -> dict[str, Any]:
        """As a person gets it, by name."""
        return {
            "type": self.cause.type or None,
            "message": self.cause.text,
            "where": self.cause.where or None,
            "root": self.cause.root or None,
            "count": self.count,
            "statuses": self.statuses,
        }

    def dumps(self) -> list[Any]:
        """As plain data for a commit's metadata."""
        return [list(self.cause), {status: packed(runs) for status, runs in self.places.items()}]

    @staticmethod
    def loads(data: Sequence[Any]) -> Failing:
        """Read it."""
        cause, places = data
        return Failing.at(Cause(*cause), {status: list(unpacked(runs)) for status, runs in places.items()})


def merged(some: Iterable[Failing]) -> list[Failing]:
    """All of them, each cause once: the most frequent first, and no more than the limit."""
    return alike.merged(some, lambda each: replace(each, cause=MORE))


def without(some: Sequence[Failing], gone: Iterable[Failing]) -> list[Failing]:
    """What is left where these do not count any more; what is of no cause that is told apart is of those beyond."""
    left = {each.cause: Counter(each.by_status) for each in some}
    for each in gone:
        left.get(each.cause, left.get(MORE, Counter())).subtract(each.by_status)
    return merged(each.counted(+left[each.cause]) for each in some if +left[each.cause])


def final(some: Sequence[Failing], tried_again: Collection[str]) -> Sequence[Failing]:
    """Without what came to a status of which some trials are tried again with more: nobody knows yet which."""
    if not tried_again:
        return some
    left = ((each, {word: of for word, of in each.by_status.items() if word not in tried_again}) for each in some)
    return merged(each.counted(by_status) for each, by_status in left if by_status)


def commonest(some: Sequence[Failing]) -> tuple[Failing, ...]:
    """The few causes that a line has room for, with as much of their texts."""
    return tuple(
        replace(each, cause=each.cause._replace(text=each.cause.text[:MOST_SAID], root=each.cause.root[:MOST_SAID]))
        for each in some[:COMMONEST]
    )


def united(sets: Iterable[Mapping[str, Sequence[Run]]]) -> dict[str, list[Run]]:
    """All positions in some sets, by status, as runs in order.

    Example:
        >>> united([{"failed": [(4, 6)]}, {"failed": [(0, 4)], "crashed": [(8, 9)]}])
        {'crashed': [(8, 9)], 'failed': [(0, 6)]}
    """
    of: dict[str, list[Sequence[Run]]] = {}
    for places in sets:
        for status, runs in places.items():
            of.setdefault(status, []).append(runs)
    return {status: joined(some) for status, some in sorted(of.items())}


@lru_cache(MOST_KNOWN)
def cause_of(status: str, error: str, traceback: str | None) -> Cause:
    """Why a trial failed, by what its row says.

    Args:
        status: of the trial.
        error: `_error`.
        traceback: `_traceback`.

    Example:
        >>> cause_of("failed", "ValueError: no fit at 7", 'Traceback ...\\n  File "fit.py", line 3, in fit\\n')
        Cause(type='ValueError', text='no fit at #', where='fit.py:3', root='')
        >>> cause_of("timed_out", "it took longer than its time limit of 2 s", None).text
        'it took longer than its time limit of # s'
    """
    if status != "failed":  # where a trial was when its time was over is another place each time
        return Cause("", normalised(_OF_ONE_DEATH.sub("", error)))
    kind, text = parted(error)
    shown = _shown(error, traceback or "")
    root = _root(shown)
    return Cause(kind, normalised(text), _where(shown), "" if root and root == normalised(error) else root)


def still_said(error: str | None, some: Sequence[Failing]) -> str | None:
    """What was said of the first trial that failed, as long as that is a cause of what is failed now; else what is said
    of the most frequent cause; None where nothing is failed.

    Example:
        >>> now = [Failing(cause=Cause("ValueError", "no fit at #"), by_status={"failed": 2})]
        >>> still_said("ValueError: no fit at 7", now), still_said("KeyError: 'x'", now), still_said("KeyError", [])
        ('ValueError: no fit at 7', 'ValueError: no fit at #', None)
    """
    if error is None or not some:
        return None
    said = {cause_of(status, error, None)[:2] for status in ("failed", "crashed")}
    known = {each.cause[:2] for each in some}
    if said & known or MORE[:2] in known:
        return error
    return ": ".join(filter(None, some[0].cause[:2]))


def parted(error: str) -> tuple[str, str]:
    """The type of an exception and its message; no type where a text is no exception's.

    Example:
        >>> parted("KeyError: 'x'"), parted("StopIteration"), parted("its record has 70 MB")
        (('KeyError', "'x'"), ('StopIteration', ''), ('', 'its record has 70 MB'))
    """
    kind, _, text = error.partition(": ")
    return (kind, text) if kind.isidentifier() else ("", error)


def _shown(error: str, traceback: str) -> str:
    """What Python shows before the exception's own words, which may hold a traceback as well."""
    own = traceback.rfind(error.partition("\n")[0][:MAX_TEXT])
    return traceback[:own] if own >= 0 else traceback


def is_of_library(file: str) -> bool:
    """Whether a file is of an installed package or of Python itself."""
    return _LIBRARY.search(file) is not None


def _where(shown: str) -> str:
    frames = _FRAME.findall(shown, max(shown.rfind(_HEADER), 0))
    users = [frame for frame in frames if not is_of_library(frame[0])]
    if not frames:
        return ""
    file, line = (users or frames)[-1]
    return f"{_UNPACKED.sub('', file)}:{line}"


def _root(shown: str) -> str:
    """The exception that was raised first, if there was another than the last one."""
    chained = _CHAINED.search(shown)
    if chained is None:
        return ""
    first = shown[: chained.start()]
    *_, last = [0, *(match.end() for match in _FRAME.finditer(first))]
    lines = [line.removeprefix("  | ") for line in first[last:].splitlines()]
    words = [line for line in lines[1 if last else 0 :] if line and not line.startswith((" ", _HEADER.rstrip()))]
    kind, mark, text = words[0].partition(": ") if words else ("", "", "")
    return normalised(f"{kind.rpartition('.')[2]}{mark}{text}")
