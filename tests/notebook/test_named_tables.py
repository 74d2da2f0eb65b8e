"""Several tables of one experiment: from frames in a mapping to `results(table=)`, on a lab in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import raylab
import raylab.testing
from raylab.core.tabular import Table, table_of
from raylab.notebook.columns import KIND, TABLE, column
from raylab.notebook.schema import Schema
from raylab.offline import Notebook

FRAMES = {"polars": pl.DataFrame, "lazy": pl.LazyFrame, "pandas": pd.DataFrame, "arrow": pa.table}


def model(n: int, seed: int, library: str = "polars") -> dict[str, Any]:
    if n == 3:
        raise ValueError("too many")
    agents = {"id": list(range(n)), "wealth": [0.5 * each for each in range(n)], "n": ["x"] * n}
    return {"agents": FRAMES[library](agents), "model": {"gini": n / 4, "steps": n}, "total": n}


def ran(lab: raylab.Lab, experiment: Callable[..., Any], design: Any, **words: Any) -> raylab.Sweep:
    sweep = lab.submit(experiment, design, **words)
    assert sweep.wait(timeout=60, progress=False)
    return sweep


@pytest.mark.parametrize("library", FRAMES)
def test_a_frame_in_a_mapping_is_a_table_of_its_own(lab: raylab.Lab, library: str) -> None:
    sweep = ran(lab, model, {"n": [1, 2, 3, 0], "library": [library]}, repeats=2, name="s")
    main = sweep.results()
    assert main.columns == ["n", "library", "_repeat", "model", "total"]
    assert (main.height, sweep.number_of_results()) == (6, 8)
    rows = sweep.results(table="agents")
    assert rows.columns == ["n", "library", "_repeat", "id", "wealth", "n__result"]
    assert rows.select("n", "_repeat", "id", "wealth").rows() == [
        *[(1, 0, 0, 0.0), (1, 1, 0, 0.0)],
        *[(2, repeat, each, each / 2) for repeat in (0, 1) for each in (0, 1)],
    ]
    assert sweep.results(table="model").select("n", "gini", "steps").unique().sort("n").rows() == [
        (0, 0.0, 0),
        (1, 0.25, 1),
        (2, 0.5, 2),
    ]


def test_handle_lab_and_notebook_read_it_alike_and_more_of_it(lab: raylab.Lab) -> None:
    sweep = ran(lab, model, {"n": [1, 2, 3]}, name="s")
    ran(lab, model, {"n": [4]}, name="t")
    notebook = Notebook(lab.info()["notebook"])
    words: dict[str, Any] = {"table": "agents", "status": "all", "metadata": ["_point", "_error"]}
    rows = sweep.results(**words)
    assert rows.columns == ["n", "id", "wealth", "n__result", "_point", "_error"]
    assert rows.select("n", "id", "_error").rows()[-1] == (3, None, "ValueError: too many")
    for each in (lab.results("s", **words), notebook.results("s", **words)):
        assert each.equals(rows)
    for lazy in (sweep.scan(**words), lab.scan("s", **words), notebook.scan("s", **words)):
        assert lazy.collect().sort("_point", "id").equals(rows.sort("_point", "id"))
    both = lab.results(["s", "t"], table="agents")
    assert both["_sweep"].to_list() == ["s"] * 3 + ["t"] * 4
    assert notebook.results(["s", "t"], table="agents").equals(both)


def test_a_table_may_be_called_as_a_parameter_is(lab: raylab.Lab) -> None:
    sweep = ran(lab, lambda agents: {"agents": pl.DataFrame({"id": range(agents)})}, {"agents": [2]})
    assert sweep.results(table="agents").rows() == [(2, 0), (2, 1)]
    sweep = ran(lab, lambda n: {"_repeat": pl.DataFrame({"k": range(n)})}, {"n": [2]})
    assert sweep.results(table="_repeat").rows() == [(2, 0), (2, 1)]


@pytest.mark.parametrize("nothing", [[], None])
def test_a_table_that_has_had_no_row_yet_has_none(lab: raylab.Lab, nothing: Any) -> None:
    sweep = ran(lab, lambda n, nothing: {"events": nothing if n < 2 else [{"at": n}]}, {"n": [1], "nothing": [nothing]})
    assert sweep.results(table="events").shape == (0, 2)
    sweep.extend({"n": [2], "nothing": [nothing]})
    assert sweep.wait(timeout=60, progress=False)
    assert sweep.results(table="events")["at"].to_list() == [2]


def test_a_table_that_is_not_there_is_refused_with_those_that_are(lab: raylab.Lab) -> None:
    sweep = ran(lab, model, {"n": [1]}, name="s")
    with pytest.raises(ValueError, match="no table 'agent' in 's': the tables are 'agents', 'model'"):
        sweep.results(table="agent")
    with pytest.raises(ValueError, match="no table 'total'"):
        sweep.scan(table="total")
    plain = ran(lab, lambda n: n, {"n": [1]}, name="t")
    with pytest.raises(ValueError, match="no result is one"):
        Notebook(lab.info()["notebook"]).results("t", table="value")
    with pytest.raises(ValueError, match="no table 'agents' in 't'"):
        lab.results(["s", "t"], table="agents")
    assert plain.results().height == 1
    none = ran(lab, model, {"n": [3]}, name="u")
    assert none.results(table="agents").shape == (0, 1)
    assert none.results(table="agents", status="failed").height == 1


def test_what_is_no_frame_is_a_table_when_it_is_asked_for(lab: raylab.Lab) -> None:
    def history(n: int) -> dict[str, Any]:
        return {"steps": [{"at": i, "y": i * n} for i in range(n)], "fit": {"slope": n}, "odd": pl.DataFrame()}

    sweep = ran(lab, history, {"n": [2, 1]})
    assert sweep.results().columns == ["n", "steps", "fit"]
    assert sweep.results(table="steps").rows() == [(2, 0, 0), (2, 1, 2), (1, 0, 0)]
    assert sweep.results(table="fit").rows() == [(2, 2), (1, 1)]
    assert sweep.results(table="odd").is_empty()


def varied(n: int) -> dict[str, Any]:
    cells: dict[int, dict[str, Any]] = {
        0: {"v": [1, 2], "w": [None, None]},
        1: {"v": ["a", None], "u": [[1], [2, 3]]},
        2: {"v": [2**53 + 1]},
        3: {"v": [0.5], "z": [complex(1, 2)]},
    }
    return {"t": pd.DataFrame(cells[n], dtype=object)}


def test_columns_of_several_kinds_do_not_depend_on_what_came_first(lab: raylab.Lab) -> None:
    found = []
    for number, axis in enumerate(([0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2])):
        sweep = lab.submit(varied, {"n": axis[:1]}, name=f"s{number}", order="design")
        for each in axis[1:]:
            assert sweep.wait(timeout=60, progress=False)
            sweep.extend({"n": [each]})
        assert sweep.wait(timeout=60, progress=False)
        found.append(sweep.results(table="t").sort("n", maintain_order=True))
        whole = ran(lab, varied, {"n": axis}, name=f"whole{number}", order="design").results(table="t")
        assert sorted(whole.columns) == sorted(found[-1].columns)
        assert whole.sort("n", maintain_order=True).select(found[-1].columns).drop("z").equals(found[-1].drop("z"))
    assert found[0].drop("z").equals(found[1].drop("z"))
    assert found[0].drop("z").equals(found[2].drop("z"))
    assert {"v", "v__int", "v__string"} <= set(found[0].columns)
    assert found[0]["v__int"].to_list() == [None] * 4 + [2**53 + 1, None]
    assert found[0]["u"].to_list()[2:4] == [[1], [2, 3]]


def test_a_table_goes_with_its_record(tmp_path: Path) -> None:
    flag = tmp_path / "mended"

    def flaky(n: int) -> dict[str, Any]:
        if n == 1 and not flag.exists():
            raise ValueError
        return {"t": pl.DataFrame({"a": [n] * n})}

    with raylab.testing.lab(notebook=tmp_path / "lab") as lab:
        sweep = ran(lab, flaky, {"n": [1, 2]}, name="s", seed=1)
        assert sweep.results(table="t")["a"].to_list() == [2, 2]
        flag.touch()
        assert sweep.retry() == 1
        assert sweep.wait(timeout=60, progress=False)
        rows = sweep.results(table="t", metadata=["_attempt"])
        assert rows.rows() == [(1, 1, 2), (2, 2, 1), (2, 2, 1)]
        assert "t" in next(sweep.updates(timeout=5)).columns
        assert sweep.rerun(1).same
    Notebook(tmp_path / "lab").copy(tmp_path / "copy")
    assert Notebook(tmp_path / "copy").results(table="t", metadata=["_attempt"]).equals(rows)
    assert Notebook(tmp_path / "copy").verify().is_empty()
    parcel = Notebook(tmp_path / "lab").crate(tmp_path / "parcel")
    assert sum(pl.read_parquet(file)["t"].list.len().sum() for file in parcel.rglob("*.parquet")) == 3


def test_many_rows_are_not_looked_at_one_by_one() -> None:
    size = 200_000
    frame = pl.DataFrame({"id": np.arange(size), "x": np.ones(size), "w": ["a"] * size})
    table = table_of(frame)
    assert isinstance(table, Table)
    assert table.rows == size
    ((field, array),) = column("agents", [table, None, table])
    assert field.metadata == {KIND: TABLE}
    assert array.value_lengths().to_pylist() == [size, None, size]
    made = Schema().concat([pa.record_batch([array], schema=pa.schema([field]))])
    assert made.schema.field("agents").type == array.type


def test_the_kinds_of_a_column_have_a_fixed_order() -> None:
    for cells in (["a", 1, None], [1, "a", None]):
        ((field, _),) = column("t", [Table({"v": cells}, 3)])
        assert [(each.name, str(each.type)) for each in field.type.value_type] == [
            ("v", "int64"),
            ("v__string", "string"),
        ]


def test_a_table_too_wide_for_a_struct_is_kept_all_the_same(lab: raylab.Lab) -> None:
    wide = ran(lab, lambda n: {"t": pl.DataFrame({f"c{i}": [n] for i in range(1_001)})}, {"n": [1]})
    assert wide.results()["t"].struct.field("repr").str.starts_with("{'c0'").all()
