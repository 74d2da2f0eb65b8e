"""What is told of a sweep, in words that are understood on a phone, and in the shapes that those want who are told.

The text of strangers in it (what trials raised, what sweeps are called) is made harmless, and in Slack's shape it can
mention nobody.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from raylab.core.harmless import harmless
from raylab.core.recipient import Event, Shape
from raylab.core.request import SweepRecord
from raylab.core.shown import plural
from raylab.core.status import Status
from raylab.display.figures import duration
from raylab.display.reasons import reasons

__all__ = ["Payload", "message", "payload", "together"]

MOST_TEXT: Final = 1_000
"""Characters of a text: ntfy makes an attachment of what has over 4,096 bytes."""

MOST_NAMED: Final = 5
"""So many sweeps are named where one message tells of several."""

MOST_TOLD: Final = 100
"""So many messages one that tells of several repeats: some 150 kB."""

_TAGS: Final = {"ended": "white_check_mark", "paused": "pause_button", "failed": "warning", "stands_still": "hourglass"}
"""Emoji by ntfy's names of them."""

_TITLES: Final[Mapping[Event, str]] = {
    "ended": "has ended",
    "paused": "is paused",
    "failed": "has its first failure",
    "stands_still": "stands still",
}


class Payload(NamedTuple):
    """What is sent to an address."""

    headers: Mapping[str, str]
    body: bytes


def message(
    key: str, event: Event, now: Status, record: SweepRecord, *, lab: str, notebook: str, ident: str, at_us: int
) -> dict[str, Any]:
    """What is told of an event, as plain data.

    Args:
        key: the event's, which no other of this sweep has.
        event: what happened.
        now: how far the sweep is.
        record: what was asked.
        lab: the lab's name.
        notebook: where it lies.
        ident: the notebook's.
        at_us: when it happened, in microseconds since the epoch.
    """
    title, text = _title(event, now, record), _text(event, now, record, at_us)
    return {
        "id": hashlib.sha256(f"{ident}/{record.folder}/{key}".encode()).hexdigest()[:32],
        "event": event,
        "lab": lab,
        "sweep": now.name,
        "title": harmless(f"{lab}: {title}"),
        "text": harmless(" ".join(text.split()))[:MOST_TEXT],
        "time": datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="seconds"),
        "submitted": now.submitted.isoformat(timespec="seconds"),
        "user": now.user,
        "description": harmless(now.description)[:MOST_TEXT],
        "state": now.state,
        "reason": harmless(now.reason),
        "total": now.total,
        "ready": now.ready,
        "done": now.done,
        "failed": now.failed,
        "cancelled": now.cancelled,
        "waiting": now.waiting,
        "running": now.running,
        "by_status": dict(now.by_status),
        "first_error": None if now.first_error is None else harmless(now.first_error)[:MOST_TEXT],
        "causes": [each.told() for each in now.causes],
        "notebook": notebook,
    }


def _title(event: Event, now: Status, record: SweepRecord) -> str:
    if event == "ended" and now.cancelled:
        return f"{now.name} was cancelled"
    return f"{now.name} {_TITLES[event]}"


def _text(event: Event, now: Status, record: SweepRecord, at_us: int) -> str:
    if event == "failed":
        first = f": {now.first_error}" if now.first_error else ""
        return f"{plural(now.failed, 'trial')} failed{first}. {now.ready:,} of {plural(now.asked, 'trial')} are in"
    if event in ("paused", "stands_still"):
        return f"{now.reason or now.state}. {_share(now)}"
    after = f"{duration((at_us - now.submitted_us) / 1e6)} after it was submitted"
    if now.cancelled:
        by = f" by {record.cancelled_by}" if record.cancelled_by else ""
        return f"It was cancelled{by}, {after}; {plural(now.cancelled, 'trial')} were given up. {_share(now)}"
    return f"{_counts(now)}, {after}"


def _share(now: Status) -> str:
    return f"{now.ready:,} of {plural(now.asked, 'trial')} are in: {_counts(now)}" if now.ready else "Nothing is in yet"


def _counts(now: Status) -> str:
    if not now.failed:
        return f"{now.done:,} done, none failed"
    why = reasons(now) or now.first_error or ""
    return f"{now.done:,} done, {now.failed:,} failed{f' ({why})' if why else ''}"


def together(messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One message of several, which happened while the recipient could not be told, or too many at once."""
    if len(messages) == 1:
        return dict(messages[0])
    names = list(dict.fromkeys(each["title"].partition(": ")[2] for each in messages))
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    lab, ids = messages[0]["lab"], "".join(each["id"] for each in messages)
    return {
        "id": hashlib.sha256(ids.encode()).hexdigest()[:32],
        "event": "several",
        "lab": lab,
        "sweep": None,
        "title": harmless(f"{lab}: {len(messages):,} messages"),
        "text": "; ".join(names[:MOST_NAMED]) + more,
        "time": messages[-1]["time"],
        "count": len(messages),
        "messages": [dict(each) for each in messages[:MOST_TOLD]],
    }


def payload(shape: Shape, told: Mapping[str, Any]) -> Payload:
    """A message in the shape that an address wants.

    Example:
        >>> told = {"id": "1f", "event": "ended", "title": "percolation: a<b> has ended", "text": "9 done"}
        >>> payload("slack", told).body
        b'{"text": "*percolation: a&lt;b&gt; has ended*\\\\n9 done"}'
    """
    known = {"Idempotency-Key": told["id"]}
    if shape == "ntfy":
        tag = _TAGS.get(told["event"], "information_source")
        urgent = {} if told["event"] in ("ended", "several") else {"Priority": "high"}
        kind = "text/plain; charset=utf-8"
        return Payload(
            {**known, "Content-Type": kind, "Title": _header(told["title"]), "Tags": tag, **urgent},
            told["text"].encode(),
        )
    body = {"text": f"*{_escaped(told['title'])}*\n{_escaped(told['text'])}"} if shape == "slack" else told
    return Payload({**known, "Content-Type": "application/json"}, json.dumps(body).encode())


def _escaped(text: str) -> str:
    """As Slack wants it, for whom `<...>` is a link or a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _header(text: str) -> str:
    """Text as a header has it: what is no ASCII by RFC 2047, which ntfy reads.

    Example:
        >>> _header("größe"), _header("coarse")
        ('=?UTF-8?B?Z3LDtsOfZQ==?=', 'coarse')
    """
    line = " ".join(text.split())
    return line if line.isascii() else f"=?UTF-8?B?{b64encode(line.encode()).decode()}?="
