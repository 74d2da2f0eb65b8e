"""Values of classes that must be imported: an Enum's member, a named tuple, a Timestamp of pandas.

Such a value is written down with the name of its class. Only workers import the class; everywhere else a `StandIn`
takes the value's place: its text (a moment or a span for pandas), which remembers how the value is written.
Promises: nothing is imported that a design's reader did not ask for; what a worker could not import is refused.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum
from pkgutil import resolve_name
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
    module, name = class_name(value)
    try:
        found = None if module in ("__main__", "__mp_main__") else resolve_name(f"{module}:{name}")
    except (ImportError, AttributeError, ValueError):
        found = None
    if found is not type(value):
        raise DesignError(
            f"{where}: workers cannot import the class {name} of {module}, so its values cannot be levels. Put the "
            "class into a module (a file beside the script), or give a name or a plain value"
        )


def class_name(value: Any) -> list[str]:
    """The module of a value's class, and its name there."""
    return [type(value).__module__, type(value).__qualname__]


def import_class(module: str, name: str) -> Any:
    """The class of this name, imported.

    Raises:
        DesignError: this process has no such module or class.
    """
    try:
        return resolve_name(f"{module}:{name}")
    except (ImportError, AttributeError) as error:
        raise DesignError(
            f"a level is of the class {name} of {module}, which cannot be imported here: {error}. Install the package "
            "on the nodes, name it in runtime_env={'pip': [...]}, or name your own module in include="
        ) from error


# What values of classes are made of: the text is last; of a person's own class its module and name are first.


def enum_parts(value: Enum) -> list[Any]:
    """A member by its name; what only a Flag can be, several members at once, by its number."""
    cls = type(value)
    member = value.name if value.name in cls.__members__ else value.value
    text = f"{cls.__name__}.{value.name}" if value.name else f"{cls.__name__}({value.value!r})"
    return [*class_name(value), member, text]


def make_enum(module: str, name: str, member: str | int, text: str) -> Any:
    """The member of these parts."""
    cls = import_class(module, name)
    try:
        return cls[member] if isinstance(member, str) else cls(member)
    except (KeyError, ValueError) as error:
        raise DesignError(f"a level is {text} of {module}, and that class has no such member here") from error


def named_parts(value: tuple[Any, ...]) -> list[Any]:
    """A named tuple by its fields."""
    return [*class_name(value), list(value), repr(value)]


def make_named(module: str, name: str, fields: list[Any], text: str) -> Any:
    """The named tuple of these parts."""
    return tuple.__new__(import_class(module, name), fields)


def pandas_parts(value: Any) -> list[Any]:
    """A Timestamp or a Timedelta by the number that it is to numpy, and its zone."""
    return [value.asm8.dtype.str, value.asm8.astype(np.int64).item(), getattr(value, "tzinfo", None), value.isoformat()]


def make_pandas(dtype: str, number: int, zone: tzinfo | None, text: str) -> Any:
    """The Timestamp or the Timedelta of these parts."""
    exact = np.array(number, dtype)[()]
    made = import_class("pandas", "Timestamp" if exact.dtype.kind == "M" else "Timedelta")(exact)
    return made if zone is None else made.tz_localize("UTC").tz_convert(zone)


def text_elsewhere(*parts: Any) -> StandIn:
    """What takes a value's place: its text, which is the last of its parts."""
    return TextOf(parts[-1])


def pandas_elsewhere(dtype: str, number: int, zone: tzinfo | None, text: str) -> StandIn:
    """What takes the place of a Timestamp or a Timedelta: Python's own, or the text where Python's are too coarse."""
    exact = np.array(number, dtype)
    micros = exact.astype(f"{exact.dtype.kind}8[us]")
    if micros.astype(exact.dtype) != exact:
        return TextOf(text)
    plain = micros.item()
    if isinstance(plain, timedelta):
        return SpanOf(plain.days, plain.seconds, plain.microseconds)
    moment = plain if zone is None else plain.replace(tzinfo=UTC).astimezone(zone)
    return MomentOf.combine(moment.date(), moment.timetz()).replace(fold=moment.fold)  # combine() forgets the fold
