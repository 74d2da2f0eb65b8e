"""Units and descriptions of columns: what a person says of parameters and results, and how it is shown.

They are a part of the policy: they change nothing of what runs, and hold for rows that are there as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from raylab.core.names import read_name
from raylab.errors import DesignError

__all__ = ["Units", "attributes", "changed", "read_units"]

Units = Mapping[str, Mapping[str, str]]
"""By column what is known of it: `units`, `description`, or both."""

WORDS: Final = ("units", "description")

WANTED: Final = (
    'units says the unit of a column, {"T": "K"}, or the unit and a description, '
    '{"T": ("K", "temperature of the bath")} or {"T": {"units": "K", "description": "temperature of the bath"}}'
)


def read_units(given: object) -> dict[str, dict[str, str]]:
    """Units as they are kept.

    Raises:
        DesignError: it is no mapping by column names, or something in it is no text.

    Example:
        >>> read_units({"T": ("K", "temperature of the bath"), "loss": "1"})
        {'T': {'units': 'K', 'description': 'temperature of the bath'}, 'loss': {'units': '1'}}
    """
    if isinstance(given, Mapping) and (without := [name for name, about in given.items() if about is None]):
        raise DesignError(f"{WANTED}; got None for {without[0]!r}. change(units=...) of a sweep takes a unit away")
    return {name: about for name, about in changed({}, given).items() if about}


def changed(before: Units, given: object) -> dict[str, dict[str, str]]:
    """Units with what is said of some columns; None takes away what is known of one. Errors as `read_units`.

    Example:
        >>> changed({"T": {"units": "K"}, "p": {"units": "Pa"}}, {"T": "degC", "p": None})
        {'T': {'units': 'degC'}}
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise DesignError(f"{WANTED}; got {given!r}")
    found = {name: dict(about) for name, about in before.items()}
    for name, about in given.items():
        if not isinstance(name, str):
            raise DesignError(f"{WANTED}; got {name!r} for the name of a column")
        found[str(name)] = _about(name, about)
    return {name: about for name, about in found.items() if about}


def _about(name: str, given: object) -> dict[str, str]:
    if given is None:
        return {}
    if isinstance(given, str):
        said: Mapping[Any, object] = {"units": given}
    elif isinstance(given, tuple | list) and len(given) == len(WORDS):
        said = dict(zip(WORDS, given, strict=True))
    elif isinstance(given, Mapping):
        said = given
    else:
        raise DesignError(f"{WANTED}; got {given!r} for {name!r}")
    for word, text in said.items():
        if word not in WORDS or not (text is None or isinstance(text, str)):
            raise DesignError(f"{WANTED}; got {word!r}: {text!r} for {name!r}")
    return {word: str(said[word]) for word in WORDS if said.get(word) is not None}


def attributes(units: Units, name: str) -> dict[str, str]:
    """What is known of a column, as the CF conventions of NetCDF call it: `units` and `long_name`.

    Example:
        >>> attributes({"T": {"units": "K", "description": "temperature of the bath"}}, "T")
        {'units': 'K', 'long_name': 'temperature of the bath'}
    """
    # A parameter is found however its name is typed.
    about = units.get(name) or next((about for given, about in units.items() if read_name(given) == name), {})
    named = {"units": about.get("units"), "long_name": about.get("description")}
    return {word: text for word, text in named.items() if text is not None}
