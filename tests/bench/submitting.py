"""What it costs to submit: designs of 10^3, 10^6 and 10^9 points, and code that the lab knows already.

The axes are three ranges, of 10, 100 and 1,000 levels each. Every submission is a new sweep of one function, given up
before the next one. Something else holds the cluster's slots meanwhile, so that no trial competes with what is
measured.

So does an extension: of a grid of 10^9 points to one of 4 × 10^9, beside submitting 10^3.

The second submit of known code (a new sweep of it, and the very same sweep again, as when a notebook's cell is run
again) is measured beside the least that such a thing can be: a call to a bare actor that makes one durable commit, an
Arrow file of one row written plainly: a temporary file, fsync, a link, fsync of the folder.
"""

from __future__ import annotations

import itertools
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from bare import bare_actor
from clusters import Cluster
from driving import connected
from figures import Figure, Run, ratio
from trials import cube

SIDES = (10, 100, 1_000)
GRID = (10**5, 10**4)
MOST_OF_SMALL = 1.3
MOST_OF_BARE = 5.0


def measure(run: Run) -> Iterator[Figure]:
    import ray

    import raylab

    with Cluster() as cluster, connected(cluster.address):
        lab = raylab.Lab("submitting")
        bare = bare_actor("bare", str(cluster.home / "submitting"))
        busy = bare_actor("busy", num_cpus=cluster.num_cpus)
        took = all_ms(lab, lambda: ray.get(bare.commit.remote()), run)
        del busy
    small, *larger = SIDES
    for side in larger:
        what = f"submit of {side**3:,} points"
        than = f"of {small**3:,}"
        yield ratio("3", what, took[str(side)], took[str(small)], than=than, unit="ms", most=MOST_OF_SMALL)
    what = f"extend {GRID[0] * GRID[1]:,} points to {4 * GRID[0] * GRID[1]:,}"
    yield ratio(
        "3", what, took["extend"], took[str(small)], than=f"submit of {small**3:,}", unit="ms", most=MOST_OF_SMALL
    )
    than = "a bare actor call and one durable commit"
    for which, what in ((str(small), "a new sweep of known code"), ("again", "the same sweep again")):
        yield ratio("3", f"submit of {what}", took[which], took["bare"], than=than, unit="ms", most=MOST_OF_BARE)


def all_ms(lab: Any, commit: Callable[[], object], run: Run) -> dict[str, list[float]]:
    """Milliseconds of each, the median of a round of turns; the first round does not count."""
    names = (f"new-{number}" for number in itertools.count())
    submit(lab, SIDES[0], "known").cancel()
    medians: dict[str, list[float]] = {"again": [], "bare": [], "extend": [], **{str(side): [] for side in SIDES}}
    for _ in range(run.rounds + 1):
        took: dict[str, list[float]] = {which: [] for which in medians}
        for turn in range(run.size(20, 2)):
            for which in list(took)[:: -1 if turn % 2 else 1]:
                given_up = grid(lab, next(names)) if which == "extend" else None
                began = time.perf_counter()
                if given_up is not None:
                    sweep = twice_as_wide(given_up)
                elif which == "bare":
                    commit()
                elif which == "again":
                    sweep = submit(lab, SIDES[0], "known")
                else:
                    sweep = submit(lab, int(which), next(names))
                took[which].append(1_000 * (time.perf_counter() - began))
                if which != "bare":
                    sweep.cancel()
        for which, each in took.items():
            medians[which].append(statistics.median(each))
    return {which: each[1:] for which, each in medians.items()}


def grid(lab: Any, name: str) -> Any:
    """A sweep of 10^9 points, given up."""
    sweep = lab.submit(product, {"x": range(GRID[0]), "y": range(GRID[1])}, name=name, seed=1)
    sweep.cancel()
    return sweep


def product(x: int, y: int) -> dict[str, int]:
    return {"z": x * y}


def twice_as_wide(sweep: Any) -> Any:
    """The sweep, extended to twice as many levels on each axis. What it warns of, that it is cancelled, is meant."""
    with warnings.catch_warnings(action="ignore"):
        sweep.extend({"x": range(2 * GRID[0]), "y": range(2 * GRID[1])})
    return sweep


def submit(lab: Any, side: int, name: str) -> Any:
    import raylab

    return lab.submit(cube, raylab.Factorial(x=range(side), y=range(side), z=range(side)), name=name, seed=1)
