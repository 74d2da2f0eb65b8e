"""Strikes: how often a suspect was run alone, and how often that ended with the death of its process.

A row of the request table counts each run alone as soon as it begins, so that the run counts even if the lab dies with
it. But whether the trial was to blame then, nobody saw: the lab may have been killed for reasons of its own, the trial
may even have been done and its rows not yet on disk. Under a chaos of kills every few seconds that came three times in
a row. So three deaths that were seen make a trial `crashed`, or twice as many runs of which nothing is known, which
ends what takes the lab's machine down each time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from raylab.core import schedule


@dataclass(frozen=True, slots=True)
class Strikes:
    """What is held against one trial.

    Example:
        >>> Strikes().died().begun().died().begun().died(out_of_memory=True)
        Strikes(deaths=3, runs=3, out_of_memory=True)
    """

    deaths: int = 0
    """How often its process died, as far as the lab saw it."""
    runs: int = 0
    """How often it was run alone, this run included."""
    out_of_memory: bool = False
    """Whether the last death that the lab saw was for want of memory."""

    @property
    def enough(self) -> bool:
        """Whether it is not run again."""
        return self.deaths >= schedule.STRIKES or self.runs >= schedule.RUNS_ALONE

    def begun(self) -> Strikes:
        """It runs alone now."""
        return replace(self, runs=self.runs + 1)

    def excused(self) -> Strikes:
        """Its run alone ended, and nobody is to blame: as if it had not begun."""
        return replace(self, runs=self.runs - 1)

    def died(self, *, out_of_memory: bool = False) -> Strikes:
        """Its process died. The first time, it was alone by chance, and nobody had counted the run."""
        return Strikes(self.deaths + 1, max(self.runs, 1), out_of_memory)
