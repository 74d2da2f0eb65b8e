"""What the first use costs: `import raylab`, and a lease in a worker process that has just started.

`import raylab` in a fresh process, beside one that does nothing: the face is lazy, so this has to cost next to nothing,
and load none of the large libraries. What a worker imports for its first lease is timed by importing it in a fresh
process that has imported Ray, as a worker process has when its first task comes; what the lab's first lease in a fresh
worker process takes from Ray's call to the first header, beside an empty task in a process just as fresh.
"""

from __future__ import annotations

import itertools
import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from busy import trial
from driving import driver
from figures import Figure, Run, in_turns, ratio

if TYPE_CHECKING:
    from raylab.worker.lease import LeaseOrder, Package

LARGE = ("cloudpickle", "numpy", "polars", "pyarrow", "ray", "tqdm")
WORKERS_NEED = ("numpy", "pyarrow")
"""And Ray, which is there."""

MOST = 2.0
"""Times an empty process: `import raylab` may cost no more than starting Python."""

_numbers = itertools.count()


def measure(run: Run) -> Iterator[Figure]:
    tries = run.size(4 * run.rounds, 2)
    ours, theirs = in_turns(lambda: seconds_of("import raylab"), lambda: seconds_of("pass"), tries)
    yield ratio("-", "`import raylab`", ours, theirs, than="an empty process", unit="s", most=MOST)
    loaded = sorted(loads("import raylab"))
    yield Figure(
        row="-", what="large libraries loaded by it", value=len(loaded), most=0, unit="", beside=" ".join(loaded)
    )
    needless = sorted(loads("import ray, raylab.worker.lease") - loads(f"import ray, {', '.join(WORKERS_NEED)}"))
    words = " ".join(needless)
    yield Figure(row="-", what="needless ones loaded by a worker", value=len(needless), most=0, unit="", beside=words)
    for what in ("numpy", "pyarrow", "raylab.worker.lease"):
        yield import_ms(what, tries)
    yield from first_lease(min(run.rounds, run.size(5, 2)))


def seconds_of(code: str) -> float:
    """What a fresh process takes that runs this."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began


def loads(code: str) -> set[str]:
    """Which of the large libraries a fresh process has after this."""
    ask = f"{code}; import sys; print(*(name for name in {LARGE!r} if name in sys.modules))"
    return set(subprocess.run([sys.executable, "-c", ask], check=True, capture_output=True, text=True).stdout.split())


def import_ms(what: str, tries: int) -> Figure:
    """What it costs in a process that has Ray, those of `WORKERS_NEED` that come before it loaded already."""
    before = {"numpy": "import ray", "pyarrow": "import ray, numpy"}.get(what, "import ray, numpy, pyarrow")
    ask = f"{before}; from time import perf_counter as now; a = now(); import {what}; print(1_000 * (now() - a))"
    found = [
        float(subprocess.run([sys.executable, "-c", ask], check=True, capture_output=True, text=True).stdout)
        for _ in range(tries)
    ]
    return Figure(
        row="-", what=f"import {what} in a worker", value=statistics.median(found), unit="ms", beside=f"after {before}"
    )


def first_lease(rounds: int) -> Iterator[Figure]:
    """A lease in a fresh process, beside an empty task in another."""
    with driver(1):
        sent = pickle.dumps(lease())
        parts: list[dict[str, float]] = []

        def ours() -> float:
            took, part = in_fresh_process(stages, sent)
            parts.append(part)
            return took

        in_fresh_process(stages)  # the cluster's own first times
        sides = in_turns(ours, lambda: in_fresh_process(stages)[0], rounds)
        yield ratio("-", "first lease, in a fresh process", *sides, than="an empty task, in another", unit="s")
        for name in parts[0]:
            value = statistics.median(part[name] for part in parts)
            yield Figure(row="-", what=f"the first lease's {name}", value=value, unit="ms")


def lease() -> tuple[LeaseOrder, Package]:
    """A lease as the lab sends it to its workers."""
    from raylab.code.pack import pack
    from raylab.core.design import Factorial
    from raylab.core.segment import Segment
    from raylab.worker.lease import LeaseOrder, Package, Segments

    code = pack(trial)
    design = Factorial(turns=[1], n=range(10))
    segment = Segment(design=design.dumps(), size=design.size, repeats=1, order="random", key=1, seed=1)
    package = Package(key="startup", segments=Segments([segment]), pickle=code.pickle, modules=code.modules)
    return LeaseOrder(lease=1, start=0, stop=design.size, flush_s=0.5), package


def in_fresh_process(task: Any, *args: Any) -> tuple[float, Any]:
    """Seconds that a task takes in a process of its own, from the call to its value; and the value."""
    import ray

    # One with other variables than any before it is a new one.
    remote = ray.remote(task).options(runtime_env={"env_vars": {"BENCH": str(next(_numbers))}})
    began = time.perf_counter()
    value = ray.get(remote.remote(*args))
    return time.perf_counter() - began, value


def stages(sent: bytes | None = None) -> dict[str, float]:
    """Work through a lease, if there is one; the milliseconds of its stages."""
    if sent is None:
        return {}
    at = [time.perf_counter()]
    from raylab.worker.lease import run_lease

    at.append(time.perf_counter())
    stream = run_lease(*pickle.loads(sent))
    next(stream)
    at.append(time.perf_counter())
    next(stream)
    at.append(time.perf_counter())
    names = ("imports", "loading of the experiment", "first trials and batch")
    return {name: 1_000 * (b - a) for name, a, b in zip(names, at, at[1:], strict=False)}
