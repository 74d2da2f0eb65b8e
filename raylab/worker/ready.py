"""An experiment that is ready to run in this process: loaded, what it may draw from seeded, its files in a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raylab.worker.experiment import Runner, adapt
from raylab.worker.generators import imports_apart, seed_all
from raylab.worker.unpack import Loaded
from raylab.worker.working_folder import Workplace


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What runs an experiment's trials.

    Attributes:
        runner: runs them.
        draws: whether they may draw from the global generators.
        workplace: the folder in which they run, if files came along.
    """

    runner: Runner
    draws: bool
    workplace: Workplace | None


def make_ready(load: Callable[[], Loaded], folder: Path | None, seed: int, **words: Any) -> Ready:
    """Make an experiment ready.

    Args:
        load: loads it.
        folder: where what travelled with it is unpacked.
        seed: the sweep's.
        words: of `adapt`.
    """
    with imports_apart(draws=True):
        # What modules and classes draw while they are made must be the same in every process.
        seed_all(seed)
        found = load()
        workplace = Workplace(folder, found.files) if folder is not None and found.files else None
        enter = None if workplace is None else workplace.enter
        runner = adapt(found.experiment, seeds=found.seeds, enter=enter, **words)
    return Ready(runner=runner, draws=bool(found.seeds), workplace=workplace)
