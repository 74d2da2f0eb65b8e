"""epyc's `ResultSet`: the sweeps of a lab that bear the set's tag as their name.

The first is called TAG. What is no extension of it, because its code or its parameters are other ones, is TAG+2, TAG+3
and so on; their rows are rows of the set.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping
from typing import Any

from raylab.client.speech import say
from raylab.compat.epyc.combinators import RepeatedExperiment
from raylab.compat.epyc.experiment import ResultsDict
from raylab.compat.epyc.table import Table, table
from raylab.core.design import Design
from raylab.core.status import Progress
from raylab.errors import DesignError, SweepExists, SweepLocked
from raylab.lab import Lab
from raylab.notebook import layout
from raylab.sweep import Sweep


class ResultSetLockedException(SweepLocked):
    """The result set was finished, so it takes no results any more."""


_LATER = re.compile(r"(?P<tag>.+)\+([2-9]|[1-9]\d+)")


def tag_of(name: str, names: Collection[str]) -> str:
    """The result set of which a sweep is, among sweeps of these names.

    Example:
        >>> [tag_of(name, ["a", "a+2", "b+2"]) for name in ("a", "a+2", "b+2")]
        ['a', 'a', 'b+2']
    """
    match = _LATER.fullmatch(name)
    return match["tag"] if match and match["tag"] in names else name


class ResultSet:
    """Some results of a lab under one tag.

    Everything is asked of the lab at the call, so results need not be fetched before they are seen.
    """

    def __init__(self, lab: Lab, tag: str, description: str = "") -> None:
        self._lab = lab
        self.tag = layout.check_name(tag, "sweep")
        self._said = description
        self._locked = False

    # running ----------------------------------------------------------------------------------------------------

    def submit(self, experiment: Any, design: Design, **words: Any) -> Sweep:
        """Have an experiment run at the points of a design, as results of this set. A `RepeatedExperiment` is what it
        repeats, in so many repeats. What the set has already is not run again.

        Raises:
            ResultSetLockedException: the set was finished.
        """
        repeats = 1
        while type(experiment) is RepeatedExperiment:
            repeats *= experiment.repetitions()
            experiment = experiment.experiment()
        if self.isLocked():
            raise self._refusal()
        before = {row["name"]: row["total"] for row in self._sweeps()}
        for number in itertools.count(1):
            name = self.tag if number == 1 else f"{self.tag}+{number}"
            try:
                sweep = self._lab.submit(
                    experiment,
                    design,
                    name=name,
                    repeats=repeats,
                    if_exists="extend",
                    description=self._said,
                    **words,
                )
            except (SweepExists, DesignError, SweepLocked):
                if name not in before:
                    raise
            else:
                if sweep.progress().total == before.get(name):
                    say(f"{self.tag}: these points were asked for before, so nothing is added")
                return sweep
        raise AssertionError

    def _refusal(self) -> ResultSetLockedException:
        return ResultSetLockedException(f"the result set {self.tag!r} is finished; add another one with addResultSet")

    # its sweeps -------------------------------------------------------------------------------------------------

    def _sweeps(self) -> list[dict[str, Any]]:
        rows = self._lab.sweeps().to_dicts()
        names = {row["name"] for row in rows}
        return [row for row in rows if tag_of(row["name"], names) == self.tag]

    def sweeps(self) -> list[Sweep]:
        """The sweeps of which these are the results."""
        return [self._lab.sweep(row["name"]) for row in self._sweeps()]

    def _progress(self) -> Progress | None:
        names = [row["name"] for row in self._sweeps()]
        return self._lab.progress(names) if names else None

    def description(self) -> str:
        """What was said of the set when it was added."""
        return self._said or next((row["description"] for row in self._sweeps()), "")

    def setDescription(self, d: str) -> None:
        """Say something of the set."""
        self._said = d
        for sweep in self.sweeps():
            sweep.change(description=d)

    def finish(self) -> None:
        """Cancel what is pending, and let the set take no results any more."""
        for sweep in self.sweeps():
            if not sweep.ready():
                sweep.cancel()
            sweep.lock()
        self._locked = True

    def isLocked(self) -> bool:
        """Whether the set is finished."""
        sweeps = self.sweeps()
        return self._locked or (bool(sweeps) and all(sweep.info()["locked"] for sweep in sweeps))

    def remove(self) -> None:
        """Delete the results for good."""
        for sweep in self.sweeps():
            sweep.remove()

    # how far it is ----------------------------------------------------------------------------------------------

    def numberOfResults(self) -> int:
        """How many results are in, also those of runs that failed."""
        found = self._progress()
        return found.rows if found else 0

    def __len__(self) -> int:
        return self.numberOfResults()

    def __bool__(self) -> bool:
        return True

    def numberOfPendingResults(self) -> int:
        """How many runs are asked for and not in yet."""
        found = self._progress()
        return found.outstanding if found else 0

    def ready(self) -> bool:
        """Whether nothing is pending."""
        return self.numberOfPendingResults() == 0

    def readyFraction(self) -> float:
        """The share of the runs that is in; 1.0 if none was asked for."""
        found = self._progress()
        return found.ready_fraction if found else 1.0

    # what is in -------------------------------------------------------------------------------------------------

    def table(self) -> Table:
        """All rows under epyc's names."""
        return Table.together(map(_table, self.sweeps()))

    def dataframe(self, only_successful: bool = False) -> Any:
        """The results as a pandas DataFrame: metadata, parameters, results; a row each.

        Args:
            only_successful: leave out runs that failed; else their results are missing values.
        """
        return self.dataframeFor({}, only_successful)

    def dataframeFor(self, params: Mapping[str, Any], only_successful: bool = False) -> Any:
        """Those of the results at these values of parameters; of a list of values, at any of them."""
        found = self.table().where(params)
        return (found.successful() if only_successful else found).pandas()

    def results(self) -> list[ResultsDict]:
        """The results as results dicts."""
        return self.resultsFor({})

    def resultsFor(self, params: Mapping[str, Any]) -> list[ResultsDict]:
        """Those of them at these values of parameters, as for `dataframeFor`."""
        return self.table().where(params).dicts()

    def metadataNames(self) -> list[str]:
        """The names of metadata."""
        return self.table().metadata

    def parameterNames(self) -> list[str]:
        """The names of parameters."""
        return sorted({name for sweep in self.sweeps() for name in sweep.design.parameters})

    def resultNames(self) -> list[str]:
        """The names of results."""
        return self.table().results

    def names(self) -> dict[str, list[str]]:
        """The names of metadata, parameters and results."""
        found = self.table()
        return {"metadata": found.metadata, "parameters": self.parameterNames(), "results": found.results}

    def parameterRange(self, param: str) -> set[Any]:
        """The values of a parameter at which there are results."""
        return _range(self.table(), param)

    def parameterSpace(self) -> dict[str, set[Any]]:
        """The values of each parameter at which there are results."""
        found = self.table()
        return {name: _range(found, name) for name in self.parameterNames()}


def _range(found: Table, param: str) -> set[Any]:
    found.where({param: []})  # refuses what is no parameter
    return set(found.rows[param].to_list())


def _table(sweep: Sweep) -> Table:
    about = sweep.info()
    rows = sweep.results(status="all", metadata=True)
    return table(rows, sweep.design.parameters, about["experiment"], about["repeats"])
