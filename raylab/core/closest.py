"""The name that was meant, where one was given that is not there."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["did_you_mean", "some_of"]

MANY = 20
"""So many names are read in a sentence; a sweep may have a thousand columns."""


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """The end of a sentence, and a question with the name that is most like the word; empty if none is.

    Whether letters are capitals makes no difference to which names are alike.

    Example:
        >>> did_you_mean("beta", ["alpha", "Beta"])
        ". Did you mean 'Beta'?"
        >>> did_you_mean("x", ["alpha", "Beta"])
        ''
    """
    names = {name.casefold(): name for name in known}
    close = get_close_matches(str(word).casefold(), names, n=1)
    return f". Did you mean {names[close[0]]!r}?" if close else ""


def some_of(names: Iterable[str]) -> str:
    """Names in a sentence, the first ones where they are many; "none" where there are none.

    Example:
        >>> some_of(["p", "L"]), some_of([])
        ("'p', 'L'", 'none')
    """
    there = list(names)
    left = len(there) - MANY
    return (", ".join(map(repr, there[:MANY])) or "none") + (f" and {left:,} more" if left > 0 else "")
