"""Handles: which sweep a call means, so that no call ever speaks of another one that has taken the name since.

Promises: a handle with a folder means one sweep for ever; a name means the sweep that has it at the call, `NAME~1` the
first one that was set aside under it. What is not there is named, with what there is; of what was removed is said by
whom, and when.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from raylab.core.closest import did_you_mean
from raylab.core.history import History
from raylab.core.names import read_name
from raylab.core.request import Removed, SweepRecord
from raylab.errors import NameRefused, SweepNotFound, repr_of

__all__ = ["ASIDE", "Handle", "Which", "find", "handles", "is_list", "names_of", "no_one_sweep", "only", "when"]

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
    return f"{type(given).__name__} {repr_of(given, 60)}"


def find(sweeps: History, wanted: Handle, lab: str) -> SweepRecord:
    """The sweep that a handle means.

    Args:
        sweeps: those there are, and were.
        wanted: the handle.
        lab: the lab's name.

    Raises:
        SweepNotFound: there is none of this name, and the message lists those there are; or it was removed; or another
            one has its name now.
    """
    if wanted.folder in sweeps.removed:
        raise SweepNotFound(_gone(sweeps, wanted, sweeps.removed[wanted.folder]))
    known = sweeps.get(wanted.name) or sweeps.aside.get(wanted.name)
    if known is None:
        removed = [each for each in sweeps.removed.values() if each.name == wanted.name]
        if removed:
            raise SweepNotFound(_gone(sweeps, wanted, removed[-1]))
        there = f"its sweeps: {listed(sweeps, wanted.name)}{did_you_mean(wanted.name, [*sweeps, *sweeps.aside])}"
        raise SweepNotFound(f"the lab {lab!r} has no sweep {wanted.name!r}; {there}")
    if wanted.folder in ("", known.folder):
        return known
    meant = next((each for each in sweeps.aside.values() if each.folder == wanted.folder), None)
    if meant is None or meant.replaced is None:
        raise SweepNotFound(f"the sweep {wanted.name!r} that was meant is not there any more; another one has its name")
    raise SweepNotFound(
        f"the sweep {wanted.name!r} that was meant was replaced by {meant.replaced.user} at "
        f"{when(meant.replaced.time_us)}; its rows are read as {meant.name!r}, and {wanted.name!r} is another sweep now"
    )


def _gone(sweeps: History, wanted: Handle, removed: Removed) -> str:
    what = f"the sweep {wanted.name!r} was removed by {removed.user} at {when(removed.time_us)}, with its rows"
    if wanted.name in sweeps:
        return f"{what}; {wanted.name!r} is another sweep now"
    return f"{what}; sweeps there are: {listed(sweeps, wanted.name)}"


def listed(sweeps: History, name: str = "") -> str:
    """The names of the sweeps there are; where one that was set aside is asked for, those of its kind, too."""
    there = names_of(each.name for each in sweeps.values() if not each.archived) or "none yet"
    if hidden := names_of(each.name for each in sweeps.values() if each.archived):
        there += f"; archived: {hidden}"
    return f"{there}; set aside: {names_of(sweeps.aside) or 'none'}" if "~" in name else there


def names_of(names: Iterable[str]) -> str:
    """Names in a sentence."""
    return ", ".join(map(repr, names))


def no_one_sweep(lab: str, sweeps: Iterable[str], archived: Iterable[str] = ()) -> str:
    """What is said where no name was given, and there is not just one sweep; those that are archived do not count."""
    there, hidden = list(sweeps), names_of(archived)
    ways = f". Several are read with a list of names: results([{there[0]!r}, {there[1]!r}])" if there[1:] else ""
    names = (names_of(there) or "none yet") + (f"; archived: {hidden}" if hidden else "")
    return f"the lab {lab!r} has not just one sweep, so say which one you mean; its sweeps: {names}{ways}"


def when(time_us: int) -> str:
    """A moment as people read it."""
    return f"{datetime.fromtimestamp(time_us / 1e6, UTC):%Y-%m-%d %H:%M:%S} UTC"
