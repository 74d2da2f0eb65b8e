"""Values of classes that must be imported: an Enum's member, a named tuple, a Timestamp of pandas.

Such a value is written down with the name of its class. Only workers import the class; everywhere else a `StandIn`
takes the value's place: its text (a moment or a span for pandas), which remembers how the value is written.
Promises: nothing is imported that a design's reader did not ask for; what a worker could not import is refused.
"""

from __future__ import annotations

import importlib
import sys
from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum
from typing import Any

import numpy as np

from raylab.errors import DesignError


class StandIn:
    """What takes the place of a value whose class is not imported."""

    written: dict[str, Any]


class TextOf(StandIn, str):
    """The text of a value."""


class MomentOf(StandIn, datetime):
    """A pandas Timestamp where pandas is not asked."""


class SpanOf(StandIn, timedelta):
    """A pandas Timedelta where pandas is not asked."""


def check_class(value: Any, where: str) -> None:
    """Refuse a value of a class that workers cannot import.

    Raises:
        DesignError: the class has no name to import it by: it is one of `__main__`, of a notebook or of a function.
    """
    cls = type(value)
    found: Any = sys.modules.get(cls.__module__)
    for part in cls.__qualname__.split("."):
        found = getattr(found, part, None)
    if found is not cls or cls.__module__ in ("__main__", "__mp_main__"):
        raise DesignError(
            f"{where}: workers cannot import the class {cls.__qualname__} of {cls.__module__}, so its values cannot be "
            "levels. Put the class into a module (a file beside the script), or give a name or a plain value"
        )


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


# The parts of a value of a class: module, name, what the class needs, and last the value's text.


def text_elsewhere(*parts: Any) -> StandIn:
    """The value where its class is not imported."""
    return TextOf(parts[-1])


def enum_text(value: Enum) -> str:
    """The text of a member."""
    return f"{type(value).__name__}.{value.name}" if value.name else f"{type(value).__name__}({value.value!r})"


def enum_parts(value: Enum) -> list[Any]:
    """A member by its name; what only a Flag can be, several members at once, by its value."""
    cls = type(value)
    by_name = value.name in cls.__members__
    return [cls.__module__, cls.__qualname__, by_name, value.name if by_name else value.value, enum_text(value)]


def make_enum(module: str, name: str, by_name: bool, member: Any, text: str) -> Any:
    """The member of these parts."""
    cls = import_class(module, name)
    try:
        return cls[member] if by_name else cls(member)
    except (KeyError, ValueError) as error:
        raise DesignError(f"a level is {text} of {module}, and that class has no such member here") from error


def named_parts(value: tuple[Any, ...]) -> list[Any]:
    """The fields of a named tuple."""
    return [type(value).__module__, type(value).__qualname__, list(value), repr(value)]


def make_named(module: str, name: str, fields: list[Any], text: str) -> Any:
    """The named tuple of these parts."""
    return tuple.__new__(import_class(module, name), fields)


# pandas: its values by their numbers


def pandas_text(value: Any) -> str:
    """The text of a Timestamp or a Timedelta."""
    return str(value.isoformat())


def timestamp_parts(value: Any) -> list[Any]:
    """A Timestamp's number, unit and zone."""
    return [value.asm8.astype(np.int64).item(), value.unit, value.tzinfo, value.isoformat()]


def make_timestamp(number: int, unit: str, zone: tzinfo | None, text: str) -> Any:
    """The Timestamp of these parts."""
    made = import_class("pandas", "Timestamp")(np.array(number, f"M8[{unit}]")[()])
    return made if zone is None else made.tz_localize("UTC").tz_convert(zone)


def timestamp_elsewhere(number: int, unit: str, zone: tzinfo | None, text: str) -> StandIn:
    """A Timestamp as a moment of Python's; as its text where Python's are too coarse."""
    moment = _in_microseconds(np.array(number, f"M8[{unit}]"))
    if moment is None:
        return TextOf(text)
    moment = moment if zone is None else moment.replace(tzinfo=UTC).astimezone(zone)
    return MomentOf.combine(moment.date(), moment.timetz()).replace(fold=moment.fold)  # combine() forgets the fold


def timedelta_parts(value: Any) -> list[Any]:
    """A Timedelta's number and unit."""
    return [value.to_numpy().astype(np.int64).item(), value.unit, value.isoformat()]


def make_timedelta(number: int, unit: str, text: str) -> Any:
    """The Timedelta of these parts."""
    return import_class("pandas", "Timedelta")(np.array(number, f"m8[{unit}]")[()])


def timedelta_elsewhere(number: int, unit: str, text: str) -> StandIn:
    """A Timedelta as a span of Python's; as its text where Python's are too coarse."""
    span = _in_microseconds(np.array(number, f"m8[{unit}]"))
    return TextOf(text) if span is None else SpanOf(span.days, span.seconds, span.microseconds)


def _in_microseconds(value: Any) -> Any:
    micros = value.astype(f"{value.dtype.kind}8[us]")
    return micros.item() if micros.astype(value.dtype) == value else None
