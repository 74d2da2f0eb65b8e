"""The figures of a chaos run, as JSON and as a table."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from chaos.plan import KINDS


@dataclass(slots=True)
class Result:
    """What one round came to."""

    seed: int
    seconds: float = 0.0
    faults: Counter[int] = field(default_factory=Counter)
    trials: int = 0
    rows: int = 0
    again: int = 0
    states: set[str] = field(default_factory=set)
    mismatches: list[str] = field(default_factory=list)
    kept: str = ""

    def data(self) -> dict[str, Any]:
        faults = {str(kind): count for kind, count in sorted(self.faults.items())}
        return {**asdict(self), "faults": faults, "states": sorted(self.states)}


class Report:
    """The figures of a run, as JSON and as a table."""

    def __init__(self, seed: int, left_out: list[str], path: Path | None) -> None:
        self.seed, self.left_out, self.path = seed, left_out, path
        self.results: list[Result] = []
        self._began = time.monotonic()

    def add(self, result: Result) -> None:
        self.results.append(result)
        if self.path is not None:
            self.path.write_text(json.dumps(self.data(), indent=1))

    def data(self) -> dict[str, Any]:
        faults: Counter[int] = sum((result.faults for result in self.results), Counter())
        return {
            "seed": self.seed,
            "rounds": len(self.results),
            "seconds": round(time.monotonic() - self._began),
            "faults": {KINDS[kind]: faults[kind] for kind in KINDS},
            "left_out": self.left_out,
            "trials": sum(result.trials for result in self.results),
            "rows": sum(result.rows for result in self.results),
            "executions_beyond_one": sum(result.again for result in self.results),
            "mismatches": sum(len(result.mismatches) for result in self.results),
            "each": [result.data() for result in self.results],
        }

    def table(self) -> str:
        """For people."""
        data = self.data()
        lines = [f"{name:>45}  {count:,}" for name, count in data.pop("faults").items()]
        each = data.pop("each")
        lines = [f"{name.replace('_', ' '):>45}  {value}" for name, value in data.items()] + lines
        lines += [f"  seed {each['seed']}: {text}" for each in each for text in each["mismatches"]]
        return "\n".join(["", "chaos run", *lines])
