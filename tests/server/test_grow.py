"""What had too little time is tried again with more, on a lab in memory. A trial takes what its parameter `takes` says,
since there is no alarm in a thread; out of memory is in core/test_enlarging.py and ray/test_memory.py."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from said import refused, said

import raylab
import raylab.testing
from raylab.errors import DesignError
from raylab.server.at_work import AtWork
from raylab.server.sweeps import Sweeps
from raylab.worker import lease
from raylab.worker.time_limit import Alarm


class Clock(Alarm):
    """An alarm for which a trial takes what it says."""

    def __init__(self, limit: float | None, *args: Any, **words: Any) -> None:
        super().__init__(limit, *args, **words)
        self.limit = limit

    def around(self, trial: Callable[..., Any]) -> Callable[..., Any]:
        def timed(params: dict[str, Any], *rest: Any) -> Any:
            limit = self.limit
            return (
                self._timed_out(limit, None) if limit is not None and params["takes"] > limit else trial(params, *rest)
            )

        return timed


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "Alarm", Clock)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[raylab.Lab]:
    with raylab.testing.lab(notebook=tmp_path / "lab", resources={"CPU": 4, "memory": 8e9}) as lab:
        yield lab


def work(takes: float, seed: int) -> dict[str, float]:
    if takes < 0:
        raise ValueError("before the start")
    return {"took": takes, "drawn": seed}


TAKES = {"takes": [1, 15, 35, 70, 1000]}
TWICE = {"time_limit": 2.0}


def selections(sweep: raylab.Sweep) -> int:
    """How many segments run trials again."""
    return sum(bool(segment.selection) for segment in sweep._client.record(sweep.name).segments)


def test_what_timed_out_is_tried_again_with_more_time_until_its_tries_are_over(lab: raylab.Lab) -> None:
    sweep = lab.submit(work, TAKES, name="s", repeats=3, seed=1, time_limit=10, grow={"time_limit": 2.0, "tries": 3})
    assert sweep.wait(timeout=60, progress=False), sweep.progress()
    rows = sweep.results(status="all", metadata=["_status", "_attempt", "_seed", "_error"])
    assert rows["_status"].to_list() == ["done"] * 12 + ["timed_out"] * 3
    assert rows.filter(takes=1)["_attempt"].to_list() == [1] * 3
    least = rows.group_by("takes", maintain_order=True).agg(pl.col("_attempt").min())["_attempt"]
    assert least.is_sorted(), "the longer it takes, the more often it was tried; some also with a lease that ended"
    error = "it took longer than its time limit of 80 s; it was tried with 10 s, 20 s, 40 s and 80 s"
    assert set(rows.filter(takes=1000)["_error"]) == {error}
    progress = sweep.progress()
    assert (progress.total, progress.done, progress.failed, progress.state) == (15, 12, 3, "ready")
    assert progress.by_status == {"done": 12, "timed_out": 3}
    plain = lab.submit(work, TAKES, name="plain", repeats=3, seed=1)
    assert plain.wait(timeout=60, progress=False)
    seeds = plain.results(metadata=["_seed"])["_seed"].to_list()
    assert rows["_seed"].to_list() == seeds, "the same trial has the same seed"


def test_the_most_that_a_person_said_is_the_last_try(lab: raylab.Lab) -> None:
    sweep = lab.submit(work, TAKES, name="s", time_limit=10, grow={"time_limit": (4.0, 50), "tries": 9})
    assert sweep.wait(timeout=60, progress=False)
    assert sweep.results()["takes"].to_list() == [1, 15, 35]
    errors = set(sweep.failures()["_error"])
    assert errors == {"it took longer than its time limit of 50 s; it was tried with 10 s, 40 s and 50 s"}


def test_each_class_grows_from_its_own_limit(lab: raylab.Lab) -> None:
    limits = {"takes": {1: 1, 15: 4, 35: 4, 70: 40, 1000: 1}}
    sweep = lab.submit(work, TAKES, name="s", time_limit=limits, grow={"time_limit": 2.0, "tries": 2})
    assert sweep.wait(timeout=60, progress=False)
    found = sweep.results(status="all", metadata=["_status", "_attempt"]).select("takes", "_status").rows()
    assert found == [(1, "done"), (15, "done"), (35, "timed_out"), (70, "done"), (1000, "timed_out")]
    assert "4 s, 8 s and 16 s" in sweep.failures().filter(takes=35)["_error"][0]


def test_other_failures_do_not_grow(lab: raylab.Lab) -> None:
    sweep = lab.submit(work, {"takes": [-1, 1, 15]}, name="s", time_limit=10, grow=TWICE)
    assert sweep.wait(timeout=60, progress=False)
    rows = sweep.results(status="all", metadata=["_status", "_attempt"])
    assert rows["_status"].to_list() == ["failed", "done", "done"]
    assert rows["_attempt"].to_list()[:2] == [1, 1]


def test_many_are_tried_again_by_few_requests(lab: raylab.Lab) -> None:
    sweep = lab.submit(work, {"takes": range(1, 501)}, name="s", time_limit=10, grow={"time_limit": 2.0, "tries": 4})
    assert sweep.wait(timeout=60, progress=False)
    assert sweep.progress().by_status == {"done": 160, "timed_out": 340}
    assert 4 <= selections(sweep) <= 15


def test_a_hundred_time_outs_at_the_start_do_not_pause_what_grows(lab: raylab.Lab) -> None:
    sweep = lab.submit(
        work, {"takes": range(20, 140)}, name="s", time_limit=10, grow={"time_limit": 20.0}, max_failures=5
    )
    assert sweep.wait(timeout=60, progress=False), sweep.progress()
    assert sweep.progress().done == 120


def test_what_is_spent_counts_towards_max_failures(lab: raylab.Lab) -> None:
    sweep = lab.submit(
        work, {"takes": range(1, 60)}, name="s", time_limit=10, grow={"time_limit": 2.0, "tries": 1}, max_failures=30
    )
    assert not sweep.wait(timeout=60, progress=False) or sweep.progress().failed == 39


def test_a_lab_that_starts_again_goes_on_growing(tmp_path: Path) -> None:
    notebook = tmp_path / "lab"
    with raylab.testing.lab(notebook=notebook, resources={"CPU": 4}) as lab:
        sweep = lab.submit(work, TAKES, name="s", time_limit=10)
        assert sweep.wait(timeout=60, progress=False)
        assert sweep.progress().by_status == {"done": 1, "timed_out": 4}
        grown = lab.submit(work, TAKES, name="s", time_limit=10, grow=TWICE)
        lab.shutdown(force=True)
    with raylab.testing.lab(notebook=notebook, resources={"CPU": 4}) as lab:
        again = lab.sweep("s")
        assert again.wait(timeout=60, progress=False), again.progress()
        assert again.progress().by_status == {"done": 4, "timed_out": 1}
        assert again.results(status="all", metadata=["_attempt"])["_attempt"].max() == 4
        before = selections(again)
    with raylab.testing.lab(notebook=notebook, resources={"CPU": 4}) as lab:
        assert lab.wait(timeout=60, progress=False)
        assert lab.sweep("s").progress().by_status == {"done": 4, "timed_out": 1}
        assert selections(lab.sweep("s")) == before, "what is spent stays"
    assert grown.name == "s"


def test_a_cancelled_sweep_grows_when_it_is_let_go_on(lab: raylab.Lab) -> None:
    sweep = lab.submit(work, TAKES, name="s", time_limit=10)
    assert sweep.wait(timeout=60, progress=False)
    sweep.cancel()
    sweep.change(grow=TWICE)
    assert sweep.progress().by_status == {"done": 1, "timed_out": 4}
    sweep.resume()
    assert sweep.wait(timeout=60, progress=False)
    assert sweep.progress().by_status == {"done": 4, "timed_out": 1}
    assert sweep.info()["grow"] == {"time_limit": [2.0, None], "tries": 3}


def test_one_that_was_cancelled_before_it_was_put_away_grows_as_well(
    lab: raylab.Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_free, is_away, put_away = threading.Event(), threading.Event(), Sweeps.put_away

    async def late(sweeps: Sweeps, sweep: AtWork, complete: int) -> None:
        await asyncio.to_thread(is_free.wait, 20)
        await put_away(sweeps, sweep, complete)
        is_away.set()

    monkeypatch.setattr(Sweeps, "put_away", late)
    sweep = lab.submit(work, TAKES, name="s", time_limit=10)
    assert sweep.wait(timeout=60, progress=False)
    sweep.cancel()
    sweep.change(grow=TWICE)
    is_free.set()
    assert is_away.wait(20)
    sweep.resume()
    assert sweep.wait(timeout=60, progress=False)
    assert sweep.progress().by_status == {"done": 4, "timed_out": 1}


def test_growing_ends_with_the_policy(lab: raylab.Lab) -> None:
    sweep = lab.submit(work, TAKES, name="s", time_limit=10, grow={"time_limit": 2.0, "tries": 1})
    assert sweep.wait(timeout=60, progress=False)
    sweep.change(grow=None)
    assert sweep.progress().by_status == {"done": 2, "timed_out": 3}
    assert sweep.retry(status="timed_out") == 3
    assert sweep.wait(timeout=60, progress=False)
    assert sweep.progress().by_status == {"done": 2, "timed_out": 3}
    sweep.change(grow={"time_limit": 10.0, "tries": 5})
    assert sweep.wait(timeout=60, progress=False)
    assert sweep.progress().by_status == {"done": 5}


@pytest.mark.parametrize(
    ("grow", "words"),
    [
        ({"memory": 2.0}, "so memory= says what it is at first"),
        ({"time_limit": 1.0}, "a factor above 1"),
        ({"time_limit": (2.0, 5)}, "to 5 at most, and it is 10 at first"),
        ({"time_limit": 2.0, "tries": 0}, "tries is a whole number from 1"),
        ({"num_cpus": 2.0}, "a factor each for 'memory' and 'time_limit'"),
        ({"tries": 2}, "at least one of the two"),
        (2.0, "a factor each for 'memory' and 'time_limit'"),
        ({"time_limit": "double"}, "a factor above 1"),
    ],
)
def test_what_cannot_be_used_is_refused(lab: raylab.Lab, grow: Any, words: str) -> None:
    with refused(DesignError, words):
        lab.submit(work, TAKES, name="s", time_limit=10, grow=grow)
    assert lab.sweeps().height == 0


def test_nothing_is_said_where_nothing_grows(lab: raylab.Lab) -> None:
    _, told = said(lambda: lab.submit(work, TAKES, name="s", time_limit=10, grow=TWICE))
    assert told == []
