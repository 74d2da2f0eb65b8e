"""raylab: an experiment lab on a Ray cluster. Submit a sweep, close the laptop, come back to the results.

    lab.py  sweep.py  trying.py  offline.py  errors.py  testing.py   what a person touches
    terminal/                                 the command `raylab`
    client/                                   a person's process: submission, the way to a lab, waiting, reading
    server/                                   the lab's actor: its verbs, its loop, what writes, leases as Ray tasks
    rerun/                                    trials in a person's process: a recorded one once more
    code/                                     an experiment as bytes: what travels
    worker/                                   a lease's process: how one trial is run
    notebook/                                 the files: put if absent, numbered Arrow tables, rows and columns
    core/                                     pure decisions: designs, run order, the ledger

The face is lazy: a worker process imports parts of raylab without paying for polars or tqdm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raylab.core.design import Design, Factorial, Points
    from raylab.core.latin_hypercube import LatinHypercube
    from raylab.core.random_points import Random
    from raylab.core.ranges import choice, integers, loguniform, uniform
    from raylab.core.sobol import Sobol
    from raylab.core.status import Progress
    from raylab.errors import (
        DesignError,
        ExperimentError,
        LabBusy,
        LabFenced,
        LabNotFound,
        LabUnavailable,
        LogNotFound,
        NameRefused,
        NotebookDamaged,
        RaylabError,
        SweepExists,
        SweepLocked,
        SweepNotFound,
        VersionMismatch,
    )
    from raylab.lab import Lab, labs
    from raylab.offline import Notebook
    from raylab.sweep import Sweep
    from raylab.trying import run_here
    from raylab.worker.experiment import Experiment

__version__ = "0.1.0"

_HOMES = {
    "Design": "raylab.core.design_base",
    "Factorial": "raylab.core.factorial",
    "LatinHypercube": "raylab.core.latin_hypercube",
    "Points": "raylab.core.points",
    "Random": "raylab.core.random_points",
    "Sobol": "raylab.core.sobol",
    **dict.fromkeys(("choice", "integers", "loguniform", "uniform"), "raylab.core.ranges"),
    "Experiment": "raylab.worker.experiment",
    "Lab": "raylab.lab",
    "labs": "raylab.lab",
    "Notebook": "raylab.offline",
    "Progress": "raylab.core.status",
    "Sweep": "raylab.sweep",
    "run_here": "raylab.trying",
    **dict.fromkeys(
        (
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
    "LatinHypercube",
    "LogNotFound",
    "NameRefused",
    "Notebook",
    "NotebookDamaged",
    "Points",
    "Progress",
    "Random",
    "RaylabError",
    "Sobol",
    "Sweep",
    "SweepExists",
    "SweepLocked",
    "SweepNotFound",
    "VersionMismatch",
    "__version__",
    "choice",
    "integers",
    "labs",
    "loguniform",
    "run_here",
    "uniform",
]


def __getattr__(name: str) -> Any:
    import importlib

    from raylab.client.kernel import without_advice

    home = "raylab.testing" if name == "testing" else _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'raylab' has no attribute {name!r}")
    with without_advice():
        module = importlib.import_module(home)
    value = module if name == "testing" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
