"""What is alike put together: texts without what differs from trial to trial, and groups of what was said. Pure.

What is kept is bounded: LIMIT groups, texts of MAX_TEXT characters; what is beyond is one group more. So commits can
carry groups in their metadata, and a part the sum of its commits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Protocol, Self, TypeVar

LIMIT = 100
"""How many groups are told apart."""

MAX_TEXT = 500

# Ids by which nobody knows anything: uuids, digests.
_IDS = re.compile(
    r"(?<![\w.-])(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|(?=\w*[a-fA-F])(?=\w*\d)[0-9a-fA-F]{16,})(?!\w)"
)
# The folder of a process below those for temporary files, and what Python's `tempfile` calls a file anywhere.
_TEMPORARY = re.compile(
    r"(?<![\w.])((?:/private)?/(?:(?:var/)?tmp|dev/shm|var/folders/[^/\s'\"]+/[^/\s'\"]+/T)/)[^/\s'\"]+(?=/)"
    r"|(?<![A-Za-z0-9])(tmp)(?!_[a-z]+(?!\w))[a-z0-9_]{8}(?!\w)"
)
# First addresses, then numbers; a digit inside a word (float64, L2) is a part of its name, but for one after `_`.
_NUMBERS = re.compile(
    r"0[xX][0-9a-fA-F]+|(?<![\w.])[-+]?(?:\d+(?:[,_]\d{3})*(?:\.\d+)*|\.\d+)(?:[eE][-+]?\d+)?|(?<=_)\d+(?![A-Za-z\d])"
)
# A path, and the name of a file in quotes: there a digit inside a word tells one file from the next.
_FILES = re.compile(r"(?<![^\s'\"<>])[^\s'\"<>]*/[^\s'\"<>]*|(?<=['\"])[^\s'\"/]+\.[A-Za-z]\w{0,4}(?=['\"])")
_DIGITS = re.compile(r"\d+")


def normalised(text: str) -> str:
    """A text without what differs from trial to trial: numbers, addresses, ids, temporary folders.

    What stands in quotes stays, since a name in quotes is often all that two errors differ in.

    Example:
        >>> normalised("lbfgs of float64 stopped after 1,000 steps at -3.5e-7, see <Model at 0x7f3a>")
        'lbfgs of float64 stopped after # steps at #, see <Model at #>'
        >>> normalised("No such file: '/tmp/tmpa1b2c3d4/run17.csv', and no key 'beta'")
        "No such file: '/tmp/#/run#.csv', and no key 'beta'"
    """
    text = _IDS.sub("#", text[: 4 * MAX_TEXT])
    text = _TEMPORARY.sub(lambda match: f"{match[1] or match[2]}#", text)
    text = _NUMBERS.sub("#", text)
    return _FILES.sub(lambda match: _DIGITS.sub("#", match[0]), text)[:MAX_TEXT]


class Group(Protocol):
    """What was said alike, and how often."""

    @property
    def key(self) -> tuple[str, ...]:
        """What makes it alike."""

    @property
    def count(self) -> int:
        """How often it was said."""

    def plus(self, *others: Self) -> Self:
        """All together, as one of this group."""


G = TypeVar("G", bound=Group)


def merged(groups: Iterable[G], more: Callable[[G], G]) -> list[G]:
    """All of them, each key once: those said most often first, LIMIT at most, and what is beyond as one more.

    Args:
        groups: in any order; the same comes of them.
        more: makes of a group one that stands for all beyond LIMIT; these have one key.
    """
    alike: dict[tuple[str, ...], list[G]] = {}
    for group in groups:
        alike.setdefault(group.key, []).append(group)
    found = [_one(some) for some in alike.values()]
    found.sort(key=lambda group: (group.key == more(group).key, -group.count, group.key))
    beyond = list(map(more, found[LIMIT:]))
    return [*found[:LIMIT], *([_one(beyond)] if beyond else [])]


def _one(some: list[G]) -> G:
    return some[0].plus(*some[1:])
