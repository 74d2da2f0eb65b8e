"""The warnings that trials show: heard, counted, and shown to each trial as to a process of its own.

Python shows a warning once for each place and process, as a rule, so of 400 trials in a worker one would show it. So
what is remembered of places is forgotten after a trial that showed something; a trial that shows nothing costs nothing.

Warnings are heard where Python hands them over to be shown, `warnings._showwarnmsg`, which every Python from 3.6 on
has: after the filters, so that these hold as by hand, and before `showwarning`, so that an experiment or a library that
replaces that one (`logging.captureWarnings`) is heard in every trial, and not only until then. What a trial catches
itself with `catch_warnings(record=True)` was not shown. What a module says when it is imported would be heard in the
first trial of a process only, so it counts for nobody.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from raylab.core.alike import LIMIT, MAX_TEXT, normalised
from raylab.core.trial_warnings import MORE
from raylab.worker.generators import importing

Heard = dict[tuple[str, str], list[Any]]
"""By category and normalised text how often a trial showed it, and what it said the first time."""

PRINTED = 100
"""How often a process prints warnings of one kind where no trial has a log of its own: what it prints goes into a log
that nobody empties then."""

_printed: Counter[tuple[str, str]] = Counter()


@contextmanager
def hearing(heard: Heard, *, most: int = PRINTED) -> Iterator[None]:
    """While this holds, what is shown is noted in a dict, which is empty at first. Whoever reads it says `forget`.

    Args:
        heard: the dict.
        most: how often the process prints warnings of one kind.
    """
    module: Any = warnings
    before, printing = module._showwarnmsg, module._showwarnmsg_impl
    showing = module.showwarning

    def show(message: Any) -> None:
        kind = None
        if module._showwarnmsg_impl is printing and not importing():  # else the trial records them itself
            kind = _note(heard, message)
        if kind is None or module.showwarning is not showing or _printed[kind] < most:
            if kind is not None and len(_printed) < LIMIT * LIMIT:
                _printed[kind] += 1
            before(message)

    module._showwarnmsg = show
    forget(heard)
    try:
        yield
    finally:
        module._showwarnmsg = before


def forget(heard: Heard) -> None:
    """The next trial begins as a process of its own would."""
    heard.clear()
    module: Any = warnings
    if hasattr(module, "_filters_mutated"):
        module._filters_mutated()
    else:  # Python 3.14 has it under another name; to enter and leave this has the same effect in each
        with warnings.catch_warnings():
            pass


def _note(heard: Heard, message: Any) -> tuple[str, str]:
    category, text = _words(message)
    kind = (category, normalised(text))
    found = heard.get(kind)
    if found is None:
        if len(heard) >= LIMIT:
            kind = MORE
        found = heard.setdefault(kind, [0, text[:MAX_TEXT]])
    found[0] += 1
    return kind


def _words(message: Any) -> tuple[str, str]:
    """What a warning says; both are classes of the user's."""
    try:
        category, text = str(message.category.__name__), str(message.message)
    except Exception as error:
        category, text = "Warning", f"its text cannot be read, {type(error).__name__} in __str__"
    return tuple(part[: 4 * MAX_TEXT].encode("utf-8", "backslashreplace").decode() for part in (category, text))  # type: ignore[return-value]
