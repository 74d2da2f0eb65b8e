"""Code versions of a sweep, as people read them: what each differs in, and that results are of several."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from raylab.core.difference import differences
from raylab.core.request import Version

__all__ = ["history", "mixed"]


def history(versions: Sequence[Version]) -> list[dict[str, Any]]:
    """A dict for each version: its number, who submitted it when, and what it differs in from the one before.

    Example:
        >>> first = Version(code="", modules=None, ingredients={"global N": "2"}, user="ada")
        >>> second = Version(code="", modules=None, ingredients={"global N": "3"}, user="ada")
        >>> [version["differs"] for version in history([first, second])]
        [[], ['global N: 3, was 2']]
    """
    return [
        {
            "version": number,
            "user": version.user,
            "submitted": datetime.fromtimestamp(version.time_us / 1e6, UTC),
            "differs": differences(before.ingredients, version.ingredients),
        }
        for number, (before, version) in enumerate(zip([versions[0], *versions], versions, strict=False), 1)
    ]


def mixed(sweep: str, numbers: Sequence[int]) -> str:
    """That results of a sweep are of several code versions."""
    *others, last = numbers
    return (
        f"the results of {sweep!r} are of versions {', '.join(map(str, others))} and {last} of its code: "
        'metadata=["_code"] tells which row is of which, info()["code"] of the sweep what they differ in'
    )
