"""Levels of classes that must be imported: an Enum's member, a named tuple, a Timestamp of pandas.

Such a level is written down with the name of its class. Only workers import the class; everywhere else the level is
text (a moment or a span where pandas is not asked), which remembers how it is written.
Promises: nothing is imported that a design's reader did not ask for; what a worker could not import is refused.
"""

from __future__ import annotations

import importlib
import sys
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final

import numpy as np

from raylab.core.zones import can_be_kept, read_zone, write_zone
from raylab.errors import DesignError

Written = list[Any]
"""A tag and what follows it, as JSON has it."""


class TextOf(str):
    """The text of a level whose class only workers import."""

    written: Written


class MomentOf(datetime):
    """A pandas Timestamp where pandas is not asked."""

    written: Written


class SpanOf(timedelta):
    """A pandas Timedelta where pandas is not asked."""

    written: Written


CLASSES: Final[tuple[type, ...]] = (TextOf, MomentOf, SpanOf)


def named_class(cls: type, where: str) -> list[str]:
    """The module and the name by which a worker imports the class.

    Raises:
        DesignError: there is no such name: the class is one of `__main__`, of a notebook or of a function.
    """
    found: Any = sys.modules.get(cls.__module__)
    for part in cls.__qualname__.split("."):
        found = getattr(found, part, None)
    if found is not cls or cls.__module__ in ("__main__", "__mp_main__"):
        raise DesignError(
            f"{where}: workers cannot import the class {cls.__qualname__} of {cls.__module__}, so its values cannot be "
            "levels. Put the class into a module (a file beside the script), or give a name or a plain value"
        )
    return [cls.__module__, cls.__qualname__]


def import_class(module: str, name: str) -> Any:
    """The class of this name, imported.

    Raises:
        DesignError: this process has no such module or class.
    """
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise DesignError(
            f"a level is of the class {name} of {module}, which cannot be imported here: {error}. Install the package "
            "on the nodes, name it in runtime_env={'pip': [...]}, or name your own module in include="
        ) from error
    return found


def text_of_class(value: Any) -> str:
    """The text of an Enum's member or a named tuple, which stands for the value wherever it is not imported."""
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}" if value.name else f"{type(value).__name__}({value.value!r})"
    return repr(value)


def written_enum(value: Enum) -> Written:
    """A member by its name; what only a Flag can be, several members at once, by its value."""
    cls = type(value)
    by_name = value.name in cls.__members__
    return [
        "$enum",
        *named_class(cls, "a level"),
        by_name,
        value.name if by_name else value.value,
        text_of_class(value),
    ]


def read_enum(module: str, name: str, by_name: bool, member: Any, text: str) -> Any:
    """The member that `written_enum` wrote."""
    cls = import_class(module, name)
    try:
        return cls[member] if by_name else cls(member)
    except (KeyError, ValueError) as error:
        raise DesignError(f"a level is {text} of {module}, and that class has no such member here") from error


# pandas: what it has of its own, written with its numbers


def pandas_word(value: Any) -> str | None:
    """`Timestamp` or `Timedelta` for one of pandas; None for anything else."""
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return None
    for word in ("Timestamp", "Timedelta"):
        if type(value) is getattr(pandas, word, None):
            return word
    return None


def written_pandas(value: Any, word: str) -> Written:
    """A Timestamp or a Timedelta: its number, unit and zone, and its text.

    Raises:
        DesignError: it would not be the same when it is read back.
    """
    number = value.to_numpy().astype(np.int64).item() if word == "Timedelta" else value.asm8.astype(np.int64).item()
    zone = getattr(value, "tzinfo", None)
    written = ["$pandas", word, number, value.unit, write_zone(zone) if can_be_kept(zone) else None, value.isoformat()]
    back = read_pandas(*written[1:])
    if back != value or back.unit != value.unit or str(getattr(back, "tzinfo", None)) != str(zone):
        raise DesignError(f"a level: {value!r} cannot be kept exactly; give a datetime with a zoneinfo.ZoneInfo")
    return written


def read_pandas(word: str, number: int, unit: str, zone: str | list[Any] | None, text: str) -> Any:
    """What `written_pandas` wrote."""
    pandas = import_class("pandas", word)
    if word == "Timedelta":
        return pandas(np.array(number, f"m8[{unit}]")[()])
    made = pandas(np.array(number, f"M8[{unit}]")[()])
    return made if zone is None else made.tz_localize("UTC").tz_convert(read_zone(zone))


# where nothing is imported


def stand_in(written: Written) -> Any:
    """The level as it is where its class is not imported: its text, or the moment or the span that it is."""
    made: Any = None
    if written[0] == "$pandas":
        made = _plain_pandas(*written[1:])
    if made is None:
        made = TextOf(written[-1])
    made.written = written
    return made


def _plain_pandas(word: str, number: int, unit: str, zone: str | list[Any] | None, text: str) -> Any:
    """None where Python's own types are too coarse."""
    scale = {"s": 1_000_000, "ms": 1_000, "us": 1}.get(unit)
    micros = number * scale if scale is not None else number // 1_000
    if scale is None and number % 1_000:
        return None
    span = timedelta(microseconds=micros)
    if word == "Timedelta":
        return SpanOf(span.days, span.seconds, span.microseconds)
    own = read_zone(zone)
    naive = datetime(1970, 1, 1) + span
    moment = naive if own is None else naive.replace(tzinfo=UTC).astimezone(own)
    clock = (moment.hour, moment.minute, moment.second, moment.microsecond)
    return MomentOf(moment.year, moment.month, moment.day, *clock, tzinfo=own, fold=moment.fold)
