"""Text of strangers, fit to be shown: what a trial raised or printed may hold anything."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def harmless(text: str) -> str:
    """The same with U+FFFD for each control character but newline and tab: what a trial raised or printed may hold
    escapes that clear a terminal, or retitle it.

    Example:
        >>> harmless("no fit\x1b[2J\\tat 7") == "no fit\ufffd[2J\\tat 7"
        True
    """
    return _CONTROL.sub("\ufffd", text)
