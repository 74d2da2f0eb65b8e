"""Warnings as data: which kinds of them trials showed, how often, and an example of each. Pure.

Two warnings are of one kind if their category and their text are the same but for the numbers in it. What is kept is
bounded: LIMIT kinds, texts of MAX_TEXT characters; what is beyond is counted under MORE. So commits can carry it in
their metadata, and a part the sum of its commits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

LIMIT = 100
"""How many kinds are told apart."""

MAX_TEXT = 500

MORE = ("more", "kinds of warnings that came when there were many already")
"""Category and text of what is beyond LIMIT."""

# First addresses, then numbers; a digit inside a word (float64, L2) is a part of its name.
_NUMBERS = re.compile(r"0[xX][0-9a-fA-F]+|(?<![\w.])[-+]?(?:\d+(?:[,_]\d{3})*(?:\.\d+)*|\.\d+)(?:[eE][-+]?\d+)?")


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

    def plus(self, other: Kind) -> Kind:
        """Both together, as one of this kind."""
        lowest = min(self, other, key=lambda kind: (kind.point, kind.repeat))
        return Kind(
            category=self.category,
            text=self.text,
            count=self.count + other.count,
            trials=self.trials + other.trials,
            example=lowest.example,
            point=lowest.point,
            repeat=lowest.repeat,
        )

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


def normalised(text: str) -> str:
    """A warning's text without what differs from trial to trial.

    Example:
        >>> normalised("lbfgs of float64 stopped after 1,000 steps at -3.5e-7, see <Model at 0x7f3a>")
        'lbfgs of float64 stopped after # steps at #, see <Model at #>'
    """
    return _NUMBERS.sub("#", text[: 4 * MAX_TEXT])[:MAX_TEXT]


def merged(kinds: Iterable[Kind]) -> list[Kind]:
    """All of them, each kind once: those shown most often first, and LIMIT at most.

    Example:
        >>> one = Kind(category="W", text="t", count=2, trials=1, example="t", point=5, repeat=0)
        >>> [(kind.count, kind.trials) for kind in merged([one, one])]
        [(4, 2)]
    """
    found: dict[tuple[str, str], Kind] = {}
    for kind in kinds:
        key = (kind.category, kind.text)
        found[key] = found[key].plus(kind) if key in found else kind
    more = found.pop(MORE, None)
    ranked = sorted(found.values(), key=lambda kind: (-kind.count, kind.text, kind.category))
    for kind in ranked[LIMIT:]:
        more = _more(kind) if more is None else more.plus(kind)
    return [*ranked[:LIMIT], *([more] if more is not None else [])]


def _more(kind: Kind) -> Kind:
    category, text = MORE
    return replace(kind, category=category, text=text)
