"""The command: what it prints, what a script learns from its exit code, and a cluster that stays until it is ended."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import polars as pl
import pytest
from clusters import Client, Cluster, clean_environment, eventually, free_port, one_starts
from sweeps import Bench

from raylab import Lab, __version__, errors
from raylab.client.cluster import NoCluster
from raylab.core.design import Factorial
from raylab.core.request import Request
from raylab.notebook.writer import Writer
from raylab.offline import Notebook
from raylab.terminal.command import VERBS, exit_code, main
from raylab.terminal.words import CODES

SUBMIT = """
def f(x):
    if x == 3:
        raise ValueError("three")
    return {"y": 2 * x}

sweep = raylab.Lab(lab).submit(f, raylab.Factorial(x=range(10)), name="coarse")
assert sweep.wait(timeout=150, progress=False)
"""

HOLD = """
import os, time

def g(x):
    while not os.path.exists(gate):
        time.sleep(0.02)
    return {"y": x}

raylab.Lab(lab).submit(g, raylab.Factorial(x=range(40)), name="held")
"""


def raylab(env: dict[str, str], *words: str, timeout: float = 90.0) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own."""
    command = [sys.executable, "-m", "raylab.terminal.command", *words]
    return subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
    )


def on(cluster: Cluster) -> dict[str, str]:
    """The environment of somebody who uses this cluster."""
    return cluster.environment() | {"RAY_ADDRESS": cluster.address}


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """A notebook with a finished sweep of four points, one of them failed, and one of which half is in."""

    def f(x: int) -> dict[str, int]:
        return {"y": 10 // x}

    bench = Bench(tmp_path / "lab")
    bench.submit("done", f, Factorial(x=range(4)))
    bench.run("done")
    bench.submit("half", f, Factorial(x=range(1, 9)))
    bench.run("half", 0, 4)
    return bench.root


@pytest.fixture
def lab_at_rest(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the lab of that notebook, on a machine without a cluster."""

    def none(*_: object, **__: object) -> None:
        raise NoCluster("no Ray cluster runs on this machine")

    monkeypatch.setenv("RAYLAB_HOME", str(tmp_path))
    monkeypatch.setattr("raylab.client.resting.connect", none)
    return Notebook(notebook).name


# -- words and codes


def test_help_is_there_without_ray_and_polars() -> None:
    code = """
import sys
try:
    from raylab.terminal.command import main
    main(["--help"])
finally:
    heavy = {"ray", "polars", "pyarrow", "numpy", "tqdm"} & set(sys.modules)
    assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert CODES in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        "nonsense",
        "start --port 0",
        "start --port x",
        "start --num-cpus 0",
        "start --address ray://head:10001",
        "start --address head:x",
        "start --address head --port 6379",
        "start --address head --client-port 10001",
        "status",
        "results",
        "wait LAB --timeout -1",
        "wait LAB --timeout nan",
        "results LAB -o x.txt",
        "results LAB --status good",
        "status --notebook PATH LAB SWEEP",
        "info",
        "info LAB --diff",
        "info LAB --code 1",
        "info LAB SWEEP --code 0",
        "info --notebook PATH --diff",
        "info --notebook PATH LAB SWEEP",
        "cancel LAB",
        "archive",
        "rm",
        "rm LAB SWEEP --force",
        "pause LAB",
        "resume LAB",
        "retry LAB",
        "retry LAB SWEEP --status done",
        "retry LAB SWEEP --status failed,lost",
        "shutdown",
        "ls LAB",
    ],
)
def test_bad_usage_is_one_line_and_code_2(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("raylab")
    assert said.count("\n") == 1


def test_the_name_alone_shows_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert "start a Ray cluster" in err


def test_an_error_names_the_verb_whose_help_helps(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ("status LAB --wrong", "status LAB SWEEP MORE", "status LAB --notebook PATH SWEEP"):
        with pytest.raises(SystemExit):
            main(words.split())
        assert capsys.readouterr().err.endswith("; see raylab status --help\n")


def test_every_verb_has_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in VERBS:
        with pytest.raises(SystemExit) as ended:
            main([verb.name, "--help"])
        assert ended.value.code == 0
        shown = capsys.readouterr().out
        assert verb.what[1:] in " ".join(shown.split())
        assert all(name.lstrip("-") in shown.lower() for names, _ in verb.words for name in names)


def test_the_version_is_that_of_raylab(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    known = f"Python {platform.python_version()}, Ray {version('ray')}"
    assert capsys.readouterr().out == f"raylab {__version__} ({known})\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.LabBusy, 1),
        (errors.DesignError, 2),
        (errors.NameRefused, 2),
        (errors.SweepLocked, 2),
        (ValueError, 2),
        (PermissionError, 2),
        (errors.LabNotFound, 3),
        (errors.SweepNotFound, 3),
        (errors.LabUnavailable, 4),
        (errors.LabFenced, 4),
        (errors.NotebookDamaged, 4),
        (errors.VersionMismatch, 4),
    ],
)
def test_every_error_has_its_exit_code(error: type[Exception], code: int) -> None:
    assert exit_code(error("x")) == code


def test_a_head_that_is_not_there_is_said_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAYLAB_HOME", str(tmp_path))
    address = f"127.0.0.1:{free_port()}"
    assert main(["start", "--address", address]) == 4
    said = capsys.readouterr().err
    assert said.startswith(f"raylab: no Ray cluster answers at {address}")
    assert "`raylab start` on the head prints the line" in said
    assert said.count("\n") == 1


def test_an_address_that_is_not_this_machines_is_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAYLAB_HOME", str(tmp_path))
    assert main(["start", "--node-ip-address", "198.51.100.77"]) == 2
    assert "'198.51.100.77' is no IP address of this machine; it has" in capsys.readouterr().err


def test_a_cluster_that_is_not_there_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    for address in (f"127.0.0.1:{free_port()}", f"ray://127.0.0.1:{free_port()}"):
        assert main(["ls", "--address", address]) == 4
        said = capsys.readouterr().err
        assert said.startswith(f"raylab: nothing answers at {address}")
        assert said.count("\n") == 1


# -- a notebook, without any cluster


def test_a_notebook_is_read_without_a_cluster(notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--notebook", str(notebook)]) == 0
    header, done, error, half, reason = capsys.readouterr().out.splitlines()
    columns = ["SWEEP", "READY", "TRIALS", "FAILED", "RATE", "ETA", "PRIORITY", "STATE", "USER", "SINCE", "(UTC)"]
    assert header.split() == columns
    assert done.split()[:-3] == ["done", "100%", "4/4", "1", "0", "ready"]
    assert error.startswith("  1 failed, the first with ZeroDivisionError")
    assert half.split()[:-3] == ["half", "50.0%", "4/8", "0", "?", "0", "running"]
    assert "whether a lab is at work on it, `raylab ls` tells" in reason


def test_what_is_said_of_sweeps_is_json_if_asked_for(notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--notebook", str(notebook), "--json"]) == 0
    done, half = json.loads(capsys.readouterr().out)
    assert (done["name"], done["state"], done["by_status"]) == ("done", "ready", {"done": 3, "failed": 1})
    assert (half["ready"], half["total"], half["ready_fraction"], half["eta_s"]) == (4, 8, 0.5, None)
    row = Notebook(notebook).sweeps().row(0, named=True)
    assert {name: done[name] for name in row} == {**row, "submitted": row["submitted"].isoformat()}


def test_one_sweep_of_a_notebook(notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--notebook", str(notebook), "half"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert not any(line.startswith("done") for line in shown)
    assert "trials      4 done, 4 waiting" in shown
    assert main(["status", "--notebook", str(notebook), "nope"]) == 3
    assert "'done', 'half'" in capsys.readouterr().err


def test_no_notebook_is_not_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", "--notebook", str(tmp_path)]) == 3
    assert str(tmp_path) in capsys.readouterr().err


def test_results_off_a_terminal_are_csv(notebook: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    done = raylab(dict(os.environ), "results", "--notebook", str(notebook), "done")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == ["1,10", "2,5", "3,3", "x,y"]


def test_results_come_to_a_summary(notebook: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "summary.parquet"
    words = ["results", "--notebook", str(notebook), "done", "--summary", "--of", "y", "--by", "x", "-o", str(path)]
    assert main(words) == 0
    assert pl.read_parquet(path).equals(Notebook(notebook).summary("done", "y", by="x"))
    for more, why in [
        (["done", "--by", "x"], "--of and --by say what --summary is about"),
        (["done", "--summary", "--metadata"], "neither --status nor --metadata"),
        (["done", "half", "--summary"], "--summary is of one sweep; got done half"),
    ]:
        with pytest.raises(SystemExit):
            main(["results", "--notebook", str(notebook), *more])
        assert why in capsys.readouterr().err
    assert main(["results", "--notebook", str(notebook), "done", "--summary", "--of", "z"]) == 2


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".arrow", ".feather", ".ipc", ".ndjson", ".jsonl"])
def test_results_go_to_a_file(notebook: Path, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"out{suffix}"
    words = ["results", "--notebook", str(notebook), "done", "-o", str(path), "--status", "all", "--metadata"]
    assert main(words) == 0
    read = {".parquet": pl.read_parquet, ".csv": pl.read_csv, ".ndjson": pl.read_ndjson, ".jsonl": pl.read_ndjson}.get(
        suffix, pl.read_ipc
    )
    assert sorted(read(path)["_status"]) == ["done", "done", "done", "failed"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "arrow", "xlsx"])
def test_a_format_may_be_named_for_what_is_printed_or_for_a_file(
    form: str, notebook: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "out.txt"
    words = ["results", "--notebook", str(notebook), "done", "--format", form]
    assert main([*words, "-o", str(path)]) == 0
    assert main(words) == 0
    printed = capfdbinary.readouterr().out
    if form != "xlsx":  # which bears the time
        assert printed == path.read_bytes()
    assert printed[:2] == {"csv": b"x,", "jsonl": b'{"', "parquet": b"PA", "arrow": b"AR", "xlsx": b"PK"}[form]


def test_what_a_format_cannot_hold_is_told(notebook: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = Bench(tmp_path / "odd")
    bench.submit("odd", lambda p: {"loss": float("nan"), "trace": [p]}, Factorial(p=range(2)))
    bench.run("odd")
    words = ["results", "--notebook", str(bench.root), "odd"]
    assert main([*words, "-o", str(tmp_path / "x.jsonl")]) == 0
    said = capsys.readouterr().err
    assert '"NaN", "Infinity" or "-Infinity": loss' in said
    assert json.loads((tmp_path / "x.jsonl").read_text().splitlines()[1]) == {"p": 1, "loss": "NaN", "trace": [1]}
    assert main(words) == 0
    assert capsys.readouterr().err == "raylab: lists and structs are JSON: trace\n"


def test_the_results_of_one_sweep_are_a_netcdf_file(
    notebook: Path, tmp_path: Path, lab_at_rest: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    import xarray

    path = tmp_path / "out.nc"
    for words in (["--notebook", str(notebook)], [lab_at_rest]):
        assert main(["results", *words, "done", "-o", str(path)]) == 0
        assert f"x 4 written to {path}" in capfdbinary.readouterr().err.decode()
        assert xarray.load_dataset(path, engine="h5netcdf")["y"].sel(x=[1, 2, 3]).values.tolist() == [10, 5, 3]
        path.unlink()
    assert main(["results", "--notebook", str(notebook), "done", "--format", "netcdf"]) == 0
    assert capfdbinary.readouterr().out.startswith(b"\x89HDF")
    for more in (["half"], ["--status", "all"], ["--metadata"], ["--summary"]):
        with pytest.raises(SystemExit):
            main(["results", "--notebook", str(notebook), "done", *more, "-o", str(path)])
        assert b"of one sweep" in capfdbinary.readouterr().err
    assert not path.exists()


def test_nothing_binary_is_shown_on_a_terminal(
    notebook: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with pytest.raises(SystemExit):
        main(["results", "--notebook", str(notebook), "done", "--format", "parquet"])
    assert "give a file with -o" in capsys.readouterr().err


def test_statuses_are_words_with_commas(notebook: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    words = ["results", "--notebook", str(notebook), "done", "-o", str(path), "--status", "failed,crashed"]
    assert main(words) == 0
    found = pl.read_parquet(path)
    assert found["x"].to_list() == [0]
    assert found["_status"].to_list() == ["failed"]
    assert "ZeroDivisionError" in found["_error"][0]


def test_what_the_help_of_results_promises_is_taken(
    notebook: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["results", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    suffixes = told.partition("as its suffix says: ")[2].partition(" --format")[0].split()
    statuses = re.findall(
        r"[a-z_]+", told.partition("--status WORDS ")[2].partition("several")[0].replace("(default)", "")
    )
    assert len(suffixes) == 11, told
    assert len(statuses) == 5, told
    words = ["results", "--notebook", str(notebook), "done"]
    for number, suffix in enumerate(suffixes):
        assert main([*words, "-o", str(tmp_path / f"{number}{suffix}")]) == 0
    for status in [*statuses, ",".join(statuses), "all"]:
        assert main([*words, "--status", status]) == 0
    assert "the only one there is); of several, with a column _sweep in front" in told


def test_several_sweeps_are_one_table(notebook: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    assert main(["results", "--notebook", str(notebook), "half", "done", "-o", str(path)]) == 0
    found = pl.read_parquet(path)
    assert found.columns == ["_sweep", "x", "y"]
    assert found["_sweep"].to_list() == ["half"] * 4 + ["done"] * 3
    assert main(["results", "--notebook", str(notebook), "done", "-o", str(path)]) == 0
    assert pl.read_parquet(path).columns == ["x", "y"]


def test_where_no_sweep_is_named_of_several_the_command_is_advised(
    notebook: Path, tmp_path: Path, lab_at_rest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["--notebook", str(notebook)], [lab_at_rest]):
        assert main(["results", *words]) == 3
        said = capsys.readouterr().err
        assert "its sweeps: 'done', 'half'; `raylab results " + " ".join(words) + " SWEEP ...` takes one" in said
        assert "results([" not in said
    assert main(["results", lab_at_rest, "done", "nope"]) == 3
    assert main(["results", lab_at_rest, "done", "--summary"]) == 0
    said = capsys.readouterr().err
    assert "no sweep 'nope'" in said
    assert "SWEEP ..." not in said
    assert main(["results", lab_at_rest, "done", "half", "-o", str(tmp_path / "out.csv")]) == 0
    assert pl.read_csv(tmp_path / "out.csv")["_sweep"].n_unique() == 2


def test_nothing_is_started_where_nothing_is_left_to_cancel(
    lab_at_rest: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started = []
    monkeypatch.setattr("raylab.client.attachment.attach", lambda name, **_: started.append(name))
    monkeypatch.setattr("raylab.client.attachment.connect", lambda *_, **__: None)
    assert main(["cancel", lab_at_rest, "done", "--yes"]) == 0
    assert capsys.readouterr().out == "done: nothing is left to cancel\n"
    assert main(["pause", lab_at_rest, "done"]) == main(["resume", lab_at_rest, "done"]) == 0
    assert capsys.readouterr().out == "done: nothing is left to pause\ndone: nothing is left to run\n"
    assert main(["retry", lab_at_rest, "half"]) == main(["retry", lab_at_rest, "done", "--status", "timed_out"]) == 0
    assert capsys.readouterr().out == (
        "half: nothing is failed or crashed or timed_out\ndone: nothing is timed_out; there are 1 failed\n"
    )
    for words in (
        ["cancel", lab_at_rest, "nope", "--yes"],
        ["pause", lab_at_rest, "nope"],
        ["resume", lab_at_rest, "nope"],
        ["retry", lab_at_rest, "nope"],
    ):
        assert main(words) == 3
    with pytest.raises(SystemExit):
        main(["cancel", lab_at_rest, "half"])  # nobody is there to ask
    assert started == []
    for words in (
        ["cancel", lab_at_rest, "half", "--yes"],
        ["pause", lab_at_rest, "half"],
        ["retry", lab_at_rest, "done"],
    ):
        with pytest.raises(AttributeError):  # there is no lab behind this one
            main(words)
        assert started.pop() == lab_at_rest


def test_what_is_deleted_for_good_is_named_twice(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("raylab.client.resting.look", lambda name, address: lab._client)
    sweep = lab.submit(lambda x: {"y": x}, {"x": range(3)}, name="coarse")
    assert sweep.wait(timeout=150, progress=False)
    assert main(["archive", "test", "coarse"]) == 0
    assert "`raylab archive test coarse --undo` shows it" in capsys.readouterr().out
    assert main(["status", "test"]) == 0
    assert "coarse" not in capsys.readouterr().out
    assert main(["status", "test", "--all"]) == 0
    assert "coarse" in capsys.readouterr().out
    assert main(["archive", "test", "coarse", "--undo"]) == 0
    with pytest.raises(SystemExit):  # nobody is there to ask
        main(["rm", "test", "coarse"])
    asked, answers = [], iter(["", "coars", "y", "coarse "])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or next(answers))
    assert [main(["rm", "test", "coarse"]) for _ in range(3)] == [1, 1, 1]
    assert sweep.results().height == 3
    assert main(["rm", "test", "coarse"]) == 0
    assert asked[0] == "delete 'coarse' of the lab 'test': 3 rows, 0 trials outstanding, for good? Its name again: "
    assert capsys.readouterr().out.endswith("coarse is deleted, with 3 rows\n")
    assert main(["rm", "test", "coarse", "--yes"]) == 3
    assert "'coarse' was removed by" in capsys.readouterr().err


@pytest.fixture
def no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without labs, on a machine without a cluster."""

    def none(*_: object, **__: object) -> None:
        raise NoCluster("no Ray cluster runs on this machine")

    monkeypatch.setattr("raylab.client.whole_labs.connect", none)
    monkeypatch.setenv("RAYLAB_HOME", str(tmp_path))
    return tmp_path


def test_a_mistyped_lab_is_got_rid_of(
    notebook: Path, no_cluster: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = Notebook(notebook).name
    assert main(["archive", name]) == 0
    assert (no_cluster / f"{name}.archived").exists()
    assert main(["archive", name, "--undo"]) == 0
    with pytest.raises(SystemExit):  # nobody is there to ask
        main(["rm", name])
    asked, answers = [], iter(["no", name])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or next(answers))
    assert main(["rm", name]) == 1
    assert notebook.exists()
    assert main(["rm", name]) == 0
    assert f"2 sweeps, 8 rows, 4 trials outstanding; {notebook})? Its name again: " in asked[0]
    assert not notebook.exists()
    capsys.readouterr()
    assert main(["rm", name, "--yes"]) == 4
    assert "no Ray cluster runs on this machine" in capsys.readouterr().err


def test_a_lab_with_a_locked_sweep_goes_only_by_force(
    notebook: Path, no_cluster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = Writer(notebook, {})
    writer.establish("lab", "ada")
    writer.open_requests()
    writer.add([Request(kind="locked", sweep="done", folder="sweeps/done")])
    assert main(["rm", "lab", "--yes"]) == 2
    assert "sweeps of the lab 'lab' are locked ('done')" in capsys.readouterr().err
    assert main(["rm", "lab", "--yes", "--force"]) == 0
    assert not notebook.exists()


def test_a_lab_whose_notebook_is_damaged_is_got_rid_of_as_well(notebook: Path, no_cluster: Path) -> None:
    path = min((notebook / "requests/journal").iterdir())
    path.write_bytes(b"")
    assert main(["rm", "lab", "--yes"]) == 0
    assert not notebook.exists()


def test_a_file_that_cannot_be_written_is_bad_input(notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", "--notebook", str(notebook), "done", "-o", "/nowhere/at/all.csv"]) == 2
    said = capsys.readouterr().err
    assert "the folder /nowhere/at is not there" in said
    assert ".all.csv" not in said, "the name of a temporary file says nothing"
    assert said.count("\n") == 1


def test_a_whole_notebook_is_one_line(notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(notebook)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"all is whole: \d+ files, 8 rows, [\d,]+ bytes in .*", line)


def test_a_lab_of_this_machine_is_verified_by_its_name(
    notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAYLAB_HOME", str(tmp_path))
    (tmp_path / "other.place").write_text(f"{notebook}\n")
    assert main(["verify", Notebook(notebook).name]) == 0
    assert str(notebook) in capsys.readouterr().out
    assert main(["verify", "nowhere"]) == 3
    assert "there is no lab and no folder 'nowhere'; labs on this machine are: 'lab'" in capsys.readouterr().err
    assert main(["verify", str(tmp_path / "empty")]) == 3
    (tmp_path / "empty").mkdir()
    assert main(["verify", str(tmp_path / "empty")]) == 3
    assert main(["copy", str(tmp_path / "empty"), str(tmp_path / "new")]) == 3


def test_a_copy_says_what_was_new(notebook: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = tmp_path / "copy"
    assert main(["copy", str(notebook), str(new)]) == 0
    said = r"(\d+) files, [\d,]+ bytes were new; the notebook of 'lab' is in .*/copy"
    found = re.fullmatch(said, capsys.readouterr().out.strip())
    assert found is not None
    assert int(found[1]) > 5
    assert main(["copy", str(notebook), str(new)]) == 0
    assert "0 files, 0 bytes were new" in capsys.readouterr().out
    assert main(["copy", str(notebook), str(tmp_path)]) == 2
    assert "lies something else: give a new folder" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["--crate"]])
def test_to_copy_a_folder_that_is_not_there_is_refused_as_one(
    no_cluster: Path, tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["copy", str(tmp_path / "typo"), str(tmp_path / "new"), *words]) == 3
    assert f"there is no lab and no folder {str(tmp_path / 'typo')!r}" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_parcel_says_what_is_in_it_and_what_nobody_said(
    notebook: Path, no_cluster: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "parcel"
    assert main(["copy", "lab", str(new), "--crate"]) == 0
    said = capsys.readouterr()
    assert re.fullmatch(r"a parcel of 2 sweeps, \d+ files, [\d,]+ bytes, is in .*/parcel", said.out.strip())
    assert "no licence was given" in said.err
    assert "so the parcel names ada" in said.err
    assert sorted(path.name for path in (new / "sweeps").iterdir()) == ["done", "half"]
    assert main(["copy", "lab", str(new), "--crate"]) == 2
    assert f"{new} is there already" in capsys.readouterr().err

    words = ["--sweep", "half", "--license", "mit", "--title", "Half of it", "--author", "Zoë", "--author", "Ada L"]
    assert main(["copy", str(notebook), str(tmp_path / "half.zip"), "--crate", *words]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("a parcel of the sweep 'half', ")
    assert said.err == ""
    with zipfile.ZipFile(tmp_path / "half.zip") as archive:
        told = archive.read("CITATION.cff").decode()
    assert "title: Half of it" in told
    assert "license: MIT" in told
    assert "family-names: Zoë" in told


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--licence", "MIT"], "--licence is about a parcel; say --crate, too"),
        (["--sweep", "done"], "--sweep is about a parcel; say --crate, too"),
        (["--env-vars"], "--env-vars is about a parcel; say --crate, too"),
        (["--crate", "--salvage"], "--salvage makes a notebook, --crate a parcel"),
    ],
)
def test_words_of_a_parcel_go_with_it(
    notebook: Path, tmp_path: Path, words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["copy", str(notebook), str(tmp_path / "new"), *words])
    assert ended.value.code == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["--licence", "mine"], 2, "a licence is one identifier of the SPDX list"),
        (["--author", "Ada 0000-0002-1825-0098"], 2, "is no ORCID"),
        (["--sweep", "third"], 3, "has no sweep 'third'; its sweeps: 'done', 'half'"),
    ],
)
def test_a_parcel_that_cannot_be_made_leaves_nothing(
    notebook: Path, tmp_path: Path, words: list[str], code: int, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["copy", str(notebook), str(tmp_path / "new" / "parcel"), "--crate", *words]) == code
    assert why in capsys.readouterr().err
    assert not list((tmp_path).rglob("*parcel*"))


def test_damage_is_a_table_and_code_1_and_the_way_out_is_a_salvage(
    notebook: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = sorted((notebook / "sweeps/half/journal").iterdir())[-1]
    path.write_bytes(path.read_bytes()[:-1])
    assert main(["verify", str(notebook)]) == 1
    said = capsys.readouterr()
    header, row = said.out.splitlines()
    assert header.split() == ["FILE", "SWEEP", "ROWS", "TRIALS", "WHAT"]
    assert row.split()[:7] == [f"sweeps/half/journal/{path.name}", "half", "4", "from", "0", "4", "ArrowInvalid:"]
    assert f"raylab copy {notebook} NEW --salvage" in said.err
    new = tmp_path / "new"
    assert main(["copy", str(notebook), str(new)]) == 1
    said = capsys.readouterr()
    assert path.name in said.err
    assert "`raylab copy OLD NEW --salvage`" in said.err
    assert main(["copy", str(notebook), str(new), "--salvage"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[:2] == [header, row]
    assert "the sweeps concerned are paused" in out
    assert main(["verify", str(new)]) == 0


def test_a_notebook_is_verified_without_ray_and_polars(notebook: Path) -> None:
    run = "import sys; from raylab.terminal.command import main; main(sys.argv[1:])"
    code = f"{run}; print(*{{'ray', 'polars'}} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", code, "verify", str(notebook)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == ""


def test_a_reader_that_goes_away_is_no_error(notebook: Path) -> None:
    results = f"{sys.executable} -m raylab.terminal.command results --notebook {notebook} done"
    command = f"{results} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# -- a cluster that stays


class Background:
    """What `raylab start` needs to start a cluster that is in nobody's way."""

    def __init__(self, root: Path) -> None:
        self.port, self.client_port = free_port(), free_port()
        (root / "home").mkdir()
        self.folder = root / "r"
        self.labs = root / "labs"
        self.env = clean_environment() | {"RAYLAB_HOME": str(self.labs), "HOME": str(root / "home")}

    def start(self) -> subprocess.CompletedProcess[str]:
        words = ["--num-cpus", "1", "--port", str(self.port), "--client-port", str(self.client_port)]
        with one_starts():
            return raylab(self.env, "start", *words, "--temp-dir", str(self.folder), timeout=150)

    def pids(self) -> list[int]:
        """Its processes, found in another way than the command finds them."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if f"{self.folder}/" in path.read_bytes().decode(errors="replace"):
                    found.append(int(path.parent.name))
            except OSError:
                continue
        return found


@pytest.fixture
def background() -> Iterator[Background]:
    root = Path(tempfile.mkdtemp(prefix="rl-", dir="/tmp"))  # short: it becomes part of socket paths
    found = Background(root)
    yield found
    raylab(found.env, "stop")
    for pid in found.pids():
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(root, ignore_errors=True)


def test_nothing_to_stop(tmp_path: Path) -> None:
    done = raylab(clean_environment() | {"RAYLAB_HOME": str(tmp_path)}, "stop")
    assert (done.returncode, done.stdout) == (0, "no cluster that `raylab start` started runs here\n")


def test_a_temp_dir_that_no_socket_fits_into_is_bad_input(tmp_path: Path) -> None:
    env = clean_environment() | {"RAYLAB_HOME": str(tmp_path)}
    done = raylab(env, "start", "--temp-dir", "/tmp/" + "x" * 60)
    assert done.returncode == 2
    assert "shorter" in done.stderr


def daemons(cluster: Cluster) -> set[int]:
    """What a cluster consists of, without the workers and servers that come and go."""
    return {pid for pid in cluster.pids() if Path(f"/proc/{pid}/comm").read_text().strip() in ("gcs_server", "raylet")}


@pytest.mark.ray
@pytest.mark.timeout(300)  # it starts clusters, on machines that may be busy
def test_a_cluster_stays_until_it_is_ended_and_no_other_is_touched(cluster: Cluster, background: Background) -> None:
    others = daemons(cluster)
    done = background.start()
    assert done.returncode == 0, done.stderr
    assert f":{background.port}\n" in done.stdout
    assert "ray://" in done.stdout
    assert f":{background.client_port}\n" in done.stdout
    assert "none: whoever" in done.stdout, "without a token it says so"
    again = raylab(background.env, "start")
    assert again.returncode == 0
    assert again.stdout.startswith("a Ray cluster runs here already")
    assert again.stdout.splitlines()[1:] == done.stdout.splitlines()[1:]
    assert raylab(background.env, "ls").returncode == 0, "found without an address, with another cluster on the machine"

    for pid in background.pids():
        if Path(f"/proc/{pid}/comm").read_text().strip() == "raylet":
            os.kill(pid, signal.SIGKILL)
    afresh = background.start()
    assert afresh.returncode == 0, afresh.stderr
    assert "already" not in afresh.stdout, "what is left of a cluster is none"
    assert raylab(background.env, "ls").returncode == 0
    end = raylab(background.env, "stop")
    assert end.returncode == 0
    assert "nothing is lost" in end.stdout
    assert background.pids() == []
    assert not (background.folder / "ray_current_cluster").exists()
    assert others
    assert daemons(cluster) == others
    assert raylab(background.env, "stop").stdout.startswith("no cluster")


@pytest.mark.ray
@pytest.mark.long
@pytest.mark.timeout(300)  # it starts clusters, on machines that may be busy
def test_what_ran_when_the_cluster_was_ended_runs_again(background: Background, tmp_path: Path) -> None:
    assert background.start().returncode == 0
    gate = tmp_path / "gate"
    with Client(HOLD, None, env=background.env, lab="kept", gate=str(gate)) as client:
        client.wait()
    eventually(lambda: "running" in raylab(background.env, "ls").stdout)
    assert raylab(background.env, "wait", "kept", "--timeout", "0", "--quiet").returncode == 1
    assert raylab(background.env, "stop").returncode == 0
    status = raylab(background.env, "status", "--notebook", str(background.labs / "kept")).stdout
    assert status.splitlines()[1].split()[:4] == ["held", "0%", "0/40", "0"]
    gate.touch()
    assert background.start().returncode == 0
    rest = raylab(background.env, "wait", "kept", "--timeout", "100")
    assert rest.returncode == 1
    assert "at rest" in rest.stderr
    Client("raylab.Lab('kept')", None, env=background.env).wait()
    done = raylab(background.env, "wait", "kept", "--timeout", "100")
    assert done.returncode == 0, done.stderr
    assert "40 of 40 trials" in done.stderr
    assert raylab(background.env, "results", "kept").stdout.count("\n") == 41


@pytest.mark.ray
@pytest.mark.timeout(300)  # it starts clusters, on machines that may be busy
def test_a_port_that_is_taken_is_said_and_nothing_stays(cluster: Cluster, background: Background) -> None:
    background.port = int(cluster.address.rpartition(":")[2])
    done = background.start()
    assert done.returncode == 4
    assert done.stderr.startswith("raylab: ")
    assert done.stderr.count("\n") == 1
    assert background.pids() == []
    assert raylab(background.env, "stop").stdout.startswith("no cluster")


# -- labs on a cluster


@pytest.mark.ray
def test_a_lab_from_the_command_line(cluster: Cluster, lab_name: str, tmp_path: Path) -> None:
    cluster.client(SUBMIT, lab=lab_name)
    listed = cluster.command("ls")
    assert any(line.split()[0::2][:2] == [lab_name, "running"] for line in listed.stdout.splitlines())
    status = cluster.command("status", lab_name)
    assert status.stdout.splitlines()[1].split()[:6] == ["coarse", "100%", "10/10", "1", "0", "ready"]
    assert "ValueError: three" in status.stdout
    assert cluster.command("watch", lab_name, "coarse").stdout == status.stdout
    wait = cluster.command("wait", lab_name, "--timeout", "5")
    assert wait.returncode == 0
    assert ": 100%, 10 of 10 trials are ready, 1 failed\n" in wait.stderr
    results = cluster.command("results", lab_name)
    assert sorted(results.stdout.split()) == sorted(["x,y", *(f"{x},{2 * x}" for x in range(10) if x != 3)])
    assert cluster.command("cancel", lab_name, "coarse").stdout == "coarse: nothing is left to cancel\n"
    assert cluster.command("shutdown", lab_name).returncode == 0
    assert cluster.command("shutdown", lab_name).stdout == f"the lab {lab_name!r} is at rest already\n"


@pytest.mark.ray
def test_no_command_makes_a_lab(cluster: Cluster, lab_name: str) -> None:
    for words in ("status", "watch", "wait", "results", "shutdown"):
        done = cluster.command(words, lab_name)
        assert done.returncode == 3, done.stderr
        assert done.stderr.startswith(f"raylab: there is no lab {lab_name!r}")
        assert done.stderr.count("\n") == 1
    assert not (cluster.home / lab_name).exists()


@pytest.mark.ray
def test_a_lab_with_work_left(cluster: Cluster, lab_name: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    try:
        cluster.client(HOLD, lab=lab_name, gate=str(gate))
        assert cluster.command("wait", lab_name, "held", "--timeout", "0.2", "--quiet").returncode == 1
        assert cluster.command("status", lab_name, "nope").returncode == 3
        busy = cluster.command("shutdown", lab_name)
        assert busy.returncode == 1
        assert "40 trials outstanding" in busy.stderr
        paused = cluster.command("pause", lab_name, "held").stdout
        assert paused.startswith("held is paused")
        assert paused.endswith(f"; `raylab resume {lab_name} held` lets it go on\n")
        assert "paused by" in cluster.command("status", lab_name, "held").stdout
        assert cluster.command("resume", lab_name, "held").stdout == "held goes on: 40 trials are outstanding\n"
        refused = cluster.command("cancel", lab_name, "held")
        assert refused.returncode == 2
        assert "--yes" in refused.stderr
        cancelled = cluster.command("cancel", lab_name, "held", "--yes")
        assert cancelled.returncode == 0
        assert "trials are cancelled" in cancelled.stdout
    finally:
        gate.touch()
    assert cluster.command("shutdown", lab_name, "--force").returncode == 0
    assert cluster.command("cancel", lab_name, "held", "--yes").stdout == "held: nothing is left to cancel\n"
    assert cluster.command("shutdown", lab_name).stdout == f"the lab {lab_name!r} is at rest already\n"


@pytest.mark.ray
def test_ctrl_c_ends_the_watching_and_nothing_else(cluster: Cluster, lab_name: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    try:
        cluster.client(HOLD, lab=lab_name, gate=str(gate))
        command = [sys.executable, "-u", "-m", "raylab.terminal.command", "watch", lab_name]
        with subprocess.Popen(command, env=on(cluster), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watch:
            assert watch.stdout is not None
            assert watch.stdout.readline().startswith(b"SWEEP")
            watch.send_signal(signal.SIGINT)
            _, complaint = watch.communicate(timeout=100)
        assert watch.returncode == 130
        assert complaint.splitlines()[-1] == b"raylab: interrupted; nothing was cancelled"
        assert complaint.count(b"interrupted") == 1
    finally:
        gate.touch()
    assert cluster.command("wait", lab_name, "--timeout", "100", "--quiet").returncode == 0
