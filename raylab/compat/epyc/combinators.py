"""epyc's experiments around experiments: repeated, summarised. Workers load this module."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final, Self

from raylab.compat.epyc.experiment import Experiment, ExperimentalParameters, ResultsDict


class ExperimentCombinator(Experiment):
    """An experiment around another one, whose parameters are its own.

    Args:
        ex: the experiment inside; of this module, or one of epyc itself.
    """

    def __init__(self, ex: Any) -> None:
        super().__init__()
        self._experiment = ex

    def experiment(self) -> Any:
        """The experiment inside."""
        return self._experiment

    def set(self, params: ExperimentalParameters) -> Self:
        """Give the experiment inside its parameters; returns the combinator."""
        self._experiment.set(params)
        return self

    def parameters(self) -> ExperimentalParameters:
        """The parameters of the experiment inside."""
        found: ExperimentalParameters = self._experiment.parameters()
        return found


class RepeatedExperiment(ExperimentCombinator):
    """The same experiment several times at each point.

    Given to a lab it is not run itself: the experiment inside is, in N repeats, each a trial with a seed of its own.

    Args:
        ex: the experiment.
        N: how many times.
    """

    REPETITIONS: Final = "epyc.experiment.repetitions"
    I: Final = "epyc.experiment.rep"  # noqa: E741  # epyc's name

    def __init__(self, ex: Any, N: int) -> None:
        super().__init__(ex)
        self._N = N

    def repetitions(self) -> int:
        """How many times."""
        return self._N

    def do(self, params: ExperimentalParameters) -> list[ResultsDict]:
        """Run the experiment inside so many times; returns their results dicts."""
        found: list[ResultsDict] = []
        for number in range(self._N):
            ran = self._experiment.run()
            for each in ran if isinstance(ran, list) else [ran]:
                each[self.METADATA] |= {self.I: number, self.REPETITIONS: self._N}
                found.append(each)
        return found


class SummaryExperiment(ExperimentCombinator):
    """The statistics of what an experiment gives, usually a `RepeatedExperiment`: NAME_mean, NAME_median, NAME_variance
    (of the population), NAME_min, NAME_max. Runs that failed are left out.

    Args:
        ex: the experiment.
        summarised_results: names of results; all of the first run's if None. What is no number is left out, and a line
            says so.
    """

    UNDERLYING_RESULTS: Final = "epyc.summaryexperiment.repetitions"
    UNDERLYING_SUCCESSFUL_RESULTS: Final = "epyc.summaryexperiment.successful_repetitions"

    MEAN_SUFFIX: Final = "_mean"
    MEDIAN_SUFFIX: Final = "_median"
    VARIANCE_SUFFIX: Final = "_variance"
    MIN_SUFFIX: Final = "_min"
    MAX_SUFFIX: Final = "_max"

    def __init__(self, ex: Any, summarised_results: Sequence[str] | None = None) -> None:
        super().__init__(ex)
        self._summarised_results = summarised_results

    def do(self, params: ExperimentalParameters) -> dict[str, Any]:
        """Run the experiment inside; returns the statistics."""
        every = list(_flat(self._experiment.run()))
        good = [each for each in every if each[self.METADATA][self.STATUS]]
        self._metadata[self.UNDERLYING_RESULTS] = len(every)
        self._metadata[self.UNDERLYING_SUCCESSFUL_RESULTS] = len(good)
        return self.summarise(good)

    def summarise(self, results: list[ResultsDict]) -> dict[str, Any]:
        """The statistics of results dicts. To be overridden for other ones."""
        if not results:
            return {}
        there = results[0][self.RESULTS]
        wanted = there if self._summarised_results is None else [k for k in self._summarised_results if k in there]
        summary: dict[str, Any] = {}
        for name in wanted:
            values = [each[self.RESULTS][name] for each in results]
            try:
                summary |= {f"{name}{suffix}": value for suffix, value in self._statistics(values).items()}
            except Exception as error:
                print(f"{name} is not summarised: {error}", file=sys.stderr)
        return summary

    def _statistics(self, values: list[Any]) -> dict[str, Any]:
        import numpy as np

        return {
            self.MEAN_SUFFIX: np.mean(values),
            self.MEDIAN_SUFFIX: np.median(values),
            self.VARIANCE_SUFFIX: np.var(values),
            self.MIN_SUFFIX: np.min(values),
            self.MAX_SUFFIX: np.max(values),
        }


def _flat(ran: ResultsDict | list[ResultsDict]) -> list[ResultsDict]:
    """The results dicts that hold results themselves, at any depth."""
    if isinstance(ran, list):
        return [each for inner in ran for each in _flat(inner)]
    inside = ran[Experiment.RESULTS]
    return _flat(inside) if isinstance(inside, list) else [ran]
