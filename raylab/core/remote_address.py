"""The address of a git remote, without what lets somebody in."""

from __future__ import annotations

import re

__all__ = ["without_password"]

_WITH_HELPER = re.compile(r"(?P<helper>[A-Za-z0-9+.-]+)::(?P<rest>.*)", re.S)
_SSH = ("ssh", "git+ssh", "ssh+git")
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(:\d*)?")
_QUERY = re.compile(r"[?#]")


def without_password(address: str) -> str:
    """The address of a remote without what lets somebody in: passwords, tokens, also as a user's name or in a query.

    Example:
        >>> without_password("https://ada:secret@example.org/lab.git?token=secret")
        'https://example.org/lab.git'
        >>> without_password("ssh://git:secret@example.org/lab.git"), without_password("git@example.org:lab.git")
        ('ssh://git@example.org/lab.git', 'git@example.org:lab.git')
    """
    if helped := _WITH_HELPER.fullmatch(address):
        rest = "…" if helped["helper"] == "ext" else without_password(helped["rest"])  # ext's is a command
        return f"{helped['helper']}::{rest}"
    scheme, mark, rest = address.partition("://")
    if not mark:
        user, at, _ = address.partition("/")[0].rpartition("@")
        return address[len(user) + len(at) :] if ":" in user else address
    authority = rest.partition("/")[0]
    # A password may hold a slash that nobody escaped.
    before = authority if "@" in authority or _HOST.fullmatch(authority) else rest
    user, at, _ = before.rpartition("@")
    kept = f"{user.partition(':')[0]}@" if at and scheme.lower() in _SSH else ""
    return f"{scheme}://{kept}{_QUERY.split(rest[len(user) + len(at) :], maxsplit=1)[0]}"
