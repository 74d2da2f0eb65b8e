"""Warnings as data: which kinds of them trials showed, how often, and an example of each. Pure.

Two warnings are of one kind if their category is the same, and their text is once it is `normalised`. What is beyond
`alike.LIMIT` kinds is counted under MORE.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from raylab.core import alike

MORE = ("more", "kinds of warnings that came when there were many already")
"""Category and text of what is beyond the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of warning: how often it was shown, by how many trials, and as an example what the first of them said.

    `point` and `repeat` name that trial. It is the lowest one, so that it does not depend on who came first.
    """

    category: str
    text: str
    count: int
    trials: int
    example: str
    point: int
    repeat: int

    @property
    def key(self) -> tuple[str, str]:
        """What makes warnings one kind."""
        return self.category, self.text

    def plus(self, *others: Kind) -> Kind:
        """All together, as one of this kind."""
        some = (self, *others)
        lowest = min(some, key=lambda kind: (kind.point, kind.repeat))
        return replace(lowest, count=sum(kind.count for kind in some), trials=sum(kind.trials for kind in some))

    def dumps(self) -> list[Any]:
        """As plain data for a commit's metadata."""
        return [self.category, self.text, self.count, self.trials, self.example, self.point, self.repeat]

    @staticmethod
    def loads(data: Sequence[Any]) -> Kind:
        """Read it."""
        category, text, count, trials, example, point, repeat = data
        return Kind(
            category=category, text=text, count=count, trials=trials, example=example, point=point, repeat=repeat
        )


def merged(kinds: Iterable[Kind]) -> list[Kind]:
    """All of them, each kind once: those shown most often first, and no more than the limit.

    Example:
        >>> one = Kind(category="W", text="t", count=2, trials=1, example="t", point=5, repeat=0)
        >>> [(kind.count, kind.trials) for kind in merged([one, one])]
        [(4, 2)]
    """
    return alike.merged(kinds, _more)


def _more(kind: Kind) -> Kind:
    category, text = MORE
    return replace(kind, category=category, text=text)
