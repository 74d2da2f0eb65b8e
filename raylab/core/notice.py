"""What is told of a sweep: an event that has happened to it, and who was told of it.

Both are rows of the requests: `noticed` when it has happened, `told` for each recipient. So a lab knows after a restart
who is still to be told, and tells nobody twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from raylab.core.recipient import Event, Recipient
from raylab.core.request import Request

__all__ = ["Notice", "Notices", "noted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """An event that has happened to a sweep.

    Attributes:
        key: by which it is known as the same.
        event: of which kind.
        message: what is told of it, as JSON takes it.
        to: who is told, by the keys of the recipients: those that were to be told when it happened.
        time_us: when it was noted.
        told: who was told, by the keys of the recipients: empty, or why that was given up.
    """

    key: str
    event: Event
    message: Mapping[str, Any] = field(default_factory=dict)
    to: tuple[str, ...] = ()
    time_us: int = 0
    told: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """What a request says of it."""
        return {"key": self.key, "event": self.event, "message": dict(self.message), "to": list(self.to)}

    def is_open(self, recipient: Recipient) -> bool:
        """Whether somebody is still to be told of it."""
        return recipient.key in self.to and self.event in recipient.on and recipient.key not in self.told


Notices = Mapping[str, Notice]
"""Of one sweep, by key."""


def noted(before: Notices, request: Request) -> Notices:
    """The notices of a sweep after one more request of the kind `noticed` or `told`."""
    body = request.body
    key = body["key"]
    if request.kind == "noticed":
        notice = Notice(**{**body, "to": tuple(body["to"])}, time_us=request.time_us)
        return before if key in before else {**before, key: notice}
    if key not in before:
        return before
    told = {**before[key].told, body["to"]: body["outcome"]}
    return {**before, key: replace(before[key], told=told)}
