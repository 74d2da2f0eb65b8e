"""Growing, on a lab in memory: from `extend` and `if_exists="extend"` to rows."""

from __future__ import annotations

import importlib
import math
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from said import refused, said

import raylab
import raylab.testing
from raylab import Factorial, Points
from raylab.errors import DesignError, SweepExists, SweepLocked, SweepNotFound
from raylab.notebook.posix import PosixStore
from raylab.notebook.requests import from_rows
from raylab.notebook.table_files import listing

GRID = {"p": [0.1, 0.2], "L": [1, 2]}
WIDER = {"p": [0.1, 0.15, 0.2], "L": [1, 2, 3]}


def drawn(p: float, L: int, seed: int) -> dict[str, float]:  # noqa: N803
    return {"y": p * L, "drawn": seed}


def gated(x: int, gate: str) -> dict[str, int]:
    import time
    from pathlib import Path

    while not Path(gate).exists():
        time.sleep(0.02)
    return {"y": x}


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[str]:
    yield str(tmp_path / "gate")
    (tmp_path / "gate").touch()


def finished(sweep: raylab.Sweep) -> pl.DataFrame:
    assert sweep.wait(timeout=60, progress=False), sweep.progress()
    return sweep.results(metadata=True)


# what is added --------------------------------------------------------------------------------------------------


def test_what_is_new_comes_and_what_was_there_does_not_change_by_a_bit(lab: raylab.Lab) -> None:
    sweep = lab.submit(drawn, GRID, name="s", repeats=2, seed=1)
    before = finished(sweep)
    assert sweep.extend(WIDER) == 10
    assert sweep.progress().total == 18
    after = finished(sweep)
    assert after.height == 18
    assert after.head(8).equals(before)
    assert after["_seed"].n_unique() == 18
    assert after.select("p", "L").unique().height == 9
    assert after["_point"].unique().sort().to_list() == list(range(9))
    assert sweep.extend(WIDER) == sweep.extend(GRID) == sweep.extend(WIDER, repeats=1) == 0
    assert sweep.extend(repeats=3) == 9
    assert sweep.extend([{"L": 2, "p": 0.15}, {"L": 2, "p": 0.15}, {"L": 9, "p": 0.15}], repeats=5) == 2 + 5
    rows = finished(sweep)
    assert rows.filter(pl.col("_repeat") < 2, pl.col("_point") < 9).equals(after)
    counts = rows.group_by("p", "L").len().sort("p", "L")
    assert counts.filter(p=0.15)["len"].to_list() == [3, 5, 3, 5]
    assert counts["len"].sum() == sweep.progress().total == 27 + 2 + 5
    assert rows.sort("_point", "_repeat").equals(rows)
    assert rows.group_by("p", "L").agg(pl.col("_seed").n_unique() == pl.len())["_seed"].all()


def test_rows_of_a_sweep_that_grew_are_read_from_the_notebook_alone(tmp_path: Path) -> None:
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        sweep = lab.submit(drawn, GRID, name="s", seed=1)
        finished(sweep)
        assert (sweep.extend(WIDER), sweep.extend({"p": [0.1], "L": [1, 5]}, repeats=2)) == (5, 1 + 2)
        rows = finished(sweep)
        info = sweep.info()
    notebook = raylab.Notebook(tmp_path / "lab")
    assert notebook.results("s", metadata=True).equals(rows)
    assert notebook.progress("s").done == rows.height == 12
    assert notebook.sweeps()["design"].to_list() == [info["design"]]
    assert notebook.verify().is_empty()
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        assert lab.results("s", metadata=True).equals(rows)
        assert lab.sweep("s").extend({"p": [0.3], "L": [1]}) == 1
        assert finished(lab.sweep("s")).head(12).equals(rows)


@pytest.mark.parametrize("lost", [-1, -2], ids=["the last growth", "an earlier one"])
@pytest.mark.parametrize("running", [False, True], ids=["an opening tells", "nothing tells"])
def test_what_was_added_is_found_again_when_its_request_is_lost(
    tmp_path: Path, gate: str, running: bool, lost: int
) -> None:
    axes = [{"x": range(size), "gate": [gate]} for size in (2, 4, 6)]
    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        sweep = lab.submit(gated, axes[0], name="s", seed=1)
        for more in axes[1:] if running else ():
            sweep.extend(more)
        Path(gate).touch()
        rows = finished(sweep)
    for more in () if running else axes[1:]:
        with raylab.testing.lab(notebook=tmp_path / "lab") as lab:  # a new one opens the complete sweep's table again
            lab.sweep("s").extend(more)
            rows = finished(lab.sweep("s"))
    files = listing(PosixStore(tmp_path / "lab"), "requests")
    grown = [file.info.path for file in files if any(each.kind == "grown" for each in from_rows(file.table))]
    (tmp_path / "lab" / grown[lost]).write_bytes(b"")
    raylab.Notebook(tmp_path / "lab").copy(tmp_path / "new", salvage=True)
    with raylab.testing.lab(notebook=tmp_path / "new") as lab:
        if running:
            for more in axes[1:]:
                lab.submit(gated, more, name="s", if_exists="extend")
        progress = lab.progress("s")
        assert (progress.total, progress.done, progress.waiting) == (6, 6, 0)
        assert lab.results("s", metadata=True).equals(rows)
        assert lab.sweep("s").extend({"x": [9], "gate": [gate]}) == 1
        lab.submit(gated, axes[0], name="s")
        assert finished(lab.sweep("s")).height == 7


def test_what_the_sweep_has_grown_to_is_told(lab: raylab.Lab) -> None:
    sweep = lab.submit(drawn, GRID, name="s")
    assert sweep.design == Factorial(GRID)
    sweep.extend(WIDER)
    assert (
        sweep.info()["design"]
        == "Factorial(p=0.1 to 0.2 (2 levels), L=1 to 2 (2 levels)) of 4 points, grown to 9 points"
    )
    sweep.extend(repeats=2)
    info = sweep.info()
    assert info["design"].endswith(" of 4 points, grown to 9 points in up to 2 repeats")
    assert (info["total"], info["repeats"]) == (18, 2)
    assert lab.sweeps()["design"].to_list() == [info["design"]]
    design = sweep.design
    assert (len(design), design.parameters) == (9, ("p", "L"))
    for point, p, size in finished(sweep).select("_point", "p", "L").iter_rows():
        assert design[point] == {"p": p, "L": size}
    other = lab.submit(drawn, design, name="other", repeats=2)
    assert finished(other).select("p", "L", "y").equals(finished(sweep).select("p", "L", "y"))
    assert other.extend({"p": [0.2, 7.5], "L": [1]}) == 2
    assert sweep.extend(other.design) == 1


@pytest.mark.parametrize(
    "more",
    [
        pl.DataFrame({"L": [1, 7], "p": [0.1, 0.1]}),
        [{"p": 0.1, "L": 7}],
        {"p": 0.1, "L": [7, 7, 1]},
        Points(L=[7, 1, 7], p=0.1),
        Factorial(L=[7], p=[0.1]),
    ],
    ids=lambda more: type(more).__name__,
)
def test_points_are_given_as_submit_takes_them(lab: raylab.Lab, more: Any) -> None:
    sweep = lab.submit(drawn, GRID, name="s")
    assert sweep.extend(more) == 1
    assert finished(sweep)["L"].to_list() == [1, 2, 1, 2, 7]


def test_rows_handed_back_get_more_repeats(lab: raylab.Lab) -> None:
    sweep = lab.submit(drawn, GRID, name="s", repeats=2)
    rows = finished(sweep)
    few = rows.filter(pl.col("y") > 0.3).select("p", "L", "_repeat")
    added, told = said(lambda: sweep.extend(few, repeats=4))
    assert added == 2
    assert "_repeat: these columns are about trials" in told[0]
    assert finished(sweep).group_by("p", "L").len().sort("p", "L")["len"].to_list() == [2, 2, 2, 4]


ODD_ROWS: list[dict[str, Any]] = [
    {
        "moment": datetime(2026, 1, at, tzinfo=UTC),
        "place": datetime(2026, 1, at, tzinfo=ZoneInfo("Europe/Berlin")),
        "pair": (at, 2),
        "words": (at, "a"),
        "array": np.array([at, math.nan]),
        "phase": complex(0, at),
        "price": Decimal(at) / 2,
        "some": frozenset([at]),
        "status": HTTPStatus(200 + at),
        "small": np.int32(at),
        "half": np.float32(at / 3),
        "day": np.datetime64(f"2026-01-0{at}T00"),
        "number": [1, 2.5, 3][at - 1],
        "long": "x" * (2000 + at),
        "mixed": ["a", 1, 0.5][at - 1],
        "plain": at,
        **({"absent": at} if at > 1 else {}),
    }
    for at in (1, 2, 3)
]


def odd(
    moment: Any, place: Any, pair: Any, words: Any, array: Any, phase: Any, price: Any, some: Any, status: Any,
    small: Any, half: Any, day: Any, number: Any, long: Any, mixed: Any, plain: Any, absent: Any = None,
) -> dict[str, str]:  # fmt: skip
    return {"y": repr(pair)}


def nullable(rows: pl.DataFrame) -> Any:
    return rows.to_pandas(use_pyarrow_extension_array=True)  # else ints with a null are floats


@pytest.mark.parametrize("convert", [pl.DataFrame.clone, nullable, pl.DataFrame.to_arrow])
def test_rows_handed_back_are_the_points_that_they_came_from(lab: raylab.Lab, convert: Any) -> None:
    sweep = lab.submit(odd, ODD_ROWS, name="s")
    rows = finished(sweep).drop("y")
    some = rows.drop([name for name in rows.columns if name.startswith("_")])
    assert said(lambda: sweep.extend(convert(some), repeats=2)) == (3, [])
    assert said(lambda: sweep.extend(convert(some.select(sweep.design.parameters)), repeats=2)) == (0, [])
    assert said(lambda: sweep.extend(convert(rows), repeats=3))[0] == 3
    assert sweep.extend([sweep.design[at] for at in rows["_point"]], repeats=3) == 0
    finished(sweep)


@pytest.mark.parametrize("convert", [pl.DataFrame.clone, nullable, pl.DataFrame.to_arrow])
@pytest.mark.parametrize("if_exists", ["extend", "continue"])
def test_rows_that_are_submitted_are_these_points_too(lab: raylab.Lab, convert: Any, if_exists: str) -> None:
    sweep = lab.submit(odd, ODD_ROWS, name="s")
    rows = finished(sweep).drop("y")
    plain = rows.select(sweep.design.parameters)
    for repeats, given in ((1, plain), (2, plain), (3, rows)):
        again, _ = said(
            lambda given=given, repeats=repeats: lab.submit(  # type: ignore[misc]
                odd, convert(given), name="s", repeats=repeats, if_exists=if_exists
            )
        )
        assert again.progress().total == 3 * repeats
    finished(sweep)


@pytest.mark.parametrize(
    ("levels", "row", "words"),
    [
        ([(1, 2)], {"x": [[1, 3]]}, "[1, 3] is of another kind, list"),
        ([1, 2], {"x": [1.0]}, "1.0 (float) and 1 (int), which is there"),
        ([HTTPStatus.OK], {"x": ["HTTPStatus.GONE"]}, "'HTTPStatus.GONE' is of another kind, str"),
    ],
)
def test_what_no_level_stands_as_is_refused_with_the_way(lab: raylab.Lab, levels: Any, row: Any, words: str) -> None:
    sweep = lab.submit(lambda x: {"y": 1}, {"x": levels}, name="s")
    with refused(DesignError, words, "raylab.Points([sweep.design[i] for i in rows['_point']])"):
        sweep.extend(pl.DataFrame(row))


def test_results_that_are_handed_back_are_to_be_left_out(lab: raylab.Lab) -> None:
    sweep = lab.submit(drawn, GRID, name="s")
    finished(sweep)
    with refused(DesignError, "'y' is new, 'drawn' is new. So leave out 'y', 'drawn', as results are left out"):
        sweep.extend(sweep.results())


# whatever the sweep is doing ------------------------------------------------------------------------------------


def test_a_sweep_that_runs_grows_and_what_is_out_counts_as_there(lab: raylab.Lab, gate: str) -> None:
    sweep = lab.submit(gated, {"x": range(5), "gate": [gate]}, name="s", repeats=2)
    assert sweep.extend({"x": range(8), "gate": [gate]}, repeats=3) == 5 + 9
    assert (sweep.progress().total, sweep.progress().done) == (24, 0)
    assert sweep.extend({"x": range(8), "gate": [gate]}, repeats=3) == 0
    Path(gate).touch()
    assert finished(sweep).group_by("x").len()["len"].to_list() == [3] * 8


def test_a_sweep_that_is_paused_grows_and_stays_paused(lab: raylab.Lab) -> None:
    def fails(x: int) -> dict[str, float]:
        return {"y": 1 / x if x > 1000 else 1 // 0}

    sweep = lab.submit(fails, {"x": range(200)}, name="s")
    assert not sweep.wait(timeout=60, progress=False)
    assert sweep.progress().state == "paused"
    added, told = said(lambda: sweep.extend({"x": range(1001, 1011)}))
    assert added == 10
    assert "'s' is paused" in told[0]
    assert "10 trials were added" in told[0]
    assert (sweep.progress().state, sweep.progress().total) == ("paused", 210)
    lab.submit(fails, {"x": range(200)}, name="s")
    sweep.wait(timeout=60, progress=False)
    assert sweep.progress().total == 210


def check_cancelled(lab: raylab.Lab, axes: dict[str, Any]) -> None:
    sweep = lab.sweep("s")
    added, told = said(lambda: sweep.extend({**axes, "x": range(9)}))
    assert (added, len(told)) == (4, 1)
    assert "'s' is cancelled" in told[0]
    progress = sweep.progress()
    assert (progress.state, progress.total, progress.cancelled) == ("cancelled", 9, 9)
    Path(axes["gate"][0]).touch()
    assert lab.submit(gated, axes, name="s").wait(timeout=60, progress=False)
    assert sweep.progress().done == 9


def test_a_sweep_that_was_cancelled_grows_and_stays_cancelled(tmp_path: Path, gate: str) -> None:
    axes = {"x": range(5), "gate": [gate]}
    with raylab.testing.lab(notebook=tmp_path / "one") as lab:
        lab.submit(gated, axes, name="s").cancel()
        check_cancelled(lab, axes)
    Path(gate).unlink()
    with raylab.testing.lab(notebook=tmp_path / "other") as lab:
        lab.submit(gated, axes, name="s").cancel()
    with raylab.testing.lab(notebook=tmp_path / "other") as lab:
        check_cancelled(lab, axes)


def test_a_locked_sweep_takes_nothing_more(lab: raylab.Lab) -> None:
    sweep = lab.submit(drawn, GRID, name="s")
    sweep.lock()
    for call in (
        lambda: sweep.extend(WIDER),
        lambda: sweep.extend(repeats=2),
        lambda: lab.submit(drawn, WIDER, name="s", if_exists="extend"),
    ):
        with refused(SweepLocked, "'s' is locked", "nothing is added"):
            call()
    assert sweep.extend(GRID, repeats=1) == 0
    assert lab.submit(drawn, GRID, name="s", if_exists="extend").progress().total == 4


def test_a_sweep_that_was_set_aside_does_not_grow(lab: raylab.Lab) -> None:
    old = lab.submit(drawn, GRID, name="s")
    lab.submit(drawn, WIDER, name="s", if_exists="replace")
    with refused(SweepNotFound, "was replaced by"):
        old.extend(repeats=2)
    with refused(SweepLocked, "'s~1' was set aside"):
        lab.sweep("s~1").extend(repeats=2)


def test_an_extension_that_is_asked_for_twice_at_once_is_added_once(lab: raylab.Lab) -> None:
    sweep = lab.submit(drawn, GRID, name="s")
    client = lab._client
    reads: list[Any] = []
    true_record = client.record

    def record(which: Any) -> Any:
        found = true_record(which)
        if not reads:  # somebody else extends between our look and our call
            reads.append(found)
            assert raylab.Sweep(client, sweep._handle).extend({"p": [0.1, 0.15], "L": [1]}) == 1
        return found

    client.record = record  # type: ignore[method-assign]
    assert sweep.extend(WIDER) == 4
    assert sweep.progress().total == 9


def test_an_answer_that_was_lost_is_given_again(lab: raylab.Lab) -> None:
    sweep = lab.submit(drawn, GRID, name="s")
    connection = lab._client.connection
    call = connection.call

    def twice(verb: str, *args: Any, **words: Any) -> Any:
        first = call(verb, *args, **words)
        return call(verb, *args, **words) if verb in ("extend", "submit") else first

    connection.call = twice  # type: ignore[method-assign]
    assert sweep.extend(WIDER) == 5
    assert sweep.progress().total == 9
    lab.submit(drawn, WIDER, name="s", repeats=2, if_exists="extend")
    assert sweep.progress().total == 18


# submitting again -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["s", None])
def test_submitting_with_extend_adds_what_is_not_there(lab: raylab.Lab, name: str | None) -> None:
    def submit(design: Any, **words: Any) -> raylab.Sweep:
        made, told = said(lambda: lab.submit(drawn, design, name=name, **words))
        assert told == []
        return made

    first = submit(GRID, seed=5, if_exists="extend")
    assert finished(first).height == 4
    assert submit(WIDER, if_exists="extend", seed=5).progress().total == 9
    assert submit({"p": [0.9], "L": [1]}, if_exists="extend", repeats=2).progress().total == 11
    assert submit(GRID, repeats=3, if_exists="extend").progress().total == 19
    assert lab.sweeps().height == 1
    again = submit(GRID)
    assert (again.name, again.progress().total) == (first.name, 19)
    assert finished(again).head(3)["_repeat"].to_list() == [0, 1, 2]


def test_the_same_as_what_a_sweep_has_grown_to_finds_it_and_lets_it_go_on(lab: raylab.Lab, gate: str) -> None:
    axes: dict[str, Any] = {"x": range(4), "gate": [gate]}
    sweep = lab.submit(gated, axes, name="s", repeats=2)
    sweep.extend({"x": range(4, 9), "gate": [gate]})
    whole = {"gate": [gate], "x": range(9)}
    for design, repeats in ((axes, 2), (whole, 2), (Points([{"x": x, "gate": gate} for x in range(8, -1, -1)]), 2)):
        sweep.cancel()
        again, told = said(lambda d=design, r=repeats: lab.submit(gated, d, name="s", repeats=r))  # type: ignore[misc]
        assert told == []
        assert (again.progress().state, again.progress().total) == ("running", 18)
    unnamed, told = said(lambda: lab.submit(gated, whole, repeats=2))
    assert (unnamed.name, told) == ("gated", [])
    for other, repeats in ((whole, 3), ({**axes, "x": range(8)}, 2), ({**axes, "x": range(1, 10)}, 2)):
        with refused(SweepExists, "if_exists='extend'"):
            lab.submit(gated, other, name="s", repeats=repeats)
    sweep.extend(repeats=3)
    assert lab.submit(gated, whole, name="s", repeats=3).progress().total == 27
    Path(gate).touch()
    assert sweep.wait(timeout=60, progress=False)


def test_extend_wants_the_same_code_seed_and_order_and_says_what_differs(lab: raylab.Lab) -> None:
    sweep = lab.submit(drawn, GRID, name="s", seed=3)
    finished(sweep)

    def other(p: float, L: int, seed: int) -> dict[str, float]:  # noqa: N803
        return {"y": p - L}

    words = ("adds points and repeats where code, seed and order are the same", "another name with name=")
    with refused(SweepExists, "function", *words):
        lab.submit(other, WIDER, name="s", if_exists="extend")
    with refused(SweepExists, "seed: 4, was 3", *words):
        lab.submit(drawn, WIDER, name="s", seed=4, if_exists="extend")
    with refused(SweepExists, "order: design, was random", *words):
        lab.submit(drawn, WIDER, name="s", order="design", if_exists="extend")
    assert sweep.progress().total == 4


def test_another_policy_takes_effect_when_a_sweep_is_extended(lab: raylab.Lab) -> None:
    sweep = lab.submit(drawn, GRID, name="s")
    lab.submit(drawn, WIDER, name="s", if_exists="extend", retries=2, description="finer")
    info = sweep.info()
    assert (info["retries"], info["description"], info["total"]) == (2, "finer", 9)


# refused, and told ----------------------------------------------------------------------------------------------


def test_what_cannot_be_meant_is_refused(lab: raylab.Lab) -> None:
    sweep = lab.submit(drawn, GRID, name="s")
    with refused(DesignError, "takes a design, repeats=, or both"):
        sweep.extend()
    bads: list[Any] = [0, -1, 1.5, "2", True]
    for bad in bads:
        with refused(DesignError, "a whole number from 1 on"):
            sweep.extend(repeats=bad)
    with refused(DesignError, "'L' is missing, 'M' is new"):
        sweep.extend({"p": [1.0], "M": [1]})
    with refused(DesignError, "'L' is missing"):
        sweep.extend({"p": [0.1]})
    with refused(DesignError, "nothing to submit"):
        sweep.extend(sweep.failures())
    assert sweep.progress().total == 4


@pytest.mark.parametrize(
    ("levels", "new"),
    [
        ([1, 2], ["a"]),
        ([1, 2], [True]),
        ([1, 2], [(1, 2)]),
        ([1, 2], [1.0]),
        ([0.5, 1.0], [1]),
        ([0.5, 1.0], [2**53 + 1]),
        (["a", "b"], [3]),
        (["a", "b"], [b"a"]),
        (["a", 1], [2.5, None, (1,)]),
        (["a", 1], [True]),
        ([1, 1.0], ["a"]),
        (["3", 1.5], [3]),
        ([HTTPStatus.OK], [200]),
        (range(10**9), [1.5]),
        ([1.5], range(10**9)),
        (range(2**70, 2**70 + 10), [1]),
        ([0.5], [np.float32(0.25)]),
        ([1, 2], [np.int32(3)]),
        ([1, 2], [math.nan, 1.0]),
        ([(1, 2)], [(1.0, 2)]),
        ([(1, "a")], [[2, "a"]]),
        ([np.zeros(2)], [np.ones(2, dtype=np.float32)]),
        ([datetime(2026, 1, 1, tzinfo=UTC)], [datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC"))]),
    ],
    ids=str,
)
def test_a_new_kind_on_an_axis_is_refused(lab: raylab.Lab, levels: Any, new: Any) -> None:
    def told(x: Any) -> dict[str, str]:
        return {"y": repr(x)}

    sweep = lab.submit(told, {"x": levels}, name="s")
    total = sweep.progress().total
    with refused(DesignError, "axis 'x'", "kind", "name="):
        sweep.extend({"x": new})
    with refused(DesignError, "axis 'x'"):
        lab.submit(told, {"x": new}, name="s", if_exists="extend")
    assert sweep.progress().total == total
    sweep.cancel()


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(
    ("levels", "new"),
    [
        ([1, 2], [3, None]),
        ([1, 2], [0.5]),
        ([math.nan, 1.0], [2.0, 3]),
        ([1, 2], [math.nan, 2.5]),
        ([[1, 2]], [[1.5, 2.5]]),
        ([("a", 1)], [("c", 2.0)]),
        ([np.array([math.nan, 1.0])], [np.array([2.0, math.nan])]),
        ([0.5, 1.5], [1, 2]),
        ([None], [0.5]),
        ([1, 2, None], [7]),
        (["a", "b"], ["c", None]),
        (["sqrt", 0.5, 3, None], ["log2", 0.7, 5, 3.5]),
        (["sqrt", 0.5], ["0.5"]),
        (["a", 1], range(2, 9)),
        ([1, 1.0], [2, 2.0]),
        (["x" * 2000, "y"], ["x" * 2001]),
        ([uuid.UUID(int=1)], [uuid.UUID(int=2)]),
        ([HTTPStatus.OK, "GET"], [HTTPStatus.NOT_FOUND, "PUT"]),
        ([[1, 2]], [[3]]),
        (np.linspace(0, 1, 5), np.linspace(0, 1, 9)),
        (range(5), range(3, 40, 2)),
    ],
    ids=str,
)
def test_new_levels_stand_in_the_rows_as_if_they_had_been_there_from_the_start(
    lab: raylab.Lab, levels: Any, new: Any
) -> None:
    def told(x: Any) -> dict[str, str]:
        return {"y": repr(x)}

    sweep = lab.submit(told, {"x": levels}, name="s")
    before = finished(sweep)
    sweep.extend({"x": new})
    rows = finished(sweep)
    at_once = finished(lab.submit(told, sweep.design, name="at-once"))
    about = ["_seq", "_seed", "_started", "_elapsed_s"]
    assert rows.drop(about).equals(at_once.drop(about))
    columns = [name for name in rows.columns if name.startswith("x")]
    head = rows.head(before.height).select(columns)
    assert head.equals(before.select(columns).cast(dict(head.schema)))
    assert rows.group_by("x").len()["len"].to_list() == [1] * rows.height


def test_nan_is_a_float_like_others(lab: raylab.Lab) -> None:
    def told(x: Any) -> dict[str, str]:
        return {"y": repr(x)}

    sweep = lab.submit(told, {"x": [math.nan, 1.0]}, name="s")
    assert [sweep.extend({"x": new}) for new in ([2.0], [float("nan")], [float("nan"), 1.0, 3.0])] == [1, 0, 1]
    ints = lab.submit(told, {"x": [1, 2]}, name="ints")
    assert [ints.extend({"x": new}) for new in ([float("nan")], [3], [float("nan"), 3])] == [1, 1, 0]
    arrays = lab.submit(told, {"x": [np.array([1.0, math.nan])]}, name="arrays")
    assert [arrays.extend({"x": [np.array([new, math.nan])]}) for new in (2.0, 1.0)] == [1, 0]


@pytest.mark.parametrize(
    ("levels", "new", "words"),
    [
        ([1, 2], [2, 3, 10**12, 2**63], "9223372036854775808 is of another kind, int beyond 64 bits"),
        ([1, 2], [2, 3, 1.0], "1.0 (float) and 1 (int), which is there"),
        ([0.0], [0.5, -0.0], "-0.0 (float) and 0.0 (float), which is there, differ in their sign"),
        ([0.5], [0.7, 2**53 + 1], "9007199254740993 (int) cannot be held exactly"),
        ([datetime(2026, 1, 1)], [datetime(2026, 1, 1, tzinfo=UTC)], "datetime with datetime.timezone.utc"),
        ([datetime(2026, 1, 1, tzinfo=UTC)], [datetime(2026, 1, 1)], "datetime without a time zone"),
        ([HTTPStatus.OK], ["OK", HTTPStatus.OK], "there: Enum (as HTTPStatus.OK)"),
        (["3", 1.5], [2.5, 3], "3 (int) and '3' (str), which is there"),
        ([None], [1, "a"], "'a' is of another kind, str"),
        ([None], [1.0, 2, 1], "1 (int) and 1.0 (float)"),
    ],
    ids=str,
)
def test_the_level_that_is_refused_is_named(lab: raylab.Lab, levels: Any, new: Any, words: str) -> None:
    sweep = lab.submit(lambda x: {"y": 1}, {"x": levels}, name="s")
    with refused(DesignError, "axis 'x'", words, "name="):
        sweep.extend({"x": new})


def test_one_trial_is_no_trials(lab: raylab.Lab, gate: str) -> None:
    sweep = lab.submit(gated, {"x": range(5), "gate": [gate]}, name="s")
    sweep.pause()
    _, told = said(lambda: sweep.extend({"x": [9], "gate": [gate]}))
    assert "1 trial was added, which runs once" in told[0]


def test_new_levels_that_are_almost_old_ones_are_counted(lab: raylab.Lab) -> None:
    sweep = lab.submit(drawn, {"p": [0.1, 0.2, 0.3], "L": [1]}, name="s")
    near = {"p": [0.1 + 0.2, 0.1 + 1e-13, 0.2, 0.25], "L": [1]}
    added, told = said(lambda: sweep.extend(near))
    assert added == 3
    assert told == [
        "p: new levels within 10^-12 of old ones: 2. They count as new; if the same levels are meant, take them from "
        "the sweep's design"
    ]
    assert said(lambda: sweep.extend(near)) == (0, [])
    _, told = said(lambda: lab.submit(drawn, {"p": [0.25 + 1e-14], "L": [1]}, name="s", if_exists="extend"))
    assert told[0].startswith("p: new levels within 10^-12 of old ones: 1.")


# what it costs --------------------------------------------------------------------------------------------------


def test_four_thousand_million_points_cost_what_a_submit_costs(tmp_path: Path) -> None:
    def requests() -> int:
        return sum(file.stat().st_size for file in (tmp_path / "lab" / "requests").rglob("*.arrow"))

    with raylab.testing.lab(notebook=tmp_path / "lab", resources={"GPU": 1}) as lab:
        start = requests()
        sweep, _ = said(lambda: lab.submit(drawn, {"p": range(10**5), "L": range(10**4)}, name="s"))
        submitted = requests() - start
        assert sweep.extend({"p": range(2 * 10**5), "L": range(2 * 10**4)}) == 3 * 10**9
        assert sweep.progress().total == 4 * 10**9
        assert requests() - start - submitted < 2 * submitted


def test_an_extension_that_is_too_large_for_a_request_is_refused(
    lab: raylab.Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = lab.submit(drawn, {"p": [0.5], "L": range(1000)}, name="s")
    monkeypatch.setattr("raylab.client.plan.LIMIT_BYTES", 3_000)
    with refused(DesignError, "the request would have"):
        sweep.extend({"p": [at / 7 for at in range(1000)], "L": [1]})
    with refused(DesignError, "the request would have"):
        sweep.extend([{"p": 0.5, "L": at} for at in range(0, 1000, 2)], repeats=2)
    assert sweep.extend([{"p": 0.5, "L": at} for at in range(0, 100, 2)], repeats=2) == 50


SHADES = """
from enum import Enum
class Shade(Enum):
    DARK = 1
    LIGHT = 2
def shaded(x):
    return {"y": x.name}
"""


def test_levels_of_a_class_whose_module_did_not_travel_are_refused(
    lab: raylab.Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shades.py").write_text(SHADES)
    (tmp_path / "tones.py").write_text(SHADES.replace("Shade", "Tone"))
    monkeypatch.syspath_prepend(str(tmp_path))
    shades, tones = (importlib.import_module(name) for name in ("shades", "tones"))
    sweep = lab.submit(shades.shaded, {"x": [shades.Shade.DARK]}, name="s")
    assert sweep.extend({"x": [shades.Shade.LIGHT, HTTPStatus.OK]}) == 2
    assert finished(sweep)["y"].to_list() == ["DARK", "LIGHT", "OK"]
    with refused(DesignError, "a class of tones, a module that did not travel"):
        sweep.extend({"x": [tones.Tone.LIGHT]})


# classes of resources -------------------------------------------------------------------------------------------

BY_SIZE = {"L": {1: 1e9, 2: 2e9}}


@pytest.fixture
def roomy(tmp_path: Path) -> Iterator[raylab.Lab]:
    with raylab.testing.lab(notebook=tmp_path / "roomy", resources={"CPU": 4, "memory": 8e9}) as lab:
        yield lab


def classes(sweep: raylab.Sweep) -> dict[str, int]:
    """The trials by what they ask for."""
    told = (line.split(": ") for line in sweep.info()["classes"])
    return {amount.removeprefix("1 CPU, "): int(trials.split(" ")[0]) for trials, amount in told}


def test_new_points_ask_for_what_those_of_the_same_levels_do(roomy: raylab.Lab) -> None:
    sweep = roomy.submit(drawn, GRID, name="s", memory=BY_SIZE)
    assert sweep.extend({"p": [0.3, 0.4], "L": [2]}) == 2
    assert sweep.extend([{"p": 0.5, "L": 1}, {"p": 0.6, "L": 2}, {"p": 0.1, "L": 2}], repeats=2) == 5
    assert classes(sweep) == {"1 GB memory": 2 + 2, "2 GB memory": 2 + 2 + 3}
    assert sweep.extend(repeats=3) == 24 - 11
    assert classes(sweep) == {"1 GB memory": 9, "2 GB memory": 15}
    assert finished(sweep).height == 24
    with refused(DesignError, "different amounts, by L", "if_exists='extend' and the amounts"):
        sweep.extend({"p": [0.3], "L": [3]})


def test_submitting_with_extend_says_what_new_points_ask_for(roomy: raylab.Lab) -> None:
    def submit(design: Any, memory: Any) -> dict[str, int]:
        return classes(roomy.submit(drawn, design, name="s", memory=memory, if_exists="extend"))

    assert submit(GRID, BY_SIZE) == {"1 GB memory": 2, "2 GB memory": 2}
    assert submit({**GRID, "L": [1, 2, 3]}, {"L": {1: 1e9, 2: 2e9, 3: 3e9}}) == {
        "1 GB memory": 2,
        "2 GB memory": 2,
        "3 GB memory": 2,
    }
    assert submit({**GRID, "L": [1, 2, 3, 4]}, {"L": {1: 1e9, 2: 4e9, 3: 3e9, 4: 4e9}}) == {
        "1 GB memory": 2,
        "4 GB memory": 4,
        "3 GB memory": 2,
    }
    sweep = roomy.sweep("s")
    assert finished(sweep).height == 8
    assert submit({"p": [0.1], "L": [5]}, {"L": {5: 5e9}})["5 GB memory"] == 1
    with refused(DesignError, "in classes", "differ within one of them"):
        submit({**GRID, "L": [2, 4, 6]}, {"L": {2: 1e9, 4: 2e9, 6: 3e9}})
    assert not submit({**GRID, "L": [1, 7]}, 1e9)
    assert sweep.info()["total"] == 11


def test_a_sweep_of_one_class_gets_more_by_a_dict(roomy: raylab.Lab) -> None:
    sweep = roomy.submit(drawn, GRID, name="s", memory=1e9)
    roomy.submit(drawn, {**GRID, "L": [1, 2, 3]}, name="s", memory=pl.col("L").clip(2, 3) * 1e9, if_exists="extend")
    assert classes(sweep) == {"2 GB memory": 4, "3 GB memory": 2}
    assert finished(sweep).height == 6
