"""raylab: an experiment lab on a Ray cluster. Submit a sweep, close the laptop, come back to the results.

    lab.py  sweep.py  cli.py                  what a person touches
    client.py  submission.py  progress.py  …  what these do: ask, check what is asked for, show a bar
    cluster/                                  the Ray shell: actor, leases, workers, connections
    code/                                     experiments as bytes: what travels
    experiment.py  signature.py  outcome.py   how one trial is run
    notebook/                                 the disk: put-if-absent, numbered Arrow tables, rows and columns
    core/                                     pure decisions: designs, run order, the ledger
    errors.py

The face is lazy: a worker process imports parts of raylab without paying for polars or tqdm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raylab.core.design import Design, Factorial, Points
    from raylab.core.status import Progress
    from raylab.errors import (
        DesignError,
        ExperimentError,
        LabBusy,
        LabFenced,
        LabNotFound,
        LabUnavailable,
        NameRefused,
        NotebookDamaged,
        RaylabError,
        SweepExists,
        SweepLocked,
        SweepNotFound,
        VersionMismatch,
    )
    from raylab.lab import Lab, labs
    from raylab.notebook.notebook import Notebook
    from raylab.sweep import Sweep
    from raylab.worker.experiment import Experiment

__version__ = "0.1.0"

_HOMES = {
    "Design": "raylab.core.design",
    "Factorial": "raylab.core.design",
    "Points": "raylab.core.design",
    "Experiment": "raylab.worker.experiment",
    "Lab": "raylab.lab",
    "labs": "raylab.lab",
    "Notebook": "raylab.notebook.notebook",
    "Progress": "raylab.core.status",
    "Sweep": "raylab.sweep",
    **dict.fromkeys(
        (
            "DesignError",
            "ExperimentError",
            "LabBusy",
            "LabFenced",
            "LabNotFound",
            "LabUnavailable",
            "NameRefused",
            "NotebookDamaged",
            "RaylabError",
            "SweepExists",
            "SweepLocked",
            "SweepNotFound",
            "VersionMismatch",
        ),
        "raylab.errors",
    ),
}

__all__ = [
    "Design",
    "DesignError",
    "Experiment",
    "ExperimentError",
    "Factorial",
    "Lab",
    "LabBusy",
    "LabFenced",
    "LabNotFound",
    "LabUnavailable",
    "NameRefused",
    "Notebook",
    "NotebookDamaged",
    "Points",
    "Progress",
    "RaylabError",
    "Sweep",
    "SweepExists",
    "SweepLocked",
    "SweepNotFound",
    "VersionMismatch",
    "__version__",
    "labs",
]


def __getattr__(name: str) -> Any:
    import importlib

    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'raylab' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
