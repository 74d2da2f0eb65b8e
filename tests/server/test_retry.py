"""Retry, in memory: what failed runs again, what is counted and shown meanwhile, what is refused."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from said import refused, said

import raylab
import raylab.testing
from raylab.core.handle import Handle


class Marks:
    """Files by which a test tells its trials what to do."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder

    def bad(self, *levels: int) -> None:
        """The trials of these levels fail, and no others."""
        for path in self.folder.glob("bad-*"):
            path.unlink()
        for x in levels:
            (self.folder / f"bad-{x}").touch()

    def close(self) -> None:
        """No trial ends."""
        (self.folder / "closed").touch()

    def open(self) -> None:
        (self.folder / "closed").unlink()

    @property
    def axes(self) -> dict[str, Any]:
        return {"folder": [str(self.folder)]}


@pytest.fixture
def marks(tmp_path: Path) -> Marks:
    return Marks(tmp_path / "marks")


def fragile(x: int, folder: str, seed: int) -> dict[str, int]:
    while os.path.exists(f"{folder}/closed"):  # noqa: PTH110
        time.sleep(0.005)
    if os.path.exists(f"{folder}/bad-{x}"):  # noqa: PTH110
        raise ValueError(f"bad {x}")
    return {"y": x, "drawn": seed}


def finished(sweep: raylab.Sweep) -> raylab.Sweep:
    assert sweep.wait(timeout=60, progress=False), sweep.progress()
    return sweep


def rows(sweep: raylab.Sweep) -> pl.DataFrame:
    return sweep.results(status="all", metadata=True)


def test_what_failed_runs_again_with_its_seed_and_the_newest_record_counts(lab: raylab.Lab, marks: Marks) -> None:
    marks.bad(1, 4, 8)
    sweep = finished(lab.submit(fragile, {"x": range(10), **marks.axes}, name="s", repeats=2, seed=3))
    before, failures = rows(sweep), sweep.failures()
    assert failures.height == 6
    assert sweep.retry(status=["crashed", "timed_out"]) == 0
    marks.bad()
    marks.close()

    assert sweep.retry() == 6
    now = sweep.progress()
    assert (now.total, now.done, now.failed, now.ready, now.running + now.waiting) == (20, 14, 0, 14, 6)
    assert now.by_status == {"done": 14}
    assert now.state == "running"
    assert (sweep.ready(), sweep.ready_fraction()) == (False, 14 / 20)
    assert sweep.failures().is_empty(), "what is to be run again is no failure"
    assert sweep.failures().columns == failures.columns
    assert sweep.results(status="failed").height == 6, "their records are the newest there are"
    assert sweep.number_of_results() == 20
    assert sweep.wait(timeout=0, progress=False) is False
    marks.open()

    finished(sweep)
    now = sweep.progress()
    assert (now.done, now.failed, now.by_status, now.state) == (20, 0, {"done": 20}, "ready")
    after = rows(sweep)
    assert after.select("x", "_point", "_repeat", "_seed").equals(before.select("x", "_point", "_repeat", "_seed"))
    assert after["drawn"].to_list() == after["_seed"].to_list()
    assert after.filter(pl.col("x").is_in([1, 4, 8]))["_attempt"].to_list() == [2] * 6
    assert after["_attempt"].sum() == 26
    assert sweep.results().height == 20
    assert sweep.number_of_results() == 26
    assert [frame.height for frame in sweep.updates(timeout=5)] == [26], "the earlier rows stay readable"
    assert lab.sweeps().select("total", "done", "failed", "rows").rows() == [(20, 20, 0, 26)]
    assert sweep.retry() == 0


def test_what_fails_again_is_counted_once_and_can_be_run_once_more(lab: raylab.Lab, marks: Marks) -> None:
    marks.bad(0, 1, 2)
    sweep = finished(lab.submit(fragile, {"x": range(5), **marks.axes}, name="s"))
    marks.bad(1, 2)
    assert sweep.retry() == 3
    assert finished(sweep).progress().by_status == {"done": 3, "failed": 2}
    assert sweep.failures().select("x", "_attempt").rows() == [(1, 2), (2, 2)]
    marks.bad(2)
    assert sweep.retry(status="failed") == 2
    assert finished(sweep).failures().select("x", "_attempt").rows() == [(2, 3)]
    assert sweep.number_of_results() == 10
    assert sweep.results(status="all", metadata=["_attempt"])["_attempt"].to_list() == [2, 3, 3, 1, 1]
    assert sweep.scan(status="all").collect().height == 5
    assert sweep.results(status="failed")["x"].to_list() == [2]


def test_the_notebook_alone_tells_the_same(tmp_path: Path, marks: Marks) -> None:
    place = tmp_path / "lab"
    marks.bad(0, 1)
    with raylab.testing.lab(notebook=place) as lab:
        sweep = finished(lab.submit(fragile, {"x": range(4), **marks.axes}, name="s"))
        marks.close()
        assert sweep.retry() == 2
        counted = sweep.progress()
        assert raylab.Notebook(place).progress("s").by_status == counted.by_status == {"done": 2}
    assert (raylab.Notebook(place).progress("s").waiting, raylab.Notebook(place).progress("s").failed) == (2, 0)
    marks.open()
    marks.bad(1)
    with raylab.testing.lab(notebook=place) as lab:  # what was asked for goes on
        sweep = finished(lab.sweep("s"))
        assert sweep.progress().by_status == {"done": 3, "failed": 1}
        assert sweep.failures()["x"].to_list() == [1]
    marks.bad()
    with raylab.testing.lab(notebook=place) as lab:
        sweep = lab.sweep("s")
        assert sweep.progress().by_status == {"done": 3, "failed": 1}
        assert sweep.retry() == 1
        assert finished(sweep).progress().by_status == {"done": 4}
        shown = rows(sweep)
    notebook = raylab.Notebook(place)
    assert notebook.results("s", status="all", metadata=True).equals(shown)
    assert notebook.progress("s").by_status == {"done": 4}
    assert notebook.verify().is_empty()
    readme = (place / "README.md").read_text().partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(readme.replace('Path("sweeps")', f"Path({str(place)!r}) / 'sweeps'").replace('"SWEEP"', '"s"'), names)
    assert names["results"].sort("_point")["_attempt"].to_list() == [2, 3, 1, 1]


def test_an_answer_that_was_lost_is_given_again_and_nothing_runs_twice(lab: raylab.Lab, marks: Marks) -> None:
    """The client knows as many segments each time that it makes the same call again."""
    marks.bad(0, 1, 2)
    sweep = finished(lab.submit(fragile, {"x": range(5), **marks.axes}, name="s"))
    call = lab._client.connection.call
    asked = ("retry", Handle("s", "sweeps/s"), ("failed", "crashed"), 1, "ada")
    assert call(*asked) == 3
    assert call(*asked) == 3
    finished(sweep)  # they have failed again
    assert sweep.progress().failed == 3
    assert call(*asked) == 3
    assert sweep.ready()
    assert sweep.number_of_results() == 8
    assert len(lab._client.record("s").segments) == 2
    assert sweep.retry() == 3  # whoever knows of that asks for more


def test_a_sweep_that_runs_goes_on_and_what_is_out_does_not_run_again(lab: raylab.Lab, marks: Marks) -> None:
    marks.bad(0)
    sweep = lab.submit(fragile, {"x": range(3), **marks.axes}, name="s", order="design")
    while not sweep.progress().failed:
        time.sleep(0.01)
    marks.close()
    assert sweep.retry() <= 1
    marks.bad()
    marks.open()
    finished(sweep)
    assert sweep.progress().by_status == {"done": 3}


def test_a_sweep_that_paused_itself_goes_on(lab: raylab.Lab, marks: Marks) -> None:
    marks.bad(*range(150))
    sweep = lab.submit(fragile, {"x": range(150), **marks.axes}, name="s")
    assert sweep.wait(timeout=60, progress=False) is False
    paused = sweep.progress()
    assert paused.state == "paused"
    marks.bad()
    assert sweep.retry() == paused.failed >= 100
    finished(sweep)
    assert sweep.progress().by_status == {"done": 150}
    assert lab._client.record("s").paused == ""


def test_what_a_person_paused_stays_paused(lab: raylab.Lab, marks: Marks) -> None:
    marks.bad(0)
    marks.close()
    sweep = lab.submit(fragile, {"x": range(40), **marks.axes}, name="s", order="design")
    while not sweep.progress().running:
        time.sleep(0.01)
    sweep.pause()
    marks.open()
    while sweep.progress().running:
        time.sleep(0.01)
    marks.bad()
    left = sweep.progress().outstanding
    assert left
    assert sweep.retry() == 1
    now = sweep.progress()
    assert (now.state, now.outstanding, now.failed, now.retrying) == ("paused", left + 1, 0, 1)
    sweep.resume()
    assert finished(sweep).progress().by_status == {"done": 40}


def test_it_is_said_why_nothing_of_a_sweep_runs_again(lab: raylab.Lab, marks: Marks) -> None:
    marks.bad(*range(3))
    sweep = finished(lab.submit(fragile, {"x": range(3), **marks.axes}, name="s"))
    for bad in ("done", "all", [], ["failed", "lost"]):
        with pytest.raises(ValueError, match="out_of_memory"):
            sweep.retry(status=bad)
    sweep.lock()
    with refused(raylab.SweepLocked, "'s' is locked", "nothing of it runs again"):
        sweep.retry()

    cancelled = lab.submit(fragile, {"x": range(50), "folder": ["/"]}, name="c")
    cancelled.cancel()
    with refused(raylab.SweepLocked, "'c' is cancelled", "submitting it again", "retry()"):
        cancelled.retry()

    old = finished(lab.submit(fragile, {"x": [0], **marks.axes}, name="old"))
    new, _ = said(lambda: lab.submit(fragile, {"x": [0, 1], **marks.axes}, name="old", if_exists="replace"))
    with refused(raylab.SweepNotFound, "was replaced by"):
        old.retry()
    with refused(raylab.SweepLocked, "set aside"):
        lab.sweep("old~1").retry()
    assert finished(new).progress().failed == 2


def test_the_first_error_is_that_of_what_is_failed_now(lab: raylab.Lab, marks: Marks) -> None:
    def first_error() -> str | None:
        (status,) = lab._client.overview("s")
        return status.first_error

    marks.bad(1, 2)
    sweep = finished(lab.submit(fragile, {"x": range(1, 5), **marks.axes}, name="s", order="design"))
    assert "bad 1" in str(first_error())
    marks.bad(2)
    sweep.retry()
    finished(sweep)
    assert "bad 2" in str(first_error())
    marks.bad()
    sweep.retry()
    assert first_error() is None
    assert finished(sweep).progress().failed == 0
    assert first_error() is None
    (at_rest,) = raylab.Notebook(lab.info()["notebook"]).sweeps().to_dicts()
    assert at_rest["failed"] == 0


def test_another_policy_says_that_what_failed_stays_and_names_retry(lab: raylab.Lab, marks: Marks) -> None:
    marks.bad(0, 1)
    axes = {"x": range(4), **marks.axes}
    sweep = finished(lab.submit(fragile, axes, name="s"))
    for words in ({"retries": 1}, {"time_limit": 5.0, "retries": 1}):
        _, told = said(lambda words=words: lab.submit(fragile, axes, name="s", **words))  # type: ignore[misc]
        assert len(told) == 1, told
        assert "2 trials of 's' failed before this change" in told[0]
        assert "lab.sweep('s').retry() runs them again" in told[0]
    _, told = said(lambda: lab.submit(fragile, axes, name="s", time_limit=5.0, retries=1, description="more words"))
    assert told == []
    marks.bad()
    sweep.retry()
    finished(sweep)
    _, told = said(lambda: lab.submit(fragile, axes, name="s"))
    assert told == ["'s' is run otherwise from now on: retries: 0, was 1; time_limit: None, was 5.0"], "nothing failed"


def test_a_sweep_that_is_hidden_is_seen_again_when_something_of_it_runs(lab: raylab.Lab, marks: Marks) -> None:
    marks.bad(0)
    sweep = finished(lab.submit(fragile, {"x": range(3), **marks.axes}, name="s"))
    sweep.archive()
    assert lab.sweeps().is_empty()
    assert sweep.retry(status="timed_out") == 0
    assert lab.sweeps().is_empty()
    marks.bad()
    assert sweep.retry() == 1
    assert lab.sweeps()["name"].to_list() == ["s"]
    assert finished(sweep).progress().done == 3


def test_a_sweep_that_was_cancelled_when_nothing_was_left_runs_again(lab: raylab.Lab, marks: Marks) -> None:
    marks.bad(0)
    sweep = finished(lab.submit(fragile, {"x": range(3), **marks.axes}, name="s"))
    assert sweep.cancel() == 0
    marks.bad()
    assert sweep.retry() == 1
    assert finished(sweep).progress().by_status == {"done": 3}


def test_all_designs_and_what_a_sweep_has_grown_by(lab: raylab.Lab, marks: Marks) -> None:
    marks.bad(1, 7, 21)
    sweep = lab.submit(fragile, raylab.Points(x=[1, 2], folder=marks.axes["folder"] * 2), name="s", repeats=2)
    sweep.extend(raylab.Factorial(x=[1, 7, 8], **marks.axes), repeats=3)
    sweep.extend(raylab.Factorial(x=[20, 21], **marks.axes))
    finished(sweep)
    before = rows(sweep)
    failed = before.filter(_status="failed").height
    assert sorted(before.filter(_status="failed")["x"].to_list()) == [1] * 3 + [7] * 3 + [21] * 2
    marks.bad(7)
    assert sweep.retry() == failed == 8
    finished(sweep)
    marks.bad()
    assert sweep.retry() == 3
    assert finished(sweep).progress().by_status == {"done": before.height}
    same = ["x", "_point", "_repeat", "_seed"]
    assert rows(sweep).select(same).equals(before.select(same))
    sweep.extend(raylab.Factorial(x=[1, 7, 9], **marks.axes), repeats=3)  # a sweep that ran again still grows
    assert finished(sweep).progress().done == before.height + 3
