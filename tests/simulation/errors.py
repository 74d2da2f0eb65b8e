"""How a life ends early."""

from __future__ import annotations

from collections.abc import Sequence


class Broken(AssertionError):
    """A promise was broken; the message tells the life, `troubles` what was seen first."""

    def __init__(self, message: str, troubles: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.troubles = tuple(troubles) or (message,)


class Killed(BaseException):
    """The process that runs this is dead."""


class Lost(Exception):
    """A call's answer will not come: the message, the answer or the lab is gone."""
