"""The errors a caller can meet, grouped by what the caller would do about them.

    correct the call    ValueError        DesignError  ExperimentError  NameRefused  SweepExists  SweepLocked
    look elsewhere      LookupError       LabNotFound  SweepNotFound  LogNotFound
    try again           ConnectionError   LabUnavailable
    ask someone         RuntimeError      LabBusy  LabFenced  NotebookDamaged  VersionMismatch

Every one carries a single sentence or two: the thing, what was expected, what came, what to do. They cross process
borders, so each is its message and nothing else.
"""

from __future__ import annotations

__all__ = [
    "DesignError",
    "ExperimentError",
    "LabBusy",
    "LabFenced",
    "LabNotFound",
    "LabUnavailable",
    "LogNotFound",
    "NameRefused",
    "NotebookDamaged",
    "RaylabError",
    "SweepExists",
    "SweepLocked",
    "SweepNotFound",
    "VersionMismatch",
]


class RaylabError(Exception):
    """What all errors of raylab have in common; never raised itself."""


class DesignError(RaylabError, ValueError):
    """A design, or an argument that shapes one, cannot be used. Nothing was stored."""


class ExperimentError(RaylabError, ValueError):
    """The experiment cannot be run as it is: its parameters, its protocol or its pickling. Nothing was stored."""


class NameRefused(RaylabError, ValueError):
    """A name that no folder can have, or one that already stands for something else."""


class SweepExists(RaylabError, ValueError):
    """Another sweep has this name; the message says what differs and what to do. Nothing was stored."""


class SweepLocked(RaylabError, ValueError):
    """The sweep was locked, so it takes no change any more."""


class LabNotFound(RaylabError, LookupError):
    """No lab has this name; the message lists the labs there are."""


class SweepNotFound(RaylabError, LookupError):
    """No sweep of this lab has this name; the message lists the sweeps there are."""


class LogNotFound(RaylabError, LookupError):
    """What a trial printed is not there: it was not kept, or the trial has not ended. The message says what to do."""


class LabUnavailable(RaylabError, ConnectionError):
    """The lab did not answer in time. Whether the call was carried out is unknown; it is safe to repeat it."""


class LabBusy(RaylabError, RuntimeError):
    """Trials are outstanding, so the lab was not shut down, or what was to be hidden was not hidden."""


class LabFenced(RaylabError, RuntimeError):
    """Another lab has taken over the notebook; this one writes nothing any more."""


class NotebookDamaged(RaylabError, RuntimeError):
    """A file of the notebook is missing or not what was written; the message names it."""


class VersionMismatch(RaylabError, RuntimeError):
    """Client, lab, worker or notebook speak different versions; the message says which is needed."""


def told(error: BaseException) -> str:
    """What an exception says, as the part of a sentence: never a `repr`, never a bare number.

    Example:
        >>> told(OSError(28, "No space left on device", "/data/1.arrow"))
        'No space left on device (/data/1.arrow)'
        >>> told(KeyError("x")), told(MemoryError())
        ("KeyError: 'x'", 'there is not enough memory')
    """
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.strerror} ({error.filename})"
    if isinstance(error, RaylabError | OSError) and text:
        return text
    if isinstance(error, MemoryError) and not text:
        return "there is not enough memory"
    return f"{type(error).__name__}: {text}" if text else f"an error of the kind {type(error).__name__}"


def repr_of(value: object, most: int) -> str:
    """A value as Python shows it, cut off after so many characters."""
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}…"
