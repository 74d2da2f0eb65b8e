"""What it costs to submit: designs of 10^3, 10^6 and 10^9 points, and code that the lab knows already.

The axes are three ranges, of 10, 100 and 1,000 levels each. Every submission is a new sweep of one function, given up
before the next one. Something else holds the cluster's slots meanwhile, so that no trial competes with what is
measured.

The second submit of known code (a new sweep of it, and the very same sweep again, as when a notebook's cell is run
again) is measured beside the least that such a thing can be: a call to a bare actor that makes one durable commit, an
Arrow file of one row written plainly: a temporary file, fsync, a link, fsync of the folder.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from bare import bare_actor
from clusters import Cluster
from driving import connected
from figures import Figure, Run, ratio
from trials import cube

SIDES = (10, 100, 1_000)
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
    than = "a bare actor call and one durable commit"
    for which, what in ((str(small), "a new sweep of known code"), ("again", "the same sweep again")):
        yield ratio("3", f"submit of {what}", took[which], took["bare"], than=than, unit="ms", most=MOST_OF_BARE)


def all_ms(lab: Any, commit: Callable[[], object], run: Run) -> dict[str, list[float]]:
    """Milliseconds of each, the median of a round of turns; the first round does not count."""
    names = (f"new-{number}" for number in itertools.count())
    submit(lab, SIDES[0], "known").cancel()
    medians: dict[str, list[float]] = {"again": [], "bare": [], **{str(side): [] for side in SIDES}}
    for _ in range(run.rounds + 1):
        took: dict[str, list[float]] = {which: [] for which in medians}
        for turn in range(run.size(20, 2)):
            for which in list(took)[:: -1 if turn % 2 else 1]:
                began = time.perf_counter()
                if which == "bare":
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


def submit(lab: Any, side: int, name: str) -> Any:
    import raylab

    return lab.submit(cube, raylab.Factorial(x=range(side), y=range(side), z=range(side)), name=name, seed=1)
