"""A notebook read without a lab: while it is written, long after, and by somebody who has polars alone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from asked import noted
from polars.testing import assert_frame_equal
from sweeps import Bench, leased, packaged, sweep

from raylab.core.design import Factorial
from raylab.errors import LabNotFound, NotebookDamaged, SweepNotFound
from raylab.notebook import layout
from raylab.offline import Notebook


def picked() -> Any:
    def picky(p: int) -> dict[str, Any]:
        if p == 2:
            raise ValueError("two")
        return {"x": p / 2, "words": ["a"] * p, "loss": "none" if p == 3 else p}

    return picky


def readme_block(root: Path) -> str:
    (block,) = re.findall(r"```python\n(.*?)```", (root / layout.README).read_text(), re.DOTALL)
    return str(block)


def as_readme_says(root: Path) -> pl.DataFrame:
    """The README's lines, run as they stand in a process that knows nothing of raylab."""
    code = readme_block(root) + "\nimport sys\nassert 'raylab' not in sys.modules\nresults.write_ipc('/dev/stdout')\n"
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=root, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return pl.read_ipc(done.stdout)


def assert_readme_agrees(root: Path) -> None:
    plain = as_readme_says(root)
    ours = Notebook(root).results("SWEEP", status="all", metadata=True).sort("_seq")
    # A column that never had a value is in no file; we show the metadata all the same.
    extra = [name for name in ours.columns if name not in plain.columns]
    assert all(ours[name].null_count() == ours.height for name in extra)
    assert_frame_equal(plain, ours.drop(extra), check_column_order=False)


@pytest.mark.parametrize("sealed", [False, True])
def test_the_readme_reads_what_we_read(tmp_path: Path, sealed: bool) -> None:
    bench = Bench(tmp_path)
    bench.submit("SWEEP", picked(), Factorial(p=range(6)), repeats=2)
    bench.run("SWEEP", 0, 4)
    if sealed:
        bench.seal("SWEEP")
    bench.run("SWEEP", 4, 8)
    bench.run("SWEEP", 8, 12)
    bench.run("SWEEP", 5, 6, attempt=4)  # recorded twice
    assert_readme_agrees(tmp_path)


def test_the_readme_reads_what_we_read_between_a_seal_and_its_clean_up(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.submit("SWEEP", picked(), Factorial(p=range(6)))
    bench.run("SWEEP")
    journal = {path: path.read_bytes() for path in (tmp_path / "sweeps/SWEEP/journal").iterdir()}
    bench.seal("SWEEP")
    for path, data in journal.items():
        path.write_bytes(data)
    assert_readme_agrees(tmp_path)


def test_a_notebook_is_read_while_it_is_written(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.submit("SWEEP", picked(), Factorial(p=range(6)))
    notebook = Notebook(tmp_path)
    assert notebook.results().height == 0
    for stop in range(1, 7):
        bench.run("SWEEP", stop - 1, stop)
        assert notebook.results(status="all").height == stop
        if stop == 3:
            bench.seal("SWEEP")
            assert notebook.results(status="all").height == stop


def test_sweeps_in_numbers(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.submit("whole", picked(), Factorial(p=range(4)), repeats=2)
    bench.run("whole")
    bench.submit("part", picked(), Factorial(p=range(10)))
    bench.run("part", 0, 3)
    bench.seal("part")
    bench.run("part", 5, 6)
    bench.submit("given up", picked(), Factorial(p=range(10)))
    bench.submit("stuck", picked(), Factorial(p=[2]), repeats=5)
    bench.run("stuck", 0, 2)
    bench.writer.add([noted("cancelled", "given up"), noted("paused", "stuck", reason="why")])
    bench.writer.add([noted("locked", "whole")])
    found = Notebook(tmp_path).sweeps()
    assert found.select("name", "state", "total", "ready", "done", "failed", "cancelled", "waiting", "rows").rows() == [
        ("whole", "locked", 8, 8, 6, 2, 0, 0, 8),
        ("part", "running", 10, 4, found["done"][1], 4 - found["done"][1], 0, 6, 4),
        ("given up", "cancelled", 10, 0, 0, 0, 10, 0, 0),
        ("stuck", "paused", 5, 2, 0, 2, 0, 3, 2),
    ]
    assert found["user"].to_list() == ["ada"] * 4
    assert found.schema["submitted"] == pl.Datetime("us", "UTC")
    assert Notebook(tmp_path).progress("part").waiting == 6
    assert Notebook(tmp_path).progress().total == 33


def test_a_trial_that_is_recorded_twice_counts_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.submit("SWEEP", picked(), Factorial(p=range(5)))
    bench.run("SWEEP", 0, 3)
    bench.run("SWEEP", 1, 2, attempt=2)
    (found,) = Notebook(tmp_path).sweeps().to_dicts()
    assert (found["total"], found["ready"], found["waiting"]) == (5, 3, 2)


def test_counting_reads_no_sealed_rows(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.submit("SWEEP", picked(), Factorial(p=range(5)))
    bench.run("SWEEP")
    bench.seal("SWEEP")
    (part,) = (tmp_path / "sweeps/SWEEP").glob("*.arrow")
    data = bytearray(part.read_bytes())
    at = data.index(b"ValueError: two", data.index(b"ValueError: two") + 1)  # not in what the file says about itself
    data[at : at + 4] = b"XXXX"
    part.write_bytes(data)
    assert Notebook(tmp_path).sweeps()["ready"].to_list() == [5]
    with pytest.raises(NotebookDamaged, match=part.name):
        Notebook(tmp_path).results()


def test_a_replaced_sweep_is_the_newer_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.submit("SWEEP", picked(), Factorial(p=[2]))
    bench.run("SWEEP")
    notebook = Notebook(tmp_path)
    assert notebook.results(status="all").height == 1
    bench.submit("SWEEP", picked(), Factorial(q=range(3)))
    assert (tmp_path / "sweeps/SWEEP~2").is_dir()
    assert notebook.results(status="all").columns == ["q"]
    bench.commit("SWEEP", leased(packaged(lambda q: {"z": q}, Factorial(q=range(3)))))
    assert sorted(notebook.results().rows()) == [(0, 0), (1, 1), (2, 2)]
    assert notebook.sweeps()["name"].to_list() == ["SWEEP"]
    # What was asked about the older one does not touch the newer.
    bench.writer.add([noted("cancelled", "SWEEP")])
    assert not notebook._records()["SWEEP"].cancelled


def test_what_was_set_aside_is_read_under_its_number(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for last in (3, 5, 7):
        bench.submit("SWEEP", picked(), Factorial(p=[last]))
        if last < 7:
            bench.run("SWEEP")
    notebook = Notebook(tmp_path)
    for name, p in (("SWEEP~1", 3), ("SWEEP~2", 5)):
        assert notebook.results(name)["p"].to_list() == [p]
        assert notebook.scan(name).collect()["p"].to_list() == [p]
        progress = notebook.progress(name)
        assert (progress.total, progress.done, progress.state) == (1, 1, "ready")
        assert "it was set aside for another 'SWEEP', by ada at 1970-01-01 00:00:0" in progress.reason
        assert notebook.warnings(name).height == 0
    assert notebook.results(["SWEEP~2", "SWEEP~1", "SWEEP"])["_sweep"].to_list() == ["SWEEP~2", "SWEEP~1"]
    assert notebook.sweeps()["name"].to_list() == ["SWEEP"]
    assert (notebook.progress().total, notebook.results().height) == (1, 0)
    with pytest.raises(SweepNotFound, match="has no sweep 'SWEEP~3'; its sweeps: 'SWEEP'; set aside: 'SWEEP~1', "):
        notebook.results("SWEEP~3")


def test_what_was_set_aside_before_it_was_done_waits_for_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.submit("SWEEP", picked(), Factorial(p=range(5)))
    bench.run("SWEEP", 0, 2)
    bench.submit("SWEEP", picked(), Factorial(p=range(9)))
    progress = Notebook(tmp_path).progress("SWEEP~1")
    assert (progress.total, progress.ready, progress.cancelled, progress.waiting) == (5, 2, 3, 0)
    assert progress.state == "cancelled"
    assert Notebook(tmp_path).verify().is_empty()


def test_damage_to_what_was_set_aside_bears_its_name(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for last in (1, 3):
        bench.submit("SWEEP", picked(), Factorial(p=[last]))
        bench.run("SWEEP")
    for path in (tmp_path / "sweeps").rglob("*2.arrow"):
        path.write_bytes(path.read_bytes()[:-9])
    assert sorted(Notebook(tmp_path).verify()["sweep"]) == ["SWEEP", "SWEEP~1"]


def test_without_a_name_the_only_sweep_is_meant(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    notebook = Notebook(tmp_path)
    with pytest.raises(SweepNotFound, match="its sweeps: none yet"):
        notebook.results()
    bench.submit("one", picked(), Factorial(p=[1]))
    assert notebook.results().columns == ["p"]
    bench.submit("two", picked(), Factorial(p=[1]))
    with pytest.raises(SweepNotFound, match="say which one you mean; its sweeps: 'one', 'two'"):
        notebook.results()
    with pytest.raises(SweepNotFound, match="has no sweep 'three'; its sweeps: 'one', 'two'"):
        notebook.results("three")


def test_a_sweep_that_was_asked_for_and_never_opened_has_no_rows(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.submit("SWEEP", picked(), Factorial(p=[1]))
    for path in sorted((tmp_path / "sweeps/SWEEP").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (tmp_path / "sweeps/SWEEP").rmdir()
    assert Notebook(tmp_path).results().shape == (0, 1)
    assert Notebook(tmp_path).progress().waiting == 1


def test_no_notebook_is_no_lab(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(LabNotFound, match=re.escape(f"there is no notebook in {path}")):
            Notebook(path)
    (tmp_path / layout.NOTEBOOK).write_text("{}")
    with pytest.raises(NotebookDamaged, match=r"notebook\.json is not what raylab writes"):
        Notebook(tmp_path)


def test_reading_changes_nothing(tmp_path: Path) -> None:
    sweep(tmp_path, picked(), Factorial(p=range(4)))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    notebook = Notebook(tmp_path)
    notebook.sweeps(), notebook.results(), notebook.progress(), notebook.scan()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_what_is_read_once_is_not_read_again(tmp_path: Path) -> None:
    bench = sweep(tmp_path, picked(), Factorial(p=range(4)))
    notebook = Notebook(tmp_path)
    before = notebook.results()
    (file,) = [path for path in (tmp_path / "sweeps/SWEEP/journal").iterdir() if "2.arrow" in path.name]
    file.write_bytes(b"")  # immutable files are known by their names
    assert notebook.results().equals(before)
    with pytest.raises(NotebookDamaged, match=r"journal/000000000002\.arrow"):
        Notebook(tmp_path).results()
    assert bench.identity.name == notebook.name == "lab"
