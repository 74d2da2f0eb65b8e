"""The folder that a trial runs in: with the files that came with it, its process's own, and nobody's afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sweeps import leased, packaged, rows_of, table_of

from raylab.code.pack import pack
from raylab.core.design import Factorial
from raylab.worker import lease
from raylab.worker.working_folder import Workplace, back_again, private_folder


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files of this test's own."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    while lease._jobs:
        _, job = lease._jobs.popitem()
        if job.workplace is not None:
            job.workplace.remove()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "table.csv").write_text("35")
    (folder / "run.sh").write_text("#!/bin/sh\necho 7\n")
    (folder / "run.sh").chmod(0o555)
    return folder


def with_files(experiment: Any, *include: Path, **words: Any) -> Any:
    code = pack(experiment, include)
    return replace(packaged(code, Factorial(x=[1, 2, 3]), **words), modules=code.modules)


def rows(package: Any, **words: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = table_of(leased(package, **words)).to_pylist()
    return found


def test_relative_paths_find_what_was_included_and_the_folder_can_be_written_to(data: Path, temporary: Path) -> None:
    def read(x: int) -> dict[str, Any]:
        import os
        import subprocess
        from pathlib import Path

        Path("out.txt").write_text("mine")
        with Path("data/deep/table.csv").open("a") as file:
            file.write("")
        said = subprocess.run(["./data/run.sh"], capture_output=True, text=True, check=True).stdout
        found = int(Path("data/deep/table.csv").read_text())
        here = str(Path.cwd())
        os.chdir("/")
        return {"y": x * found + int(said), "here": here}

    before = Path.cwd()
    found = rows(with_files(read, data))
    assert sorted(row["y"] for row in found) == [42, 77, 112], found
    (here,) = {row["here"] for row in found}
    assert here.startswith(str(temporary / f"raylab-run-{os.getuid()}" / f"{os.getpid()}-"))
    assert Path.cwd() == before
    assert (data / "deep" / "table.csv").read_text() == "35"


def test_a_single_file_lies_under_its_name(data: Path) -> None:
    def read(x: int) -> dict[str, Any]:
        from pathlib import Path

        return {"y": x * int(Path("table.csv").read_text())}

    assert sorted(row["y"] for row in rows(with_files(read, data / "deep" / "table.csv"))) == [35, 70, 105]


def test_a_trial_that_removes_the_folder_leaves_none_without(data: Path) -> None:
    def tidies(x: int) -> dict[str, Any]:
        import shutil
        from pathlib import Path

        found = Path("data/deep/table.csv").read_text()
        shutil.rmtree(Path.cwd())
        return {"y": found}

    assert [row["y"] for row in rows(with_files(tidies, data))] == ["35"] * 3


def test_a_folder_that_cannot_be_entered_is_the_trials_failure(data: Path, temporary: Path) -> None:
    def blocks(x: int) -> dict[str, Any]:
        import shutil
        from pathlib import Path

        here = str(Path.cwd())
        shutil.rmtree(here)
        Path(here).write_text("a file in its place")
        return {}

    try:
        found = rows(with_files(blocks, data, order="design"))
        assert [row["_status"] for row in found] == ["done", "failed", "failed"]
        assert "NotADirectoryError" in found[1]["_error"]
    finally:
        for path in (temporary / f"raylab-run-{os.getuid()}").glob(f"{os.getpid()}-*"):
            if path.is_file():
                path.unlink()


def test_without_files_a_trial_runs_where_the_process_was_whatever_earlier_leases_did(tmp_path: Path) -> None:
    def moves(x: int) -> dict[str, Any]:
        import os
        from pathlib import Path

        here = str(Path.cwd())
        os.chdir("/")
        return {"here": here}

    before = str(Path.cwd())
    for _ in range(3):
        assert rows_of(moves, Factorial(x=[1]))[0]["here"] == before
    assert str(Path.cwd()) == before


def test_each_sweep_and_each_process_has_a_folder_of_its_own_that_goes_with_it(data: Path, temporary: Path) -> None:
    def where(x: int) -> dict[str, Any]:
        from pathlib import Path

        return {"here": str(Path.cwd())}

    folders = [rows(with_files(where, data))[0]["here"] for _ in range(12)]
    assert len(set(folders)) == 12
    assert [Path(folder).exists() for folder in folders] == [False] * 4 + [True] * 8


OTHER = """
import os, sys, tempfile
from pathlib import Path
tempfile.tempdir = sys.argv[1]
from raylab.worker.working_folder import Workplace
place = Workplace(Path(sys.argv[2]), ["deep/table.csv"])
print(place.path, flush=True)
if sys.argv[3] == "dies":
    os._exit(1)
if sys.argv[3] == "stays":
    sys.stdin.read()
"""


def test_what_dead_processes_left_is_removed_and_what_others_use_is_not(data: Path, temporary: Path) -> None:
    def begin(how: str) -> tuple[subprocess.Popen[str], Path]:
        words = [sys.executable, "-c", OTHER, str(temporary), str(data), how]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        return process, Path(process.stdout.readline().strip())

    stays, used = begin("stays")
    try:
        dead, left = begin("dies")
        dead.wait()
        ended, gone = begin("ends")
        ended.wait()
        assert not gone.exists()
        mine = Workplace(data, ["deep/table.csv"])
        assert (used / "deep" / "table.csv").read_text() == (mine.path / "deep" / "table.csv").read_text() == "35"
        assert not left.exists()
        mine.remove()
        assert not mine.path.exists()
        assert {path.name for path in used.parent.iterdir()} == {used.name, f"{used.name}.lock"}
    finally:
        stays.communicate("")
    assert not used.exists()


def test_a_folder_that_somebody_else_may_write_to_is_not_used(temporary: Path) -> None:
    mine = private_folder("run")
    assert private_folder("run") == mine == temporary / f"raylab-run-{os.getuid()}"
    mine.chmod(0o777)
    other = private_folder("run")
    assert other != mine
    assert other.stat().st_mode & 0o077 == 0


def test_back_again_bears_a_folder_that_is_gone(tmp_path: Path) -> None:
    start = Path.cwd()
    (tmp_path / "gone").mkdir()
    try:
        os.chdir(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
        with back_again():
            os.chdir(tmp_path)
        assert Path.cwd() == tmp_path
    finally:
        os.chdir(start)
