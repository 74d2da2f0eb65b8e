"""`query` as a person meets it: in a lab in memory, whose queries run in processes of their own."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest
from clusters import eventually
from said import refused, said

import raylab
import raylab.testing
from raylab.client import querying
from raylab.query.host import Query


class Unhappy(Exception):
    """Of the person's own."""


def squares(x: int, seed: int) -> dict[str, Any]:
    if x == 3:
        raise ValueError("three")
    return {"y": x * x, "draw": seed}


def gated(x: int, gate: str) -> dict[str, int]:
    while x and not os.path.exists(gate):  # noqa: PTH110
        time.sleep(0.005)
    return {"y": x}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[raylab.Lab]:
    with raylab.testing.lab(notebook=tmp_path_factory.mktemp("query") / "lab") as made:
        made.submit(squares, {"x": range(5)}, repeats=2, seed=1, name="coarse").wait(progress=False)
        made.submit(lambda x: {"y": -x}, {"x": range(3)}, seed=1, name="fine").wait(progress=False)
        yield made


@pytest.fixture
def sweep(lab: raylab.Lab) -> raylab.Sweep:
    return lab.sweep("coarse")


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> list[Query]:
    """All queries of a test, to look at them from outside."""
    made: list[Query] = []

    class Noted(Query):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr(querying, "Query", Noted)
    return made


def started() -> set[int]:
    """The processes that this one has started, and theirs."""
    return {each.pid for each in psutil.Process().children(recursive=True)}


def is_there(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


# the answer ---------------------------------------------------------------------------------------------------------


def test_the_rows_are_those_of_scan_whatever_is_asked_of_them(sweep: raylab.Sweep) -> None:
    found = sweep.query(lambda rows: rows, status="all", metadata=["_status", "_pid"])
    assert found.equals(sweep.scan(status="all", metadata=["_status", "_pid"]).collect())
    assert found.height == 10
    assert sweep.query(lambda rows: rows, columns=["y", "x"]).columns == ["y", "x"]
    assert sweep.query(lambda rows: rows.group_by("x").agg(pl.col("y").mean()).sort("x")).rows() == [
        (0, 0.0), (1, 1.0), (2, 4.0), (4, 16.0)
    ]  # fmt: skip


def test_several_sweeps_are_one_frame(lab: raylab.Lab) -> None:
    def count(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.group_by("_sweep").len().sort("_sweep")

    assert lab.query(count, ["coarse", "fine"]).rows() == [("coarse", 8), ("fine", 3)]
    with refused(raylab.SweepNotFound, "'coarse'", "'fine'"):
        lab.query(count)


def test_it_runs_in_a_process_of_its_own_whose_folder_is_empty_and_gone_afterwards(sweep: raylab.Sweep) -> None:
    here = os.getpid()

    def look(rows: pl.LazyFrame) -> pl.DataFrame:
        import raylab.query.process  # noqa: F401

        files = os.listdir()  # noqa: PTH208
        return pl.DataFrame({"pid": [os.getpid()], "folder": [os.getcwd()], "files": [len(files)], "ray": ["ray" in sys.modules]})  # noqa: E501, PTH109  # fmt: skip

    pid, folder, files, has_ray = sweep.query(look).row(0)
    assert pid != here
    assert (files, has_ray) == (0, False)  # Ray takes twice as long to load as all else
    eventually(lambda: not Path(folder).exists())
    assert not is_there(pid)


def test_what_it_says_is_said_here_and_what_it_raises_is_raised_here(
    sweep: raylab.Sweep, capfd: pytest.CaptureFixture[str]
) -> None:
    def unhappy(rows: pl.LazyFrame) -> None:
        import warnings

        print("looking")
        print("closely", file=sys.stderr)
        warnings.warn("odd", RuntimeWarning, stacklevel=1)
        raise Unhappy(rows.collect_schema().names()[0])

    def ask() -> BaseException:
        with pytest.raises(Unhappy, match="x") as caught:
            sweep.query(unhappy)
        return caught.value

    error, told = said(ask)
    assert told == ["odd"]
    out, err = capfd.readouterr()
    assert out == "looking\n"
    assert err == "closely\n"
    (note,) = error.__notes__
    assert "in unhappy\n    raise Unhappy(" in note
    assert "raylab/query" not in note


def test_a_query_that_is_wrong_in_itself_says_so_with_polarss_own_error(sweep: raylab.Sweep) -> None:
    with pytest.raises(pl.exceptions.ColumnNotFoundError, match="nope"):
        sweep.query(lambda rows: rows.select("nope"))


# what is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"memory": 1}, ("memory", "256,000,000", "got 1")),
        ({"memory": "4GB"}, ("memory", "'4GB'")),
        ({"memory": True}, ("memory", "True")),
        ({"timeout": 0}, ("timeout", "above 0", "got 0")),
        ({"timeout": float("nan")}, ("timeout", "nan")),
        ({"status": "fine"}, ("status", "'fine'")),
    ],
)
def test_limits_that_are_none_are_refused_before_anything_runs(
    sweep: raylab.Sweep, beside: list[Query], words: dict[str, Any], said: tuple[str, ...]
) -> None:
    with refused(ValueError, *said):
        sweep.query(lambda rows: rows, **words)
    assert not beside


def test_what_is_no_function_or_cannot_travel_is_refused_by_name(sweep: raylab.Sweep, beside: list[Query]) -> None:
    with refused(TypeError, "takes a function", "Expr"):
        sweep.query(pl.col("y").mean())  # type: ignore[arg-type]
    lock = threading.Lock()
    with refused(ValueError, "closure lock", "cannot travel to the lab's node"):
        sweep.query(lambda rows: rows.filter(lock.locked()))
    assert not beside


def test_a_sweep_that_is_gone_is_not_taken_for_its_successor(lab: raylab.Lab) -> None:
    lab.submit(lambda x: {"y": x}, {"x": [1]}, name="moved").wait(progress=False)
    old = lab.sweep("moved")
    lab.submit(lambda x: {"y": -x}, {"x": [1, 2]}, name="moved", if_exists="replace").wait(progress=False)
    with refused(raylab.SweepNotFound, "was replaced by"):
        old.query(lambda rows: rows)
    assert lab.query(lambda rows: pl.col("y").sum(), "moved~1").item() == 1
    lab.remove("moved")
    with refused(raylab.SweepNotFound, "was removed by"):
        lab.sweep("moved")


# limits -------------------------------------------------------------------------------------------------------------


def greedy(rows: pl.LazyFrame) -> int:
    held = []
    while True:
        held.append(b"x" * 50_000_000)


def test_one_that_takes_too_much_memory_dies_alone(sweep: raylab.Sweep) -> None:
    before = started()
    with refused(MemoryError, "more than 300 MB", "memory="):
        sweep.query(greedy, memory=300e6)
    assert started() <= before
    assert sweep.progress().ready == 10  # the lab answers


def test_one_that_takes_too_long_is_ended(sweep: raylab.Sweep) -> None:
    before = started()
    with refused(TimeoutError, "longer than 0.01 s", "timeout="):
        sweep.query(lambda rows: time.sleep(1000), timeout=0.01)
    assert started() <= before


def test_one_whose_process_dies_says_how(sweep: raylab.Sweep) -> None:
    with refused(RuntimeError, "by signal 6", "without an answer"):
        sweep.query(lambda rows: os.abort())


# who waits for whom -------------------------------------------------------------------------------------------------


def held_up(rows: pl.LazyFrame, began: str, gate: str) -> int:
    import subprocess

    child = subprocess.Popen(["sleep", "1000"])
    Path(f"{began}.half").write_text(f"{os.getpid()} {child.pid}")
    Path(f"{began}.half").rename(began)
    if not gate:
        sum(range(10**12))  # in C code, with Python's lock: no thread of this process would come to a word
    while not os.path.exists(gate):  # noqa: PTH110
        time.sleep(0.01)
    return 1


@pytest.fixture
def asking(
    request: pytest.FixtureRequest, sweep: raylab.Sweep, tmp_path: Path, gate: Path
) -> Iterator[tuple[threading.Thread, list[Any], list[int]]]:
    """A query that runs until the gate is there: its thread, what came of it, and its processes."""
    began, until = str(tmp_path / "began"), getattr(request, "param", str(gate))
    ends: list[Any] = []
    function: Callable[[pl.LazyFrame], int] = lambda rows: held_up(rows, began, until)  # noqa: E731

    def ask() -> None:
        try:
            ends.append(sweep.query(function))
        except Exception as error:
            ends.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    eventually(lambda: os.path.exists(began) or ends, 60)  # noqa: PTH110
    assert not ends, ends
    yield thread, ends, [int(pid) for pid in Path(began).read_text().split()]
    gate.touch()
    thread.join()


def test_the_lab_answers_and_records_while_a_query_runs(
    lab: raylab.Lab, asking: tuple[threading.Thread, list[Any], list[int]], gate: Path
) -> None:
    thread, ends, pids = asking
    new = lab.submit(lambda x: {"y": x}, {"x": range(20)}, name="meanwhile")
    assert new.wait(progress=False, timeout=60)
    assert new.results().height == 20
    assert not ends
    gate.touch()
    thread.join()
    assert ends == [1]
    eventually(lambda: not any(map(is_there, pids)))  # also what it has started and left


@pytest.mark.parametrize("asking", [""], indirect=True)
def test_nothing_is_left_of_one_that_is_ended_also_inside_of_c_code(
    beside: list[Query], asking: tuple[threading.Thread, list[Any], list[int]]
) -> None:
    _, _, pids = asking
    assert all(map(is_there, pids))
    beside[0].end()
    eventually(lambda: not any(map(is_there, pids)))


def test_one_that_nobody_asks_for_any_more_ends_by_itself(
    asking: tuple[threading.Thread, list[Any], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, pids = asking
    monkeypatch.setattr("raylab.query.host.PATIENCE_S", 0.0)
    eventually(lambda: not any(map(is_there, pids)))


def test_a_query_sees_what_has_come_by_then_and_a_sweep_that_grows_meanwhile(lab: raylab.Lab, gate: Path) -> None:
    sweep = lab.submit(gated, {"x": range(3), "gate": [str(gate)]}, name="gated", order="design")
    next(iter(sweep.updates(timeout=60)))
    assert sweep.query(lambda rows: rows.select(pl.len())).item() == 1
    sweep.extend({"x": [0, 7], "gate": [str(gate)]})
    gate.touch()
    assert sweep.wait(progress=False, timeout=60)
    assert sorted(sweep.query(lambda rows: rows.select("y"))["y"].to_list()) == [0, 1, 2, 7]
