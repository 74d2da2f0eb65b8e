"""Levels as text, for rows: what a person reads, and groups by.

Promises: two levels of an axis never have the same text, whatever their types; a level of over LONG_BYTES is the
beginning of its text and a digest of all of it. The text of a level is the same wherever it is made, whether its class
was imported or not.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Final

import numpy as np

from raylab.core.kinds import MISSING, full_text, text_of
from raylab.core.values import JSON, encode, key_of

LONG_BYTES: Final = 1_000
"""What a level may have when it is written down, before rows hold but its beginning: a list of 50 floats has about
950 bytes, one of 60 about 1,150."""

BEGINNING: Final = 60
"""Characters of a long level's text that rows show."""


def is_long(value: Any) -> bool:
    """Whether rows hold but the beginning of a level."""
    kind = type(value)
    if kind is str or kind is bytes:
        return len(value) > LONG_BYTES // 4 and len(value.encode() if kind is str else value) > LONG_BYTES
    if kind in (type(None), bool, float):
        return False
    if isinstance(value, np.ndarray) and value.nbytes > LONG_BYTES:
        return True
    return len(JSON.encode(encode(value))) > LONG_BYTES


def shortened(value: Any) -> str:
    """The beginning of a long level's text, and the digest of all that is written of it.

    Example:
        >>> shortened([0.5] * 1000)[:60]
        '[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5,'
        >>> shortened("a" * 2000)[57:]
        'aaa… sha256:820bb34e40d9e8b1c97f5cd87fba539a'
    """
    return f"{_beginning(value)[:BEGINNING]}… {_digest(value)}"


def texts(levels: Iterable[Any]) -> list[str | None]:
    """A text for each level; None for MISSING. Strings are as they are, and quoted where two levels would read alike.

    Example:
        >>> texts(["sqrt", 0.5, 3, None])
        ['sqrt', '0.5', '3', 'None']
        >>> texts(["3", 3, "x", (1, 2), [1, 2]])
        ["'3'", '3', 'x', '(1, 2)', '[1, 2]']
    """
    levels = list(levels)
    keys = list(map(key_of, levels))
    distinct = {key: level for key, level in zip(keys, levels, strict=True) if level is not MISSING}
    shown = {key: shortened(level) if is_long(level) else text_of(level) for key, level in distinct.items()}
    shown.update({key: full_text(distinct[key]) for key in _alike(shown)})
    if _alike(shown):  # a quoted string reads like one that was quoted to begin with
        shown.update({key: repr(level) for key, level in distinct.items() if type(level) is str})
    shown.update({key: f"{shown[key]} {_digest(distinct[key])}" for key in _alike(shown)})
    return [shown.get(key) for key in keys]


def _alike(shown: Mapping[Hashable, str]) -> list[Hashable]:
    """The keys of texts that stand there more than once."""
    counts = Counter(shown.values())
    return [key for key, text in shown.items() if counts[text] > 1]


def _beginning(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"array {'x'.join(map(str, value.shape))} of {value.dtype}: {text_of(value.ravel()[:20])}"
    return text_of(value[: 2 * BEGINNING] if type(value) in (str, bytes, list, tuple) else value)


def _digest(value: Any) -> str:
    return f"sha256:{hashlib.sha256(JSON.encode(encode(value)).encode()).hexdigest()[:32]}"
