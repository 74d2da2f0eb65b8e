"""Levels as text, for rows: what a person reads, and groups by.

Promises: two levels of an axis never have the same text, whatever their types; a level of over LONG_BYTES is the
beginning of its text and a digest of all of it. The text of a level is the same wherever it is made, whether its class
was imported or not.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from datetime import date, datetime, time
from enum import Enum
from typing import Any, Final

import numpy as np

from raylab.core.classes import CLASSES, pandas_word, text_of_class
from raylab.core.values import MISSING
from raylab.core.written import JSON, encode, key_of

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
    distinct = {key_of(level): level for level in levels if level is not MISSING}
    shown = {key: shortened(level) if is_long(level) else text_of(level) for key, level in distinct.items()}
    if alike := _alike(shown):
        shown.update({key: _explicit(distinct[key]) for key in alike})
    if _alike(shown):  # a quoted string reads like one that was quoted to begin with
        shown.update({key: repr(level) for key, level in distinct.items() if type(level) is str})
    shown.update({key: f"{shown[key]} {_digest(distinct[key])}" for key in _alike(shown)})
    return [None if level is MISSING else shown[key_of(level)] for level in levels]


def _alike(shown: Mapping[Hashable, str]) -> list[Hashable]:
    """The keys of texts that stand there more than once."""
    counts = Counter(shown.values())
    return [key for key, text in shown.items() if counts[text] > 1]


def text_of(value: Any) -> str:
    """The text of one level: of a string the string itself, of a collection its items in brackets."""
    kind = type(value)
    if isinstance(value, str):
        return str.__str__(value) if not isinstance(value, Enum) else text_of_class(value)
    if kind in CLASSES or pandas_word(value) is not None:
        return str(encode(value)["$pandas"][-1])
    if isinstance(value, Enum) or (isinstance(value, tuple) and hasattr(kind, "_fields")):
        return text_of_class(value)
    if isinstance(value, np.generic):
        return str(value) if value.dtype.kind in "mM" else text_of(value.item())
    if isinstance(value, np.ndarray):
        return _nested(value.tolist() if value.dtype.kind not in "mM" else value.astype(str).tolist())
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if kind in _BRACKETS:
        return _collection(value)
    return str(value)


def _collection(value: Any) -> str:
    opening, closing = _BRACKETS[type(value)]
    if isinstance(value, dict):
        inner = [f"{_nested(key)}: {_nested(item)}" for key, item in value.items()]
    elif isinstance(value, set | frozenset):
        inner = sorted(map(_nested, value))  # their own order is another one in every process
    else:
        inner = list(map(_nested, value))
    comma = "," if isinstance(value, tuple) and len(inner) == 1 else ""
    return f"{opening}{', '.join(inner)}{comma}{closing}"


def _nested(value: Any) -> str:
    """The text of a part of a level, where strings are quoted."""
    return repr(value) if type(value) in (str, bytes) else text_of(value)


_BRACKETS: Final[dict[type, tuple[str, str]]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    dict: ("{", "}"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
}


def _explicit(value: Any) -> str:
    """A text that tells the type, too; that of Python's own numbers and brackets does so already."""
    kind = type(value)
    if kind in (type(None), bool, int, float, *_BRACKETS, *CLASSES) or isinstance(value, Enum):
        return text_of(value)
    if kind is str:
        return repr(value)
    if isinstance(value, np.ndarray):
        return f"array({text_of(value)}, {value.dtype})"
    return text_of(value) if hasattr(kind, "_fields") or pandas_word(value) else f"{kind.__name__}({text_of(value)})"


def _beginning(value: Any) -> str:
    if isinstance(value, np.ndarray):
        first = value.ravel()[:20]
        return f"array {'x'.join(map(str, value.shape))} of {value.dtype}: {text_of(np.asarray(first))}"
    if isinstance(value, str | bytes):
        return text_of(value[: 2 * BEGINNING])
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return text_of(value[: 2 * BEGINNING])
    return text_of(value)


def _digest(value: Any) -> str:
    return f"sha256:{hashlib.sha256(JSON.encode(encode(value)).encode()).hexdigest()[:32]}"
