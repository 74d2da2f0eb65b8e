"""The token that a Ray cluster may want of whoever comes: whether there is one here, and where Ray looks for it."""

from __future__ import annotations

import os
from pathlib import Path

FILE = "~/.ray/auth_token"
"""Where Ray looks last, after RAY_AUTH_TOKEN and RAY_AUTH_TOKEN_PATH."""


def has_token() -> bool:
    """Whether Ray finds a token here, so that it asks for one, or gives it."""
    return bool(source())


def wants_token() -> bool:
    """Whether a cluster that this process starts wants a token of its clients."""
    mode = os.environ.get("RAY_AUTH_MODE")
    return has_token() if mode is None else mode.lower() == "token"


def source() -> str:
    """Where the token is that Ray finds here; empty if there is none."""
    if os.environ.get("RAY_AUTH_TOKEN"):
        return "RAY_AUTH_TOKEN"
    if os.environ.get("RAY_AUTH_TOKEN_PATH"):
        return os.environ["RAY_AUTH_TOKEN_PATH"]
    path = Path(FILE).expanduser()
    return str(path) if path.is_file() else ""
