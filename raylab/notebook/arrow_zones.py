"""Time zones: the name under which Arrow and all readers know a zone, or UTC where they know none.

Promises: every name that goes out is one of the IANA database that polars reads (it panics at others). UTC has one
name.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

UTC = "UTC"
_UTC_TOO = frozenset({"Etc/UTC", "UCT", "Etc/UCT", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal"})
_OF_NO_PLACE = frozenset({"Factory", "localtime"})
"""Keys of Python's list that polars does not know."""


def zone_name(zone: dt.tzinfo | str) -> str:
    """The name of a zone: its own where it is one of the IANA database, else UTC, which keeps the instant.

    A fixed offset such as `+02:00` is UTC, too: no reader but pyarrow itself reads all of them.

    Example:
        >>> zone_name("Europe/Berlin"), zone_name(dt.timezone(dt.timedelta(hours=2)))
        ('Europe/Berlin', 'UTC')
    """
    return _known(zone if isinstance(zone, str) else _key(zone))


def _key(zone: dt.tzinfo) -> str:
    """What a zone calls itself: zoneinfo's, pytz's, and dateutil's, which knows its file only."""
    for attribute in ("key", "zone", "_filename"):
        key = getattr(zone, attribute, None)
        if isinstance(key, str):
            return key.rpartition("zoneinfo/")[2]
    return ""


@lru_cache(maxsize=256)
def _known(key: str) -> str:
    return key if key in _zones() and key not in _UTC_TOO else UTC


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    import zoneinfo  # here: few sweeps have local times, and it brings a module of Python's build along

    return frozenset(zoneinfo.available_timezones()) - _OF_NO_PLACE
