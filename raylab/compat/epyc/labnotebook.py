"""epyc's notebooks: each is a raylab lab, attached to by name; nothing of it is held here."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

from raylab.client.speech import say
from raylab.compat.epyc.experiment import ResultsDict
from raylab.compat.epyc.resultset import ResultSet, tag_of
from raylab.errors import LabBusy, NameRefused, SweepLocked
from raylab.lab import Lab
from raylab.server.protocol import person

_ENDINGS = (".json", ".h5", ".hdf5", ".hdf")


class LabNotebookLockedException(SweepLocked):
    """The notebook was finished, so nothing is added to it."""


def lab_name(name: str) -> str:
    """The lab that a notebook's name means: the file's, without folders and without its ending.

    Example:
        >>> lab_name("myexperiment.json"), lab_name("data/run-3.h5"), lab_name("v1.5")
        ('myexperiment', 'run-3', 'v1.5')
    """
    if "://" in name:
        raise NameRefused(f"{name!r} is an address; get the file, and take it into a lab with `raylab import FILE LAB`")
    path = Path(name)
    return path.stem if path.suffix.lower() in _ENDINGS else path.name


class LabNotebook:
    """A lab, as epyc's notebook.

    Args:
        name: a name or the path of a file: 'myexperiment.json' is the lab 'myexperiment'. Without one it is a new lab,
            whose name a line says. Or a `raylab.Lab`.
        description: in words, held by this object alone.

    Raises:
        NameRefused: no lab can have this name.
    """

    DEFAULT_RESULTSET: Final = "epyc.resultset.default"

    def __init__(self, name: str | Lab = "", description: str | None = None) -> None:
        self._name = name.name if isinstance(name, Lab) else str(name)
        self._description = "A notebook" if description is None else description
        if isinstance(name, Lab):
            self.lab = name
        elif self._name:
            lab_name(self._name)  # refused before anything is started
        self._added: dict[str, ResultSet] = {}
        self._tag: str | None = None
        self._is_chosen = False
        self._locked = False

    @cached_property
    def lab(self) -> Lab:
        """The lab, as raylab has it; attached to when it is used first."""
        name = lab_name(self._name)
        if not name:
            name = f"unnamed-{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
            say(f"a notebook without a name: its lab is {name!r}, by which the results are found again")
        made = Lab(name)
        if self._name != name and Path(self._name).is_file() and made.sweeps(archived=True).is_empty():
            say(f"{self._name} is a file, and the lab {name!r} is empty: `raylab import {self._name} {name}` fills it")
        return made

    def _clear(self) -> None:
        """Begin with nothing."""
        there = self.lab.sweeps(archived=True)
        others = sorted({*there["user"]} - {person()})
        if others:
            raise LabBusy(
                f"create=True deletes what is in the lab {self.lab.name!r}, and there are sweeps of "
                f"{', '.join(others)}; give the notebook another name"
            )
        for name in there["name"]:
            self.lab.remove(name)
        if names := ", ".join(there["name"]):
            say(f"create=True: the sweeps {names} of the lab {self.lab.name!r} were deleted")

    def name(self) -> str:
        """The name that was given."""
        return self._name

    def description(self) -> str:
        """What was said of the notebook."""
        return self._description

    def setDescription(self, d: str) -> None:
        """Say something of the notebook."""
        self.assertUnlocked()
        self._description = d

    def isPersistent(self) -> bool:
        """Whether results outlive the process. They always do."""
        return True

    def commit(self) -> None:
        """Nothing is left to do: a result is durable before it is counted."""

    @contextmanager
    def open(self) -> Iterator[Self]:
        """For use in a `with` block."""
        yield self

    # result sets ------------------------------------------------------------------------------------------------

    def addResultSet(self, tag: str, description: str | None = None) -> ResultSet:
        """Add a result set, or find it, and make it the current one."""
        self.assertUnlocked()
        if tag not in self:
            self._added[tag] = ResultSet(self.lab, tag, description or "")
        return self.select(tag)

    def deleteResultSet(self, rs: str | ResultSet) -> None:
        """Delete a result set for good, with what runs of it.

        Raises:
            ValueError: it is the current one, or the default one.
        """
        self.assertUnlocked()
        tag = rs.tag if isinstance(rs, ResultSet) else rs
        found = self.resultSet(tag)
        if tag in (self.currentTag(), self.DEFAULT_RESULTSET):
            raise ValueError(f"the result set {tag!r} is the current or the default one, which stay; select another")
        found.remove()
        self._added.pop(tag, None)

    def resultSets(self) -> list[str]:
        """The tags of all result sets."""
        names = self.lab.sweeps()["name"].to_list()
        there = (tag_of(name, names) for name in names)
        return list(dict.fromkeys([self.DEFAULT_RESULTSET, *there, *self._added]))

    keys = resultSets

    def numberOfResultSets(self) -> int:
        """How many result sets there are."""
        return len(self.resultSets())

    def __len__(self) -> int:
        return self.numberOfResultSets()

    def __bool__(self) -> bool:
        return True

    def __contains__(self, tag: str) -> bool:
        return tag in self.resultSets()

    def resultSet(self, tag: str) -> ResultSet:
        """A result set by its tag.

        Raises:
            KeyError: there is none of this tag.
        """
        if tag in self._added:
            return self._added[tag]
        if tag not in self:
            raise KeyError(f"no result set {tag!r}; there are: {', '.join(self.resultSets())}")
        return ResultSet(self.lab, tag)

    def resultSetTag(self, rs: ResultSet) -> str:
        """The tag of a result set."""
        return rs.tag

    def select(self, tag: str) -> ResultSet:
        """Make a result set the current one."""
        found = self.resultSet(tag)
        self._tag, self._is_chosen = tag, True
        return found

    def current(self) -> ResultSet:
        """The current result set."""
        return self.resultSet(self.currentTag())

    def currentTag(self) -> str:
        """The tag of the current result set; where none was selected, that of what was submitted last. What was
        imported counts only where nothing else is there."""
        if self._tag is None:
            names = self.lab.sweeps().sort("submitted", descending=True)["name"].to_list()
            last = next((name for name in names if not self._is_import(name)), names[0] if names else None)
            self._tag = self.DEFAULT_RESULTSET if last is None else tag_of(last, names)
        return self._tag

    def _is_import(self, name: str) -> bool:
        """Whether a sweep was imported, and does not go on with code."""
        about = self.lab.sweep(name).info()
        return bool(about["imported"]) and len(about["code"]) == 1

    def submitted_to(self) -> ResultSet:
        """The current result set, to be submitted to; a line says which, once, where it was not selected and there are
        others."""
        if not self._is_chosen:
            tag, tags = self.currentTag(), self.resultSets()
            if len(tags) > 1:
                others = ", ".join(map(repr, (each for each in tags if each != tag)))
                say(f"runs in the result set {tag!r}, as none was selected; there are also {others}")
            self._is_chosen = True
        return self.current()

    def already(self, tag: str, description: str | None = None) -> bool:
        """Select a result set if it is there, else add it; whether it was there."""
        there = tag in self
        self.select(tag) if there else self.addResultSet(tag, description)
        return there

    def _set(self, tag: str | None) -> ResultSet:
        return self.current() if tag is None else self.resultSet(tag)

    # finishing --------------------------------------------------------------------------------------------------

    def finish(self, commit: bool = True) -> None:
        """Finish all result sets, and let none be added."""
        for tag in self.resultSets():
            self.resultSet(tag).finish()
        self._locked = True

    def isLocked(self) -> bool:
        """Whether the notebook is finished."""
        return self._locked

    def assertUnlocked(self) -> None:
        """Raise `LabNotebookLockedException` if the notebook is finished."""
        if self.isLocked():
            raise LabNotebookLockedException(f"the notebook {self._name!r} is finished; take another one")

    # how far they are, and what is in ---------------------------------------------------------------------------

    def ready(self, tag: str | None = None) -> bool:
        """Whether nothing of a result set, the current one if None, is pending."""
        return self._set(tag).ready()

    def readyFraction(self, tag: str | None = None) -> float:
        """The share of a result set's runs that is in; 1.0 if none was asked for."""
        return self._set(tag).readyFraction()

    def numberOfResults(self, tag: str | None = None) -> int:
        """How many results of a result set are in."""
        return self._set(tag).numberOfResults()

    def numberOfPendingResults(self, tag: str | None = None) -> int:
        """How many runs of a result set are not in yet."""
        return self._set(tag).numberOfPendingResults()

    def numberOfAllPendingResults(self) -> int:
        """How many runs of all result sets are not in yet."""
        return self.lab.progress().outstanding

    def dataframe(self, tag: str | None = None, only_successful: bool = True) -> Any:
        """The results of a result set as a pandas DataFrame; see `ResultSet.dataframe`."""
        return self._set(tag).dataframe(only_successful)

    def dataframeFor(self, params: Mapping[str, Any], tag: str | None = None, only_successful: bool = True) -> Any:
        """Those at these values of parameters."""
        return self._set(tag).dataframeFor(params, only_successful)

    def results(self, tag: str | None = None) -> list[ResultsDict]:
        """The results of a result set as results dicts."""
        return self._set(tag).results()

    def resultsFor(self, params: Mapping[str, Any], tag: str | None = None) -> list[ResultsDict]:
        """Those at these values of parameters."""
        return self._set(tag).resultsFor(params)


class _FileLabNotebook(LabNotebook):
    """A lab named after a file. No such file is read or written; `raylab import FILE LAB` takes one in.

    Args:
        name: as of `LabNotebook`.
        create: begin with nothing: one's own sweeps of that lab are deleted for good, also those that run.
        description: in words, held by this object alone.

    Raises:
        LabBusy: it is to begin with nothing, and sweeps of others are in the lab.
        NameRefused: no lab can have this name.
    """

    def __init__(self, name: str | Lab, create: bool = False, description: str | None = None) -> None:
        super().__init__(name, description)
        if create:
            self._clear()


class JSONLabNotebook(_FileLabNotebook):
    __doc__ = _FileLabNotebook.__doc__


class HDF5LabNotebook(_FileLabNotebook):
    __doc__ = _FileLabNotebook.__doc__
