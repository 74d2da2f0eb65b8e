"""Retry and going on with mended code on a cluster: from a handle, a name and the command; trials that killed their
process; a lab that is killed, and one at rest."""

from __future__ import annotations

import subprocess
from pathlib import Path

import polars as pl
import pytest
from clusters import Cluster

import raylab

TRIALS = """
import os, signal
def fragile(x, mark):
    if os.path.exists(mark):
        if x == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        if x % 4 == 0:
            raise ValueError(f"bad {x}")
    return {"y": x}

def submit(lab, name, code=fragile, **more):
    return lab.submit(code, {"x": range(40), "mark": [mark]}, name=name, seed=1, **more)
"""


@pytest.fixture
def lab_name(common_lab: str) -> str:
    """One lab for these tests, each of which looks at its own sweep."""
    return common_lab


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    path = tmp_path / "mark"
    path.touch()
    return path


@pytest.mark.long
def test_what_failed_and_crashed_runs_again_also_where_the_lab_is_killed_meanwhile(
    cluster: Cluster, lab_name: str, mark: Path
) -> None:
    script = """
    lab = raylab.Lab(name)
    sweep = submit(lab, "retried")
    assert sweep.wait(timeout=150, progress=False)
    assert sweep.progress().by_status == {"done": 29, "failed": 10, "crashed": 1}, sweep.progress()
    before = sweep.results(status="all", metadata=True)
    assert lab.sweep("retried").retry(status="crashed") == 1
    assert sweep.wait(timeout=150, progress=False)
    assert sweep.progress().by_status == {"done": 29, "failed": 10, "crashed": 1}
    os.remove(mark)
    assert sweep.retry() == 11
    os.kill(lab.info()["pid"], 9)
    assert sweep.wait(timeout=150, progress=False)
    assert sweep.progress().by_status == {"done": 40}
    after = sweep.results(status="all", metadata=True)
    same = ["x", "_point", "_seed"]
    assert after.select(same).equals(before.select(same))
    crashed, failed = (after.filter(x=x)["_attempt"].item() for x in (3, 4))
    assert crashed > 3 and failed > before["_attempt"].max(), (crashed, failed)
    assert sweep.failures().is_empty() and sweep.number_of_results() == 52
    """
    cluster.client(TRIALS + _dedent(script), name=lab_name, mark=str(mark))
    notebook = raylab.Notebook(cluster.home / lab_name)
    assert notebook.progress("retried").by_status == {"done": 40}
    assert notebook.verify().is_empty()


@pytest.mark.long
def test_the_command_runs_again_what_failed_and_starts_a_lab_at_rest(
    cluster: Cluster, lab_name: str, mark: Path
) -> None:
    script = """
    lab = raylab.Lab(name)
    assert submit(lab, "commanded").wait(timeout=150, progress=False)
    """
    cluster.client(TRIALS + _dedent(script), name=lab_name, mark=str(mark))
    assert _command(cluster, "retry", lab_name, "commanded", "--status", "timed_out") == (
        "commanded: nothing is timed_out; there are 1 crashed, 10 failed\n"
    )
    mark.unlink()
    assert _command(cluster, "retry", lab_name, "commanded", "--status", "failed") == (
        "commanded: 10 trials run again\n"
    )
    _command(cluster, "wait", lab_name, "commanded", "--quiet")
    _command(cluster, "shutdown", lab_name)
    assert _command(cluster, "retry", lab_name, "commanded") == (
        f"the lab {lab_name!r} was started for it; `raylab shutdown {lab_name}` ends it\n"
        "commanded: 1 trial runs again\n"
    )
    _command(cluster, "wait", lab_name, "commanded", "--quiet")
    assert _command(cluster, "retry", lab_name, "commanded") == "commanded: nothing is failed or crashed or timed_out\n"
    assert raylab.Notebook(cluster.home / lab_name).progress("commanded").by_status == {"done": 40}


def test_a_sweep_goes_on_with_mended_code_of_a_module_beside_the_script(
    cluster: Cluster, lab_name: str, mark: Path, tmp_path: Path
) -> None:
    script = """
    import sys, warnings
    def code(text):
        with open(os.path.join(folder, "helper_of_mine.py"), "w") as file:
            file.write(text)
        sys.modules.pop("helper_of_mine", None)
        import importlib
        importlib.invalidate_caches()
        return importlib.import_module("helper_of_mine").f
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    bad = "def f(x, mark):\\n    if x % 4 == 0:\\n        raise ValueError(x)\\n    return {'y': x, 'by': 1}\\n"
    good = "def f(x, mark):\\n    # mended\\n    return {'y': x, 'by': 22}\\n"
    lab = raylab.Lab(name)
    sweep = submit(lab, "mended", code(bad))
    assert sweep.wait(timeout=150, progress=False)
    assert sweep.progress().by_status == {"done": 30, "failed": 10}
    with warnings.catch_warnings(record=True) as told:
        submit(lab, "mended", code(good), if_exists="continue", runtime_env={"env_vars": {"MENDED": "1"}})
    assert "10 trials that failed run again" in str(told[0].message), told
    assert sweep.wait(timeout=150, progress=False)
    with warnings.catch_warnings(record=True) as told:
        frame = sweep.results(metadata=["_code"])
    assert "versions 1 and 2" in str(told[0].message)
    assert frame.filter(by=1)["_code"].unique().to_list() == [1] and frame.filter(by=1).height == 30
    assert frame.filter(by=22)["_code"].unique().to_list() == [2] and frame.filter(by=22).height == 10
    assert len(sweep.info()["code"]) == 2 and len(sweep.info()["code"][1]["differs"]) >= 2
    """
    cluster.client(TRIALS + _dedent(script), name=lab_name, mark=str(mark), folder=str(tmp_path))
    done = _run(cluster, "results", lab_name, "mended", "-o", str(tmp_path / "out.parquet"))
    assert "the results of 'mended' are of versions 1 and 2 of its code" in done.stderr
    assert done.stderr.count("\n") == 2, done.stderr
    assert pl.read_parquet(tmp_path / "out.parquet").height == 40


def _run(cluster: Cluster, *words: str) -> subprocess.CompletedProcess[str]:
    done = cluster.command(*words)
    assert done.returncode == 0, done.stderr
    return done


def _command(cluster: Cluster, *words: str) -> str:
    return _run(cluster, *words).stdout


def _dedent(code: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in code.splitlines())
