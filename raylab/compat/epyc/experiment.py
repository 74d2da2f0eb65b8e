"""epyc's `Experiment`: set up, do, tear down, and a results dict of what came of it.

A trial of such an experiment is run by epyc's own protocol, `set(params)` and `run()`, which raylab's workers speak
whether epyc is installed there or not. Standard library only: workers load this module.
"""

from __future__ import annotations

import traceback
from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar, Final, Self, TypeAlias

ResultsDict: TypeAlias = dict[str, Any]
"""`{"parameters": {...}, "metadata": {...}, "results": {...} or a list of results dicts}`."""

ExperimentalParameters: TypeAlias = dict[str, Any]


class Experiment:
    """An experiment in epyc's manner. Subclass it and write `do`; `setUp` and `tearDown` if it has to prepare and clean
    up, `configure` and `deconfigure` to see the parameters come and go.

    Example:
        >>> class Square(Experiment):
        ...     def do(self, params):
        ...         return {"y": params["x"] ** 2}
        >>> ran = Square().set({"x": 3}).run()
        >>> ran[Experiment.RESULTS], ran[Experiment.METADATA][Experiment.STATUS]
        ({'y': 9}, True)
    """

    METADATA: Final = "metadata"
    PARAMETERS: Final = "parameters"
    RESULTS: Final = "results"

    EXPERIMENT: Final = "epyc.experiment.classname"
    START_TIME: Final = "epyc.experiment.start_time"
    END_TIME: Final = "epyc.experiment.end_time"
    ELAPSED_TIME: Final = "epyc.experiment.elapsed_time"
    SETUP_TIME: Final = "epyc.experiment.setup_time"
    EXPERIMENT_TIME: Final = "epyc.experiment.experiment_time"
    TEARDOWN_TIME: Final = "epyc.experiment.teardown_time"
    STATUS: Final = "epyc.experiment.status"
    EXCEPTION: Final = "epyc.experiment.exception"
    TRACEBACK: Final = "epyc.experiment.traceback"

    StandardMetadataTypes: ClassVar[dict[str, type]] = {
        EXPERIMENT: str,
        START_TIME: datetime,
        END_TIME: datetime,
        ELAPSED_TIME: float,
        SETUP_TIME: float,
        EXPERIMENT_TIME: float,
        TEARDOWN_TIME: float,
        STATUS: bool,
        EXCEPTION: str,
        TRACEBACK: str,
    }
    StandardMetadata: ClassVar[set[str]] = set(StandardMetadataTypes)

    def __init__(self) -> None:
        self._metadata: dict[str, Any] = {}
        self._parameters: ExperimentalParameters = {}
        self._results: Any = {}

    @staticmethod
    def resultsdict() -> ResultsDict:
        """A results dict in which nothing is yet."""
        return {Experiment.PARAMETERS: {}, Experiment.METADATA: {}, Experiment.RESULTS: {}}

    # configuring ------------------------------------------------------------------------------------------------

    def set(self, params: ExperimentalParameters) -> Self:
        """Give the experiment the parameters of its next run; returns the experiment."""
        self.deconfigure()
        self.configure(params)
        return self

    def configure(self, params: ExperimentalParameters) -> None:
        """Take the parameters. Who overrides this calls it, too."""
        self._parameters = params

    def deconfigure(self) -> None:
        """Give the parameters up, before others come. Who overrides this calls it, too."""
        self._parameters = {}

    # running ----------------------------------------------------------------------------------------------------

    def setUp(self, params: ExperimentalParameters) -> None:
        """Prepare a run. If this raises, neither `do` nor `tearDown` runs."""

    def do(self, params: ExperimentalParameters) -> Any:
        """Run once; returns a dict of results, or a list of results dicts."""
        return {}

    def tearDown(self) -> None:
        """Clean up; runs also after a `do` that raised."""

    def report(self, params: ExperimentalParameters, meta: dict[str, Any], res: Any) -> ResultsDict:
        """The results dict of a run. Who overrides this to add metadata calls it, too."""
        return {self.PARAMETERS: params.copy(), self.METADATA: meta.copy(), self.RESULTS: res}

    def run(self, fatal: bool = False) -> ResultsDict:
        """Run with the parameters that were set.

        Args:
            fatal: raise what the run raised, too; else it is in the metadata alone.

        Returns:
            Parameters, metadata (class, times in seconds, status, and of a failure the exception and its traceback as
            text) and results, which are empty after a failure.
        """
        own = type(self)
        self._metadata = {self.EXPERIMENT: f"{own.__module__}.{own.__name__}"}
        self._results = {}
        params = self.parameters()
        marks = [datetime.now()]  # the beginning, and the end of each part
        self._metadata[self.START_TIME] = marks[0]
        try:
            self._results = self._parts(params, marks)
        except Exception as error:
            self._metadata |= {
                self.STATUS: False,
                self.EXCEPTION: error,
                self.TRACEBACK: traceback.format_exc(),
                self.END_TIME: datetime.now(),
            }
            if fatal:
                raise
        else:
            self._metadata |= {self.STATUS: True, self.END_TIME: marks[-1]}
        finally:
            self._metadata[self.ELAPSED_TIME] = (marks[-1] - marks[0]).total_seconds()
            parts = (self.SETUP_TIME, self.EXPERIMENT_TIME, self.TEARDOWN_TIME)
            for name, begin, end in zip(parts, marks, marks[1:], strict=False):
                self._metadata[name] = (end - begin).total_seconds()
        return self.results()

    def _parts(self, params: ExperimentalParameters, marks: list[datetime]) -> Any:
        self.setUp(params)
        marks.append(datetime.now())
        try:
            found = self.do(params)
        except Exception:
            with suppress(Exception):  # what `do` raised explains the run
                self.tearDown()
            raise
        marks.append(datetime.now())
        self.tearDown()
        marks.append(datetime.now())
        return found

    # what came of it --------------------------------------------------------------------------------------------

    def __getitem__(self, k: str) -> Any:
        """One of the results of the last run."""
        return self.experimentalResults()[k]

    def success(self) -> bool:
        """Whether the last run ended well; False if there was none."""
        return bool(self.metadata().get(self.STATUS, False))

    def failed(self) -> bool:
        """Whether the last run failed; False if there was none."""
        return not self.metadata().get(self.STATUS, True)

    def results(self) -> ResultsDict:
        """The results dict of the last run."""
        return self.report(self.parameters(), self.metadata(), self.experimentalResults())

    def experimentalResults(self) -> Any:
        """The results of the last run."""
        return self._results

    def parameters(self) -> ExperimentalParameters:
        """The parameters that are set."""
        return self._parameters

    def metadata(self) -> dict[str, Any]:
        """What is known of the last run."""
        return self._metadata
