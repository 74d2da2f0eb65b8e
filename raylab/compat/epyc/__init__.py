"""epyc's names over raylab: change the import, and the code goes on.

    from raylab.compat import epyc

A notebook is a raylab lab, named after the notebook's file; a result set is the sweeps that bear its tag as their name.
Names, arguments and returns are those of epyc 1.7; docs/coming-from-epyc.md says what is otherwise.

The face is lazy: a worker that runs an `Experiment` pays for nothing of the client.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    **dict.fromkeys(("Experiment", "ResultsDict", "ExperimentalParameters"), "experiment"),
    **dict.fromkeys(("ExperimentCombinator", "RepeatedExperiment", "SummaryExperiment"), "combinators"),
    **dict.fromkeys(("Design", "FactorialDesign", "PointwiseDesign", "DesignException"), "design"),
    "ExperimentalConfiguration": "design",
    **dict.fromkeys(("ResultSet", "ResultSetLockedException"), "resultset"),
    **dict.fromkeys(("LabNotebook", "JSONLabNotebook", "HDF5LabNotebook"), "labnotebook"),
    "LabNotebookLockedException": "labnotebook",
    **dict.fromkeys(("Lab", "ParallelLab", "ClusterLab"), "lab"),
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(
            f"raylab.compat.epyc has no {name!r}; it has {', '.join(__all__)}, and docs/coming-from-epyc.md says what "
            "takes the place of the rest"
        )
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
