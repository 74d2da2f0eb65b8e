"""Time zones of levels: which can be kept exactly, and how they are written.

A zone is written as the key of a `ZoneInfo`, or as the microseconds (and the name, if it has one) of a fixed offset.
`zoneinfo` is imported for the first key only: few designs have one, and each worker would pay for it.
"""

from __future__ import annotations

import sys
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Any

__all__ = ["can_be_kept", "read_zone", "write_zone"]


def can_be_kept(zone: tzinfo | None) -> bool:
    """Whether a zone can be written down: none at all, a fixed offset, a ZoneInfo with a key."""
    if zone is None or type(zone) is timezone:
        return True
    zoneinfo = sys.modules.get("zoneinfo")  # whoever holds one of its zones has it loaded
    return zoneinfo is not None and type(zone) is zoneinfo.ZoneInfo and getattr(zone, "key", None) is not None


def write_zone(zone: tzinfo | None) -> str | list[Any] | None:
    """A zone that can be kept, as JSON has it.

    Example:
        >>> write_zone(timezone(timedelta(hours=2), "CEST"))
        [7200000000, 'CEST']
    """
    if zone is None:
        return None
    if not isinstance(zone, timezone):
        return str(zone.key)  # type: ignore[attr-defined]
    offset, *name = zone.__getinitargs__()  # type: ignore[attr-defined]  # the one way to the name
    return [offset // timedelta(microseconds=1), *name]


def read_zone(written: str | list[Any] | None) -> tzinfo | None:
    """The zone that `write_zone` wrote."""
    if written is None:
        return None
    if isinstance(written, str):
        from zoneinfo import ZoneInfo

        return ZoneInfo(written)
    offset, *name = written
    return UTC if not (offset or name) else timezone(timedelta(microseconds=offset), *name)
