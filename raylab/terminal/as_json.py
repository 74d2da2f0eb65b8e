"""What the command says to programs: JSON that any reader takes. Text only."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def readable(value: Any) -> Any:
    """A value as JSON has it: what is no finite number is null, times are as ISO 8601 has them.

    Example:
        >>> readable({"loss": [1.5, float("nan")], "by_status": {"done": 3}})
        {'loss': [1.5, None], 'by_status': {'done': 3}}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): readable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [readable(each) for each in value]
    if value is None or isinstance(value, str | int):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def print_json(value: Any) -> None:
    """Print a value as a whole, for people as well."""
    print(json.dumps(readable(value), indent=1, ensure_ascii=False, allow_nan=False))


def print_line(value: Any) -> None:
    """Print a value as one line, at once: of a stream of them each is read as it comes."""
    print(json.dumps(readable(value), ensure_ascii=False, allow_nan=False), flush=True)
