"""A sweep's rows as Parquet: those of `results`, in the order of arrival, and never all of them in memory."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs
import pyarrow.parquet as pq
import pytest
from odd_values import HOLDABLE, TYPED
from polars.testing import assert_frame_equal
from retried import retried
from sweeps import Bench, sweep

import raylab
from raylab.core.design import Factorial
from raylab.core.history import fold
from raylab.notebook import crate_rows, frame_files
from raylab.notebook.crate_rows import Rows
from raylab.notebook.posix import PosixStore
from raylab.notebook.row_stream import RowStream
from raylab.notebook.table_files import snapshot
from raylab.notebook.verify import requests_of
from raylab.offline import Notebook

DATA = Path(__file__).parents[1] / "data"


def rows(root: Path, name: str = "SWEEP") -> Rows:
    reader = PosixStore(root)
    record = fold(requests_of(reader))[name]
    return Rows(RowStream(record, snapshot(reader, record.folder)))


def written(found: Rows, *, superseded: bool = False) -> pl.DataFrame:
    sink = io.BytesIO()
    found.write(sink, superseded=superseded)
    return pl.read_parquet(io.BytesIO(sink.getvalue()))


def expected(root: Path, name: str = "SWEEP") -> pl.DataFrame:
    return Notebook(root).results(name, status="all", metadata=True).sort("_seq")


def squared(p: int) -> dict[str, Any]:
    if p == 3:
        raise ValueError("three")
    return {"y": p * p, "late": p / 2} if p > 5 else {"y": p * p}


def test_they_are_the_rows_of_results_in_parts_and_in_the_journal(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.submit("SWEEP", squared, Factorial(p=range(12)), repeats=2)
    for start in range(0, 24, 6):
        bench.run("SWEEP", start, start + 6)
        if start == 6:
            bench.seal("SWEEP")
    assert_frame_equal(written(rows(tmp_path)), expected(tmp_path))


@pytest.mark.parametrize("is_whole", [True, False], ids=["put together", "as on disk"])
def test_columns_that_widen_and_come_late_are_of_one_kind_in_all_pieces(
    tmp_path: Path, is_whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def widening(**params: Any) -> dict[str, Any]:
        p = params["p"]
        return {
            "y": p if p < 4 else p / 8,
            "never": None if p < 6 else "late",
            "struct": {"abcd"[p // 2]: p, "n": [p] if p < 4 else [p / 8]},
            "list": [[]] if p < 2 else [[p]] if p < 4 else [[p / 8, None]],
            "big": p if p < 4 else 2**63 + p,
            "odd": {1, p},
        }

    bench = Bench(tmp_path)
    bench.submit("SWEEP", widening, Factorial({"p": range(8), "*": ["a pattern to polars"], "^.*$": [1]}))
    for start in range(0, 8, 2):
        bench.run("SWEEP", start, start + 2)
        bench.seal("SWEEP")
    if not is_whole:
        monkeypatch.setattr(crate_rows, "WHOLE_BYTES", 0)
    found, truth = written(rows(tmp_path)), expected(tmp_path)
    assert found.schema["y"] == pl.Float64
    same = found.columns if is_whole else ["p", "*", "y", "never", "struct", "list", "_seq", "_status"]
    assert_frame_equal(found.select(cs.by_name(same)), truth.select(cs.by_name(same)))


def test_of_a_sweep_without_rows_there_are_the_columns(tmp_path: Path) -> None:
    Bench(tmp_path).submit("SWEEP", squared, Factorial(p=range(12), word=["a", "b"]))
    found = written(rows(tmp_path))
    assert found.height == 0
    assert found.columns[:2] == ["p", "word"]
    assert found.columns == expected(tmp_path).columns


@pytest.mark.parametrize("is_whole", [True, False], ids=["put together", "as on disk"])
def test_no_kind_of_value_is_refused(tmp_path: Path, is_whole: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    values = [*HOLDABLE, *(each for each, _ in TYPED)]

    def odd(p: int) -> Any:
        return {"value": values[p], "nothing": None, "clash": p if p % 2 else str(p)}

    sweep(tmp_path, odd, Factorial(p=range(len(values))))
    if not is_whole:
        monkeypatch.setattr(crate_rows, "WHOLE_BYTES", 0)
    found, truth = written(rows(tmp_path)), expected(tmp_path)
    assert found["_seq"].to_list() == list(range(len(values)))
    if is_whole:
        assert_frame_equal(found, truth)
    else:
        assert {"value", "clash", "clash__string"} <= set(found.columns) or "clash__int" in found.columns
        assert found.height == truth.height


@pytest.mark.parametrize("archive", sorted(DATA.glob("notebook-v*")), ids=lambda path: path.name)
def test_notebooks_of_earlier_formats_come_out_the_same(tmp_path: Path, archive: Path) -> None:
    shutil.unpack_archive(archive / "notebook.zip", tmp_path)
    for name in Notebook(tmp_path).sweeps()["name"]:
        found = rows(tmp_path, name)
        assert_frame_equal(written(found), expected(tmp_path, name))


def test_what_ran_again_stands_apart(lab: raylab.Lab, tmp_path: Path) -> None:
    retried(lab, tmp_path, "SWEEP", retries=1)
    found = rows(tmp_path / "lab")
    now = written(found)
    assert_frame_equal(now, expected(tmp_path / "lab"))
    assert now["_status"].unique().to_list() == ["done"]
    assert found.has_superseded
    before = written(found, superseded=True)
    assert before["x"].sort().to_list() == [0, 3, 6, 9]
    assert before["_error"].str.contains("bad").all()
    assert found.spans[1].statuses == {"done", "failed"}


def test_where_nothing_ran_again_nothing_is_superseded(tmp_path: Path) -> None:
    sweep(tmp_path, squared, Factorial(p=range(5)))
    found = rows(tmp_path)
    written(found)
    assert not found.has_superseded
    assert (found.spans[1].started_us or 0) <= (found.spans[1].ended_us or 0)


class Watched(PosixStore):
    """Says which parts are read."""

    def __init__(self, root: Path, look: Callable[[str], None]) -> None:
        super().__init__(root)
        self.look = look

    def get(self, path: str) -> bytes:
        self.look(path)
        return super().get(path)


def parts(root: Path, count: int, each: int = 4) -> Bench:
    bench = Bench(root)
    bench.submit("SWEEP", squared, Factorial(p=range(count * each)))
    for start in range(0, count * each, each):
        bench.run("SWEEP", start, start + each)
        bench.seal("SWEEP")
    return bench


def test_rows_are_written_before_the_next_part_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_files, "GROUP_ROWS", 4)
    parts(tmp_path, 6)
    sizes: list[int] = []
    reader = Watched(tmp_path, lambda path: sizes.append(sink.tell()) if path.startswith("sweeps/SWEEP/0") else None)
    sink = io.BytesIO()
    record = fold(requests_of(reader))["SWEEP"]
    found = Rows(RowStream(record, snapshot(reader, record.folder)))
    assert sizes == []
    found.write(sink)
    assert len(sizes) == 6
    assert sorted(set(sizes)) == sizes, "each part is read when the one before is written"
    assert pq.ParquetFile(io.BytesIO(sink.getvalue())).num_row_groups >= 6


def test_rows_that_are_wide_are_not_gathered_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_files, "GROUP_BYTES", 1)
    parts(tmp_path, 6)
    sink = io.BytesIO()
    rows(tmp_path).write(sink)
    assert pq.ParquetFile(io.BytesIO(sink.getvalue())).num_row_groups == 6


def test_what_is_sealed_and_what_comes_after_the_snapshot_changes_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.submit("SWEEP", squared, Factorial(p=range(12)))
    bench.run("SWEEP", 0, 3)
    bench.run("SWEEP", 3, 6)
    truth, found = expected(tmp_path), rows(tmp_path)
    bench.run("SWEEP", 6, 9)
    bench.seal("SWEEP")
    bench.run("SWEEP", 9, 12)
    assert_frame_equal(written(found), truth)
