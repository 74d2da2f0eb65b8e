"""Names of parameters and sweeps, as Python reads a name in an identifier: in Unicode's form NFKC.

Jupyter types `ϵ` (U+03F5), and Python reads `ε` (U+03B5) in the signature; so both ways to type it are one name, where
it is given and where it is looked up. Standard library only.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["as_read", "one_or_several", "read_name"]


def read_name(name: str) -> str:
    """The name that Python reads.

    Example:
        >>> read_name("\\u03f5") == "\\u03b5"
        True
    """
    return name if name.isascii() else unicodedata.normalize("NFKC", name)


def one_or_several(given: object) -> list[Any]:
    """What stands where a word or several may stand, as a list; whether these are words is the caller's to see.

    Example:
        >>> one_or_several("p"), one_or_several(("p", "L")), one_or_several(7)
        (['p'], ['p', 'L'], [7])
    """
    return list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]


class _Read(dict[str, Any]):
    """Parameters by name, found however the name is typed."""

    def __missing__(self, name: str) -> Any:
        read = read_name(name)
        if read == name:
            raise KeyError(name)
        return self[read]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(read_name(name) if isinstance(name, str) else name)

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(read_name(name), default)


def as_read(params: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a point's parameters; where a name is not ASCII, one that finds it however it is typed.

    Example:
        >>> as_read({"\\u03b5": 1})["\\u03f5"]
        1
    """
    return dict(params) if all(map(str.isascii, params)) else _Read(params)
