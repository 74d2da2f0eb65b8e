"""Handles: which sweep a call means, so that no call ever speaks of another one that has taken the name since.

Promises: a handle with a folder means one sweep for ever; a name means the sweep that has it at the call, `NAME~1` the
first one that was set aside under it. What is not there is named, with what there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from raylab.core.names import read_name
from raylab.core.request import SweepRecord
from raylab.errors import NameRefused, SweepNotFound

__all__ = ["ASIDE", "Handle", "Which", "find", "handles", "is_list", "no_one_sweep", "only", "when"]

ASIDE = re.compile(r"(?P<name>.+)~(?P<generation>\d+)")
"""How a sweep is called that was set aside; no sweep is made under such a name."""


@dataclass(frozen=True, slots=True)
class Handle:
    """A sweep as a call names it.

    Attributes:
        name: its name.
        folder: of its results; empty for whichever sweep has the name at the call.
    """

    name: str
    folder: str = ""


Which: TypeAlias = str | Handle | Iterable[str | Handle] | None
"""How a sweep is meant, several, or all of them."""


def is_list(given: object) -> bool:
    """Whether several sweeps are meant by name, be it one of them."""
    return not (given is None or isinstance(given, str | Handle))


def handles(given: object) -> list[Handle] | None:
    """The sweeps that an argument means: a name, a handle, or several of them; None for None, which means all.

    Example:
        >>> handles(["coarse", "fine", "coarse"])
        [Handle(name='coarse', folder=''), Handle(name='fine', folder='')]

    Raises:
        NameRefused: it is something else, or an empty list.
    """
    if given is None:
        return None
    if isinstance(given, str | Handle):
        return [only(given)]
    if not isinstance(given, Iterable) or isinstance(given, bytes | bytearray | Mapping):
        raise NameRefused(f"a sweep is meant by its name, several by a list of names; got {_shown(given)}")
    found = list(dict.fromkeys(map(only, given)))
    if not found:
        raise NameRefused("the list of names is empty; give at least one, or leave it out")
    return found


def only(given: object) -> Handle:
    """The one sweep that an argument means.

    Raises:
        NameRefused: it is no name.
    """
    if isinstance(given, Handle):
        return given
    if not isinstance(given, str):
        raise NameRefused(
            f"the name of one sweep is wanted here, a string; got {_shown(given)}. results() and scan() take a list "
            "of names, and so do the verbs that count"
        )
    return Handle(read_name(given))


def _shown(given: object) -> str:
    text = repr(given)
    return f"{type(given).__name__} {text if len(text) <= 60 else text[:60] + '…'}"


def find(sweeps: Mapping[str, SweepRecord], wanted: Handle, lab: str) -> SweepRecord:
    """The sweep that a handle means.

    Args:
        sweeps: those in force.
        wanted: the handle.
        lab: the lab's name.

    Raises:
        SweepNotFound: there is none of this name, and the message lists those there are; or another one has it now.
    """
    known = sweeps.get(wanted.name) or _aside(sweeps, wanted.name)
    if known is None:
        raise SweepNotFound(f"the lab {lab!r} has no sweep {wanted.name!r}; its sweeps: {listed(sweeps, wanted.name)}")
    if wanted.folder in ("", known.folder):
        return known
    meant = next((each for each in known.earlier if each.folder == wanted.folder), None)
    if meant is None or meant.replaced is None:
        raise SweepNotFound(f"the sweep {wanted.name!r} that was meant is not there any more; another one has its name")
    raise SweepNotFound(
        f"the sweep {wanted.name!r} that was meant was replaced by {meant.replaced.user} at "
        f"{when(meant.replaced.time_us)}; its rows are read as {meant.name!r}, and {wanted.name!r} is another sweep now"
    )


def _aside(sweeps: Mapping[str, SweepRecord], name: str) -> SweepRecord | None:
    match = ASIDE.fullmatch(name)
    bearer = sweeps.get(match["name"]) if match else None
    return next((each for each in bearer.earlier if each.name == name), None) if bearer else None


def listed(sweeps: Mapping[str, SweepRecord], name: str = "") -> str:
    """The names of the sweeps there are; where one that was set aside is asked for, those of its kind, too."""
    there = ", ".join(map(repr, sweeps)) or "none yet"
    if "~" not in name:
        return there
    aside = ", ".join(repr(each.name) for sweep in sweeps.values() for each in sweep.earlier) or "none"
    return f"{there}; set aside: {aside}"


def no_one_sweep(lab: str, sweeps: Iterable[str]) -> str:
    """What is said where no name was given, and there is not just one sweep."""
    there = list(sweeps)
    ways = f". Several are read with a list of names: results([{there[0]!r}, {there[1]!r}])" if there[1:] else ""
    names = ", ".join(map(repr, there)) or "none yet"
    return f"the lab {lab!r} has not just one sweep, so say which one you mean; its sweeps: {names}{ways}"


def when(time_us: int) -> str:
    """A moment as people read it."""
    return f"{datetime.fromtimestamp(time_us / 1e6, UTC):%Y-%m-%d %H:%M:%S} UTC"
