"""How far code was from its commit, in words. Text only; it loads nothing, for the command's sake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def changed(version: Mapping[str, Any], way: str = "") -> str:
    """How far the working tree was from its commit.

    Args:
        version: of the code, as `info()` tells it.
        way: to the diff, where there is one.

    Example:
        >>> changed({"dirty": False}), changed({"dirty": True, "diff_bytes": 9, "diff_cut": False}, "--diff has it")
        ('nothing changed', 'changed, by a diff of 9 bytes (--diff has it)')
    """
    if version["dirty"] is None:
        return "what was changed is not known"
    if not version["dirty"]:
        return "nothing changed"
    if not version["diff_bytes"]:
        return "not all of the code is in the commit, and no diff is kept"
    more = ", and more" if version["diff_cut"] else ""
    return f"changed, by a diff of {version['diff_bytes']:,} bytes{more}{f' ({way})' if way else ''}"
