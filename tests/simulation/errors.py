"""How a life ends early."""

from __future__ import annotations


class Broken(AssertionError):
    """A promise was broken; the message tells the life."""


class Killed(BaseException):
    """The process that runs this is dead."""


class Lost(Exception):
    """A call's answer will not come: the message, the answer or the lab is gone."""
