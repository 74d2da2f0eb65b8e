"""epyc's labs, over `raylab.Lab`: what they hold is parameters and a design, all else is asked of the notebook."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from raylab.client.speech import say
from raylab.compat.epyc.design import Design, ExperimentalConfiguration, FactorialDesign
from raylab.compat.epyc.experiment import ResultsDict
from raylab.compat.epyc.labnotebook import LabNotebook


class Lab:
    """A lab whose `runExperiment` comes back when all is in.

    Trials run on the Ray cluster there is; without one, raylab starts one inside this process.

    Args:
        notebook: where the results go; a new one without a name if None.
        design: makes points of the parameters; every combination if None.
    """

    _waits = True

    def __init__(self, notebook: LabNotebook | None = None, design: Design | None = None) -> None:
        self._notebook = LabNotebook() if notebook is None else notebook
        self._design = FactorialDesign() if design is None else design
        self._parameters: dict[str, list[Any]] = {}
        self._words: dict[str, Any] = {}  # for `submit`

    def notebook(self) -> LabNotebook:
        """The notebook."""
        return self._notebook

    def design(self) -> Design:
        """The design."""
        return self._design

    def open(self) -> None:
        """Nothing is left to do: a call finds its way to the lab by itself."""

    def close(self) -> None:
        """Nothing is left to do: what was submitted goes on."""

    # parameters -------------------------------------------------------------------------------------------------

    def addParameter(self, k: str, r: Any) -> None:
        """Give a parameter its values: a string or what cannot be looped over is a single one."""
        single = isinstance(r, str | bytes) or not hasattr(r, "__iter__") or getattr(r, "ndim", 1) == 0
        # An array's values are Python's own, as for a design, so that 0.5 of one and 0.5 of a list are the same point.
        plain = str(getattr(r, "dtype", "")) in ("bool", "int64", "float64")
        self._parameters[k] = [r] if single else r.tolist() if plain else list(r)

    def deleteParameter(self, k: str) -> None:
        """Forget a parameter, if it is there."""
        self._parameters.pop(k, None)

    def deleteAllParameters(self) -> None:
        """Forget all parameters."""
        self._parameters.clear()

    def parameters(self) -> list[str]:
        """The names of the parameters."""
        return list(self._parameters)

    def __len__(self) -> int:
        return self._design.points(self._parameters).size if self._parameters else 0

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, k: str) -> list[Any]:
        return self._parameters[k]

    def __setitem__(self, k: str, r: Any) -> None:
        self.addParameter(k, r)

    def __delitem__(self, k: str) -> None:
        self.deleteParameter(k)

    def __contains__(self, k: str) -> bool:
        return k in self._parameters

    def experiments(self, e: Any) -> ExperimentalConfiguration:
        """Pairs of the experiment and the parameters of each point, all of them listed."""
        return self._design.experiments(e, self._parameters) if self._parameters else []

    # running ----------------------------------------------------------------------------------------------------

    def runExperiment(self, e: Any) -> None:
        """Run an experiment at every point, into the current result set.

        Args:
            e: an `Experiment`, one of epyc's own, or whatever `raylab.Lab.submit` takes.

        Raises:
            ResultSetLockedException: the current result set was finished.
        """
        if not self._parameters:
            say("runExperiment: the lab has no parameters, so there is no point to run at")
            return
        self._notebook.assertUnlocked()
        sweep = self._notebook.submitted_to().submit(e, self._design.points(self._parameters), **self._words)
        if self._waits:
            sweep.wait()

    def createWith(
        self,
        tag: str,
        f: Callable[[Any], Any],
        description: str | None = None,
        propagate: bool = True,
        delete: bool = True,
        finish: bool = False,
        deleteAllParameters: bool = True,
    ) -> bool:
        """Select a result set if it is there; else add it, and have a function fill it.

        Args:
            tag: of the result set.
            f: is given the lab.
            description: of a new result set.
            propagate: raise what the function raised; else it is said in a line.
            delete: delete the result set if the function raised.
            finish: finish the result set if it did not.
            deleteAllParameters: forget the lab's parameters before.

        Returns:
            Whether the result set is there.
        """
        nb = self._notebook
        before = nb.currentTag()
        if nb.already(tag, description):
            return True
        if deleteAllParameters:
            self.deleteAllParameters()
        try:
            f(self)
        except Exception as error:
            if delete:
                nb.select(before)
                nb.deleteResultSet(tag)
            if propagate:
                raise
            say(f"the result set {tag!r} was not made: {type(error).__name__}: {error}")
            return False
        if finish:
            nb.resultSet(tag).finish()
        return True

    def already(self, tag: str, description: str | None = None) -> bool:
        """`LabNotebook.already` of the notebook."""
        return self._notebook.already(tag, description)

    # asking -----------------------------------------------------------------------------------------------------

    def updateResults(self, purge: bool = False) -> int:
        """How many results came in since this was last asked, in all result sets.

        Args:
            purge: means nothing here: a run that crashed is a result that failed.
        """
        return self._notebook.lab.update_results()

    def wait(self, timeout: float = -1) -> bool:
        """Wait for all that is pending in all result sets; whether all is in.

        Args:
            timeout: in seconds; below 0 it takes as long as it takes.
        """
        return self._notebook.lab.wait(timeout=None if timeout < 0 else timeout)

    def ready(self, tag: str | None = None) -> bool:
        """Whether nothing of a result set, the current one if None, is pending."""
        return self._notebook.ready(tag)

    def readyFraction(self, tag: str | None = None) -> float:
        """The share of a result set's runs that is in; 1.0 if none was asked for."""
        return self._notebook.readyFraction(tag)

    def numberOfResults(self, tag: str | None = None) -> int:
        """How many results of a result set are in."""
        return self._notebook.numberOfResults(tag)

    def numberOfPendingResults(self, tag: str | None = None) -> int:
        """How many runs of a result set are not in yet."""
        return self._notebook.numberOfPendingResults(tag)

    def dataframe(self, only_successful: bool = True) -> Any:
        """The current result set as a pandas DataFrame."""
        return self._notebook.dataframe(only_successful=only_successful)

    def results(self) -> list[ResultsDict]:
        """The current result set as results dicts."""
        return self._notebook.results()


class ParallelLab(Lab):
    """A lab that runs so many trials at a time, and comes back when all is in.

    Args:
        notebook: where the results go.
        cores: how many; 0 for as many as this machine has, -1 for one less and so on.
    """

    def __init__(self, notebook: LabNotebook | None = None, cores: int = 0) -> None:
        super().__init__(notebook)
        here = os.cpu_count() or 1
        self._cores = min(cores, here) if cores > 0 else max(here + cores, 1)
        self._words = {"max_concurrency": self._cores} if cores else {}

    def numberOfCores(self) -> int:
        """How many trials run at a time at most."""
        return self._cores


class ClusterLab(Lab):
    """A lab whose `runExperiment` comes back at once: close the laptop, and ask for the results later.

    Args:
        notebook: where the results go; the lab is attached to at once.
        *rest, **arguments: of ipyparallel, such as `profile=` and `url_file=`; they mean nothing here, and a line says
            so. The cluster is that of `ray.init`, of `RAY_ADDRESS`, or the one on this machine.
    """

    _waits = False

    def __init__(self, notebook: LabNotebook | None = None, *rest: Any, **arguments: Any) -> None:
        super().__init__(notebook)
        given = [*(["url_file"] if rest else []), *(f"{name}=" for name in arguments)]
        if given:
            say(
                f"ClusterLab: {', '.join(given)} {'are' if given[1:] else 'is'} for ipyparallel and left out; the "
                "cluster is Ray's, by ray.init(), RAY_ADDRESS or `raylab start`"
            )
        self.open()

    def open(self) -> None:
        """Attach to the lab."""
        _ = self._notebook.lab

    def sync_imports(self, quiet: bool = False) -> AbstractContextManager[None]:
        """Nothing is left to do: what an experiment imports travels with it, or is installed on the workers."""
        return nullcontext()
