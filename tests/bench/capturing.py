"""What it costs to keep what trials print: trials per second of one worker, no Ray, beside the same with nothing kept.

A trivial trial that prints nothing, under each word of `capture`; and one that takes 0.2 ms, after each of which the
worker looks at its file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from figures import Figure, Run, in_turns, ratio
from sweeps import packaged
from trivial import trivial

from raylab.core.design import Factorial
from raylab.core.policy import Policy
from raylab.worker.lease import LeaseOrder, Package, run_lease


def short(p: float, n: int) -> dict[str, float]:
    """A trial of 0.2 ms."""
    until = time.perf_counter() + 2e-4
    while time.perf_counter() < until:
        pass
    return {"x": p * n}


def per_second(package: Package, trials: int, word: str) -> float:
    """Trials per second of one lease, its rows built."""
    order = LeaseOrder(lease=1, start=0, stop=trials, flush_s=0.5, policy=Policy(capture=word))
    began = time.perf_counter()
    for _ in run_lease(order, package):
        pass
    return trials / (time.perf_counter() - began)


def measure(run: Run) -> Iterator[Figure]:
    sizes: list[tuple[str, Callable[..., Any], int]] = [
        ("a trivial trial", trivial, run.size(1_000_000, 20_000)),
        ("a trial of 0.2 ms", short, run.size(10_000, 500)),
    ]
    for what, experiment, trials in sizes:
        package = packaged(experiment, Factorial(p=[i / 1000 for i in range(100)], n=range(trials // 100)))
        per_second(package, trials // 10, "all")
        for word in ("failed", "all"):
            ours, theirs = in_turns(
                lambda package=package, trials=trials, word=word: per_second(package, trials, word),
                lambda package=package, trials=trials: per_second(package, trials, "none"),
                2 * run.rounds,
            )
            than = "capture='none'"
            yield ratio("", f"{what}, capture={word!r}", ours, theirs, than=than, unit="trials/s", least=0.95)
