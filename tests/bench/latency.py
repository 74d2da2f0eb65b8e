"""Row 8: from the end of a trial until it counts as ready, which is when its row is durable.

A client asks for the number of ready trials all the time, and notes when it has grown. A row's `_seq` says how many
are before it, `_started` and `_elapsed_s` when its trial ended; all on the clock of one machine. Trials sleep: what is
measured is waiting, not work. In a mixture a row also waits for the trial that runs then, so the longest that may take
is taken off.
"""

from __future__ import annotations

import statistics
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence

import polars as pl
from busy import nap
from driving import driver
from figures import Figure, Run

import raylab

SLOTS = 2
LENGTHS_S = {"1 ms": (0.001, 8_000), "100 ms": (0.1, 200), "1 s": (1.0, 20), "10 s": (10.0, 4)}
"""How long a trial takes, and how many of them."""

LOOK_S = 0.01


def ready_times(sweep: raylab.Sweep) -> tuple[list[float], list[int]]:
    """When the number of ready trials was seen to have grown, and to what; until all are."""
    times: list[float] = []
    counts: list[int] = [0]
    while counts[-1] < sweep.design.size:
        ready = sweep.progress().ready
        if ready > counts[-1]:
            times.append(time.time())
            counts.append(ready)
        time.sleep(LOOK_S)
    return times, counts[1:]


def waits(sweep: raylab.Sweep) -> pl.DataFrame:
    """Seconds that each trial waited to count (`wait`), and those that the next one on its process took (`next`)."""
    times, counts = ready_times(sweep)
    rows = sweep.results(metadata=["_seq", "_started", "_elapsed_s", "_pid"]).sort("_started")
    ended = (rows["_started"].dt.epoch("us") / 1e6 + rows["_elapsed_s"]).to_list()
    seen = [times[bisect_right(counts, seq)] for seq in rows["_seq"].to_list()]
    rows = rows.with_columns(pl.Series("wait", [at - end for at, end in zip(seen, ended, strict=True)]))
    return rows.with_columns(pl.col("_elapsed_s").shift(-1).over("_pid").fill_null(0.0).alias("next"))


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def measure(run: Run) -> Iterator[Figure]:
    with driver(SLOTS):
        lab = raylab.Lab("latency")
        lab.submit(nap, {"seconds": [0.0] * 100}, name="warm-up").wait(progress=False)
        for words, (seconds, many) in LENGTHS_S.items():
            if run.quick and seconds * many > 5:
                continue
            design = raylab.Points(seconds=[seconds] * run.size(many, max(2, many // 10)))
            found = waits(lab.submit(nap, design, name=words.replace(" ", ""))).get_column("wait").to_list()
            what = f"from the end of a trial of {words} until it is ready"
            yield Figure(row="8", what=f"{what}: p50", value=statistics.median(found), most=0.7, unit="s")
            yield Figure(row="8", what=f"{what}: p99", value=percentile(found, 0.99), most=1.5, unit="s")
        many = run.size(400, 40)
        lengths = [0.02 * 2.718281828 ** statistics.NormalDist(0, 1.5).inv_cdf((i + 0.5) / many) for i in range(many)]
        rows = waits(lab.submit(nap, raylab.Points(seconds=lengths), name="mixture"))
        found = (rows["wait"] - rows["next"]).to_list()
        words = "a mixture of 1 ms to 2 s, less the next trial's length"
        yield Figure(row="8", what=f"{words}: p99", value=percentile(found, 0.99), most=1.5, unit="s")
