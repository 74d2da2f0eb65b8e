"""Histories of a ledger as JSON: each event with its time, and the instructions that came of it."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from raylab.core import events, request, segment, strikes
from raylab.core.events import Event
from raylab.core.ledger import Ledger

FOLDER = Path(__file__).parent / "histories"
KINDS = {
    name: kind
    for module in (events, request, segment, strikes)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and is_dataclass(kind)
}

History = list[tuple[float, Event, list[Any]]]


class Recording(Ledger):
    """A ledger that keeps its whole history."""

    def __init__(self) -> None:
        super().__init__()
        self.history: History = []

    def handle(self, event: Event, now: float) -> list[Any]:
        orders = super().handle(event, now)
        self.history.append((now, event, list(orders)))
        return orders


def dumps(history: History) -> str:
    """One line for each event."""
    lines = [json.dumps([now, _plain(event), _plain(orders)], sort_keys=True) for now, event, orders in history]
    return "\n".join(lines) + "\n"


def loads(text: str) -> History:
    return [(now, _live(event), _live(orders)) for now, event, orders in map(json.loads, text.splitlines())]


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {"": type(value).__name__, **{each.name: _plain(getattr(value, each.name)) for each in fields(value)}}
    if isinstance(value, dict):
        return {"": "dict", "items": [[_plain(key), _plain(each)] for key, each in value.items()]}
    if isinstance(value, tuple):
        return {"": "tuple", "items": [_plain(each) for each in value]}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _live(value: Any) -> Any:
    if isinstance(value, list):
        return [_live(each) for each in value]
    if not isinstance(value, dict):
        return value
    kind = value.pop("")
    if kind == "dict":
        return {_live(key): _live(each) for key, each in value["items"]}
    if kind == "tuple":
        return tuple(map(_live, value["items"]))
    return KINDS[kind](**{name: _live(each) for name, each in value.items()})
