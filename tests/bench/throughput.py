"""Trials per second of a sweep of trivial trials, from submit to the last row durable, beside two baselines.

    python tests/bench/throughput.py [--trials 1000000] [--rounds 3] [--json FILE]

Baselines, taken in turn with the lab in the same run on the same cluster of two slots: the same function in hand-made
chunks of bare Ray tasks that return the list of its results, nothing recorded; and one Ray task per point (fewer of
them, they are slow). Every figure is the median of the rounds; the ratios are what counts, the machine is noisy. Exits
with 1 if the lab falls below what the project promises itself.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CHUNK = 5_000
SINGLES = 2_000
AT_LEAST_OF_CHUNKS = 0.3
AT_LEAST_TIMES_SINGLES = 100


def trivial(p: float, n: int) -> dict[str, float]:
    return {"x": p * n, "y": p + n}


def chunk(points: list[tuple[float, int]]) -> list[dict[str, float]]:
    return [trivial(p, n) for p, n in points]


def points_of(trials: int) -> list[tuple[float, int]]:
    return [(i / 1000, i % 1000) for i in range(trials)]


def bare_chunks(trials: int) -> float:
    """Trials per second of hand-made chunks, every result in the driver's hands at the end."""
    import ray

    task = ray.remote(chunk)
    points = points_of(trials)
    began = time.perf_counter()
    results = ray.get([task.remote(points[at : at + CHUNK]) for at in range(0, trials, CHUNK)])
    elapsed = time.perf_counter() - began
    assert sum(map(len, results)) == trials
    return trials / elapsed


def bare_singles(trials: int) -> float:
    """Trials per second of one Ray task per point."""
    import ray

    task = ray.remote(trivial)
    began = time.perf_counter()
    results = ray.get([task.remote(p, n) for p, n in points_of(trials)])
    elapsed = time.perf_counter() - began
    assert len(results) == trials
    return trials / elapsed


def lab_sweep(trials: int, name: str) -> float:
    """Trials per second of a sweep, from submit to the last row durable."""
    import raylab

    lab = raylab.Lab("throughput")
    design = raylab.Factorial(p=[i / 1000 for i in range(1000)], n=range(trials // 1000))
    began = time.perf_counter()
    sweep = lab.submit(trivial, design, name=name)
    assert sweep.wait(progress=False)
    elapsed = time.perf_counter() - began
    assert sweep.number_of_results() == design.size
    return design.size / elapsed


def measure(trials: int, rounds: int) -> dict[str, Any]:
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    lab_sweep(20_000, "warm-up")
    bare_chunks(20_000)
    figures: dict[str, list[float]] = {"lab": [], "chunks": [], "singles": []}
    for round_ in range(rounds):
        figures["lab"].append(lab_sweep(trials, f"round-{round_}"))
        figures["chunks"].append(bare_chunks(trials))
        figures["singles"].append(bare_singles(SINGLES))
        print({name: f"{values[-1]:,.0f}/s" for name, values in figures.items()}, flush=True)
    ray.shutdown()
    return {
        "trials": trials,
        "per_second": {name: statistics.median(values) for name, values in figures.items()},
        "of_chunks": statistics.median(a / b for a, b in zip(figures["lab"], figures["chunks"], strict=True)),
        "times_singles": statistics.median(a / b for a, b in zip(figures["lab"], figures["singles"], strict=True)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="raylab-bench-") as home:
        os.environ["RAYLAB_HOME"] = home
        found = measure(arguments.trials, arguments.rounds)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    print(f"lab beside hand-made chunks of {CHUNK:,}, nothing recorded: {found['of_chunks']:.2f}")
    print(f"lab beside one Ray task per point: {found['times_singles']:.0f} times as fast")
    good = found["of_chunks"] >= AT_LEAST_OF_CHUNKS and found["times_singles"] >= AT_LEAST_TIMES_SINGLES
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
