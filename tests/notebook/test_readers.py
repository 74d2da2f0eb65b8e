"""Whoever reads the folder while a lab writes and seals sees a beginning of the rows, which grows; each row once."""

from __future__ import annotations

import threading
from pathlib import Path

import polars as pl
import pytest
from faulty import Faulty, Unplugged
from lives import COMMITS, A, Life, check_plain, points, read
from reading import Cursor, read_along
from sweeps import Bench

from raylab.core.design import Factorial
from raylab.notebook import layout, table_files
from raylab.notebook.posix import PosixStore
from raylab.notebook.table_files import PAUSE_S  # before `hasty` changes it
from raylab.offline import Notebook

pytestmark = pytest.mark.usefixtures("hasty")


def test_a_reader_at_each_operation_of_a_writer_and_the_other_way_round(tmp_path: Path) -> None:
    assert read_along(tmp_path) > 600


def test_results_at_each_operation_are_those_of_a_beginning_of_the_sweep(tmp_path: Path) -> None:
    """As a person reads: `Notebook.results`, and what it says of the sweep."""
    seen: list[int] = []

    def look(number: int, name: str) -> None:
        if bench is not None:
            notebook = Notebook(tmp_path)
            found = notebook.results("SWEEP", metadata=["_seq"]).sort("_seq")
            results = found["x"].to_list() if len(found) else []
            assert results[: len(seen)] == seen
            assert found["_seq"].to_list() == list(range(len(found)))
            seen[:] = results
            assert notebook.progress("SWEEP").done == len(seen)

    bench: Bench | None = None
    writing = Bench(tmp_path, store=PosixStore(tmp_path, Faulty(hook=look)))
    writing.submit("SWEEP", _twice, Factorial(p=range(9)))
    bench = writing
    for start in range(0, 9, 3):
        bench.run("SWEEP", start, start + 3)
        if start:
            bench.seal("SWEEP")
    assert sorted(seen) == [2 * p for p in range(9)]


def _twice(p: int) -> dict[str, int]:
    return {"x": 2 * p}


def test_the_lines_of_the_readme_read_the_folder_at_each_operation(tmp_path: Path) -> None:
    """The very text that every notebook carries, run as it stands. A file may go between its two listings' `glob` and
    the reading of it only while a writer goes on, so here none does."""
    code = layout.readme("lab").split("```python\n")[1].split("```")[0]
    code = code.replace('Path("sweeps") / "SWEEP"', f"Path({str(tmp_path / A)!r})")
    lines = compile(code, "README.md", "exec")
    looks = 0

    def look(number: int, name: str) -> None:
        nonlocal looks
        certain = points(life.claims.commits[A])
        if name in ("link", "unlink", "sync_folder") and certain:
            looks += 1
            names: dict[str, pl.DataFrame] = {}
            exec(lines, names)
            got = names["results"].sort("_seq")["_point"].to_list()
            assert got in (certain, certain + points(life.claims.doubtful[A]))

    life = Life(tmp_path, Faulty(hook=look))
    life.run()
    assert looks > 50


def test_readers_in_other_threads_see_a_growing_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Truly at once: one thread commits and seals, two read with a cursor of their own, one lists all afresh.

    So a reader that was overtaken must wait a little, as it does in earnest: on a busy machine a seal lasts.
    """
    monkeypatch.setattr(table_files, "PAUSE_S", PAUSE_S)
    life = Life(tmp_path, Unplugged())
    life.open()
    life.table(A)
    last, done, errors = 40, threading.Event(), []
    cursors = [Cursor(tmp_path, A, whole) for whole in (True, False)]

    def guarded(look: object) -> None:
        try:
            while not done.is_set():
                look()  # type: ignore[operator]
            look()  # type: ignore[operator]
        except BaseException as error:
            errors.append(error)

    def afresh() -> None:
        found = read(PosixStore(tmp_path), A)
        assert found == points(range(last))[: len(found)]

    threads = [threading.Thread(target=guarded, args=(look,)) for look in (*(c.look for c in cursors), afresh)]
    for thread in threads:
        thread.start()
    try:
        for k in range(last):
            life.commit(A, k)
            if k % 7 == 6:
                life.seal(A)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert errors == []
    assert [cursor.rows for cursor in cursors] == 2 * [points(range(last))]
    check_plain(tmp_path, A, points(range(last)))
    assert last > COMMITS[A]
