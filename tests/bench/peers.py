"""Row 1, the peers' part: points per second of a trivial function with two parameters, beside what others do.

    pip install -e ".[bench]"

The lab runs 1,000,000 points, from `submit` to the last row durable. The peers get as many as they manage in some
seconds, and record nothing on a disk: `client.map` of dask.distributed with two processes of one thread each; epyc's
ClusterLab with two engines of ipyparallel, which submits at most 100 points a second by its own will (it sleeps 0.01 s
after each, since jobs get lost otherwise) and asks for each result by itself; and, for the record, joblib and Ray's
`multiprocessing.Pool` with two processes and chunks. Who is not installed is left out. All begin warm, each in turns
with the lab, whose cluster is idle meanwhile.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from clusters import Tree, eventually
from driving import driver
from figures import Figure, Run, in_turns, ratio
from throughput import CHUNK, SLOTS, lab_sweep, per_second, points_of
from trivial import chunk, trivial

TRIALS = 1_000_000
EPYC_WAITS_S = 1.0
"""Between two looks of epyc at what is ready; its own 30 s would be most of what is measured."""

Measure = Callable[[int], float]
"""Points to points per second."""


def measure(run: Run) -> Iterator[Figure]:
    import raylab

    rounds = min(run.rounds, 3)
    with driver(SLOTS):
        lab = raylab.Lab("peers")
        lab_sweep(lab, 20_000)
        for name, needs, peer, points, least in PEERS:
            if missing := [module for module in needs if find_spec(module) is None]:
                print(f"{name} is left out: not installed here: {', '.join(missing)}", flush=True)
                continue
            points = run.size(points, points // 10)
            with peer() as speed:
                speed(max(10, points // 10))
                theirs = partial(speed, points)
                sides = in_turns(lambda: lab_sweep(lab, run.size(TRIALS, 20_000)), theirs, rounds)
            yield ratio(
                "1", f"throughput beside {name}", *sides, than=f"{points:,} there", unit="points/s", least=least
            )


@contextmanager
def with_dask() -> Iterator[Measure]:
    from distributed import Client, LocalCluster

    def speed(points: int) -> float:
        p, n = zip(*points_of(points), strict=True)
        return per_second(points, lambda: len(client.gather(client.map(trivial, p, n, pure=False))))

    with (
        LocalCluster(
            n_workers=SLOTS,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,  # it complains when it ends
        ) as cluster,
        Client(cluster) as client,
    ):
        yield speed


@contextmanager
def with_joblib() -> Iterator[Measure]:
    from joblib import Parallel, delayed

    def speed(points: int) -> float:
        given = points_of(points)
        parts = range(0, points, CHUNK)
        return per_second(
            points, lambda: sum(map(len, parallel(delayed(chunk)(given[at : at + CHUNK]) for at in parts)))
        )

    with Parallel(n_jobs=SLOTS) as parallel:
        yield speed


@contextmanager
def with_pool() -> Iterator[Measure]:
    from ray.util.multiprocessing import Pool

    def speed(points: int) -> float:
        given = points_of(points)
        return per_second(points, lambda: len(pool.starmap(trivial, given, chunksize=CHUNK)))

    with Pool(SLOTS) as pool:
        yield speed


@contextmanager
def with_epyc() -> Iterator[Measure]:
    """A process of its own has the lab: its experiment is a class of `__main__`, as in epyc's examples."""
    with tempfile.TemporaryDirectory(prefix="epyc-") as folder, engines(Path(folder)):

        def speed(points: int) -> float:
            command = [sys.executable, "-W", "ignore", "-c", EPYC, folder, str(points), str(EPYC_WAITS_S)]
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=at_home(folder), timeout=300)
            found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
            assert found["results"] == points, found
            return points / found["seconds"]

        yield speed


@contextmanager
def engines(folder: Path) -> Iterator[None]:
    """A controller of ipyparallel and two engines, as processes of their own."""
    names = {"controller": ["--ip=127.0.0.1"], "engine-1": [], "engine-2": []}
    trees: list[Tree] = []
    try:
        for name, more in names.items():
            (folder / name).mkdir()
            program = f"ipyparallel.{name.partition('-')[0]}"
            command = [sys.executable, "-m", program, "--profile-dir", str(folder / "profile"), *more]
            trees.append(Tree(command, cwd=folder / name, env=at_home(str(folder))))
            if name == "controller":
                eventually((folder / "profile" / "security" / "ipcontroller-engine.json").exists, 60)
        yield
    finally:
        for tree in reversed(trees):
            tree.kill()


def at_home(folder: str) -> dict[str, str]:
    return {**os.environ, "HOME": folder, "IPYTHONDIR": str(Path(folder) / "ipython")}


EPYC = """
import json, sys, time
from epyc import ClusterLab, Experiment
from ipyparallel import Client

folder, points, waits = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
profile = {"profile_dir": folder + "/profile"}

class Trivial(Experiment):
    def do(self, params):
        return {"x": params["p"] * params["n"], "y": params["p"] + params["n"]}

client = Client(**profile)
client.wait_for_engines(2, timeout=60)
client.close()
ClusterLab.WaitingTime = waits
lab = ClusterLab(**profile)
lab["p"] = [i / 1_000 for i in range(points // 10)]
lab["n"] = range(10)
began = time.perf_counter()
lab.runExperiment(Trivial())
lab.wait(240)
took = time.perf_counter() - began
print(json.dumps({"seconds": took, "results": lab.notebook().numberOfResults()}))
"""

PEERS: tuple[tuple[str, tuple[str, ...], Callable[[], AbstractContextManager[Measure]], int, float | None], ...] = (
    ("dask.distributed", ("distributed",), with_dask, 20_000, 300),
    ("epyc on ipyparallel", ("epyc", "ipyparallel"), with_epyc, 500, 2_000),
    (f"joblib, chunks of {CHUNK:,}", ("joblib",), with_joblib, 1_000_000, None),
    (f"Ray's Pool, chunks of {CHUNK:,}", (), with_pool, 1_000_000, None),
)
