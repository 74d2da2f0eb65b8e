"""How long a lab is away whose actor is killed with -9, with 10,000,000 rows recorded.

From the kill to the next answer that a client gets, who asks as soon as the actor is dead and does nothing but ask
(`progress()` as ever, which repeats the call by itself). Beside the same with a bare detached actor that Ray restarts
in the same way, asked every few milliseconds. With the large sweep at rest, with the large sweep at work, and with
200 finished sweeps more.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import large
from bare import bare_actor
from clusters import eventually
from figures import Figure, Run, in_turns, ratio
from trials import trivial

AGAIN_S = 0.005
MOST = 2.0


def measure(run: Run) -> Iterator[Figure]:
    import raylab

    large.made(run)
    with large.cluster(run):
        bare = bare_actor("bare")
        lab = raylab.Lab(large.NAME)
        yield figure(run, lab, bare, "1 sweep, at rest")
        large.submit(lab, run)
        yield figure(run, lab, bare, "1 sweep, at work")
        lab.sweep(large.NAME).cancel()
        finished = run.size(200, 10)
        for number in range(finished):
            lab.submit(trivial, raylab.Factorial(p=[1, 2], n=0), name=f"finished-{number}")
        lab.wait(progress=False)
        yield figure(run, lab, bare, f"{finished} finished sweeps beside it")


def figure(run: Run, lab: Any, bare: Any, what: str) -> Figure:
    import ray

    sweep = lab.sweep(large.NAME)

    def answer() -> int:
        while True:
            try:
                pid: int = ray.get(bare.pid.remote())
                return pid
            except ray.exceptions.RayActorError:
                time.sleep(AGAIN_S)

    def lab_s() -> float:
        return away_s(lab.info()["pid"], sweep.progress)

    def bare_s() -> float:
        return away_s(answer(), answer)

    ours, theirs = in_turns(lab_s, bare_s, run.rounds)
    assert sweep.progress().rows >= large.rows(run)
    return ratio(
        "7",
        f"killed with -9, {large.rows(run):,} rows recorded, {what}: to the next answer",
        ours,
        theirs,
        than="a bare actor that Ray restarts",
        unit="s",
        most=MOST,
    )


def away_s(pid: int, ask: Callable[[], object]) -> float:
    """Kill the process; seconds from then to the next answer."""
    ask()
    began = time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(pid), every=AGAIN_S)  # else the answer may be one of the dead
    ask()
    return time.perf_counter() - began


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
