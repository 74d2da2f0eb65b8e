"""Columns that are asked for by name: there before the first result is in, in the order in which they were named."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from said import refused, said

import raylab
import raylab.testing
from raylab.offline import Notebook


def gated(p: float, size: int, gate: str) -> dict[str, Any]:
    while not Path(gate).exists():
        time.sleep(0.005)
    if size == 3:
        raise ValueError("too large")
    return {"loss": p * size, "spans": size > 1, "Beta": "x"}


@pytest.fixture
def empty(lab: raylab.Lab, tmp_path: Path) -> Iterator[raylab.Sweep]:
    """A sweep of which nothing is in, until its gate is there."""
    gate = tmp_path / "gate"
    design = {"p": [0.5, 0.25], "size": [1, 2], "gate": [str(gate)]}
    yield lab.submit(gated, design, name="s", repeats=2, seed=1, order="design")
    gate.touch()


def opened(sweep: raylab.Sweep) -> raylab.Sweep:
    Path(sweep.design[0]["gate"]).touch()
    assert sweep.wait(timeout=60, progress=False)
    return sweep


def readers(lab: raylab.Lab) -> list[Callable[..., pl.DataFrame]]:
    notebook = Notebook(lab.info()["notebook"])
    return [
        lab.sweep("s").results,
        lambda **words: lab.sweep("s").scan(**words).collect(),
        lambda **words: lab.results("s", **words),
        lambda **words: lab.scan("s", **words).collect(),
        lambda **words: notebook.results("s", **words),
        lambda **words: notebook.scan("s", **words).collect(),
    ]


def test_what_nobody_knows_yet_is_null_and_a_warning_says_so(lab: raylab.Lab, empty: raylab.Sweep) -> None:
    for read in readers(lab):
        frame, told = said(lambda read=read: read(columns=["loss", "p", "_node", "spans"]))
        assert dict(frame.schema) == {
            "loss": pl.Float64,
            "p": pl.Float64,
            "_node": pl.String,
            "spans": pl.Float64,
        }
        assert frame.is_empty()
        assert told == [
            "no result of 's' is in yet, so nobody knows whether there will be columns 'loss', 'spans'; they are null "
            "here"
        ]
    frame, told = said(lambda: empty.results(columns="loss"))
    assert frame.columns == ["loss"]
    assert "a column 'loss'; it is null here" in told[0]


def test_a_script_that_plots_runs_before_the_first_row_as_it_does_later(empty: raylab.Sweep) -> None:
    def script() -> Any:
        rows = empty.results(columns=["p", "size", "loss"])
        loss = pl.col("loss")
        means = rows.group_by("p").agg(loss.mean(), high=loss.quantile(0.9), log=loss.log())
        table = rows.pivot(on="size", index="p", values="loss", aggregate_function="mean")
        return means.height, rows["loss"].to_numpy().sum(), table.width

    assert said(script)[0] == (0, 0.0, 1)
    opened(empty)
    assert said(script) == ((2, 4.5, 3), [])


def test_these_columns_alone_in_their_order_then_metadata(lab: raylab.Lab, empty: raylab.Sweep) -> None:
    opened(empty)
    for read in readers(lab):
        frame, told = said(lambda read=read: read(columns=["loss", "_point", "p"], metadata=["_seed", "_point"]))
        assert (frame.columns, frame.height, told) == (["loss", "_point", "p", "_seed"], 8, [])
    assert empty.results(columns=["loss"], metadata=True).columns[:4] == ["loss", "_repeat", "_seq", "_point"]
    assert empty.results(columns=["loss"])["loss"].to_list() == empty.results()["loss"].to_list()


def test_where_there_are_results_a_name_that_is_none_is_refused_with_the_closest(
    lab: raylab.Lab, empty: raylab.Sweep
) -> None:
    with refused(ValueError, "'_nod'", "'_node'"):  # metadata is known before any row
        empty.results(columns=["_nod"])
    opened(empty)
    for read in readers(lab):
        with refused(ValueError, "there is no column 'beta' in the results of 's'", "'loss', 'spans'", "mean 'Beta'?"):
            read(columns=["p", "beta"])


@pytest.mark.parametrize("columns", [[], [1], 7, ["p", None]])
def test_what_is_no_name_is_refused(empty: raylab.Sweep, columns: Any) -> None:
    with refused(ValueError, "columns names the columns that are wanted"):
        empty.results(columns=columns)


def test_failed_trials_alone_leave_a_name_open(lab: raylab.Lab, tmp_path: Path) -> None:
    (tmp_path / "gate").touch()
    design = {"p": [0.5, 1.0], "size": [3], "gate": [str(tmp_path / "gate")]}
    sweep = opened(lab.submit(gated, design, name="t"))
    frame, told = said(lambda: sweep.results(status="all", columns=["loss"]))
    assert frame["loss"].to_list() == [None, None]
    assert len(told) == 1


def test_of_several_sweeps_one_may_have_nothing_yet(lab: raylab.Lab, empty: raylab.Sweep, tmp_path: Path) -> None:
    frame, told = said(lambda: lab.results(["s"], columns=["_sweep", "p", "loss"]))
    assert (frame.columns, len(told)) == (["_sweep", "p", "loss"], 1)
    opened(empty)
    gate = tmp_path / "later"
    lab.submit(gated, {"p": [1.0], "size": [1], "gate": [str(gate)]}, name="t")
    frame, told = said(lambda: lab.results(["s", "t"], columns=["_sweep", "loss"]))
    assert (frame.columns, frame.height, told) == (["_sweep", "loss"], 8, [])
    gate.touch()


def test_a_table_has_its_columns_before_its_first_row(empty: raylab.Sweep) -> None:
    frame, told = said(lambda: empty.results(table="agents", columns=["p", "wealth"]))
    assert (frame.columns, len(told)) == (["p", "wealth"], 1)


def test_a_parameter_is_found_however_its_name_is_typed(lab: raylab.Lab) -> None:
    sweep = lab.submit(lambda **named: sum(named.values()), {"ε": [1.0]})
    assert sweep.wait(timeout=60, progress=False)
    assert sweep.results(columns=["ϵ", "value"]).columns == ["ε", "value"]


def test_summary_of_what_is_not_known_yet_says_so_and_later_names_the_closest(empty: raylab.Sweep) -> None:
    frame, told = said(lambda: empty.summary(["loss", "_elapsed_s"], confidence=None))
    assert set(frame["result"]) == {"loss", "_elapsed_s"}
    assert told == [
        "no result of 's' is in yet, so nobody knows whether there will be a column 'loss'; it is null here"
    ]
    opened(empty)
    with refused(ValueError, "there is no 'Loss'", "Did you mean 'loss'?"):
        empty.summary("Loss", confidence=None)
    with refused(ValueError, "Did you mean 'size'?"):
        empty.summary("loss", by="Size", confidence=None)
