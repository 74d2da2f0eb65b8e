"""What was asked of a sweep, and how far its code was from a commit, in words. Text only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raylab.core.policy import Policy
from raylab.core.shown import plural


def asks(account: Mapping[str, Any]) -> str:
    """What each trial asks for, and how it is ended and tried again, as `info()` of a sweep tells it.

    Example:
        >>> asks({"resources": {"CPU": 2}, "time_limit": 60.0, "retries": 1})
        '2 CPU, at most 60 s, 1 retry'
    """
    found = [Policy(resources=dict(account["resources"])).amounts]
    if account["time_limit"] is not None:
        found.append(f"at most {account['time_limit']:g} s")
    if retries := account["retries"]:
        found.append("1 retry" if retries == 1 else f"{retries} retries")
    return ", ".join(filter(None, found))


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
    return f"changed, by a diff of {plural(version['diff_bytes'], 'byte')}{more}{f' ({way})' if way else ''}"
